//! MSL as C++ for OpenCL.
//!
//! | MSL | here |
//! |---|---|
//! | `device`, `constant` | `mettle_device`, `const mettle_constant`: parts of OpenCL's global memory (`strict.h`) |
//! | `threadgroup`, `thread` | `__local`, `__private` |
//! | `constant T x = ..` outside functions | `const T x = ..`, which OpenCL puts into global memory |
//! | `threadgroup T x[N];` | a reference to such a variable: OpenCL allows the variable itself only where a kernel begins |
//! | a method without an address space | one for objects in `__private` memory |
//! | `[[attribute]]`, `kernel` | dropped |

use super::THREADGROUP_MEMORY;
use crate::lint::code::{Code, Function};
use crate::parse::item::{Item, ItemKind};
use crate::parse::space;
use crate::rewrite::literal;
use crate::source::edit::{Edited, Edits};
use crate::token::{TokenKind, Tokens};
use std::collections::HashSet;
use std::ops::Range;

/// Bytes of threadgroup memory that a kernel may declare (Metal Feature Set Tables, all Apple GPUs).
const MAX_THREADGROUP_MEMORY: usize = 32 * 1024;

/// The unit for the compiler. The map leads to the preprocessed text.
pub(in crate::lint) fn rewrite(code: &Code<'_>) -> Edited {
    let mut rewriter = Rewriter {
        t: code.t,
        edits: Edits::default(),
        done: HashSet::new(),
    };
    for (item, is_member) in code.items() {
        if item.kind == ItemKind::Variable {
            rewriter.variable(item, is_member);
        }
        rewriter.templates(item);
    }
    for function in code.functions().filter(|f| f.is_member) {
        rewriter.method(code, &function);
    }
    for (_, body) in code.bodies() {
        rewriter.body(code, body);
    }
    rewriter.tokens();
    rewriter.edits.apply(&code.unit.source.text)
}

struct Rewriter<'a> {
    t: &'a Tokens<'a>,
    edits: Edits,
    /// Address-space words that are dealt with.
    done: HashSet<usize>,
}

impl Rewriter<'_> {
    fn replace(&mut self, token: usize, with: &str) {
        let t = self.t;
        self.edits.replace(t.start(token)..t.end(token), with);
        self.done.insert(token);
    }

    fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.edits.replace(at..at, text);
    }

    /// A variable outside functions or a member of a struct: `constant` in front of what is no pointer is where the variable itself lives.
    fn variable(&mut self, item: &Item, is_member: bool) {
        let t = self.t;
        let end = item.tokens.end.saturating_sub(1);
        let range = item.head..end;
        let equals = range
            .clone()
            .find(|i| matches!(t.str(*i), "=" | "{"))
            .unwrap_or(end);
        let head = item.head..equals;
        if head.clone().any(|i| matches!(t.str(i), "*" | "&")) {
            return;
        }
        let function_constant = !is_member
            && head
                .clone()
                .any(|i| t.is_attribute(i) && t.is(i + 2, "function_constant"));
        let is_extern = head.clone().any(|i| t.is(i, "extern"));
        for i in head {
            if t.is(i, "constant") && !space::is_member(t, i) {
                let with = if function_constant && !is_extern {
                    "extern const"
                } else {
                    "const"
                };
                self.replace(i, with);
            } else if function_constant && t.is(i, "static") {
                self.replace(i, "");
            }
        }
    }

    /// `template <void (*f)(short)>`: OpenCL gives the pointer an address space, which no function has. A function is a pointer there too.
    fn templates(&mut self, item: &Item) {
        let t = self.t;
        for i in item.templates.iter().cloned().flatten() {
            if t.is(i, "(") && t.is(i + 1, "*") && t.is(t.skip(i), "(") {
                self.replace(i + 1, "");
            }
        }
    }

    /// Where the object of a method lives.
    fn method(&mut self, code: &Code<'_>, function: &Function<'_>) {
        let t = self.t;
        let head = function.item.head..function.parameters;
        let outer = code.around(function.item).nth(1);
        let record = outer.and_then(|o| match o.kind {
            ItemKind::Struct { name, alias, .. } => name.or(alias),
            _ => None,
        });
        // Constructors make objects anywhere.
        let makes = record.is_some_and(|r| t.str(r) == t.str(function.name))
            || head.clone().any(|i| t.is(i, "~"));
        if makes
            || head
                .clone()
                .any(|i| matches!(t.str(i), "static" | "friend"))
        {
            return;
        }
        let mut i = t.skip(function.parameters);
        let mut spaces = 0;
        loop {
            match t.str(i) {
                "const" | "volatile" => {}
                "thread" => {
                    self.replace(i, "__private");
                    spaces += 1;
                }
                "threadgroup" => {
                    self.replace(i, "__local");
                    spaces += 1;
                }
                "device" | "constant" => {
                    self.replace(i, "__global");
                    spaces += 1;
                }
                _ => break,
            }
            i += 1;
        }
        if spaces == 0 {
            self.insert(t.end(t.partner(function.parameters)), " __private ");
        }
    }

    /// Declarations of threadgroup memory, and `constant` variables of a function.
    fn body(&mut self, code: &Code<'_>, body: Range<usize>) {
        let t = self.t;
        // Names declared so far, with the end of the block they live in.
        let mut declared: Vec<(String, usize)> = Vec::new();
        let mut i = body.start;
        while i < body.end {
            if t.is(i, "threadgroup") && space::storage(t, i).is_some() {
                let end = code.statement_end(i, body.end);
                self.storage(i, end, &mut declared, &body);
                i = end;
            } else if t.is(i, "constant") && !space::is_member(t, i) && !self.done.contains(&i) {
                self.local_constant(code, i, &body);
            }
            i += 1;
        }
    }

    /// `threadgroup T x[4], y;` at `i`, its `;` at `end`.
    fn storage(
        &mut self,
        i: usize,
        end: usize,
        declared: &mut Vec<(String, usize)>,
        body: &Range<usize>,
    ) {
        let t = self.t;
        for word in i.saturating_sub(3)..i {
            if t.is(word, "static") {
                self.replace(word, "");
            }
        }
        self.replace(i, "__local");
        let block = block_end(t, i, body);
        let mut names = Vec::new();
        for part in t.split(i + 1..end, ",") {
            let equals = part.clone().find(|j| t.is(*j, "=")).unwrap_or(part.end);
            let mut name = None;
            let mut j = part.start;
            while j < equals && !(t.is(j, "[") && name.is_some()) {
                if t.is(j, "<") {
                    j = t.angle(j, equals).unwrap_or(j);
                } else if t.is(j, "alignas") {
                    j += 1;
                } else if t.is_word(j) {
                    name = Some(j);
                }
                j = t.skip(j);
            }
            let Some(name) = name else { continue };
            self.insert(t.start(name), "(&");
            self.insert(t.end(name), ")");
            if equals == part.end {
                self.insert(t.end(part.end - 1), " = mettle::storage()");
            }
            names.push((t.str(name).to_owned(), block));
        }
        declared.retain(|(_, block)| *block > i);
        declared.extend(names);
        // Names of an outer block that an inner one hides must not be counted twice.
        let sizes: Vec<String> = declared
            .iter()
            .enumerate()
            .filter(|(k, (name, _))| !declared[k + 1..].iter().any(|(n, _)| n == name))
            .map(|(_, (name, _))| format!("sizeof({name})"))
            .collect();
        // Only at the first declaration that is too much: those after it are too.
        let earlier = match &sizes[..sizes.len().saturating_sub(1)] {
            [] => String::new(),
            sizes => format!("{} > {MAX_THREADGROUP_MEMORY} || ", sizes.join(" + ")),
        };
        self.insert(
            t.end(end),
            format!(
                " static_assert({earlier}{} <= {MAX_THREADGROUP_MEMORY}, \"{THREADGROUP_MEMORY}\");",
                sizes.join(" + "),
            ),
        );
    }

    /// `constexpr constant int n = 4;` is a constant like any other; without `static` or `constexpr` it is a variable in the wrong place.
    fn local_constant(&mut self, code: &Code<'_>, i: usize, body: &Range<usize>) {
        let t = self.t;
        let mut start = i;
        while start > body.start && matches!(t.str(start - 1), "static" | "constexpr" | "const") {
            start -= 1;
        }
        if !code.starts_statement(start) {
            return;
        }
        let end = code.statement_end(i, body.end);
        let equals = (i..end)
            .find(|j| matches!(t.str(*j), "=" | "{"))
            .unwrap_or(end);
        let words = start..equals;
        let plain = !words.clone().any(|j| matches!(t.str(j), "*" | "&" | "("));
        if plain
            && words
                .clone()
                .any(|j| matches!(t.str(j), "static" | "constexpr"))
        {
            self.replace(i, "const");
            for j in words {
                if t.is(j, "static") {
                    self.replace(j, "");
                }
            }
        }
    }

    /// Everything that can be decided token by token.
    fn tokens(&mut self) {
        let t = self.t;
        for i in 0..t.len() {
            match t.kind(i) {
                Some(TokenKind::Word) if !space::is_member(t, i) && !self.done.contains(&i) => {
                    match t.str(i) {
                        "kernel" | "coherent" => self.replace(i, ""),
                        "device" => self.replace(i, "mettle_device"),
                        "threadgroup" => self.replace(i, "__local"),
                        "thread" => self.replace(i, "__private"),
                        "constant" if space::qualifies_method(t, i) => self.replace(i, "__global"),
                        "constant" => self.replace(i, "const mettle_constant"),
                        // `metal::half`, where half is a macro.
                        "metal" if t.is(i + 1, "::") && t.is(i + 2, "half") => {
                            self.replace(i, "");
                            self.replace(i + 1, "");
                        }
                        _ => {}
                    }
                }
                Some(TokenKind::Punctuation) if t.is_attribute(i) => {
                    let range = t.start(i)..t.end(t.partner(i));
                    self.edits.remove(t.text, range);
                }
                Some(TokenKind::Number) => {
                    if let Some(with) = literal(t.str(i)) {
                        self.edits.replace(t.start(i)..t.end(i), with);
                    }
                }
                Some(TokenKind::Directive) => {
                    self.edits.remove(t.text, t.start(i)..t.end(i));
                }
                _ => {}
            }
        }
    }
}

/// Token that closes the innermost block around `i`.
fn block_end(t: &Tokens<'_>, i: usize, body: &Range<usize>) -> usize {
    let mut end = body.end;
    let mut j = body.start;
    while j < i {
        if t.is(j, "{") {
            if t.partner(j) > i {
                end = t.partner(j);
            } else {
                j = t.partner(j);
            }
        }
        j += 1;
    }
    end
}
