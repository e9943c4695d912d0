//! Splits a translation unit into declarations, as deep as namespaces and structs go. Function bodies stay opaque.

use crate::token::{TokenKind, Tokens};
use std::ops::Range;

/// A namespace or struct that declarations stand in.
#[derive(Debug)]
pub(crate) struct Scope {
    /// Qualified name, empty for the global one.
    pub name: String,
    pub parent: Option<usize>,
    /// A struct's. A namespace may be opened again, as another scope of the same name.
    pub record: bool,
}

/// One declaration or definition.
#[derive(Debug)]
pub(crate) struct Item {
    pub kind: ItemKind,
    /// All its tokens, `template <...>` in front and `;` or `}` at the end included.
    pub tokens: Range<usize>,
    /// Tokens between `<` and `>` of each `template <...>` in front.
    pub templates: Vec<Range<usize>>,
    /// First token after these.
    pub head: usize,
    /// Index of its scope.
    pub scope: usize,
}

/// What an item is; fields are token indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// A function; `name` is the token before the parameter list.
    Function {
        name: usize,
        parameters: usize,
        body: Option<usize>,
    },
    /// `template f<int>(...);`
    Instantiation,
    /// A struct, class or union with its body. `alias` is the name after the body (`typedef struct {...} alias;`).
    Struct {
        keyword: usize,
        name: Option<usize>,
        body: usize,
        alias: Option<usize>,
        typedef: bool,
    },
    /// An enumeration with its body.
    Enum {
        name: Option<usize>,
        body: usize,
        alias: Option<usize>,
        typedef: bool,
    },
    /// `using a = b;` or `typedef b a;`
    Alias,
    /// A variable or data member, or anything else that ends with `;`.
    Variable,
    /// `#pragma`.
    Pragma,
}

/// The items of a unit in the order of the text.
#[derive(Debug)]
pub(crate) struct Items {
    pub list: Vec<Item>,
    pub scopes: Vec<Scope>,
}

/// Words that a parenthesis may follow without starting a parameter list.
const NOT_A_FUNCTION: [&str; 9] = [
    "alignas",
    "decltype",
    "__attribute__",
    "noexcept",
    "explicit",
    "sizeof",
    "static_assert",
    "__declspec",
    "throw",
];

/// Splits the whole unit.
pub(crate) fn items(tokens: &Tokens<'_>) -> Items {
    let global = Scope {
        name: String::new(),
        parent: None,
        record: false,
    };
    let mut splitter = Splitter {
        tokens,
        items: Items {
            list: Vec::new(),
            scopes: vec![global],
        },
        pending: vec![(0..tokens.len(), 0)],
    };
    while let Some((range, scope)) = splitter.pending.pop() {
        let mut i = range.start;
        while i < range.end {
            i = splitter.item(i, range.end, scope);
        }
    }
    splitter.items.list.sort_by_key(|item| item.tokens.start);
    splitter.items
}

struct Splitter<'a> {
    tokens: &'a Tokens<'a>,
    items: Items,
    pending: Vec<(Range<usize>, usize)>,
}

impl Splitter<'_> {
    /// Takes one item starting at `i`; the index after it.
    fn item(&mut self, i: usize, end: usize, scope: usize) -> usize {
        let t = self.tokens;
        match t.str(i) {
            ";" => return i + 1,
            "public" | "private" | "protected" if t.is(i + 1, ":") => return i + 2,
            _ if t.kind(i) == Some(TokenKind::Directive) => {
                return self.push(ItemKind::Pragma, i..i + 1, Vec::new(), i, scope);
            }
            "inline" if t.is(i + 1, "namespace") => return i + 1,
            "namespace" => return self.namespace(i, end, scope),
            "extern" if t.kind(i + 1) == Some(TokenKind::Text) && t.is(i + 2, "{") => {
                self.pending.push((i + 3..t.partner(i + 2), scope));
                return t.skip(i + 2);
            }
            _ => {}
        }
        let mut templates = Vec::new();
        let mut head = i;
        while t.is(head, "template") {
            if !t.is(head + 1, "<") {
                let semicolon = self.find(head, end, ";");
                return self.push(
                    ItemKind::Instantiation,
                    i..semicolon + 1,
                    templates,
                    head,
                    scope,
                );
            }
            let Some(close) = t.angle(head + 1, end) else {
                break;
            };
            templates.push(head + 2..close);
            head = close + 1;
        }
        let (kind, next) = self.declaration(head, end, scope);
        self.push(kind, i..next, templates, head, scope)
    }

    fn push(
        &mut self,
        kind: ItemKind,
        tokens: Range<usize>,
        templates: Vec<Range<usize>>,
        head: usize,
        scope: usize,
    ) -> usize {
        let next = tokens.end.min(self.tokens.len());
        self.items.list.push(Item {
            kind,
            tokens: tokens.start..next,
            templates,
            head,
            scope,
        });
        next
    }

    /// Index of `what` outside brackets, or the last index before `end`.
    fn find(&self, mut i: usize, end: usize, what: &str) -> usize {
        while i < end && !self.tokens.is(i, what) {
            i = self.tokens.skip(i);
        }
        i.min(end.saturating_sub(1))
    }

    fn namespace(&mut self, i: usize, end: usize, scope: usize) -> usize {
        let t = self.tokens;
        let mut scope = scope;
        let mut j = i + 1;
        while j < end && !t.is(j, "{") && !t.is(j, ";") && !t.is(j, "=") {
            if t.is_word(j) {
                scope = self.scope(t.str(j), scope, false);
            }
            j = t.skip(j);
        }
        if !t.is(j, "{") {
            return self.find(j, end, ";") + 1;
        }
        self.pending.push((j + 1..t.partner(j), scope));
        t.skip(j)
    }

    fn scope(&mut self, name: &str, parent: usize, record: bool) -> usize {
        let outer = &self.items.scopes[parent].name;
        let name = if outer.is_empty() {
            name.to_owned()
        } else {
            format!("{outer}::{name}")
        };
        self.items.scopes.push(Scope {
            name,
            parent: Some(parent),
            record,
        });
        self.items.scopes.len() - 1
    }

    /// A declaration after its `template <...>`; the index after it.
    fn declaration(&mut self, head: usize, end: usize, scope: usize) -> (ItemKind, usize) {
        let t = self.tokens;
        let typedef = t.is(head, "typedef");
        if let Some((kind, next)) = self.record(head + usize::from(typedef), end, scope, typedef) {
            return (kind, next);
        }
        if typedef || t.is(head, "using") {
            return (ItemKind::Alias, self.find(head, end, ";") + 1);
        }
        let mut function = None;
        let mut i = head;
        while i < end {
            if t.is_attribute(i) {
                i = t.skip(i);
                continue;
            }
            match t.str(i) {
                ";" => return (declared(function, None), i + 1),
                "{" => match function {
                    Some(_) => return (declared(function, Some(i)), t.skip(i)),
                    None => i = t.skip(i),
                },
                "=" => return (declared(function, None), self.find(i, end, ";") + 1),
                "operator" => {
                    // `operator()(...)`: the first pair is the name.
                    i += if t.is(i + 1, "(") { 2 } else { 1 };
                    while i < end && !t.is(i, "(") && !t.is(i, ";") {
                        i += 1;
                    }
                    if t.is(i, "(") {
                        function = Some((i - 1, i));
                        i = t.skip(i);
                    }
                }
                "(" => {
                    let named =
                        i > head && t.is_word(i - 1) && !NOT_A_FUNCTION.contains(&t.str(i - 1));
                    if function.is_none() && (named || t.is(i.wrapping_sub(1), ">")) {
                        function = Some((i - 1, i));
                    }
                    i = t.skip(i);
                }
                "<" => i = t.angle(i, end).map_or(i + 1, |close| close + 1),
                ":" if function.is_some() => i = self.member_initialisers(i + 1, end),
                _ => i = t.skip(i),
            }
        }
        (declared(function, None), end)
    }

    /// Skips `a(1), b{2}` after a constructor's `:`; the index of its body.
    fn member_initialisers(&self, mut i: usize, end: usize) -> usize {
        let t = self.tokens;
        while i < end {
            while i < end && !matches!(t.str(i), "(" | "{" | ";") {
                i = if t.is(i, "<") {
                    t.angle(i, end).map_or(i + 1, |close| close + 1)
                } else {
                    i + 1
                };
            }
            i = t.skip(i);
            if !t.is(i, ",") {
                return i;
            }
            i += 1;
        }
        end
    }

    /// A struct or enumeration with a body, starting at its keyword; `None` if there is none here.
    fn record(
        &mut self,
        keyword: usize,
        end: usize,
        scope: usize,
        typedef: bool,
    ) -> Option<(ItemKind, usize)> {
        let t = self.tokens;
        let enumeration = match t.str(keyword) {
            "struct" | "class" | "union" => false,
            "enum" => true,
            _ => return None,
        };
        let mut name = None;
        let mut i = keyword + 1;
        while i < end && !t.is(i, "{") {
            match t.str(i) {
                ";" | "=" | ")" => return None,
                // Bases, or the underlying type of an enumeration.
                ":" => {
                    i = self.find(i, end, "{");
                    break;
                }
                "alignas" | "__attribute__" => i += 1,
                "class" | "struct" if enumeration => {}
                "final" => {}
                "(" => return None,
                "<" => {
                    i = t.angle(i, end)?;
                }
                // Two words in a row: `struct S f(...)`, `struct S x`.
                _ if t.is_word(i) && name.is_some() && !t.is(i - 1, "::") => return None,
                _ if t.is_word(i) => name = Some(i),
                _ => {}
            }
            i = t.skip(i);
        }
        if !t.is(i, "{") || i >= end {
            return None;
        }
        let body = i;
        let semicolon = self.find(t.skip(body), end, ";");
        // The tail holds `packed` attributes, then the names declared; only a single plain name is of use.
        let mut alias = None;
        let mut j = t.skip(body);
        while j < semicolon {
            if t.is(j, "__attribute__") {
                j += 1;
            } else if t.is_word(j) {
                alias = Some(j);
            }
            j = t.skip(j);
        }
        if enumeration {
            return Some((
                ItemKind::Enum {
                    name,
                    body,
                    alias,
                    typedef,
                },
                semicolon + 1,
            ));
        }
        let inner = self.scope(name.or(alias).map_or("", |n| t.str(n)), scope, true);
        self.pending.push((body + 1..t.partner(body), inner));
        Some((
            ItemKind::Struct {
                keyword,
                name,
                body,
                alias,
                typedef,
            },
            semicolon + 1,
        ))
    }
}

fn declared(function: Option<(usize, usize)>, body: Option<usize>) -> ItemKind {
    match function {
        Some((name, parameters)) => ItemKind::Function {
            name,
            parameters,
            body,
        },
        None => ItemKind::Variable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<String> {
        let tokens = Tokens::new(text).unwrap();
        let items = items(&tokens);
        let word = |i: usize| tokens.str(i).to_owned();
        items
            .list
            .iter()
            .map(|item| {
                let scope = &items.scopes[item.scope].name;
                let what = match &item.kind {
                    ItemKind::Function { name, body, .. } => format!(
                        "fn {}{}",
                        word(*name),
                        if body.is_some() { "{}" } else { "" }
                    ),
                    ItemKind::Instantiation => "instantiation".into(),
                    ItemKind::Struct { name, alias, .. } => {
                        format!("struct {}", word(name.or(*alias).unwrap()))
                    }
                    ItemKind::Enum { name, .. } => {
                        format!("enum {}", name.map_or(String::new(), word))
                    }
                    ItemKind::Alias => "alias".into(),
                    ItemKind::Variable => {
                        format!("var {}", tokens.slice(item.head..item.tokens.end))
                    }
                    ItemKind::Pragma => "pragma".into(),
                };
                if scope.is_empty() {
                    what
                } else {
                    format!("{scope}: {what}")
                }
            })
            .collect()
    }

    #[test]
    fn declarations_are_told_apart() {
        assert_eq!(
            kinds("int f(int a) { return a; } void g();"),
            ["fn f{}", "fn g"]
        );
        assert_eq!(
            kinds("constant int x = f(3); half4 y{1, 2};"),
            ["var constant int x = f(3);", "var half4 y{1, 2};"]
        );
        assert_eq!(
            kinds("using namespace metal; typedef decltype(f<int>) f_t;"),
            ["alias", "alias"]
        );
        assert_eq!(
            kinds("enum class E : uint { A, B = 2 }; enum { C };"),
            ["enum E", "enum "]
        );
        assert_eq!(
            kinds("template [[host_name(\"x\")]] kernel void f<int>(int); int z;"),
            ["instantiation", "var int z;"]
        );
        assert_eq!(
            kinds("#pragma once\nstatic_assert(sizeof(int) == 4, \"\");"),
            ["pragma", "var static_assert(sizeof(int) == 4, \"\");"]
        );
    }

    #[test]
    fn templates_and_operators() {
        assert_eq!(
            kinds("template <typename T, int N = (1 > 0)> kernel void f(device T* x) {}"),
            ["fn f{}"]
        );
        assert_eq!(
            kinds("T operator()(int a) const { return a; } bool operator<(S a, S b) { return 1; }"),
            ["fn ){}", "fn <{}"]
        );
        assert_eq!(
            kinds("__attribute__((always_inline)) inline int f() { return 1; }"),
            ["fn f{}"]
        );
    }

    #[test]
    fn scopes_nest() {
        let text = "namespace a { namespace b::c { struct S { int x; S(int y) : x{y} {} private: int f() const { return x; } }; } }";
        assert_eq!(
            kinds(text),
            [
                "a::b::c: struct S",
                "a::b::c::S: var int x;",
                "a::b::c::S: fn S{}",
                "a::b::c::S: fn f{}"
            ]
        );
        assert_eq!(
            kinds("typedef struct { half d; } block; struct block f(struct block b) { return b; }"),
            ["struct block", "block: var half d;", "fn f{}"]
        );
        assert_eq!(kinds("extern \"C\" { int a; }"), ["var int a;"]);
    }
}
