//! Compiles every kernel of `metal/` and embeds the code in the library: for each unit a generic artefact (function
//! constants set when it is loaded) and one for each set of constants that a `#pragma mettle variant` names.

mod cache;
mod embed;
mod jobs;

use cache::Cache;
use mettle_msl::{Options, Unit};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let reasons = std::iter::successors(error.source(), |error| error.source());
            eprintln!(
                "\n{error}{}",
                reasons
                    .map(|reason| format!(": {reason}"))
                    .collect::<String>()
            );
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
    let targets = jobs::targets(&variable("CARGO_CFG_TARGET_ARCH")?)?;

    println!("cargo::rerun-if-env-changed=METTLE_CLANG");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={}", metal.display());
    let options = Options {
        include_dirs: vec![metal.join("include")],
        ..Options::default()
    };
    let units: Vec<Unit> = sources(&metal)?
        .par_iter()
        .map(|path| Unit::from_file(path, &options))
        .collect::<std::result::Result<_, _>>()?;
    for dependency in units.iter().flat_map(Unit::dependencies) {
        println!("cargo::rerun-if-changed={}", dependency.display());
    }

    let cache = Cache::open(&out)?;
    let jobs = jobs::list(&units, &targets)?;
    let artefacts = jobs
        .par_iter()
        .map(|job| cache.get_or_compile(job))
        .collect::<Result<Vec<_>>>()?;
    cache.trim()?;
    embed::write(&out, &units, &jobs, &artefacts)
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
