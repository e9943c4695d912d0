//! `c ? 0 : x` with an `x` of type `bfloat`: in Metal the 0 becomes a bfloat. Here bfloat is a class that converts to int as well, so that C++
//! finds two ways; the literal is given the type of the other branch then.

use crate::source::edit::Edits;
use crate::token::{TokenKind, Tokens};
use std::ops::Range;

/// Words that C++ does not have.
const SPACES: [&str; 4] = ["device", "thread", "threadgroup", "constant"];

/// Rewrites integer literals that are branches of a conditional, where the other branch may be a bfloat.
pub(super) fn rewrite(tokens: &Tokens<'_>, edits: &mut Edits) {
    let mentions = |i| tokens.is_word(i) && tokens.str(i).contains("bfloat");
    if !(0..tokens.len()).any(mentions) {
        return;
    }
    for question in (0..tokens.len()).filter(|&i| tokens.is(i, "?")) {
        let Some([then, otherwise]) = branches(tokens, question) else {
            continue;
        };
        for (branch, other) in [(then.clone(), otherwise.clone()), (otherwise, then)] {
            let Some(other) = leaf(tokens, other) else {
                continue;
            };
            if is_literal(tokens, &branch) {
                let text = tokens.slice(branch.clone());
                edits.replace(
                    tokens.start(branch.start)..tokens.end(branch.end - 1),
                    format!("mettle::branch<decltype({other})>({text})"),
                );
            }
        }
    }
}

/// The two branches of the conditional whose `?` is at `question`.
fn branches(t: &Tokens<'_>, question: usize) -> Option<[Range<usize>; 2]> {
    let mut depth = 0;
    let mut colon = None;
    let mut i = question + 1;
    while i < t.len() {
        match t.str(i) {
            "?" => depth += 1,
            ":" if depth > 0 => depth -= 1,
            ":" if colon.is_none() => colon = Some(i),
            ":" | "," | ";" | ")" | "]" | "}" => break,
            _ => {}
        }
        i = t.skip(i);
    }
    let colon = colon?;
    let branches = [question + 1..colon, colon + 1..i];
    branches.iter().all(|b| !b.is_empty()).then_some(branches)
}

/// An optional sign and an integer.
fn is_literal(t: &Tokens<'_>, range: &Range<usize>) -> bool {
    let number = range.end - 1;
    let signed = range.len() == 2 && (t.is(range.start, "-") || t.is(range.start, "+"));
    (range.len() == 1 || signed)
        && t.kind(number) == Some(TokenKind::Number)
        && t.str(number).bytes().all(|b| b.is_ascii_digit())
}

/// Of a branch, which may be a chain of conditionals, a part that is no literal, if it is simple enough to be written twice; as C++.
fn leaf(t: &Tokens<'_>, range: Range<usize>) -> Option<String> {
    let mut question = range.start;
    while question < range.end {
        if t.is(question, "?") {
            return branches(t, question)?
                .into_iter()
                .find_map(|branch| leaf(t, branch));
        }
        question = t.skip(question);
    }
    let is_simple = |i: usize| match t.kind(i) {
        Some(TokenKind::Word) => true,
        Some(TokenKind::Number) => t.str(i).bytes().all(|b| b.is_ascii_alphanumeric()),
        Some(TokenKind::Punctuation) => !["<", ">", ">>", "{"].contains(&t.str(i)),
        _ => false,
    };
    if is_literal(t, &range) || !range.clone().all(is_simple) {
        return None;
    }
    let mut text = String::new();
    for i in range.filter(|&i| !SPACES.contains(&t.str(i))) {
        text.push_str(t.str(i));
        text.push(' ');
    }
    text.pop();
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        let tokens = Tokens::new(text).unwrap();
        let mut edits = Edits::default();
        rewrite(&tokens, &mut edits);
        edits.apply(text).text
    }

    #[test]
    fn literals_take_the_type_of_the_other_branch() {
        assert_eq!(
            rewritten("bfloat f(bfloat x) { return x < 0 ? 0 : x; }"),
            "bfloat f(bfloat x) { return x < 0 ? mettle::branch<decltype(x)>(0) : x; }"
        );
        assert_eq!(
            rewritten("bfloat y = (a ? b[i] : -1) + g(c ? 0 : d ? 1 : x.y, 2);"),
            "bfloat y = (a ? b[i] : mettle::branch<decltype(b [ i ])>(-1)) + \
             g(c ? mettle::branch<decltype(x . y)>(0) : d ? mettle::branch<decltype(x . y)>(1) : x.y, 2);"
        );
    }

    #[test]
    fn address_spaces_go() {
        assert_eq!(
            rewritten("bfloat y = c ? (S)*((device T *) x + i) : 0;"),
            "bfloat y = c ? (S)*((device T *) x + i) : mettle::branch<decltype(( S ) * ( ( T * ) x + i ))>(0);"
        );
    }

    #[test]
    fn everything_else_stays() {
        for text in [
            "int y = x < 0 ? 0 : x;",
            "bfloat x; int y = c ? 0 : 1;",
            "bfloat x; f<c ? 0 : N> y; w = c ? a : b;",
            "bfloat x; switch (x) { case 0: y = c ? 1.0h : x; }",
        ] {
            assert_eq!(rewritten(text), text);
        }
    }
}
