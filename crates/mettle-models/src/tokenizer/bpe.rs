//! Byte-pair encoding: words of bytes, or lines of characters, merged pair by pair in the order the training found them.

use std::sync::LazyLock;

use tokenizers::{
    Model as _,
    models::bpe::{BPE, BpeBuilder, Vocab},
};

use super::{
    special::SpecialDefaults,
    split::{Pattern, Splitter},
    spm,
    vocabulary::Vocabulary,
};
use crate::{Error, Result, gguf::Metadata};

const MERGES: &str = "tokenizer.ggml.merges";
const PRE: &str = "tokenizer.ggml.pre";

pub(super) struct Bpe {
    splitter: Splitter,
    merger: BPE,
    symbols: Symbols,
}

/// What is merged.
enum Symbols {
    /// Bytes, written in GPT-2's letters; those that the vocabulary has a token for.
    Bytes(Box<[bool; 256]>),
    /// Characters, with another for spaces. Those without a token are spelled in byte tokens, of which the vocabulary has all.
    Characters,
}

impl Bpe {
    pub(super) fn from_metadata(
        metadata: &Metadata,
        vocabulary: &Vocabulary,
    ) -> Result<(Self, SpecialDefaults)> {
        let pattern = match metadata.find::<&str>(PRE)? {
            Some(name) => Pattern::from_name(name)?,
            None => {
                tracing::warn!("the file names no pre-tokenizer; llama.cpp's default is used");
                Pattern::Default
            }
        };
        let llama3 = pattern == Pattern::Llama3;
        let merger = merger(metadata, vocabulary)?.ignore_merges(llama3);
        let mut knows = [false; 256];
        for (byte, known) in knows.iter_mut().enumerate() {
            let mut utf8 = [0; 4];
            *known = vocabulary
                .id(LETTERS[byte].encode_utf8(&mut utf8))
                .is_some();
        }
        let bpe = Self {
            splitter: Splitter::new(pattern)?,
            merger: built(merger)?,
            symbols: Symbols::Bytes(Box::new(knows)),
        };
        let defaults = SpecialDefaults {
            bos: None,
            eos: None,
            add_bos: llama3,
            add_eos: false,
        };
        Ok((bpe, defaults))
    }

    /// As Gemma 4 has it: lines of characters. A run of line breaks that is a token is that token.
    pub(super) fn of_characters(
        metadata: &Metadata,
        vocabulary: &Vocabulary,
    ) -> Result<(Self, SpecialDefaults)> {
        for byte in 0..=u8::MAX {
            let token = format!("<0x{byte:02X}>");
            if vocabulary.id(&token).is_none() {
                let reason = format!("the vocabulary has no token {token}");
                return Err(Error::Tokenizer(reason));
            }
        }
        let merger = merger(metadata, vocabulary)?.byte_fallback(true);
        let bpe = Self {
            splitter: Splitter::new(Pattern::Lines)?,
            merger: built(merger)?,
            symbols: Symbols::Characters,
        };
        let defaults = SpecialDefaults {
            bos: None,
            eos: None,
            add_bos: true,
            add_eos: false,
        };
        Ok((bpe, defaults))
    }

    pub(super) fn encode(
        &self,
        text: &str,
        vocabulary: &Vocabulary,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        if let Symbols::Bytes(knows) = &self.symbols
            && let Some(byte) = text.bytes().find(|&b| !knows[b as usize])
        {
            return Err(Error::Tokenizer(format!(
                "the vocabulary has no token for byte 0x{byte:02X}"
            )));
        }
        for word in self.splitter.split(text) {
            let letters = match &self.symbols {
                Symbols::Bytes(_) => word.bytes().map(|b| LETTERS[b as usize]).collect(),
                Symbols::Characters => word.replace(' ', spm::SPACE),
            };
            let whole = match &self.symbols {
                Symbols::Characters if word.starts_with('\n') => vocabulary.id(word),
                _ => None,
            };
            if let Some(id) = whole {
                ids.push(id);
                continue;
            }
            let tokens = self
                .merger
                .tokenize(&letters)
                .map_err(|e| Error::Tokenizer(e.to_string()))?;
            ids.extend(tokens.iter().map(|t| t.id));
        }
        Ok(())
    }

    /// Bytes of a token.
    pub(super) fn decode(&self, token: &str) -> Vec<u8> {
        match &self.symbols {
            Symbols::Bytes(_) => decode(token),
            Symbols::Characters => spm::decode(token),
        }
    }
}

/// What merges, by the vocabulary and the merges of a file.
fn merger(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<BpeBuilder> {
    let merges = metadata.get::<&[String]>(MERGES)?;
    let tokens = vocabulary
        .iter()
        .filter(|(_, token, _)| !token.is_empty())
        .map(|(id, token, _)| (token.to_owned(), id))
        .collect::<Vocab>();
    Ok(BPE::builder().vocab_and_merges(tokens, usable_merges(merges, vocabulary)?))
}

fn built(merger: BpeBuilder) -> Result<BPE> {
    merger.build().map_err(|e| Error::Tokenizer(e.to_string()))
}

/// The merges that can ever apply: those whose parts and result are tokens.
///
/// Files in use hold no others, except for ones cut down for tests.
fn usable_merges(merges: &[String], vocabulary: &Vocabulary) -> Result<Vec<(String, String)>> {
    let mut usable = Vec::with_capacity(merges.len());
    for (i, merge) in merges.iter().enumerate() {
        // The first part may itself be a space only in tokenizers that are not byte-level.
        let Some((left, right)) = merge
            .split_once(' ')
            .filter(|(l, r)| !l.is_empty() && !r.is_empty())
        else {
            return Err(Error::Tokenizer(format!(
                "entry {i} of `{MERGES}` is {merge:?}, wanted two tokens with a space between them"
            )));
        };
        let known = |token: &str| vocabulary.id(token).is_some();
        if known(left) && known(right) && known(&format!("{left}{right}")) {
            usable.push((left.to_owned(), right.to_owned()));
        }
    }
    if usable.len() < merges.len() {
        tracing::warn!(
            "{} of {} merges name tokens that the vocabulary lacks",
            merges.len() - usable.len(),
            merges.len()
        );
    }
    Ok(usable)
}

/// GPT-2's letter for each byte: itself where it is a visible Latin-1 character, else the next free one from U+0100.
static LETTERS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut free = '\u{100}'..;
    std::array::from_fn(|byte| match byte as u8 {
        byte @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => byte as char,
        _ => free.next().unwrap_or_default(),
    })
});

/// Bytes of a token written in GPT-2's letters; other characters stand for themselves.
fn decode(token: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(token.len());
    for letter in token.chars() {
        let byte = match letter {
            '\u{100}'..='\u{143}' => LETTERS.iter().position(|&l| l == letter),
            letter if letter as u32 <= 0xff && LETTERS[letter as usize] == letter => {
                Some(letter as usize)
            }
            _ => None,
        };
        match byte {
            Some(byte) => bytes.push(byte as u8),
            None => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{LETTERS, decode};

    #[test]
    fn letters_are_those_of_gpt2() {
        assert_eq!(LETTERS[b' ' as usize], 'Ġ');
        assert_eq!(LETTERS[b'\n' as usize], 'Ċ');
        assert_eq!(LETTERS[0xad], '\u{143}');
        assert_eq!(LETTERS[b'a' as usize], 'a');
    }

    #[test]
    fn every_byte_returns() {
        for byte in 0..=255u8 {
            assert_eq!(decode(&LETTERS[byte as usize].to_string()), [byte]);
        }
        assert_eq!(decode("Ġ語"), " 語".as_bytes());
        // A space is no letter of the alphabet, but fillers have them.
        assert_eq!(decode("a b"), b"a b");
    }
}
