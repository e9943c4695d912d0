//! Logits of small random models against `transformers`, which computed them in f64 from the same (decoded) weights.
//!
//! `tools/fixtures/README.md` says how the fixtures were made.

use mettle_gpu::{Device, Preference};
use mettle_models::{Checkpoint, KvFormat, LoadOptions, Model};
use safetensors::SafeTensors;

use crate::support::{decoded, fixture, nmse, temporary, values_of};

/// Name, and the error allowed: the rounding of f32 for plain weights, and a little more where formats decode in f32.
const FIXTURES: [(&str, f64); 29] = [
    ("llama-gqa2-f32", 1e-8),
    ("llama-rope-scaled-f16", 1e-8),
    ("llama-window-f32", 1e-8),
    ("qwen2-gqa2-f32", 1e-8),
    ("qwen3-tied-f32", 1e-8),
    ("qwen3moe-f32", 1e-8),
    ("gemma2-f32", 1e-8),
    ("gemma3-f32", 1e-8),
    ("gemma4-f32", 1e-8),
    ("gemma4-moe-f32", 1e-8),
    ("phi3-longrope-f32", 1e-8),
    ("qwen35-f32", 1e-8),
    ("qwen35moe-f32", 1e-8),
    ("deepseek2-f32", 1e-8),
    ("llama-gqa4-q8_0", 1e-6),
    ("llama-gqa2-k", 1e-6),
    ("qwen2-tied-q8_0", 1e-6),
    ("qwen3-untied-q8_0", 1e-6),
    ("qwen3-tied-q4_0", 1e-6),
    ("qwen3-tied-mixed", 1e-6),
    ("qwen3-tied-k", 1e-6),
    ("qwen3moe-mixed", 1e-6),
    ("gemma2-head256-q8_0", 1e-6),
    ("gemma3-linear-q8_0", 1e-6),
    ("gemma4-dense-q8_0", 1e-6),
    ("phi3-window-q8_0", 1e-6),
    ("qwen35-tied-q8_0", 1e-6),
    ("qwen3next-mixed", 1e-6),
    ("deepseek2-lite-q8_0", 1e-6),
];

struct Fixture {
    model: Model,
    tokens: Vec<u32>,
    /// `[tokens, vocabulary]`.
    logits: Vec<f32>,
}

impl Fixture {
    fn load(name: &str, kv_format: KvFormat, chunk: usize) -> Self {
        let device = Device::open(Preference::Cpu).unwrap();
        let file = Checkpoint::open(fixture(&format!("{name}.gguf"))).unwrap();
        let options = LoadOptions {
            kv_format,
            chunk: Some(chunk),
            ..LoadOptions::default()
        };
        let bytes = std::fs::read(fixture(&format!("{name}.safetensors"))).unwrap();
        let expected = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |name: &str| expected.tensor(name).unwrap().data().to_vec();
        Self {
            model: Model::load(&device, &file, &options).unwrap(),
            tokens: values_of(&tensor("tokens")),
            logits: values_of(&tensor("logits")),
        }
    }

    fn all_at_once(&self) -> Vec<f32> {
        let mut logits = Vec::new();
        let mut session = self.model.session().unwrap();
        session
            .forward_each(&self.tokens, |i, row| {
                assert_eq!(i * row.len(), logits.len());
                logits.extend_from_slice(row);
            })
            .unwrap();
        assert_eq!(session.position(), self.tokens.len());
        logits
    }

    fn one_by_one(&self) -> Vec<f32> {
        let mut session = self.model.session().unwrap();
        let each = self
            .tokens
            .iter()
            .map(|&id| session.forward(&[id]).unwrap().to_vec::<f32>().unwrap());
        each.flatten().collect()
    }
}

/// Where the best two differ clearly, both sides must agree on the best.
fn same_best(found: &[f32], expected: &[f32], vocabulary: usize) {
    for (f, e) in found.chunks(vocabulary).zip(expected.chunks(vocabulary)) {
        let best = |row: &[f32]| {
            (0..row.len())
                .max_by(|&a, &b| row[a].total_cmp(&row[b]))
                .unwrap()
        };
        let (top, mut sorted) = (best(e), e.to_vec());
        sorted.sort_by(|a, b| b.total_cmp(a));
        if sorted[0] - sorted[1] > 1e-3 {
            assert_eq!(best(f), top);
        }
    }
}

#[test]
fn transformers_agrees() {
    for (name, allowed) in FIXTURES {
        let fixture = Fixture::load(name, KvFormat::F32, 128);
        let together = fixture.all_at_once();
        let (prefill, decode) = (
            nmse(&together, &fixture.logits),
            nmse(&fixture.one_by_one(), &fixture.logits),
        );
        println!("{name}: NMSE {prefill:.2e} in one chunk, {decode:.2e} token by token");
        assert!(
            prefill <= allowed && decode <= allowed,
            "{name}: {prefill:e}, {decode:e}, allowed {allowed:e}"
        );
        same_best(
            &together,
            &fixture.logits,
            fixture.model.config().vocabulary,
        );
    }
}

/// In a context no longer than that of the first training LongRoPE has other factors, also for a text that would fit either.
#[test]
fn transformers_agrees_on_short_contexts_of_longrope() {
    let name = "phi3-longrope-f32";
    let device = Device::open(Preference::Cpu).unwrap();
    let bytes = std::fs::read(fixture(&format!("{name}.safetensors"))).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |name: &str| expected.tensor(name).unwrap().data().to_vec();
    let tokens: Vec<u32> = values_of(&tensor("tokens"));
    let options = LoadOptions {
        kv_format: KvFormat::F32,
        context: Some(16),
        ..LoadOptions::default()
    };
    let file = Checkpoint::open(fixture(&format!("{name}.gguf"))).unwrap();
    let model = Model::load(&device, &file, &options).unwrap();
    let mut logits = Vec::new();
    let mut session = model.session().unwrap();
    session
        .forward_each(&tokens[..16], |_, row| logits.extend_from_slice(row))
        .unwrap();
    let error = nmse(&logits, &values_of::<f32>(&tensor("short_logits")));
    println!("{name}: NMSE {error:.2e} in a short context");
    assert!(error <= 1e-8, "{error:e}");
    let long = nmse(
        &logits,
        &values_of::<f32>(&tensor("logits"))[..logits.len()],
    );
    assert!(long > 1e-4, "{long:e}");
}

#[test]
fn chunks_of_any_size_agree() {
    for name in [
        "llama-window-f32",
        "qwen3-untied-q8_0",
        "qwen3moe-f32",
        "gemma2-f32",
        "gemma3-f32",
        "gemma4-f32",
        "gemma4-dense-q8_0",
        "gemma4-moe-f32",
        "phi3-longrope-f32",
        "qwen35-f32",
        "qwen35-tied-q8_0",
        "qwen3next-mixed",
        "deepseek2-f32",
        "deepseek2-lite-q8_0",
    ] {
        let whole = Fixture::load(name, KvFormat::F32, 128).all_at_once();
        for chunk in [1, 2, 3, 5, 8, 31] {
            let fixture = Fixture::load(name, KvFormat::F32, chunk);
            let error = nmse(&fixture.all_at_once(), &whole);
            assert!(error <= 1e-11, "{name} in chunks of {chunk}: {error:e}");
            let last = fixture
                .model
                .session()
                .unwrap()
                .forward(&fixture.tokens)
                .unwrap()
                .to_vec::<f32>()
                .unwrap();
            let error = nmse(&last, &whole[whole.len() - last.len()..]);
            assert!(
                error <= 1e-11,
                "last of {name} in chunks of {chunk}: {error:e}"
            );
        }
    }
}

/// Layers with a window keep rings of what it shows, where passes are short enough; texts here are several times as long. To the bit, the logits are those
/// over caches that keep every token, as models have that are loaded for passes as long as the context.
#[test]
fn rings_show_what_whole_caches_do() {
    const CHUNK: usize = 3;
    for (name, format) in [
        ("llama-window-f32", KvFormat::F32),
        ("gemma2-f32", KvFormat::F32),
        ("gemma2-head256-q8_0", KvFormat::Q8_0),
        ("gemma2-head256-q8_0", KvFormat::Tq4),
        ("gemma3-f32", KvFormat::F16),
        ("gemma4-f32", KvFormat::BF16),
        ("gemma4-moe-f32", KvFormat::F32),
        ("phi3-window-q8_0", KvFormat::F16),
    ] {
        let ring = Fixture::load(name, format, CHUNK);
        let whole = Fixture::load(name, format, 256);
        let (small, large) = (ring.model.memory(), whole.model.memory());
        assert!(small.windows_save > 0 && large.windows_save == 0, "{name}");
        assert_eq!(
            small.kv_cache + small.windows_save,
            large.kv_cache,
            "{name}"
        );
        let window = ring.model.config().window.as_ref().unwrap().size;
        // Several times over, so that places are taken often, and with passes of any length.
        let text: Vec<u32> = ring.tokens.iter().copied().cycle().take(100).collect();
        assert!(text.len() > 10 * window);
        let read = |fixture: &Fixture| {
            let mut session = fixture.model.session().unwrap();
            let mut logits = Vec::new();
            let mut left = text.as_slice();
            for tokens in [CHUNK, 1, 2].into_iter().cycle() {
                let (ids, rest) = left.split_at(tokens.min(left.len()));
                let row = session.forward(ids).unwrap();
                logits.extend(row.to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()));
                left = rest;
                if left.is_empty() {
                    return logits;
                }
            }
            logits
        };
        assert!(
            read(&ring) == read(&whole),
            "{name} with a cache of {format}"
        );
    }
}

/// What a cache rounds away, as a fraction of the squares of what it holds, if that is normal: a twelfth of the squared step, which halves and
/// BF16 have of 2^-10.5 and 2^-7.5 of a value on average, and blocks of 32 of their largest magnitude, about 2.1 deviations, by 127 or 8. These
/// random models make the logits' error up to fifty times as large.
#[test]
fn caches_of_fewer_bits_are_close() {
    const GROWTH: f64 = 100.0;
    for name in [
        "llama-gqa2-f32",
        "qwen3-tied-f32",
        "gemma2-f32",
        "gemma4-f32",
        "qwen35-f32",
        "deepseek2-f32",
    ] {
        let formats = [
            (KvFormat::F16, 2f64.powf(-10.5)),
            (KvFormat::BF16, 2f64.powf(-7.5)),
            (KvFormat::Q8_0, 2.1 / 127.0),
            (KvFormat::Q4_0, 2.1 / 8.0),
        ];
        // There are no blocks of latent rows.
        let there = if name.starts_with("deepseek") { 2 } else { 4 };
        for (format, step) in formats.into_iter().take(there) {
            let lost = step * step / 12.0;
            let fixture = Fixture::load(name, format, 7);
            let chunks = nmse(&fixture.all_at_once(), &fixture.logits);
            let single = nmse(&fixture.one_by_one(), &fixture.logits);
            println!(
                "{name}: NMSE {chunks:.2e} in chunks, {single:.2e} token by token with a cache of {format}, which loses {lost:.2e}"
            );
            let allowed = lost / GROWTH..lost * GROWTH;
            assert!(
                allowed.contains(&chunks) && allowed.contains(&single),
                "{name}, {format}: {chunks:e}, {single:e}"
            );
        }
    }
}

/// The same of TurboQuant, which loses the distortion of its codebooks.
#[test]
fn caches_of_turboquant_are_close() {
    const GROWTH: f64 = 100.0;
    let formats = [
        (2, KvFormat::Tq2),
        (3, KvFormat::Tq3),
        (4, KvFormat::Tq4),
        (5, KvFormat::Tq5),
        (6, KvFormat::Tq6),
        (8, KvFormat::Tq8),
    ];
    let of_qwen = formats.map(|format| ("qwen3-tied-f32", format));
    for (name, (bits, format)) in of_qwen.into_iter().chain([("gemma4-f32", formats[2])]) {
        let lost = mettle_kernels::formats::turbo_distortion(bits).unwrap();
        let fixture = Fixture::load(name, format, 7);
        let chunks = nmse(&fixture.all_at_once(), &fixture.logits);
        let single = nmse(&fixture.one_by_one(), &fixture.logits);
        println!(
            "{name}: NMSE {chunks:.2e} in chunks, {single:.2e} token by token in {format}, which loses {lost:.2e}"
        );
        let allowed = lost / GROWTH..(lost * GROWTH).min(0.9);
        assert!(
            allowed.contains(&chunks) && allowed.contains(&single),
            "{format}: {chunks:e}, {single:e}"
        );
    }
}

#[test]
fn sessions_are_independent_and_can_start_again() {
    for name in ["llama-gqa2-f32", "qwen35-f32"] {
        independent(&Fixture::load(name, KvFormat::F32, 16));
    }
}

fn independent(fixture: &Fixture) {
    let (mut a, mut b) = (
        fixture.model.session().unwrap(),
        fixture.model.session().unwrap(),
    );
    let read = |session: &mut mettle_models::Session, ids: &[u32]| {
        session.forward(ids).unwrap().to_vec::<f32>().unwrap()
    };
    let first = read(&mut a, &fixture.tokens[..10]);
    read(&mut b, &fixture.tokens[10..20]);
    let second = read(&mut a, &fixture.tokens[10..20]);
    a.clear();
    assert_eq!(read(&mut a, &fixture.tokens[..10]), first);
    assert_eq!(read(&mut a, &fixture.tokens[10..20]), second);
}

/// Fixtures with scaled rotary frequencies, against llama.cpp (`tools/fixtures/make_rope_scaling.py`).
#[test]
fn llama_cpp_agrees_on_scaled_frequencies() {
    let bytes = std::fs::read(fixture("rope-scaling.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let positions: Vec<i32> = values_of(expected.tensor("positions").unwrap().data());
    let variants = [
        ("llama-linear", "llama-gqa2-f32", "linear", 4.0, None),
        ("llama-yarn", "llama-gqa2-f32", "yarn", 4.0, Some(16u32)),
        ("qwen3-yarn", "qwen3-tied-f32", "yarn", 8.0, Some(32)),
    ];
    for (variant, name, kind, factor, original) in variants {
        let plain = Fixture::load(name, KvFormat::F32, 128);
        let mut builder = decoded(&fixture(&format!("{name}.gguf")));
        let architecture = plain.model.config().architecture.name();
        let key = |key: &str| format!("{architecture}.rope.scaling.{key}");
        builder.set(&key("type"), kind);
        builder.set(&key("factor"), factor);
        if let Some(original) = original {
            builder.set(&key("original_context_length"), original);
        }
        let (_folder, path) = temporary("scaled.gguf", &builder.build());
        let options = LoadOptions {
            kv_format: KvFormat::F32,
            ..LoadOptions::default()
        };
        let model = Model::load(
            plain.model.device(),
            &Checkpoint::open(path).unwrap(),
            &options,
        )
        .unwrap();
        let mut found = Vec::new();
        let mut session = model.session().unwrap();
        session
            .forward_each(&plain.tokens, |i, row| {
                if positions.contains(&(i as i32)) {
                    found.extend_from_slice(row);
                }
            })
            .unwrap();
        let error = nmse(
            &found,
            &values_of::<f32>(expected.tensor(variant).unwrap().data()),
        );
        println!("{variant}: NMSE {error:.2e}");
        assert!(error <= 1e-8, "{variant}: {error:e}");
    }
}
