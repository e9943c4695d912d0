//! How the memory of a cache of experts is divided.

use crate::{Checkpoint, Config, Error, Result};

/// The matrices of an expert, as tensors of a block are named.
pub(crate) const MATRICES: [&str; 3] = ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"];

/// The name of a tensor with a matrix of each expert of a layer.
pub(crate) fn tensor_name(layer: usize, matrix: &str) -> String {
    format!("blk.{layer}.{matrix}.weight")
}

/// Slots for the experts of each layer, and memory for what is read but not yet in a slot.
///
/// Each layer has slots of its own, as many as the others: layers take turns, so that among slots of all of them the one used longest ago would be
/// just that of the layer whose turn is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Of each layer; none where it has no experts.
    slots: Vec<usize>,
    /// Matrices that may be on their way, and bytes of the largest.
    pub(crate) buffers: usize,
    pub(crate) buffer: usize,
    /// What all of it takes.
    bytes: u64,
    /// Bytes of all experts.
    of_experts: u64,
}

impl Layout {
    /// Divides so many bytes.
    ///
    /// # Errors
    /// [`Error::Request`] for a model without experts, [`Error::ExpertCache`] when there is no room for an expert of each layer.
    pub(crate) fn new(checkpoint: &Checkpoint, config: &Config, budget: u64) -> Result<Self> {
        let Some(experts) = config.experts else {
            let reason = "the model has no experts, so that there can be no cache of them";
            return Err(Error::Request(reason.to_owned()));
        };
        if experts.dense_besides {
            let what = "a cache of experts in layers that have a feed-forward layer besides";
            return Err(Error::Unsupported(what.to_owned()));
        }
        let count = experts.count.max(1);
        let matrices = |layer| MATRICES.map(|matrix| tensor_name(layer, matrix));
        // Those that there are not are told when the layer is loaded.
        let bytes = |name: &String| {
            let tensor = checkpoint.tensor(name);
            tensor.map_or(0, |tensor| tensor.info.range.len() / count)
        };
        let sizes: Vec<[usize; 3]> = (0..config.layers)
            .map(|layer| match config.experts(layer) {
                Some(_) => matrices(layer).each_ref().map(bytes),
                None => [0; 3],
            })
            .collect();
        let buffer = sizes.iter().flatten().copied().max().unwrap_or(0);
        let buffers = MATRICES.len() * experts.used;
        let on_their_way = (buffers as u64).saturating_mul(buffer as u64);
        let of_expert = |sizes: &[usize; 3]| sizes.iter().map(|&size| size as u64).sum::<u64>();
        let one_each: u64 = sizes.iter().map(of_expert).sum();
        let least = on_their_way.saturating_add(one_each);
        let Some(mut left) = budget.checked_sub(least) else {
            return Err(Error::ExpertCache {
                budget,
                least,
                on_their_way,
                one_each,
            });
        };
        let more = (left / one_each.max(1)).min(count as u64 - 1);
        left -= more * one_each;
        let mut taken = least + more * one_each;
        let mut slots = Vec::with_capacity(sizes.len());
        for (layer, sizes) in sizes.iter().enumerate() {
            let mut of_layer = match config.experts(layer) {
                Some(_) => 1 + more as usize,
                None => 0,
            };
            let bytes = of_expert(sizes);
            if (1..count).contains(&of_layer) && bytes <= left {
                of_layer += 1;
                left -= bytes;
                taken += bytes;
            }
            slots.push(of_layer);
        }
        Ok(Self {
            slots,
            buffers,
            buffer,
            bytes: taken,
            of_experts: one_each.saturating_mul(count as u64),
        })
    }

    /// Slots of a layer.
    pub(crate) fn slots(&self, layer: usize) -> usize {
        self.slots.get(layer).copied().unwrap_or(0)
    }

    /// Bytes of everything.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of what is on its way.
    pub(crate) fn on_their_way(&self) -> u64 {
        self.buffers as u64 * self.buffer as u64
    }

    /// Bytes of the experts that stay in files: all of them.
    pub(crate) fn of_experts(&self) -> u64 {
        self.of_experts
    }
}
