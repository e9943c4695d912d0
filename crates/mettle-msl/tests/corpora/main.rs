//! Reads, checks and lints every file of the Metal sources that `tools/corpora.sh` fetches: all kernels and all instantiations go through
//! the C++ compiler's front end. Apple's compiler accepts them, so whatever the lint finds is its own mistake or known here.
//! `cargo run -p xtask -- corpora --codegen` also generates all their code, which takes minutes.

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

/// What is said about a unit: errors of the compiler, and everything that the lint finds.
fn findings(unit: &Unit) -> Result<Vec<Diagnostic>, mettle_msl::Error> {
    let mut found = mettle_msl::check(unit, &CheckOptions::default())?;
    found.retain(Diagnostic::is_error);
    found.extend(mettle_msl::lint(unit)?);
    Ok(found)
}

/// Checks all files; `files` and `kernels` are how many there are, `known` what is rightly found: a file, a rule and how often.
fn check(
    corpus: Result<Corpus, Error>,
    files: usize,
    kernels: usize,
    known: &[(&str, &str, usize)],
) {
    let corpus = corpus.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(corpus.files.len(), files, "files of {}", corpus.title);
    let mut found = 0;
    let mut failures = Vec::new();
    for file in &corpus.files {
        let mut said = match unit(&corpus, file).and_then(|unit| {
            found += unit.kernels.len();
            findings(&unit)
        }) {
            Ok(said) => said,
            Err(error) => {
                failures.push(format!("{}: {error}", file.display()));
                continue;
            }
        };
        let here = |(stem, _, _): &&(&str, _, _)| file.file_stem().is_some_and(|s| s == *stem);
        for &(_, rule, times) in known.iter().filter(here) {
            let before = said.len();
            said.retain(|d| d.rule != Some(rule));
            assert_eq!(before - said.len(), times, "{rule} in {}", file.display());
        }
        failures.extend(said.iter().map(Diagnostic::to_string));
    }
    assert!(
        failures.is_empty(),
        "{} mistakes:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert_eq!(found, kernels, "kernels of {}", corpus.title);
}

#[test]
fn candle() {
    // Two instantiations for `float` and 256 columns declare more than 32 KB. That is a limit of the GPU, not of the language.
    let known = ("scaled_dot_product_attention", "threadgroup-memory", 2);
    check(mettle_corpora::candle(), 17, 1734, &[known]);
}

#[test]
fn llama() {
    check(mettle_corpora::llama(false), 35, 1126, &[]);
}

#[test]
fn llama_with_tensors() {
    check(mettle_corpora::llama(true), 35, 1132, &[]);
}
