//! Tokens chosen on the device against those that the host chooses, in f64, from the logits of `transformers`.
//!
//! Both read the same tokens. They may differ only where a rounding error could turn a decision: a comparison with less between
//! its sides than [`MARGIN`]. So tokens of two devices are equal, too, which this holds for; `METTLE_TEST_DEVICE=cuda` runs it on a GPU.

use mettle_gpu::{Device, Preference};
use mettle_kernels::ops;
use mettle_models::{
    Checkpoint, GenerateOptions, KvFormat, LoadOptions, Model, Sampling, Tokenizer, generate,
};
use safetensors::SafeTensors;

use crate::support::{fixture, values_of};

/// In logits, and in shares of the whole probability.
const MARGIN: f64 = 1e-3;

/// A token, and how far the closest of the decisions that led to it was from another result.
struct Choice {
    token: u32,
    margin: f64,
}

/// The best token, the first of equals.
fn greedy(logits: &[f64]) -> Choice {
    let order = by_logit(logits);
    Choice {
        token: order[0] as u32,
        margin: logits[order[0]] - logits[order[1]],
    }
}

/// Places of logits, the highest first and equals in the order of their places.
fn by_logit(logits: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    order
}

/// Top-k, top-p, min-p, temperature and the draw of `(seed, position)`, in this order, by sorting.
fn random(logits: &[f64], sampling: &ops::Sampling, position: u64) -> Choice {
    let mut kept = by_logit(logits);
    let best = logits[kept[0]];
    let mut margin = f64::INFINITY;
    let mut decided = |distance: f64| margin = margin.min(distance.abs());
    let k = sampling.top_k as usize;
    if k != 0 && k < kept.len() {
        decided(logits[kept[k - 1]] - logits[kept[k]]);
        kept.truncate(k);
    }
    if sampling.top_p < 1.0 {
        let total: f64 = kept.iter().map(|&id| (logits[id] - best).exp()).sum();
        let mut share = 0.0;
        let enough = kept.iter().position(|&id| {
            share += (logits[id] - best).exp() / total;
            decided(share - f64::from(sampling.top_p));
            share >= f64::from(sampling.top_p)
        });
        kept.truncate(enough.map_or(kept.len(), |last| last + 1));
    }
    if sampling.min_p > 0.0 {
        let least = best + f64::from(sampling.min_p).ln();
        kept.iter().for_each(|&id| decided(logits[id] - least));
        kept.retain(|&id| logits[id] >= least);
    }
    kept.sort_unstable();
    let weight = |id: usize| ((logits[id] - best) / f64::from(sampling.temperature)).exp();
    let total: f64 = kept.iter().map(|&id| weight(id)).sum();
    let drawn = f64::from(philox(sampling.seed, position) >> 8) / f64::from(1 << 24);
    let mut share = 0.0;
    let found = kept.iter().position(|&id| {
        share += weight(id) / total;
        decided(share - drawn);
        share > drawn
    });
    let token = kept[found.unwrap_or(kept.len() - 1)] as u32;
    Choice { token, margin }
}

/// The first word of Philox4x32-10 (Salmon et al., 2011) for the key `seed` and the counter `position`.
fn philox(seed: u64, position: u64) -> u32 {
    let (low, high) = (|x: u64| x as u32, |x: u64| (x >> 32) as u32);
    let mut words = [low(position), high(position), 0, 0];
    for round in 0..10u32 {
        let key = [
            low(seed).wrapping_add(round.wrapping_mul(0x9E37_79B9)),
            high(seed).wrapping_add(round.wrapping_mul(0xBB67_AE85)),
        ];
        let [a, b] = [(words[0], 0xD251_1F53u64), (words[2], 0xCD9E_8D57)]
            .map(|(word, factor)| u64::from(word) * factor);
        words = [
            high(b) ^ words[1] ^ key[0],
            low(b),
            high(a) ^ words[3] ^ key[1],
            low(a),
        ];
    }
    words[0]
}

#[test]
fn the_device_chooses_as_the_host_does() {
    let plain = ops::Sampling {
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        temperature: 1.0,
        seed: 3,
    };
    let modes = [
        Sampling::Greedy,
        Sampling::Random(ops::Sampling {
            temperature: 0.3,
            ..plain
        }),
        Sampling::Random(ops::Sampling {
            top_k: 12,
            seed: u64::MAX - 7,
            ..plain
        }),
        Sampling::Random(ops::Sampling {
            top_p: 0.3,
            seed: 1 << 40,
            ..plain
        }),
        Sampling::Random(ops::Sampling {
            min_p: 0.4,
            temperature: 0.7,
            ..plain
        }),
        Sampling::Random(ops::Sampling {
            top_k: 40,
            top_p: 0.6,
            min_p: 0.2,
            temperature: 0.8,
            seed: 11,
        }),
    ];
    let preference = std::env::var("METTLE_TEST_DEVICE").map_or(Preference::Cpu, |name| {
        name.parse()
            .unwrap_or_else(|error| panic!("METTLE_TEST_DEVICE: {error}"))
    });
    let device = Device::open(preference).unwrap();
    for name in ["qwen2-gqa2-f32", "gemma2-f32", "qwen2-tied-q8_0"] {
        let file = Checkpoint::open(fixture(&format!("{name}.gguf"))).unwrap();
        let options = LoadOptions {
            kv_format: KvFormat::F32,
            ..LoadOptions::default()
        };
        let model = Model::load(&device, &file, &options).unwrap();
        let tokenizer = Tokenizer::from_gguf(file.metadata()).unwrap();
        let bytes = std::fs::read(fixture(&format!("{name}.safetensors"))).unwrap();
        let expected = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |name: &str| expected.tensor(name).unwrap().data().to_vec();
        let tokens: Vec<u32> = values_of(&tensor("tokens"));
        let logits: Vec<f32> = values_of(&tensor("logits"));
        let rows: Vec<Vec<f64>> = logits
            .chunks_exact(model.config().vocabulary)
            .map(|row| row.iter().copied().map(f64::from).collect())
            .collect();
        assert_eq!(rows.len(), tokens.len());
        for sampling in modes {
            let mut session = model.session().unwrap();
            let options = GenerateOptions {
                max_tokens: 1,
                sampling,
                ignore_end: true,
            };
            let mut clear = 0;
            for (at, (&id, row)) in tokens.iter().zip(&rows).enumerate() {
                let never = false.into();
                let drawn = generate(&mut session, &tokenizer, &[id], &options, &never, |_| {});
                // A draw belongs to the number of tokens read.
                let choice = match &sampling {
                    Sampling::Greedy => greedy(row),
                    Sampling::Random(sampling) => random(row, sampling, at as u64 + 1),
                };
                if choice.margin > MARGIN {
                    clear += 1;
                    assert_eq!(
                        drawn.unwrap().ids,
                        [choice.token],
                        "{name}, {sampling:?}, token {at}"
                    );
                }
            }
            println!(
                "{name}, {sampling:?}: {clear} of {} are clear",
                tokens.len()
            );
            assert!(
                2 * clear > tokens.len(),
                "{name}, {sampling:?}: only {clear} of {} are clear",
                tokens.len()
            );
        }
    }
}
