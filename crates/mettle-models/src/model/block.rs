//! The transformer block that all families share.

use mettle_gpu::{Pass, Tensor};
use mettle_kernels::ops::{Fusion, Norm, Rope};

use super::{
    attention::SelfAttention, delta_net::DeltaNet, feed_forward::FeedForward,
    layer_input::LayerInput, mla::Mla, projection::PostNorm,
};
use crate::{
    Architecture, Config, Result, expert_cache::ExpertPass, kv_cache::LayerMemory,
    scratch::Activations, weights::Loader,
};

/// Weights of one block. Matrices are `[outputs, inputs]`.
pub(super) struct Block {
    attention_norm: Tensor,
    mixer: Mixer,
    /// Of RMS norms of what attention and the feed-forward layer add, for families that have them.
    post_norms: Option<[Tensor; 2]>,
    feed_forward_norm: Tensor,
    feed_forward: FeedForward,
    /// In models that give each layer something of a token besides the stream.
    input: Option<LayerInput>,
    /// The stream is multiplied by it behind the block.
    scale: f32,
}

/// What lets tokens see those before them.
enum Mixer {
    Attention(SelfAttention),
    Latent(Box<Mla>),
    Linear(DeltaNet),
}

/// What is the same for all blocks of a pass.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) config: &'a Config,
    pub(super) fusion: Fusion,
    pub(super) rope: &'a Rope,
    /// Of blocks with a window.
    pub(super) window_rope: &'a Rope,
    /// Of the tokens, I32.
    pub(super) positions: &'a Tensor,
}

impl Frame<'_> {
    pub(super) fn norm<'a>(&self, weight: &'a Tensor) -> Norm<'a> {
        Norm {
            weight,
            eps: self.config.norm_eps,
        }
    }
}

impl Block {
    pub(super) fn load(loader: &mut Loader<'_>, config: &Config, layer: usize) -> Result<Self> {
        let hidden = config.hidden;
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let family = config.architecture.family();
        let mixer = match (config.linear(layer), config.latent) {
            (Some(linear), _) => Mixer::Linear(DeltaNet::load(loader, config, linear, layer)?),
            (None, Some(latent)) => {
                Mixer::Latent(Box::new(Mla::load(loader, config, latent, layer)?))
            }
            (None, None) => Mixer::Attention(SelfAttention::load(loader, config, layer)?),
        };
        let post_norms = match family.post_norms {
            true => Some([
                loader.vector(&name("post_attention_norm"), hidden)?,
                loader.vector(&name("post_ffw_norm"), hidden)?,
            ]),
            false => None,
        };
        // Families with linear attention name it after what it stands behind.
        let feed_forward_norm = match config.linear {
            Some(_) => "post_attention_norm",
            None => "ffn_norm",
        };
        let scale = name("layer_output_scale");
        let scale = match config.architecture {
            Architecture::Gemma4 if loader.has(&scale) => loader.scalar(&scale)?,
            _ => 1.0,
        };
        Ok(Self {
            attention_norm: loader.vector(&name("attn_norm"), hidden)?,
            mixer,
            post_norms,
            feed_forward_norm: loader.vector(&name(feed_forward_norm), hidden)?,
            feed_forward: FeedForward::load(loader, config, layer)?,
            input: LayerInput::load(loader, config, layer)?,
            scale,
        })
    }

    /// Records the block: attention and feed-forward, each added to the residual stream.
    pub(super) fn record(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &mut Activations,
        memory: &mut LayerMemory,
        experts: &mut Option<ExpertPass<'_>>,
    ) -> Result<()> {
        let norm = frame.norm(&self.attention_norm);
        match (&self.mixer, &mut *memory) {
            (Mixer::Attention(attention), LayerMemory::Cache(cache)) => {
                attention.record(pass, frame, norm, a, cache)?;
            }
            (Mixer::Latent(attention), LayerMemory::Cache(cache)) => {
                attention.record(pass, frame, norm, a, cache)?;
            }
            (Mixer::Linear(net), LayerMemory::State(state)) => {
                net.record(pass, frame, norm, a, state)?;
            }
            _ => {} // Sessions have memory as the configuration has layers.
        }
        self.record_output(pass, frame, a, memory, experts)
    }

    /// Records of the block what fills the cache, and its output for nothing but the last token, whose row of `a` is `last`; for
    /// none at all without one.
    pub(super) fn record_last(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &mut Activations,
        mut last: Option<&mut Activations>,
        memory: &mut LayerMemory,
        experts: &mut Option<ExpertPass<'_>>,
    ) -> Result<()> {
        let norm = frame.norm(&self.attention_norm);
        match (&self.mixer, &mut *memory) {
            (Mixer::Attention(attention), LayerMemory::Cache(cache)) => {
                let last = last.as_deref_mut();
                attention.record_last(pass, frame, norm, a, last, cache)?;
            }
            (Mixer::Latent(attention), LayerMemory::Cache(cache)) => {
                let last = last.as_deref_mut();
                attention.record_last(pass, frame, norm, a, last, cache)?;
            }
            (Mixer::Linear(net), LayerMemory::State(state)) => {
                net.record(pass, frame, norm, a, state)?;
            }
            _ => {} // As above.
        }
        let Some(row) = last else { return Ok(()) };
        let tokens = frame.positions.len();
        let frame = Frame {
            positions: &frame.positions.rows_range(tokens - 1..tokens)?,
            ..frame
        };
        self.record_output(pass, frame, row, memory, experts)
    }

    /// Records what follows once the memory has what the tokens bring.
    fn record_output(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &mut Activations,
        memory: &LayerMemory,
        experts: &mut Option<ExpertPass<'_>>,
    ) -> Result<()> {
        // The last sum of the block is multiplied by its scale.
        let behind = if self.input.is_some() {
            1.0
        } else {
            self.scale
        };
        let [attention_norm, feed_forward_norm] = match &self.post_norms {
            Some([attention, feed_forward]) => {
                [(attention, 1.0), (feed_forward, behind)].map(|(weight, scale)| {
                    let norm = frame.norm(weight);
                    Some(PostNorm { norm, scale })
                })
            }
            None => [None, None],
        };
        match (&self.mixer, memory) {
            (Mixer::Attention(attention), LayerMemory::Cache(cache)) => {
                attention.record_output(pass, frame, attention_norm, a, cache)?;
            }
            (Mixer::Latent(attention), LayerMemory::Cache(cache)) => {
                attention.record_output(pass, frame, attention_norm, a, cache)?;
            }
            (Mixer::Linear(net), _) => net.record_output(pass, frame, a)?,
            _ => {} // As above.
        }
        self.feed_forward.record(
            pass,
            frame,
            frame.norm(&self.feed_forward_norm),
            feed_forward_norm,
            a,
            experts,
        )?;
        match &self.input {
            Some(input) => input.record(pass, frame, self.scale, a),
            None => Ok(()),
        }
    }
}
