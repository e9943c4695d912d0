//! Sliding windows of attention.

use super::{Architecture, Heads, Keys, MAX_LAYERS};
use crate::{Result, gguf::Value};

/// A sliding window of attention.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// A query at position p sees keys at p - size + 1 to p.
    pub size: usize,
    /// Whether it applies, layer by layer; layers without it see all keys.
    pub layers: Vec<bool>,
    /// Base of the rotary frequencies in layers with it, which are not scaled there; as in others when absent.
    pub rope_base: Option<f32>,
    /// The heads of layers with it; as in others when absent.
    pub heads: Option<Heads>,
}

impl Window {
    const SIZE: &'static str = "attention.sliding_window";
    const PATTERN: &'static str = "attention.sliding_window_pattern";

    pub(super) fn from_keys(
        keys: &Keys<'_>,
        architecture: Architecture,
        layers: usize,
    ) -> Result<Option<Self>> {
        // Of so many layers the last has no window; in other families all layers have it.
        let (default, period) = match architecture {
            Architecture::Gemma2 => (Some(4096), Some(2)),
            Architecture::Gemma3 => (None, Some(6)),
            Architecture::Gemma4 => {
                // Its files say both.
                keys.dimension(Self::SIZE, None, u32::MAX)?;
                keys.metadata.get::<&[bool]>(&keys.name(Self::PATTERN))?;
                (None, Some(6))
            }
            _ => (None, None),
        };
        let Some(size) = keys
            .find::<usize>(Self::SIZE)?
            .or(default)
            .filter(|&n| n > 0)
        else {
            return Ok(None);
        };
        let all_but = |period: usize| (1..=layers).map(|n| n % period != 0).collect();
        let layers = match (period, keys.metadata.value(&keys.name(Self::PATTERN))) {
            (None, _) => vec![true; layers],
            (Some(period), None) => all_but(period),
            (_, Some(Value::Array(_))) => {
                let own = keys.find::<&[bool]>(Self::PATTERN)?.unwrap_or_default();
                if own.len() != layers {
                    let reason = format!("it must have an entry for each of {layers} layers");
                    return Err(keys.bad(Self::PATTERN, own.len(), reason));
                }
                own.to_vec()
            }
            (_, Some(_)) => all_but(keys.dimension(Self::PATTERN, None, MAX_LAYERS)?),
        };
        let rope_base = match architecture {
            Architecture::Gemma3 | Architecture::Gemma4 => {
                Some(keys.positive("rope.freq_base_swa", Some(10_000.0))?)
            }
            _ => None,
        };
        Ok(Some(Self {
            size,
            layers,
            rope_base,
            heads: None,
        }))
    }
}
