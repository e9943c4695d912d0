//! SentencePiece-style encoding: characters, merged pair by pair by the score of what they make.
//!
//! The order of merges is llama.cpp's: the best score first, of equal ones the leftmost. Characters that end up outside
//! of the vocabulary are spelled in byte tokens.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::{
    special::SpecialDefaults,
    vocabulary::{Kind, Vocabulary},
};
use crate::{Error, Result, gguf::Metadata};

/// Stands for a space in tokens.
pub(super) const SPACE: &str = "\u{2581}";

pub(super) struct Spm {
    add_space_prefix: bool,
    bytes: [Option<u32>; 256],
    unknown: Option<u32>,
}

impl Spm {
    pub(super) const SPECIAL_DEFAULTS: SpecialDefaults = SpecialDefaults {
        bos: Some(1),
        eos: Some(2),
        add_bos: true,
        add_eos: false,
    };

    pub(super) fn from_metadata(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<Self> {
        // Without scores no pair is better than another.
        metadata.get::<&crate::gguf::Array>("tokenizer.ggml.scores")?;
        let unknown = match metadata.find::<u32>("tokenizer.ggml.unknown_token_id")? {
            Some(id) => {
                vocabulary.token(id)?;
                Some(id)
            }
            None => vocabulary
                .iter()
                .find(|(_, _, kind)| *kind == Kind::Unknown)
                .map(|(id, _, _)| id),
        };
        Ok(Self {
            add_space_prefix: metadata
                .find("tokenizer.ggml.add_space_prefix")?
                .unwrap_or(true),
            bytes: std::array::from_fn(|byte| vocabulary.id(&format!("<0x{byte:02X}>"))),
            unknown,
        })
    }

    pub(super) fn adds_space_prefix(&self) -> bool {
        self.add_space_prefix
    }

    /// Appends the ids of a text; one at the start or behind a special token may get a space before it.
    pub(super) fn encode(
        &self,
        text: &str,
        after_special: bool,
        vocabulary: &Vocabulary,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let mut escaped = String::with_capacity(text.len() + 3);
        if self.add_space_prefix && after_special {
            escaped.push_str(SPACE);
        }
        for (i, word) in text.split(' ').enumerate() {
            if i > 0 {
                escaped.push_str(SPACE);
            }
            escaped.push_str(word);
        }
        for symbol in merge(&escaped, vocabulary) {
            match vocabulary.id(symbol) {
                Some(id) => ids.push(id),
                None => self.spell(symbol, ids)?,
            }
        }
        Ok(())
    }

    /// Byte tokens for a character; the unknown token where there are none.
    fn spell(&self, symbol: &str, ids: &mut Vec<u32>) -> Result<()> {
        let bytes: Option<Vec<u32>> = symbol.bytes().map(|b| self.bytes[b as usize]).collect();
        match (bytes, self.unknown) {
            (Some(bytes), _) => ids.extend(bytes),
            (None, Some(unknown)) => ids.push(unknown),
            (None, None) => {
                return Err(Error::Tokenizer(format!(
                    "the vocabulary has no token for {symbol:?}"
                )));
            }
        }
        Ok(())
    }
}

/// Text of a token.
pub(super) fn decode(token: &str) -> Vec<u8> {
    token.replace(SPACE, " ").into_bytes()
}

/// A stretch of the text that has become one symbol; empty once it is part of its left neighbour.
struct Symbol {
    start: usize,
    len: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbouring symbols that make a token.
struct Pair {
    left: usize,
    right: usize,
    /// Length of both together, by which a pair whose symbols have since grown is told.
    len: usize,
    score: f32,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

/// Merges characters until no two neighbours make a token.
fn merge<'a>(text: &'a str, vocabulary: &Vocabulary) -> Vec<&'a str> {
    let count = text.chars().count();
    let mut symbols: Vec<Symbol> = text
        .char_indices()
        .enumerate()
        .map(|(i, (start, letter))| Symbol {
            start,
            len: letter.len_utf8(),
            previous: i.checked_sub(1),
            next: Some(i + 1).filter(|&next| next < count),
        })
        .collect();
    let pair = |symbols: &[Symbol], left: usize, right: usize| {
        let start = symbols[left].start;
        let len = symbols[left].len + symbols[right].len;
        let id = vocabulary.id(&text[start..start + len])?;
        let score = vocabulary.score(id);
        Some(Pair {
            left,
            right,
            len,
            score,
        })
    };
    let mut queue: BinaryHeap<Pair> = (1..count)
        .filter_map(|right| pair(&symbols, right - 1, right))
        .collect();
    while let Some(Pair {
        left, right, len, ..
    }) = queue.pop()
    {
        let (l, r) = (&symbols[left], &symbols[right]);
        if l.len == 0 || r.len == 0 || l.len + r.len != len {
            continue;
        }
        let next = r.next;
        symbols[left].len = len;
        symbols[left].next = next;
        symbols[right].len = 0;
        if let Some(next) = next {
            symbols[next].previous = Some(left);
            queue.extend(pair(&symbols, left, next));
        }
        if let Some(previous) = symbols[left].previous {
            queue.extend(pair(&symbols, previous, left));
        }
    }
    symbols
        .iter()
        .filter(|s| s.len > 0)
        .map(|s| &text[s.start..s.start + s.len])
        .collect()
}
