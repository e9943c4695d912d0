//! Text out of tokens as they come.

use super::Tokenizer;
use crate::Result;

/// Decodes one token at a time; characters that span tokens are held back until they are whole.
pub struct TokenStream<'a> {
    tokenizer: &'a Tokenizer,
    /// Bytes of a character that has begun.
    pending: Vec<u8>,
    /// Whether a leading space is the tokenizer's, not the text's.
    strip_space: bool,
}

impl<'a> TokenStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, starts_text: bool) -> Self {
        Self {
            tokenizer,
            pending: Vec::new(),
            strip_space: starts_text && tokenizer.adds_space_prefix(),
        }
    }

    /// The text that this token completes; empty for control tokens and for parts of a character.
    ///
    /// Bytes that cannot become a character are replaced by U+FFFD as soon as that is certain.
    ///
    /// # Errors
    /// [`Error::TokenId`](crate::Error::TokenId) for an id beyond the vocabulary.
    pub fn push(&mut self, id: u32) -> Result<String> {
        let bytes = self.tokenizer.bytes(id)?;
        let mut bytes = bytes.as_slice();
        if self.strip_space && !bytes.is_empty() {
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
            self.strip_space = false;
        }
        self.pending.extend_from_slice(bytes);
        let whole = whole_characters(&self.pending);
        let text = String::from_utf8_lossy(&self.pending[..whole]).into_owned();
        self.pending.drain(..whole);
        Ok(text)
    }

    /// What is left at the end: U+FFFD for a character that was never finished, else nothing.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

/// Length of the bytes before a character that has begun but not ended.
fn whole_characters(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match std::str::from_utf8(&bytes[at..]) {
            Ok(_) => return bytes.len(),
            Err(e) => match e.error_len() {
                None => return at + e.valid_up_to(),
                Some(wrong) => at += e.valid_up_to() + wrong,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::whole_characters;

    #[test]
    fn only_an_unfinished_end_is_held_back() {
        assert_eq!(whole_characters(b"abc"), 3);
        assert_eq!(whole_characters("é".as_bytes()), 2);
        assert_eq!(whole_characters(&"é".as_bytes()[..1]), 0);
        assert_eq!(whole_characters(&[b'a', 0xf0, 0x9f, 0xa6]), 1);
        assert_eq!(whole_characters(&[0xff, 0xf0]), 1);
        assert_eq!(whole_characters(&[0xf0, b'a']), 2);
    }
}
