//! From IR to a shared object.

use super::command;
use crate::error::{Error, Result};
use crate::tool::{clang::Clang, process};
use crate::{Instrumentation, Target, Unit};
use object::{Object, ObjectSymbol, SymbolKind};
use std::fs;
use std::process::Command;

/// Symbols that the system's loader provides.
const PROVIDED: [&str; 1] = ["__tls_get_addr"];

fn io(action: &str) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |source| Error::Io {
        action: action.to_owned(),
        source,
    }
}

fn run(command: Command, input: &str, tool: &'static str, unit: &Unit) -> Result<()> {
    let output = process::run(command, input, unit.timeout, tool, &unit.name)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Tool {
        tool,
        unit: unit.name.clone(),
        message: output.stderr,
    })
}

/// IR to an object file.
pub(super) fn assemble(clang: &Clang, unit: &Unit, target: Target, ir: &str) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir().map_err(io("make a temporary folder"))?;
    let path = folder.path().join("unit.o");
    let mut command = command(clang, target);
    // The IR is optimised already: this run only generates code.
    command.args([
        "-c",
        "-O3",
        "-fPIC",
        "-ffunction-sections",
        "-fdata-sections",
        "-w",
        "-Xclang",
        "-disable-llvm-passes",
    ]);
    command.args(["-x", "ir", "-", "-o"]).arg(&path);
    run(command, ir, "the code generator", unit)?;
    fs::read(&path).map_err(io("read the compiled object"))
}

/// Name and bytes of each thread-local variable: the static threadgroup memory.
pub(super) fn thread_local_sizes(unit: &Unit, object: &[u8]) -> Result<Vec<(String, usize)>> {
    let file = parse(unit, object)?;
    let variables = file
        .symbols()
        .filter(|s| s.kind() == SymbolKind::Tls && !s.is_undefined());
    Ok(variables
        .filter_map(|s| Some((s.name().ok()?.to_owned(), s.size() as usize)))
        .collect())
}

/// Links an object into a shared object that exports the entries and tables and needs nothing but the loader.
pub(super) fn link(clang: &Clang, unit: &Unit, target: Target, object: &[u8]) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir().map_err(io("make a temporary folder"))?;
    let at = |name: &str| folder.path().join(name);
    let (input, output) = (at("unit.o"), at("unit.so"));
    fs::write(&input, object).map_err(io("write the compiled object"))?;
    let mut command = command(clang, target);
    command
        .args(["-shared", "-nostdlib", "-w"])
        .args(clang.linker.as_deref());
    command.args([
        "-Wl,--gc-sections,-Bsymbolic,--build-id=none,--hash-style=gnu",
        "-Wl,-z,noexecstack",
        match unit.instrumentation {
            Instrumentation::None => "-Wl,--strip-all",
            Instrumentation::Lines | Instrumentation::Full => "-Wl,--discard-all",
        },
    ]);
    command.arg(&input).arg("-o").arg(&output);
    run(command, "", "the linker", unit)?;
    let code = fs::read(&output).map_err(io("read the linked object"))?;
    require_nothing(unit, &code)?;
    Ok(code)
}

fn require_nothing(unit: &Unit, code: &[u8]) -> Result<()> {
    let file = parse(unit, code)?;
    let missing = file
        .dynamic_symbols()
        .filter(|s| s.is_undefined())
        .filter_map(|s| s.name().ok());
    let symbols: Vec<String> = missing
        .filter(|n| !n.is_empty() && !PROVIDED.contains(n))
        .map(str::to_owned)
        .collect();
    if symbols.is_empty() {
        return Ok(());
    }
    Err(Error::UnresolvedSymbols {
        unit: unit.name.clone(),
        symbols,
    })
}

fn parse<'a>(unit: &Unit, bytes: &'a [u8]) -> Result<object::File<'a>> {
    object::File::parse(bytes).map_err(|e| Error::Tool {
        tool: "reading the compiled object",
        unit: unit.name.clone(),
        message: e.to_string(),
    })
}
