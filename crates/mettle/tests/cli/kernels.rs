//! Commands about kernels.

use super::asset;
use super::common::{assert_refused, json, run};
use serde_json::Value;

#[test]
fn verifies_a_family() {
    let report = json(&run(&[
        "verify", "--json", "--kernel", "binary_*", "--seed", "7",
    ]));
    assert!(report["passed"].as_u64().unwrap() > 0);
    assert_eq!(report["failed"], 0);
    assert_eq!(report["seed"], 7);
    let table = run(&["verify", "--kernel", "binary_*"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("0 failed"));
}

#[test]
fn measures_kernels_and_compares_runs() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "bench", "--kernel", "binary_*", "--shape", "n4096", "--time", "0.01", "--device", "cpu",
    ];
    let output = run(&[&args[..], &["--json"]].concat());
    let report = json(&output);
    assert_eq!(report["entries"].as_array().unwrap().len(), 2);
    let entry = &report["entries"][0];
    assert_eq!(entry["bytes"], 12 * 4096);
    assert!(entry["warm"]["microseconds"].as_f64().unwrap() > 0.0);
    assert!(entry["in_step"]["of_copy"].as_f64().unwrap() > 0.0);
    assert!(
        report["limits"]["copy_gigabytes_per_second"]
            .as_f64()
            .unwrap()
            > 0.1
    );
    let file = folder.path().join("before.json");
    std::fs::write(&file, &output.stdout).unwrap();
    let compared = run(&[&args[..], &["--compare", file.to_str().unwrap()]].concat());
    let table = String::from_utf8(compared.stdout).unwrap();
    assert!(
        table.contains("change") && table.contains("binary_assign_f32"),
        "{table}"
    );
    assert_refused(&["bench", "--kernel", "no_such_*"], &["no_such_*"]);
    let source = folder.path().join("scale.metal");
    let text = "kernel void scale(device float* x [[buffer(0)]], constant float& f [[buffer(1)]], uint i [[thread_position_in_grid]]) { x[i] *= f; }";
    std::fs::write(&source, text).unwrap();
    let source = source.to_str().unwrap();
    let report = json(&run(&[
        "bench",
        "--source",
        source,
        "--kernel",
        "scale",
        "--grid",
        "4096",
        "--buffer",
        "0=f32:4096",
        "--bytes",
        "1=f32:2",
        "--operations",
        "4096",
        "--time",
        "0.01",
        "--device",
        "cpu",
        "--json",
    ]));
    let entry = &report["entries"][0];
    assert_eq!(
        (&entry["bytes"], &entry["operations"]),
        (&16384.into(), &4096.into())
    );
    assert!(entry["read_microseconds"].as_f64().unwrap() > 0.0);
    assert_refused(
        &[
            "bench", "--source", source, "--kernel", "scal", "--grid", "1",
        ],
        &["scal", "scale"],
    );
    assert_refused(
        &[
            "bench",
            "--compare",
            asset("held-out.txt").to_str().unwrap(),
        ],
        &["held-out.txt"],
    );
}

#[test]
fn says_how_products_are_multiplied() {
    let output = run(&[
        "bench",
        "--device",
        "cpu",
        "--explain",
        "q4_0:1x4096x4096",
        "--explain",
        "f16:64x100x45",
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("Q4_0 1 x 4096 x 4096: mul_mv, "),
        "{text}"
    );
    assert!(
        lines[1].starts_with("F16 64 x 100 x 45: mul_panel, "),
        "{text}"
    );
    let refused = run(&["bench", "--explain", "q4_0:1x4096x45"]);
    assert_eq!(refused.status.code(), Some(2));
    let reason = String::from_utf8_lossy(&refused.stderr);
    assert!(reason.contains("whole blocks of K"), "{reason}");
}

#[test]
fn lists_the_kernels() {
    let all = json(&run(&["kernels", "--json"]));
    let kernels = all.as_array().unwrap();
    let kernel = kernels
        .iter()
        .find(|kernel| kernel["name"] == "mul_mv_q4_0_f32")
        .expect("mul_mv_q4_0_f32 is listed");
    assert!(kernel["file"].as_str().unwrap().ends_with("mul_mv.metal"));
    assert!(
        kernel["arguments"]
            .as_array()
            .unwrap()
            .iter()
            .any(|argument| argument["access"] == "read-write")
    );
    assert!(
        kernel["devices"]
            .as_array()
            .unwrap()
            .contains(&Value::from("cpu"))
    );
    let some = run(&["kernels", "--kernel", "rms_norm*"]);
    assert!(String::from_utf8_lossy(&some.stdout).contains("rms_norm_f32"));
    let seeds = json(&run(&["kernels", "--seed-names", "--json"]));
    let seeds = seeds.as_array().unwrap();
    let seed = seeds
        .iter()
        .find(|seed| seed["system"] == "oxibonsai" && seed["name"] == "residual_add");
    let seed = seed.expect("residual_add of oxibonsai is listed");
    assert_eq!(seed["kernel"], "binary_assign_f32");
    assert_eq!(seed["constants"]["FUNCTION"], "0");
    let some = run(&["kernels", "--seed-names", "--kernel", "tri_solve*"]);
    assert!(String::from_utf8_lossy(&some.stdout).contains("tri_solve_lower_unit_bf16"));
}
