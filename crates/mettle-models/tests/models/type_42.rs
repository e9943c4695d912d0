//! The three layouts that share tensor type id 42: told apart or refused.

use mettle_gpu::Format;
use mettle_models::gguf::{Header, Problem, Value};

use crate::support::{Builder, TensorSpec};

/// A file with a tensor of `values` in rows of 128 for each entry, in blocks of `len` values and `bytes` bytes.
fn file(values: &[usize], (len, bytes): (usize, usize)) -> Builder {
    let mut builder = Builder::new();
    for (i, values) in values.iter().enumerate() {
        builder.tensors.push(TensorSpec {
            name: format!("w{i}"),
            shape: vec![128, (values / 128) as u64],
            type_id: 42,
            data: vec![1; values / len * bytes],
        });
    }
    builder
}

const GROUPS_OF_64: (usize, usize) = (64, 18);
const GROUPS_OF_128: (usize, usize) = (128, 34);

fn marked(builder: Builder) -> Builder {
    builder.pair("general.quantization_version", "TQ2_0_G128")
}

fn reason(bytes: &[u8]) -> String {
    match Header::parse(bytes).expect_err("type 42 should be refused") {
        Problem::Type42 { name, reason } => {
            assert_eq!(name, "w0");
            reason
        }
        other => panic!("{other}"),
    }
}

#[test]
fn ternary_files_are_read() {
    for sizes in [&[8192][..], &[8192, 128, 256], &[128, 128]] {
        let header = Header::parse(&marked(file(sizes, GROUPS_OF_128)).build()).unwrap();
        for (tensor, size) in header.tensors.iter().zip(sizes) {
            assert_eq!(tensor.format, Format::TQ2_0_g128);
            assert_eq!(tensor.shape, [size / 128, 128]);
            assert_eq!(tensor.range.len(), size / 128 * 34);
        }
    }
    // In any case of letters; and among tensors of other types, which lie between.
    let mut builder = file(&[8192], GROUPS_OF_128)
        .pair("general.quantization_version", "tq2_0_g128")
        .tensor_f32("norm", &[4], &[1.0; 4]);
    builder.tensors.push(TensorSpec {
        name: "w1".to_owned(),
        shape: vec![128],
        type_id: 42,
        data: vec![0; 34],
    });
    let header = Header::parse(&builder.build()).unwrap();
    assert_eq!(header.tensors[2].format, Format::TQ2_0_g128);
}

#[test]
fn other_layouts_are_named_and_refused() {
    for version in [None, Some(2u32)] {
        let with_version = |builder: Builder| match version {
            Some(version) => builder.pair("general.quantization_version", version),
            None => builder,
        };
        let found = reason(&with_version(file(&[8192, 128], GROUPS_OF_64)).build());
        assert!(found.contains("Q2_0 in groups of 64"), "{found}");

        let found = reason(&with_version(file(&[8192, 128], GROUPS_OF_128)).build());
        let wanted = match version {
            Some(_) => {
                "general.quantization_version is u32 2, not \"TQ2_0_G128\": this is the Q2_0 of an older fork"
            }
            None => "without general.quantization_version",
        };
        assert!(found.contains(wanted), "{found}");

        // 34 or 36 bytes are 64 with their padding.
        let found = reason(&with_version(file(&[128], GROUPS_OF_128)).build_padded());
        assert!(
            found.contains("too small for their sizes to tell"),
            "{found}"
        );
    }
    // Groups of 64 stay what they are, whatever the metadata say.
    let found = reason(&marked(file(&[8192], GROUPS_OF_64)).build());
    assert!(found.contains("Q2_0 in groups of 64"), "{found}");
}

#[test]
fn sizes_that_fit_nothing_are_refused() {
    for (values, at, shape) in [
        (8192, 0, 64u64),
        (8192, 1, 65),
        (8192, 1, u64::MAX),
        (8192, 1, 1),
    ] {
        let mut builder = marked(file(&[values], GROUPS_OF_128));
        builder.tensors[0].shape[at] = shape;
        let found = reason(&builder.build());
        assert!(
            found.contains("neither that of groups of 64 nor of 128"),
            "{shape}: {found}"
        );
    }
    // Two tensors of different layouts.
    let mut builder = marked(file(&[8192], GROUPS_OF_128));
    let mut other = file(&[8192], GROUPS_OF_64).tensors.remove(0);
    other.name = "w1".to_owned();
    builder.tensors.push(other);
    let found = reason(&builder.build());
    assert!(found.contains("neither"), "{found}");
    // A tensor that would start behind the end of the file.
    let bytes = marked(file(&[8192], GROUPS_OF_128)).build();
    assert!(Header::parse(&bytes[..bytes.len() - 8192 / 128 * 34]).is_err());
    let header = marked(Builder::new().pair("x", Value::U8(1)));
    assert!(Header::parse(&header.build()).is_ok());
}
