//! Mutated files: whatever the bytes, reading them ends in a value or an error, quickly and without a panic.
//!
//! `METTLE_FUZZ_SECONDS=600 cargo test -p mettle-models fuzz` runs longer; `METTLE_FUZZ_SEED=N` replays a run. The
//! seed is printed.

use std::{
    env, fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mettle_models::{
    Config, Tokenizer,
    chat::{ChatOptions, ChatTemplate, Message},
    gguf::Header,
};

use crate::support::{fixture, small_llama};

/// xorshift64*: enough to choose what to break.
struct Random(u64);

impl Random {
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

#[test]
fn fuzz_headers() {
    let seconds = number("METTLE_FUZZ_SECONDS").unwrap_or(4.0);
    let seed = number("METTLE_FUZZ_SEED").unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64
    });
    println!("METTLE_FUZZ_SEED={seed}");
    let template = "{% for m in messages %}{{ m.content | tojson }}{% endfor %}";
    let mut files = vec![
        small_llama()
            .pair("tokenizer.chat_template", template)
            .tensor_f32("a", &[2, 2], &[0.0; 4])
            .build(),
    ];
    for name in ["tokenizer-spm.gguf", "tokenizer-qwen2.gguf"] {
        files.push(fs::read(fixture(name)).unwrap());
    }
    let mut random = Random(seed | 1);
    let start = Instant::now();
    let (mut runs, mut read) = (0u64, 0u64);
    while start.elapsed() < Duration::from_secs_f64(seconds) {
        let mut bytes = files[random.below(files.len())].clone();
        mutate(&mut bytes, &mut random);
        let one = Instant::now();
        read += u64::from(read_all(&bytes));
        runs += 1;
        assert!(
            one.elapsed() < Duration::from_secs(5),
            "run {runs} took {:?}",
            one.elapsed()
        );
    }
    println!("{runs} mutated files, {read} of them with a readable header");
    assert!(runs > 50 && read > 0);
}
