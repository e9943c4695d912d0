//! Address spaces (4), checked by clang's C++ for OpenCL.
//!
//! C++ sees no address spaces, so that a pointer to device memory passes for one to threadgroup memory. OpenCL has them, and clang's
//! dialect of C++ for it is near enough to MSL to read a unit whose address spaces are rewritten to its own ([`rewrite`]), with our
//! `metal_stdlib` in front (`include/mettle/strict.h`). What it says about anything but address spaces is dropped ([`messages`]): C++ is
//! the judge of the rest. Clang's `address_space` attribute alone, in plain C++, does not do: no class could be copied out of a space.

mod messages;
mod rewrite;

pub(super) use rewrite::rewrite;

use super::Findings;
use super::code::Code;
use crate::diagnostic;
use crate::error::{Error, Result};
use crate::tool::{clang::Clang, precompiled, process};
use crate::unit::Unit;
use std::process::Command;

/// Marks the assertion that too much threadgroup memory is declared.
const THREADGROUP_MEMORY: &str = "mettle: too much threadgroup memory";

/// How the compiler reads a unit. The machine does not matter, as long as it has 64-bit pointers and `_Float16`.
const FLAGS: [&str; 14] = [
    "--target=x86_64-unknown-linux-gnu",
    "-cl-std=clc++2021",
    "-cl-no-stdinc",
    "-nostdinc",
    "-D__METTLE_STRICT__",
    "-fsigned-char",
    "-fdeclspec",
    "-Xclang",
    "-ffloat16-excess-precision=none",
    "-w",
    "-ferror-limit=0",
    "-fno-color-diagnostics",
    "-fno-caret-diagnostics",
    "-fno-elide-type",
];

/// Checks the address spaces of a unit.
///
/// A unit that uses tensors is left out: their types need C++23, and C++ for OpenCL is C++17.
pub(super) fn check(code: &Code<'_>, findings: &mut Findings) -> Result<()> {
    let unit = code.unit;
    if unit.tensors {
        return Ok(());
    }
    let edited = rewrite(code);
    let output = compile(unit, &edited.text)?;
    messages::read(&edited, &output.stderr, findings);
    Ok(())
}

/// Lets the compiler read a rewritten text. If it fails, it has said where.
fn compile(unit: &Unit, text: &str) -> Result<process::Output> {
    let clang = Clang::find()?;
    let header = precompiled::header(
        clang,
        command(clang),
        "mettle/strict.h",
        &["-x", "cl", "-c", "-Xclang", "-emit-pch"],
        unit.timeout,
    )?;
    let run = |header: &precompiled::Header| {
        let mut command = command(clang);
        command.args(header.arguments());
        command.args(["-fsyntax-only", "-x", "cl", "-"]);
        process::run(command, text, unit.timeout, "the compiler", &unit.name)
    };
    let mut output = run(&header)?;
    let understood = |output: &process::Output| {
        output.status.success() || diagnostic::parse(&output.stderr).next().is_some()
    };
    if !understood(&output) && header.is_precompiled() {
        // A precompiled header that this compiler does not take.
        output = run(&header.discard())?;
    }
    if !understood(&output) {
        return Err(Error::Tool {
            tool: "the compiler",
            unit: unit.name.clone(),
            message: output.stderr,
        });
    }
    Ok(output)
}

fn command(clang: &Clang) -> Command {
    let mut command = clang.command();
    command.args(FLAGS);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn the_library_is_right_with_address_spaces() {
        let unit = Unit::from_source("u", "", &Options::default()).unwrap();
        let output = compile(&unit, "").unwrap();
        assert!(output.status.success(), "{}", output.stderr);
    }
}
