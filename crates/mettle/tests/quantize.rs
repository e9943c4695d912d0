//! `mettle quantize` from outside: the files it writes, what it refuses, and what it leaves behind.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{assert_refused, json, mettle, run};
use mettle_gpu::Format;
use mettle_kernels::formats::{dequantize, quantize};
use mettle_models::gguf::{File, Metadata, NewTensor, Value, Writer};
use serde_json::Value as Json;

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../mettle-models/tests/fixtures")
        .join(name)
}

/// Runs `mettle quantize --json` and returns the report.
fn convert(input: &Path, output: &Path, options: &[&str]) -> Json {
    let files = ["quantize", text(input), text(output), "--json"];
    json(&run(&[&files[..], options].concat()))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn decoded(file: &File, name: &str) -> Vec<f32> {
    let tensor = file.tensor(name).unwrap();
    let mut values = vec![0.0; tensor.shape.iter().product()];
    dequantize(tensor.format, tensor.bytes(), &mut values).unwrap();
    values
}

/// Writes a file of f32 tensors.
fn write(path: &Path, pairs: &[(&str, Value)], tensors: &[(&str, &[usize], &[f32])]) {
    let mut metadata = Metadata::default();
    for (key, value) in pairs {
        metadata.set(*key, value.clone());
    }
    let new: Vec<NewTensor> = tensors
        .iter()
        .map(|(name, shape, _)| NewTensor {
            name: (*name).to_owned(),
            format: Format::F32,
            shape: shape.to_vec(),
        })
        .collect();
    let mut writer = Writer::new(Vec::new(), &metadata, &new).unwrap();
    for (_, _, values) in tensors {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        writer.write(&bytes).unwrap();
    }
    fs::write(path, writer.finish().unwrap()).unwrap();
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// llama.cpp, asked for the same format for every matrix, writes the same tensors and metadata, in another order.
#[test]
fn the_file_holds_what_llama_cpp_writes() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("q4_0.gguf");
    let report = convert(&model("qwen3-tied-f32.gguf"), &output, &["--type", "q4_0"]);
    assert_eq!(report["output"]["tensors"]["Q4_0"], 15);
    assert_eq!(report["output"]["tensors"]["F32"], 9);
    let bits = report["output"]["bits_per_weight"].as_f64().unwrap();
    assert!((4.6..4.7).contains(&bits), "{report}");
    assert_eq!(names_in(folder.path()), ["q4_0.gguf"]);

    let theirs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quantized-q4_0.gguf");
    let (ours, theirs) = (File::open(&output).unwrap(), File::open(theirs).unwrap());
    assert_eq!(ours.tensors().len(), theirs.tensors().len());
    for expected in theirs.tensors() {
        let found = ours.tensor(&expected.name).unwrap();
        assert_eq!(
            (found.format, &found.shape),
            (expected.format, &expected.shape)
        );
        assert!(found.bytes() == expected.bytes(), "{}", expected.name);
    }
    assert_eq!(ours.metadata().len(), theirs.metadata().len());
    for (key, value) in theirs.metadata().iter() {
        assert_eq!(ours.metadata().value(key), Some(value), "{key}");
    }
}

/// From a file in several formats to each that GGUF has; what is read back is the host's encoding of what was there.
#[test]
fn every_format_is_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let input = model("qwen3-tied-k.gguf");
    let before = File::open(&input).unwrap();
    for (name, kind, threads) in [
        ("F32", Some(0), "1"),
        ("F16", Some(1), "2"),
        ("BF16", Some(32), "3"),
        ("Q8_0", Some(7), "1"),
        ("Q4_1", Some(3), "2"),
        ("Q5_0", Some(8), "2"),
        ("Q5_1", Some(9), "2"),
        ("Q2_K", Some(10), "2"),
        ("Q3_K", Some(11), "2"),
        ("Q4_K", Some(14), "2"),
        ("Q5_K", Some(16), "2"),
        ("Q6_K", Some(18), "2"),
        ("IQ4_NL", Some(25), "2"),
        ("IQ4_XS", Some(30), "2"),
        ("TQ2_0", Some(37), "2"),
        ("Q1_0", Some(40), "2"),
        ("TQ2_0_g128", None, "2"),
        ("F8_E4M3", None, "2"),
        ("F8_E5M2", None, "2"),
    ] {
        let output = folder.path().join(name);
        convert(&input, &output, &["--type", name, "--threads", threads]);
        let after = File::open(&output).unwrap();
        let format: Format = name.parse().unwrap();
        for (old, new) in before.tensors().zip(after.tensors()) {
            assert_eq!((&old.name, &old.shape), (&new.name, &new.shape));
            if old.shape.len() == 1 || old.format == format {
                assert_eq!(new.format, old.format, "{}", old.name);
                assert!(new.bytes() == old.bytes(), "{}", old.name);
                continue;
            }
            assert_eq!(new.format, format, "{}", old.name);
            let mut expected = vec![0; new.bytes().len()];
            quantize(format, &decoded(&before, &old.name), &mut expected).unwrap();
            assert!(new.bytes() == expected, "{name}: {}", old.name);
        }
        let found = after.metadata().find::<u32>("general.file_type").unwrap();
        assert_eq!(found, kind, "{name}");
        let version = match name {
            "TQ2_0_g128" => Value::String("TQ2_0_G128".to_owned()),
            _ => Value::U32(2),
        };
        let found = after.metadata().value("general.quantization_version");
        assert_eq!(found, Some(&version), "{name}");
        for (key, value) in before.metadata().iter() {
            if !["general.file_type", "general.quantization_version"].contains(&key) {
                assert_eq!(after.metadata().value(key), Some(value), "{name}: {key}");
            }
        }
    }
}

#[test]
fn rows_that_do_not_fit_fall_back() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let values: Vec<f32> = (0..512).map(|i| (i as f32).sin()).collect();
    let alone = 7.5f32;
    write(
        &input,
        &[("general.alignment", Value::U32(64))],
        &[
            ("fits.weight", &[2, 256], &values),
            ("stack.weight", &[2, 1, 256], &values),
            ("narrow.weight", &[8, 64], &values),
            ("odd.weight", &[10, 40], &values[..400]),
            ("vector.weight", &[256], &values[..256]),
            ("blk.0.attn_norm.weight", &[2, 256], &values),
            ("blk.0.ffn_gate_inp.weight", &[2, 256], &values),
            ("blk.0.ssm_conv1d.weight", &[2, 256], &values),
            ("fits.bias", &[2, 256], &values),
            ("scalar", &[1], &[alone]),
        ],
    );
    let shown = run(&["quantize", text(&input), text(&output), "--type", "Q6_K"]);
    assert!(shown.status.success());
    let shown = String::from_utf8(shown.stdout).unwrap();
    for wanted in [
        "1 matrices became Q8_0, having rows that are no multiple of 256",
        "1 matrices became F16, having rows that are no multiple of 256",
        "bits a weight",
    ] {
        assert!(shown.contains(wanted), "no '{wanted}' in: {shown}");
    }
    let file = File::open(&output).unwrap();
    let formats: Vec<&str> = file.tensors().map(|tensor| tensor.format.name()).collect();
    let kept = ["F32"; 6];
    assert_eq!(formats[..4], ["Q6_K", "Q6_K", "Q8_0", "F16"]);
    assert_eq!(formats[4..], kept);
    assert_eq!(decoded(&file, "scalar"), [alone]);
    let odd = decoded(&file, "odd.weight");
    for (x, y) in values.iter().zip(odd) {
        assert_eq!(half::f16::from_f32(*x).to_f32(), y);
    }
}

#[test]
fn a_split_model_becomes_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let part = |number: u16| {
        folder
            .path()
            .join(format!("m-0000{}-of-00002.gguf", number + 1))
    };
    let values = [0.5; 64];
    for number in [0, 1] {
        let pairs = [
            ("general.architecture", Value::String("llama".to_owned())),
            ("split.no", Value::U16(number)),
            ("split.count", Value::U16(2)),
            ("split.tensors.count", Value::I32(2)),
        ];
        let name = format!("blk.{number}.ffn_up.weight");
        write(&part(number), &pairs, &[(&name, &[2, 32], &values)]);
    }
    let output = folder.path().join("whole.gguf");
    convert(&part(0), &output, &["--type", "Q8_0"]);
    let file = File::open(&output).unwrap();
    assert_eq!(file.tensors().len(), 2);
    assert!(
        file.metadata()
            .iter()
            .all(|(key, _)| !key.starts_with("split."))
    );
    assert_eq!(decoded(&file, "blk.1.ffn_up.weight").len(), 64);
    // No part may be replaced, even by force.
    let (first, second) = (part(0), part(1));
    let command = [
        "quantize",
        text(&first),
        text(&second),
        "--type",
        "Q8_0",
        "--force",
    ];
    assert_refused(&command, &["is the input"]);
}

#[test]
fn a_quantised_model_writes_text() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("q5_1.gguf");
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/mettle-kjv-q8_0.gguf");
    convert(&input, &output, &["--type", "Q5_1"]);
    let command = [
        "generate",
        "--json",
        "--greedy",
        "--max-tokens",
        "4",
        "--prompt",
    ];
    let prompt = ["In the beginning God created", "--model", text(&output)];
    let report = json(&run(&[&command[..], &prompt].concat()));
    let written = report["text"].as_str().unwrap();
    assert!(written.starts_with(" the heaven"), "{report}");
}

#[test]
fn what_cannot_be_done_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| {
        folder
            .path()
            .join(name)
            .into_os_string()
            .into_string()
            .unwrap()
    };
    let (input, output) = (path("in.gguf"), path("out.gguf"));
    let mut values = [1.0; 512];
    values[256 + 7] = f32::NAN;
    values[100] = 70000.0;
    let tensors: [(&str, &[usize], &[f32]); 2] = [
        ("good.weight", &[1, 256], &values[..256]),
        ("bad.weight", &[1, 256], &values[256..]),
    ];
    write(Path::new(&input), &[], &tensors);
    let refused = |output: &str, format: &str, words: &[&str]| {
        assert_refused(&["quantize", &input, output, "--type", format], words);
        assert_eq!(names_in(folder.path()), ["in.gguf"], "{format}");
    };
    refused(&output, "Q9_9", &["Q9_9", "there are F32, F16"]);
    refused(&output, "I32", &["I32 is not a format of weights"]);
    refused(
        &output,
        "KHQ4",
        &["out.gguf was not written", "no type for KHQ4"],
    );
    let beyond = ["tensor good.weight: row 0, column 100 is 70000, which Q4_K cannot hold"];
    refused(&output, "Q4_K", &beyond);
    refused(
        &output,
        "F16",
        &["column 100 is 70000, which F16 cannot hold"],
    );
    let nan = ["tensor bad.weight: row 0, column 7 is NaN, which BF16 cannot hold"];
    refused(&output, "BF16", &nan);
    refused(&input, "F32", &["in.gguf is the input"]);
    refused(text(folder.path()), "F32", &["is not a regular file"]);
    refused(
        &path("no/such/folder/out"),
        "F32",
        &["cannot create a file in"],
    );
    assert_refused(
        &["quantize", &path("absent"), &output, "--type", "F32"],
        &["absent"],
    );

    fs::write(&output, b"precious").unwrap();
    let command = ["quantize", &input, &output, "--type", "F32"];
    assert_refused(&command, &["out.gguf exists; --force replaces it"]);
    assert_refused(
        &["quantize", &input, &output, "--type", "Q8_0", "--force"],
        &["70000"],
    );
    assert_eq!(fs::read(&output).unwrap(), b"precious");
    assert!(run(&[&command[..], &["--force"]].concat()).status.success());
    assert!(File::open(&output).is_ok());
    assert_eq!(names_in(folder.path()), ["in.gguf", "out.gguf"]);
}

/// A file of `rows` times 4096 zeros, of which no disk has to hold anything.
#[cfg(unix)]
fn sparse(path: &Path, rows: usize) {
    let tensor = NewTensor {
        name: "zeros.weight".to_owned(),
        format: Format::F32,
        shape: vec![rows, 4096],
    };
    let mut header = Vec::new();
    Writer::new(&mut header, &Metadata::default(), &[tensor]).unwrap();
    fs::write(path, &header).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len((header.len() + rows * 4096 * 4) as u64)
        .unwrap();
}

/// Writing fails where the system allows no larger file, as it does on a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    sparse(&input, 1024);
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    let done = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_mettle"), "quantize"])
        .args([text(&input), text(&output), "--type", "F16"])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{message}");
    assert!(
        message.contains("out was not written: cannot write"),
        "{message}"
    );
    assert_eq!(names_in(folder.path()), ["in"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing() {
    ["-INT", "-TERM"].into_iter().for_each(leaves_nothing);
}

#[cfg(unix)]
fn leaves_nothing(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    // Far more than can be done before the signal arrives.
    sparse(&input, 1 << 18);
    let child = mettle(&["quantize", text(&input), text(&output), "--type", "Q8_0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while names_in(folder.path()).len() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let interrupt = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    let done = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{message}");
    assert!(message.contains("interrupted"), "{message}");
    assert_eq!(names_in(folder.path()), ["in"]);
}
