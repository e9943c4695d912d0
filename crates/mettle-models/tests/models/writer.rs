//! Writing files: what is written is read back, and nothing is written that the reader would refuse.

use mettle_gpu::Format;
use mettle_models::{
    Error,
    gguf::{Array, Header, Metadata, NewTensor, Value, Writer},
};

use crate::support::{Builder, fixture};

fn tensor(name: &str, format: Format, shape: &[usize]) -> NewTensor {
    NewTensor {
        name: name.to_owned(),
        format,
        shape: shape.to_vec(),
    }
}

fn metadata(pairs: &[(&str, Value)]) -> Metadata {
    let mut metadata = Metadata::default();
    for (key, value) in pairs {
        metadata.set(*key, value.clone());
    }
    metadata
}

/// Files that `gguf` has written, written again: the same bytes.
#[test]
fn fixtures_are_written_as_they_are() {
    for name in [
        "llama-gqa2-f32.gguf",
        "qwen3-tied-k.gguf",
        "qwen3-tied-mixed.gguf",
        "tokenizer-spm.gguf",
    ] {
        let original = std::fs::read(fixture(name)).unwrap();
        let header = Header::parse(&original).unwrap();
        let tensors: Vec<NewTensor> = header
            .tensors
            .iter()
            .map(|info| tensor(&info.name, info.format, &info.shape))
            .collect();
        let mut writer = Writer::new(Vec::new(), &header.metadata, &tensors).unwrap();
        for info in &header.tensors {
            // In pieces that end anywhere.
            for piece in original[info.range.clone()].chunks(1000) {
                writer.write(piece).unwrap();
            }
        }
        let written = writer.finish().unwrap();
        assert!(written == original, "{name} differs");
    }
}

#[test]
fn every_value_type_is_written() {
    let nested = Array::Array(vec![
        Array::String(vec!["a".to_owned(), String::new()]),
        Array::Array(vec![Array::Bool(vec![true, false])]),
    ]);
    let pairs = [
        ("u8", Value::U8(250)),
        ("i8", Value::I8(-3)),
        ("u16", Value::U16(65_000)),
        ("i16", Value::I16(-30_000)),
        ("u32", Value::U32(4_000_000_000)),
        ("i32", Value::I32(-2_000_000_000)),
        ("f32", Value::F32(0.5)),
        ("bool", Value::Bool(true)),
        ("string", Value::String("żółw".to_owned())),
        ("u64", Value::U64(u64::MAX)),
        ("i64", Value::I64(i64::MIN)),
        ("f64", Value::F64(1e300)),
        ("[u8]", Value::Array(Array::U8(vec![1, 2]))),
        ("[i8]", Value::Array(Array::I8(vec![-1]))),
        ("[u16]", Value::Array(Array::U16(vec![1]))),
        ("[i16]", Value::Array(Array::I16(vec![-1]))),
        ("[u32]", Value::Array(Array::U32(vec![]))),
        ("[i32]", Value::Array(Array::I32(vec![7, 8, 9]))),
        ("[f32]", Value::Array(Array::F32(vec![1.5]))),
        ("[[]]", Value::Array(nested)),
        ("[u64]", Value::Array(Array::U64(vec![1 << 40]))),
        ("[i64]", Value::Array(Array::I64(vec![-1 << 40]))),
        ("[f64]", Value::Array(Array::F64(vec![0.25]))),
    ];
    let written = Writer::new(Vec::new(), &metadata(&pairs), &[])
        .unwrap()
        .finish()
        .unwrap();
    let header = Header::parse(&written).unwrap();
    for ((key, value), (found_key, found)) in pairs.iter().zip(header.metadata.iter()) {
        assert_eq!((*key, value), (found_key, found));
    }
    let mut builder = Builder::new();
    builder.pairs = pairs.map(|(key, value)| (key.to_owned(), value)).to_vec();
    assert_eq!(written[..builder.header().len()], builder.header());
    assert_eq!(written.len() % 32, 0);
}

#[test]
fn metadata_can_be_changed() {
    let mut metadata = metadata(&[
        ("a", Value::U8(1)),
        ("b.x", Value::U8(2)),
        ("c", Value::U8(3)),
    ]);
    metadata.set("a", Value::Bool(true));
    metadata.set("d", Value::U8(4));
    metadata.retain(|key| !key.starts_with("b."));
    let keys: Vec<_> = metadata.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a", "c", "d"]);
    assert_eq!(metadata.value("a"), Some(&Value::Bool(true)));
    assert_eq!(metadata.value("d"), Some(&Value::U8(4)));
    assert_eq!(metadata.value("b.x"), None);
}

#[test]
fn impossible_files_are_refused() {
    let empty = Metadata::default();
    let refused = |metadata: &Metadata, tensors: &[NewTensor], wanted: &str| {
        let error = Writer::new(Vec::new(), metadata, tensors).err();
        let message = error.expect("the file should be refused").to_string();
        assert!(message.contains(wanted), "{message:?} lacks {wanted:?}");
    };
    for (format, shape, wanted) in [
        (Format::KHQ4, &[32][..], "GGUF has no type for KHQ4"),
        (Format::Q4_K, &[2, 128], "whole blocks of 256"),
        (Format::F32, &[], "it has no dimensions"),
        (Format::F32, &[0, 4], "dimensions above zero"),
        (Format::F32, &[1, 1, 1, 1, 1], "one to four dimensions"),
        (Format::F32, &[usize::MAX, 4], "too large"),
        (
            Format::TQ2_0_g128,
            &[128],
            "needs general.quantization_version = \"TQ2_0_G128\"",
        ),
    ] {
        refused(&empty, &[tensor("t", format, shape)], wanted);
    }
    let t = tensor("t", Format::F32, &[2]);
    refused(&empty, &[t.clone(), t.clone()], "tensor `t` occurs twice");
    let alignment = metadata(&[("general.alignment", Value::U32(3))]);
    refused(&alignment, &[], "general.alignment is u32 3");

    let mut writer = Writer::new(Vec::new(), &empty, std::slice::from_ref(&t)).unwrap();
    assert!(matches!(writer.write(&[0; 9]), Err(Error::Write { .. })));
    writer.write(&[0; 4]).unwrap();
    assert!(matches!(writer.finish(), Err(Error::Write { .. })));
    let mut writer = Writer::new(Vec::new(), &empty, &[t]).unwrap();
    writer.write(&[0; 8]).unwrap();
    assert!(matches!(writer.write(&[0]), Err(Error::Write { .. })));
    assert_eq!(writer.finish().unwrap().len() % 32, 0);
}

#[test]
fn a_marked_ternary_file_is_read_back() {
    let marked = metadata(&[(
        "general.quantization_version",
        Value::String("TQ2_0_G128".to_owned()),
    )]);
    let tensors = [
        tensor("w", Format::TQ2_0_g128, &[3, 128]),
        tensor("f", Format::F8_E4M3, &[32]),
        tensor("g", Format::F8_E5M2, &[64]),
    ];
    let mut writer = Writer::new(Vec::new(), &marked, &tensors).unwrap();
    for bytes in [3 * 34, 34, 68] {
        writer.write(&vec![1; bytes]).unwrap();
    }
    let header = Header::parse(&writer.finish().unwrap()).unwrap();
    for (info, tensor) in header.tensors.iter().zip(tensors) {
        assert_eq!((info.format, &info.shape), (tensor.format, &tensor.shape));
    }
}
