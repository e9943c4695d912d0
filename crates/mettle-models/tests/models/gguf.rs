//! Reading well-formed files.

use mettle_models::{
    Error,
    gguf::{Array, File, Header, Value},
};

use crate::support::{Builder, fixture, temporary};

fn every_type() -> Builder {
    let nested = Array::Array(vec![
        Array::I32(vec![1, 2]),
        Array::String(vec!["a".to_owned()]),
        Array::Array(vec![Array::Bool(vec![])]),
    ]);
    Builder::new()
        .pair("a.u8", Value::U8(250))
        .pair("a.i8", Value::I8(-3))
        .pair("a.u16", Value::U16(65_000))
        .pair("a.i16", Value::I16(-30_000))
        .pair("a.u32", Value::U32(4_000_000_000))
        .pair("a.i32", Value::I32(-2_000_000_000))
        .pair("a.f32", Value::F32(0.5))
        .pair("a.bool", Value::Bool(true))
        .pair("a.string", Value::String("żółw".to_owned()))
        .pair("a.u64", Value::U64(u64::MAX))
        .pair("a.i64", Value::I64(i64::MIN))
        .pair("a.f64", Value::F64(1e300))
        .pair("b.u8", Value::Array(Array::U8(vec![1, 2])))
        .pair("b.i8", Value::Array(Array::I8(vec![-1])))
        .pair("b.u16", Value::Array(Array::U16(vec![1])))
        .pair("b.i16", Value::Array(Array::I16(vec![-1])))
        .pair("b.u32", Value::Array(Array::U32(vec![])))
        .pair("b.i32", Value::Array(Array::I32(vec![7, 8, 9])))
        .pair("b.f32", Value::Array(Array::F32(vec![1.5])))
        .pair("b.bool", Value::Array(Array::Bool(vec![true, false])))
        .pair(
            "b.string",
            Value::Array(Array::String(vec!["x".to_owned(), String::new()])),
        )
        .pair("b.array", Value::Array(nested))
        .pair("b.u64", Value::Array(Array::U64(vec![1 << 40])))
        .pair("b.i64", Value::Array(Array::I64(vec![-1 << 40])))
        .pair("b.f64", Value::Array(Array::F64(vec![0.25])))
}

#[test]
fn every_value_type_in_both_versions() {
    for version in [2, 3] {
        let mut builder = every_type();
        builder.version = version;
        let header = Header::parse(&builder.build()).unwrap();
        assert_eq!(header.version, version);
        let read: Vec<_> = header
            .metadata
            .iter()
            .map(|(k, v)| (k.to_owned(), v.clone()))
            .collect();
        assert_eq!(read, builder.pairs);
        assert_eq!(header.metadata.len(), builder.pairs.len());
    }
}

#[test]
fn typed_access() {
    let header = Header::parse(&every_type().build()).unwrap();
    let metadata = &header.metadata;
    assert_eq!(metadata.get::<u32>("a.u8").unwrap(), 250);
    assert_eq!(metadata.get::<u64>("a.u64").unwrap(), u64::MAX);
    assert_eq!(metadata.get::<f32>("a.f32").unwrap(), 0.5);
    assert!(metadata.get::<bool>("a.bool").unwrap());
    assert_eq!(metadata.get::<&str>("a.string").unwrap(), "żółw");
    assert_eq!(metadata.get::<&[i32]>("b.i32").unwrap(), [7, 8, 9]);
    assert_eq!(metadata.get::<&[String]>("b.string").unwrap(), ["x", ""]);
    assert_eq!(metadata.find::<u32>("absent").unwrap(), None);

    let message = |error: Error| error.to_string();
    assert_eq!(
        message(metadata.get::<u32>("absent").unwrap_err()),
        "metadata key `absent` is missing, wanted an integer (u32)"
    );
    assert_eq!(
        message(metadata.get::<u32>("a.i8").unwrap_err()),
        "metadata key `a.i8` is i8 -3, wanted an integer (u32)"
    );
    assert_eq!(
        message(metadata.find::<&str>("b.i32").unwrap_err()),
        "metadata key `b.i32` is array of 3 i32, wanted a string"
    );
    assert_eq!(
        message(metadata.get::<f32>("a.string").unwrap_err()),
        "metadata key `a.string` is string \"żółw\", wanted a float"
    );
}

#[test]
fn tensors_lie_where_the_file_says() {
    for alignment in [8usize, 32, 64] {
        let mut builder = Builder::new()
            .pair("general.alignment", alignment as u32)
            .tensor_f32("a", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
            .tensor_f32("b", &[1], &[7.0]);
        builder.alignment = alignment;
        let (_folder, path) = temporary("m.gguf", &builder.build());
        let file = File::open(&path).unwrap();
        let a = file.tensor("a").unwrap();
        assert_eq!(a.shape, [2, 3]);
        assert_eq!(a.format, mettle_gpu::Format::F32);
        let bytes: Vec<u8> = [1f32, 2.0, 3.0, 4.0, 5.0, 6.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        assert_eq!(a.bytes(), bytes);
        assert_eq!(file.tensor("b").unwrap().bytes(), 7f32.to_le_bytes());
        assert!(file.tensor("c").is_none());
        assert_eq!(file.tensors().len(), 2);
    }
}

#[test]
fn tensors_of_zero_dimensions_hold_one_value() {
    let header = Header::parse(&Builder::new().tensor_f32("scalar", &[], &[1.0]).build()).unwrap();
    assert_eq!(header.tensors[0].shape, [1]);
}

/// Files that another implementation (PyPI `gguf`) has written.
#[test]
fn fixtures_of_every_format_open() {
    for name in [
        "llama-gqa2-f32.gguf",
        "llama-gqa2-k.gguf",
        "llama-gqa4-q8_0.gguf",
        "llama-rope-scaled-f16.gguf",
        "qwen3-tied-k.gguf",
        "qwen3-tied-mixed.gguf",
        "qwen3-tied-q4_0.gguf",
    ] {
        let file = File::open(fixture(name)).unwrap();
        assert_eq!(file.version(), 3);
        for tensor in file.tensors() {
            let columns = *tensor.shape.last().unwrap();
            let rows: usize = tensor.shape[..tensor.shape.len() - 1].iter().product();
            assert_eq!(
                tensor.bytes().len(),
                rows * tensor.format.row_bytes(columns).unwrap()
            );
        }
        assert!(file.tensor("token_embd.weight").is_some());
    }
}

fn parts(count: u16) -> Vec<Builder> {
    (0..count)
        .map(|number| {
            Builder::new()
                .pair("split.no", number)
                .pair("split.count", count)
                .pair("split.tensors.count", i32::from(count))
                .tensor_f32(&format!("t{number}"), &[2], &[f32::from(number), 1.0])
        })
        .collect()
}

fn write_parts(parts: &[Builder]) -> (tempfile::TempDir, Vec<std::path::PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = (1..=parts.len())
        .map(|n| {
            folder
                .path()
                .join(format!("m-{n:05}-of-{:05}.gguf", parts.len()))
        })
        .collect::<Vec<_>>();
    for (part, path) in parts.iter().zip(&paths) {
        std::fs::write(path, part.build()).unwrap();
    }
    (folder, paths)
}

#[test]
fn split_files_open_as_one() {
    let (_folder, paths) = write_parts(&parts(3));
    let file = File::open(&paths[0]).unwrap();
    assert_eq!(file.tensors().len(), 3);
    assert_eq!(file.tensor("t2").unwrap().bytes()[..4], 2f32.to_le_bytes());
}

#[test]
fn split_files_that_do_not_belong_together() {
    let refused = |paths: &[std::path::PathBuf], wanted: &str| {
        let message = File::open(&paths[0]).err().unwrap().to_string();
        assert!(message.contains(wanted), "{message:?} lacks {wanted:?}");
    };

    let (_folder, paths) = write_parts(&parts(3));
    refused(&paths[1..], "the file is part 2 of 3; open the first part");
    std::fs::remove_file(&paths[2]).unwrap();
    refused(&paths, "part 3 of 3 is missing: there is no");
    std::fs::copy(&paths[1], &paths[2]).unwrap();
    refused(&paths, "the file is not part 3 of 3");

    let mut wrong_count = parts(2);
    wrong_count[0].set("split.tensors.count", 5i32);
    let (_folder, paths) = write_parts(&wrong_count);
    refused(
        &paths,
        "the parts hold 2 tensors, split.tensors.count says 5",
    );

    let mut twice = parts(2);
    twice[1].tensors[0].name = "t0".to_owned();
    let (_folder, paths) = write_parts(&twice);
    refused(&paths, "tensor `t0` occurs twice");

    let (_folder, path) = temporary("renamed.gguf", &parts(2)[0].build());
    refused(&[path], "its name does not end in -00001-of-00002.gguf");
}
