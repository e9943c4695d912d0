//! The source of kernels, which other artefacts can be compiled from at run time, and for Apple GPUs metallibs where Xcode's Metal compiler is.

use crate::Result;
use crate::embed::Embedded;
use mettle_msl::{Artefact, Cache, Options, Unit, metal};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The artefacts of all units; `sources` are their files, `libraries` says whether they are for Apple's systems.
pub fn artefacts(
    units: &[Unit],
    sources: &[PathBuf],
    options: &Options,
    libraries: bool,
    cache: &Cache,
) -> Result<Vec<Embedded>> {
    let made = units
        .par_iter()
        .zip(sources)
        .map(|(unit, path)| {
            let text = mettle_msl::flatten(path, options)?;
            Ok(one(unit, text, libraries, cache))
        })
        .collect();
    let mut artefacts = Vec::new();
    // Kernels run without metallibs, so what is said about them must not stop the build, nor be lost.
    let mut without: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (unit, (of_unit, reason)) in units.iter().zip(crate::all(made)?) {
        artefacts.extend(of_unit.into_iter().map(|artefact| Embedded {
            unit: unit.name.clone(),
            bytes: artefact.to_bytes(),
            target: artefact.target,
            constants: None,
        }));
        if let Some(reason) = reason {
            without.entry(reason).or_default().push(&unit.name);
        }
    }
    for (reason, units) in without {
        let units = units.join(", ");
        let warning =
            format!("embedded as source only, to be compiled at run time: {units}\n{reason}");
        for line in warning.lines() {
            println!("cargo::warning={line}");
        }
    }
    Ok(artefacts)
}

/// The artefacts of a unit, and why there is no metallib among them; without `library` there is to be none.
fn one(unit: &Unit, text: String, library: bool, cache: &Cache) -> (Vec<Artefact>, Option<String>) {
    let source = metal::source_artefact(unit, text);
    if !library {
        return (vec![source], None);
    }
    match cache.compile_library(&source) {
        Ok((made, _)) => (vec![made, source], None),
        Err(error) => (vec![source], Some(error.to_string())),
    }
}
