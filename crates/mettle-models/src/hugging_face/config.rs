//! `config.json`.

use std::{collections::HashMap, path::Path};

use mettle_kernels::ops::Activation;
use serde::{Deserialize, Deserializer};

use super::{
    Problem, bad,
    family::{Family, SUPPORTED, Windows},
    read_json,
    rope::Settings,
};
use crate::{
    Error, Result,
    gguf::{Array, Metadata, Value},
};

/// Positions of Gemma's windows where files say nothing.
const GEMMA_WINDOW: u32 = 4096;

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
    hidden_act: Option<String>,
    /// The same in Gemma's files, which counts where they have both.
    hidden_activation: Option<String>,
    #[serde(flatten)]
    rope: Settings,
    #[serde(flatten)]
    windows: WindowSettings,
    /// What queries are scaled by the root of, in Gemma's files.
    query_pre_attn_scalar: Option<f32>,
    /// Null for models without caps.
    #[serde(default, deserialize_with = "given")]
    attn_logit_softcapping: Option<Option<f32>>,
    #[serde(default, deserialize_with = "given")]
    final_logit_softcapping: Option<Option<f32>>,
    tie_word_embeddings: Option<bool>,
    /// As MLX writes it.
    quantization: Option<Quantization>,
    /// As `transformers` writes it, for kinds that are not read.
    quantization_config: Option<Method>,
}

/// Which layers have a sliding window.
#[derive(Debug, Deserialize)]
struct WindowSettings {
    sliding_window: Option<u32>,
    use_sliding_window: Option<bool>,
    max_window_layers: Option<u32>,
    sliding_window_pattern: Option<u32>,
    layer_types: Option<Vec<String>>,
    /// Gemma 3's embeddings of texts see what follows.
    use_bidirectional_attention: Option<bool>,
}

/// A value that is there, null or not.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<f32>>, D::Error> {
    Option::deserialize(from).map(Some)
}

fn unsupported<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::Unsupported(what.into()))
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
        unsupported(what)
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
        config.check(config.family()?)?;
        let mode = |quantization: &Quantization| quantization.of_layers.get("mode").cloned();
        if let Some(mode) = config.quantization.as_ref().and_then(mode)
            && mode != "affine"
        {
            return unsupported(format!("quantisation of mode {mode}"));
        }
        if config.quantization.is_none()
            && let Some(method) = &config.quantization_config
        {
            let name = method.quant_method.as_deref();
            let kind = name.map_or("an unnamed method".to_owned(), |name| format!("`{name}`"));
            return unsupported(format!("quantisation by {kind}"));
        }
        Ok(config)
    }

    pub(super) fn family(&self) -> Result<&'static Family> {
        Family::of(&self.model_type).ok_or_else(|| Error::Architecture {
            found: self.model_type.clone(),
            supported: SUPPORTED,
        })
    }

    /// Refuses what GGUF's keys cannot say, and what they would say otherwise.
    fn check(&self, family: &Family) -> Result<()> {
        if family.has_experts() {
            self.experts.check()?;
        }
        let activation = match family.is_gemma() {
            true => self.hidden_activation.as_ref().or(self.hidden_act.as_ref()),
            false => self.hidden_act.as_ref(),
        };
        let known: &[&str] = match family.activation {
            Activation::Silu => &["silu", "swish"],
            Activation::Gelu => &["gelu_pytorch_tanh"],
        };
        if let Some(other) = activation.filter(|name| !known.contains(&name.as_str())) {
            return unsupported(format!("the activation {other} (hidden_act)"));
        }
        if self.windows.use_bidirectional_attention == Some(true) {
            return unsupported("attention to what follows (use_bidirectional_attention)");
        }
        if let Some(kind) = self.rope.window_scaling() {
            return unsupported(format!("scaling of kind {kind} in layers with a window"));
        }
        if !family.is_gemma() {
            return Ok(());
        }
        // What GGUF's files do not say, and is known by the number of layers.
        let scaled_by = match (family.architecture, self.num_hidden_layers) {
            ("gemma2", 46) | ("gemma3", 62) => self.hidden_size / self.num_attention_heads.max(1),
            _ => self.head_width(),
        } as f32;
        if let Some(other) = self.query_pre_attn_scalar.filter(|&n| n != scaled_by) {
            return unsupported(format!(
                "queries scaled by the root of {other} rather than of {scaled_by} (query_pre_attn_scalar)"
            ));
        }
        let none = Some(None);
        let caps = [self.attn_logit_softcapping, self.final_logit_softcapping];
        if family.architecture == "gemma2" && caps.contains(&none) {
            return unsupported(
                "scores or logits without caps (attn_logit_softcapping, final_logit_softcapping)",
            );
        }
        if family.architecture == "gemma3" && self.attn_logit_softcapping.flatten().is_some() {
            return unsupported("caps of scores (attn_logit_softcapping)");
        }
        Ok(())
    }

    /// Width of a head.
    fn head_width(&self) -> u32 {
        let share = self.hidden_size / self.num_attention_heads.max(1);
        self.head_dim.unwrap_or(share)
    }

    /// Leading values of a head that are rotated.
    fn rotated(&self) -> u32 {
        let part = self.rope.part().unwrap_or(1.0);
        (part * self.head_width() as f32) as u32
    }

    /// Heads of queries or of keys, by GGUF's name of the matrix, in families whose rows are in another order here.
    pub(super) fn heads_in_halves(&self, family: &Family, name: &str) -> Option<usize> {
        let queries = self.num_attention_heads;
        let heads = match name.rsplit_once('.')?.1 {
            "attn_q" => queries,
            "attn_k" => self.num_key_value_heads.unwrap_or(queries),
            _ => return None,
        };
        family.pairs_of_neighbours.then_some(heads as usize)
    }

    /// Tensors that GGUF has and folders have in `config.json`.
    pub(super) fn factors(&self) -> Vec<(&'static str, Vec<f32>)> {
        self.rope.factors(self.rotated() as usize)
    }

    /// Whether the output's matrix is that of the embedding.
    pub(super) fn ties_embeddings(&self, family: &Family) -> bool {
        self.tie_word_embeddings.unwrap_or(family.tied)
    }

    /// Experts of a layer, in families with them.
    pub(super) fn experts(&self) -> Option<usize> {
        self.experts.num_experts.map(|count| count as usize)
    }

    /// Whether layers have a window.
    fn windowed(&self, family: &Family) -> Result<Vec<bool>> {
        let layers = self.num_hidden_layers;
        let settings = &self.windows;
        let has = |layer: u32| match family.windows {
            Windows::None => false,
            Windows::All => settings.sliding_window.is_some(),
            Windows::Last => {
                let first = settings.max_window_layers.unwrap_or(0);
                settings.use_sliding_window == Some(true)
                    && settings.sliding_window.is_some()
                    && layer >= first
            }
            Windows::AllButEvery(usual) => {
                let every = settings.sliding_window_pattern.unwrap_or(usual);
                !(layer + 1).is_multiple_of(every.max(1))
            }
        };
        let Some(kinds) = &settings.layer_types else {
            return Ok((0..layers).map(has).collect());
        };
        if kinds.len() != layers as usize {
            return unsupported(format!(
                "{} kinds of {layers} layers (layer_types)",
                kinds.len()
            ));
        }
        let windowed = |kind: &String| match kind.as_str() {
            "full_attention" => Ok(false),
            "sliding_attention" => Ok(true),
            other => unsupported(format!("layers of kind {other} (layer_types)")),
        };
        kinds.iter().map(windowed).collect()
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
    pub(super) fn add_to(&self, metadata: &mut Metadata) -> Result<()> {
        let family = self.family()?;
        let architecture = family.architecture;
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
        if self.rope.part().is_some() {
            set("rope.dimension_count", Value::U32(self.rotated()));
        }
        set("feed_forward_length", Value::U32(self.intermediate_size));
        if family.has_experts() {
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
        for (key, cap) in [
            ("attn_logit_softcapping", self.attn_logit_softcapping),
            ("final_logit_softcapping", self.final_logit_softcapping),
        ] {
            if let Some(cap) = cap.flatten().filter(|_| family.is_gemma()) {
                set(key, Value::F32(cap));
            }
        }
        self.set_windows(family, &mut set)?;
        self.set_rope(family, &mut set);
        let name = Value::String(architecture.to_owned());
        metadata.set("general.architecture".to_owned(), name);
        Ok(())
    }

    fn set_windows(&self, family: &Family, set: &mut dyn FnMut(&str, Value)) -> Result<()> {
        let windowed = self.windowed(family)?;
        let size = match family.windows {
            Windows::AllButEvery(_) => {
                let pattern = Value::Array(Array::Bool(windowed));
                set("attention.sliding_window_pattern", pattern);
                Some(self.windows.sliding_window.unwrap_or(GEMMA_WINDOW))
            }
            // GGUF's keys say of these families nothing but that all layers have one.
            _ if windowed.contains(&true) && windowed.contains(&false) => {
                return unsupported(
                    "windows in some layers of this family (max_window_layers, layer_types)",
                );
            }
            _ => self
                .windows
                .sliding_window
                .filter(|_| windowed.contains(&true)),
        };
        if let Some(size) = size {
            set("attention.sliding_window", Value::U32(size));
        }
        Ok(())
    }

    fn set_rope(&self, family: &Family, set: &mut dyn FnMut(&str, Value)) {
        // Gemma 3 has another where nothing is said.
        let usual = (family.architecture == "gemma3").then_some(1_000_000.0);
        if let Some(base) = self.rope.base().or(usual) {
            set("rope.freq_base", Value::F32(base));
        }
        if let Some(base) = self.rope.window_base() {
            set("rope.freq_base_swa", Value::F32(base));
        }
        let Some(rope) = self.rope.scaling() else {
            return;
        };
        let Some(kind) = rope.kind().filter(|&kind| kind != "llama3") else {
            return; // GGUF has its result as a tensor.
        };
        if let Some(length) = self.rope.original_context() {
            set("rope.scaling.original_context_length", Value::U32(length));
        }
        let attention = self.rope.attention_factor(self.max_position_embeddings);
        if let Some(factor) = attention {
            set("rope.scaling.attn_factor", Value::F32(factor));
        }
        if kind == "longrope" {
            return; // GGUF has the divisors as tensors.
        }
        set("rope.scaling.type", Value::String(kind.to_owned()));
        for (key, value) in [
            ("factor", rope.factor),
            ("yarn_beta_fast", rope.beta_fast),
            ("yarn_beta_slow", rope.beta_slow),
        ] {
            if let Some(value) = value {
                set(&format!("rope.scaling.{key}"), Value::F32(value));
            }
        }
    }
}
