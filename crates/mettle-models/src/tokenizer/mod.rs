//! Text to token ids and back, from a model file's metadata.
//!
//! Four families: byte-level BPE (`tokenizer.ggml.model = "gpt2"`: Llama 3, Qwen), BPE of characters (`"gemma4"`), SentencePiece-style (`"llama"`:
//! Llama 2, Mistral, Gemma) and WordPiece (`"bert"`). Where the formats leave freedom, ids are those that llama.cpp gives, and for WordPiece those of BERT's own tokenizer.

mod bpe;
mod special;
mod split;
mod spm;
mod stream;
mod vocabulary;
mod wordpiece;

pub use stream::TokenStream;

use crate::{Error, Result, gguf::Metadata};
use bpe::Bpe;
use special::{Fragment, SpecialTokens};
use spm::Spm;
use vocabulary::{Kind, Vocabulary};
use wordpiece::WordPiece;

/// The tokenizer of a model.
pub struct Tokenizer {
    vocabulary: Vocabulary,
    special: SpecialTokens,
    algorithm: Algorithm,
}

enum Algorithm {
    Bpe(Box<Bpe>),
    Spm(Box<Spm>),
    WordPiece(Box<WordPiece>),
}

impl Tokenizer {
    /// Builds the tokenizer that a file describes.
    ///
    /// # Errors
    /// The `Key` errors for absent or ill-typed keys, [`Error::TokenizerKind`] for a kind that is not implemented,
    /// [`Error::Tokenizer`] for contradictions between the keys.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self> {
        let model = metadata.get::<&str>("tokenizer.ggml.model")?;
        let vocabulary = Vocabulary::from_metadata(metadata)?;
        let (algorithm, defaults) = match model {
            "gpt2" => {
                let (bpe, defaults) = Bpe::from_metadata(metadata, &vocabulary)?;
                (Algorithm::Bpe(Box::new(bpe)), defaults)
            }
            "gemma4" => {
                let (bpe, defaults) = Bpe::of_characters(metadata, &vocabulary)?;
                (Algorithm::Bpe(Box::new(bpe)), defaults)
            }
            "llama" => (
                Algorithm::Spm(Box::new(Spm::from_metadata(metadata, &vocabulary)?)),
                Spm::SPECIAL_DEFAULTS,
            ),
            "bert" => {
                let (word_piece, defaults) = WordPiece::from_metadata(metadata, &vocabulary)?;
                (Algorithm::WordPiece(Box::new(word_piece)), defaults)
            }
            other => {
                return Err(Error::TokenizerKind {
                    what: "model",
                    found: other.to_owned(),
                    supported: "bert, gemma4, gpt2, llama".to_owned(),
                });
            }
        };
        let special = SpecialTokens::from_metadata(metadata, &vocabulary, &defaults)?;
        Ok(Self {
            vocabulary,
            special,
            algorithm,
        })
    }

    /// Ids of a plain text. What looks like a control token in it is text like any other.
    ///
    /// With `add_special`, the ids that the model wants around a text (BOS, EOS) are added.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the vocabulary has no token for a byte of the text.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        self.encode_fragments(text, add_special, false)
    }

    /// Ids of a text in which control tokens stand as text, as in the output of a chat template.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_with_control(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        self.encode_fragments(text, add_special, true)
    }

    /// Ids of a rendered chat template: control tokens are recognised, and BOS is added where the model wants it and
    /// the template has not written it.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_chat(&self, rendered: &str) -> Result<Vec<u32>> {
        let mut ids = self.encode_with_control(rendered, false)?;
        if let Some(bos) = self.special.leading()
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    fn encode_fragments(&self, text: &str, add_special: bool, control: bool) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        if add_special {
            ids.extend(self.special.leading());
        }
        let mut after_special = true;
        for fragment in self.special.partition(text, &self.vocabulary, control) {
            match fragment {
                Fragment::Token(id) => {
                    ids.push(id);
                    after_special = true;
                }
                Fragment::Text(text) => {
                    match &self.algorithm {
                        Algorithm::Bpe(bpe) => bpe.encode(text, &self.vocabulary, &mut ids)?,
                        Algorithm::Spm(spm) => {
                            spm.encode(text, after_special, &self.vocabulary, &mut ids)?
                        }
                        Algorithm::WordPiece(word_piece) => {
                            word_piece.encode(text, &self.vocabulary, &mut ids)?
                        }
                    }
                    after_special = false;
                }
            }
        }
        if add_special {
            ids.extend(self.special.trailing());
        }
        Ok(ids)
    }

    /// Text of a sequence that starts a text. Control tokens are left out; bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`Error::TokenId`] for an id beyond the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut stream = self.stream();
        let mut text = String::new();
        for &id in ids {
            text.push_str(&stream.push(id)?);
        }
        text.push_str(&stream.finish());
        Ok(text)
    }

    /// Decodes token by token from the start of a text.
    pub fn stream(&self) -> TokenStream<'_> {
        TokenStream::new(self, true)
    }

    /// Decodes token by token what follows a prompt: a leading space is part of the text.
    pub fn stream_after_prompt(&self) -> TokenStream<'_> {
        TokenStream::new(self, false)
    }

    /// Bytes that a token stands for; none for control tokens.
    ///
    /// # Errors
    /// [`Error::TokenId`] for an id beyond the vocabulary.
    pub fn bytes(&self, id: u32) -> Result<Vec<u8>> {
        let (text, kind) = self.vocabulary.token(id)?;
        Ok(match (kind, &self.algorithm) {
            (Kind::Control | Kind::Unknown | Kind::Unused, _) => Vec::new(),
            (Kind::UserDefined, _) => text.as_bytes().to_vec(),
            (Kind::Byte, _) => self.vocabulary.byte_value(id).into_iter().collect(),
            (Kind::Normal, Algorithm::Bpe(bpe)) => bpe.decode(text),
            (Kind::Normal, Algorithm::Spm(_) | Algorithm::WordPiece(_)) => spm::decode(text),
        })
    }

    /// The token as the vocabulary writes it, for display.
    ///
    /// # Errors
    /// [`Error::TokenId`] for an id beyond the vocabulary.
    pub fn token(&self, id: u32) -> Result<&str> {
        Ok(self.vocabulary.token(id)?.0)
    }

    /// Id of the token that the vocabulary writes like this.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.vocabulary.id(token)
    }

    /// Number of token ids.
    pub fn len(&self) -> usize {
        self.vocabulary.len()
    }

    /// Never: a tokenizer without tokens is refused.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Beginning of text, if the model has such a token.
    pub fn bos(&self) -> Option<u32> {
        self.special.bos
    }

    /// End of text, if the model has such a token.
    pub fn eos(&self) -> Option<u32> {
        self.special.eos
    }

    /// Whether [`encode`](Self::encode) starts with BOS when asked to add special tokens.
    pub fn adds_bos(&self) -> bool {
        self.special.leading().is_some()
    }

    /// Whether a model that produces this id has ended its turn or its text.
    pub fn is_end(&self, id: u32) -> bool {
        self.special.ends.contains(&id)
    }

    /// All ids for which [`is_end`](Self::is_end) holds, ascending.
    pub fn ends(&self) -> &[u32] {
        &self.special.ends
    }

    /// Whether a space is put before a text, which decoding must take away again.
    fn adds_space_prefix(&self) -> bool {
        match &self.algorithm {
            Algorithm::Bpe(_) => false,
            Algorithm::Spm(spm) => spm.adds_space_prefix(),
            Algorithm::WordPiece(_) => true,
        }
    }
}
