//! Memory for gated feed-forward layers.

use std::ops::Range;

use mettle_gpu::{Device, Tensor};

use crate::{Config, Result};

/// Gates, what they let through and what comes of both, `[tokens, width]` each, for layers of every width; all layers use the same memory one after the other.
pub(crate) struct Units {
    by_width: Vec<[Tensor; 3]>,
}

impl Units {
    pub(super) fn new(device: &Device, config: &Config, tokens: usize) -> Result<Self> {
        let widest = widest(config);
        let memory = ["gate", "up", "activated"].map(|what| -> Result<Tensor> {
            Ok(Tensor::empty::<f32>(device, [tokens * widest, 1])?.labelled(what))
        });
        let [gate, up, activated] = memory;
        let memory = [gate?, up?, activated?];
        let mut widths: Vec<usize> = match &config.feed_forwards {
            Some(of_layers) => of_layers.clone(),
            None => vec![widest],
        };
        widths.sort_unstable();
        widths.dedup();
        let by_width = widths.into_iter().map(|width| -> Result<_> {
            let part = |memory: &Tensor| -> Result<Tensor> {
                Ok(memory
                    .rows_range(0..tokens * width)?
                    .reshape([tokens, width])?)
            };
            let [gate, up, activated] = &memory;
            Ok([part(gate)?, part(up)?, part(activated)?])
        });
        Ok(Self {
            by_width: by_width.collect::<Result<_>>()?,
        })
    }

    /// Values of a token.
    pub(super) fn values(config: &Config) -> u64 {
        3 * widest(config) as u64
    }

    /// Those of a layer; of the widest for a width that no layer has.
    pub(crate) fn of(&mut self, width: usize) -> &mut [Tensor; 3] {
        let narrower = |unit: &[Tensor; 3]| unit[0].columns() < width;
        let place = self.by_width.partition_point(narrower);
        let last = self.by_width.len() - 1;
        &mut self.by_width[place.min(last)]
    }

    pub(super) fn tokens(&self, range: Range<usize>) -> Result<Self> {
        let part = |[gate, up, activated]: &[Tensor; 3]| -> Result<_> {
            let rows = |tensor: &Tensor| tensor.rows_range(range.clone());
            Ok([rows(gate)?, rows(up)?, rows(activated)?])
        };
        Ok(Self {
            by_width: self.by_width.iter().map(part).collect::<Result<_>>()?,
        })
    }
}

/// Width of the widest feed-forward layer that all tokens have; 0 where there are none but such of experts.
pub(super) fn widest(config: &Config) -> usize {
    match config.experts(0) {
        Some(experts) if !experts.dense_besides => 0,
        _ => config.feed_forward,
    }
}
