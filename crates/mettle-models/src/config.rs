//! Hyper-parameters of a model, read from GGUF metadata.
//!
//! Keys and defaults are those of llama.cpp, which defines them by use.

mod experts;
mod heads;
mod latent;
mod linear;
mod rope;
mod window;

use std::fmt;

pub use experts::Experts;
pub use heads::Heads;
pub use latent::LatentAttention;
pub use linear::LinearAttention;
pub use rope::RopeScaling;
pub use window::Window;

use crate::{
    Error, Result, encoder,
    gguf::{Array, FromValue, Metadata, Value},
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
    /// Gemma 4, the part that reads text.
    Gemma4,
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
    pub const SUPPORTED: &'static str = "llama, qwen2, qwen3, qwen3moe, gemma2, gemma3, gemma4, phi3, qwen35, qwen35moe, qwen3next, deepseek2";

    /// Name in `general.architecture` and prefix of the family's keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3moe",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3",
            Self::Gemma4 => "gemma4",
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
            "gemma4" => Ok(Self::Gemma4),
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
    /// Heads of keys and values; those of layers with a window may be others.
    pub kv: Heads,
    /// Layers at the end that have no keys and values of their own: they attend to those of the last layer before that has a window as they do.
    pub shared_layers: usize,
    /// Width of the feed-forward layers, where they are not of experts; the largest, where these have widths of their own.
    pub feed_forward: usize,
    /// Widths of their own, layer by layer.
    pub feed_forwards: Option<Vec<usize>>,
    /// Width of what each layer is given of a token besides the stream, in models with embeddings for each layer.
    pub layer_input: Option<usize>,
    /// What the feed-forward layers have instead, if it is a mixture of experts.
    pub experts: Option<Experts>,
    /// Number of token ids.
    pub vocabulary: usize,
    /// Positions the model was trained for.
    pub context: usize,
    /// Added to the mean square before the root of an RMS norm.
    pub norm_eps: f32,
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
        let mut window = Window::from_keys(&keys, architecture, layers)?;
        let kv = match (&latent, &mut window) {
            (Some(latent), _) => latent.heads(),
            (None, Some(window)) if architecture == Architecture::Gemma4 => {
                let [with, without] = Heads::of_both(&keys, heads, &window.layers)?;
                window.heads = Some(with);
                without
            }
            (None, _) => Heads::from_keys(&keys, architecture, hidden, heads)?,
        };
        let experts = Experts::from_keys(&keys, architecture)?;
        let feed_forwards = match architecture {
            Architecture::Gemma4 => {
                Some(keys.of_layers("feed_forward_length", layers, MAX_DIMENSION)?)
            }
            _ => None,
        };
        let context = keys.dimension("context_length", None, u32::MAX)?;
        let rope_scaling = RopeScaling::from_keys(&keys, architecture, context)?;
        Ok(Self {
            architecture,
            layers,
            draft_layers,
            hidden,
            heads,
            kv,
            shared_layers: shared_layers(&keys, architecture, layers, window.as_ref())?,
            feed_forward: match &feed_forwards {
                Some(of_layers) => of_layers.iter().copied().max().unwrap_or(0),
                None => keys.dimension(
                    "feed_forward_length",
                    experts.map(|experts| experts.feed_forward),
                    MAX_DIMENSION,
                )?,
            },
            feed_forwards,
            layer_input: layer_input(&keys, architecture)?,
            experts,
            vocabulary: vocabulary(&keys)?,
            context,
            norm_eps: keys.positive("attention.layer_norm_rms_epsilon", None)?,
            rope_base: keys.positive("rope.freq_base", Some(10_000.0))?,
            rope_scaling,
            window,
            linear: LinearAttention::from_keys(&keys, architecture, layers)?,
            latent,
            attention_scale: match &latent {
                Some(latent) => latent.attention_scale(&keys, rope_scaling)?,
                None => attention_scale(architecture, layers, hidden / heads, kv.head_dim),
            },
            attention_softcap: match architecture {
                Architecture::Gemma2 => Some(keys.positive("attn_logit_softcapping", Some(50.0))?),
                _ => None,
            },
            logit_softcap: match architecture {
                Architecture::Gemma2 => Some(keys.positive("final_logit_softcapping", Some(30.0))?),
                Architecture::Gemma3 | Architecture::Gemma4 => {
                    keys.find_positive("final_logit_softcapping")?
                }
                _ => None,
            },
            embedding_scale: match architecture {
                Architecture::Gemma2 | Architecture::Gemma3 | Architecture::Gemma4 => {
                    (hidden as f32).sqrt()
                }
                _ => 1.0,
            },
        })
    }

    /// Keys that a query of a layer sees, its own included; all before it when absent.
    pub fn window(&self, layer: usize) -> Option<usize> {
        let window = self.window.as_ref()?;
        window.layers.get(layer)?.then_some(window.size)
    }

    /// Heads of keys and values of a layer.
    pub fn kv(&self, layer: usize) -> Heads {
        let of_window = self.window.as_ref().and_then(|window| window.heads);
        match (of_window, self.window(layer)) {
            (Some(heads), Some(_)) => heads,
            _ => self.kv,
        }
    }

    /// Layers before those that attend to what an earlier one has cached.
    pub fn caching_layers(&self) -> usize {
        self.layers - self.shared_layers
    }

    /// The layer whose keys and values a layer attends to; itself, but for the last few of some models.
    pub fn cached_by(&self, layer: usize) -> usize {
        let own = self.caching_layers();
        let windowed = self.window(layer).is_some();
        let same = |before: &usize| self.window(*before).is_some() == windowed;
        match layer < own {
            true => layer,
            // Reading the keys has checked that there is one.
            false => (0..own).rev().find(same).unwrap_or(layer),
        }
    }

    /// Width of the feed-forward layer of a layer, where it is not one of experts.
    pub fn feed_forward(&self, layer: usize) -> usize {
        let own = self
            .feed_forwards
            .as_ref()
            .and_then(|of_layers| of_layers.get(layer));
        own.copied().unwrap_or(self.feed_forward)
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

    /// Whether a tensor belongs to a block that is not loaded, or to keys and values that a block has, but does not use.
    pub(crate) fn passes_over(&self, tensor: &str) -> bool {
        const UNUSED: [&str; 3] = ["attn_k.weight", "attn_v.weight", "attn_k_norm.weight"];
        let of_block = tensor.strip_prefix("blk.").and_then(|name| {
            let (block, part) = name.split_once('.')?;
            Some((block.parse::<usize>().ok()?, part))
        });
        of_block.is_some_and(|(block, part)| {
            let draft = self.layers..self.layers + self.draft_layers;
            let shared = self.caching_layers()..self.layers;
            draft.contains(&block) || shared.contains(&block) && UNUSED.contains(&part)
        })
    }

    /// Query heads that share one key and value head, in layers without a window of its own heads.
    pub fn group(&self) -> usize {
        self.heads / self.kv.kv_heads
    }
}

/// Layers at the end that attend to what an earlier one has cached.
fn shared_layers(
    keys: &Keys<'_>,
    architecture: Architecture,
    layers: usize,
    window: Option<&Window>,
) -> Result<usize> {
    const SHARED: &str = "attention.shared_kv_layers";
    if architecture != Architecture::Gemma4 {
        return Ok(0);
    }
    let shared = keys.find::<usize>(SHARED)?.unwrap_or(0);
    let Some(own) = layers.checked_sub(shared).filter(|&own| own > 0) else {
        let reason = format!("the model has {layers} layers, and some must have keys and values");
        return Err(keys.bad(SHARED, shared, reason));
    };
    let windowed: &[bool] = window.map_or(&[], |window| &window.layers);
    let (before, after) = windowed.split_at(own.min(windowed.len()));
    match after.iter().find(|kind| !before.contains(kind)) {
        None => Ok(shared),
        Some(_) => {
            let reason = "no layer before those has a window as they do".to_owned();
            Err(keys.bad(SHARED, shared, reason))
        }
    }
}

/// Width of what each layer is given besides the stream; 0 in files of models without.
fn layer_input(keys: &Keys<'_>, architecture: Architecture) -> Result<Option<usize>> {
    const WIDTH: &str = "embedding_length_per_layer_input";
    match architecture {
        Architecture::Gemma4 if keys.find::<u32>(WIDTH)?.is_some_and(|width| width > 0) => {
            Ok(Some(keys.dimension(WIDTH, None, MAX_DIMENSION)?))
        }
        _ => Ok(None),
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
        // Norms of queries and keys have taken its place.
        (Architecture::Gemma4, _) => 1,
        (Architecture::Gemma2, 46) | (Architecture::Gemma3, 62) => share_of_hidden,
        _ => head_dim,
    };
    1.0 / (width as f32).sqrt()
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

    /// Counts from 1 to `most`, one for each layer or one for all.
    pub(crate) fn of_layers(&self, key: &str, layers: usize, most: u32) -> Result<Vec<usize>> {
        let Some(Value::Array(array)) = self.metadata.value(&self.name(key)) else {
            return Ok(vec![self.dimension(key, None, most)?; layers]);
        };
        let counts: Option<Vec<usize>> = match array {
            Array::I32(counts) => counts.iter().map(|&n| usize::try_from(n).ok()).collect(),
            Array::U32(counts) => Some(counts.iter().map(|&n| n as usize).collect()),
            _ => None,
        };
        match counts.filter(|counts| counts.len() == layers) {
            Some(counts) if counts.iter().all(|n| (1..=most as usize).contains(n)) => Ok(counts),
            _ => {
                let reason = format!(
                    "it must have a count between 1 and {most} for each of {layers} layers"
                );
                Err(self.bad(key, array.len(), reason))
            }
        }
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
