//! Runs the preprocessor: user text with macros and includes in, one [`Source`] out.

use crate::diagnostic::{self, Location};
use crate::error::{Error, Result};
use crate::metal::Language;
use crate::source::Source;
use crate::tool::{clang::Clang, headers, process};
use crate::{Diagnostic, Options, Severity};
use std::path::Path;
use std::process::Command;

/// A run of the preprocessor. The predefined macros of the host are undefined: a Metal source must not see them.
fn command() -> Result<Command> {
    let mut command = Clang::find()?.command();
    command.args(["-E", "-x", "c++", "-std=c++17"]);
    command.args(["-undef", "-nostdinc", "-nostdinc++"]);
    command.args(["-w", "-fno-color-diagnostics", "-fno-caret-diagnostics"]);
    Ok(command)
}

/// What conditions of a source may ask of Apple's compiler, beside versions. Other macros of it and of its headers are for itself to put in.
const APPLE: [&str; 3] = [
    "-D__METAL__=1",
    "-D__METAL_MACOS__=1",
    "-D__HAVE_BFLOAT__=1",
];

/// Preprocesses a text that includes nothing as Apple's compiler would; the text keeps its line markers.
pub(crate) fn expand(unit: &str, text: &str) -> Result<String> {
    let tool = "the preprocessor";
    let mut command = command()?;
    let [metal, cplusplus] = Language::of(text).versions();
    command.args(APPLE);
    command.arg(format!("-D__METAL_VERSION__={metal}"));
    command.arg(format!("-D__cplusplus={cplusplus}")).arg("-");
    let output = process::run(command, text, Options::default().timeout, tool, unit)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::Tool {
        tool,
        unit: unit.to_owned(),
        message: output.stderr,
    })
}

/// Preprocesses `text`, called `name` in messages. `#include "..."` is looked for beside `name` first.
///
/// Our headers under `include/` define macros only and leave no text behind, so that the result is the user's code and no more.
pub(crate) fn preprocess(name: &Path, text: &str, options: &Options) -> Result<Source> {
    let unit = name.display().to_string();
    let mut command = command()?;
    command.arg("-D__cplusplus=201703L");
    if let Some(folder) = name.parent().filter(|p| !p.as_os_str().is_empty()) {
        command.arg("-iquote").arg(folder);
    }
    for folder in &options.include_dirs {
        command.arg("-I").arg(folder);
    }
    for (macro_name, value) in &options.defines {
        command.arg(format!("-D{macro_name}={value}"));
    }
    let headers = &headers::folder()?.path;
    command
        .arg("-isystem")
        .arg(headers)
        .arg("-include")
        .arg(headers.join("mettle/prelude.h"))
        .arg("-");
    let output = process::run(command, text, options.timeout, "the preprocessor", &unit)?;
    let source = Source::from_preprocessor(&output.stdout, name, text);
    if output.status.success() {
        return Ok(source);
    }
    let diagnostics: Vec<Diagnostic> = diagnostic::parse(&output.stderr)
        .map(|m| {
            let file = if m.file == "<stdin>" {
                name
            } else {
                Path::new(m.file)
            };
            let location = Location {
                file: file.to_owned(),
                line: m.line,
                column: m.column,
            };
            source.diagnostic(location, m.severity, m.message)
        })
        .collect();
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err(Error::Compile { diagnostics });
    }
    Err(Error::Tool {
        tool: "the preprocessor",
        unit,
        message: output.stderr,
    })
}
