//! Columns: pairs the tokens of a preprocessed line with those of the line the user wrote.
//!
//! The preprocessor keeps lines but not columns: it drops comments, squeezes blanks and expands macros. Both lines are split into
//! tokens and walked in step; where they differ, the smallest skip on both sides after which several tokens agree again is
//! taken to be a macro's use on the one side and its expansion on the other.

use crate::lex;
use crate::token::{Token, TokenKind};
use std::ops::Range;

/// Tokens that must agree before the lines count as in step again.
const AGREE: usize = 3;

/// Most tokens of the written line that a difference may span; macro uses are short.
const FARTHEST: usize = 200;

/// Where each token of a preprocessed line comes from.
#[derive(Debug)]
pub(super) struct Columns {
    /// By ascending offset in the preprocessed line.
    tokens: Vec<Pair>,
}

#[derive(Debug)]
struct Pair {
    /// Offset in the preprocessed line.
    preprocessed: usize,
    /// Offset in the written line.
    written: usize,
    /// Bytes of it that stand there; 1 when only the place is known.
    length: usize,
}

impl Columns {
    /// Pairs the tokens of a preprocessed line with those of the written one. A token of a macro's expansion comes from the macro's
    /// argument if it stands there once, else from the macro's name.
    pub fn new(preprocessed: &str, written: &str) -> Self {
        let lines = Lines {
            left: lex::tokens(preprocessed),
            right: lex::tokens(written),
            preprocessed,
            written,
        };
        let mut tokens = Vec::with_capacity(lines.left.len());
        let mut pair = |i: usize, written, length| {
            let preprocessed = lines.left[i].span.start;
            tokens.push(Pair {
                preprocessed,
                written,
                length,
            });
        };
        let (mut i, mut j) = (0, 0);
        while i < lines.left.len() && j < lines.right.len() {
            if lines.same(i, j) {
                pair(i, lines.right[j].span.start, lines.right[j].span.len());
                (i, j) = (i + 1, j + 1);
                continue;
            }
            let (next_i, next_j) = lines.resync(i, j);
            for k in i..next_i {
                pair(k, lines.inside(k, j..next_j), 1);
            }
            (i, j) = (next_i, next_j);
        }
        // The written line is used up: a macro's use that goes on over the following lines.
        let last = lines.right.last().map_or(0, |t| t.span.start);
        for k in i..lines.left.len() {
            pair(k, last, 1);
        }
        Self { tokens }
    }

    /// Byte offset in the written line of a byte of the preprocessed one.
    pub fn written(&self, offset: usize) -> usize {
        let index = self.tokens.partition_point(|t| t.preprocessed <= offset);
        match index.checked_sub(1).map(|i| &self.tokens[i]) {
            Some(token) => {
                token.written + (offset - token.preprocessed).min(token.length.saturating_sub(1))
            }
            None => 0,
        }
    }
}

/// The tokens of both lines.
struct Lines<'a> {
    left: Vec<Token>,
    right: Vec<Token>,
    preprocessed: &'a str,
    written: &'a str,
}

impl Lines<'_> {
    fn left(&self, i: usize) -> &str {
        &self.preprocessed[self.left[i].span.clone()]
    }

    fn right(&self, j: usize) -> &str {
        &self.written[self.right[j].span.clone()]
    }

    fn same(&self, i: usize, j: usize) -> bool {
        self.left(i) == self.right(j)
    }

    /// Whether the next AGREE tokens, or all that are left on both sides, agree.
    fn in_step(&self, i: usize, j: usize) -> bool {
        let (left, right) = (self.left.len() - i, self.right.len() - j);
        let count = AGREE.min(left).min(right);
        (0..count).all(|k| self.same(i + k, j + k)) && (count == AGREE || left == right)
    }

    /// Where both sides are in step again after a difference at (i, j).
    fn resync(&self, i: usize, j: usize) -> (usize, usize) {
        if let Some(end) = self.call_end(j)
            && let Some(found) = (i..=self.left.len()).find(|k| self.in_step(*k, end))
        {
            return (found, end);
        }
        let (left, right) = (self.left.len() - i, (self.right.len() - j).min(FARTHEST));
        for distance in 1..=left + right {
            for skip in 1..=distance.min(right) {
                if distance - skip <= left && self.in_step(i + distance - skip, j + skip) {
                    return (i + distance - skip, j + skip);
                }
            }
        }
        (self.left.len(), self.right.len())
    }

    /// The token after `NAME(...)` at `j`, if that stands there; the end of the line if the use goes on over the next ones.
    fn call_end(&self, j: usize) -> Option<usize> {
        let is_call = self.right[j].kind == TokenKind::Word
            && j + 1 < self.right.len()
            && self.right(j + 1) == "(";
        if !is_call {
            return None;
        }
        let mut depth = 0usize;
        for k in j + 1..self.right.len() {
            match self.right(k) {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return Some(k + 1);
            }
        }
        Some(self.right.len())
    }

    /// Place in the written line of an expanded token of the macro use in `range`.
    fn inside(&self, target: usize, range: Range<usize>) -> usize {
        let name = self.right[range.start].span.start;
        if matches!(
            self.left[target].kind,
            TokenKind::Punctuation | TokenKind::Directive
        ) {
            return name;
        }
        let mut arguments =
            (range.start + 1..range.end).filter(|k| self.right(*k) == self.left(target));
        match (arguments.next(), arguments.next()) {
            (Some(only), None) => self.right[only].span.start,
            _ => name,
        }
    }
}
