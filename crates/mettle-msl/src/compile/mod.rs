//! Compiles units with clang.
//!
//! The way to a CPU: rewritten C++ -> optimised LLVM IR (once) -> what the kernels asked for reach -> object -> shared object. The IR in
//! between tells which kernels synchronise, so that what a baked-in constant rules out does not count. To PTX it is one run of clang, and
//! the PTX tells.

mod alignment;
mod front_end;
mod ir;
mod link;
mod ptx;
mod thread_local;
mod wording;

use crate::artefact::{Artefact, ArtefactArgument, ArtefactArgumentKind, ArtefactKernel};
use crate::error::{Error, Result};
use crate::reflect::{Access, Argument, ArgumentKind, ConstantValue, Kernel};
use crate::rewrite::{self, Request};
use crate::source::edit::Edited;
use crate::target::CpuLevel;
use crate::tool::clang::Clang;
use crate::{Diagnostic, Instrumentation, Target, Unit};
use std::process::Command;

/// Compiles kernels of a unit.
///
/// With `constants`, the function constants named are compiled in and the others count as not defined; without, all of them are set when the
/// artefact is loaded. `kernels` are host names; none means all.
///
/// # Errors
/// [`Error::Compile`] with positions in the user's files; [`Error::UnknownKernel`], [`Error::UnknownConstant`] and [`Error::ConstantType`] for a
/// request that does not fit the unit; [`Error::Timeout`]; and whatever keeps the compiler from running.
pub fn compile(
    unit: &Unit,
    target: Target,
    constants: Option<&[(u32, ConstantValue)]>,
    kernels: &[&str],
) -> Result<Artefact> {
    let span = tracing::debug_span!("compile", unit = %unit.name, %target);
    let _entered = span.enter();
    let kernels = select(unit, kernels)?;
    check_constants(unit, constants.unwrap_or(&[]))?;
    let request = Request {
        target,
        constants,
        kernels: &kernels,
    };
    let edited = rewrite::rewrite(unit, &request)?;
    let clang = Clang::find()?;
    let text = front_end::run(clang, unit, target, &edited, constants.is_none())?;
    let (kernels, code) = match target {
        Target::Cpu(_) => shared_object(clang, unit, target, &kernels, text)?,
        Target::Ptx(_) => {
            let module = ptx::Module::new(&text);
            let describe = |kernel: &&Kernel| ArtefactKernel {
                name: kernel.name.clone(),
                arguments: kernel.arguments.iter().map(|a| argument(unit, a)).collect(),
                max_threads: kernel.max_threads,
                ..module.kernel(&kernel.name)
            };
            (kernels.iter().map(describe).collect(), text.into_bytes())
        }
    };
    Ok(Artefact {
        unit: unit.name.clone(),
        target: target.name().to_owned(),
        constants: constants.map(sorted_bits),
        kernels,
        lines: edited.lines(unit),
        code,
    })
}

/// From IR to the kernels' descriptions and a shared object.
fn shared_object(
    clang: &Clang,
    unit: &Unit,
    target: Target,
    kernels: &[&Kernel],
    ir: String,
) -> Result<(Vec<ArtefactKernel>, Vec<u8>)> {
    let module = ir::Module::new(ir);
    let mut keep = vec![
        "mettle_hooks".to_owned(),
        "mettle_constants".to_owned(),
        "mettle_derive_constants".to_owned(),
    ];
    let mut compiled = Vec::new();
    for kernel in kernels {
        let reached = module.reach([format!("mettle_thread__{}", kernel.name)]);
        let synchronises = reached.contains("mettle_hooks");
        keep.push(format!(
            "mettle_{}__{}",
            if synchronises { "thread" } else { "group" },
            kernel.name
        ));
        if unit.instrumentation == Instrumentation::Full {
            keep.push(format!("mettle_thread__{}", kernel.name));
        }
        compiled.push((*kernel, synchronises, reached));
    }
    let object = object(clang, unit, target, &module.only(keep))?;
    let sizes = link::thread_local_sizes(unit, &object)?;
    let kernels = compiled
        .iter()
        .map(|(kernel, synchronises, reached)| ArtefactKernel {
            name: kernel.name.clone(),
            synchronises: *synchronises,
            static_threadgroup_memory: sizes
                .iter()
                .filter(|(name, _)| reached.contains(name))
                .map(|(_, size)| size.next_multiple_of(16))
                .sum(),
            max_threads: kernel.max_threads,
            arguments: kernel.arguments.iter().map(|a| argument(unit, a)).collect(),
        });
    Ok((kernels.collect(), link::link(clang, unit, target, &object)?))
}

/// IR to an object file, as CPUs run kernels.
fn object(clang: &Clang, unit: &Unit, target: Target, ir: &str) -> Result<Vec<u8>> {
    let mut ir = alignment::relax(ir);
    if target == Target::Cpu(CpuLevel::X86_64V4Vnni) {
        ir = thread_local::outline_addresses(&ir);
    }
    link::assemble(clang, unit, target, &ir)
}

/// The compiler's messages about kernels of a unit (none named: all), without making code.
///
/// # Errors
/// As [`compile`], except that what the compiler refuses is part of the result.
pub(crate) fn check(unit: &Unit, target: Target, kernels: &[&str]) -> Result<Vec<Diagnostic>> {
    let span = tracing::debug_span!("check", unit = %unit.name);
    let _entered = span.enter();
    let kernels = select(unit, kernels)?;
    let request = Request {
        target,
        constants: None,
        kernels: &kernels,
    };
    let edited = match rewrite::rewrite(unit, &request) {
        Ok(edited) => edited,
        Err(Error::Compile { diagnostics }) => return Ok(diagnostics),
        Err(error) => return Err(error),
    };
    front_end::check(Clang::find()?, unit, target, &edited)
}

/// The rewritten text of a unit and its IR before any optimisation; `None` when it does not compile.
pub(crate) fn plain_ir(unit: &Unit) -> Result<Option<(Edited, String)>> {
    let target = Target::host_cpu().unwrap_or(Target::ALL[0]);
    let kernels = select(unit, &[])?;
    let request = Request {
        target,
        constants: None,
        kernels: &kernels,
    };
    let edited = match rewrite::rewrite(unit, &request) {
        Ok(edited) => edited,
        Err(Error::Compile { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let ir = front_end::plain_ir(Clang::find()?, unit, target, &edited)?;
    Ok(ir.map(|ir| (edited, ir)))
}

/// Digest of everything that decides what [`compile`] returns: the unit, our headers, the target, the constants, the kernels and the compiler.
///
/// # Errors
/// Those of finding the compiler, and of a request that does not fit the unit.
pub fn fingerprint(
    unit: &Unit,
    target: Target,
    constants: Option<&[(u32, ConstantValue)]>,
    kernels: &[&str],
) -> Result<blake3::Hash> {
    let kernels = select(unit, kernels)?;
    check_constants(unit, constants.unwrap_or(&[]))?;
    let clang = Clang::find()?;
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    // Our own code and headers.
    part(env!("METTLE_MSL_DIGEST").as_bytes());
    part(unit.name.as_bytes());
    part(unit.digest().as_bytes());
    part(&[u8::from(unit.tensors), unit.instrumentation as u8]);
    part(clang.version.as_bytes());
    part(target.name().as_bytes());
    kernels
        .iter()
        .for_each(|kernel| part(kernel.name.as_bytes()));
    match constants {
        None => part(b"generic"),
        Some(constants) => sorted_bits(constants).iter().for_each(|(index, bits)| {
            part(&index.to_le_bytes());
            part(&bits.to_le_bytes());
        }),
    }
    Ok(hasher.finalize())
}

fn select<'a>(unit: &'a Unit, names: &[&str]) -> Result<Vec<&'a Kernel>> {
    if names.is_empty() {
        return Ok(unit.kernels.iter().collect());
    }
    names.iter().map(|name| unit.kernel(name)).collect()
}

fn check_constants(unit: &Unit, constants: &[(u32, ConstantValue)]) -> Result<()> {
    for (index, value) in constants {
        let Some(constant) = unit.constants.iter().find(|c| c.index == *index) else {
            return Err(Error::UnknownConstant {
                unit: unit.name.clone(),
                index: *index,
            });
        };
        if !value.fits(constant.scalar) {
            return Err(Error::ConstantType {
                unit: unit.name.clone(),
                name: constant.name.clone(),
                expected: constant.scalar.msl_name(),
                given: *value,
            });
        }
    }
    Ok(())
}

fn sorted_bits(constants: &[(u32, ConstantValue)]) -> Vec<(u32, u64)> {
    let mut bits: Vec<(u32, u64)> = constants
        .iter()
        .map(|(index, value)| (*index, value.bits()))
        .collect();
    bits.sort_unstable();
    bits
}

/// A clang command with what is common to all its runs for a target.
fn command(clang: &Clang, target: Target) -> Command {
    let mut command = clang.command();
    command
        .args(target.clang_arguments())
        .args(["-fno-color-diagnostics", "-fno-caret-diagnostics"]);
    command
}

pub(crate) fn argument(unit: &Unit, argument: &Argument) -> ArtefactArgument {
    let (ty, kind) = match &argument.kind {
        ArgumentKind::Buffer {
            element, access, ..
        } => (
            element,
            ArtefactArgumentKind::Buffer {
                writable: *access == Access::ReadWrite,
            },
        ),
        ArgumentKind::Value { ty } => (ty, ArtefactArgumentKind::Value),
        ArgumentKind::ThreadgroupMemory { element } => {
            (element, ArtefactArgumentKind::ThreadgroupMemory)
        }
    };
    let (size, align) = unit
        .layout(ty)
        .map_or((1, 1), |layout| (layout.size, layout.align));
    ArtefactArgument {
        index: argument.index,
        name: argument.name.clone(),
        kind,
        size,
        align,
        optional: argument.condition.is_some(),
        early: argument.early,
    }
}
