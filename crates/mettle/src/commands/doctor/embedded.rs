//! What code is embedded in this program.

use std::collections::{BTreeMap, BTreeSet};

use mettle_kernels::catalogue;
use mettle_msl::{Artefact, PtxLevel, Target, metal};
use serde::Serialize;

/// Everything embedded for one target.
#[derive(Serialize)]
pub struct Set {
    pub target: String,
    /// Kernels that it has.
    pub kernels: usize,
    /// Kernels of the catalogue that are meant for it and that it lacks.
    pub missing: Vec<String>,
    /// Artefacts, generic and with constants compiled in.
    pub artefacts: usize,
    pub bytes: usize,
    /// Artefacts that cannot be read.
    pub damaged: usize,
}

/// The sets, by target.
pub fn sets() -> Vec<Set> {
    let mut sets: BTreeMap<&str, (Set, BTreeSet<String>)> = BTreeMap::new();
    for embedded in catalogue::units().flat_map(|unit| unit.artefacts) {
        let (set, names) = sets.entry(embedded.target).or_insert_with(|| {
            let set = Set {
                target: embedded.target.to_owned(),
                kernels: 0,
                missing: Vec::new(),
                artefacts: 0,
                bytes: 0,
                damaged: 0,
            };
            (set, BTreeSet::new())
        });
        set.artefacts += 1;
        set.bytes += embedded.bytes.len();
        match Artefact::from_bytes(embedded.bytes) {
            Ok(artefact) if embedded.constants.is_none() || !is_whole(embedded.target) => {
                names.extend(artefact.kernels.into_iter().map(|kernel| kernel.name));
            }
            Ok(_) => {}
            Err(_) => set.damaged += 1,
        }
    }
    let complete = |(mut set, names): (Set, BTreeSet<String>)| {
        set.kernels = names.len();
        let whole = is_whole(&set.target);
        let lacking = catalogue::kernels_for(&set.target)
            .filter(|kernel| whole && !names.contains(kernel.name));
        set.missing = lacking.map(|kernel| kernel.name.to_owned()).collect();
        set
    };
    sets.into_values().map(complete).collect()
}

/// Whether there is to be code of every kernel for a target: Hopper has code of its own beside that for Ampere, of some.
fn is_whole(target: &str) -> bool {
    target != Target::Ptx(PtxLevel::Sm90a).name()
}

/// What is wrong with them.
pub fn problem(sets: &[Set]) -> Option<String> {
    if sets.is_empty() {
        return Some("no kernels are embedded in this program".to_owned());
    }
    let broken = sets
        .iter()
        .find(|set| set.damaged > 0 || !set.missing.is_empty())?;
    Some(format!(
        "the kernels embedded for {} are not whole: {} artefacts are damaged, {} kernels are missing",
        broken.target,
        broken.damaged,
        broken.missing.len()
    ))
}

/// What Apple GPUs lack.
pub fn for_apple(sets: &[Set]) -> Option<&'static str> {
    let has = |target: &str| sets.iter().any(|set| set.target == target);
    if !cfg!(target_os = "macos") || has(metal::LIBRARY) {
        return None;
    }
    Some(
        "no metallibs: this program was built without Xcode's Metal compiler, so kernels are compiled from source when they are first used",
    )
}
