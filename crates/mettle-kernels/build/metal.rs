//! The source of kernels, which other artefacts can be compiled from at run time, and for Apple GPUs the source that single kernels can be taken
//! from, and metallibs where Xcode's Metal compiler is.

use crate::Result;
use crate::embed::Embedded;
use mettle_msl::{Artefact, Cache, Options, Unit, metal};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the artefacts are for.
#[derive(Clone, Copy, PartialEq)]
pub enum System {
    /// A system without Metal.
    Other,
    /// The stand-in for Metal: as Apple's, without the compiler.
    StandIn,
    /// One of Apple's.
    Apple,
}

/// The artefacts of all units; `sources` are their files.
pub fn artefacts(
    units: &[Unit],
    sources: &[PathBuf],
    options: &Options,
    system: System,
    cache: &Cache,
) -> Result<Vec<Embedded>> {
    let made = units
        .par_iter()
        .zip(sources)
        .map(|(unit, path)| {
            let text = mettle_msl::flatten(path, options)?;
            one(unit, text, system, cache)
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

/// The artefacts of a unit, and why a metallib is not among them though it should be.
fn one(
    unit: &Unit,
    text: String,
    system: System,
    cache: &Cache,
) -> Result<(Vec<Artefact>, Option<String>)> {
    let source = metal::source_artefact(unit, text);
    if system == System::Other {
        return Ok((vec![source], None));
    }
    let expanded = metal::expand(&source)?;
    if system == System::StandIn {
        return Ok((vec![source, expanded], None));
    }
    // Which GPU it will run on is not known here.
    match cache.compile_library(&source, "") {
        Ok((made, _)) => Ok((vec![made, source, expanded], None)),
        Err(error) => Ok((vec![source, expanded], Some(error.to_string()))),
    }
}
