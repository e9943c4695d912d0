//! Models whose tensors are not those of their architecture, and models too large to load.

use mettle_gpu::{Device, Preference};
use mettle_models::{Checkpoint, Error, KvFormat, LoadOptions, MemoryEstimate, Model};

use crate::support::{Builder, decoded, fixture, temporary, tiny_model};

fn load(builder: &Builder, options: &LoadOptions) -> mettle_models::Result<Model> {
    let (_folder, path) = temporary("m.gguf", &builder.build());
    let device = Device::open(Preference::Cpu).unwrap();
    Model::load(&device, &Checkpoint::open(&path)?, options)
}

fn refused(builder: &Builder) -> String {
    load(builder, &LoadOptions::default())
        .err()
        .expect("the model should be refused")
        .to_string()
}

#[test]
fn each_tensor_is_needed() {
    load(&tiny_model(), &LoadOptions::default()).unwrap();
    for i in 0..tiny_model().tensors.len() {
        let mut builder = tiny_model();
        let removed = builder.tensors.remove(i);
        if removed.name == "output.weight" {
            // Models without one use the embedding.
            load(&builder, &LoadOptions::default()).unwrap();
            continue;
        }
        let shape: Vec<u64> = removed.shape.iter().rev().copied().collect();
        assert_eq!(
            refused(&builder),
            format!("tensor `{}` of shape {shape:?} is missing", removed.name)
        );
    }
}

#[test]
fn each_shape_is_checked() {
    for i in 0..tiny_model().tensors.len() {
        let mut builder = tiny_model();
        let tensor = &mut builder.tensors[i];
        // Half the rows (of a vector: the values), and the data that belong to them.
        let outer = tensor.shape.len() - 1;
        tensor.shape[outer] /= 2;
        let rows = tensor.shape[outer] as usize;
        tensor
            .data
            .truncate(rows * 4 * tensor.shape[..outer].iter().product::<u64>() as usize);
        let (name, found) = (
            tensor.name.clone(),
            tensor.shape.iter().rev().copied().collect::<Vec<_>>(),
        );
        let message = refused(&builder);
        assert!(
            message.starts_with(&format!(
                "tensor `{name}` has shape {found:?}, the metadata imply ["
            )),
            "{message}"
        );
    }
}

#[test]
fn norms_must_be_f32_and_nothing_may_be_left() {
    let mut half = tiny_model();
    let norm = half
        .tensors
        .iter_mut()
        .find(|t| t.name == "blk.0.ffn_norm.weight")
        .unwrap();
    norm.type_id = 1;
    norm.data.truncate(norm.data.len() / 2);
    assert_eq!(
        refused(&half),
        "tensor `blk.0.ffn_norm.weight` is stored as F16, wanted F32"
    );

    let extra = tiny_model().tensor_f32("blk.0.attn_q.bias", &[64], &[0.0; 64]);
    assert_eq!(
        refused(&extra),
        "tensor `blk.0.attn_q.bias` is not part of architecture `llama`"
    );

    let mut wide = tiny_model();
    wide.set("llama.feed_forward_length", 128u32);
    assert_eq!(
        refused(&wide),
        "tensor `blk.0.ffn_gate.weight` has shape [96, 64], the metadata imply [128, 64]"
    );
}

/// Formats that can be read from a file, but that no kernel multiplies with.
#[test]
fn formats_without_kernels_are_refused() {
    let mut builder = tiny_model();
    let tensor = builder
        .tensors
        .iter_mut()
        .find(|tensor| tensor.name == "blk.0.attn_k.weight")
        .unwrap();
    // I8
    tensor.type_id = 24;
    tensor.data.truncate(tensor.data.len() / 4);
    let message = refused(&builder);
    let expected = "tensor `blk.0.attn_k.weight` is stored as I8, wanted F32, F16, BF16, ";
    assert!(message.starts_with(expected), "{message}");
}

/// Also where a matrix is copied in another format, and where tensors are not used.
#[test]
fn all_bytes_of_the_weights_are_told() {
    let device = Device::open(Preference::Cpu).unwrap();
    let options = LoadOptions::default();
    for (name, once) in [
        ("qwen3-untied-q8_0", true),
        ("deepseek2-lite-q8_0", false),
        ("gemma4-f32", false),
        ("gemma4-moe-f32", true),
    ] {
        let file = Checkpoint::open(fixture(&format!("{name}.gguf"))).unwrap();
        let mut told = Vec::new();
        Model::load_with(&device, &file, &[], &options, &mut |bytes| told.push(bytes)).unwrap();
        assert_eq!(told.len() == file.tensors().count(), once, "{name}");
        let estimate = MemoryEstimate::new(&file, &options, &device).unwrap();
        assert_eq!(told.iter().sum::<u64>(), estimate.weights, "{name}");
    }
}

/// Blocks of Qwen3.5 that predict tokens further ahead are neither loaded nor counted.
#[test]
fn draft_layers_are_passed_over() {
    let mut builder = decoded(&fixture("qwen35-f32.gguf"));
    let estimate = |builder: &Builder| {
        let (_folder, path) = temporary("draft.gguf", &builder.build());
        let (file, device) = (
            Checkpoint::open(path).unwrap(),
            Device::open(Preference::Cpu).unwrap(),
        );
        MemoryEstimate::new(&file, &LoadOptions::default(), &device).unwrap()
    };
    let plain = estimate(&builder);
    builder.set("qwen35.block_count", 5u32);
    builder.set("qwen35.nextn_predict_layers", 1u32);
    let builder = builder.tensor_f32("blk.4.nextn.enorm.weight", &[48], &[1.0; 48]);
    assert_eq!(estimate(&builder), plain);
    assert_eq!(
        load(&builder, &LoadOptions::default())
            .unwrap()
            .config()
            .layers,
        4
    );
    let other = builder
        .clone()
        .tensor_f32("blk.5.nextn.enorm.weight", &[48], &[1.0; 48]);
    assert!(refused(&other).contains("`blk.5.nextn.enorm.weight` is not part"));
    let none = builder.pair("qwen35.nextn_predict_layers", 5u32);
    assert!(refused(&none).contains("there are no more than 5 blocks"));
}

#[test]
fn what_cannot_fit_is_refused_with_numbers() {
    let mut builder = tiny_model();
    builder.set("llama.context_length", 2_000_000_000u32);
    let options = LoadOptions {
        context: Some(2_000_000_000),
        ..LoadOptions::default()
    };
    let error = load(&builder, &options).err().unwrap();
    let Error::Memory {
        needed,
        weights,
        cache,
        scratch,
        available,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    // Keys and values of 2 heads of 16, in half precision.
    assert_eq!(
        (*cache, *needed),
        (2_000_000_000 * 2 * 2 * 16 * 2, weights + cache + scratch)
    );
    assert!(needed > available);
    for number in [needed, weights, cache, scratch, available] {
        assert!(error.to_string().contains(&number.to_string()), "{error}");
    }

    let (_folder, path) = temporary("m.gguf", &tiny_model().build());
    let (file, device) = (
        Checkpoint::open(&path).unwrap(),
        Device::open(Preference::Cpu).unwrap(),
    );
    let estimate = MemoryEstimate::new(&file, &LoadOptions::default(), &device).unwrap();
    let bytes: usize = tiny_model().tensors.iter().map(|t| t.data.len()).sum();
    // The context is the model's own, 64.
    assert_eq!(
        (estimate.weights, estimate.kv_cache),
        (bytes as u64, 64 * 2 * 2 * 16 * 2)
    );
}

/// Caches of blocks take what their blocks take, and heads that are no whole blocks are refused with a way out.
#[test]
fn caches_of_blocks() {
    for format in KvFormat::ALL {
        assert_eq!(
            format.name().to_uppercase().parse::<KvFormat>().unwrap(),
            format
        );
    }
    let unknown = "q4_1".parse::<KvFormat>().unwrap_err().to_string();
    assert!(
        unknown
            .contains("q4_1: there are f32, f16, bf16, q8_0, tq8, tq6, tq5, q4_0, tq4, tq3, tq2"),
        "{unknown}"
    );

    let (file, device) = (
        Checkpoint::open(fixture("qwen3-tied-f32.gguf")).unwrap(),
        Device::open(Preference::Cpu).unwrap(),
    );
    let bytes = |kv_format| {
        let options = LoadOptions {
            kv_format,
            context: Some(10),
            ..LoadOptions::default()
        };
        MemoryEstimate::new(&file, &options, &device)
            .unwrap()
            .kv_cache
    };
    // Keys and values of 2 layers with a head of 128.
    assert_eq!(
        KvFormat::ALL.map(bytes),
        [
            512,
            256,
            256,
            4 * 34,
            4 + 128,
            4 + 96,
            4 + 80,
            4 * 18,
            4 + 64,
            4 + 48,
            4 + 32
        ]
        .map(|head| 10 * 4 * head)
    );

    let options = LoadOptions {
        kv_format: KvFormat::Q8_0,
        ..LoadOptions::default()
    };
    let error = load(&tiny_model(), &options).err().unwrap();
    assert!(
        matches!(
            error,
            Error::KvFormat {
                format: KvFormat::Q8_0,
                head_dim: 16,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().ends_with("take f16, bf16 or f32"),
        "{error}"
    );
    let deepseek = decoded(&fixture("deepseek2-f32.gguf"));
    for kv_format in [KvFormat::Q8_0, KvFormat::Tq4] {
        let options = LoadOptions {
            kv_format,
            ..LoadOptions::default()
        };
        let error = load(&deepseek, &options).err().unwrap();
        assert!(
            matches!(error, Error::LatentKvFormat(format) if format == kv_format),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .contains("rows of latent attention: take f16"),
            "{error}"
        );
    }
}

/// A model says how it was loaded, and what that takes is what was estimated.
#[test]
fn options_that_are_absent_are_filled_in() {
    let model = load(&tiny_model(), &LoadOptions::default()).unwrap();
    let options = *model.options();
    assert_eq!((options.context, options.chunk), (Some(64), Some(128)));
    assert_eq!(
        load(&tiny_model(), &options).unwrap().memory(),
        model.memory()
    );
}

#[test]
fn impossible_options() {
    for (context, chunk) in [(Some(0), 8), (Some(8), 0), (Some(1 << 31), 8)] {
        let options = LoadOptions {
            context,
            chunk: Some(chunk),
            ..LoadOptions::default()
        };
        let error = load(&tiny_model(), &options).err().unwrap();
        assert!(error.to_string().contains("is not possible"), "{error}");
    }
}
