//! Hyper-parameters of an encoder, read from GGUF metadata. Keys and defaults are those of llama.cpp.

use super::Pooling;
use crate::{
    Error, Result,
    config::{Keys, MAX_DIMENSION, MAX_LAYERS, vocabulary},
    gguf::Metadata,
};

/// The family that is implemented, as `general.architecture` names it.
pub(crate) const ARCHITECTURE: &str = "bert";

/// Shape and constants of an encoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncoderConfig {
    /// Transformer blocks.
    pub layers: usize,
    /// Width of the residual stream, and of an embedding.
    pub hidden: usize,
    /// Heads of attention; divides `hidden`.
    pub heads: usize,
    /// Width of the feed-forward layer.
    pub feed_forward: usize,
    /// Number of token ids.
    pub vocabulary: usize,
    /// Kinds of texts that tokens can be marked as parts of; a text on its own is of the first.
    pub token_types: usize,
    /// Tokens of a text, at most: each position has an embedding of its own.
    pub context: usize,
    /// Added to the variance before the root of a layer norm.
    pub norm_eps: f32,
    /// What the model was trained to make of its outputs for all tokens.
    pub pooling: Pooling,
}

impl EncoderConfig {
    /// Reads and checks the hyper-parameters.
    ///
    /// # Errors
    /// [`Error::Architecture`] for another family, [`Error::Unsupported`] for attention or pooling of another kind, and the `Key` errors,
    /// which name the key to blame.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self> {
        let found = metadata.get::<&str>("general.architecture")?;
        if found != ARCHITECTURE {
            return Err(Error::Architecture {
                found: found.to_owned(),
                supported: ARCHITECTURE,
            });
        }
        let keys = Keys {
            metadata,
            prefix: ARCHITECTURE,
        };
        if keys.find::<bool>("attention.causal")? == Some(true) {
            return Err(Error::Unsupported(
                "causal attention in an encoder".to_owned(),
            ));
        }
        let hidden = keys.dimension("embedding_length", None, MAX_DIMENSION)?;
        let heads = keys.dimension("attention.head_count", None, MAX_DIMENSION)?;
        if !hidden.is_multiple_of(heads) {
            let reason = format!("an embedding of {hidden} does not divide into that many heads");
            return Err(keys.bad("attention.head_count", heads, reason));
        }
        let token_types = metadata.find::<u32>("tokenizer.ggml.token_type_count")?;
        Ok(Self {
            layers: keys.dimension("block_count", None, MAX_LAYERS)?,
            hidden,
            heads,
            feed_forward: keys.dimension("feed_forward_length", None, MAX_DIMENSION)?,
            vocabulary: vocabulary(&keys)?,
            token_types: token_types.unwrap_or(0) as usize,
            context: keys.dimension("context_length", None, MAX_DIMENSION)?,
            norm_eps: keys.positive("attention.layer_norm_epsilon", None)?,
            pooling: match keys.find::<u32>("pooling_type")? {
                None | Some(0) => Pooling::None,
                Some(1) => Pooling::Mean,
                Some(2) => Pooling::Cls,
                Some(other) => {
                    return Err(Error::Unsupported(format!("pooling of type {other}")));
                }
            },
        })
    }
}
