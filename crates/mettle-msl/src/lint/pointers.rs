//! Pointers and references name the address space they lead to (4), and lead to no functions (1.5.4, 2.15).

use super::Findings;
use super::code::Code;
use crate::parse::item::{Item, ItemKind};
use crate::parse::{self, space};
use std::collections::HashSet;
use std::ops::Range;

/// Words that say where a pointer leads.
const SPACES: [&str; 7] = [
    "device",
    "constant",
    "thread",
    "threadgroup",
    "threadgroup_imageblock",
    "ray_data",
    "object_data",
];

pub(super) fn check(code: &Code<'_>, findings: &mut Findings) {
    let types = Types::new(code);
    for (item, _) in code.items() {
        let own = types.parameters_around(code, item);
        let check =
            |range, findings: &mut Findings| declarator(code, &types, &own, range, findings);
        match item.kind {
            ItemKind::Variable => {
                for part in code
                    .t
                    .split(item.head..item.tokens.end.saturating_sub(1), ",")
                {
                    check(part, findings);
                }
            }
            // `float (*f)(float);` looks like a function named float.
            ItemKind::Alias | ItemKind::Function { body: None, .. } => {
                function_pointers(code, item.head..item.tokens.end, findings);
            }
            _ => {}
        }
    }
    for function in code.functions() {
        let own = types.parameters_around(code, function.item);
        let check =
            |range, findings: &mut Findings| declarator(code, &types, &own, range, findings);
        let end = (function.item.head..function.parameters)
            .find(|i| code.t.is(*i, "operator"))
            .unwrap_or(function.name);
        check(function.item.head..end, findings);
        for parameter in code.parameters(&function) {
            check(parameter, findings);
        }
        if let Some(body) = function.body {
            let body = body + 1..code.t.partner(body);
            locals(code, &types, &own, body, findings);
        }
    }
}

/// What is known of the names of types.
struct Types<'a> {
    /// Structs and enumerations that are no templates.
    plain: HashSet<&'a str>,
    /// Aliases that may hide an address space or depend on a template parameter.
    opaque: HashSet<&'a str>,
}

impl<'a> Types<'a> {
    fn new(code: &Code<'a>) -> Self {
        let t = code.t;
        let mut types = Self {
            plain: HashSet::new(),
            opaque: HashSet::new(),
        };
        for (item, is_member) in code.items() {
            match item.kind {
                ItemKind::Struct { name, alias, .. } | ItemKind::Enum { name, alias, .. } => {
                    let names = [name, alias].into_iter().flatten().map(|n| t.str(n));
                    if item.templates.is_empty() && !is_member {
                        types.plain.extend(names);
                    } else {
                        types.opaque.extend(names);
                    }
                }
                ItemKind::Alias if t.is(item.head, "using") => {
                    types.opaque.insert(t.str(item.head + 1));
                }
                ItemKind::Alias => {
                    types
                        .opaque
                        .insert(t.str(item.tokens.end.saturating_sub(2)));
                }
                _ => {}
            }
        }
        types
    }

    /// Names of the template parameters of an item and of what it stands in.
    fn parameters_around(&self, code: &Code<'a>, item: &Item) -> HashSet<&'a str> {
        let t = code.t;
        code.around(item)
            .flat_map(|outer| outer.templates.iter().cloned())
            .flatten()
            .filter(|i| t.is_word(*i))
            .map(|i| t.str(i))
            .filter(|word| parse::builtin_type(word).is_none())
            .collect()
    }

    /// Whether a pointer to the type in `range` certainly leads nowhere in particular: the type is known, and neither depends on a template
    /// parameter nor brings an address space along.
    fn is_plain(&self, code: &Code<'_>, own: &HashSet<&str>, range: Range<usize>) -> bool {
        let t = code.t;
        let mut known = false;
        for i in range {
            let word = t.str(i);
            if !t.is_word(i) {
                continue;
            }
            if matches!(word, "auto" | "decltype" | "typename" | "operator")
                || own.contains(word)
                || self.opaque.contains(word)
            {
                return false;
            }
            known |=
                word == "void" || self.plain.contains(word) || parse::builtin_type(word).is_some();
        }
        known
    }
}

/// Reports each `*` and `&` of a declaration that has no address space in front of it.
fn declarator(
    code: &Code<'_>,
    types: &Types<'_>,
    own: &HashSet<&str>,
    range: Range<usize>,
    findings: &mut Findings,
) {
    let t = code.t;
    function_pointers(code, range.clone(), findings);
    let mut spaced = false;
    let mut start = range.start;
    let mut i = range.start;
    let mut end = range.end;
    while i < end {
        match t.str(i) {
            "=" | "{" => return,
            "<" => i = t.angle(i, end).unwrap_or(i),
            // `T (&x)[4]`; other parentheses belong to attributes or initialisers.
            "(" if matches!(t.str(i + 1), "*" | "&" | "&&") => {
                if t.is(t.skip(i), "(") {
                    return;
                }
                end = t.partner(i);
                i += 1;
                continue;
            }
            word if SPACES.contains(&word) => spaced = true,
            sign @ ("*" | "&" | "&&") => {
                let first = start == range.start;
                if !spaced && (!first || types.is_plain(code, own, start..i)) {
                    missing(code, i, sign, findings);
                }
                spaced = false;
                start = i + 1;
            }
            _ => {}
        }
        i = t.skip(i);
    }
}

fn missing(code: &Code<'_>, i: usize, sign: &str, findings: &mut Findings) {
    let what = if sign == "*" { "pointer" } else { "reference" };
    findings.error(
        code.at(i),
        "missing-address-space",
        format!("a {what} names its address space (4): device, constant, threadgroup or thread"),
    );
}

/// Declarations and casts inside a body.
fn locals(
    code: &Code<'_>,
    types: &Types<'_>,
    own: &HashSet<&str>,
    body: Range<usize>,
    findings: &mut Findings,
) {
    let t = code.t;
    // Names that the body declares itself stand for something unknown.
    let mut own = own.clone();
    own.extend(
        body.clone()
            .filter(|i| matches!(t.str(*i), "using" | "struct" | "class"))
            .map(|i| t.str(i + 1)),
    );
    own.extend(
        body.clone()
            .filter(|i| t.is(*i, "typedef"))
            .map(|i| t.str(code.statement_end(i, body.end).saturating_sub(1))),
    );
    let mut i = body.start;
    while i < body.end {
        let starts = code.starts_statement(i) || t.is(i - 1, "(") && t.is(i.wrapping_sub(2), "for");
        if starts && t.is_word(i) {
            if let Some(range) = pointer_declaration(code, i, body.end)
                && is_type(code, types, &own, i)
            {
                declarator(code, types, &own, range, findings);
            }
            if is_type(code, types, &own, i) {
                let end = code.statement_end(i, body.end);
                let equals = (i..end).find(|j| t.is(*j, "=")).unwrap_or(end);
                function_pointers(code, i..equals, findings);
            }
        }
        let cast = match t.str(i) {
            "(" if !t.is_word(i - 1) || matches!(t.str(i - 1), "return" | "case" | "else") => {
                Some(i + 1..t.partner(i))
            }
            "static_cast" | "reinterpret_cast" | "const_cast" if t.is(i + 1, "<") => {
                t.angle(i + 1, body.end).map(|close| i + 2..close)
            }
            _ => None,
        };
        if let Some(range) = cast
            && is_pointer_type(code, range.clone())
            && is_type(code, types, &own, range.start)
        {
            declarator(code, types, &own, range, findings);
        }
        i += 1;
    }
}

/// Whether the words at `i` start with qualifiers and a known type.
fn is_type(code: &Code<'_>, types: &Types<'_>, own: &HashSet<&str>, mut i: usize) -> bool {
    let t = code.t;
    while matches!(
        t.str(i),
        "const" | "constexpr" | "volatile" | "static" | "metal" | "::"
    ) {
        i += 1;
    }
    types.is_plain(code, own, i..i + 1)
}

/// `T * name` at token `i`, up to the name, if what follows the name makes it a declaration.
fn pointer_declaration(code: &Code<'_>, i: usize, end: usize) -> Option<Range<usize>> {
    let t = code.t;
    let mut j = i;
    let mut indirect = false;
    while j < end {
        match t.str(j) {
            "*" | "&" | "&&" => indirect = true,
            "<" => j = t.angle(j, end)?,
            "::" => {}
            _ if t.is_word(j) => {
                let named = indirect && !matches!(t.str(j), "const" | "volatile" | "restrict");
                if named && !SPACES.contains(&t.str(j)) {
                    return matches!(t.str(j + 1), "=" | ";" | "," | "[" | ":" | "{")
                        .then_some(i..j);
                }
            }
            _ => return None,
        }
        j += 1;
    }
    None
}

/// Whether `range` holds nothing but a type that ends with `*` or `&`.
fn is_pointer_type(code: &Code<'_>, range: Range<usize>) -> bool {
    let t = code.t;
    let mut j = range.start;
    let mut indirect = false;
    while j < range.end {
        match t.str(j) {
            "*" | "&" => indirect = true,
            "const" | "volatile" | "::" => {}
            "<" => match t.angle(j, range.end) {
                Some(close) => j = close,
                None => return false,
            },
            word if t.is_word(j) && (!indirect || SPACES.contains(&word)) => {}
            _ => return false,
        }
        j += 1;
    }
    indirect
}

/// `T (*name)(...)`, the `*` also inside an alias's `T (*)(...)`.
fn function_pointers(code: &Code<'_>, range: Range<usize>, findings: &mut Findings) {
    let t = code.t;
    let mut i = range.start;
    while i < range.end {
        let follows_type =
            i > range.start && (t.is_word(i - 1) || matches!(t.str(i - 1), ">" | "*" | "&"));
        let inner = i + 1..t.partner(i);
        let sign = (inner.start..inner.end).find(|j| matches!(t.str(*j), "*" | "&"));
        // `(*name)`, or `(S::*name)` for a member.
        let names_pointer = sign.is_some_and(|s| {
            let first = s == inner.start || t.is(s - 1, "::");
            first && (s + 1..inner.end).all(|j| t.is_word(j)) && inner.end <= s + 3
        });
        if t.is(i, "(") && follows_type && names_pointer && t.is(t.skip(i), "(") {
            let sign = sign.unwrap_or(i);
            if !space::is_member(t, i - 1)
                && !matches!(t.str(i - 1), "return" | "sizeof" | "decltype")
            {
                findings.error(
                    code.at(sign),
                    "function-pointer",
                    "pointers to functions are not supported: pass a function object, or the function as a template argument",
                );
            }
        }
        i = if t.is(i, "(") { t.skip(i) } else { i + 1 };
    }
}
