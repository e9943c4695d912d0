//! Latent attention: keys and values that are made of a short row, which is all that is cached of a token.

use super::{Architecture, Heads, Keys, MAX_DIMENSION, RopeScaling};
use crate::Result;

/// Sizes of multi-head latent attention (DeepSeek-AI, "DeepSeek-V2", 2024, arXiv 2405.04434).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatentAttention {
    /// Width of what queries are made of; they are made of the token itself when absent.
    pub query_rank: Option<usize>,
    /// Width of what the keys and values of all heads are made of.
    pub rank: usize,
    /// Values of a head of queries or keys that are not rotated.
    pub key: usize,
    /// Those that are, which the keys of all heads have in common; an even number.
    pub rotary: usize,
    /// Width of a head of values.
    pub value: usize,
}

impl LatentAttention {
    pub(super) fn from_keys(keys: &Keys<'_>, architecture: Architecture) -> Result<Option<Self>> {
        const KEY: &str = "attention.key_length";
        const ROTARY: &str = "rope.dimension_count";
        if architecture != Architecture::DeepSeek2 {
            return Ok(None);
        }
        // Newer files have under the plain keys the sizes of what is cached, older ones those of heads.
        let of_head = |plain: &str| -> Result<(String, usize)> {
            let own = format!("{plain}_mla");
            match keys.find::<u32>(&own)? {
                Some(_) => Ok((own.clone(), keys.dimension(&own, None, MAX_DIMENSION)?)),
                None => Ok((
                    plain.to_owned(),
                    keys.dimension(plain, None, MAX_DIMENSION)?,
                )),
            }
        };
        let (named, key) = of_head(KEY)?;
        let (_, value) = of_head("attention.value_length")?;
        let rotary = keys.dimension(ROTARY, None, MAX_DIMENSION)?;
        if !rotary.is_multiple_of(2) {
            let reason = "rotary embeddings need pairs of values".to_owned();
            return Err(keys.bad(ROTARY, rotary, reason));
        }
        if key <= rotary {
            let reason = format!("{rotary} values of a head are rotated, and there must be others");
            return Err(keys.bad(&named, key, reason));
        }
        let query_rank = keys.find::<u32>("attention.q_lora_rank")?;
        Ok(Some(Self {
            query_rank: query_rank
                .filter(|&rank| rank > 0)
                .map(|rank| rank as usize),
            rank: keys.dimension("attention.kv_lora_rank", None, MAX_DIMENSION)?,
            key: key - rotary,
            rotary,
            value,
        }))
    }

    /// What is cached of a token.
    pub fn cached(&self) -> usize {
        self.rank + self.rotary
    }

    /// That as the one head that all heads of queries share.
    pub(super) fn heads(&self) -> Heads {
        Heads {
            kv_heads: 1,
            head_dim: self.cached(),
            rope_dims: self.rotary,
        }
    }

    /// Factor of the scores. With YaRN they are scaled up, by what files have a multiplier of the logarithm for.
    pub(super) fn attention_scale(&self, keys: &Keys<'_>, scaling: RopeScaling) -> Result<f32> {
        let plain = 1.0 / ((self.key + self.rotary) as f32).sqrt();
        let RopeScaling::Yarn { factor, .. } = scaling else {
            return Ok(plain);
        };
        let multiplier = keys.find_positive("rope.scaling.yarn_log_multiplier")?;
        let up = 1.0 + multiplier.unwrap_or(0.0) * factor.ln();
        Ok(plain * up * up)
    }
}
