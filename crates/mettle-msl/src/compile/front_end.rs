//! Rewritten C++ to optimised LLVM IR, or to PTX.

use super::{command, wording};
use crate::diagnostic;
use crate::error::{Error, Result};
use crate::source::edit::Edited;
use crate::tool::{clang::Clang, precompiled, process};
use crate::{Diagnostic, Instrumentation, Severity, Target, Unit};

/// How C++ is compiled, apart from the target.
///
/// Math is safe: infinities and NaN hold, and only multiply-add pairs are contracted, as Metal does.
const FLAGS: [&str; 17] = [
    "-O3",
    "-nostdinc",
    "-nostdinc++",
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

/// What a shared object takes besides.
const SHARED_OBJECT: [&str; 6] = [
    // Lanes wait for each other at one call: a function that gets there is not to be called in both branches of an `if` instead of behind
    // it, as clang would where they know an argument. For CUDA clang takes every function for one of these.
    "-Xclang",
    "-fconvergent-functions",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-semantic-interposition",
    // Large frames touch each of their pages, so that they cannot reach past the guard below a stack.
    "-fstack-clash-protection",
];

/// The flags, and the language that the rewritten text is.
fn dialect(clang: &Clang, unit: &Unit, target: Target) -> (Vec<&'static str>, &'static str) {
    match target {
        Target::Cpu(_) => (
            [&SHARED_OBJECT, &*instrumentation(clang, unit)].concat(),
            "c++",
        ),
        Target::Ptx(_) => (Vec::new(), "cuda"),
    }
}

/// Code that reads its function constants has what any of them asks for. `#pragma unroll` would multiply that, for loops whose length is
/// one of the constants, too, so that it took most of the time that a unit takes; it counts where constants are known.
const ROLLED: [&str; 2] = ["-mllvm", "-pragma-unroll-threshold=150"];

/// Compiles a rewritten unit; the IR (for a CPU) or the PTX as text. `generic`: function constants are set when it is loaded.
pub(super) fn run(
    clang: &Clang,
    unit: &Unit,
    target: Target,
    edited: &Edited,
    generic: bool,
) -> Result<String> {
    let mut action = match target {
        Target::Cpu(_) => vec!["-S", "-emit-llvm", "-o", "-"],
        Target::Ptx(_) => vec!["-S", "-o", "-"],
    };
    if generic && !unit.constants.is_empty() {
        action.extend(ROLLED);
    }
    let (output, diagnostics) = front_end(clang, unit, target, edited, &action)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::Compile { diagnostics })
}

/// The IR of a rewritten unit as it stands, every call with its place; `None` when it does not compile.
pub(super) fn plain_ir(
    clang: &Clang,
    unit: &Unit,
    target: Target,
    edited: &Edited,
) -> Result<Option<String>> {
    let action = [
        "-S",
        "-emit-llvm",
        "-o",
        "-",
        "-gline-tables-only",
        "-Xclang",
        "-disable-llvm-passes",
    ];
    let (output, _) = front_end(clang, unit, target, edited, &action)?;
    Ok(output.status.success().then_some(output.stdout))
}

/// The compiler's messages about a rewritten unit, without compiling it.
pub(super) fn check(
    clang: &Clang,
    unit: &Unit,
    target: Target,
    edited: &Edited,
) -> Result<Vec<Diagnostic>> {
    let (_, diagnostics) = front_end(clang, unit, target, edited, &["-fsyntax-only"])?;
    Ok(diagnostics)
}

/// Runs clang with `action`. If it fails, at least one of the messages is an error.
fn front_end(
    clang: &Clang,
    unit: &Unit,
    target: Target,
    edited: &Edited,
    action: &[&str],
) -> Result<(process::Output, Vec<Diagnostic>)> {
    let header = header(clang, unit, target)?;
    let compile = |header: &precompiled::Header| {
        let mut command = command(clang, target);
        let (flags, language) = dialect(clang, unit, target);
        command
            .args(FLAGS)
            .args(&flags)
            .arg(standard(unit))
            .args(header.arguments())
            .args(["-fshow-overloads=best", "-fno-elide-type"])
            .args(action);
        command.args(["-x", language, "-"]);
        process::run(
            command,
            &edited.text,
            unit.timeout,
            "the compiler",
            &unit.name,
        )
    };
    let mut output = compile(&header)?;
    let mut diagnostics = map(unit, edited, &output.stderr);
    if !output.status.success() && diagnostics.is_empty() && header.is_precompiled() {
        // Not about the user's code: a precompiled header that this compiler does not take (it was replaced under the same version).
        output = compile(&header.discard())?;
        diagnostics = map(unit, edited, &output.stderr);
    }
    if !output.status.success() && !diagnostics.iter().any(Diagnostic::is_error) {
        return Err(Error::Tool {
            tool: "the compiler",
            unit: unit.name.clone(),
            message: output.stderr,
        });
    }
    Ok((output, diagnostics))
}

fn header(clang: &Clang, unit: &Unit, target: Target) -> Result<precompiled::Header> {
    let (flags, language) = dialect(clang, unit, target);
    let name = if unit.tensors {
        "mettle/unit_tensor.h"
    } else {
        "mettle/unit.h"
    };
    if language != "c++" {
        // clang precompiles headers of C and C++ only.
        return precompiled::as_text(name);
    }
    let mut command = command(clang, target);
    command.args(FLAGS).args(flags).arg(standard(unit));
    precompiled::header(
        clang,
        command,
        name,
        &["-x", "c++-header", "-fpch-instantiate-templates"],
        unit.timeout,
    )
}

/// What code carries for finding mistakes in it. A check that fails runs into an instruction that traps.
fn instrumentation(clang: &Clang, unit: &Unit) -> Vec<&'static str> {
    const LINES: &str = "-gline-tables-only";
    const CHECKS: [&str; 2] = ["-fsanitize=array-bounds", "-fsanitize-trap=array-bounds"];
    // One instruction for each check, so that it leads to a line.
    let separate: &[&str] = match clang.major() {
        ..17 => &[],
        17..20 => &["-mllvm", "-ubsan-unique-traps"],
        20.. => &["-fno-sanitize-merge"],
    };
    match unit.instrumentation {
        Instrumentation::None => Vec::new(),
        Instrumentation::Lines => vec![LINES],
        Instrumentation::Full => [&[LINES], &CHECKS[..], separate].concat(),
    }
}

/// The language of a unit. Operations on tensors are described by template arguments of class type, which C++17 does not have.
fn standard(unit: &Unit) -> &'static str {
    if unit.tensors {
        "-std=c++2b"
    } else {
        "-std=c++17"
    }
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
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let mut notes = messages[i + 1..]
            .iter()
            .take_while(|m| m.severity == Severity::Note);
        let location = match place(message) {
            Some(location) => location,
            None if message.severity == Severity::Note => {
                // A note about our headers says nothing to the user, unless it is the first reason given.
                match diagnostics.last() {
                    Some(about)
                        if about.is_error() && message.message.contains("no known conversion") =>
                    {
                        about.location.clone()
                    }
                    _ => continue,
                }
            }
            None => notes
                .find_map(place)
                .unwrap_or_else(|| unit.source.locate(0)),
        };
        diagnostics.push(unit.source.diagnostic(
            location,
            message.severity,
            wording::msl(message.message),
        ));
    }
    diagnostics
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CpuLevel, Options, compile};
    use std::fs;

    #[test]
    fn a_damaged_precompiled_header_is_replaced() {
        let text = "kernel void f(device int* x [[buffer(0)]]) { x[0] = 1; }";
        let unit = Unit::from_source("u", text, &Options::default()).unwrap();
        let target = Target::Cpu(CpuLevel::Aarch64);
        let header = header(Clang::find().unwrap(), &unit, target).unwrap();
        let [_, path] = header.arguments();
        if !header.is_precompiled() {
            println!("skipped: there is no folder to keep a precompiled header in");
            return;
        }
        fs::write(path, "damaged").unwrap();
        compile(&unit, target, None, &[]).unwrap();
        assert_ne!(fs::read(path).unwrap_or_default(), b"damaged");
    }
}
