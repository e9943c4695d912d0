//! Hyper-parameters: defaults, and values that cannot be.

use mettle_models::{
    Architecture, Config, Experts, Heads, LatentAttention, LinearAttention, RopeScaling,
    gguf::{Array, Header, Value},
};

use mettle_kernels::ops::{ExpertGroups, HeadMap, Scores};

mod gemma;

use crate::support::{Builder, small_llama};

fn config(builder: &Builder) -> mettle_models::Result<Config> {
    Config::from_metadata(&Header::parse(&builder.build()).unwrap().metadata)
}

fn refused(builder: &Builder, wanted: &str) {
    let message = config(builder).unwrap_err().to_string();
    assert!(message.contains(wanted), "{message:?} lacks {wanted:?}");
}

#[test]
fn defaults_are_those_of_llama_cpp() {
    let mut builder = small_llama();
    builder.remove("llama.attention.head_count_kv");
    let config = config(&builder).unwrap();
    assert_eq!(
        config,
        Config {
            architecture: Architecture::Llama,
            layers: 1,
            draft_layers: 0,
            hidden: 64,
            heads: 4,
            kv: Heads {
                kv_heads: 4,
                head_dim: 16,
                rope_dims: 16,
            },
            shared_layers: 0,
            feed_forward: 96,
            feed_forwards: None,
            layer_input: None,
            experts: None,
            vocabulary: 261,
            context: 64,
            norm_eps: 1e-5,
            rope_base: 10_000.0,
            rope_scaling: RopeScaling::None,
            window: None,
            linear: None,
            latent: None,
            attention_scale: 0.25,
            attention_softcap: None,
            logit_softcap: None,
            embedding_scale: 1.0,
        }
    );
}

/// [`small_llama`] under another name and with so many layers.
fn named(architecture: &str, layers: u32) -> Builder {
    let mut builder = small_llama();
    builder.set("general.architecture", architecture);
    for (key, _) in &mut builder.pairs {
        *key = key.replace("llama.", &format!("{architecture}."));
    }
    builder.pair(&format!("{architecture}.block_count"), layers)
}

#[test]
fn experts_of_qwen3() {
    let moe = named("qwen3moe", 1)
        .pair("qwen3moe.expert_count", 60u32)
        .pair("qwen3moe.expert_used_count", 4u32)
        .pair("qwen3moe.expert_feed_forward_length", 32u32);
    let experts = Experts {
        count: 60,
        used: 4,
        feed_forward: 32,
        shared: None,
        shared_gate: false,
        dense_besides: false,
        dense_layers: 0,
        scores: Scores::Softmax,
        groups: None,
        renormalise: true,
        scale: 1.0,
    };
    assert_eq!(config(&moe).unwrap().experts, Some(experts));
    refused(
        &moe.clone().pair("qwen3moe.expert_used_count", 61u32),
        "metadata key `qwen3moe.expert_used_count` is u32 61: there are 60 experts",
    );
    for key in [
        "expert_count",
        "expert_used_count",
        "expert_feed_forward_length",
    ] {
        let mut without = moe.clone();
        without.remove(&format!("qwen3moe.{key}"));
        refused(
            &without,
            &format!("metadata key `qwen3moe.{key}` is missing"),
        );
    }
}

/// DeepSeek-V3 as llama.cpp's converter writes it, but for sizes.
fn deepseek() -> Builder {
    named("deepseek2", 3)
        .pair("deepseek2.attention.q_lora_rank", 48u32)
        .pair("deepseek2.attention.kv_lora_rank", 40u32)
        .pair("deepseek2.attention.key_length", 56u32)
        .pair("deepseek2.attention.value_length", 40u32)
        .pair("deepseek2.attention.key_length_mla", 48u32)
        .pair("deepseek2.attention.value_length_mla", 24u32)
        .pair("deepseek2.rope.dimension_count", 16u32)
        .pair("deepseek2.leading_dense_block_count", 1u32)
        .pair("deepseek2.expert_count", 8u32)
        .pair("deepseek2.expert_used_count", 3u32)
        .pair("deepseek2.expert_feed_forward_length", 32u32)
        .pair("deepseek2.expert_shared_count", 2u32)
        .pair("deepseek2.expert_weights_scale", 2.5f32)
        .pair("deepseek2.expert_weights_norm", true)
        .pair("deepseek2.expert_gating_func", 2u32)
        .pair("deepseek2.expert_group_count", 4u32)
        .pair("deepseek2.expert_group_used_count", 2u32)
}

#[test]
fn latent_attention_and_groups_of_experts() {
    let found = config(&deepseek()).unwrap();
    let latent = LatentAttention {
        query_rank: Some(48),
        rank: 40,
        key: 32,
        rotary: 16,
        value: 24,
    };
    assert_eq!(found.latent, Some(latent));
    assert_eq!(
        (found.kv.kv_heads, found.kv.head_dim, found.kv.rope_dims),
        (1, 56, 16)
    );
    let experts = Experts {
        count: 8,
        used: 3,
        feed_forward: 32,
        shared: Some(64),
        shared_gate: false,
        dense_besides: false,
        dense_layers: 1,
        scores: Scores::Sigmoid,
        groups: Some(ExpertGroups {
            count: 4,
            kept: 2,
            best: 2,
        }),
        renormalise: true,
        scale: 2.5,
    };
    assert_eq!(found.experts(0), None);
    assert_eq!(found.experts(1), Some(&experts));

    // Older files have the sizes of heads under the plain names, and say nothing of sigmoids.
    let mut older = deepseek();
    for key in [
        "attention.key_length_mla",
        "attention.value_length_mla",
        "expert_gating_func",
        "expert_weights_norm",
    ] {
        older.remove(&format!("deepseek2.{key}"));
    }
    older.set("deepseek2.attention.key_length", 48u32);
    older.set("deepseek2.attention.value_length", 24u32);
    let found = config(&older).unwrap();
    assert_eq!(found.latent, Some(latent));
    let experts = found.experts.unwrap();
    assert_eq!(
        (experts.scores, experts.renormalise),
        (Scores::Softmax, false)
    );
    assert_eq!(experts.groups.unwrap().best, 1);
}

#[test]
fn latent_attention_that_cannot_be() {
    for (key, value, wanted) in [
        ("rope.dimension_count", 15u32, "need pairs of values"),
        ("attention.key_length_mla", 16, "there must be others"),
        ("expert_gating_func", 3, "only softmax, 1, and sigmoid, 2"),
        ("expert_group_count", 3, "8 experts do not divide into them"),
        ("expert_group_used_count", 5, "there are 4 groups"),
        ("expert_group_used_count", 1, "the 3 experts of a token"),
    ] {
        let mut builder = deepseek();
        builder.set(&format!("deepseek2.{key}"), value);
        refused(&builder, wanted);
    }
    let mut without = deepseek();
    without.remove("deepseek2.attention.kv_lora_rank");
    refused(
        &without,
        "metadata key `deepseek2.attention.kv_lora_rank` is missing",
    );
}

/// The factor of all scores has the temperature that YaRN gives others in the rotated values.
#[test]
fn scores_of_deepseek_are_scaled_by_yarn() {
    let plain = config(&deepseek()).unwrap().attention_scale;
    assert!((plain - 48f32.powf(-0.5)).abs() < 1e-7);
    let yarn = deepseek()
        .pair("deepseek2.rope.scaling.type", "yarn")
        .pair("deepseek2.rope.scaling.factor", 40.0f32)
        .pair("deepseek2.rope.scaling.yarn_log_multiplier", 0.0707f32);
    let found = config(&yarn).unwrap();
    let up = 1.0 + 0.0707 * 40f32.ln();
    assert!((found.attention_scale / plain - up * up).abs() < 1e-5);
    let RopeScaling::Yarn {
        attention_factor, ..
    } = found.rope_scaling
    else {
        panic!("{:?}", found.rope_scaling);
    };
    assert!((attention_factor * (1.0 + 0.1 * 40f32.ln()) - 1.0).abs() < 1e-6);
}

#[test]
fn phi_rotates_parts_of_heads() {
    let phi = |dims: u32| config(&named("phi3", 1).pair("phi3.rope.dimension_count", dims));
    assert_eq!(phi(12).unwrap().kv.rope_dims, 12);
    for dims in [18, 11] {
        let message = phi(dims).unwrap_err().to_string();
        assert!(
            message.contains("even and at most the head's width, 16"),
            "{message}"
        );
    }
}

/// A Qwen3.5 of five layers.
fn qwen35() -> Builder {
    named("qwen35", 5)
        .pair("qwen35.ssm.conv_kernel", 4u32)
        .pair("qwen35.ssm.group_count", 2u32)
        .pair("qwen35.ssm.time_step_rank", 6u32)
        .pair("qwen35.ssm.inner_size", 48u32)
        .pair("qwen35.ssm.state_size", 16u32)
}

#[test]
fn three_of_four_layers_of_qwen35_are_linear() {
    let expected = LinearAttention {
        layers: vec![true, true, true, false, true],
        key_heads: 2,
        value_heads: 6,
        key_size: 16,
        value_size: 8,
        head_map: HeadMap::Tiled,
    };
    assert_eq!(config(&qwen35()).unwrap().linear, Some(expected));
    for (key, value, wanted) in [
        ("conv_kernel", 3, "only convolutions over 4 tokens"),
        ("group_count", 4, "cannot share 4 of keys evenly"),
        ("inner_size", 50, "does not divide into 6 heads"),
        ("state_size", 0, "must lie between 1"),
    ] {
        let mut builder = qwen35();
        builder.set(&format!("qwen35.ssm.{key}"), value);
        refused(&builder, wanted);
    }
}

#[test]
fn qwen35_may_have_experts() {
    let mut builder = qwen35();
    builder.set("general.architecture", "qwen35moe");
    for (key, _) in &mut builder.pairs {
        *key = key.replace("qwen35.", "qwen35moe.");
    }
    builder.remove("qwen35moe.feed_forward_length");
    let builder = builder
        .pair("qwen35moe.expert_count", 8u32)
        .pair("qwen35moe.expert_used_count", 3u32)
        .pair("qwen35moe.expert_feed_forward_length", 32u32);
    refused(
        &builder,
        "`qwen35moe.expert_shared_feed_forward_length` is missing",
    );
    let config = config(&builder.pair("qwen35moe.expert_shared_feed_forward_length", 24u32));
    let experts = config.unwrap().experts.unwrap();
    assert_eq!((experts.count, experts.used), (8, 3));
    assert_eq!((experts.feed_forward, experts.shared), (32, Some(24)));
}

#[test]
fn layers_of_qwen35_may_be_named() {
    let named = |layers: &[bool]| {
        let layers = Value::Array(Array::Bool(layers.to_vec()));
        qwen35().pair("qwen35.attention.recurrent_layers", layers)
    };
    let some = [true, false, false, true, true];
    let config = config(&named(&some)).unwrap();
    assert_eq!(
        config.linear.map(|linear| linear.layers),
        Some(some.to_vec())
    );
    refused(&named(&some[..4]), "an entry for each of 5 layers");
}

#[test]
fn longrope_is_told_by_its_factor() {
    let phi = named("phi3", 1).pair("phi3.rope.scaling.original_context_length", 32u32);
    assert_eq!(config(&phi).unwrap().rope_scaling, RopeScaling::None);
    let long = phi.pair("phi3.rope.scaling.attn_factor", 1.25f32);
    let expected = RopeScaling::LongRope {
        original_context: 32,
        attention_factor: 1.25,
    };
    assert_eq!(config(&long).unwrap().rope_scaling, expected);
}

#[test]
fn everything_given() {
    let builder = small_llama()
        .pair("llama.attention.key_length", 32u32)
        .pair("llama.attention.value_length", 32u32)
        .pair("llama.rope.dimension_count", 32u32)
        .pair("llama.rope.freq_base", 5e5f32)
        .pair("llama.attention.sliding_window", 16u32)
        .pair("llama.rope.scaling.type", "yarn")
        .pair("llama.rope.scaling.factor", 4f32)
        .pair("llama.rope.scaling.original_context_length", 32u32);
    let config = config(&builder).unwrap();
    assert_eq!((config.kv.head_dim, config.window(0)), (32, Some(16)));
    assert_eq!(config.group(), 2);
    let yarn = RopeScaling::Yarn {
        factor: 4.0,
        original_context: 32,
        attention_factor: 1.0,
        beta_fast: 32.0,
        beta_slow: 1.0,
    };
    assert_eq!((config.rope_base, config.rope_scaling), (5e5, yarn));
}

#[test]
fn linear_scaling_under_both_names() {
    for key in ["llama.rope.scaling.factor", "llama.rope.scale_linear"] {
        let scaling = config(&small_llama().pair(key, 2f32)).unwrap().rope_scaling;
        assert_eq!(scaling, RopeScaling::Linear { factor: 2.0 });
        let none = config(&small_llama().pair(key, 0f32)).unwrap().rope_scaling;
        assert_eq!(none, RopeScaling::None);
    }
}

#[test]
fn unknown_architecture() {
    let mut builder = small_llama();
    builder.set("general.architecture", "mamba");
    refused(
        &builder,
        "architecture `mamba` is not supported; supported are llama, qwen2, qwen3, qwen3moe, gemma2, gemma3, gemma4, phi3, qwen35, qwen35moe, qwen3next, deepseek2",
    );
    builder.remove("general.architecture");
    refused(
        &builder,
        "metadata key `general.architecture` is missing, wanted a string",
    );
}

#[test]
fn missing_and_impossible_values() {
    for key in [
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "attention.head_count",
    ] {
        let key = format!("llama.{key}");
        let mut builder = small_llama();
        builder.remove(&key);
        refused(
            &builder,
            &format!("metadata key `{key}` is missing, wanted an integer"),
        );
        builder.set(&key, 0u32);
        refused(
            &builder,
            &format!("metadata key `{key}` is u32 0: it must lie between 1 and"),
        );
        builder.set(&key, -1i32);
        refused(
            &builder,
            &format!("metadata key `{key}` is i32 -1, wanted an integer"),
        );
        builder.set(&key, "many");
        refused(
            &builder,
            &format!("metadata key `{key}` is string \"many\", wanted an integer"),
        );
    }
    let cases = [
        (
            "attention.head_count_kv",
            3,
            "4 query heads cannot share them evenly",
        ),
        (
            "attention.head_count",
            6,
            "an embedding of 64 does not divide into that many heads",
        ),
        (
            "attention.key_length",
            33,
            "rotary embeddings need pairs of values",
        ),
        (
            "attention.value_length",
            8,
            "only models where it equals the head's width, 16, are supported",
        ),
        (
            "rope.dimension_count",
            8,
            "only models where it equals the head's width, 16, are supported",
        ),
        (
            "embedding_length",
            u32::MAX,
            "it must lie between 1 and 16777216",
        ),
        ("block_count", u32::MAX, "it must lie between 1 and 4096"),
    ];
    for (key, value, wanted) in cases {
        let mut builder = small_llama();
        builder.set(&format!("llama.{key}"), value);
        refused(&builder, wanted);
    }
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        for key in [
            "llama.attention.layer_norm_rms_epsilon",
            "llama.rope.freq_base",
        ] {
            let mut builder = small_llama();
            builder.set(key, bad);
            refused(&builder, "it must be a finite number above 0");
        }
    }
}

#[test]
fn what_is_not_implemented_is_said() {
    refused(
        &small_llama().pair("llama.expert_count", 8u32),
        "metadata key `llama.expert_count` is u32 8: mixtures of experts in models of this family are not supported",
    );
    refused(
        &small_llama().pair("llama.rope.scaling.type", "longrope"),
        "rotary scaling of type `longrope`",
    );
}
