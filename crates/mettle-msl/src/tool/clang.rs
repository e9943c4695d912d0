//! Finds the compiler.

use crate::error::{Error, Result};
use crate::tool::process;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Oldest clang that compiles our headers.
const OLDEST: u32 = 16;

/// A usable clang, which compiles kernels for CPUs and NVIDIA GPUs.
#[derive(Clone, Debug)]
pub struct Clang {
    /// The program, or its name where it is found on the path.
    pub path: PathBuf,
    /// First line of `--version`; part of what decides whether cached results hold.
    pub version: String,
    /// `-fuse-ld=` argument, or none to take the system's linker.
    pub linker: Option<String>,
}

impl Clang {
    /// `METTLE_CLANG` if it is set, else the newest of clang-21 to clang-16, else `clang`. Looked for once a process.
    ///
    /// # Errors
    /// [`Error::NoCompiler`], [`Error::CompilerVersion`], or what keeps `METTLE_CLANG` from running.
    pub fn find() -> Result<&'static Self> {
        static FOUND: OnceLock<Clang> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Ok(found);
        }
        let found = match std::env::var_os("METTLE_CLANG") {
            Some(path) => Self::at(Path::new(&path)).map_err(|error| match error {
                Error::Io { source, .. } => Error::Io {
                    action: format!("run {} (METTLE_CLANG)", Path::new(&path).display()),
                    source,
                },
                other => other,
            })?,
            None => Self::search()?,
        };
        Ok(FOUND.get_or_init(|| found))
    }

    fn search() -> Result<Self> {
        let names: Vec<String> = (OLDEST..=21)
            .rev()
            .map(|v| format!("clang-{v}"))
            .chain(["clang".to_owned()])
            .collect();
        let mut unusable = None;
        for name in &names {
            match Self::at(Path::new(name)) {
                Ok(found) => return Ok(found),
                Err(Error::Io { .. }) => {}
                Err(error) => unusable = Some(error),
            }
        }
        Err(unusable.unwrap_or(Error::NoCompiler { tried: names }))
    }

    fn at(path: &Path) -> Result<Self> {
        let mut command = Command::new(path);
        command.arg("--version");
        let output = process::run(command, "", Duration::from_secs(20), "clang --version", "-")?;
        let version = output.stdout.lines().next().unwrap_or("").to_owned();
        match major(&version) {
            Some(v) if v >= OLDEST && output.status.success() => Ok(Self {
                linker: linker(path),
                path: path.to_owned(),
                version,
            }),
            _ => Err(Error::CompilerVersion {
                path: path.to_owned(),
                found: version,
            }),
        }
    }

    /// A command without arguments.
    pub(crate) fn command(&self) -> Command {
        Command::new(&self.path)
    }
}

impl Clang {
    /// The version of LLVM; zero if it is not known.
    pub(crate) fn major(&self) -> u32 {
        major(&self.version).unwrap_or(0)
    }
}

/// The number after `clang version`.
fn major(version: &str) -> Option<u32> {
    // Apple numbers its clang by Xcode: "Apple clang version 15" is LLVM 16.
    let (vendor, rest) = version.split_once("clang version ")?;
    let number: u32 = rest.split('.').next()?.trim().parse().ok()?;
    Some(if vendor.contains("Apple") {
        number + 1
    } else {
        number
    })
}

/// lld of the same installation, which starts quicker than the system's linker.
fn linker(clang: &Path) -> Option<String> {
    let mut command = Command::new(clang);
    command.args(["-print-prog-name=ld.lld"]);
    let output = process::run(
        command,
        "",
        Duration::from_secs(20),
        "clang -print-prog-name",
        "-",
    )
    .ok()?;
    let found = Path::new(output.stdout.trim());
    found.is_absolute().then(|| "-fuse-ld=lld".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("Debian clang version 19.1.7 (3~deb12u1)"), Some(19));
        assert_eq!(major("clang version 16.0.0"), Some(16));
        assert_eq!(
            major("Apple clang version 15.0.0 (clang-1500.3.9.4)"),
            Some(16)
        );
        assert_eq!(major("gcc (Debian 12.2.0) 12.2.0"), None);
    }
}
