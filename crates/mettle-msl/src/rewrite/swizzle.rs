//! Compound assignment to components, `v.x += e`.
//!
//! Components are properties here. Where a template assigns to one whose type depends on its parameters, and a free `operator+=` is in
//! sight, clang takes `v.x += e` for a call of it and cannot go back to the property. Written as `v.x = v.x + (e)` there is no choice.

use crate::parse::item::{ItemKind, Items};
use crate::parse::space;
use crate::source::edit::Edits;
use crate::token::{TokenKind, Tokens};
use std::collections::HashSet;
use std::ops::Range;

/// Compound assignments and their operators.
const COMPOUND: [(&str, &str); 8] = [
    ("+=", "+"),
    ("-=", "-"),
    ("*=", "*"),
    ("/=", "/"),
    ("%=", "%"),
    ("&=", "&"),
    ("|=", "|"),
    ("^=", "^"),
];

/// Rewrites the assignments that need it. One with side effects on its left is left alone: it would happen twice.
pub(super) fn spell_out(t: &Tokens<'_>, items: &Items, edits: &mut Edits) {
    let declared: HashSet<&str> = items
        .list
        .iter()
        .filter(|item| !items.scopes[item.scope].record)
        .filter_map(|item| match item.kind {
            ItemKind::Function { name, .. } if t.is(name.wrapping_sub(1), "operator") => {
                Some(t.str(name))
            }
            _ => None,
        })
        .collect();
    let declared: Vec<_> = COMPOUND
        .iter()
        .filter(|(compound, _)| declared.contains(compound))
        .collect();
    if declared.is_empty() {
        return;
    }
    for i in 0..t.len() {
        let Some((_, operator)) = declared.iter().find(|(compound, _)| t.is(i, compound)) else {
            continue;
        };
        let Some(left) = component(t, i) else {
            continue;
        };
        let mut end = i + 1;
        while !matches!(t.str(end), ";" | "," | ")" | "}" | "") {
            end = t.skip(end);
        }
        let left: Vec<&str> = left.map(|j| space::erased_word(t, j)).collect();
        edits.replace(
            t.start(i)..t.end(i),
            format!("= {} {operator} (", left.concat()),
        );
        edits.replace(t.end(end - 1)..t.end(end - 1), ")");
    }
}

/// The tokens of `a.b[i].xy` in front of `end`, if they end with a swizzle and have no side effects.
fn component(t: &Tokens<'_>, end: usize) -> Option<Range<usize>> {
    let swizzle = end.checked_sub(1)?;
    let is_swizzle = |set: &str| t.str(swizzle).chars().all(|c| set.contains(c));
    if !t.is_word(swizzle)
        || t.str(swizzle).len() > 4
        || !(is_swizzle("xyzw") || is_swizzle("rgba"))
    {
        return None;
    }
    let mut start = swizzle;
    while start > 1 && matches!(t.str(start - 1), "." | "->") {
        start -= 2;
        while t.is(start, "]") {
            start = t.partner(start).checked_sub(1)?;
        }
        if !t.is_word(start) {
            return None;
        }
    }
    let plain = |i: usize| match t.kind(i) {
        Some(TokenKind::Word) => !t.is(i + 1, "("),
        Some(TokenKind::Number) => true,
        _ => {
            !matches!(t.str(i), "++" | "--" | "=")
                && COMPOUND.iter().all(|(compound, _)| !t.is(i, compound))
        }
    };
    (start < swizzle && (start..swizzle).all(plain)).then_some(start..end)
}
