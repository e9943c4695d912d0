//! Models with LoRA adapters against the same models with the adapters merged into their weights, in f64.

use mettle_gpu::{Device, Preference};
use mettle_kernels::formats;
use mettle_models::{
    Adapter, Checkpoint, Error, Fusion, KvFormat, LoadOptions, MemoryEstimate, Model, Result,
};

use crate::support::{Builder, decoded, fixture, nmse, temporary, values_of};

/// Tokens that are read.
const TOKENS: [u32; 11] = [5, 60, 7, 99, 100, 1, 2, 3, 50, 0, 17];

/// Uniform values in -1..1 from a linear congruential generator (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn values(&mut self, count: usize, size: f32) -> Vec<f32> {
        let mut next = || {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0) * size
        };
        (0..count).map(|_| next()).collect()
    }
}

/// An adapter without tensors.
fn empty(architecture: &str) -> Builder {
    Builder::new()
        .pair("general.type", "adapter")
        .pair("general.architecture", architecture)
        .pair("adapter.type", "lora")
}

/// The name, outputs and inputs of the matrices of all blocks.
fn matrices(model: &Builder) -> Vec<(String, usize, usize)> {
    let tensors = model.tensors.iter();
    let of_blocks = tensors.filter(|t| t.name.starts_with("blk.") && t.shape.len() == 2);
    of_blocks
        .map(|t| (t.name.clone(), t.shape[1] as usize, t.shape[0] as usize))
        .collect()
}

/// Adds to the model's matrices what the adapter adds to their products: `weight` is its scale over all, without the rank.
fn merge(model: &mut Builder, adapter: &Builder, scale: impl Fn(usize) -> f64) {
    for (name, outputs, inputs) in matrices(model) {
        let find = |builder: &Builder, name: &str| {
            builder
                .tensors
                .iter()
                .position(|tensor| tensor.name == name)
        };
        let part = |suffix: &str| -> Option<(Vec<f32>, usize)> {
            let tensor = &adapter.tensors[find(adapter, &format!("{name}{suffix}"))?];
            let values = match tensor.type_id {
                0 => values_of(&tensor.data),
                _ => {
                    let mut values = vec![0.0; tensor.shape.iter().product::<u64>() as usize];
                    let format = mettle_gpu::Format::F16;
                    formats::dequantize(format, &tensor.data, &mut values).unwrap();
                    values
                }
            };
            Some((values, tensor.shape[1] as usize))
        };
        let (Some((down, rank)), Some((up, _))) = (part(".lora_a"), part(".lora_b")) else {
            continue;
        };
        let at = find(model, &name).unwrap();
        let mut weights: Vec<f32> = values_of(&model.tensors[at].data);
        for (o, row) in weights.chunks_exact_mut(inputs).enumerate() {
            for (i, weight) in row.iter_mut().enumerate() {
                let product: f64 = (0..rank)
                    .map(|r| f64::from(up[o * rank + r]) * f64::from(down[r * inputs + i]))
                    .sum();
                *weight = (f64::from(*weight) + scale(rank) * product) as f32;
            }
        }
        assert_eq!(up.len(), outputs * rank);
        model.tensors[at].data = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
    }
}

fn load(model: &Builder, adapters: &[(&Builder, f32)], fusion: Fusion) -> Result<Model> {
    let device = Device::open(Preference::Cpu).unwrap();
    let (_folder, path) = temporary("model.gguf", &model.build());
    let checkpoint = Checkpoint::open(&path)?;
    let adapters = adapters.iter().map(|(adapter, scale)| {
        let (_folder, path) = temporary("adapter.gguf", &adapter.build());
        Adapter::open(&path, *scale)
    });
    let adapters = adapters.collect::<Result<Vec<_>>>()?;
    let options = LoadOptions {
        kv_format: KvFormat::F32,
        context: Some(32),
        chunk: Some(8),
        fusion,
        ..LoadOptions::default()
    };
    let mut bytes = 0;
    let model = Model::load_with(&device, &checkpoint, &adapters, &options, &mut |more| {
        bytes += more
    })?;
    let estimate = MemoryEstimate::adapted(&checkpoint, &adapters, &options, &device)?;
    assert_eq!((estimate.weights, estimate), (bytes, model.memory()));
    Ok(model)
}

/// Logits behind each token: two chunks of a prompt, the second of which wants no more than a last token's where `last`, then token by
/// token.
fn logits(model: &Model) -> Vec<f32> {
    let mut all = Vec::new();
    let mut session = model.session().unwrap();
    let mut add = |_: usize, row: &[f32]| all.extend_from_slice(row);
    session.forward_each(&TOKENS, &mut add).unwrap();
    session.clear();
    for tokens in [&TOKENS[..10], &TOKENS[10..]] {
        all.extend(session.forward(tokens).unwrap().to_vec::<f32>().unwrap());
    }
    all
}

fn error(model: &Builder, adapter: &Builder) -> Error {
    load(model, &[(adapter, 1.0)], Fusion::On)
        .map(drop)
        .unwrap_err()
}

/// Families with plain, packed and normed matrices; ranks that fill sixteens and that do not; with alpha and without; one and two.
#[test]
fn adapters_are_merged_weights() {
    for (name, architecture) in [
        ("llama-gqa2-f32", "llama"),
        ("qwen2-gqa2-f32", "qwen2"),
        ("gemma2-f32", "gemma2"),
        ("phi3-longrope-f32", "phi3"),
    ] {
        let model = decoded(&fixture(&format!("{name}.gguf")));
        let mut random = Random(7);
        let mut first = empty(architecture).pair("adapter.lora.alpha", 12.0f32);
        let mut second = empty(architecture);
        for (name, outputs, inputs) in matrices(&model) {
            for (adapter, rank) in [(&mut first, 5), (&mut second, 16)] {
                let size = (1.0 / inputs as f32).sqrt();
                let down = random.values(rank * inputs, size);
                let up = random.values(outputs * rank, 0.3);
                let with = adapter.clone();
                *adapter = with
                    .tensor_f32(&format!("{name}.lora_a"), &[rank, inputs], &down)
                    .tensor_f32(&format!("{name}.lora_b"), &[outputs, rank], &up);
            }
            // Half precision, as converters write it.
            let down = second.tensors.iter_mut().rev().nth(1).unwrap();
            let values: Vec<f32> = values_of(&down.data);
            down.data = vec![0; 2 * values.len()];
            formats::quantize(mettle_gpu::Format::F16, &values, &mut down.data).unwrap();
            down.type_id = 1;
        }
        let mut merged = model.clone();
        merge(&mut merged, &first, |rank| 0.5 * 12.0 / rank as f64);
        let one = logits(&load(&merged, &[], Fusion::On).unwrap());
        merge(&mut merged, &second, |_| -0.25);
        let both = logits(&load(&merged, &[], Fusion::On).unwrap());
        let without = logits(&load(&model, &[], Fusion::On).unwrap());
        for fusion in [Fusion::On, Fusion::Off] {
            let found = logits(&load(&model, &[(&first, 0.5)], fusion).unwrap());
            let of_one = nmse(&found, &one);
            let adapters = [(&first, 0.5), (&second, -0.25)];
            let found = logits(&load(&model, &adapters, fusion).unwrap());
            let of_both = nmse(&found, &both);
            println!("{name}: NMSE {of_one:.2e} with one, {of_both:.2e} with two");
            assert!(of_one < 1e-8 && of_both < 1e-8, "{name}, {fusion:?}");
            assert!(nmse(&without, &one) > 1e-3 && nmse(&one, &both) > 1e-3);
        }
    }
}

#[test]
fn adapters_that_do_not_fit() {
    let model = decoded(&fixture("llama-gqa2-f32.gguf"));
    let (name, outputs, inputs) = matrices(&model).swap_remove(0);
    let (a, b) = (format!("{name}.lora_a"), format!("{name}.lora_b"));
    let pair = |rank: usize, other: usize, outputs: usize, inputs: usize| {
        empty("llama")
            .tensor_f32(&a, &[rank, inputs], &vec![0.1; rank * inputs])
            .tensor_f32(&b, &[outputs, other], &vec![0.1; outputs * other])
    };
    assert!(load(&model, &[(&pair(4, 4, outputs, inputs), 1.0)], Fusion::On).is_ok());
    for (adapter, blamed) in [
        (pair(4, 5, outputs, inputs), &b),
        (pair(4, 4, outputs + 1, inputs), &b),
        (pair(4, 4, outputs, inputs - 1), &a),
    ] {
        let error = error(&model, &adapter);
        assert!(
            matches!(&error, Error::AdapterShape { name, .. } if name == blamed),
            "{error}"
        );
    }
    let mut other = pair(4, 4, outputs, inputs);
    other.set("general.architecture", "qwen3");
    let found = error(&model, &other);
    assert!(
        matches!(found, Error::AdapterArchitecture { .. }),
        "{found}"
    );
    let text = found.to_string();
    assert!(
        text.ends_with("the adapter is for architecture `qwen3`, the model is `llama`"),
        "{text}"
    );
    let alone = empty("llama").tensor_f32(&a, &[4, inputs], &vec![0.1; 4 * inputs]);
    let strange = empty("llama").tensor_f32(&name, &[4], &[0.1; 4]);
    let table = empty("llama")
        .tensor_f32("token_embd.weight.lora_a", &[1, 1], &[0.1])
        .tensor_f32("token_embd.weight.lora_b", &[1, 1], &[0.1]);
    for adapter in [alone, strange, table] {
        let found = error(&model, &adapter);
        assert!(matches!(found, Error::AdapterTensor { .. }), "{found}");
    }
    for (key, value) in [("general.type", "model"), ("adapter.type", "ia3")] {
        let mut adapter = pair(4, 4, outputs, inputs);
        adapter.set(key, value);
        let found = error(&model, &adapter);
        assert!(matches!(found, Error::KeyValue { .. }), "{found}");
        adapter.remove(key);
        let found = error(&model, &adapter);
        assert!(matches!(found, Error::MissingKey { .. }), "{found}");
    }
    let adapter = pair(4, 4, outputs, inputs);
    let infinite = load(&model, &[(&adapter, f32::INFINITY)], Fusion::On);
    assert!(matches!(infinite.map(drop), Err(Error::Request(_))));
}
