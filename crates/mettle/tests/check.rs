//! `mettle check` as a person or a script meets it.

mod common;

use std::fs;
use std::path::Path;

use common::{assert_refused, json, mettle, run};
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

const GOOD: &[u8] = b"#include <metal_stdlib>\nusing namespace metal;\n\
    constant uint WIDTH [[function_constant(2)]];\n\
    kernel void twice(device const float* x [[buffer(0)]], constant uint& n [[buffer(1)]],\n\
                      device float* y [[buffer(2)]], uint i [[thread_position_in_grid]]) {\n\
      if (i < n) y[i] = 2 * x[i] * WIDTH;\n}\n";

/// Standard output of a run that ends with exit code 1 because of what it found.
fn findings(args: &[&str]) -> String {
    let output = run(args);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    text
}

#[test]
fn reports_every_error_at_its_place() {
    let folder = folder(&[
        (
            "k.metal",
            b"#include <metal_stdlib>\n#include \"part.h\"\nusing namespace metal;\n#define SUM(a) ((a) + missing)\n\
              kernel void f(device half4* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {\n\
                float4 v = float4(i);\n  y[i] = v;\n  y[i].x = SUM(2);\n  y[i].y = part(3);\n}\n",
        ),
        ("part.h", b"inline float part(float x) {\n  return x.q;\n}\n"),
    ]);
    let file = path(&folder, "k.metal");
    let text = findings(&["check", &file]);
    for words in [
        "part.h:2:11",
        "k.metal:7:8",
        "'float4'",
        "'const half4'",
        "k.metal:8:12",
        "missing",
        "y[i].x = SUM(2);",
        "1 file, 1 kernel: 3 errors in 1 file",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    let output = run(&["check", "--json", &file]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let errors: Vec<_> = report["files"][0]["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|d| d["severity"] == "error")
        .map(|d| (d["line"].as_u64().unwrap(), d["column"].as_u64().unwrap()))
        .collect();
    assert_eq!(errors, [(2, 11), (7, 8), (8, 12)]);
    assert_eq!(report["summary"]["errors"], 3);
}

#[test]
fn folders_are_searched_and_kernels_reflected() {
    let folder = folder(&[
        ("a.metal", GOOD),
        ("below/b.metal", GOOD),
        ("below/notes.txt", b"no shader"),
    ]);
    let root = folder.path().to_str().unwrap();
    let report = json(&run(&["check", "--json", root]));
    assert_eq!(report["summary"]["files"], 2);
    let kernel = &report["files"][1]["kernels"][0];
    assert_eq!(kernel["name"], "twice");
    assert_eq!(
        kernel["arguments"][0]["declaration"],
        "device const float* x"
    );
    assert_eq!(kernel["arguments"][2]["access"], "read-write");
    assert_eq!(report["files"][0]["constants"][0]["index"], 2);
    let text = run(&["check", "--reflect", root]);
    let text = String::from_utf8(text.stdout).unwrap();
    for words in [
        "buffer(1)",
        "constant uint& n",
        "function constant 2 uint WIDTH",
        "2 files, 2 kernels: no errors",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    // The results were kept; a second look finds the same.
    assert_eq!(
        json(&run(&["check", "--json", root]))["summary"]["failed"],
        0
    );
}

#[test]
fn results_are_kept_and_can_be_cleared() {
    let folder = folder(&[("a.metal", GOOD)]);
    let file = path(&folder, "a.metal");
    let cache = path(&folder, "cache");
    let with = |args: &[&str]| {
        let output = mettle(args).env("METTLE_CACHE", &cache).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    with(&["check", &file]);
    let stats: serde_json::Value =
        serde_json::from_str(&with(&["cache", "stats", "--json"])).unwrap();
    assert_eq!(stats["entries"], 1);
    assert!(stats["folder"].as_str().unwrap().starts_with(&cache));
    // A damaged entry is no reason to fail, nor to believe it.
    let entry = fs::read_dir(stats["folder"].as_str().unwrap())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    fs::write(entry.path(), "damaged").unwrap();
    with(&["check", &file]);
    assert!(with(&["cache", "clear"]).contains("removed 1 entries"));
    assert!(with(&["cache", "stats"]).contains("0 entries"));
}

#[test]
fn macros_and_folders_come_from_options() {
    let folder = folder(&[
        ("k.metal", b"#include \"far.h\"\nkernel void f(device int* x [[buffer(0)]]) { x[0] = FAR + VALUE + ON; }"),
        ("include/far.h", b"#define FAR 1\n"),
    ]);
    let (file, include) = (path(&folder, "k.metal"), path(&folder, "include"));
    let found = json(&run(&[
        "check", "--json", &file, "-I", &include, "-D", "VALUE=3", "-DON",
    ]));
    assert_eq!(found["summary"]["failed"], 0);
    assert!(findings(&["check", &file]).contains("far.h"));
    assert_eq!(run(&["check", &file, "-D", "1x=2"]).status.code(), Some(2));
}

#[test]
fn strict_mode_refuses_what_metal_refuses() {
    let folder = folder(&[(
        "k.metal",
        b"#include <metal_stdlib>\nusing namespace metal;\n\
          kernel void f(device float* x [[buffer(0)]]) {\n  double y = 1;\n  x[0] = float(y);\n}\n",
    )]);
    let file = path(&folder, "k.metal");
    let text = findings(&["check", "--strict", &file]);
    assert!(
        text.contains("k.metal:4") && text.contains("double"),
        "{text}"
    );
}

#[test]
fn our_kernels_keep_to_the_rules_of_metal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mettle-kernels/metal");
    let folder = folder.to_str().unwrap();
    let include = format!("{folder}/include");
    let report = json(&run(&[
        "check", "--json", "--strict", folder, "-I", &include,
    ]));
    let files = report["files"].as_array().unwrap();
    assert!(files.len() >= 11, "only {} files found", files.len());
    for file in files {
        assert_eq!(file["diagnostics"], serde_json::json!([]), "{file}");
    }
}

#[test]
fn bad_input_is_named() {
    let mut large = GOOD.to_vec();
    while large.len() < 10 << 20 {
        large.extend_from_slice(
            b"// a comment that makes this file long and says nothing at all, line after line\n",
        );
    }
    let folder = folder(&[
        ("good.metal", GOOD),
        ("empty/readme.txt", b""),
        ("bytes.metal", b"kernel void f() {}\n// \xff\xfe\n"),
        ("cycle.metal", b"#include \"cycle.h\"\n"),
        ("cycle.h", b"#include \"cycle.h\"\n"),
        ("open.metal", b"kernel void f() {\n"),
        ("large.metal", &large),
        ("none.metal", b"constant float pi = 3.0f;\n"),
    ]);
    let at = |name: &str| path(&folder, name);
    assert_refused(&["check", "no/such.metal"], &["no/such.metal"]);
    assert_refused(&["check", &at("empty")], &["no .metal file", "empty"]);
    assert_refused(
        &["check", &at("good.metal"), "--kernel", "twcie"],
        &["twcie", "twice"],
    );
    assert!(findings(&["check", &at("bytes.metal")]).contains("UTF-8"));
    assert!(findings(&["check", &at("cycle.metal")]).contains("cycle.h"));
    assert!(findings(&["check", &at("open.metal")]).contains("open.metal:1"));
    let text = findings(&["check", &at("good.metal"), "--compile-limit", "0.001"]);
    assert!(text.contains("stopped after"), "{text}");
    for name in ["large.metal", "none.metal"] {
        let report = json(&run(&["check", "--json", &at(name)]));
        assert_eq!(report["summary"]["failed"], 0, "{name}");
    }
    // One bad file does not hide the others.
    let report = run(&["check", "--json", &at("open.metal"), &at("good.metal")]);
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["files"][1]["passed"], true);
    assert!(Path::new(report["files"][0]["file"].as_str().unwrap()).exists());
}
