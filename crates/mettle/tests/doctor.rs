//! `mettle doctor`, `mettle cache warm`, and kernels from a folder of sources.

mod common;

use std::path::{Path, PathBuf};

use common::{assert_refused, json, mettle, run};

#[test]
fn doctor_knows_the_machine() {
    let report = json(&run(&["doctor", "--json"]));
    let devices = report["devices"].as_array().unwrap();
    let kinds: Vec<&str> = devices
        .iter()
        .map(|d| d["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["metal", "cuda", "cpu"]);
    // What is not there says why; what is there was tried.
    for device in devices {
        match device["name"].as_str() {
            None => assert!(!device["reason"].as_str().unwrap().is_empty(), "{device}"),
            Some(_) => {
                let check = &device["self_check"];
                assert!(check["passed"].as_u64().unwrap() >= 10, "{device}");
                assert_eq!(check["failures"].as_array().unwrap().len(), 0, "{device}");
            }
        }
    }
    let chosen = report["chosen"]["kind"].as_str().unwrap();
    let first = devices.iter().find(|device| device["name"].is_string());
    assert_eq!(first.unwrap()["kind"], chosen);
    assert!(!report["chosen"]["why"].as_str().unwrap().is_empty());

    let clang = &report["toolchains"][0];
    assert_eq!(clang["name"], "clang");
    assert!(clang["found"].as_str().unwrap().contains("version"));
    let embedded = report["embedded"].as_array().unwrap();
    assert!(embedded.iter().any(|set| set["target"] == "metal-source"));
    for set in embedded {
        assert!(set["kernels"].as_u64().unwrap() > 20, "{set}");
        assert_eq!(set["missing"].as_array().unwrap().len(), 0, "{set}");
    }
    assert!(report["cache"]["capacity"].as_u64().unwrap() > 0);
    assert_eq!(report["problems"].as_array().unwrap().len(), 0);

    let text = String::from_utf8(run(&["doctor"]).stdout).unwrap();
    for word in ["chosen: ", "self-check: ", "cpu", "no problems"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn doctor_says_what_is_lacking() {
    let mut command = mettle(&["doctor", "--json"]);
    for name in ["HOME", "XDG_CACHE_HOME", "METTLE_CACHE"] {
        command.env_remove(name);
    }
    command.env("METTLE_CLANG", "/nowhere/clang");
    let report = json(&command.output().unwrap());
    let why = report["cache"]["reason"].as_str().unwrap();
    assert!(why.contains("METTLE_CACHE"), "{why}");
    let why = report["toolchains"][0]["reason"].as_str().unwrap();
    assert!(why.contains("/nowhere/clang"), "{why}");
    // Nothing of it is needed to run what is embedded.
    assert_eq!(report["problems"].as_array().unwrap().len(), 0);
}

#[test]
fn the_catalogue_is_warmed() {
    let report = json(&run(&["cache", "warm", "--device", "cpu", "--json"]));
    let made = report["made"]["embedded"].as_u64();
    assert_eq!(made, report["pipelines"].as_u64());
    assert_eq!(report["failed"].as_array().unwrap().len(), 0);
    assert_refused(
        &["cache", "warm", "--kernel", "no_such"],
        &["no_such", "mettle kernels"],
    );
}

/// Copies the kernels' sources.
fn sources() -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let to = to.join(path.file_name().unwrap());
            match path.is_dir() {
                true => copy(&path, &to),
                false => drop(std::fs::copy(&path, &to).unwrap()),
            }
        }
    }
    let kernels: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "mettle-kernels", "metal"]
        .iter()
        .collect();
    let folder = tempfile::tempdir().unwrap();
    copy(&kernels, folder.path());
    folder
}

#[test]
fn verify_takes_sources_instead_of_what_is_embedded() {
    let folder = sources();
    let verify = || {
        let sources = folder.path().to_str().unwrap();
        let cache = folder.path().join("cache");
        mettle(&[
            "verify",
            "--kernel",
            "kv_append_f32",
            "--device",
            "cpu",
            "--json",
        ])
        .args(["--sources", sources])
        .env("METTLE_CACHE", cache)
        .output()
        .unwrap()
    };
    // For caches in one piece, and in pages.
    for code in ["compiled", "cached"] {
        let report = json(&verify());
        assert_eq!(report["code"][code], 2, "{}", report["code"]);
        assert_eq!(report["code"]["embedded"], 0);
    }
    let source = folder.path().join("kv_append.metal");
    let text = std::fs::read_to_string(&source).unwrap();
    assert!(text.contains("v + from"), "{text}");
    std::fs::write(&source, text.replace("v + from", "k + from")).unwrap();
    let output = verify();
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["failed"].as_u64().unwrap() > 0);
    assert_refused(&["verify", "--sources", "/nowhere"], &["/nowhere"]);
}
