//! Mutated files: whatever the bytes, reading them ends in a value or an error, quickly and without a panic.
//!
//! `METTLE_FUZZ_SECONDS=600 cargo test -p mettle-models --test models fuzz_files -- --nocapture` runs longer. Each file
//! has a seed of its own; the first is printed, and of a failure the one that replays it.

use std::{
    env, fs,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mettle_gpu::{Device, Preference};
use mettle_models::{
    Checkpoint, Config, LoadOptions, Model, Tokenizer,
    chat::{ChatOptions, ChatTemplate, Message},
    gguf::Header,
};

use crate::support::{fixture, temporary, tiny_model};

/// xorshift64*: enough to choose what to break.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds must not start alike.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    env::var(variable).ok().map(|text| match text.parse() {
        Ok(n) => n,
        Err(_) => panic!("{variable}={text:?} is not a number"),
    })
}

/// Changes that find the places where readers trust what they read.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at.max(1)),
            3 => drop(bytes.drain(at..(at + random.below(16)).min(bytes.len()))),
            4 => {
                let part = bytes[at..(at + random.below(64)).min(bytes.len())].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, part);
            }
            5 => {
                let interesting = [
                    0,
                    1,
                    7,
                    8,
                    0x7fff_ffff,
                    0xffff_ffff,
                    1 << 32,
                    1 << 61,
                    i64::MAX as u64,
                    u64::MAX,
                ];
                let value = interesting[random.below(interesting.len())].to_le_bytes();
                let end = (at + 8).min(bytes.len());
                bytes[at..end].copy_from_slice(&value[..end - at]);
            }
            // Type ids and small counts are 32-bit.
            _ => {
                let value = (random.below(50) as u32).to_le_bytes();
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&value[..end - at]);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

/// A file to break, and how much of it is worth breaking: weights are only numbers.
struct Victim {
    bytes: Vec<u8>,
    header: usize,
}

/// Everything that is read from metadata, as far as it gets.
fn read_all(bytes: &[u8]) -> bool {
    let Ok(header) = Header::parse(bytes) else {
        return false;
    };
    let _ = Config::from_metadata(&header.metadata);
    if let Ok(tokenizer) = Tokenizer::from_gguf(&header.metadata) {
        if let Ok(ids) = tokenizer.encode_with_control("the <|end|> of 12 naïve\n things", true) {
            let _ = tokenizer.decode(&ids);
        }
        if let Ok(template) = ChatTemplate::from_gguf(&header.metadata, &tokenizer) {
            let _ = template.render(&[Message::new("user", "x")], ChatOptions::default());
        }
    }
    true
}

/// Loads a file as a model and runs it; whether it could be run.
fn run(device: &Device, path: &Path) -> bool {
    let forward = || -> mettle_models::Result<()> {
        let checkpoint = Checkpoint::open(path)?;
        let mut session = Model::load(device, &checkpoint, &LoadOptions::default())?.session()?;
        session.forward(&[1, 2, 3])?;
        session.forward(&[4])?;
        Ok(())
    };
    forward().is_ok()
}

/// Says how to run a single failure again.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!(
                "replay with METTLE_FUZZ_SECONDS=0 METTLE_FUZZ_SEED={}",
                self.0
            );
        }
    }
}

#[test]
fn fuzz_files() {
    let seconds = number("METTLE_FUZZ_SECONDS").unwrap_or(5.0);
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64
    };
    let seed = number("METTLE_FUZZ_SEED").unwrap_or_else(now);
    println!("METTLE_FUZZ_SEED={seed}");
    let template = "{% for m in messages %}{{ m.content | tojson }}{% endfor %}";
    let tiny = tiny_model().pair("tokenizer.chat_template", template);
    let mut victims = vec![Victim {
        bytes: tiny.build(),
        header: tiny.header().len(),
    }];
    for name in ["tokenizer-spm.gguf", "tokenizer-qwen2.gguf"] {
        let bytes = fs::read(fixture(name)).unwrap();
        let header = bytes.len();
        victims.push(Victim { bytes, header });
    }
    let device = Device::open(Preference::Cpu).unwrap();
    let (_folder, path) = temporary("mutated.gguf", &[]);
    let start = Instant::now();
    let (mut runs, mut read, mut loaded) = (0u64, 0u64, 0u64);
    while runs == 0 || start.elapsed() < Duration::from_secs_f64(seconds) {
        let seed = seed.wrapping_add(runs);
        let _replay = Replay(seed);
        let mut random = Random::new(seed);
        let which = random.below(victims.len());
        let victim = &victims[which];
        let mut header = victim.bytes[..victim.header].to_vec();
        mutate(&mut header, &mut random);
        header.extend_from_slice(&victim.bytes[victim.header..]);
        let one = Instant::now();
        if read_all(&header) {
            read += 1;
            if which == 0 {
                fs::write(&path, &header).unwrap();
                loaded += u64::from(run(&device, &path));
            }
        }
        runs += 1;
        assert!(
            one.elapsed() < Duration::from_secs(10),
            "a file took {:?}",
            one.elapsed()
        );
    }
    println!(
        "{runs} mutated files, {read} with a readable header, {loaded} of them models that ran"
    );
    assert!(seconds < 1.0 || (runs > 50 && read > 0));
}
