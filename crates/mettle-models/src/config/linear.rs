//! Layers of linear attention in the place of attention.

use mettle_kernels::ops::HeadMap;

use super::{Architecture, Keys, MAX_DIMENSION, MAX_LAYERS};
use crate::Result;

/// Layers whose attention is a gated delta net (see [`mettle_kernels::ops::gated_delta_net()`]). The layers between them gate what their attention
/// gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearAttention {
    /// Whether a layer is one of these, layer by layer.
    pub layers: Vec<bool>,
    /// Heads of queries and of keys.
    pub key_heads: usize,
    /// Heads of values; a multiple of `key_heads`.
    pub value_heads: usize,
    /// Width of a head of queries or keys.
    pub key_size: usize,
    /// Width of a head of values.
    pub value_size: usize,
    /// Which key head a value head reads.
    pub head_map: HeadMap,
}

impl LinearAttention {
    /// Tokens that the convolution in front sees at a time: the one length that there is a kernel for.
    pub(crate) const TAPS: usize = 4;

    pub(super) fn from_keys(
        keys: &Keys<'_>,
        architecture: Architecture,
        layers: usize,
    ) -> Result<Option<Self>> {
        const LAYERS: &str = "attention.recurrent_layers";
        const TAPS: &str = "ssm.conv_kernel";
        const VALUES: &str = "ssm.inner_size";
        const HEADS: &str = "ssm.time_step_rank";
        let head_map = match architecture {
            Architecture::Qwen35 | Architecture::Qwen35Moe => HeadMap::Tiled,
            Architecture::Qwen3Next => HeadMap::Block,
            _ => return Ok(None),
        };
        let linear = match keys.find::<&[bool]>(LAYERS)? {
            Some(linear) if linear.len() < layers => {
                let reason = format!("it must have an entry for each of {layers} layers");
                return Err(keys.bad(LAYERS, linear.len(), reason));
            }
            Some(linear) => linear[..layers].to_vec(),
            None => {
                let every = keys.dimension("full_attention_interval", Some(4), MAX_LAYERS)?;
                (1..=layers).map(|n| n % every != 0).collect()
            }
        };
        let taps = keys.dimension(TAPS, None, MAX_DIMENSION)?;
        if taps != Self::TAPS {
            let reason = format!("only convolutions over {} tokens are supported", Self::TAPS);
            return Err(keys.bad(TAPS, taps, reason));
        }
        let key_heads = keys.dimension("ssm.group_count", None, MAX_DIMENSION)?;
        let value_heads = keys.dimension(HEADS, None, MAX_DIMENSION)?;
        if !value_heads.is_multiple_of(key_heads) {
            let reason = format!("heads of values cannot share {key_heads} of keys evenly");
            return Err(keys.bad(HEADS, value_heads, reason));
        }
        let values = keys.dimension(VALUES, None, MAX_DIMENSION)?;
        if !values.is_multiple_of(value_heads) {
            let reason = format!("it does not divide into {value_heads} heads");
            return Err(keys.bad(VALUES, values, reason));
        }
        Ok(Some(Self {
            layers: linear,
            key_heads,
            value_heads,
            key_size: keys.dimension("ssm.state_size", None, MAX_DIMENSION)?,
            value_size: values / value_heads,
            head_map,
        }))
    }

    /// Columns of the queries of a token, and of its keys.
    pub(crate) fn keys(&self) -> usize {
        self.key_heads * self.key_size
    }

    /// Columns of the values of a token.
    pub(crate) fn values(&self) -> usize {
        self.value_heads * self.value_size
    }

    /// Columns that the convolution goes over: queries, keys and values.
    pub(crate) fn channels(&self) -> usize {
        2 * self.keys() + self.values()
    }

    /// Tokens that the convolution remembers, as values.
    pub(crate) fn convolution_values(&self) -> usize {
        (Self::TAPS - 1) * self.channels()
    }

    /// Values of the state of a layer's delta net.
    pub(crate) fn state_values(&self) -> usize {
        self.values() * self.key_size
    }
}
