//! Address-space words: where they only qualify a type and can go, and where they mean storage.

use crate::token::{TokenKind, Tokens};

/// Whether the word at `i` is the name of a member, not a keyword.
pub(crate) fn is_member(t: &Tokens<'_>, i: usize) -> bool {
    i > 0 && matches!(t.str(i - 1), "." | "->" | "::")
}

/// Whether `constant` at `i` stands behind a parameter list: `T get() const constant { ... }`.
pub(crate) fn qualifies_method(t: &Tokens<'_>, i: usize) -> bool {
    let mut before = i;
    while before > 0 && matches!(t.str(before - 1), "const" | "volatile") {
        before -= 1;
    }
    before > 0 && t.is(before - 1, ")") && matches!(t.str(i + 1), "{" | ";" | "=" | ":" | "const")
}

/// What `threadgroup` at `i` becomes when it declares memory of the group: a statement that starts with it and declares no pointer.
pub(crate) fn storage(t: &Tokens<'_>, i: usize) -> Option<&'static str> {
    let mut start = i;
    let mut is_static = false;
    while start > 0 && matches!(t.str(start - 1), "const" | "volatile" | "static" | ")") {
        if t.is(start - 1, ")") {
            let open = t.partner(start - 1);
            if open == 0 || !t.is(open - 1, "alignas") {
                break;
            }
            start = open;
        }
        start -= 1;
        is_static |= t.is(start, "static");
    }
    let statement = start == 0
        || matches!(t.str(start - 1), ";" | "{" | "}" | ":")
        || t.kind(start - 1) == Some(TokenKind::Directive);
    if !statement {
        return None;
    }
    let mut j = i + 1;
    loop {
        match t.str(j) {
            ";" | "=" | "," => {
                return Some(if is_static {
                    "METTLE_THREADGROUP"
                } else {
                    "static METTLE_THREADGROUP"
                });
            }
            "*" | "&" | "(" | ")" | "{" | "}" | "" => return None,
            "<" => j = t.angle(j, t.len())? + 1,
            _ => j = t.skip(j),
        }
        if t.is_attribute(j) {
            j = t.skip(j);
        }
    }
}

/// Token `i` as C++ sees it in a type: address spaces gone, `constant` as `const`. Empty if nothing is left.
pub(crate) fn erased_word<'a>(t: &Tokens<'a>, i: usize) -> &'a str {
    match t.str(i) {
        word if !t.is_word(i) || is_member(t, i) => word,
        "device" | "thread" | "threadgroup" => "",
        "constant" if qualifies_method(t, i) => "",
        "constant" => "const",
        word => word,
    }
}
