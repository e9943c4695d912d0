//! The list of tokens, with the kind and score of each.

use std::collections::HashMap;

use crate::{
    Error, Result,
    gguf::{Array, Metadata},
};

const TOKENS: &str = "tokenizer.ggml.tokens";
const KINDS: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";

/// What a token is for; numbered from 1 in `tokenizer.ggml.token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl Kind {
    fn from_number(number: i32) -> Self {
        match number {
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => Self::Normal,
        }
    }
}

/// Tokens by id, and ids by token.
pub(super) struct Vocabulary {
    tokens: Vec<String>,
    kinds: Vec<Kind>,
    scores: Vec<f32>,
    ids: HashMap<String, u32>,
}

impl Vocabulary {
    pub(super) fn from_metadata(metadata: &Metadata) -> Result<Self> {
        let tokens = metadata.get::<&[String]>(TOKENS)?;
        if tokens.is_empty() || u32::try_from(tokens.len()).is_err() {
            return Err(Error::Tokenizer(format!(
                "a vocabulary of {} tokens",
                tokens.len()
            )));
        }
        let of_same_length = |key: &str, len: usize| match len == tokens.len() {
            true => Ok(()),
            false => Err(Error::Tokenizer(format!(
                "`{key}` has {len} entries for {} tokens",
                tokens.len()
            ))),
        };
        let kinds: Vec<Kind> = match metadata.find::<&[i32]>(KINDS)? {
            Some(numbers) => numbers.iter().map(|&n| Kind::from_number(n)).collect(),
            None => vec![Kind::Normal; tokens.len()],
        };
        of_same_length(KINDS, kinds.len())?;
        let scores = scores(metadata)?.unwrap_or_else(|| vec![0.0; tokens.len()]);
        of_same_length(SCORES, scores.len())?;

        let mut ids = HashMap::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate() {
            let earlier = ids.insert(token.clone(), id as u32);
            // Fillers may be empty; an empty token is never found in a text.
            if let Some(earlier) = earlier
                && !token.is_empty()
            {
                return Err(Error::Tokenizer(format!(
                    "tokens {earlier} and {id} are both {token:?}"
                )));
            }
        }
        ids.remove("");
        Ok(Self {
            tokens: tokens.to_vec(),
            kinds,
            scores,
            ids,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    pub(super) fn token(&self, id: u32) -> Result<(&str, Kind)> {
        match self.tokens.get(id as usize) {
            Some(token) => Ok((token, self.kinds[id as usize])),
            None => Err(Error::TokenId {
                id,
                vocabulary: self.len(),
            }),
        }
    }

    /// Score of an id that [`id`](Self::id) gave.
    pub(super) fn score(&self, id: u32) -> f32 {
        self.scores[id as usize]
    }

    /// All tokens with their kinds, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &str, Kind)> {
        let tokens = self.tokens.iter().zip(&self.kinds);
        tokens
            .zip(0..)
            .map(|((token, &kind), id)| (id, token.as_str(), kind))
    }

    /// The byte that a token of kind [`Kind::Byte`], written `<0xNN>`, stands for.
    pub(super) fn byte_value(&self, id: u32) -> Option<u8> {
        let digits = self.tokens[id as usize]
            .strip_prefix("<0x")?
            .strip_suffix('>')?;
        match digits.len() {
            2 => u8::from_str_radix(digits, 16).ok(),
            _ => None,
        }
    }
}

fn scores(metadata: &Metadata) -> Result<Option<Vec<f32>>> {
    let Some(array) = metadata.find::<&Array>(SCORES)? else {
        return Ok(None);
    };
    match array {
        Array::F32(scores) => Ok(Some(scores.clone())),
        // Some converters write ranks as integers.
        Array::I32(scores) => Ok(Some(scores.iter().map(|&s| s as f32).collect())),
        other => Err(Error::KeyType {
            key: SCORES.to_owned(),
            found: format!("array of {} {}", other.len(), other.element()),
            wanted: "an array of f32 or i32",
        }),
    }
}
