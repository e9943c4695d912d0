//! Files that are damaged or not what they claim: each gets an error that says so.

use std::fs;

use mettle_models::gguf::{Array, File, Header, Problem, Value};

use crate::support::{Builder, fixture, small_llama, temporary};

fn problem(bytes: &[u8]) -> Problem {
    Header::parse(bytes).expect_err("the header should be refused")
}

fn says(bytes: &[u8], wanted: &str) {
    let message = problem(bytes).to_string();
    assert!(message.contains(wanted), "{message:?} lacks {wanted:?}");
}

#[test]
fn not_a_gguf_file() {
    says(b"", "not a GGUF file: it starts with \"\"");
    says(b"GGU", "not a GGUF file: it starts with \"GGU\"");
    says(
        b"PK\x03\x04 a zip file",
        "not a GGUF file: it starts with \"PK\\x03\\x04\"",
    );
    says(
        b"GGUF",
        "the file ends early: version at byte 4 needs 4 bytes, 0 are left",
    );
    says(b"FUGG\x00\x00\x00\x03", "big-endian");
    says(b"GGUF\x00\x00\x00\x03 and so on", "big-endian");
    says(
        b"GGUF\x01\x00\x00\x00 and so on",
        "GGUF version 1 is not supported; versions 2 and 3 are",
    );
    says(
        b"GGUF\x04\x00\x00\x00 and so on",
        "GGUF version 4 is not supported",
    );
    says(
        b"GGUF\x00\x00\x00\x00 and so on",
        "GGUF version 0 is not supported",
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &std::path::Path| File::open(path).err().unwrap().to_string();
    let missing = folder.path().join("absent.gguf");
    assert!(message(&missing).starts_with(&format!("cannot read {}: ", missing.display())));
    assert!(
        message(folder.path()).contains("is a directory"),
        "{}",
        message(folder.path())
    );
    let empty = folder.path().join("empty.gguf");
    fs::write(&empty, b"").unwrap();
    assert!(
        message(&empty).contains("empty.gguf: not a GGUF file"),
        "{}",
        message(&empty)
    );
}

/// Every prefix of a small file is refused, wherever the cut falls.
#[test]
fn truncated_at_every_byte() {
    let bytes = small_llama()
        .pair(
            "nested",
            Value::Array(Array::Array(vec![Array::I32(vec![1, 2]); 3])),
        )
        .tensor_f32("a", &[4, 4], &[0.5; 16])
        .tensor_f32("b", &[3], &[0.5; 3])
        .build();
    Header::parse(&bytes).unwrap();
    for len in 0..bytes.len() {
        problem(&bytes[..len]);
    }
}

/// Of real files, every kilobyte of the header and of the data.
#[test]
fn truncated_at_every_kilobyte() {
    for name in ["qwen3-tied-q4_0.gguf", "llama-gqa2-f32.gguf"] {
        let bytes = fs::read(fixture(name)).unwrap();
        for len in (0..bytes.len())
            .step_by(1024)
            .chain(bytes.len() - 40..bytes.len())
        {
            let found = problem(&bytes[..len]);
            let expected = matches!(
                found,
                Problem::Magic { .. }
                    | Problem::Truncated { .. }
                    | Problem::Count { .. }
                    | Problem::TensorRange { .. }
            );
            assert!(expected, "{name} cut at {len}: {found}");
        }
        let (_folder, path) = temporary("cut.gguf", &bytes[..bytes.len() / 2]);
        let message = File::open(&path).err().unwrap().to_string();
        assert!(message.contains("cut.gguf: tensor `"), "{message}");
    }
}

/// The position of the only occurrence of a pattern.
fn find(bytes: &[u8], pattern: &[u8]) -> usize {
    let mut places = bytes
        .windows(pattern.len())
        .enumerate()
        .filter(|(_, w)| *w == pattern);
    let (at, _) = places.next().expect("the pattern occurs");
    assert!(places.next().is_none(), "the pattern occurs once");
    at
}

fn overwrite(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at..at + with.len()].copy_from_slice(with);
    changed
}

/// A length that memory could never hold must be refused by comparing it with the file, before anything is reserved.
#[test]
fn absurd_lengths() {
    let bytes = Builder::new()
        .pair("the.text", "abcdefgh")
        .pair("the.array", vec![3i32; 5])
        .pair("the.strings", vec!["s".to_owned(); 4])
        .pair(
            "the.nested",
            Value::Array(Array::Array(vec![Array::U8(vec![9])])),
        )
        .tensor_f32("weights", &[4], &[0.0; 4])
        .build();
    Header::parse(&bytes).unwrap();
    // Counts and lengths are 64-bit; `behind` is how far before the pattern's end the length starts.
    let places = [
        ("tensor count", 8),
        ("metadata count", 16),
        ("metadata key", find(&bytes, b"the.text") - 8),
        ("metadata value", find(&bytes, b"abcdefgh") - 8),
        ("array length", find(&bytes, b"the.array") + 9 + 8),
        ("array length", find(&bytes, b"the.strings") + 11 + 8),
        ("array string", find(&bytes, b"the.strings") + 11 + 16),
        ("array length", find(&bytes, b"the.nested") + 10 + 8),
        ("array length", find(&bytes, b"the.nested") + 10 + 20),
        ("tensor name", find(&bytes, b"weights") - 8),
    ];
    for (what, at) in places {
        for absurd in [
            u64::MAX,
            i64::MAX as u64,
            1 << 62,
            1 << 40,
            bytes.len() as u64 + 1,
        ] {
            let changed = overwrite(&bytes, at, &absurd.to_le_bytes());
            let message = problem(&changed).to_string();
            assert!(
                message.contains(what) && message.contains(&absurd.to_string()),
                "{what}: {message}"
            );
        }
    }
}

#[test]
fn absurd_tensors() {
    let bytes = Builder::new()
        .tensor_f32("weights", &[4, 8], &[0.0; 32])
        .build();
    let dimensions = find(&bytes, b"weights") + 7;
    let (inner, outer, type_id, offset) = (
        dimensions + 4,
        dimensions + 12,
        dimensions + 20,
        dimensions + 24,
    );
    let with = |at: usize, value: u64| overwrite(&bytes, at, &value.to_le_bytes());

    says(
        &overwrite(&bytes, dimensions, &5u32.to_le_bytes()),
        "tensor `weights` has 5 dimensions, at most 4",
    );
    says(
        &overwrite(&bytes, dimensions, &u32::MAX.to_le_bytes()),
        "has 4294967295 dimensions",
    );
    says(
        &with(inner, 0),
        "tensor `weights` has the impossible shape [0, 4]",
    );
    says(
        &with(outer, u64::MAX),
        "tensor `weights` has the impossible shape [8, 18446744073709551615]",
    );
    says(
        &with(outer, 1 << 62),
        "tensor `weights` has the impossible shape",
    );
    says(&with(outer, 5), "tensor `weights` needs bytes");
    says(
        &with(offset, 16),
        "tensor `weights` lies at offset 16, which is not a multiple of the alignment 32",
    );
    says(&with(offset, u64::MAX - 31), "tensor `weights` needs bytes");
    says(&with(offset, 32), "tensor `weights` needs bytes");
    // The same 32 values cannot be a row of 8 in blocks of 32.
    says(
        &overwrite(&bytes, type_id, &2u32.to_le_bytes()),
        "tensor `weights`: rows of 8 values are not a multiple of the 32 values of a Q4_0 block",
    );
    for (id, wanted) in [
        (16, "stored as IQ2_XXS (type 16), which is not supported"),
        (39, "stored as MXFP4 (type 39), which is not supported"),
        (4, "stored as unknown type 4, which is not supported"),
        (1234, "stored as unknown type 1234, which is not supported"),
        (
            42,
            "of type 42, which has three meanings: the room for its tensors is neither",
        ),
    ] {
        says(&overwrite(&bytes, type_id, &u32::to_le_bytes(id)), wanted);
    }
}

#[test]
fn contradictions() {
    let mut twice = Builder::new().pair("k", 1u32);
    twice.pairs.push(("k".to_owned(), Value::U32(2)));
    says(&twice.build(), "metadata key `k` occurs twice");

    let tensors = Builder::new()
        .tensor_f32("t", &[1], &[0.0])
        .tensor_f32("t", &[1], &[0.0]);
    says(&tensors.build(), "tensor `t` occurs twice");

    for alignment in [0u32, 1, 4, 24, 33] {
        says(
            &Builder::new().pair("general.alignment", alignment).build(),
            &format!("general.alignment is u32 {alignment}, wanted a power of two of at least 8"),
        );
    }
    says(
        &Builder::new().pair("general.alignment", "32").build(),
        "general.alignment is string \"32\"",
    );

    let mut deep = Array::U8(vec![1]);
    for _ in 0..9 {
        deep = Array::Array(vec![deep]);
    }
    says(
        &Builder::new().pair("deep", Value::Array(deep)).build(),
        "metadata key `deep`: arrays are nested more than 8 deep",
    );

    let bytes = Builder::new()
        .pair("flag", true)
        .pair("word", "qqq")
        .build();
    let flag = find(&bytes, b"flag") + 4;
    says(
        &overwrite(&bytes, flag + 4, &[2]),
        "metadata key `flag`: a boolean is stored as 2, wanted 0 or 1",
    );
    says(
        &overwrite(&bytes, flag, &[13]),
        "metadata key `flag` has unknown value type 13",
    );
    says(
        &overwrite(&bytes, flag - 4, &[0xff]),
        "metadata key at byte 24 is not valid UTF-8",
    );
    says(
        &overwrite(&bytes, find(&bytes, b"qqq"), &[0xc0]),
        "metadata value at byte",
    );
}
