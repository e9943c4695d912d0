//! Models: weights on a device, and the forward pass over them.

mod attention;
mod block;
mod branches;
mod deepseek2;
mod delta_net;
mod feed_forward;
mod gemma2;
mod gemma3;
mod gemma4;
mod layer_input;
mod llama;
mod mla;
mod phi3;
mod pipelines;
mod projection;
mod qwen2;
mod qwen3;
mod qwen35;
mod rope;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use mettle_gpu::{Device, Format, Pass, Tensor};
use mettle_kernels::ops::{self, Activation, Capability, Fusion, Norm, Pairing, Rope, Unary};

use crate::{
    Adapter, Architecture, Checkpoint, Config, Error, ExpertStats, MemoryEstimate, Result, Session,
    expert_cache::{ExpertCache, ExpertPass, Layout},
    kv_cache::{KvCache, KvFormat},
    scratch::Activations,
    weights::Loader,
};
use block::{Block, Frame};
pub(crate) use feed_forward::ExpertMatrices;
use layer_input::LayerInputs;
pub(crate) use projection::{LowRank, Projection};

/// Contexts are allocated in full, so long ones are taken only when asked for.
const DEFAULT_CONTEXT: usize = 4096;

/// How a model is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Positions of a session; what the model was trained for, but at most 4096, when absent.
    pub context: Option<usize>,
    /// How keys and values are cached.
    pub kv_format: KvFormat,
    /// Tokens of a prompt that go through the model together, at least 1; when absent, 128 on CPUs, 2048 on large GPUs, and 512 on others and for experts
    /// on CPUs.
    pub chunk: Option<usize>,
    /// Whether sequences of operations are fused into single launches.
    pub fusion: Fusion,
    /// Bytes for a cache of experts, which stay in their files otherwise; all are loaded when absent.
    pub expert_cache: Option<u64>,
}

impl LoadOptions {
    pub(crate) fn context_for(&self, config: &Config) -> usize {
        self.context.unwrap_or(config.context.min(DEFAULT_CONTEXT))
    }

    /// A GPU needs many tokens to be busy with the weights that it has read, and where it makes halves of these for each chunk, a prompt of 8000 is
    /// read a third faster by 2048 tokens than by 512 (an H200, Qwen3-8B's shapes in Q4_0), for 0.4 GB more: that much there is to be plenty of. A CPU is
    /// busy with few, and what it computes for more of them would not stay in its caches. An expert sees few tokens of a chunk, so there are to be more.
    pub(crate) fn chunk_for(&self, device: &Device, config: &Config) -> usize {
        const PLENTY: u64 = 32 << 30;
        let usual = match Capability::of(device) {
            Capability::Cpu if config.experts.is_none() => 128,
            Capability::RoomyGpu if device.memory().total >= PLENTY => 2048,
            _ => 512,
        };
        self.chunk.unwrap_or(usual)
    }
}

/// What tells the transformer of one family from that of another.
struct Family {
    /// Which elements of a head rotate together.
    pairing: Pairing,
    /// Whether files have queries, keys and values in one matrix, and gates and what they let through in another.
    packed: bool,
    /// Whether the projections to queries, keys and values have biases.
    biases: bool,
    /// Whether each head of queries and keys is normalised before it is rotated.
    head_norms: bool,
    /// Whether each head of values is normalised, without weights. Where a layer without a window has no projection to values, they are those to keys.
    value_norms: bool,
    /// Whether what attention and the feed-forward layer add to the stream is normalised before.
    post_norms: bool,
    /// What the gate of the feed-forward layer goes through.
    activation: Activation,
}

impl Architecture {
    fn family(self) -> &'static Family {
        match self {
            Self::Llama => &llama::FAMILY,
            Self::Qwen2 => &qwen2::FAMILY,
            Self::Qwen3 | Self::Qwen3Moe => &qwen3::FAMILY,
            Self::Gemma2 => &gemma2::FAMILY,
            Self::Gemma3 => &gemma3::FAMILY,
            Self::Gemma4 => &gemma4::FAMILY,
            Self::Phi3 => &phi3::FAMILY,
            Self::DeepSeek2 => &deepseek2::FAMILY,
            Self::Qwen35 | Self::Qwen35Moe | Self::Qwen3Next => &qwen35::FAMILY,
        }
    }
}

/// A loaded model. Clones share it.
#[derive(Clone)]
pub struct Model {
    inner: Arc<Inner>,
}

/// Tokens whose output a pass is to compute; the cache is filled for all of them.
pub(crate) enum Outputs<'a> {
    /// None: more of the prompt follows.
    None,
    /// The last one, into these activations, which are its row of those of the pass.
    Last(&'a mut Activations),
    /// All.
    All,
}

struct Inner {
    device: Device,
    config: Config,
    options: LoadOptions,
    memory: MemoryEstimate,
    /// Formats of the weights.
    formats: HashSet<Format>,
    /// Those of keys and values.
    cached: HashSet<Format>,
    /// The largest of the adapters; 0 without.
    rank: usize,
    rope: Rope,
    /// Of layers with a window, where it is another.
    window_rope: Option<Rope>,
    /// Where not all experts are loaded.
    expert_cache: Option<Mutex<ExpertCache>>,
    embedding: Tensor,
    layer_inputs: Option<LayerInputs>,
    blocks: Vec<Block>,
    output_norm: Tensor,
    output: Tensor,
}

impl Model {
    /// Loads the weights of a checkpoint; they stay in the mapped file where the device can read it.
    ///
    /// # Errors
    /// Those of [`Config::from_metadata`]; [`Error::Memory`] when it cannot fit, [`Error::ExpertCache`] when a cache of experts is too small for them; [`Error::MissingTensor`],
    /// [`Error::TensorShape`], [`Error::TensorFormat`] and [`Error::UnexpectedTensor`] when the tensors are not those of
    /// the architecture.
    pub fn load(device: &Device, checkpoint: &Checkpoint, options: &LoadOptions) -> Result<Self> {
        Self::load_with(device, checkpoint, &[], options, &mut |_| {})
    }

    /// As [`load`](Self::load), with adapters, whose products are added to those of the model's matrices; `loaded` is told the bytes of each tensor once it is on the device, together
    /// [`MemoryEstimate::weights`] in the end.
    ///
    /// # Errors
    /// As for [`load`](Self::load); [`Error::AdapterArchitecture`], [`Error::AdapterShape`] and [`Error::AdapterTensor`] when an adapter is not
    /// one of this model.
    pub fn load_with(
        device: &Device,
        checkpoint: &Checkpoint,
        adapters: &[Adapter],
        options: &LoadOptions,
        loaded: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let config = Config::from_metadata(checkpoint.metadata())?;
        let context = options.context_for(&config);
        let chunk = options.chunk_for(device, &config);
        if context == 0 || chunk == 0 || i32::try_from(context).is_err() {
            return Err(Error::Request(format!(
                "a context of {context} positions in chunks of {chunk} is not possible"
            )));
        }
        if context > config.context {
            tracing::warn!(
                "a context of {context} positions is longer than the {} the model was trained for",
                config.context
            );
        }
        for adapter in adapters {
            adapter.check(config.architecture)?;
        }
        let memory = MemoryEstimate::of(checkpoint, adapters, &config, options, device)?;
        memory.check(device)?;
        let mut expert_cache = match options.expert_cache {
            Some(bytes) => Some(ExpertCache::new(Layout::new(checkpoint, &config, bytes)?)?),
            None => None,
        };
        let mut loader = Loader::new(device, checkpoint, adapters, loaded);
        if let Some(cache) = &mut expert_cache {
            loader.leave_experts_to(cache);
        }
        let table = [config.vocabulary, config.hidden];
        let embedding = loader.matrix("token_embd.weight", table)?;
        let output_norm = loader.vector("output_norm.weight", config.hidden)?;
        let output = match loader.has("output.weight") {
            true => loader.matrix("output.weight", table)?,
            false => embedding.clone(),
        };
        let layer_inputs = LayerInputs::load(&mut loader, &config)?;
        let rope = rope::of_model(device, &config, context, &mut loader)?;
        let window_rope = rope::of_window(device, &config)?;
        let blocks = (0..config.layers)
            .map(|layer| Block::load(&mut loader, &config, layer))
            .collect::<Result<_>>()?;
        loader.finish(config.architecture.name(), |tensor| {
            config.passes_over(tensor)
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                device: device.clone(),
                options: LoadOptions {
                    context: Some(context),
                    chunk: Some(chunk),
                    ..*options
                },
                cached: (0..config.layers)
                    .map(|layer| options.kv_format.format(&config, layer))
                    .collect::<Result<_>>()?,
                config,
                memory,
                formats: checkpoint
                    .tensors()
                    .map(|tensor| tensor.format)
                    .chain(adapters.iter().flat_map(Adapter::formats))
                    .collect(),
                rank: adapters.iter().map(Adapter::rank).max().unwrap_or(0),
                rope,
                window_rope,
                expert_cache: expert_cache.map(Mutex::new),
                embedding,
                layer_inputs,
                blocks,
                output_norm,
                output,
            }),
        })
    }

    /// Shape and constants.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Where the model is loaded.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    /// Positions of a session.
    pub fn context(&self) -> usize {
        self.inner.options.context_for(&self.inner.config)
    }

    /// How it was loaded, with the context and the chunk filled in.
    pub fn options(&self) -> &LoadOptions {
        &self.inner.options
    }

    /// The largest rank of its adapters; 0 without.
    pub(crate) fn rank(&self) -> usize {
        self.inner.rank
    }

    /// What its cache of experts has done since the model was loaded, in all sessions; none where all experts were. Waits for a pass that uses the
    /// cache.
    pub fn expert_stats(&self) -> Option<ExpertStats> {
        let cache = self.inner.expert_cache.as_ref()?;
        Some(cache.lock().unwrap_or_else(PoisonError::into_inner).stats())
    }

    /// The cache of experts, for a pass. Waits for another session's.
    pub(crate) fn expert_pass(&self, profiled: bool) -> Option<ExpertPass<'_>> {
        let cache = self.inner.expert_cache.as_ref()?;
        let cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        Some(ExpertPass::new(cache, profiled))
    }

    /// Memory of the model with one session.
    pub fn memory(&self) -> MemoryEstimate {
        self.inner.memory
    }

    /// A text in the making: its own cache and scratch memory over the shared weights.
    ///
    /// # Errors
    /// [`Error::Gpu`] when memory runs out.
    pub fn session(&self) -> Result<Session> {
        Session::new(self.clone())
    }

    /// Records the way of `ids` at `positions` through all blocks.
    pub(crate) fn record_blocks(
        &self,
        pass: &mut Pass,
        [ids, positions]: [&Tensor; 2],
        activations: &mut Activations,
        outputs: Outputs<'_>,
        cache: &mut KvCache,
        experts: &mut Option<ExpertPass<'_>>,
    ) -> Result<()> {
        let model = &*self.inner;
        let frame = Frame {
            config: &model.config,
            fusion: model.options.fusion,
            rope: &model.rope,
            window_rope: model.window_rope.as_ref().unwrap_or(&model.rope),
            positions,
        };
        let scale = model.config.embedding_scale;
        ops::embedding_scaled(pass, &model.embedding, ids, scale, &mut activations.stream)?;
        if let Some(inputs) = &model.layer_inputs {
            inputs.record(pass, frame, ids, activations)?;
        }
        // Of the last token alone is recorded what fills no cache.
        let whole = match outputs {
            Outputs::All => model.config.layers,
            Outputs::None | Outputs::Last(_) => model.config.caching_layers() - 1,
        };
        let mut layers = model.blocks.iter().zip(&mut cache.layers);
        for (block, layer) in layers.by_ref().take(whole) {
            block.record(pass, frame, activations, layer, experts)?;
        }
        let mut row = match outputs {
            Outputs::Last(row) => Some(row),
            Outputs::All | Outputs::None => None,
        };
        if let Some((block, layer)) = layers.next() {
            let row = row.as_deref_mut();
            block.record_last(pass, frame, activations, row, layer, experts)?;
        }
        let Some(row) = row else { return Ok(()) };
        let tokens = positions.len();
        let frame = Frame {
            positions: &positions.rows_range(tokens - 1..tokens)?,
            ..frame
        };
        layers.try_for_each(|(block, layer)| block.record(pass, frame, row, layer, experts))
    }

    /// Records the logits of tokens behind the blocks, `[tokens, vocabulary]`.
    pub(crate) fn record_logits(
        &self,
        pass: &mut Pass,
        activations: &mut Activations,
        logits: &mut Tensor,
    ) -> Result<()> {
        let model = &*self.inner;
        let norm = Norm {
            weight: &model.output_norm,
            eps: model.config.norm_eps,
        };
        let Activations { stream, normed, .. } = activations;
        ops::norm_mul_mats(
            pass,
            model.options.fusion,
            stream,
            norm,
            normed,
            &mut [(&model.output, logits)],
        )?;
        if let Some(cap) = model.config.logit_softcap {
            ops::unary_assign(pass, Unary::Softcap(cap), logits)?;
        }
        Ok(())
    }
}
