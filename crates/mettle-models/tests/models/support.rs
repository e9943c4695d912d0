//! Writes GGUF files, well-formed and otherwise.

use std::path::{Path, PathBuf};

use mettle_gpu::Format;
use mettle_kernels::formats;
use mettle_models::gguf::{Array, File, Value};

/// A GGUF file in the making.
#[derive(Clone)]
pub struct Builder {
    pub version: u32,
    pub alignment: usize,
    pub pairs: Vec<(String, Value)>,
    pub tensors: Vec<TensorSpec>,
}

/// A tensor as the file describes it.
#[derive(Clone)]
pub struct TensorSpec {
    pub name: String,
    /// Innermost dimension first.
    pub shape: Vec<u64>,
    pub type_id: u32,
    pub data: Vec<u8>,
}

impl Builder {
    pub fn new() -> Self {
        Self {
            version: 3,
            alignment: 32,
            pairs: Vec::new(),
            tensors: Vec::new(),
        }
    }

    pub fn pair(mut self, key: &str, value: impl IntoValue) -> Self {
        self.set(key, value);
        self
    }

    /// Sets a key, in place where it is there already.
    pub fn set(&mut self, key: &str, value: impl IntoValue) {
        let value = value.into_value();
        match self.pairs.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value,
            None => self.pairs.push((key.to_owned(), value)),
        }
    }

    pub fn remove(&mut self, key: &str) {
        self.pairs.retain(|(k, _)| k != key);
    }

    /// An F32 tensor; shape outermost first, as the library gives it.
    pub fn tensor_f32(mut self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        self.tensors.push(TensorSpec {
            name: name.to_owned(),
            shape: shape.iter().rev().map(|&d| d as u64).collect(),
            type_id: 0,
            data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        });
        self
    }

    pub fn header(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.pairs.len() as u64).to_le_bytes());
        for (key, value) in &self.pairs {
            string(&mut out, key);
            write_value(&mut out, value);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            string(&mut out, &tensor.name);
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            for dimension in &tensor.shape {
                out.extend(dimension.to_le_bytes());
            }
            out.extend(tensor.type_id.to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset = (offset + tensor.data.len()).next_multiple_of(self.alignment);
        }
        out
    }

    pub fn build(&self) -> Vec<u8> {
        let mut out = self.header();
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(self.alignment), 0);
            out.extend(&tensor.data);
        }
        out
    }

    /// As [`Builder::build`], with the last tensor padded as the others are.
    pub fn build_padded(&self) -> Vec<u8> {
        let mut out = self.build();
        out.resize(out.len().next_multiple_of(self.alignment), 0);
        out
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    macro_rules! scalar {
        ($id:literal, $v:expr) => {{
            out.extend(u32::to_le_bytes($id));
            out.extend($v.to_le_bytes());
        }};
    }
    match value {
        Value::U8(v) => scalar!(0, v),
        Value::I8(v) => scalar!(1, v),
        Value::U16(v) => scalar!(2, v),
        Value::I16(v) => scalar!(3, v),
        Value::U32(v) => scalar!(4, v),
        Value::I32(v) => scalar!(5, v),
        Value::F32(v) => scalar!(6, v),
        Value::Bool(v) => scalar!(7, u8::from(*v)),
        Value::String(v) => {
            out.extend(8u32.to_le_bytes());
            string(out, v);
        }
        Value::Array(v) => {
            out.extend(9u32.to_le_bytes());
            write_array(out, v);
        }
        Value::U64(v) => scalar!(10, v),
        Value::I64(v) => scalar!(11, v),
        Value::F64(v) => scalar!(12, v),
    }
}

fn write_array(out: &mut Vec<u8>, array: &Array) {
    macro_rules! scalars {
        ($id:literal, $v:expr) => {{
            out.extend(u32::to_le_bytes($id));
            out.extend(($v.len() as u64).to_le_bytes());
            $v.iter().for_each(|v| out.extend(v.to_le_bytes()));
        }};
    }
    match array {
        Array::U8(v) => scalars!(0, v),
        Array::I8(v) => scalars!(1, v),
        Array::U16(v) => scalars!(2, v),
        Array::I16(v) => scalars!(3, v),
        Array::U32(v) => scalars!(4, v),
        Array::I32(v) => scalars!(5, v),
        Array::F32(v) => scalars!(6, v),
        Array::Bool(v) => scalars!(7, v.iter().map(|&b| u8::from(b)).collect::<Vec<_>>()),
        Array::String(v) => {
            out.extend(8u32.to_le_bytes());
            out.extend((v.len() as u64).to_le_bytes());
            v.iter().for_each(|v| string(out, v));
        }
        Array::Array(v) => {
            out.extend(9u32.to_le_bytes());
            out.extend((v.len() as u64).to_le_bytes());
            v.iter().for_each(|v| write_array(out, v));
        }
        Array::U64(v) => scalars!(10, v),
        Array::I64(v) => scalars!(11, v),
        Array::F64(v) => scalars!(12, v),
    }
}

/// What tests write as metadata values.
pub trait IntoValue {
    fn into_value(self) -> Value;
}

macro_rules! into_value {
    ($($ty:ty, $v:ident => $value:expr;)*) => {$(
        impl IntoValue for $ty {
            fn into_value(self) -> Value {
                let $v = self;
                $value
            }
        }
    )*};
}
into_value! {
    Value, v => v;
    u16, v => Value::U16(v);
    u32, v => Value::U32(v);
    i32, v => Value::I32(v);
    f32, v => Value::F32(v);
    bool, v => Value::Bool(v);
    &str, v => Value::String(v.to_owned());
    Vec<String>, v => Value::Array(Array::String(v));
    Vec<i32>, v => Value::Array(Array::I32(v));
    Vec<f32>, v => Value::Array(Array::F32(v));
}

/// Path of a committed fixture.
pub fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name]
        .iter()
        .collect()
}

/// Writes a file into a folder of its own, which lives as long as the first of the pair.
pub fn temporary(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// GPT-2's letter of each byte.
pub fn byte_letters() -> Vec<String> {
    let mut free = '\u{100}'..;
    (0..=255u8)
        .map(|byte| match byte {
            0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => (byte as char).to_string(),
            _ => free.next().unwrap().to_string(),
        })
        .collect()
}

/// A byte-level tokenizer and the hyper-parameters of a small llama; no tensors.
pub fn small_llama() -> Builder {
    let mut tokens = byte_letters();
    tokens.extend(["Ġt", "Ġth", "he", "<|end|>", "<|user|>"].map(str::to_owned));
    let mut kinds = vec![1; tokens.len()];
    kinds[259] = 3;
    kinds[260] = 4;
    Builder::new()
        .pair("general.architecture", "llama")
        .pair("llama.block_count", 1u32)
        .pair("llama.context_length", 64u32)
        .pair("llama.embedding_length", 64u32)
        .pair("llama.feed_forward_length", 96u32)
        .pair("llama.attention.head_count", 4u32)
        .pair("llama.attention.head_count_kv", 2u32)
        .pair("llama.attention.layer_norm_rms_epsilon", 1e-5f32)
        .pair("tokenizer.ggml.model", "gpt2")
        .pair("tokenizer.ggml.pre", "qwen2")
        .pair("tokenizer.ggml.tokens", tokens)
        .pair("tokenizer.ggml.token_type", kinds)
        .pair(
            "tokenizer.ggml.merges",
            ["Ġ t", "Ġt h", "h e"].map(str::to_owned).to_vec(),
        )
        .pair("tokenizer.ggml.eos_token_id", 259u32)
}

/// [`small_llama`] with random weights.
pub fn tiny_model() -> Builder {
    let (hidden, key, feed_forward, vocabulary) = (64, 32, 96, 261);
    let mut state = 1u64;
    let mut matrix = |builder: Builder, name: &str, rows: usize, columns: usize| {
        let values: Vec<f32> = (0..rows * columns)
            .map(|_| {
                // A linear congruential generator (Knuth's MMIX constants); the upper bits are random enough.
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * 3.0 / (columns as f32).sqrt()
            })
            .collect();
        builder.tensor_f32(name, &[rows, columns], &values)
    };
    let mut b = small_llama();
    b = matrix(b, "token_embd.weight", vocabulary, hidden);
    b = matrix(b, "blk.0.attn_q.weight", hidden, hidden);
    b = matrix(b, "blk.0.attn_k.weight", key, hidden);
    b = matrix(b, "blk.0.attn_v.weight", key, hidden);
    b = matrix(b, "blk.0.attn_output.weight", hidden, hidden);
    b = matrix(b, "blk.0.ffn_gate.weight", feed_forward, hidden);
    b = matrix(b, "blk.0.ffn_up.weight", feed_forward, hidden);
    b = matrix(b, "blk.0.ffn_down.weight", hidden, feed_forward);
    b = matrix(b, "output.weight", vocabulary, hidden);
    for name in [
        "blk.0.attn_norm.weight",
        "blk.0.ffn_norm.weight",
        "output_norm.weight",
    ] {
        b = b.tensor_f32(name, &[hidden], &vec![1.0; hidden]);
    }
    b
}

/// Mean squared error over the mean square of what was expected.
pub fn nmse(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let error: f64 = found
        .iter()
        .zip(expected)
        .map(|(&f, &e)| square(f - e))
        .sum();
    error / expected.iter().map(|&e| square(e)).sum::<f64>()
}

/// Little-endian values out of bytes at any alignment.
pub fn values_of<T: bytemuck::Pod>(bytes: &[u8]) -> Vec<T> {
    bytes
        .chunks_exact(size_of::<T>())
        .map(bytemuck::pod_read_unaligned)
        .collect()
}

/// A file with every tensor decoded to f32, as `tools/fixtures/to_f32.py` makes it.
pub fn decoded(path: &Path) -> Builder {
    let file = File::open(path).unwrap();
    let mut builder = Builder::new();
    builder.pairs = file
        .metadata()
        .iter()
        .map(|(k, v)| (k.to_owned(), v.clone()))
        .collect();
    for tensor in file.tensors() {
        let mut values = vec![0.0; tensor.shape.iter().product()];
        match tensor.format {
            Format::F32 => values = values_of(tensor.bytes()),
            format => formats::dequantize(format, tensor.bytes(), &mut values).unwrap(),
        }
        builder = builder.tensor_f32(&tensor.name, &tensor.shape, &values);
    }
    builder
}

/// A file of the command line's crate; where this crate is on its own, says that the test is skipped.
pub fn asset(name: &str) -> Option<PathBuf> {
    let path = [env!("CARGO_MANIFEST_DIR"), "..", "mettle", "assets", name]
        .iter()
        .collect::<PathBuf>();
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}
