//! Reads and checks every file of the Metal sources that `tools/corpora.sh` fetches: all kernels and all instantiations go through the
//! C++ compiler's front end. `cargo run -p xtask -- corpora --codegen` also generates all their code, which takes minutes.

use mettle_corpora::{Corpus, Error};
use mettle_msl::{CheckOptions, Diagnostic, Options, Unit};
use std::path::Path;

fn unit(corpus: &Corpus, file: &Path) -> Result<Unit, mettle_msl::Error> {
    let options = Options {
        include_dirs: corpus.include_dirs.clone(),
        defines: corpus.defines.clone(),
        ..Options::default()
    };
    Unit::from_file(file, &options)
}

/// Checks all files; `files` and `kernels` are how many there are.
fn check(corpus: Result<Corpus, Error>, files: usize, kernels: usize) {
    let corpus = corpus.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(corpus.files.len(), files, "files of {}", corpus.title);
    let mut found = 0;
    let mut failures = Vec::new();
    for file in &corpus.files {
        let errors = match unit(&corpus, file) {
            Ok(unit) => {
                found += unit.kernels.len();
                match mettle_msl::check(&unit, &CheckOptions::default()) {
                    Ok(diagnostics) => diagnostics
                        .iter()
                        .filter(|d| d.is_error())
                        .map(Diagnostic::to_string)
                        .collect(),
                    Err(error) => vec![error.to_string()],
                }
            }
            Err(error) => vec![error.to_string()],
        };
        if let Some(first) = errors.first() {
            failures.push(format!(
                "{}: {} errors: {first}",
                file.display(),
                errors.len()
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} files fail:\n{}",
        failures.len(),
        corpus.files.len(),
        failures.join("\n")
    );
    assert_eq!(found, kernels, "kernels of {}", corpus.title);
}

#[test]
fn candle() {
    check(mettle_corpora::candle(), 17, 1734);
}

#[test]
fn llama() {
    check(mettle_corpora::llama(false), 35, 1126);
}

#[test]
fn llama_with_tensors() {
    check(mettle_corpora::llama(true), 35, 1132);
}
