//! Evaluates integer constant expressions: array sizes, attribute indices, enumerators, template arguments.

use super::names::{Bindings, Names};
use crate::token::TokenKind;
use std::ops::Range;

/// The value of the expression in `range`, or `None` if it is not an integer constant that this evaluator understands.
/// Names are looked up from `scope`, template parameters in `bindings`.
pub(super) fn evaluate(
    names: &Names<'_>,
    range: Range<usize>,
    scope: usize,
    bindings: &Bindings,
) -> Option<i128> {
    let mut evaluator = Evaluator {
        names,
        scope,
        bindings,
        at: range.start,
        end: range.end,
    };
    let value = evaluator.conditional()?;
    (evaluator.at == evaluator.end).then_some(value)
}

/// The value of an integer or character literal.
pub(super) fn literal(text: &str) -> Option<i128> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let mut characters = quoted.strip_suffix('\'')?.chars();
        return match (characters.next()?, characters.next()) {
            (c, None) if c != '\\' => Some(i128::from(u32::from(c))),
            _ => None,
        };
    }
    let digits = text.replace('\'', "").to_ascii_lowercase();
    let digits = digits.trim_end_matches(['u', 'l']);
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x', ..] => (&digits[2..], 16),
        [b'0', b'b', ..] => (&digits[2..], 2),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    i128::from_str_radix(digits, radix)
        .ok()
        .filter(|v| u64::try_from(*v).is_ok())
}

struct Evaluator<'a> {
    names: &'a Names<'a>,
    scope: usize,
    bindings: &'a Bindings,
    at: usize,
    end: usize,
}

impl Evaluator<'_> {
    fn peek(&self) -> &str {
        if self.at < self.end {
            self.names.tokens.str(self.at)
        } else {
            ""
        }
    }

    fn take(&mut self, what: &str) -> Option<()> {
        (self.peek() == what).then(|| self.at += 1)
    }

    /// Runs a part one level deeper.
    fn nested(&mut self, part: impl FnOnce(&mut Self) -> Option<i128>) -> Option<i128> {
        let names = self.names;
        names.deeper(|| part(self))
    }

    fn conditional(&mut self) -> Option<i128> {
        let condition = self.binary(0)?;
        if self.take("?").is_none() {
            return Some(condition);
        }
        let yes = self.nested(Self::conditional)?;
        self.take(":")?;
        let no = self.nested(Self::conditional)?;
        Some(if condition != 0 { yes } else { no })
    }

    /// The binary operator at the current token: its precedence (higher binds tighter) and its number of tokens.
    fn operator(&self) -> Option<(&'static str, u8, usize)> {
        const OPERATORS: [(&str, u8); 17] = [
            ("||", 1),
            ("&&", 2),
            ("|", 3),
            ("^", 4),
            ("&", 5),
            ("==", 6),
            ("!=", 6),
            ("<=", 7),
            ("<", 7),
            (">", 7),
            ("<<", 8),
            ("+", 9),
            ("-", 9),
            ("*", 10),
            ("/", 10),
            ("%", 10),
            (">=", 7),
        ];
        let text = self.peek();
        // The lexer never joins `>` with what follows.
        if text == ">" {
            let next = |s| self.at + 1 < self.end && self.names.tokens.is(self.at + 1, s);
            return Some(if next(">") {
                (">>", 8, 2)
            } else if next("=") {
                (">=", 7, 2)
            } else {
                (">", 7, 1)
            });
        }
        OPERATORS
            .iter()
            .find(|(o, _)| *o == text)
            .map(|(o, p)| (*o, *p, 1))
    }

    fn binary(&mut self, least: u8) -> Option<i128> {
        let mut left = self.unary()?;
        while let Some((operator, precedence, length)) = self.operator() {
            if precedence <= least {
                break;
            }
            self.at += length;
            let right = self.nested(|e| e.binary(precedence))?;
            left = apply(operator, left, right)?;
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<i128> {
        match self.peek() {
            "-" => {
                self.at += 1;
                self.nested(Self::unary)?.checked_neg()
            }
            "+" => {
                self.at += 1;
                self.nested(Self::unary)
            }
            "!" => {
                self.at += 1;
                Some(i128::from(self.nested(Self::unary)? == 0))
            }
            "~" => {
                self.at += 1;
                Some(!self.nested(Self::unary)?)
            }
            "(" => self.parenthesised(),
            "sizeof" => {
                let tokens = self.names.tokens;
                let open = self.at + 1;
                if !tokens.is(open, "(") {
                    return None;
                }
                self.at = tokens.skip(open);
                let ty = self.names.type_of(
                    open + 1..tokens.partner(open),
                    self.scope,
                    self.bindings,
                )?;
                Some(self.names.layout(&ty)?.size as i128)
            }
            _ => self.primary(),
        }
    }

    /// `(expression)`, or a cast `(uint)x`.
    fn parenthesised(&mut self) -> Option<i128> {
        let close = self.names.tokens.partner(self.at);
        let inner = self.at + 1..close;
        if let Some(value) = self.inside(inner.clone()) {
            self.at = close + 1;
            return Some(value);
        }
        self.names.scalar_of(inner, self.scope, self.bindings)?;
        self.at = close + 1;
        self.nested(Self::unary)
    }

    /// Evaluates all of a bracketed range.
    fn inside(&mut self, range: Range<usize>) -> Option<i128> {
        let outer = (self.at, self.end);
        (self.at, self.end) = (range.start, range.end);
        let value = self
            .nested(Self::conditional)
            .filter(|_| self.at == self.end);
        (self.at, self.end) = outer;
        value
    }

    fn primary(&mut self) -> Option<i128> {
        let tokens = self.names.tokens;
        match tokens.kind(self.at).filter(|_| self.at < self.end)? {
            TokenKind::Number | TokenKind::Character => {
                self.at += 1;
                literal(tokens.str(self.at - 1))
            }
            TokenKind::Word => {
                let start = self.at;
                self.at += 1;
                while self.peek() == "::" && tokens.is_word(self.at + 1) {
                    self.at += 2;
                }
                let path = start..self.at;
                // `uint(4)`: a cast.
                if self.peek() == "(" {
                    self.names.scalar_of(path, self.scope, self.bindings)?;
                    return self.parenthesised();
                }
                match tokens.slice(path.clone()) {
                    "true" => Some(1),
                    "false" => Some(0),
                    _ => self.names.value_of(path, self.scope, self.bindings),
                }
            }
            _ => None,
        }
    }
}

fn apply(operator: &str, left: i128, right: i128) -> Option<i128> {
    let shift = || u32::try_from(right).ok().filter(|s| *s < 64);
    match operator {
        "||" => Some(i128::from(left != 0 || right != 0)),
        "&&" => Some(i128::from(left != 0 && right != 0)),
        "|" => Some(left | right),
        "^" => Some(left ^ right),
        "&" => Some(left & right),
        "==" => Some(i128::from(left == right)),
        "!=" => Some(i128::from(left != right)),
        "<=" => Some(i128::from(left <= right)),
        "<" => Some(i128::from(left < right)),
        ">" => Some(i128::from(left > right)),
        ">=" => Some(i128::from(left >= right)),
        // Values stay within 64 bits, so that what Metal would wrap is refused rather than misjudged.
        "<<" => left.checked_shl(shift()?),
        ">>" => left.checked_shr(shift()?),
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" => left.checked_div(right),
        "%" => left.checked_rem(right),
        _ => None,
    }
    .filter(|v| i64::try_from(*v).is_ok() || u64::try_from(*v).is_ok())
}
