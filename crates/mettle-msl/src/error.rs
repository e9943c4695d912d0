//! Everything that can go wrong, as one enum.

use crate::diagnostic::Diagnostic;
use crate::reflect::ConstantValue;
use std::path::PathBuf;
use std::time::Duration;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a unit could not be read or compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No usable compiler.
    #[error("no C++ compiler found (tried {}); install clang 16 or newer (Debian: apt install clang-19 lld-19) or set METTLE_CLANG", tried.join(", "))]
    NoCompiler {
        /// Names that were looked for.
        tried: Vec<String>,
    },
    /// The compiler is too old or not clang.
    #[error("{} is not clang 16 or newer: it reports {found:?}", path.display())]
    CompilerVersion {
        /// The program.
        path: PathBuf,
        /// First line of what it says about itself.
        found: String,
    },
    /// A program ran past its time limit and was stopped.
    #[error("{tool} was stopped after {} s on unit {unit}", limit.as_secs_f32())]
    Timeout {
        /// What ran.
        tool: &'static str,
        /// Name of the unit.
        unit: String,
        /// The limit.
        limit: Duration,
    },
    /// A program failed without saying where.
    #[error("{tool} failed on unit {unit}: {message}")]
    Tool {
        /// What ran.
        tool: &'static str,
        /// Name of the unit.
        unit: String,
        /// What it wrote.
        message: String,
    },
    /// The operating system refused something.
    #[error("cannot {action}")]
    Io {
        /// What was tried, with the file's name.
        action: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The source was refused: by the preprocessor, by our parser or by the compiler. Positions are the user's.
    #[error("{}", show(diagnostics))]
    Compile {
        /// The messages in the compiler's order; at least one of them is an error.
        diagnostics: Vec<Diagnostic>,
    },
    /// A kernel was asked for that the unit does not have.
    #[error("unit {unit} has no kernel {kernel:?}; {}", suggest(kernel, available))]
    UnknownKernel {
        /// Name of the unit.
        unit: String,
        /// The name asked for.
        kernel: String,
        /// The names there are.
        available: Vec<String>,
    },
    /// A value was given for a function constant that the unit does not declare.
    #[error("unit {unit} has no function constant of index {index}")]
    UnknownConstant {
        /// Name of the unit.
        unit: String,
        /// The index asked for.
        index: u32,
    },
    /// A function constant was given a value of another type.
    #[error("function constant {name} of unit {unit} is a {expected}, but was given {given:?}")]
    ConstantType {
        /// Name of the unit.
        unit: String,
        /// Name of the constant.
        name: String,
        /// Its type as written in MSL.
        expected: &'static str,
        /// The value.
        given: ConstantValue,
    },
    /// The compiled code needs functions that nothing provides.
    #[error("unit {unit} calls functions that compiled kernels do not have: {}", symbols.join(", "))]
    UnresolvedSymbols {
        /// Name of the unit.
        unit: String,
        /// Linker names.
        symbols: Vec<String>,
    },
    /// Bytes are not an artefact, or not an undamaged one.
    #[error("not a valid artefact: {reason}")]
    Artefact {
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// The messages with source positions, empty for other errors.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Compile { diagnostics } => diagnostics,
            _ => &[],
        }
    }
}

/// Names to choose from: the nearest to the one asked for, and how many more there are.
fn suggest(asked: &str, available: &[String]) -> String {
    const SHOWN: usize = 5;
    if available.is_empty() {
        return "it has no kernels at all".to_owned();
    }
    let mut near: Vec<(f64, &str)> = available
        .iter()
        .map(|name| (strsim::jaro_winkler(asked, name), name.as_str()))
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let names: Vec<&str> = near.iter().take(SHOWN).map(|(_, name)| *name).collect();
    let names = names.join(", ");
    match available.len().saturating_sub(SHOWN) {
        0 => format!("it has {names}"),
        more => format!("the nearest of its {} are {names}", more + SHOWN),
    }
}

fn show(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(Diagnostic::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_first() {
        let names = |n: &[&str]| n.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
        let few = suggest("rms_nrom", &names(&["add", "rms_norm"]));
        assert_eq!(few, "it has rms_norm, add");
        let many = suggest("add", &names(&["a", "b", "c", "d", "e", "adds"]));
        assert!(many.starts_with("the nearest of its 6 are adds"), "{many}");
        assert_eq!(suggest("add", &[]), "it has no kernels at all");
    }
}
