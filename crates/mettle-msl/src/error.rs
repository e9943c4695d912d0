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
    #[error("unit {unit} has no kernel {kernel:?}; it has {}", available.join(", "))]
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

fn show(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(Diagnostic::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
