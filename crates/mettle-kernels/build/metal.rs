//! Kernels for Apple GPUs: metallibs where Xcode's Metal compiler is, and always the source, which the system can compile when it is loaded.

use crate::Result;
use crate::embed::Embedded;
use mettle_msl::{Options, Unit, metal};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The artefacts of all units; `sources` are their files.
pub fn artefacts(units: &[Unit], sources: &[PathBuf], options: &Options) -> Result<Vec<Embedded>> {
    let made = units
        .par_iter()
        .zip(sources)
        .map(|(unit, path)| one(unit, mettle_msl::flatten(path, options)?))
        .collect();
    let mut artefacts = Vec::new();
    // Kernels run without metallibs, so what is said about them must not stop the build, nor be lost.
    let mut without: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (unit, (of_unit, reason)) in units.iter().zip(crate::all(made)?) {
        artefacts.extend(of_unit);
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

/// The artefacts of a unit, and why there is no metallib among them.
fn one(unit: &Unit, text: String) -> Result<(Vec<Embedded>, Option<String>)> {
    let library = if cfg!(target_os = "macos") {
        metal::compile_library(unit, &text).unwrap_or_else(|error| Err(error.to_string()))
    } else {
        Err("Apple's Metal compiler runs on macOS only".to_owned())
    };
    let (library, reason) = match library {
        Ok(library) => (Some(library), None),
        Err(reason) => (None, Some(reason)),
    };
    let artefacts = library
        .into_iter()
        .chain([metal::source_artefact(unit, text)]);
    let embedded = artefacts.map(|artefact| Embedded {
        unit: unit.name.clone(),
        bytes: artefact.to_bytes(),
        target: artefact.target,
        constants: None,
    });
    Ok((embedded.collect(), reason))
}
