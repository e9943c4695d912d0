//! How much memory a model will take, before any of it is taken.

use mettle_gpu::Device;
use mettle_kernels::ops;

use crate::{
    Adapter, Checkpoint, Config, Error, LoadOptions, Result, expert_cache::Layout,
    gguf::TensorInfo, kv_cache::KvCache, scratch::Scratch,
};

/// Memory of a model with one session, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Weights as stored, and those of adapters. Devices that can read the mapped file need no copy, but want it in memory all the same.
    pub weights: u64,
    /// What the cache of experts takes of that, where not all of them are loaded.
    pub expert_cache: Option<u64>,
    /// The key-value cache for the whole context, and what layers of linear attention keep. Layers with a window keep what it shows and a pass adds.
    pub kv_cache: u64,
    /// How much more that would be if layers with a window kept every token.
    pub windows_save: u64,
    /// Activations and logits, and on GPUs what products of prompts make on their way, and halves of a layer's quantised cache.
    pub scratch: u64,
}

impl MemoryEstimate {
    /// What loading `checkpoint` on `device` with `options` and one session will take.
    ///
    /// # Errors
    /// Those of [`Config::from_metadata`]; [`Error::ExpertCache`] when a cache of experts is too small for them, [`Error::Request`] when there are none.
    /// [`Error::KvFormat`] and [`Error::LatentKvFormat`] for a cache that does not serve the model.
    pub fn new(checkpoint: &Checkpoint, options: &LoadOptions, device: &Device) -> Result<Self> {
        Self::adapted(checkpoint, &[], options, device)
    }

    /// The same with adapters.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn adapted(
        checkpoint: &Checkpoint,
        adapters: &[Adapter],
        options: &LoadOptions,
        device: &Device,
    ) -> Result<Self> {
        let config = Config::from_metadata(checkpoint.metadata())?;
        Self::of(checkpoint, adapters, &config, options, device)
    }

    pub(crate) fn of(
        checkpoint: &Checkpoint,
        adapters: &[Adapter],
        config: &Config,
        options: &LoadOptions,
        device: &Device,
    ) -> Result<Self> {
        let context = options.context_for(config);
        let chunk = options.chunk_for(device, config);
        let (kv_cache, windows_save) = KvCache::bytes(config, context, chunk, options.kv_format)?;
        let weights = checkpoint
            .tensors()
            .filter(|tensor| !config.passes_over(&tensor.name))
            .map(|tensor| tensor.range.len() as u64 + beyond(config, tensor));
        let rank = adapters.iter().map(Adapter::rank).max().unwrap_or(0);
        let weights: u64 = weights.chain(adapters.iter().map(Adapter::bytes)).sum();
        let experts = match options.expert_cache {
            Some(bytes) => Some(Layout::new(checkpoint, config, bytes)?),
            None => None,
        };
        let in_files = experts.as_ref().map_or(0, Layout::of_experts);
        let expert_cache = experts.as_ref().map(Layout::bytes);
        // What launches of a pass hand on to each other takes turns in one memory.
        let of_cache = KvCache::bytes_of_halves(device, config, context, chunk, options.kv_format)?;
        let tensors = checkpoint.tensors();
        let of_products = tensors.map(|tensor| of_product(device, tensor, chunk));
        let handed_on = of_products.fold(of_cache, u64::max);
        Ok(Self {
            weights: weights.saturating_sub(in_files) + expert_cache.unwrap_or(0),
            expert_cache,
            kv_cache,
            windows_save,
            scratch: Scratch::bytes(device, config, rank, context, chunk).saturating_add(handed_on),
        })
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights
            .saturating_add(self.kv_cache)
            .saturating_add(self.scratch)
    }

    /// Fails when the device does not have that much memory available.
    ///
    /// # Errors
    /// [`Error::Memory`], with the numbers.
    pub fn check(&self, device: &Device) -> Result<()> {
        let available = device.memory().available;
        if self.total() <= available {
            return Ok(());
        }
        Err(Error::Memory {
            needed: self.total(),
            weights: self.weights,
            cache: self.kv_cache,
            scratch: self.scratch,
            device: device.name().to_owned(),
            available,
        })
    }
}

/// Bytes that the product of a chunk of a prompt and a tensor takes besides. Those of experts are not counted.
fn of_product(device: &Device, tensor: &TensorInfo, chunk: usize) -> u64 {
    match tensor.shape[..] {
        [.., columns] if columns > 0 && !tensor.name.contains("_exps.") => {
            let rows = tensor.shape.iter().product::<usize>() / columns;
            ops::scratch_of_product(device, tensor.format, [chunk, rows, columns])
        }
        _ => 0,
    }
}

/// Bytes that a tensor takes beyond those of the file: of matrices to keys and values in one, those to keys are transposed, in F32.
fn beyond(config: &Config, tensor: &TensorInfo) -> u64 {
    let Some(latent) = config.latent else {
        return 0;
    };
    if !tensor.name.ends_with(".attn_kv_b.weight") {
        return 0;
    }
    let values = (config.heads * latent.key * latent.rank) as u64;
    let all = tensor.shape.iter().product::<usize>().max(1) as u64;
    let stored = (tensor.range.len() as u64).saturating_mul(values) / all;
    values.saturating_mul(4).saturating_sub(stored)
}
