//! Keys and values of the tokens a session has seen.

use mettle_gpu::{Device, Format, Tensor};

use crate::{Config, Result};

/// How the cache stores keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvFormat {
    /// 4 bytes a value; what they are computed in.
    F32,
    /// 2 bytes a value.
    #[default]
    F16,
}

impl KvFormat {
    pub(crate) fn format(self) -> Format {
        match self {
            Self::F32 => Format::F32,
            Self::F16 => Format::F16,
        }
    }
}

/// Keys and values of one block, `[context, kv_heads, head_dim]` each.
pub(crate) struct LayerCache {
    pub(crate) keys: Tensor,
    pub(crate) values: Tensor,
}

/// Keys and values of all blocks.
pub(crate) struct KvCache {
    pub(crate) layers: Vec<LayerCache>,
}

impl KvCache {
    /// Memory for `context` positions, with unspecified contents: attention reads only what has been appended.
    pub(crate) fn new(
        device: &Device,
        config: &Config,
        context: usize,
        format: KvFormat,
    ) -> Result<Self> {
        let tensor = |layer: usize, what: &str| -> Result<Tensor> {
            let shape = [context, config.kv_heads, config.head_dim];
            let tensor = Tensor::empty_as(device, format.format(), shape)?;
            Ok(tensor.labelled(&format!("cached {what} of layer {layer}")))
        };
        let layers = (0..config.layers)
            .map(|layer| {
                Ok(LayerCache {
                    keys: tensor(layer, "keys")?,
                    values: tensor(layer, "values")?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { layers })
    }

    /// Bytes that [`new`](Self::new) allocates.
    pub(crate) fn bytes(config: &Config, context: usize, format: KvFormat) -> u64 {
        let values = [2, config.layers, context, config.kv_heads, config.head_dim];
        let count = values.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64));
        count.saturating_mul(format.format().block_bytes() as u64)
    }
}
