//! Pragmas.

use crate::lex;
use crate::token::{TokenKind, Tokens};
use std::collections::HashSet;

/// Words of the hints themselves.
const HINT_WORDS: [&str; 6] = [
    "enable",
    "disable",
    "full",
    "assume_safety",
    "true",
    "false",
];

/// The words of a unit outside its pragmas. A macro's name is never among them, because the preprocessor has replaced it there.
pub(super) struct Words<'a> {
    tokens: &'a Tokens<'a>,
    /// Collected when first asked for.
    found: Option<HashSet<&'a str>>,
}

impl<'a> Words<'a> {
    pub fn of(tokens: &'a Tokens<'a>) -> Self {
        Self {
            tokens,
            found: None,
        }
    }

    /// Whether the arguments of a loop hint mention nothing but words of the unit.
    fn know(&mut self, hint: &str) -> bool {
        let Some(open) = hint.find('(') else {
            return true;
        };
        let arguments = &hint[open..];
        let mut named = lex::tokens(arguments)
            .into_iter()
            .filter(|token| token.kind == TokenKind::Word)
            .map(|token| &arguments[token.span])
            .filter(|word| !HINT_WORDS.contains(word))
            // The next option of `#pragma clang loop a(..) b(..)`.
            .filter(|word| {
                !matches!(
                    *word,
                    "unroll"
                        | "unroll_count"
                        | "vectorize"
                        | "vectorize_width"
                        | "interleave"
                        | "interleave_count"
                )
            })
            .peekable();
        if named.peek().is_none() {
            return true;
        }
        let t = self.tokens;
        let found = self.found.get_or_insert_with(|| {
            (0..t.len())
                .filter(|i| t.is_word(*i))
                .map(|i| t.str(i))
                .collect()
        });
        named.all(|word| found.contains(word))
    }
}

/// What a pragma that clang does not have becomes.
pub(super) fn rewrite(line: &str, words: &mut Words<'_>) -> Option<String> {
    let rest = line
        .strip_prefix('#')?
        .trim_start()
        .strip_prefix("pragma")?
        .trim_start();
    if rest.starts_with("mettle") {
        return Some(String::new());
    }
    if ["unroll", "nounroll", "clang loop"]
        .iter()
        .any(|hint| rest.starts_with(hint))
    {
        return (!words.know(rest)).then(String::new);
    }
    let option = rest.strip_prefix("METAL")?.trim_start();
    let Some(option) = option.strip_prefix("fp") else {
        return Some(String::new());
    };
    let option: String = option.split_whitespace().collect();
    Some(
        match option.as_str() {
            "math_mode(safe)" => "#pragma clang fp reassociate(off)",
            // `fast` also allows to ignore infinities and NaN, which clang cannot express for a block.
            "math_mode(relaxed)" | "math_mode(fast)" => {
                "#pragma clang fp reassociate(on) contract(fast)"
            }
            "contract(off)" => "#pragma clang fp contract(off)",
            "contract(on)" => "#pragma clang fp contract(on)",
            "contract(fast)" => "#pragma clang fp contract(fast)",
            _ => "",
        }
        .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pragma(line: &str) -> Option<String> {
        let tokens = Tokens::new("constexpr int KNOWN = 4;").unwrap();
        rewrite(line, &mut Words::of(&tokens))
    }

    #[test]
    fn pragmas() {
        assert_eq!(
            pragma("#pragma METAL fp math_mode(relaxed)").as_deref(),
            Some("#pragma clang fp reassociate(on) contract(fast)")
        );
        assert_eq!(
            pragma("# pragma METAL fp contract( off )").as_deref(),
            Some("#pragma clang fp contract(off)")
        );
        assert_eq!(
            pragma("#pragma METAL internals : enable").as_deref(),
            Some("")
        );
        assert_eq!(pragma("#pragma unroll(4)"), None);
    }

    #[test]
    fn hints_with_macros_are_dropped() {
        for kept in [
            "#pragma unroll(4)",
            "#pragma unroll 4",
            "#pragma unroll (KNOWN / 2)",
            "#pragma clang loop unroll(full) vectorize(disable)",
        ] {
            assert_eq!(pragma(kept), None, "{kept}");
        }
        for dropped in [
            "#pragma unroll (MIN(KNOWN, 2))",
            "#pragma clang loop unroll_count(N)",
        ] {
            assert_eq!(pragma(dropped).as_deref(), Some(""), "{dropped}");
        }
    }
}
