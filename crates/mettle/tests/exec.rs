//! `mettle exec` as a person or a script meets it.

mod common;

use std::fs;
use std::path::Path;

use common::{assert_refused, json, run};
use serde_json::Value;

const SOURCE: &str = "#include <metal_stdlib>
using namespace metal;

struct Params {
  float factor;
  uint count;
};
constant bool NEGATE [[function_constant(3)]];

kernel void scale(device const float* x [[buffer(0)]], constant Params& params [[buffer(1)]],
                  device float* y [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  if (i < params.count) y[i] = x[i] * (NEGATE ? -params.factor : params.factor);
}

kernel void reverse(device int* x [[buffer(0)]], threadgroup int* t [[threadgroup(0)]],
                    uint i [[thread_index_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  t[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = t[n - 1 - i];
}

kernel void position(device uint* x [[buffer(0)]], uint3 at [[thread_position_in_grid]],
                     uint3 size [[threads_per_grid]]) {
  x[(at.z * size.y + at.y) * size.x + at.x] = at.x + 10 * at.y + 100 * at.z;
}

kernel void beyond(device float* far [[buffer(0)]], uint i [[thread_position_in_grid]]) { far[i * 100] = 1; }

kernel void forever(device int* x [[buffer(0)]]) {
  volatile device int* flag = x;
  while (*flag == 0) {
  }
}

kernel void optional(device int* x [[buffer(0)]], device int* y [[buffer(1), function_constant(NEGATE)]]) {
  x[0] = NEGATE ? y[0] : 7;
}

kernel void diverges(device int* x [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {
  if (i < 3) threadgroup_barrier(mem_flags::mem_device);
  x[i] = 1;
}

struct Table {
  device const float* x;
  device float* y;
  uint count;
};
kernel void through_pointers(constant Table& table [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  if (i < table.count) table.y[i] = table.x[i] + 1;
}
";

/// The source in a folder of its own.
struct Bench {
    folder: tempfile::TempDir,
    file: String,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k.metal");
        fs::write(&file, SOURCE).unwrap();
        let file = file.to_str().unwrap().to_owned();
        Self { folder, file }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn args<'a>(&'a self, kernel: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        [&["exec", &self.file, kernel, "--device", "cpu"], rest].concat()
    }

    fn report(&self, kernel: &str, rest: &[&str]) -> Value {
        json(&run(&[&self.args(kernel, rest)[..], &["--json"]].concat()))
    }

    fn refused(&self, kernel: &str, rest: &[&str], words: &[&str]) {
        assert_refused(&self.args(kernel, rest), words);
    }
}

#[test]
fn runs_on_generated_data_and_saves_the_result() {
    let bench = Bench::new();
    let saved = bench.path("y.npy");
    let out = format!("2=f32:1000:{saved}");
    let report = bench.report(
        "scale",
        &[
            "--grid",
            "1000",
            "--threads",
            "64",
            "--buffer",
            "0=f32:1000:iota",
            "--bytes",
            "1=factor:0.5,count:1000",
            "--constant",
            "3=bool:true",
            "--out",
            &out,
        ],
    );
    let y = &report["out"][0];
    assert_eq!(y["name"], "y");
    assert_eq!(y["head"][3], "-1.5");
    assert_eq!(y["finite"]["min"], -499.5);
    assert_eq!(y["nan"], 0);
    // What was saved is taken again, here as the input of another launch.
    let input = format!("0={saved}");
    let again = bench.report(
        "scale",
        &[
            "--grid",
            "1000",
            "--buffer",
            &input,
            "--bytes",
            "1=f32:-2,u32:999",
            "--constant",
            "NEGATE=false",
            "--out",
            "2=f32:1000",
        ],
    );
    assert_eq!(again["out"][0]["head"][3], "3");
    assert_eq!(
        again["out"][0]["nan"], 1,
        "the last element is left unwritten"
    );
}

#[test]
fn grids_have_up_to_three_dimensions() {
    let bench = Bench::new();
    let report = bench.report(
        "position",
        &[
            "--grid",
            "5,3,2",
            "--threads",
            "2x2x1",
            "--out",
            "0=u32:30",
            "--head",
            "30",
        ],
    );
    let head = report["out"][0]["head"].as_array().unwrap();
    assert_eq!(head.len(), 30);
    assert_eq!(head[29], "124");
    assert_eq!(head[7], "12");
}

#[test]
fn json_describes_a_launch() {
    let bench = Bench::new();
    fs::write(
        bench.path("x.bin"),
        [5i32, 6, 7, 8].map(i32::to_le_bytes).concat(),
    )
    .unwrap();
    let text = r#"{"grid": [4, 1, 1], "threadgroup": [4, 1, 1], "comment": "unknown",
        "buffers": [{"index": 0, "type": "i32", "file": "x.bin"}], "threadgroup_memory": [{"index": 0, "bytes": 16}]}"#;
    let spec = bench.path("launch.json");
    fs::write(&spec, text).unwrap();
    let args = bench.args(
        "reverse",
        &["--spec", &spec, "--out", "0=i32:4", "--json", "--seed", "3"],
    );
    let output = run(&args);
    assert_eq!(
        json(&output)["out"][0]["head"],
        serde_json::json!(["8", "7", "6", "5"])
    );
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(
        warnings.contains("comment") && warnings.contains("launch.json"),
        "{warnings}"
    );
}

#[test]
fn pointers_lead_to_buffers() {
    let bench = Bench::new();
    let args = [
        "--grid",
        "8",
        "--buffer",
        "5=f32:4:iota",
        "--out",
        "6=f32:4",
    ];
    let with = |table: &'static str| [&args[..], &["--bytes", table]].concat();
    let report = bench.report("through_pointers", &with("0=@5,@6,u32:4"));
    assert_eq!(
        report["out"][0]["head"],
        serde_json::json!(["1", "2", "3", "4"])
    );
    bench.refused(
        "through_pointers",
        &with("0=@5,@6,u32:5"),
        &["out of bounds", "[[buffer(5)]], which has 16 bytes"],
    );
    let args = ["--grid", "8", "--bytes", "0=@7,@7,u32:4"];
    bench.refused(
        "through_pointers",
        &args,
        &["@7 leads to no buffer", "--buffer 7="],
    );
}

#[test]
fn repetitions_are_timed() {
    let bench = Bench::new();
    let report = bench.report(
        "scale",
        &[
            "--grid",
            "65536",
            "--buffer",
            "0=f32:65536:uniform:1",
            "--bytes",
            "1=f32:2,u32:65536",
            "--buffer",
            "2=f32:65536",
            "--repeat",
            "5",
        ],
    );
    let timing = &report["timing"];
    assert_eq!(timing["launches"], 5);
    assert_eq!(timing["bytes"], 2 * 4 * 65536);
    assert!(timing["gigabytes_per_second"].as_f64().unwrap() > 0.01);
}

#[test]
fn arguments_that_do_not_fit_are_told_by_name() {
    let bench = Bench::new();
    bench.refused(
        "scale",
        &["--grid", "4", "--buffer", "0=f32:4", "--buffer", "7=f32:4"],
        &[
            "buffer(1) constant Params& params is missing",
            "buffer(2) device float* y is missing",
            "there is no buffer(7)",
        ],
    );
    bench.refused(
        "reverse",
        &["--grid", "4", "--buffer", "0=i32:4"],
        &["threadgroup(0)", "--threadgroup 0="],
    );
    bench.refused(
        "reverse",
        &[
            "--grid",
            "4",
            "--buffer",
            "0=i32:4",
            "--buffer",
            "0=i32:4",
            "--threadgroup",
            "0=16",
        ],
        &["twice"],
    );
    bench.refused(
        "scale",
        &[
            "--grid",
            "4",
            "--buffer",
            "0=f32:4",
            "--out",
            "2=f32:4",
            "--bytes",
            "1=factr:1,count:4",
        ],
        &["factr", "factor, count"],
    );
    bench.refused("beyond", &["--buffer", "0=f32:4"], &["--grid"]);
    bench.refused(
        "beyond",
        &["--grid", "4", "--out", "0=f32:4", "--threads", "2048"],
        &["2048", "1024"],
    );
    bench.refused(
        "beyond",
        &[
            "--grid",
            "4",
            "--out",
            "0=f32:4",
            "--constant",
            "4=bool:true",
        ],
        &["constant 4", "NEGATE"],
    );
    bench.refused(
        "beyond",
        &["--grid", "4", "--buffer", "0=f32:x.bin"],
        &["x.bin"],
    );
    bench.refused(
        "beyond",
        &["--grid", "4", "--buffer", "0=f32:99999999999999"],
        &["memory"],
    );
    bench.refused("beyound", &["--grid", "4"], &["beyound", "beyond"]);
    for wrong in ["0=f32", "0=f99:4", "zero=f32:4", "0=f32:4:random"] {
        let output = run(&bench.args("beyond", &["--grid", "4", "--buffer", wrong]));
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
    assert!(!Path::new(&bench.path("y.npy")).exists());
}

#[test]
fn arguments_that_depend_on_a_constant_may_be_left_out() {
    let bench = Bench::new();
    let out = ["--grid", "1", "--out", "0=i32:1"];
    let without = bench.report(
        "optional",
        &[&out[..], &["--constant", "NEGATE=false"]].concat(),
    );
    assert_eq!(without["out"][0]["head"][0], "7");
    let with = ["--constant", "NEGATE=true", "--buffer", "1=i32:values:3"];
    let with = bench.report("optional", &[&out[..], &with].concat());
    assert_eq!(with["out"][0]["head"][0], "3");
}

#[test]
fn faults_are_reported_and_the_process_lives() {
    let bench = Bench::new();
    bench.refused(
        "beyond",
        &["--grid", "4", "--buffer", "0=f32:4"],
        &["beyond", "far", "out of bounds", "16 bytes"],
    );
    bench.refused(
        "forever",
        &["--grid", "1", "--buffer", "0=i32:4", "--budget", "0.3"],
        &["forever", "budget"],
    );
    bench.refused(
        "diverges",
        &["--grid", "8", "--buffer", "0=i32:8"],
        &["diverges", "barrier", "k.metal:40"],
    );
}
