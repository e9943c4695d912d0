//! WordPiece as BERT has it (Devlin et al., 2018, arXiv 1810.04805): normalised words, of which the longest known beginning is taken
//! again and again.

use tokenizers::{
    Normalizer as _, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _,
    normalizers::BertNormalizer, pre_tokenizers::bert::BertPreTokenizer,
    tokenizer::NormalizedString,
};

use super::{
    special::SpecialDefaults,
    vocabulary::{Kind, Vocabulary},
};
use crate::{Error, Result, gguf::Metadata};

/// What GGUF files write before a token that begins a word. Those that continue one have nothing, where BERT's own files have `##`.
const BEGINNING: char = '\u{2581}';

/// Characters of a word, at most; longer ones are unknown, as in BERT's own tokenizer.
const LONGEST_WORD: usize = 100;

const UNKNOWN: &str = "tokenizer.ggml.unknown_token_id";

pub(super) struct WordPiece {
    normalizer: BertNormalizer,
    unknown: u32,
}

impl WordPiece {
    pub(super) fn from_metadata(
        metadata: &Metadata,
        vocabulary: &Vocabulary,
    ) -> Result<(Self, SpecialDefaults)> {
        let id = |key: &str, token: &str| {
            let id = metadata.find::<u32>(key)?;
            Ok::<_, Error>(id.or_else(|| vocabulary.id(token)))
        };
        let unknown = id(UNKNOWN, "[UNK]")?.filter(|&id| (id as usize) < vocabulary.len());
        let Some(unknown) = unknown else {
            return Err(Error::Tokenizer(
                "the vocabulary has no token for unknown words".to_owned(),
            ));
        };
        let lowercase = !is_cased(vocabulary);
        let word_piece = Self {
            // Accents are taken away together with the case.
            normalizer: BertNormalizer::new(true, true, None, lowercase),
            unknown,
        };
        let defaults = SpecialDefaults {
            bos: id("tokenizer.ggml.cls_token_id", "[CLS]")?,
            eos: id("tokenizer.ggml.seperator_token_id", "[SEP]")?,
            add_bos: true,
            add_eos: true,
        };
        Ok((word_piece, defaults))
    }

    pub(super) fn encode(
        &self,
        text: &str,
        vocabulary: &Vocabulary,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let failed = |error: tokenizers::Error| Error::Tokenizer(error.to_string());
        let mut text = NormalizedString::from(text);
        self.normalizer.normalize(&mut text).map_err(failed)?;
        let mut words = PreTokenizedString::from(text);
        BertPreTokenizer.pre_tokenize(&mut words).map_err(failed)?;
        for (word, ..) in words.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
            match pieces(word, vocabulary) {
                Some(pieces) => ids.extend(pieces),
                None => ids.push(self.unknown),
            }
        }
        Ok(())
    }
}

/// The longest token that begins the word, the longest that begins what is left, and so on; none where a rest has no such token.
fn pieces(word: &str, vocabulary: &Vocabulary) -> Option<Vec<u32>> {
    if word.chars().count() > LONGEST_WORD {
        return None;
    }
    let marked = format!("{BEGINNING}{word}");
    let (mut rest, mut shortest) = (marked.as_str(), BEGINNING.len_utf8());
    let mut ids = Vec::new();
    while !rest.is_empty() {
        // Within a word what is written like a token that begins one is not that token.
        if !ids.is_empty() && rest.starts_with(BEGINNING) {
            return None;
        }
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
        let (end, id) = ends
            .take_while(|&end| end > shortest)
            .find_map(|end| Some((end, vocabulary.id(&rest[..end])?)))?;
        ids.push(id);
        (rest, shortest) = (&rest[end..], 0);
    }
    Some(ids)
}

/// Whether case matters: files do not say it, but a vocabulary of texts in lower case has no letter in upper case.
fn is_cased(vocabulary: &Vocabulary) -> bool {
    let mut words = vocabulary
        .iter()
        .filter(|(_, token, kind)| *kind == Kind::Normal && !token.starts_with('['));
    words.any(|(_, token, _)| token.chars().any(|c| !c.to_lowercase().eq([c])))
}
