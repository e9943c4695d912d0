//! `config.json`.

use std::{collections::HashMap, path::Path};

use serde::Deserialize;

use super::{Problem, bad, read_json};
use crate::{
    Error, Result,
    gguf::{Metadata, Value},
};

/// The families that are read from folders, as `model_type` names them.
const SUPPORTED: &str = "qwen3, qwen3_moe";

/// The one with experts.
const MOE: &str = "qwen3_moe";

/// The hyper-parameters of a model, under the names that `transformers` gives them.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    model_type: String,
    #[serde(flatten)]
    experts: Experts,
    hidden_size: u32,
    num_hidden_layers: u32,
    num_attention_heads: u32,
    num_key_value_heads: Option<u32>,
    head_dim: Option<u32>,
    intermediate_size: u32,
    pub(super) vocab_size: u32,
    max_position_embeddings: u32,
    rms_norm_eps: f32,
    /// At the top before transformers 5, in `rope_parameters` since.
    rope_theta: Option<f32>,
    rope_parameters: Option<Rope>,
    rope_scaling: Option<Rope>,
    sliding_window: Option<u32>,
    #[serde(default)]
    use_sliding_window: bool,
    #[serde(default)]
    pub(super) tie_word_embeddings: bool,
    /// As MLX writes it.
    quantization: Option<Quantization>,
    /// As `transformers` writes it, for kinds that are not read.
    quantization_config: Option<Method>,
}

#[derive(Debug, Deserialize)]
struct Method {
    quant_method: Option<String>,
}

/// Of mixtures of experts; other families have none of these.
#[derive(Debug, Deserialize)]
struct Experts {
    /// `num_local_experts` since transformers 5.
    #[serde(alias = "num_local_experts")]
    num_experts: Option<u32>,
    num_experts_per_tok: Option<u32>,
    moe_intermediate_size: Option<u32>,
    /// Whether the weights of a token's experts are made to add up to one.
    #[serde(default)]
    norm_topk_prob: bool,
    /// Layers whose number is a multiple of it have experts.
    decoder_sparse_step: Option<u32>,
    /// Those that have none nevertheless.
    #[serde(default)]
    mlp_only_layers: Vec<u32>,
}

impl Experts {
    /// Checks that they are as all mixtures that are read.
    fn check(&self) -> Result<()> {
        let what = if !self.norm_topk_prob {
            "weights of experts that do not add up to one (norm_topk_prob)"
        } else if self.decoder_sparse_step.unwrap_or(1) != 1 || !self.mlp_only_layers.is_empty() {
            "layers without experts among layers with them (decoder_sparse_step, mlp_only_layers)"
        } else {
            return Ok(());
        };
        Err(Error::Unsupported(what.to_owned()))
    }
}

#[derive(Debug, Deserialize)]
struct Rope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f32>,
    factor: Option<f32>,
    original_max_position_embeddings: Option<u32>,
    attention_factor: Option<f32>,
    beta_fast: Option<f32>,
    beta_slow: Option<f32>,
}

impl Rope {
    /// What GGUF multiplies YaRN's own correction of the temperature with; here the two are given as one number.
    fn attention_factor(&self) -> Option<f32> {
        let own = 1.0 + 0.1 * self.factor.unwrap_or(1.0).ln();
        self.attention_factor.map(|both| both / own)
    }
}

/// How MLX has quantised matrices, and how those that are named.
#[derive(Debug, Deserialize)]
struct Quantization {
    #[serde(flatten)]
    usual: Affine,
    #[serde(flatten)]
    of_layers: HashMap<String, serde_json::Value>,
}

/// `w = scale * code + bias`, scale and bias of so many values along a row.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Affine {
    pub(super) group_size: usize,
    pub(super) bits: usize,
}

impl Config {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let config: Self = read_json(path)?;
        match config.model_type.as_str() {
            "qwen3" => {}
            MOE => config.experts.check()?,
            _ => {
                return Err(Error::Architecture {
                    found: config.model_type,
                    supported: SUPPORTED,
                });
            }
        }
        let mode = |quantization: &Quantization| quantization.of_layers.get("mode").cloned();
        if let Some(mode) = config.quantization.as_ref().and_then(mode)
            && mode != "affine"
        {
            let unsupported = format!("quantisation of mode {mode}");
            return Err(Error::Unsupported(unsupported));
        }
        if config.quantization.is_none()
            && let Some(method) = &config.quantization_config
        {
            let name = method.quant_method.as_deref();
            let kind = name.map_or("an unnamed method".to_owned(), |name| format!("`{name}`"));
            return Err(Error::Unsupported(format!("quantisation by {kind}")));
        }
        Ok(config)
    }

    /// Layers.
    pub(super) fn layers(&self) -> usize {
        self.num_hidden_layers as usize
    }

    /// Of experts in files of their own: how many there are, what is between their matrices, what goes in and comes out, and the bits of a code.
    pub(super) fn packed_experts(&self) -> Option<([usize; 3], usize)> {
        let sizes = [
            self.experts.num_experts?,
            self.experts.moe_intermediate_size?,
            self.hidden_size,
        ];
        let bits = self.quantization.as_ref()?.usual.bits;
        Some((sizes.map(|size| size as usize), bits))
    }

    /// How a matrix is quantised, by its name without `.weight`: as the file says for it, or for all.
    pub(super) fn affine(&self, path: &Path, name: &str) -> Result<Option<Affine>> {
        let Some(quantization) = &self.quantization else {
            return Ok(None);
        };
        match quantization.of_layers.get(name) {
            None | Some(serde_json::Value::Bool(true)) => Ok(Some(quantization.usual)),
            Some(serde_json::Value::Bool(false)) => Ok(None),
            Some(own) => Affine::deserialize(own).map(Some).map_err(|error| {
                bad(
                    path,
                    Problem::Json(format!("quantization of `{name}`: {error}")),
                )
            }),
        }
    }

    /// Adds the hyper-parameters under GGUF's keys.
    pub(super) fn add_to(&self, metadata: &mut Metadata) {
        let architecture = match self.model_type.as_str() {
            MOE => "qwen3moe",
            other => other,
        };
        let mut set =
            |key: &str, value: Value| metadata.set(format!("{architecture}.{key}"), value);
        set("block_count", Value::U32(self.num_hidden_layers));
        set("embedding_length", Value::U32(self.hidden_size));
        set("attention.head_count", Value::U32(self.num_attention_heads));
        if let Some(heads) = self.num_key_value_heads {
            set("attention.head_count_kv", Value::U32(heads));
        }
        if let Some(width) = self.head_dim {
            set("attention.key_length", Value::U32(width));
            set("attention.value_length", Value::U32(width));
        }
        set("feed_forward_length", Value::U32(self.intermediate_size));
        if self.model_type == MOE {
            let Experts {
                num_experts,
                num_experts_per_tok,
                moe_intermediate_size,
                ..
            } = self.experts;
            for (key, value) in [
                ("expert_count", num_experts),
                ("expert_used_count", num_experts_per_tok),
                ("expert_feed_forward_length", moe_intermediate_size),
            ] {
                if let Some(value) = value {
                    set(key, Value::U32(value));
                }
            }
        }
        set("context_length", Value::U32(self.max_position_embeddings));
        set("vocab_size", Value::U32(self.vocab_size));
        set(
            "attention.layer_norm_rms_epsilon",
            Value::F32(self.rms_norm_eps),
        );
        if let Some(window) = self.sliding_window.filter(|_| self.use_sliding_window) {
            set("attention.sliding_window", Value::U32(window));
        }
        let ropes = || {
            [&self.rope_parameters, &self.rope_scaling]
                .into_iter()
                .flatten()
        };
        if let Some(base) = self.rope_theta.or(ropes().find_map(|rope| rope.rope_theta)) {
            set("rope.freq_base", Value::F32(base));
        }
        // What GGUF calls no scaling is the default here.
        let scaled = |rope: &&Rope| !matches!(rope.rope_type.as_deref(), None | Some("default"));
        if let Some(rope) = ropes().find(scaled) {
            let kind = rope.rope_type.clone().unwrap_or_default();
            set("rope.scaling.type", Value::String(kind));
            if let Some(length) = rope.original_max_position_embeddings {
                set("rope.scaling.original_context_length", Value::U32(length));
            }
            for (key, value) in [
                ("factor", rope.factor),
                ("attn_factor", rope.attention_factor()),
                ("yarn_beta_fast", rope.beta_fast),
                ("yarn_beta_slow", rope.beta_slow),
            ] {
                if let Some(value) = value {
                    set(&format!("rope.scaling.{key}"), Value::F32(value));
                }
            }
        }
        let name = Value::String(architecture.to_owned());
        metadata.set("general.architecture".to_owned(), name);
    }
}
