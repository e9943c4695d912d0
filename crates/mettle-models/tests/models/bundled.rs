//! The bundled model against llama.cpp, and its score.
//!
//! The model belongs to the command line's crate; where this crate is on its own, these tests say that they are skipped.

use mettle_gpu::{Device, Preference};
use mettle_models::{
    Checkpoint, GenerateOptions, KvFormat, LoadOptions, Model, Sampling, Tokenizer, generate, score,
};
use safetensors::SafeTensors;

use crate::support::{asset, decoded, fixture, nmse, temporary, values_of};

fn load(file: &Checkpoint) -> Model {
    let device = Device::open(Preference::Cpu).unwrap();
    let options = LoadOptions {
        kv_format: KvFormat::F32,
        ..LoadOptions::default()
    };
    Model::load(&device, file, &options).unwrap()
}

/// llama.cpp's answers: five prompts of 64 tokens.
struct Answers {
    bytes: Vec<u8>,
}

impl Answers {
    fn read() -> Self {
        Self {
            bytes: std::fs::read(fixture("bundled.safetensors")).unwrap(),
        }
    }

    fn tensor<T: bytemuck::Pod>(&self, name: &str) -> Vec<T> {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        values_of(tensors.tensor(name).unwrap().data())
    }
}

const PROMPT: usize = 64;

#[test]
fn llama_cpp_agrees_on_the_decoded_weights() {
    let Some(path) = asset("mettle-kjv-q8_0.gguf") else {
        return;
    };
    let (_folder, path) = temporary("f32.gguf", &decoded(&path).build());
    let model = load(&Checkpoint::open(&path).unwrap());
    let answers = Answers::read();
    let positions: Vec<i32> = answers.tensor("positions");
    let expected: Vec<f32> = answers.tensor("f32.logits");
    let (top_ids, top_values): (Vec<u32>, Vec<f32>) = (
        answers.tensor("f32.top_ids"),
        answers.tensor("f32.top_values"),
    );
    let vocabulary = model.config().vocabulary;

    let mut found = Vec::new();
    let mut session = model.session().unwrap();
    for (p, prompt) in answers.tensor::<u32>("tokens").chunks(PROMPT).enumerate() {
        session.clear();
        session
            .forward_each(prompt, |i, logits| {
                let at = 2 * (PROMPT * p + i);
                let best = (0..vocabulary)
                    .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
                    .unwrap();
                if top_values[at] - top_values[at + 1] > 1e-3 {
                    assert_eq!(best as u32, top_ids[at], "prompt {p}, position {i}");
                }
                if positions.contains(&(i as i32)) {
                    found.extend_from_slice(logits);
                }
            })
            .unwrap();
    }
    let error = nmse(&found, &expected);
    println!("logits against llama.cpp: NMSE {error:.2e}");
    assert!(error <= 1e-6, "{error:e}");
}

/// On the quantised files llama.cpp rounds activations to 8 bits, so the share of equal tokens is reported, and only an
/// implausible one fails.
#[test]
fn greedy_tokens_like_those_of_llama_cpp() {
    let answers = Answers::read();
    for kind in ["q8_0", "q4_0"] {
        let Some(path) = asset(&format!("mettle-kjv-{kind}.gguf")) else {
            return;
        };
        let model = load(&Checkpoint::open(path).unwrap());
        let mut session = model.session().unwrap();
        let top_ids: Vec<u32> = answers.tensor(&format!("{kind}.top_ids"));
        let (mut same, mut all) = (0, 0);
        for (p, prompt) in answers.tensor::<u32>("tokens").chunks(PROMPT).enumerate() {
            session.clear();
            session
                .forward_each(prompt, |i, logits| {
                    let best = (0..logits.len())
                        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
                        .unwrap();
                    same += usize::from(best as u32 == top_ids[2 * (PROMPT * p + i)]);
                    all += 1;
                })
                .unwrap();
        }
        println!("{kind}: {same} of {all} best tokens are llama.cpp's");
        assert!(same * 100 >= all * 90);
    }
}

#[test]
fn greedy_text_is_that_of_llama_cpp() {
    let Some(path) = asset("mettle-kjv-q8_0.gguf") else {
        return;
    };
    let file = Checkpoint::open(path).unwrap();
    let (model, tokenizer) = (load(&file), Tokenizer::from_gguf(file.metadata()).unwrap());
    let answers = Answers::read();
    let expected: Vec<u32> = answers.tensor("f32.greedy");
    let options = GenerateOptions {
        max_tokens: 64,
        sampling: Sampling::Greedy,
        ignore_end: true,
    };
    let mut session = model.session().unwrap();
    for (prompt, expected) in answers
        .tensor::<u32>("tokens")
        .chunks(PROMPT)
        .zip(expected.chunks(64))
    {
        session.clear();
        let out = generate(
            &mut session,
            &tokenizer,
            prompt,
            &options,
            &false.into(),
            |_| {},
        )
        .unwrap();
        assert_eq!(out.ids, expected, "{:?}", out.text);
    }
}

/// What `tools/train/score.py` finds for the first 6000 bytes of the held-out text, with more digits than it prints.
const BITS_PER_BYTE: f64 = 1.036_376;

#[test]
fn score_is_that_of_the_training_script() {
    let (Some(path), Some(text)) = (asset("mettle-kjv-q8_0.gguf"), asset("held-out.txt")) else {
        return;
    };
    let text = std::fs::read_to_string(text).unwrap();
    let file = Checkpoint::open(path).unwrap();
    let tokenizer = Tokenizer::from_gguf(file.metadata()).unwrap();
    let mut told = Vec::new();
    let score = score(
        &mut load(&file).session().unwrap(),
        &tokenizer,
        &text[..6000],
        |done, all| {
            told.push((done, all));
        },
    );
    let score = score.unwrap();
    println!(
        "{:.6} bits a byte, {} tokens",
        score.bits_per_byte(),
        score.tokens
    );
    assert_eq!(
        (score.bytes, told.last()),
        (6000, Some(&(score.tokens, score.tokens)))
    );
    assert!((score.bits_per_byte() - BITS_PER_BYTE).abs() < 2e-5);
}

/// A warmed model generates without making another pipeline.
#[test]
fn warming_makes_every_pipeline_of_a_model() {
    for kind in ["q8_0", "q4_0"] {
        let Some(path) = asset(&format!("mettle-kjv-{kind}.gguf")) else {
            return;
        };
        let file = Checkpoint::open(path).unwrap();
        let tokenizer = Tokenizer::from_gguf(file.metadata()).unwrap();
        for kv_format in [KvFormat::F32, KvFormat::F16] {
            let device = Device::open(Preference::Cpu).unwrap();
            let options = LoadOptions {
                kv_format,
                ..LoadOptions::default()
            };
            let model = Model::load(&device, &file, &options).unwrap();
            let report = model.warm(&|_| {});
            assert!(report.failed.is_empty(), "{:?}", report.failed);
            let made = device.pipeline_stats().pipelines;
            assert_eq!(made as usize, report.usable());
            let prompt = tokenizer
                .encode("And God said, Let there be", true)
                .unwrap();
            let random = mettle_kernels::ops::Sampling {
                temperature: 0.8,
                top_k: 40,
                top_p: 0.95,
                min_p: 0.05,
                seed: 1,
            };
            for sampling in [Sampling::Greedy, Sampling::Random(random)] {
                let options = GenerateOptions {
                    max_tokens: 4,
                    sampling,
                    ignore_end: true,
                };
                let mut session = model.session().unwrap();
                generate(
                    &mut session,
                    &tokenizer,
                    &prompt,
                    &options,
                    &false.into(),
                    |_| {},
                )
                .unwrap();
            }
            assert_eq!(device.pipeline_stats().pipelines, made);
        }
    }
}
