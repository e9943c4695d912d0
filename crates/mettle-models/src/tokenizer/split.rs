//! Cuts a text into words before byte pairs are merged: the "pre-tokenizers" of the GPT-2 family.
//!
//! The patterns are those that the models' own tokenizers were trained with. They contain one look-ahead, `\s+(?!\S)`:
//! a run of white space leaves its last character to the word behind it. That is done here by hand, so that the
//! expressions need no backtracking and take linear time on any text.

use regex::Regex;

use crate::{Error, Result};

/// English contractions, as all patterns have them up to case.
const CONTRACTIONS: &str = "'s|'t|'re|'ve|'m|'ll|'d";
const GPT2: &str = r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";

/// Names in `tokenizer.ggml.pre`, with what they mean.
const KNOWN: &[(&str, Pattern)] = &[
    ("default", Pattern::Default),
    ("gpt-2", Pattern::Gpt2),
    ("llama-bpe", Pattern::Llama3),
    ("llama-v3", Pattern::Llama3),
    ("llama3", Pattern::Llama3),
    ("qwen2", Pattern::Qwen2),
    ("deepseek-r1-qwen", Pattern::Qwen2),
];

/// Which words a text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// llama.cpp's for files that name none: GPT-2's with punctuation set apart and digits in threes.
    Default,
    Gpt2,
    Llama3,
    Qwen2,
    /// Runs of line breaks and what lies between them; no name of a file stands for it.
    Lines,
}

impl Pattern {
    pub(super) fn from_name(name: &str) -> Result<Self> {
        match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, pattern)) => Ok(*pattern),
            None => Err(Error::TokenizerKind {
                what: "pre-tokenizer",
                found: name.to_owned(),
                supported: KNOWN
                    .iter()
                    .map(|(known, _)| *known)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }
}

/// Applies a [`Pattern`].
pub(super) struct Splitter {
    stages: Vec<Stage>,
}

/// One expression; each match is a piece, and so is what lies between matches.
struct Stage {
    expression: Regex,
    space: Space,
}

/// How the look-ahead behind white space is to be imitated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Space {
    /// The expression has none.
    Plain,
    /// A match of white space leaves its last character when more text follows.
    LeavesLast,
    /// So does one that does not end a line.
    LeavesLastWithinLine,
}

impl Splitter {
    pub(super) fn new(pattern: Pattern) -> Result<Self> {
        let stage = |expression: &str, space| match Regex::new(expression) {
            Ok(expression) => Ok(Stage { expression, space }),
            Err(e) => Err(Error::Tokenizer(format!("pre-tokenizer {pattern:?}: {e}"))),
        };
        let gpt2 = || stage(&format!("{CONTRACTIONS}|{GPT2}"), Space::LeavesLast);
        let lines = |digits: &str| {
            let expression = format!(
                r"(?i:{CONTRACTIONS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+"
            );
            stage(&expression, Space::LeavesLastWithinLine)
        };
        let stages = match pattern {
            Pattern::Gpt2 => vec![gpt2()?],
            Pattern::Lines => vec![stage(r"\n+", Space::Plain)?],
            Pattern::Llama3 => vec![lines(r"\p{N}{1,3}")?],
            Pattern::Qwen2 => vec![lines(r"\p{N}")?],
            Pattern::Default => vec![
                stage(r"[\p{P}$+<=>^~|]+", Space::Plain)?,
                gpt2()?,
                stage(r"\p{N}+", Space::Plain)?,
                stage("[0-9][0-9][0-9]", Space::Plain)?,
            ],
        };
        Ok(Self { stages })
    }

    /// The words of a text, which put together are the text.
    pub(super) fn split<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut pieces = vec![text];
        for stage in &self.stages {
            let mut finer = Vec::new();
            for piece in pieces {
                stage.split(piece, &mut finer);
            }
            pieces = finer;
        }
        pieces
    }
}

impl Stage {
    fn split<'a>(&self, text: &'a str, pieces: &mut Vec<&'a str>) {
        let mut done = 0;
        while let Some(found) = self.expression.find_at(text, done) {
            if found.start() > done {
                pieces.push(&text[done..found.start()]);
            }
            let end = found.start() + self.kept(found.as_str(), found.end() < text.len());
            pieces.push(&text[found.start()..end]);
            done = end;
        }
        if done < text.len() {
            pieces.push(&text[done..]);
        }
    }

    /// How many bytes of a match stay when more text follows; never none.
    fn kept(&self, found: &str, followed: bool) -> usize {
        let Some(last) = found.chars().next_back() else {
            return found.len();
        };
        let leaves = match self.space {
            Space::Plain => false,
            Space::LeavesLast => last.is_whitespace(),
            Space::LeavesLastWithinLine => last.is_whitespace() && !matches!(last, '\r' | '\n'),
        };
        if leaves && followed && found.len() > last.len_utf8() {
            found.len() - last.len_utf8()
        } else {
            found.len()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::{GPT2, Pattern, Splitter};
    use proptest::prelude::*;
    use tokenizers::{
        PreTokenizedString, PreTokenizer,
        pre_tokenizers::split::{Split, SplitPattern},
        tokenizer::{OffsetReferential, OffsetType, SplitDelimiterBehavior},
    };

    const PATTERNS: [Pattern; 5] = [
        Pattern::Default,
        Pattern::Gpt2,
        Pattern::Llama3,
        Pattern::Qwen2,
        Pattern::Lines,
    ];

    /// The models' own patterns, look-ahead included, for another engine.
    fn original(pattern: Pattern) -> Vec<Split> {
        let contractions = super::CONTRACTIONS;
        let gpt2 = format!(
            r"{contractions}|{}",
            GPT2.replace(r"|\s+", r"|\s+(?!\S)|\s+")
        );
        let lines = |digits: &str| {
            format!(
                r"(?i:{contractions})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            )
        };
        let expressions = match pattern {
            Pattern::Gpt2 => vec![gpt2],
            Pattern::Llama3 => vec![lines(r"\p{N}{1,3}")],
            Pattern::Qwen2 => vec![lines(r"\p{N}")],
            Pattern::Lines => vec![r"[^\n]+|[\n]+".to_owned()],
            Pattern::Default => vec![
                r"[\p{P}\$\+<=>\^~\|]+".to_owned(),
                gpt2,
                r"\p{N}+".to_owned(),
                "[0-9][0-9][0-9]".to_owned(),
            ],
        };
        let split = |expression| {
            let isolated = SplitDelimiterBehavior::Isolated;
            Split::new(SplitPattern::Regex(expression), isolated, false).unwrap()
        };
        expressions.into_iter().map(split).collect()
    }

    static BOTH: LazyLock<Vec<(Pattern, Splitter, Vec<Split>)>> = LazyLock::new(|| {
        let both = |pattern| (pattern, Splitter::new(pattern).unwrap(), original(pattern));
        PATTERNS.map(both).into()
    });

    fn check(text: &str) {
        for (pattern, splitter, original) in BOTH.iter() {
            let mut expected = PreTokenizedString::from(text);
            for split in original {
                split.pre_tokenize(&mut expected).unwrap();
            }
            let expected = expected.get_splits(OffsetReferential::Original, OffsetType::Byte);
            let expected: Vec<&str> = expected.into_iter().map(|(piece, _, _)| piece).collect();
            let pieces = splitter.split(text);
            assert_eq!(pieces, expected, "{pattern:?} on {text:?}");
            assert_eq!(pieces.concat(), text);
        }
    }

    #[test]
    fn known_texts() {
        for text in [
            "Hello world",
            "  two  spaces   three\n\n  lines \n x",
            "don't DON'T we'LL I'd",
            "12345 items, 3.14 and 2^10!",
            "tab\there\r\nnew \r\n \t end ",
            "   ",
            " \n",
            "héllo wörld 你好 мир 🦀🦀 ½ Ⅷ ",
            "a\u{a0}\u{a0}b\u{3000}c\u{85}d",
            "x=1;y==2 || z<=3 ~^ $5",
            "''''s 's 'sabc",
        ] {
            check(text);
        }
    }

    proptest! {
        #[test]
        fn any_text(text in "([ \t\n\r]{0,3}|[a-cA-Cs'.,$0-9]{0,4}|\\PC){0,12}") {
            check(&text);
        }

        #[test]
        fn any_white_space(text in "[ \\s'sx1.]{0,20}") {
            check(&text);
        }
    }

    #[test]
    fn a_long_run_takes_linear_time() {
        let text = " ".repeat(1 << 20) + "x";
        for pattern in PATTERNS {
            // The last space goes with the word, but in lines.
            let pieces = if pattern == Pattern::Lines { 1 } else { 2 };
            assert_eq!(Splitter::new(pattern).unwrap().split(&text).len(), pieces);
        }
    }
}
