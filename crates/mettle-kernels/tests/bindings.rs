//! A launch with swapped, missing or mistyped arguments does not compile: the compiler says of each file in `tests/bindings` what the file
//! beside it holds.
//!
//! Where a newer compiler words its errors otherwise: `METTLE_OVERWRITE=1 cargo test -p mettle-kernels --test bindings`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

/// The file that compiles; it shows that the errors of the others are their own.
const CORRECT: &str = "tests/bindings/correct.rs";

/// The crates that the files use.
const CRATES: [&str; 2] = ["mettle_kernels", "mettle_gpu"];

/// Gives a file of this package to the compiler, which makes no code of it; `libraries` are those of [`CRATES`].
fn compile(file: &str, libraries: &[&Path]) -> Output {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(rustc);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "--edition=2024",
            "--emit=metadata",
            "--cap-lints=allow",
            "--verbose",
        ])
        .args(["--color=never", "--diagnostic-width=140", "--out-dir"])
        .arg(out.path())
        .arg(file);
    for (name, library) in CRATES.into_iter().zip(libraries) {
        let mut external = OsString::from(format!("{name}="));
        external.push(library);
        let mut folder = OsString::from("dependency=");
        folder.push(library.parent().unwrap());
        command.arg("--extern").arg(external).arg("-L").arg(folder);
    }
    command.output().unwrap()
}

/// The libraries of a crate beside this test, which cargo has built with one set of features or another; the newest first.
fn built(name: &str) -> Vec<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let prefix = format!("lib{name}-");
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(test.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let file = entry.file_name().into_string().unwrap_or_default();
        if file.starts_with(&prefix) && file.ends_with(".rlib") {
            found.push((entry.metadata().unwrap().modified().unwrap(), path));
        }
    }
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

/// What the compiler says, without the summary at its end.
fn messages(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).replace('\\', "/");
    let end = text.find("\nerror: aborting").unwrap_or(text.len());
    format!("{}\n", text[..end].trim_end())
}

#[test]
fn wrong_arguments_do_not_compile() {
    let [kernels, gpu] = CRATES.map(built);
    // Whichever was built last is of the present sources. It goes with one of the other crate's only.
    let kernels = kernels.first().expect("the library beside this test");
    let mut reason = String::new();
    let libraries = gpu
        .iter()
        .map(|gpu| [kernels.as_path(), gpu.as_path()])
        .find(|libraries| {
            let output = compile(CORRECT, libraries);
            reason = messages(&output);
            output.status.success()
        })
        .unwrap_or_else(|| panic!("{CORRECT} does not compile:\n{reason}"));

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bindings");
    let overwrite = std::env::var_os("METTLE_OVERWRITE").is_some();
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let file = format!("tests/bindings/{name}");
        if !name.ends_with(".rs") || file == CORRECT {
            continue;
        }
        count += 1;
        let output = compile(&file, &libraries);
        assert!(!output.status.success(), "{file} compiles");
        let said = messages(&output);
        let expected = folder.join(name).with_extension("stderr");
        if overwrite {
            std::fs::write(&expected, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(said, expected, "{file}:\n{said}");
    }
    assert!(count >= 4, "only {count} files found");
}
