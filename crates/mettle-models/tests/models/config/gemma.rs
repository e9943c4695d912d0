//! Hyper-parameters of Gemma: windows, and layers that differ.

use mettle_models::{
    Heads, Window,
    gguf::{Array, Value},
};

use super::{config, named, refused};
use crate::support::Builder;

/// A Gemma of so many layers.
fn gemma(version: u32, layers: u32) -> Builder {
    named(&format!("gemma{version}"), layers)
}

#[test]
fn defaults_of_gemma_are_those_of_llama_cpp() {
    let two = config(&gemma(2, 4)).unwrap();
    let window = Window {
        size: 4096,
        layers: vec![true, false, true, false],
        rope_base: None,
        heads: None,
    };
    assert_eq!(two.window, Some(window));
    assert_eq!((two.window(0), two.window(1)), (Some(4096), None));
    assert_eq!(
        (two.attention_softcap, two.logit_softcap),
        (Some(50.0), Some(30.0))
    );
    assert_eq!((two.embedding_scale, two.attention_scale), (8.0, 0.25));

    let three = config(&gemma(3, 7)).unwrap();
    assert_eq!((three.window, three.logit_softcap), (None, None));
    let windowed = gemma(3, 7).pair("gemma3.attention.sliding_window", 512u32);
    let window = Window {
        size: 512,
        layers: vec![true, true, true, true, true, false, true],
        rope_base: Some(10_000.0),
        heads: None,
    };
    assert_eq!(config(&windowed).unwrap().window, Some(window));
}

/// A Gemma 4 of six layers, of which every third has no window and the last three share keys and values.
fn gemma4() -> Builder {
    let windowed = [true, true, false, true, true, false];
    gemma(4, 6)
        .pair(
            "gemma4.feed_forward_length",
            Value::Array(Array::I32(vec![96, 96, 96, 192, 192, 192])),
        )
        .pair(
            "gemma4.attention.head_count_kv",
            Value::Array(Array::I32(vec![2, 2, 1, 2, 2, 1])),
        )
        .pair("gemma4.attention.shared_kv_layers", 3u32)
        .pair("gemma4.attention.sliding_window", 8u32)
        .pair(
            "gemma4.attention.sliding_window_pattern",
            Value::Array(Array::Bool(windowed.to_vec())),
        )
        .pair("gemma4.attention.key_length", 64u32)
        .pair("gemma4.attention.value_length", 64u32)
        .pair("gemma4.attention.key_length_swa", 32u32)
        .pair("gemma4.attention.value_length_swa", 32u32)
        .pair("gemma4.rope.dimension_count", 64u32)
        .pair("gemma4.rope.dimension_count_swa", 32u32)
        .pair("gemma4.embedding_length_per_layer_input", 16u32)
}

#[test]
fn layers_of_gemma4_differ() {
    let found = config(&gemma4()).unwrap();
    let heads = |kv_heads, head_dim| Heads {
        kv_heads,
        head_dim,
        rope_dims: head_dim,
    };
    assert_eq!((found.kv(0), found.kv(5)), (heads(2, 32), heads(1, 64)));
    assert_eq!((found.window(3), found.window(5)), (Some(8), None));
    assert_eq!([2, 3].map(|layer| found.feed_forward(layer)), [96, 192]);
    let cached_by: Vec<usize> = (0..6).map(|layer| found.cached_by(layer)).collect();
    assert_eq!(cached_by, [0, 1, 2, 1, 1, 2]);
    assert_eq!((found.layer_input, found.attention_scale), (Some(16), 1.0));
    assert_eq!((found.embedding_scale, found.logit_softcap), (8.0, None));

    let plain = gemma4()
        .pair("gemma4.feed_forward_length", 96u32)
        .pair("gemma4.attention.head_count_kv", 1u32)
        .pair("gemma4.attention.shared_kv_layers", 0u32)
        .pair("gemma4.embedding_length_per_layer_input", 0u32);
    let plain = config(&plain).unwrap();
    assert_eq!((plain.kv(0), plain.layer_input), (heads(1, 32), None));
    assert_eq!(plain.cached_by(5), 5);
}

#[test]
fn experts_of_gemma4_have_a_layer_beside_them() {
    let experts = gemma4()
        .pair("gemma4.expert_count", 8u32)
        .pair("gemma4.expert_used_count", 2u32)
        .pair("gemma4.expert_feed_forward_length", 16u32);
    let found = config(&experts).unwrap().experts.unwrap();
    assert_eq!((found.count, found.used, found.feed_forward), (8, 2, 16));
    assert!(found.dense_besides && found.renormalise);
    refused(
        &gemma4().pair("gemma4.expert_count", 8u32),
        "metadata key `gemma4.expert_used_count` is missing",
    );
}

#[test]
fn impossible_layers_of_gemma4() {
    let key = |name: &str| format!("gemma4.{name}");
    for (name, value, wanted) in [
        (
            "attention.shared_kv_layers",
            6u32,
            "some must have keys and values",
        ),
        (
            "attention.shared_kv_layers",
            4,
            "no layer before those has a window as they do",
        ),
        ("attention.sliding_window", 0, "it must lie between 1 and"),
        (
            "attention.value_length_swa",
            16,
            "only models where it equals the head's width, 32, are supported",
        ),
        (
            "rope.dimension_count",
            16,
            "only models where it equals the head's width, 64, are supported",
        ),
        (
            "embedding_length_per_layer_input",
            u32::MAX,
            "it must lie between 1 and",
        ),
    ] {
        let message = format!("metadata key `{}` is u32 {value}: ", key(name));
        let builder = gemma4().pair(&key(name), value);
        refused(&builder, &message);
        refused(&builder, wanted);
    }
    for (name, counts, wanted) in [
        (
            "attention.head_count_kv",
            vec![2, 1, 1, 2, 2, 1],
            "layers of one kind have 2 and 1 heads",
        ),
        (
            "attention.head_count_kv",
            vec![3, 3, 1, 3, 3, 1],
            "4 query heads cannot share them evenly",
        ),
        (
            "attention.head_count_kv",
            vec![2],
            "a count between 1 and 16777216 for each of 6 layers",
        ),
        (
            "feed_forward_length",
            vec![96, 96, 96, 96, 96, -1],
            "a count between 1 and",
        ),
    ] {
        refused(
            &gemma4().pair(&key(name), Value::Array(Array::I32(counts))),
            wanted,
        );
    }
    for name in [
        "attention.sliding_window",
        "attention.sliding_window_pattern",
        "attention.key_length",
    ] {
        let mut builder = gemma4();
        builder.remove(&key(name));
        refused(
            &builder,
            &format!("metadata key `{}` is missing", key(name)),
        );
    }
}

#[test]
fn patterns_of_windows() {
    let layers = |pattern: Value| {
        let builder = gemma(3, 4)
            .pair("gemma3.attention.sliding_window", 512u32)
            .pair("gemma3.attention.sliding_window_pattern", pattern);
        Ok::<_, mettle_models::Error>(config(&builder)?.window.unwrap().layers)
    };
    assert_eq!(layers(Value::U32(3)).unwrap(), [true, true, false, true]);
    assert_eq!(layers(Value::U32(1)).unwrap(), [false; 4]);
    let own = |own: &[bool]| layers(Value::Array(Array::Bool(own.to_vec())));
    assert_eq!(
        own(&[false, true, true, false]).unwrap(),
        [false, true, true, false]
    );
    let short = own(&[true]).unwrap_err().to_string();
    assert!(short.contains("an entry for each of 4 layers"), "{short}");
}

/// Gemma 2 of 27 and Gemma 3 of 27 thousand million parameters, which files do not say otherwise than by their layers.
#[test]
fn queries_of_the_largest_gemmas_are_scaled_by_their_share_of_the_stream() {
    for (version, layers) in [(2, 46), (3, 62)] {
        let key = |name: &str| format!("gemma{version}.attention.{name}");
        let builder = gemma(version, layers)
            .pair(&key("key_length"), 64u32)
            .pair(&key("value_length"), 64u32);
        assert_eq!(config(&builder).unwrap().attention_scale, 0.25);
    }
    let smaller = gemma(2, 42)
        .pair("gemma2.attention.key_length", 64u32)
        .pair("gemma2.attention.value_length", 64u32);
    assert_eq!(config(&smaller).unwrap().attention_scale, 0.125);
}
