//! Byte-level byte-pair encoding: words of bytes, merged pair by pair in the order the training found them.

use std::sync::LazyLock;

use tokenizers::{
    Model as _,
    models::bpe::{BPE, Vocab},
};

use super::{
    special::SpecialDefaults,
    split::{Pattern, Splitter},
    vocabulary::Vocabulary,
};
use crate::{Error, Result, gguf::Metadata};

const MERGES: &str = "tokenizer.ggml.merges";
const PRE: &str = "tokenizer.ggml.pre";

pub(super) struct Bpe {
    splitter: Splitter,
    merger: BPE,
    /// Whether the vocabulary has a token for a byte.
    knows: [bool; 256],
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
        let merges = metadata.get::<&[String]>(MERGES)?;
        let merger = BPE::builder()
            .vocab_and_merges(
                vocabulary
                    .iter()
                    .filter(|(_, token, _)| !token.is_empty())
                    .map(|(id, token, _)| (token.to_owned(), id))
                    .collect::<Vocab>(),
                usable_merges(merges, vocabulary)?,
            )
            .ignore_merges(llama3)
            .build()
            .map_err(|e| Error::Tokenizer(e.to_string()))?;
        let mut knows = [false; 256];
        for (byte, known) in knows.iter_mut().enumerate() {
            let mut utf8 = [0; 4];
            *known = vocabulary
                .id(LETTERS[byte].encode_utf8(&mut utf8))
                .is_some();
        }
        let bpe = Self {
            splitter: Splitter::new(pattern)?,
            merger,
            knows,
        };
        let defaults = SpecialDefaults {
            bos: None,
            eos: None,
            add_bos: llama3,
            add_eos: false,
        };
        Ok((bpe, defaults))
    }

    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        if let Some(byte) = text.bytes().find(|&b| !self.knows[b as usize]) {
            return Err(Error::Tokenizer(format!(
                "the vocabulary has no token for byte 0x{byte:02X}"
            )));
        }
        for word in self.splitter.split(text) {
            let letters: String = word.bytes().map(|b| LETTERS[b as usize]).collect();
            let tokens = self
                .merger
                .tokenize(&letters)
                .map_err(|e| Error::Tokenizer(e.to_string()))?;
            ids.extend(tokens.iter().map(|t| t.id));
        }
        Ok(())
    }
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
pub(super) fn decode(token: &str) -> Vec<u8> {
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
