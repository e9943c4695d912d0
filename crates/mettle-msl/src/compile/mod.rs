//! Compiles units with clang.
//!
//! The way: rewritten C++ -> optimised LLVM IR (once) -> what the kernels asked for reach -> object -> shared object. The IR in between
//! tells which kernels synchronise, so that what a baked-in constant rules out does not count.

mod ir;
mod link;

use crate::artefact::{self, Artefact, ArtefactArgument, ArtefactArgumentKind, ArtefactKernel};
use crate::diagnostic;
use crate::error::{Error, Result};
use crate::reflect::{Access, Argument, ArgumentKind, ConstantValue, Kernel};
use crate::rewrite::{self, Request};
use crate::source::edit::Edited;
use crate::tool::{clang::Clang, headers, process};
use crate::{Diagnostic, Severity, Target, Unit};
use std::process::Command;

/// How C++ is compiled, apart from the target.
///
/// Math is safe: infinities and NaN hold, and only multiply-add pairs are contracted, as Metal does.
const FLAGS: [&str; 21] = [
    "-std=c++17",
    "-O3",
    "-nostdinc",
    "-nostdinc++",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-semantic-interposition",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-threadsafe-statics",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-strict-aliasing",
    "-fno-math-errno",
    "-Xclang",
    "-ffp-contract=fast-honor-pragmas",
    "-fsigned-char",
    "-fdeclspec",
    "-Xclang",
    "-ffloat16-excess-precision=none",
    "-w",
];

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
    check(unit, constants.unwrap_or(&[]))?;
    let edited = rewrite::rewrite(
        unit,
        &Request {
            constants,
            kernels: &kernels,
        },
    )?;
    let clang = Clang::find()?;
    let module = ir::Module::new(front_end(clang, unit, target, &edited)?);

    let mut keep = vec![
        "mettle_hooks".to_owned(),
        "mettle_constants".to_owned(),
        "mettle_derive_constants".to_owned(),
    ];
    let mut compiled = Vec::new();
    for kernel in &kernels {
        let reached = module.reach([format!("mettle_thread__{}", kernel.name)]);
        let synchronises = reached.contains("mettle_hooks");
        keep.push(format!(
            "mettle_{}__{}",
            if synchronises { "thread" } else { "group" },
            kernel.name
        ));
        compiled.push((*kernel, synchronises, reached));
    }
    let object = link::assemble(clang, unit, target, &module.only(keep))?;
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
            arguments: kernel.arguments.iter().map(|a| argument(unit, a)).collect(),
        });
    let kernels = kernels.collect();
    let code = link::link(clang, unit, target, &object)?;
    Ok(Artefact {
        unit: unit.name.clone(),
        target: target.name().to_owned(),
        constants: constants.map(sorted_bits),
        kernels,
        lines: edited.lines(unit),
        code,
    })
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
    check(unit, constants.unwrap_or(&[]))?;
    let clang = Clang::find()?;
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(&artefact::VERSION.to_le_bytes());
    part(unit.name.as_bytes());
    part(unit.digest().as_bytes());
    part(headers::digest().as_bytes());
    part(clang.version.as_bytes());
    part(target.name().as_bytes());
    target
        .clang_arguments()
        .iter()
        .chain(&FLAGS)
        .for_each(|flag| part(flag.as_bytes()));
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

fn check(unit: &Unit, constants: &[(u32, ConstantValue)]) -> Result<()> {
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

/// C++ to optimised LLVM IR, as text.
fn front_end(clang: &Clang, unit: &Unit, target: Target, edited: &Edited) -> Result<String> {
    let headers = headers::folder()?;
    let mut command = command(clang, target);
    command
        .args(FLAGS)
        .args(["-fshow-overloads=best", "-S", "-emit-llvm", "-x", "c++"]);
    for header in ["mettle/stdlib.h", "mettle/entry.h", "mettle/memory.h"] {
        command.arg("-include").arg(headers.join(header));
    }
    command.args(["-o", "-", "-"]);
    let output = process::run(
        command,
        &edited.text,
        unit.timeout,
        "the compiler",
        &unit.name,
    )?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let diagnostics = map(unit, edited, &output.stderr);
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err(Error::Compile { diagnostics });
    }
    Err(Error::Tool {
        tool: "the compiler",
        unit: unit.name.clone(),
        message: output.stderr,
    })
}

/// The compiler's messages, with positions in the user's files. One about our own headers is moved to the place in the user's code that led there.
fn map(unit: &Unit, edited: &Edited, stderr: &str) -> Vec<Diagnostic> {
    let messages: Vec<_> = diagnostic::parse(stderr).collect();
    let place = |m: &diagnostic::CompilerMessage<'_>| {
        (m.file == "<stdin>").then(|| {
            unit.source
                .locate(edited.map.origin(edited.offset(m.line, m.column)))
        })
    };
    let mut diagnostics = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let mut notes = messages[i + 1..]
            .iter()
            .take_while(|m| m.severity == Severity::Note);
        let location = match place(message) {
            Some(location) => location,
            // Notes that stand in our headers say nothing to the user.
            None if message.severity == Severity::Note => continue,
            None => notes
                .find_map(place)
                .unwrap_or_else(|| unit.source.locate(0)),
        };
        diagnostics.push(
            unit.source
                .diagnostic(location, message.severity, message.message),
        );
    }
    diagnostics
}

fn argument(unit: &Unit, argument: &Argument) -> ArtefactArgument {
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
    }
}
