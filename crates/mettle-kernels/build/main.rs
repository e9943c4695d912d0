//! Compiles every kernel of `metal/` and embeds the code in the library: for each unit a generic artefact (function
//! constants set when it is loaded) and one for each set of constants that a `#pragma mettle variant` names; for Apple's systems
//! metallibs instead. The source is embedded, too. A release build has code for every kind of processor of an architecture, others have it for the one
//! that they are built on.

mod cache;
mod embed;
mod jobs;
mod metal;

use embed::Embedded;
use metal::System;
use mettle_msl::{Options, Unit};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    let variable =
        |name: &str| std::env::var(name).map_err(|_| format!("cargo did not set {name}"));
    // Cargo waits for this one build script; the compilers it starts are the work, so it uses what cargo may use.
    rayon::ThreadPoolBuilder::new()
        .num_threads(variable("NUM_JOBS")?.parse()?)
        .build_global()?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    let metal = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("metal");
    let vendor = variable("CARGO_CFG_TARGET_VENDOR")?;
    let build = jobs::Build {
        vendor: &vendor,
        arch: &variable("CARGO_CFG_TARGET_ARCH")?,
        release: variable("PROFILE")? == "release",
    };
    let targets = build.targets()?;

    println!("cargo::rerun-if-env-changed=METTLE_CLANG");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={}", metal.display());
    let options = Options {
        include_dirs: vec![metal.join("include")],
        // All formats of weights are much for a busy machine.
        timeout: Duration::from_secs(900),
        ..Options::default()
    };
    let sources = sources(&metal)?;
    let read = |path: &PathBuf| Ok(Unit::from_file(path, &options)?);
    let units = all(sources.par_iter().map(read).collect())?;
    let outside = |path: &&PathBuf| !path.starts_with(&metal);
    for dependency in units.iter().flat_map(Unit::dependencies).filter(outside) {
        println!("cargo::rerun-if-changed={}", dependency.display());
    }

    let cache = cache::open(&out)?;
    let jobs = jobs::list(&units, &targets)?;
    let mut artefacts = all(jobs
        .par_iter()
        .map(|job| {
            let (artefact, _) =
                cache.compile(job.unit, job.target, job.constants(), job.kernels())?;
            Ok(Embedded {
                unit: artefact.unit.clone(),
                target: artefact.target.clone(),
                bytes: artefact.to_bytes(),
                constants: artefact.constants,
            })
        })
        .collect())?;
    cache.trim()?;
    let system = match vendor.as_str() {
        "apple" => System::Apple,
        _ if std::env::var_os("CARGO_FEATURE_MOCK_METAL").is_some() => System::StandIn,
        _ => System::Other,
    };
    artefacts.extend(metal::artefacts(
        &units, &sources, &options, system, &cache,
    )?);
    embed::write(&out, &units, &artefacts)
}

/// Every result, or every distinct error: a mistake shows once, not once for each target and variant, and mistakes of
/// different files show together.
fn all<T>(results: Vec<Result<T>>) -> Result<Vec<T>> {
    let mut errors = BTreeSet::new();
    let mut values = Vec::new();
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => {
                let reasons = std::iter::successors(error.source(), |error| error.source());
                let reasons: String = reasons.map(|reason| format!(": {reason}")).collect();
                errors.insert(format!("{error}{reasons}"));
            }
        }
    }
    if errors.is_empty() {
        return Ok(values);
    }
    Err(errors.into_iter().collect::<Vec<_>>().join("\n").into())
}

/// The `.metal` files, by name.
fn sources(metal: &Path) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(metal)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "metal")
        {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}
