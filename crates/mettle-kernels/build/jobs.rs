//! What has to be compiled.

use crate::Result;
use mettle_msl::{
    ConstantValue, CpuLevel, FunctionConstant, PtxLevel, Target, TargetClass, Unit, Variant,
};

/// One run of the compiler.
pub struct Job<'a> {
    pub unit: &'a Unit,
    pub target: Target,
    /// `None`: all kernels of the unit, function constants to be set when the artefact is loaded.
    pub variant: Option<Specialised<'a>>,
}

/// Kernels compiled with the same function constants.
#[derive(Clone)]
pub struct Specialised<'a> {
    /// Every function constant of the unit, by ascending index.
    pub constants: &'a [(u32, ConstantValue)],
    pub kernels: Vec<&'a str>,
}

impl Job<'_> {
    pub fn constants(&self) -> Option<&[(u32, ConstantValue)]> {
        self.variant.as_ref().map(|variant| variant.constants)
    }

    /// Names of the kernels to compile; empty for all.
    pub fn kernels(&self) -> &[&str] {
        self.variant
            .as_ref()
            .map_or(&[], |variant| &variant.kernels)
    }
}

/// What is built.
pub struct Build<'a> {
    /// The vendor of the system that it is for.
    pub vendor: &'a str,
    /// The processor architecture that it is for.
    pub arch: &'a str,
    /// Whether others are to run it.
    pub release: bool,
}

impl Build<'_> {
    /// The targets that our compiler makes artefacts of. NVIDIA GPUs later than Ampere run the PTX for Ampere; of what Hopper does in a way of its own they
    /// have variants for it. Apple's systems have their own compiler.
    pub fn targets(&self) -> Result<Vec<Target>> {
        if self.vendor == "apple" {
            return Ok(Vec::new());
        }
        let mut targets = match self.arch {
            "x86_64" => vec![
                Target::Cpu(CpuLevel::X86_64V3),
                Target::Cpu(CpuLevel::X86_64V4Vnni),
            ],
            "aarch64" => vec![Target::Cpu(CpuLevel::Aarch64)],
            other => {
                return Err(format!(
                    "kernels cannot be compiled for {other}: only for x86_64 and aarch64"
                )
                .into());
            }
        };
        // What is tried out and tested runs where it was built. A third of the time that kernels take goes to each level.
        if let Some(own) = Target::host_cpu()
            && !self.release
            && targets.contains(&own)
        {
            targets = vec![own];
        }
        targets.push(Target::Ptx(PtxLevel::Sm80));
        targets.push(HOPPER);
        Ok(targets)
    }
}

/// What has code for Hopper beside that for Ampere.
const HOPPER: Target = Target::Ptx(PtxLevel::Sm90a);

/// The header whose functions are other ones on Hopper.
const OF_HOPPER: &str = "mettle/group_products.h";

/// Every job, those of one unit and target together.
pub fn list<'a>(units: &'a [Unit], targets: &[Target]) -> Result<Vec<Job<'a>>> {
    let mut jobs = Vec::new();
    for unit in units {
        let of_unit = |target: &&Target| {
            is_for(unit, target.class()) && (**target != HOPPER || differs(unit))
        };
        for &target in targets.iter().filter(of_unit) {
            let variants = specialised(unit, target)?;
            if target != HOPPER {
                jobs.push(Job {
                    unit,
                    target,
                    variant: None,
                });
            }
            jobs.extend(variants.iter().map(|variant| Job {
                unit,
                target,
                variant: Some(variant.clone()),
            }));
        }
    }
    Ok(jobs)
}

/// Whether the kernels of a unit are launched on devices of a class. A variant without constants, in a unit that has none, says for which.
fn is_for(unit: &Unit, class: TargetClass) -> bool {
    let mut classes = unit.variants.iter().map(|variant| variant.class);
    !unit.constants.is_empty()
        || unit.variants.is_empty()
        || classes.any(|meant| meant.is_none_or(|meant| meant == class))
}

/// Whether a unit's code for Hopper is other than that for Ampere.
fn differs(unit: &Unit) -> bool {
    let mut headers = unit.dependencies().iter();
    headers.any(|header| header.ends_with(OF_HOPPER))
}

/// The variants of a unit for a target; those with equal constants become one.
fn specialised(unit: &Unit, target: Target) -> Result<Vec<Specialised<'_>>> {
    let mut found: Vec<Specialised<'_>> = Vec::new();
    for variant in &unit.variants {
        check(unit, variant)?;
        let other = variant.class.is_some_and(|class| class != target.class());
        if other || variant.constants.is_empty() {
            continue;
        }
        let kernels = unit
            .kernels
            .iter()
            .map(|kernel| kernel.name.as_str())
            .filter(|name| variant.matches(name));
        match found
            .iter_mut()
            .find(|known| known.constants == variant.constants)
        {
            Some(known) => {
                for kernel in kernels {
                    if !known.kernels.contains(&kernel) {
                        known.kernels.push(kernel);
                    }
                }
            }
            None => found.push(Specialised {
                constants: &variant.constants,
                kernels: kernels.collect(),
            }),
        }
    }
    Ok(found)
}

/// The pipelines that ops ask for: those of the variants, and every kernel where there are no function constants.
pub fn pipelines(unit: &Unit) -> Vec<(Option<TargetClass>, Specialised<'_>)> {
    let of = |variant: Option<&Variant>| {
        let names = unit.kernels.iter().map(|kernel| kernel.name.as_str());
        names
            .filter(|name| variant.is_none_or(|variant| variant.matches(name)))
            .collect()
    };
    if unit.constants.is_empty() && unit.variants.is_empty() {
        let all = Specialised {
            constants: &[],
            kernels: of(None),
        };
        return vec![(None, all)];
    }
    let variants = unit.variants.iter().map(|variant| {
        let specialised = Specialised {
            constants: &variant.constants,
            kernels: of(Some(variant)),
        };
        (variant.class, specialised)
    });
    variants.collect()
}

/// A variant that covers no kernel is a mistake; so is one that leaves a constant open, because bindings give them all.
fn check(unit: &Unit, variant: &Variant) -> Result<()> {
    let at = &variant.location;
    if !unit
        .kernels
        .iter()
        .any(|kernel| variant.matches(&kernel.name))
    {
        return Err(format!(
            "{at}: error: no kernel of this file matches {}",
            variant.kernel_pattern
        )
        .into());
    }
    let set = |constant: &FunctionConstant| {
        variant
            .constants
            .iter()
            .any(|(index, _)| *index == constant.index)
    };
    let open: Vec<&str> = unit
        .constants
        .iter()
        .filter(|constant| !set(constant))
        .map(|constant| constant.name.as_str())
        .collect();
    if !open.is_empty() {
        return Err(format!(
            "{at}: error: a variant gives every function constant of its file; missing: {}",
            open.join(", ")
        )
        .into());
    }
    Ok(())
}
