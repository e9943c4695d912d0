//! Tokens with a role: beginning and end of text, control tokens written in a text.

use super::vocabulary::{Kind, Vocabulary};
use crate::{Error, Result, gguf::Metadata};

/// Control tokens that end a turn or a text, by their usual spelling: files name only some of them in their metadata.
const ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|end|>",
    "<|endoftext|>",
    "<end_of_turn>",
    "<turn|>",
    "<EOT>",
    "</s>",
];

/// What a kind of tokenizer assumes when the metadata are silent.
pub(super) struct SpecialDefaults {
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    pub(super) add_bos: bool,
    pub(super) add_eos: bool,
}

/// Ids with a role.
pub(super) struct SpecialTokens {
    pub(super) bos: Option<u32>,
    pub(super) eos: Option<u32>,
    /// Ids that end a turn or a text, ascending.
    pub(super) ends: Vec<u32>,
    add_bos: bool,
    add_eos: bool,
    /// Ids of the tokens that are looked for in texts, longest first.
    in_text: Vec<u32>,
}

/// A stretch of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Fragment<'a> {
    Text(&'a str),
    Token(u32),
}

impl SpecialTokens {
    pub(super) fn from_metadata(
        metadata: &Metadata,
        vocabulary: &Vocabulary,
        defaults: &SpecialDefaults,
    ) -> Result<Self> {
        let id = |name: &str, default: Option<u32>| {
            let key = format!("tokenizer.ggml.{name}_token_id");
            match metadata.find::<u32>(&key)? {
                Some(id) if id as usize >= vocabulary.len() => Err(Error::KeyValue {
                    key,
                    found: id.to_string(),
                    reason: format!("the vocabulary has {} tokens", vocabulary.len()),
                }),
                Some(id) => Ok(Some(id)),
                None => Ok(default.filter(|&id| (id as usize) < vocabulary.len())),
            }
        };
        let flag = |name: &str, default: bool, id: Option<u32>| {
            let key = format!("tokenizer.ggml.add_{name}_token");
            let flag = metadata.find::<bool>(&key)?;
            match (flag, id) {
                (Some(true), None) => Err(Error::Tokenizer(format!(
                    "`{key}` is set, but there is no such token"
                ))),
                (flag, id) => Ok(id.is_some() && flag.unwrap_or(default)),
            }
        };
        let bos = id("bos", defaults.bos)?;
        let eos = id("eos", defaults.eos)?;
        let mut ends: Vec<u32> = [eos, id("eot", None)?, id("eom", None)?]
            .into_iter()
            .flatten()
            .collect();
        let mut in_text = Vec::new();
        for (id, token, kind) in vocabulary.iter() {
            if matches!(kind, Kind::Control | Kind::UserDefined | Kind::Unknown)
                && !token.is_empty()
            {
                in_text.push(id);
                if ENDS.contains(&token) {
                    ends.push(id);
                }
            }
        }
        ends.sort_unstable();
        ends.dedup();
        let length = |&id: &u32| vocabulary.token(id).map_or(0, |(token, _)| token.len());
        in_text.sort_by_key(|id| std::cmp::Reverse(length(id)));
        Ok(Self {
            bos,
            eos,
            ends,
            add_bos: flag("bos", defaults.add_bos, bos)?,
            add_eos: flag("eos", defaults.add_eos, eos)?,
            in_text,
        })
    }

    /// The id to put before a text.
    pub(super) fn leading(&self) -> Option<u32> {
        self.bos.filter(|_| self.add_bos)
    }

    /// The id to put behind a text.
    pub(super) fn trailing(&self) -> Option<u32> {
        self.eos.filter(|_| self.add_eos)
    }

    /// Cuts a text at the special tokens written in it; longer tokens win over shorter ones wherever they stand.
    ///
    /// User-defined tokens are always recognised, control tokens and the unknown token only with `control`.
    pub(super) fn partition<'a>(
        &self,
        text: &'a str,
        vocabulary: &Vocabulary,
        control: bool,
    ) -> Vec<Fragment<'a>> {
        let mut fragments = Vec::new();
        if !text.is_empty() {
            fragments.push(Fragment::Text(text));
        }
        for &id in &self.in_text {
            let Ok((token, kind)) = vocabulary.token(id) else {
                continue;
            };
            if kind != Kind::UserDefined && !control {
                continue;
            }
            let occurs =
                |f: &Fragment<'_>| matches!(f, Fragment::Text(text) if text.contains(token));
            if fragments.iter().any(occurs) {
                fragments = fragments
                    .into_iter()
                    .flat_map(|f| cut(f, token, id))
                    .collect();
            }
        }
        fragments
    }
}

/// Splits a fragment at each occurrence of a token.
fn cut<'a>(fragment: Fragment<'a>, token: &str, id: u32) -> Vec<Fragment<'a>> {
    let Fragment::Text(text) = fragment else {
        return vec![fragment];
    };
    let mut pieces = Vec::new();
    for (i, piece) in text.split(token).enumerate() {
        if i > 0 {
            pieces.push(Fragment::Token(id));
        }
        if !piece.is_empty() {
            pieces.push(Fragment::Text(piece));
        }
    }
    pieces
}
