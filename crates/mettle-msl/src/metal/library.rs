//! Runs Xcode's Metal compiler.

use super::{Artefact, LIBRARY, artefact};
use crate::diagnostic::{self, Location};
use crate::error::{Error, Result};
use crate::tool::process;
use crate::{Severity, Unit};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The oldest macOS that metallibs are made for: the first with this language version.
pub const DEPLOYMENT: &str = "14.0";

/// The language version of metallibs and of source: the first with `bfloat`.
pub const LANGUAGE: &str = "metal3.1";

/// Compiles a unit's flattened source with `xcrun -sdk macosx metal`; `Ok(Err(reason))` where that compiler is not installed.
///
/// # Errors
/// [`Error::Compile`] with positions in the user's files, [`Error::Timeout`], and [`Error::Tool`] and [`Error::Io`] for what keeps the compiler from
/// running.
pub fn compile_library(unit: &Unit, text: &str) -> Result<std::result::Result<Artefact, String>> {
    if let Err(reason) = compiler() {
        return Ok(Err(reason));
    }
    let io = |action: &str| {
        let action = format!("{action} of unit {}", unit.name);
        move |source| Error::Io { action, source }
    };
    let folder = tempfile::tempdir().map_err(io("make a folder for the metallib"))?;
    let path = folder.path().join("unit.metallib");
    let mut command = xcrun();
    command
        .arg(format!("-std={LANGUAGE}"))
        .arg(format!("-mmacosx-version-min={DEPLOYMENT}"))
        // Infinities and NaN hold; kernels name the functions that may be less exact.
        .args(["-fno-fast-math", "-O2", "-x", "metal"])
        .args(["-fno-color-diagnostics", "-fno-caret-diagnostics", "-w"])
        .arg("-o")
        .args([&path, Path::new("-")]);
    let output = process::run(
        command,
        text,
        unit.timeout,
        "Apple's Metal compiler",
        &unit.name,
    )?;
    if output.status.success() {
        let code = fs::read(&path).map_err(io("read the metallib"))?;
        return Ok(Ok(artefact(unit, LIBRARY, code)));
    }
    let diagnostics: Vec<_> = diagnostic::parse(&output.stderr)
        .map(|message| {
            let location = Location {
                file: Path::new(message.file).to_owned(),
                line: message.line,
                column: message.column,
            };
            unit.source
                .diagnostic(location, message.severity, message.message)
        })
        .collect();
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err(Error::Compile { diagnostics });
    }
    Err(Error::Tool {
        tool: "Apple's Metal compiler",
        unit: unit.name.clone(),
        message: output.stderr,
    })
}

fn xcrun() -> Command {
    let mut command = Command::new("xcrun");
    command.args(["-sdk", "macosx", "metal"]);
    command
}

/// Whether there is a compiler, or why not.
fn compiler() -> std::result::Result<(), String> {
    let output = xcrun().arg("--version").output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "`xcrun -sdk macosx metal` does not run: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("`xcrun` does not run: {error}")),
    }
}
