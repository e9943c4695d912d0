//! Hyper-parameters of a model, read from GGUF metadata.
//!
//! Keys and defaults are those of llama.cpp, which defines them by use.

mod experts;
mod latent;
mod linear;
mod rope;

use std::fmt;

pub use experts::Experts;
pub use latent::LatentAttention;
pub use linear::LinearAttention;
pub use rope::RopeScaling;

use crate::{
    Error, Result, encoder,
    gguf::{FromValue, Metadata, Value},
};

/// No model comes near these; they keep products of dimensions far from overflow.
pub(crate) const MAX_DIMENSION: u32 = 1 << 24;
pub(crate) const MAX_LAYERS: u32 = 4096;

const DRAFT_LAYERS: &str = "nextn_predict_layers";

/// A model family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Llama, Mistral, TinyLlama and others like them.
    Llama,
    /// Qwen2 and Qwen2.5, dense.
    Qwen2,
    /// Qwen3, dense.
    Qwen3,
    /// Qwen3 with a mixture of experts.
    Qwen3Moe,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3, the part that reads text.
    Gemma3,
    /// Phi 3 and Phi 4.
    Phi3,
    /// Qwen3.5, dense, the part that reads text.
    Qwen35,
    /// Qwen3.5 with a mixture of experts, the part that reads text.
    Qwen35Moe,
    /// Qwen3-Next.
    Qwen3Next,
    /// DeepSeek-V2, V3 and R1.
    DeepSeek2,
}

impl Architecture {
    /// The families that are implemented, as `general.architecture` names them.
    pub const SUPPORTED: &'static str = "llama, qwen2, qwen3, qwen3moe, gemma2, gemma3, phi3, qwen35, qwen35moe, qwen3next, deepseek2";

    /// Name in `general.architecture` and prefix of the family's keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3moe",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3",
            Self::Phi3 => "phi3",
            Self::Qwen35 => "qwen35",
            Self::Qwen35Moe => "qwen35moe",
            Self::Qwen3Next => "qwen3next",
            Self::DeepSeek2 => "deepseek2",
        }
    }

    /// Whether some of its layers have linear attention.
    fn is_hybrid(self) -> bool {
        matches!(self, Self::Qwen35 | Self::Qwen35Moe | Self::Qwen3Next)
    }

    fn from_metadata(metadata: &Metadata) -> Result<Self> {
        match metadata.get::<&str>("general.architecture")? {
            "llama" => Ok(Self::Llama),
            "qwen2" => Ok(Self::Qwen2),
            "qwen3" => Ok(Self::Qwen3),
            "qwen3moe" => Ok(Self::Qwen3Moe),
            "gemma2" => Ok(Self::Gemma2),
            "gemma3" => Ok(Self::Gemma3),
            "phi3" => Ok(Self::Phi3),
            "qwen35" => Ok(Self::Qwen35),
            "qwen35moe" => Ok(Self::Qwen35Moe),
            "qwen3next" => Ok(Self::Qwen3Next),
            "deepseek2" => Ok(Self::DeepSeek2),
            encoder::ARCHITECTURE => Err(Error::Request(format!(
                "models of architecture `{}` make embeddings and no text",
                encoder::ARCHITECTURE
            ))),
            other => Err(Error::Architecture {
                found: other.to_owned(),
                supported: Self::SUPPORTED,
            }),
        }
    }
}

/// Shape and constants of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The family.
    pub architecture: Architecture,
    /// Transformer blocks.
    pub layers: usize,
    /// Blocks of a file behind those, which predict tokens further ahead; they are not loaded.
    pub draft_layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`. One for latent attention.
    pub kv_heads: usize,
    /// Width of a head; for latent attention that of what the cache keeps of a token.
    pub head_dim: usize,
    /// Width of the feed-forward layer, where it is not one of experts.
    pub feed_forward: usize,
    /// What the feed-forward layers have instead, if it is a mixture of experts.
    pub experts: Option<Experts>,
    /// Number of token ids.
    pub vocabulary: usize,
    /// Positions the model was trained for.
    pub context: usize,
    /// Added to the mean square before the root of an RMS norm.
    pub norm_eps: f32,
    /// Leading values of a head that are rotated; an even number.
    pub rope_dims: usize,
    /// Base of the rotary embedding's frequencies.
    pub rope_base: f32,
    /// How the frequencies are stretched beyond the context of the first training.
    pub rope_scaling: RopeScaling,
    /// Layers in which queries see the last keys only; queries see all keys before them when absent.
    pub window: Option<Window>,
    /// Layers of linear attention, in families that have some.
    pub linear: Option<LinearAttention>,
    /// What attention makes its keys and values of, in families where that is cached instead of them.
    pub latent: Option<LatentAttention>,
    /// Factor of the scores of attention.
    pub attention_scale: f32,
    /// What the scores of attention are kept below: see [`mettle_kernels::ops::Attention`].
    pub attention_softcap: Option<f32>,
    /// What logits are kept below, in the same way.
    pub logit_softcap: Option<f32>,
    /// Factor of the embedding of a token.
    pub embedding_scale: f32,
}

/// A sliding window of attention.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// A query at position p sees keys at p - size + 1 to p.
    pub size: usize,
    /// Whether it applies, layer by layer; layers without it see all keys.
    pub layers: Vec<bool>,
    /// Base of the rotary frequencies in layers with it, which are not scaled there; as in others when absent.
    pub rope_base: Option<f32>,
}

impl Config {
    /// Reads and checks the hyper-parameters.
    ///
    /// # Errors
    /// [`Error::Architecture`] for an unknown family, and the `Key` errors, which name the key to blame.
    pub fn from_metadata(metadata: &Metadata) -> Result<Self> {
        let architecture = Architecture::from_metadata(metadata)?;
        let keys = Keys {
            metadata,
            prefix: architecture.name(),
        };
        let blocks = keys.dimension("block_count", None, MAX_LAYERS)?;
        let has_draft = architecture.is_hybrid() || architecture == Architecture::DeepSeek2;
        let draft_layers = match has_draft {
            true => keys.find::<usize>(DRAFT_LAYERS)?.unwrap_or(0),
            false => 0,
        };
        let layers = blocks.saturating_sub(draft_layers);
        if layers == 0 {
            let reason = format!("there are no more than {blocks} blocks");
            return Err(keys.bad(DRAFT_LAYERS, draft_layers, reason));
        }
        let hidden = keys.dimension("embedding_length", None, MAX_DIMENSION)?;
        let heads = keys.dimension("attention.head_count", None, MAX_DIMENSION)?;
        let latent = LatentAttention::from_keys(&keys, architecture)?;
        let shape = match &latent {
            Some(latent) => latent.heads(),
            None => Heads::from_keys(&keys, architecture, hidden, heads)?,
        };
        let experts = Experts::from_keys(&keys, architecture)?;
        let context = keys.dimension("context_length", None, u32::MAX)?;
        let rope_scaling = RopeScaling::from_keys(&keys, architecture, context)?;
        Ok(Self {
            architecture,
            layers,
            draft_layers,
            hidden,
            heads,
            kv_heads: shape.kv_heads,
            head_dim: shape.head_dim,
            feed_forward: keys.dimension(
                "feed_forward_length",
                experts.map(|experts| experts.feed_forward),
                MAX_DIMENSION,
            )?,
            experts,
            vocabulary: vocabulary(&keys)?,
            context,
            norm_eps: keys.positive("attention.layer_norm_rms_epsilon", None)?,
            rope_dims: shape.rope_dims,
            rope_base: keys.positive("rope.freq_base", Some(10_000.0))?,
            rope_scaling,
            window: Window::from_keys(&keys, architecture, layers)?,
            linear: LinearAttention::from_keys(&keys, architecture, layers)?,
            latent,
            attention_scale: match &latent {
                Some(latent) => latent.attention_scale(&keys, rope_scaling)?,
                None => attention_scale(architecture, layers, hidden / heads, shape.head_dim),
            },
            attention_softcap: match architecture {
                Architecture::Gemma2 => Some(keys.positive("attn_logit_softcapping", Some(50.0))?),
                _ => None,
            },
            logit_softcap: match architecture {
                Architecture::Gemma2 => Some(keys.positive("final_logit_softcapping", Some(30.0))?),
                Architecture::Gemma3 => keys.find_positive("final_logit_softcapping")?,
                _ => None,
            },
            embedding_scale: match architecture {
                Architecture::Gemma2 | Architecture::Gemma3 => (hidden as f32).sqrt(),
                _ => 1.0,
            },
        })
    }

    /// Keys that a query of a layer sees, its own included; all before it when absent.
    pub fn window(&self, layer: usize) -> Option<usize> {
        let window = self.window.as_ref()?;
        window.layers.get(layer)?.then_some(window.size)
    }

    /// The shape of a layer of linear attention; none where the layer has attention.
    pub fn linear(&self, layer: usize) -> Option<&LinearAttention> {
        let linear = self.linear.as_ref()?;
        linear.layers.get(layer)?.then_some(linear)
    }

    /// The experts of a layer; none where the layer has a feed-forward layer for all tokens.
    pub fn experts(&self, layer: usize) -> Option<&Experts> {
        let experts = self.experts.as_ref()?;
        (layer >= experts.dense_layers).then_some(experts)
    }

    /// Whether a tensor belongs to a block that is not loaded.
    pub(crate) fn passes_over(&self, tensor: &str) -> bool {
        let block = tensor.strip_prefix("blk.").and_then(|name| {
            let (block, _) = name.split_once('.')?;
            block.parse::<usize>().ok()
        });
        block.is_some_and(|n| (self.layers..self.layers + self.draft_layers).contains(&n))
    }

    /// Query heads that share one key and value head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }
}

/// Heads of keys and values.
struct Heads {
    kv_heads: usize,
    head_dim: usize,
    /// Leading values of a head that are rotated.
    rope_dims: usize,
}

impl Heads {
    fn from_keys(
        keys: &Keys<'_>,
        architecture: Architecture,
        hidden: usize,
        heads: usize,
    ) -> Result<Self> {
        let kv_heads = keys.dimension("attention.head_count_kv", Some(heads), MAX_DIMENSION)?;
        if !heads.is_multiple_of(kv_heads) {
            return Err(keys.bad(
                "attention.head_count_kv",
                kv_heads,
                format!("{heads} query heads cannot share them evenly"),
            ));
        }
        if keys.find::<usize>("attention.key_length")?.is_none() && !hidden.is_multiple_of(heads) {
            return Err(keys.bad(
                "attention.head_count",
                heads,
                format!("an embedding of {hidden} does not divide into that many heads"),
            ));
        }
        let head_dim =
            keys.dimension("attention.key_length", Some(hidden / heads), MAX_DIMENSION)?;
        if !head_dim.is_multiple_of(2) {
            return Err(keys.bad(
                "attention.key_length",
                head_dim,
                "rotary embeddings need pairs of values".to_owned(),
            ));
        }
        let rope_dims = keys.dimension("rope.dimension_count", Some(head_dim), MAX_DIMENSION)?;
        let partial = architecture == Architecture::Phi3 || architecture.is_hybrid();
        if partial && (rope_dims > head_dim || !rope_dims.is_multiple_of(2)) {
            let reason = format!("it must be even and at most the head's width, {head_dim}");
            return Err(keys.bad("rope.dimension_count", rope_dims, reason));
        }
        let value_dim = keys.dimension("attention.value_length", Some(head_dim), MAX_DIMENSION)?;
        for (key, other, any) in [
            ("attention.value_length", value_dim, false),
            ("rope.dimension_count", rope_dims, partial),
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

/// Number of token ids: that of the tokenizer, or what the metadata say of a model without one.
pub(crate) fn vocabulary(keys: &Keys<'_>) -> Result<usize> {
    match keys.metadata.find::<&[String]>("tokenizer.ggml.tokens")? {
        Some([]) => Err(Error::KeyValue {
            key: "tokenizer.ggml.tokens".to_owned(),
            found: "empty".to_owned(),
            reason: "a model needs a vocabulary".to_owned(),
        }),
        Some(tokens) => Ok(tokens.len()),
        None => keys.dimension("vocab_size", None, MAX_DIMENSION),
    }
}

/// Factor of the scores. The models whose queries are scaled by another width than that of a head are known by their number of layers,
/// as in llama.cpp: the files do not say it.
fn attention_scale(
    architecture: Architecture,
    layers: usize,
    share_of_hidden: usize,
    head_dim: usize,
) -> f32 {
    let width = match (architecture, layers) {
        (Architecture::Gemma2, 46) | (Architecture::Gemma3, 62) => share_of_hidden,
        _ => head_dim,
    };
    1.0 / (width as f32).sqrt()
}

impl Window {
    const SIZE: &'static str = "attention.sliding_window";
    const PATTERN: &'static str = "attention.sliding_window_pattern";

    fn from_keys(
        keys: &Keys<'_>,
        architecture: Architecture,
        layers: usize,
    ) -> Result<Option<Self>> {
        // Of so many layers the last has no window; in other families all layers have it.
        let (default, period) = match architecture {
            Architecture::Gemma2 => (Some(4096), Some(2)),
            Architecture::Gemma3 => (None, Some(6)),
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
            Architecture::Gemma3 => Some(keys.positive("rope.freq_base_swa", Some(10_000.0))?),
            _ => None,
        };
        Ok(Some(Self {
            size,
            layers,
            rope_base,
        }))
    }
}

/// The keys of one architecture.
pub(crate) struct Keys<'a> {
    pub(crate) metadata: &'a Metadata,
    pub(crate) prefix: &'static str,
}

impl<'a> Keys<'a> {
    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.prefix)
    }

    pub(crate) fn find<T: FromValue<'a>>(&self, key: &str) -> Result<Option<T>> {
        self.metadata.find(&self.name(key))
    }

    /// A count from 1 to `most`; `default` where the key is absent, an error without one.
    pub(crate) fn dimension(&self, key: &str, default: Option<usize>, most: u32) -> Result<usize> {
        let value = match (self.find::<u32>(key)?, default) {
            (Some(v), _) => v as usize,
            (None, Some(v)) => v,
            (None, None) => self.metadata.get::<u32>(&self.name(key))? as usize,
        };
        if value == 0 || value > most as usize {
            return Err(self.bad(key, value, format!("it must lie between 1 and {most}")));
        }
        Ok(value)
    }

    /// A finite number above 0; `default` where the key is absent, an error without one.
    pub(crate) fn positive(&self, key: &str, default: Option<f32>) -> Result<f32> {
        let value = match (self.find::<f32>(key)?, default) {
            (Some(v), _) | (None, Some(v)) => v,
            (None, None) => self.metadata.get::<f32>(&self.name(key))?,
        };
        if !(value.is_finite() && value > 0.0) {
            return Err(self.bad(key, value, "it must be a finite number above 0".to_owned()));
        }
        Ok(value)
    }

    /// A finite number above 0, or none where the key is absent or 0.
    fn find_positive(&self, key: &str) -> Result<Option<f32>> {
        let value = self.find::<f32>(key)?.filter(|&value| value != 0.0);
        value
            .map(|value| self.positive(key, Some(value)))
            .transpose()
    }

    pub(crate) fn bad(&self, key: &str, found: impl fmt::Display, reason: String) -> Error {
        let key = self.name(key);
        let found = self
            .metadata
            .value(&key)
            .map_or(found.to_string(), Value::to_string);
        Error::KeyValue { key, found, reason }
    }
}
