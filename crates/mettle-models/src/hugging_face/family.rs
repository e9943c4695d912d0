//! The families that are read from folders: what `model_type` calls them, how their tensors are named, and what their files have otherwise than GGUF's.

use mettle_kernels::ops::Activation;

/// The families, as `model_type` names them.
pub(super) const SUPPORTED: &str = "llama, qwen2, qwen3, qwen3_moe, gemma2, gemma3_text, phi3";

/// A family.
#[derive(Debug)]
pub(super) struct Family {
    /// As `model_type` names it.
    name: &'static str,
    /// As GGUF does.
    pub(super) architecture: &'static str,
    /// Tensors of a block that have other names than elsewhere, or that other families have not: theirs and GGUF's.
    of_block: &'static [(&'static str, &'static str)],
    /// Whether files have 1 less than what norms multiply by, which is what GGUF's have.
    pub(super) norms_less_one: bool,
    /// Whether GGUF's files have the rows of each head of queries and keys in the order that neighbours rotate together in, where those half a head
    /// apart do here.
    pub(super) pairs_of_neighbours: bool,
    /// Whether the output's matrix is that of the embedding where `tie_word_embeddings` says nothing.
    pub(super) tied: bool,
    /// What gates go through.
    pub(super) activation: Activation,
    /// Which layers have a sliding window.
    pub(super) windows: Windows,
}

/// Which layers of a family have a sliding window, where `layer_types` says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Windows {
    /// None.
    None,
    /// All, where there is a `sliding_window`.
    All,
    /// With `use_sliding_window` those behind the first `max_window_layers`.
    Last,
    /// All but every so many, or those that `sliding_window_pattern` says; the window has 4096 positions where nothing is said.
    AllButEvery(u32),
}

/// What most have.
const COMMON: Family = Family {
    name: "",
    architecture: "",
    of_block: &[],
    norms_less_one: false,
    pairs_of_neighbours: false,
    tied: false,
    activation: Activation::Silu,
    windows: Windows::Last,
};

/// What those of Gemma have.
const GEMMA: Family = Family {
    of_block: &[
        ("post_attention_layernorm", "post_attention_norm"),
        ("pre_feedforward_layernorm", "ffn_norm"),
        ("post_feedforward_layernorm", "post_ffw_norm"),
    ],
    norms_less_one: true,
    tied: true,
    activation: Activation::Gelu,
    ..COMMON
};

const FAMILIES: [Family; 7] = [
    Family {
        name: "llama",
        architecture: "llama",
        pairs_of_neighbours: true,
        windows: Windows::None,
        ..COMMON
    },
    Family {
        name: "qwen2",
        architecture: "qwen2",
        ..COMMON
    },
    Family {
        name: "qwen3",
        architecture: "qwen3",
        ..COMMON
    },
    Family {
        name: "qwen3_moe",
        architecture: "qwen3moe",
        of_block: &[
            ("mlp.gate", "ffn_gate_inp"),
            ("mlp.switch_mlp.gate_proj", "ffn_gate_exps"),
            ("mlp.switch_mlp.up_proj", "ffn_up_exps"),
            ("mlp.switch_mlp.down_proj", "ffn_down_exps"),
        ],
        ..COMMON
    },
    Family {
        name: "gemma2",
        architecture: "gemma2",
        windows: Windows::AllButEvery(2),
        ..GEMMA
    },
    Family {
        name: "gemma3_text",
        architecture: "gemma3",
        windows: Windows::AllButEvery(6),
        ..GEMMA
    },
    Family {
        name: "phi3",
        architecture: "phi3",
        of_block: &[
            ("self_attn.qkv_proj", "attn_qkv"),
            ("mlp.gate_up_proj", "ffn_up"),
        ],
        windows: Windows::All,
        ..COMMON
    },
];

/// Tensors outside of blocks.
const TOP: [(&str, &str); 3] = [
    ("model.embed_tokens", "token_embd"),
    ("model.norm", "output_norm"),
    ("lm_head", "output"),
];

/// Tensors of blocks, in families that name them no other way.
const OF_BLOCK: [(&str, &str); 11] = [
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

impl Family {
    /// The one of this `model_type`.
    pub(super) fn of(model_type: &str) -> Option<&'static Family> {
        FAMILIES.iter().find(|family| family.name == model_type)
    }

    /// Whether it is one of Gemma's.
    pub(super) fn is_gemma(&self) -> bool {
        self.norms_less_one
    }

    /// Whether it has a mixture of experts.
    pub(super) fn has_experts(&self) -> bool {
        self.name == "qwen3_moe"
    }

    /// GGUF's name for a tensor; both are without `.weight` or `.bias`.
    pub(super) fn canonical(&self, name: &str) -> Option<String> {
        let among = |names: &[(&str, &'static str)], name: &str| {
            let found = names.iter().find(|(theirs, _)| *theirs == name);
            found.map(|(_, ours)| *ours)
        };
        if let Some(ours) = among(&TOP, name) {
            return Some(ours.to_owned());
        }
        let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
        let layer: u32 = layer.parse().ok()?;
        let ours = among(self.of_block, part).or_else(|| among(&OF_BLOCK, part))?;
        Some(format!("blk.{layer}.{ours}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{FAMILIES, SUPPORTED};

    #[test]
    fn all_families_are_named() {
        let names = FAMILIES.each_ref().map(|family| family.name);
        assert_eq!(names.join(", "), SUPPORTED);
    }
}
