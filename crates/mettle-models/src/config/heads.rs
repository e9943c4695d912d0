//! Heads of attention.

use super::{Architecture, Keys, MAX_DIMENSION};
use crate::Result;

/// Heads of keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// How many; divides the number of query heads. One for latent attention.
    pub kv_heads: usize,
    /// Width of one; for latent attention that of what the cache keeps of a token.
    pub head_dim: usize,
    /// Leading values of one that are rotated; an even number.
    pub rope_dims: usize,
}

impl Heads {
    pub(super) fn from_keys(
        keys: &Keys<'_>,
        architecture: Architecture,
        hidden: usize,
        heads: usize,
    ) -> Result<Self> {
        let kv_heads = keys.dimension(Self::COUNT, Some(heads), MAX_DIMENSION)?;
        shared_evenly(keys, heads, kv_heads)?;
        if keys.find::<usize>("attention.key_length")?.is_none() && !hidden.is_multiple_of(heads) {
            return Err(keys.bad(
                "attention.head_count",
                heads,
                format!("an embedding of {hidden} does not divide into that many heads"),
            ));
        }
        let partial = architecture == Architecture::Phi3 || architecture.is_hybrid();
        Self::of_widths(keys, kv_heads, Some(hidden / heads), "", partial)
    }

    const COUNT: &'static str = "attention.head_count_kv";

    /// The heads of layers with a window and of those without, in families that have a width of each; `windowed` tells them apart, layer by layer.
    pub(super) fn of_both(keys: &Keys<'_>, heads: usize, windowed: &[bool]) -> Result<[Self; 2]> {
        let counts = keys.of_layers(Self::COUNT, windowed.len(), MAX_DIMENSION)?;
        let of_kind = |kind: bool, suffix: &str| -> Result<Self> {
            let mut of_layers = counts
                .iter()
                .zip(windowed)
                .filter(|(_, window)| **window == kind);
            // Without layers of a kind any number of heads serves them.
            let count = of_layers.next().map_or(heads, |(&count, _)| count);
            if let Some((&other, _)) = of_layers.find(|(other, _)| **other != count) {
                let reason = format!(
                    "layers of one kind have {count} and {other} heads, which is not supported"
                );
                return Err(keys.bad(Self::COUNT, other, reason));
            }
            shared_evenly(keys, heads, count)?;
            Self::of_widths(keys, count, None, suffix, false)
        };
        Ok([of_kind(true, "_swa")?, of_kind(false, "")?])
    }

    /// Heads whose widths stand under keys with a suffix. `partial` says whether a part of each may be rotated.
    fn of_widths(
        keys: &Keys<'_>,
        kv_heads: usize,
        default: Option<usize>,
        suffix: &str,
        partial: bool,
    ) -> Result<Self> {
        let [width, of_values, rotated] = [
            "attention.key_length",
            "attention.value_length",
            "rope.dimension_count",
        ]
        .map(|key| format!("{key}{suffix}"));
        let head_dim = keys.dimension(&width, default, MAX_DIMENSION)?;
        if !head_dim.is_multiple_of(2) {
            let reason = "rotary embeddings need pairs of values".to_owned();
            return Err(keys.bad(&width, head_dim, reason));
        }
        let rope_dims = keys.dimension(&rotated, Some(head_dim), MAX_DIMENSION)?;
        if partial && (rope_dims > head_dim || !rope_dims.is_multiple_of(2)) {
            let reason = format!("it must be even and at most the head's width, {head_dim}");
            return Err(keys.bad(&rotated, rope_dims, reason));
        }
        let value_dim = keys.dimension(&of_values, Some(head_dim), MAX_DIMENSION)?;
        for (key, other, any) in [
            (&of_values, value_dim, false),
            (&rotated, rope_dims, partial),
        ] {
            if other != head_dim && !any {
                let reason = format!(
                    "only models where it equals the head's width, {head_dim}, are supported"
                );
                return Err(keys.bad(key, other, reason));
            }
        }
        Ok(Self {
            kv_heads,
            head_dim,
            rope_dims,
        })
    }
}

fn shared_evenly(keys: &Keys<'_>, heads: usize, kv_heads: usize) -> Result<()> {
    match heads.is_multiple_of(kv_heads) {
        true => Ok(()),
        false => Err(keys.bad(
            Heads::COUNT,
            kv_heads,
            format!("{heads} query heads cannot share them evenly"),
        )),
    }
}
