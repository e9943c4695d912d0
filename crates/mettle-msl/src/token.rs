//! Tokens of a translation unit and the bracket structure over them.

use crate::lex;
use std::ops::Range;

/// What a token is, as far as the parser needs to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// Identifier or keyword.
    Word,
    /// Integer or floating literal, suffix included.
    Number,
    /// String literal, quotes included.
    Text,
    /// Character literal, quotes included.
    Character,
    /// Operator or bracket. Brackets and `>` are always single characters.
    Punctuation,
    /// A whole preprocessing line from `#` to the end of the line; after preprocessing only pragmas are left.
    Directive,
}

/// One token: its kind and its bytes in the text.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub span: Range<usize>,
}

/// Brackets may nest this deep, as in clang. It also bounds every recursion over brackets in this crate.
const MAX_DEPTH: usize = 256;

/// A bracket without its partner, or nested too deeply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BracketError {
    /// Byte offset of the bracket.
    pub offset: usize,
    /// What is wrong with it.
    pub message: &'static str,
}

/// A text, its tokens, and for each bracket the index of its partner.
///
/// Indices past the end are allowed in every query and answer "nothing", so that a parser can look ahead freely.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    pub text: &'a str,
    list: Vec<Token>,
    /// For a bracket token the index of the matching one, for every other token its own index.
    partner: Vec<usize>,
}

impl<'a> Tokens<'a> {
    /// Splits `text` and pairs `()`, `[]` and `{}`.
    pub fn new(text: &'a str) -> Result<Self, BracketError> {
        let list = lex::tokens(text);
        let mut partner: Vec<usize> = (0..list.len()).collect();
        let mut open: Vec<usize> = Vec::new();
        let error = |i: usize, message| BracketError {
            offset: list[i].span.start,
            message,
        };
        for (i, token) in list.iter().enumerate() {
            if token.kind != TokenKind::Punctuation {
                continue;
            }
            match &text[token.span.clone()] {
                "(" | "[" | "{" if open.len() == MAX_DEPTH => {
                    return Err(error(i, "brackets are nested too deeply"));
                }
                "(" | "[" | "{" => open.push(i),
                close @ (")" | "]" | "}") => {
                    let start = open
                        .pop()
                        .ok_or_else(|| error(i, "this bracket closes nothing"))?;
                    let expected = match &text[list[start].span.clone()] {
                        "(" => ")",
                        "[" => "]",
                        _ => "}",
                    };
                    if close != expected {
                        return Err(error(start, "this bracket is never closed"));
                    }
                    partner[start] = i;
                    partner[i] = start;
                }
                _ => {}
            }
        }
        match open.last() {
            Some(&start) => Err(error(start, "this bracket is never closed")),
            None => Ok(Self {
                text,
                list,
                partner,
            }),
        }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Kind of token `i`.
    pub fn kind(&self, i: usize) -> Option<TokenKind> {
        self.list.get(i).map(|t| t.kind)
    }

    /// Text of token `i`, empty past the end.
    pub fn str(&self, i: usize) -> &'a str {
        self.list.get(i).map_or("", |t| &self.text[t.span.clone()])
    }

    /// Whether token `i` is the punctuation or word `s`.
    pub fn is(&self, i: usize, s: &str) -> bool {
        self.str(i) == s && !matches!(self.kind(i), Some(TokenKind::Text | TokenKind::Character))
    }

    /// Whether token `i` is an identifier or keyword.
    pub fn is_word(&self, i: usize) -> bool {
        self.kind(i) == Some(TokenKind::Word)
    }

    /// Byte offset of token `i`; the end of the text past the end.
    pub fn start(&self, i: usize) -> usize {
        self.list.get(i).map_or(self.text.len(), |t| t.span.start)
    }

    /// Byte offset after token `i`; the end of the text past the end.
    pub fn end(&self, i: usize) -> usize {
        self.list.get(i).map_or(self.text.len(), |t| t.span.end)
    }

    /// Index of the bracket matching the bracket `i`; `i` itself for any other token.
    pub fn partner(&self, i: usize) -> usize {
        self.partner.get(i).copied().unwrap_or(i)
    }

    /// The token after `i`, and after its partner when `i` opens a bracket.
    pub fn skip(&self, i: usize) -> usize {
        self.partner(i).max(i) + 1
    }

    /// Whether `i` starts `[[`.
    pub fn is_attribute(&self, i: usize) -> bool {
        // `a[[...` cannot start an expression, but the two brackets must also close together: `a[b[i]]` does not open so.
        self.is(i, "[")
            && self.is(i + 1, "[")
            && self.start(i + 1) == self.end(i)
            && self.partner(i + 1) + 1 == self.partner(i)
    }

    /// Index of the `>` that closes the `<` at `i`, looking no further than `end`.
    pub fn angle(&self, i: usize, end: usize) -> Option<usize> {
        let mut depth = 0usize;
        let mut j = i;
        while j < end {
            match self.str(j) {
                "<" => depth += 1,
                ">" => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(j);
                    }
                }
                ";" => return None,
                _ => {}
            }
            j = self.skip(j);
        }
        None
    }

    /// Splits the tokens of `range` at `separator` outside all brackets, angle brackets included. Empty parts are left out.
    pub fn split(&self, range: Range<usize>, separator: &str) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let mut start = range.start;
        let mut i = range.start;
        while i < range.end {
            if self.is(i, separator) {
                parts.push(start..i);
                start = i + 1;
            } else if self.is(i, "<")
                && let Some(close) = self.angle(i, range.end)
            {
                i = close;
            }
            i = self.skip(i);
        }
        parts.push(start..range.end);
        parts.retain(|p| p.start < p.end);
        parts
    }

    /// The source text from the start of the first to the end of the last token of `range`.
    pub fn slice(&self, range: Range<usize>) -> &'a str {
        if range.start >= range.end {
            return "";
        }
        &self.text[self.start(range.start)..self.end(range.end - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_find_their_partners() {
        let tokens = Tokens::new("a[b[i]] ([[x]])").unwrap();
        assert!(!tokens.is_attribute(1));
        assert_eq!(tokens.partner(1), 6);
        assert!(tokens.is_attribute(8));
        assert_eq!(tokens.skip(7), tokens.len());
    }

    #[test]
    fn unbalanced_brackets_are_named() {
        for (text, offset) in [("f(x", 1), ("x }", 2), ("( ]", 0)] {
            assert_eq!(Tokens::new(text).unwrap_err().offset, offset, "{text}");
        }
        assert!(Tokens::new(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn angles_nest() {
        let tokens = Tokens::new("f<vec<T, 4>, (a > b)>(x)").unwrap();
        let close = tokens.angle(1, tokens.len()).unwrap();
        assert_eq!(tokens.slice(0..close + 1), "f<vec<T, 4>, (a > b)>");
        let parts = tokens.split(2..close, ",");
        assert_eq!(parts.len(), 2);
        assert_eq!(tokens.slice(parts[0].clone()), "vec<T, 4>");
    }
}
