//! Runs Xcode's Metal compiler.

use super::{LIBRARY, Language};
use crate::artefact::Artefact;
use crate::diagnostic::{self, Diagnostic, Location};
use crate::error::{Error, Result};
use crate::tool::process;
use crate::{Cache, Options, Origin, Severity};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// Compiles what [`super::source_artefact`] made with `xcrun -sdk macosx metal`, in the oldest version of the language that will do and for the first
/// macOS that has it.
///
/// # Errors
/// [`Error::Compile`] with positions in the user's files, [`Error::Timeout`], and [`Error::Tool`] and [`Error::Io`] for what keeps the compiler from
/// running.
pub fn compile_library(source: &Artefact) -> Result<Artefact> {
    let tool = "Apple's Metal compiler";
    let io = |action: &str| {
        let action = format!("{action} of unit {}", source.unit);
        move |source| Error::Io { action, source }
    };
    let text = String::from_utf8_lossy(&source.code);
    let language = Language::of(&text);
    let folder = tempfile::tempdir().map_err(io("make a folder for the metallib"))?;
    let path = folder.path().join("unit.metallib");
    let mut command = xcrun();
    command
        .args(ARGUMENTS)
        .arg(format!("-std={}", language.standard()))
        .arg(format!("-mmacosx-version-min={}", language.system()))
        .arg("-o")
        .args([&path, Path::new("-")]);
    let limit = Options::default().timeout;
    let output = process::run(command, &text, limit, tool, &source.unit)?;
    if output.status.success() {
        let code = fs::read(&path).map_err(io("read the metallib"))?;
        return Ok(Artefact {
            target: LIBRARY.to_owned(),
            code,
            ..source.clone()
        });
    }
    let diagnostics: Vec<_> = diagnostic::parse(&output.stderr)
        .map(|message| Diagnostic {
            location: Location {
                file: Path::new(message.file).to_owned(),
                line: message.line,
                column: message.column,
            },
            severity: message.severity,
            rule: None,
            message: message.message.to_owned(),
            source_line: line_of(&text, message.file, message.line).to_owned(),
        })
        .collect();
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err(Error::Compile { diagnostics });
    }
    Err(Error::Tool {
        tool,
        unit: source.unit.clone(),
        message: output.stderr,
    })
}

/// What every run is given. Infinities and NaN hold; kernels name the functions that may be less exact.
const ARGUMENTS: [&str; 7] = [
    "-fno-fast-math",
    "-O2",
    "-x",
    "metal",
    "-fno-color-diagnostics",
    "-fno-caret-diagnostics",
    "-w",
];

impl Cache {
    /// As [`compile_library`], unless the cache has the result. `platform` says for which GPU and system it is, where that is known; what was
    /// made on one is not taken on another.
    ///
    /// # Errors
    /// Those of [`compile_library`], and [`Error::Tool`] where there is no such compiler.
    pub fn compile_library(&self, source: &Artefact, platform: &str) -> Result<(Artefact, Origin)> {
        let version = compiler().as_ref().map_err(|reason| Error::Tool {
            tool: "Apple's Metal compiler",
            unit: source.unit.clone(),
            message: reason.clone(),
        })?;
        let key = fingerprint(source, version, platform);
        self.artefact(&key, || compile_library(source))
    }
}

/// Digest of everything that decides what [`compile_library`] returns, and for which GPU and system it is kept.
fn fingerprint(source: &Artefact, version: &str, platform: &str) -> blake3::Hash {
    let language = Language::of(&String::from_utf8_lossy(&source.code));
    let fixed = [
        LIBRARY,
        language.standard(),
        language.system(),
        version,
        platform,
    ];
    let text = fixed.into_iter().chain(ARGUMENTS).map(str::as_bytes);
    let source = source.to_bytes();
    Cache::key(text.chain([source.as_slice()]))
}

/// A line of a file that is part of a flattened text; empty where it is not.
fn line_of<'a>(text: &'a str, file: &str, line: u32) -> &'a str {
    let mut at = ("", 0);
    for content in text.lines() {
        if let Some(rest) = content.trim_start().strip_prefix("#line ")
            && let Some((number, name)) = rest.split_once(' ')
            && let Ok(number) = number.parse()
        {
            at = (name.trim().trim_matches('"'), number);
        } else {
            if at == (file, line) {
                return content;
            }
            at.1 += 1;
        }
    }
    ""
}

fn xcrun() -> Command {
    let mut command = Command::new("xcrun");
    command.args(["-sdk", "macosx", "metal"]);
    command
}

/// The first line of what Xcode's Metal compiler says of its version, or why there is no such compiler. Looked for once a process.
pub fn compiler() -> &'static std::result::Result<String, String> {
    static FOUND: OnceLock<std::result::Result<String, String>> = OnceLock::new();
    FOUND.get_or_init(|| {
        if !cfg!(target_os = "macos") {
            return Err("Apple's Metal compiler runs on macOS only".to_owned());
        }
        match xcrun().arg("--version").output() {
            Ok(output) if output.status.success() => {
                let text = String::from_utf8_lossy(&output.stdout);
                Ok(text.lines().next().unwrap_or_default().to_owned())
            }
            Ok(output) => Err(format!(
                "`xcrun -sdk macosx metal` does not run: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
            Err(error) => Err(format!("`xcrun` does not run: {error}")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_flattened_files_are_found() {
        let text = "a0\n#line 1 \"a.h\"\na1\na2\n#line 7 \"u.metal\"\nu7\n";
        assert_eq!(line_of(text, "a.h", 2), "a2");
        assert_eq!(line_of(text, "u.metal", 7), "u7");
        assert_eq!(line_of(text, "u.metal", 8), "");
    }

    #[test]
    fn the_text_the_compiler_and_the_platform_decide() {
        let text = "kernel void k(device int* x [[buffer(0)]]) {}\n";
        let unit = crate::Unit::from_source("u", text, &Options::default()).unwrap();
        let source = super::super::source_artefact(&unit, text.to_owned());
        let other = super::super::source_artefact(&unit, format!("{text}\n"));
        let of = fingerprint;
        assert_eq!(of(&source, "1", "M1"), of(&source, "1", "M1"));
        assert_ne!(of(&source, "1", "M1"), of(&source, "2", "M1"));
        assert_ne!(of(&source, "1", "M1"), of(&source, "1", "M2"));
        assert_ne!(of(&source, "1", "M1"), of(&other, "1", "M1"));
    }

    #[test]
    fn without_the_compiler_its_lack_is_said() {
        let Err(reason) = compiler() else { return };
        let text = "kernel void k(device int* x [[buffer(0)]]) {}\n";
        let unit = crate::Unit::from_source("u", text, &Options::default()).unwrap();
        let source = super::super::source_artefact(&unit, text.to_owned());
        let error = Cache::in_memory().compile_library(&source, "").unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}
