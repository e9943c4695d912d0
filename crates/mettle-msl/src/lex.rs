//! Splits source text into tokens. Any text lexes: an unterminated literal ends with its line, an unknown byte is punctuation.

use crate::token::{Token, TokenKind};

/// Operators of more than one character. No bracket and no `>` in front, so that `>>` closes two template lists and `]]` two subscripts.
const OPERATORS: [&str; 21] = [
    "...", "<<=", "::", "->", "==", "!=", "<=", "&&", "||", "<<", "++", "--", "+=", "-=", "*=",
    "/=", "%=", "&=", "|=", "^=", "##",
];

/// All tokens of `text`; white space and comments are left out.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        at: 0,
        line_start: true,
    };
    let mut list = Vec::new();
    while let Some(token) = lexer.next() {
        list.push(token);
    }
    list
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Only white space and comments since the last newline.
    line_start: bool,
}

impl Lexer<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.text
            .as_bytes()
            .get(self.at + ahead)
            .copied()
            .unwrap_or(0)
    }

    /// Offset of the next newline or the end of the text.
    fn line_end(&self) -> usize {
        self.text[self.at..]
            .find('\n')
            .map_or(self.text.len(), |n| self.at + n)
    }

    fn skip_blank(&mut self) {
        loop {
            match (self.byte(0), self.byte(1)) {
                (b'\n', _) => {
                    self.line_start = true;
                    self.at += 1;
                }
                (b' ' | b'\t' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'\\', b'\n') => self.at += 2,
                (b'/', b'/') => self.at = self.line_end(),
                (b'/', b'*') => {
                    let end = self.text[self.at + 2..].find("*/");
                    self.at = end.map_or(self.text.len(), |n| self.at + 2 + n + 2);
                }
                _ => return,
            }
        }
    }

    fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        if self.at >= self.text.len() {
            return None;
        }
        let start = self.at;
        let kind = match self.byte(0) {
            b'#' if self.line_start => {
                self.at = self.line_end();
                TokenKind::Directive
            }
            b'"' => {
                self.quoted(b'"');
                TokenKind::Text
            }
            b'\'' => {
                self.quoted(b'\'');
                TokenKind::Character
            }
            b'0'..=b'9' => {
                self.number();
                TokenKind::Number
            }
            b'.' if self.byte(1).is_ascii_digit() => {
                self.number();
                TokenKind::Number
            }
            b if is_word(b) => {
                while is_word(self.byte(0)) {
                    self.at += 1;
                }
                TokenKind::Word
            }
            _ => {
                self.punctuation();
                TokenKind::Punctuation
            }
        };
        self.line_start = false;
        Some(Token {
            kind,
            span: start..self.at,
        })
    }

    fn quoted(&mut self, quote: u8) {
        let end = self.line_end();
        self.at += 1;
        while self.at < end {
            match self.byte(0) {
                b'\\' => self.at = (self.at + 2).min(end),
                b if b == quote => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    /// A preprocessing number: digits, letters, `.`, digit separators, and signs after an exponent.
    fn number(&mut self) {
        let hexadecimal = self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X');
        loop {
            let exponent = match self.byte(0) {
                b'e' | b'E' => !hexadecimal,
                b'p' | b'P' => true,
                _ => false,
            };
            if exponent && matches!(self.byte(1), b'+' | b'-') {
                self.at += 2;
            } else if (is_word(self.byte(0)) && self.byte(0) < 0x80)
                || self.byte(0) == b'.'
                || (self.byte(0) == b'\'' && self.byte(1).is_ascii_alphanumeric())
            {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    fn punctuation(&mut self) {
        let rest = &self.text[self.at..];
        let length = match OPERATORS.iter().find(|o| rest.starts_with(**o)) {
            Some(operator) => operator.len(),
            None => rest.chars().next().map_or(1, char::len_utf8),
        };
        self.at += length;
    }
}

/// Bytes of identifiers; every byte of a non-ASCII character counts.
fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|t| &text[t.span]).collect()
    }

    #[test]
    fn splits_words_numbers_and_operators() {
        assert_eq!(
            split("a+=1.5e-3h; b->c<<2 >> x"),
            [
                "a", "+=", "1.5e-3h", ";", "b", "->", "c", "<<", "2", ">", ">", "x"
            ]
        );
        assert_eq!(
            split("0x1eULL-1 .5f 1'000"),
            ["0x1eULL", "-", "1", ".5f", "1'000"]
        );
    }

    #[test]
    fn directives_reach_to_the_end_of_the_line() {
        assert_eq!(
            split("a\n  #pragma unroll(4) // x\nb # c"),
            ["a", "#pragma unroll(4) // x", "b", "#", "c"]
        );
    }

    #[test]
    fn unterminated_literals_and_comments_end() {
        assert_eq!(split("\"abc\nd"), ["\"abc", "d"]);
        assert_eq!(split("'\\"), ["'\\"]);
        assert_eq!(split("\"\\é"), ["\"\\é"]);
        assert_eq!(split("a /* b"), ["a"]);
        assert_eq!(split("§ é"), ["§", "é"]);
    }
}
