//! Experts that stay in their files: the same results as with all in memory, what is counted, and files that fail.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use mettle_gpu::{Device, Preference};
use mettle_kernels::ops;
use mettle_models::{
    Checkpoint, Error, ExpertStats, Fusion, GenerateOptions, LoadOptions, MemoryEstimate, Model,
    Result, Sampling, Session, Tokenizer, generate,
};

use crate::support::{Builder, decoded, fixture, temporary, tiny_model};

const ALIKE: &str = "qwen3moe-f32.gguf";

fn load(path: &Path, options: LoadOptions) -> Result<Model> {
    let device = Device::open(Preference::Cpu).unwrap();
    Model::load(&device, &Checkpoint::open(path)?, &options)
}

/// The bytes of the smallest cache, and those in it of an expert of each layer.
fn smallest(path: &Path) -> [u64; 2] {
    let none = LoadOptions {
        expert_cache: Some(0),
        ..LoadOptions::default()
    };
    match load(path, none).err().unwrap() {
        Error::ExpertCache {
            budget: 0,
            least,
            on_their_way,
            one_each,
        } => {
            assert_eq!(least, on_their_way + one_each);
            [least, one_each]
        }
        other => panic!("{other}"),
    }
}

fn bits(session: &mut Session, ids: &[u32]) -> Result<Vec<u32>> {
    let logits = session.forward(ids)?.to_vec::<f32>()?;
    Ok(logits.iter().map(|logit| logit.to_bits()).collect())
}

/// So many tokens that they are sorted by expert, few, and one.
fn all_bits(model: &Model, ids: &[u32]) -> Vec<Vec<u32>> {
    let mut session = model.session().unwrap();
    let parts = [&ids[..40], &ids[40..43], &ids[43..44], &ids[44..45]];
    parts
        .iter()
        .map(|ids| bits(&mut session, ids).unwrap())
        .collect()
}

fn ids() -> Vec<u32> {
    (0..45u32).map(|i| i * i * 7 % 251).collect()
}

fn draws(seed: u64) -> GenerateOptions {
    let sampling = ops::Sampling {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed,
    };
    GenerateOptions {
        max_tokens: 12,
        sampling: Sampling::Random(sampling),
        ignore_end: true,
    }
}

/// Bit by bit, in every architecture with experts and in every kind of file: with one slot a layer, with fewer than all, and with all.
#[test]
fn logits_and_tokens_are_those_of_experts_in_memory() {
    for name in [
        ALIKE,
        "qwen3moe-mixed.gguf",
        "qwen3moe-mlx-4bit",
        "qwen35moe-f32.gguf",
        "qwen3next-mixed.gguf",
        "deepseek2-f32.gguf",
        "deepseek2-lite-q8_0.gguf",
    ] {
        let path = fixture(name);
        let [least, one_each] = smallest(&path);
        let tokenizer = Tokenizer::from_gguf(Checkpoint::open(&path).unwrap().metadata()).unwrap();
        let resident = load(&path, LoadOptions::default()).unwrap();
        assert!(resident.expert_stats().is_none());
        let expected = all_bits(&resident, &ids());
        let mut rates = Vec::new();
        for bytes in [least, least + 2 * one_each + one_each / 2, u64::MAX] {
            let options = LoadOptions {
                expert_cache: Some(bytes),
                ..LoadOptions::default()
            };
            let cached = load(&path, options).unwrap();
            assert!(
                all_bits(&cached, &ids()) == expected,
                "{name} in {bytes} bytes"
            );
            rates.push(cached.expert_stats().unwrap().hit_rate());
            for seed in 0..3 {
                let text = |model: &Model| {
                    let mut session = model.session().unwrap();
                    let (prompt, never) = (ids(), false.into());
                    generate(
                        &mut session,
                        &tokenizer,
                        &prompt[..5],
                        &draws(seed),
                        &never,
                        |_| {},
                    )
                    .unwrap()
                };
                let (found, expected) = (text(&cached), text(&resident));
                assert_eq!(found.ids, expected.ids, "{name} in {bytes} bytes");
                assert!(found.stats.experts.is_some() && expected.stats.experts.is_none());
            }
        }
        assert!(
            rates.is_sorted() && rates[0] < rates[2],
            "{name}: {rates:?}"
        );
    }
}

#[test]
fn launches_of_single_operations_give_the_same_bits() {
    let options = |expert_cache| LoadOptions {
        fusion: Fusion::Off,
        chunk: Some(3),
        expert_cache,
        ..LoadOptions::default()
    };
    let path = fixture("qwen35moe-f32.gguf");
    let [least, one_each] = smallest(&path);
    let expected = all_bits(&load(&path, options(None)).unwrap(), &ids());
    let cached = load(&path, options(Some(least + one_each))).unwrap();
    assert!(all_bits(&cached, &ids()) == expected);
}

#[test]
fn counts_add_up() {
    let path = fixture(ALIKE);
    let [least, one_each] = smallest(&path);
    let device = Device::open(Preference::Cpu).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let (layers, experts) = (2, 6);
    let estimate = |expert_cache| {
        let options = LoadOptions {
            expert_cache,
            ..LoadOptions::default()
        };
        MemoryEstimate::new(&checkpoint, &options, &device).unwrap()
    };
    let in_files = experts * one_each;
    let whole = least + (experts - 1) * one_each;
    for (bytes, taken) in [
        (least, least),
        (least + one_each + 7, least + one_each),
        // An expert of the first layer fits, too.
        (least + one_each * 3 / 2, least + one_each * 3 / 2),
        (u64::MAX, whole),
    ] {
        let memory = estimate(Some(bytes));
        assert_eq!(memory.expert_cache, Some(taken));
        assert_eq!(memory.weights, estimate(None).weights - in_files + taken);
        let options = LoadOptions {
            expert_cache: Some(bytes),
            ..LoadOptions::default()
        };
        let mut told = 0;
        let model = Model::load_with(&device, &checkpoint, &[], &options, &mut |n| told += n);
        assert_eq!((told, model.unwrap().memory()), (memory.weights, memory));
    }

    let model = load(
        &path,
        LoadOptions {
            expert_cache: Some(u64::MAX),
            ..LoadOptions::default()
        },
    )
    .unwrap();
    let mut session = model.session().unwrap();
    let mut pass = |ids: &[u32]| {
        session.forward_each(ids, |_, _| {}).unwrap();
        let stats = model.expert_stats().unwrap();
        assert_eq!(stats.bytes_read, stats.misses * one_each / layers);
        stats
    };
    assert_eq!(model.expert_stats().unwrap(), ExpertStats::default());
    // Two of a token in each layer.
    let first = pass(&[3]);
    assert_eq!((first.hits, first.misses), (0, 2 * layers));
    assert!(first.read_time > std::time::Duration::ZERO);
    let many = pass(&ids());
    assert_eq!(many.misses, experts * layers);
    let all = pass(&ids());
    assert_eq!(
        (all.hits - many.hits, all.misses, all.bytes_read),
        (experts * layers, many.misses, many.bytes_read)
    );
    assert_eq!(
        all.hit_rate(),
        all.hits as f64 / (all.hits + all.misses) as f64
    );
    // A pass is made of what was submitted on the way, too.
    let launches = session.launches();
    let resident = load(&path, LoadOptions::default()).unwrap();
    let mut session = resident.session().unwrap();
    session.forward_each(&ids(), |_, _| {}).unwrap();
    assert!(launches.count > session.launches().count / 2);
}

/// Two texts of one model, in turns.
#[test]
fn sessions_share_the_cache() {
    let path = fixture("qwen3moe-mixed.gguf");
    let [least, one_each] = smallest(&path);
    let options = LoadOptions {
        expert_cache: Some(least + 3 * one_each),
        ..LoadOptions::default()
    };
    let model = load(&path, options).unwrap();
    let alone = |ids: &[u32]| {
        let mut session = model.session().unwrap();
        ids.iter()
            .map(|&id| bits(&mut session, &[id]).unwrap())
            .collect::<Vec<_>>()
    };
    let all = ids();
    let texts = [&all[..8], &all[20..28]];
    let expected = texts.map(alone);
    let found = std::thread::scope(|scope| {
        let threads = texts.map(|ids| scope.spawn(move || alone(ids)));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(found == expected);
}

#[test]
fn models_without_experts_have_no_cache_of_them() {
    let (_folder, path) = temporary("dense.gguf", &tiny_model().build());
    let options = LoadOptions {
        expert_cache: Some(1 << 30),
        ..LoadOptions::default()
    };
    let message = load(&path, options).err().unwrap().to_string();
    assert!(message.contains("has no experts"), "{message}");
}

/// A file whose experts come last, and where those of the last layer begin.
fn experts_last() -> (Builder, usize) {
    let mut builder = decoded(&fixture(ALIKE));
    let of_last = |name: &str| name.starts_with("blk.1.") && name.contains("_exps");
    builder.tensors.sort_by_key(|tensor| of_last(&tensor.name));
    let mut before = builder.clone();
    before.tensors.retain(|tensor| !of_last(&tensor.name));
    let in_front: usize = before.tensors.iter().map(|t| t.data.len()).sum();
    let all: usize = builder.tensors.iter().map(|t| t.data.len()).sum();
    let end = builder.build().len();
    (builder, end - (all - in_front))
}

#[test]
fn files_that_shrink_or_vanish_are_named() {
    let (builder, last_layer) = experts_last();
    let bytes = builder.build();
    let (_folder, path) = temporary("experts.gguf", &bytes);
    let [least, _] = smallest(&path);
    let options = LoadOptions {
        expert_cache: Some(least),
        ..LoadOptions::default()
    };
    let model = load(&path, options).unwrap();
    let mut session = model.session().unwrap();
    let expected = bits(&mut session, &ids()).unwrap();
    session.clear();

    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.set_len(last_layer as u64).unwrap();
    let error = session.forward(&ids()).unwrap_err();
    assert!(matches!(&error, Error::Io { path: named, .. } if *named == path));
    let message = error.to_string();
    assert!(message.contains("the file ends before"), "{message}");
    let message = session.forward(&[1]).unwrap_err().to_string();
    assert!(message.contains("ended half-way"), "{message}");
    session.clear();
    assert!(session.forward(&ids()).is_err());

    // Nothing is left of the failures once the file is whole again.
    file.write_all(&bytes[last_layer..]).unwrap();
    session.clear();
    assert!(bits(&mut session, &ids()).unwrap() == expected);

    let checkpoint = Checkpoint::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let device = Device::open(Preference::Cpu).unwrap();
    let error = Model::load(&device, &checkpoint, &options).err().unwrap();
    assert!(matches!(&error, Error::Io { path: named, .. } if *named == path));
}

/// A folder whose layers have the experts of its first one, in files of their own or among the other tensors.
fn folder(packed: bool) -> (tempfile::TempDir, PathBuf) {
    use safetensors::{SafeTensors, tensor::TensorView};
    const OF_MLP: &str = ".mlp.switch_mlp.";
    let source = fixture("qwen3moe-mlx-4bit");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        fs::copy(source.join(name), path.join(name)).unwrap();
    }
    let mut config: serde_json::Value =
        serde_json::from_slice(&fs::read(source.join("config.json")).unwrap()).unwrap();
    let quantization = config["quantization"].as_object_mut().unwrap();
    quantization.retain(|name, _| !name.contains(OF_MLP));
    fs::write(path.join("config.json"), config.to_string()).unwrap();

    let bytes = fs::read(source.join("model.safetensors")).unwrap();
    let all = SafeTensors::deserialize(&bytes).unwrap();
    let mut kept: Vec<(String, TensorView<'_>)> = Vec::new();
    for (name, view) in all.iter() {
        if !name.contains(OF_MLP) {
            kept.push((name.to_owned(), view));
        } else if name.contains(".0.") && !packed {
            kept.push((name.replace(".0.", ".1."), view.clone()));
            kept.push((name.to_owned(), view));
        }
    }
    safetensors::serialize_to_file(kept, None, &path.join("model.safetensors")).unwrap();
    if packed {
        let mut blob = Vec::new();
        for expert in 0..5 {
            for matrix in ["gate", "up", "down"] {
                for part in ["weight", "scales", "biases"] {
                    let name = format!("model.layers.0{OF_MLP}{matrix}_proj.{part}");
                    let data = all.tensor(&name).unwrap().data().to_vec();
                    let len = data.len() / 5;
                    blob.extend_from_slice(&data[expert * len..][..len]);
                }
            }
        }
        fs::create_dir(path.join("packed_experts")).unwrap();
        for layer in ["layer_00.bin", "layer_01.bin"] {
            fs::write(path.join("packed_experts").join(layer), &blob).unwrap();
        }
    }
    (folder, path)
}

#[test]
fn experts_in_files_of_their_own() {
    let (_plain, plain) = folder(false);
    let (_packed, packed) = folder(true);
    let expected = all_bits(&load(&plain, LoadOptions::default()).unwrap(), &ids());
    let [least, one_each] = smallest(&packed);
    for expert_cache in [None, Some(least + one_each)] {
        let options = LoadOptions {
            expert_cache,
            ..LoadOptions::default()
        };
        assert!(all_bits(&load(&packed, options).unwrap(), &ids()) == expected);
    }

    let refused = |words: &str| {
        let message = load(&packed, LoadOptions::default()).err().unwrap();
        let message = message.to_string();
        for word in words.split('|') {
            assert!(message.contains(word), "{message}");
        }
    };
    let file = packed.join("packed_experts/layer_01.bin");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[1..]).unwrap();
    refused("layer_01.bin|bytes, 5 experts of");
    fs::remove_file(&file).unwrap();
    refused("layer_01.bin|cannot read");
    fs::write(&file, &bytes).unwrap();
    fs::copy(
        plain.join("model.safetensors"),
        packed.join("model.safetensors"),
    )
    .unwrap();
    refused("blk.0.ffn_gate_exps.weight|twice");
}

/// Sums of experts that are normalised with those of another layer.
#[test]
fn experts_beside_a_layer_of_all_tokens_are_not_left_in_files() {
    let file = Checkpoint::open(fixture("gemma4-moe-f32.gguf")).unwrap();
    let device = Device::open(Preference::Cpu).unwrap();
    let options = LoadOptions {
        expert_cache: Some(1 << 20),
        ..LoadOptions::default()
    };
    let message = Model::load(&device, &file, &options)
        .err()
        .unwrap()
        .to_string();
    assert_eq!(
        message,
        "the model uses a cache of experts in layers that have a feed-forward layer besides, which is not supported"
    );
}
