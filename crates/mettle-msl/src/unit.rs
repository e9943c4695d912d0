//! A unit: one `.metal` file with everything it includes, preprocessed and understood.

use crate::diagnostic::{Diagnostic, Location, Severity};
use crate::error::{Error, Result};
use crate::parse::{self, Parsed};
use crate::reflect::{FunctionConstant, Kernel, Layout, Struct, Type, Variant};
use crate::source::Source;
use crate::{preprocess, tool::headers};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How to read and compile a unit.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folders searched for `#include`, after the including file's own.
    pub include_dirs: Vec<PathBuf>,
    /// Macros to define: name and text.
    pub defines: Vec<(String, String)>,
    /// Time limit of one run of the compiler.
    pub timeout: Duration,
}

impl Default for Options {
    /// No folders, no macros, two minutes.
    fn default() -> Self {
        Self {
            include_dirs: Vec::new(),
            defines: Vec::new(),
            timeout: Duration::from_secs(120),
        }
    }
}

/// What compiled code carries for finding mistakes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Instrumentation {
    /// Nothing.
    #[default]
    None,
    /// Which instruction comes from which line. It runs as fast as without.
    Lines,
    /// Also an entry for single threads of every kernel, so that a fault tells which thread it was, and checks of the indices of arrays
    /// of fixed size. Simple kernels run several times slower.
    Full,
}

/// A preprocessed and reflected source.
#[derive(Debug)]
pub struct Unit {
    /// File name without folder and extension, or the name given to [`Unit::from_source`].
    pub name: String,
    /// Kernels in the order of the text.
    pub kernels: Vec<Kernel>,
    /// Function constants in the order of the text.
    pub constants: Vec<FunctionConstant>,
    /// Structs of plain data in the order of the text.
    pub structs: Vec<Struct>,
    /// What `#pragma mettle variant` asks for.
    pub variants: Vec<Variant>,
    pub(crate) source: Source,
    pub(crate) places: parse::Places,
    pub(crate) timeout: Duration,
    /// Whether it includes `<metal_tensor>`.
    pub(crate) tensors: bool,
    pub(crate) instrumentation: Instrumentation,
    digest: blake3::Hash,
    dependencies: Vec<PathBuf>,
}

impl Unit {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Compile`] if it is not UTF-8 or not understood, and whatever keeps the
    /// preprocessor from running.
    pub fn from_file(path: &Path, options: &Options) -> Result<Self> {
        let action = || format!("read {}", path.display());
        let bytes = fs::read(path).map_err(|source| Error::Io {
            action: action(),
            source,
        })?;
        let text = String::from_utf8(bytes).map_err(|error| Error::Compile {
            diagnostics: vec![not_utf8(path, &error)],
        })?;
        let name = path
            .file_stem()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned();
        Self::new(name, path, &text, options)
    }

    /// Reads a text; `name` stands for the file in messages, and its folder (if it has one) is searched for `#include "..."`.
    ///
    /// # Errors
    /// As [`Unit::from_file`].
    pub fn from_source(name: &str, text: &str, options: &Options) -> Result<Self> {
        Self::new(name.to_owned(), Path::new(name), text, options)
    }

    fn new(name: String, path: &Path, text: &str, options: &Options) -> Result<Self> {
        let span = tracing::debug_span!("preprocess", unit = %name);
        let _entered = span.enter();
        let source = preprocess::preprocess(path, text, options)?;
        let headers = &headers::folder()?.path;
        let dependencies = source.dependencies(headers);
        let tensors = source.includes(&headers.join("metal_tensor"));
        Ok(Self {
            dependencies,
            tensors,
            timeout: options.timeout,
            ..Self::from_preprocessed(name, source)?
        })
    }

    /// Understands a text that needs no preprocessor.
    pub(crate) fn from_preprocessed(name: String, source: Source) -> Result<Self> {
        let tokens = parse::tokens(&source)?;
        let items = parse::item::items(&tokens);
        let Parsed {
            kernels,
            constants,
            structs,
            variants,
            places,
        } = parse::parse(&source, &tokens, &items)?;
        let digest = blake3::hash(source.text.as_bytes());
        Ok(Self {
            name,
            kernels,
            constants,
            structs,
            variants,
            source,
            places,
            timeout: Options::default().timeout,
            tensors: false,
            instrumentation: Instrumentation::None,
            digest,
            dependencies: Vec::new(),
        })
    }

    /// Chooses what code compiled from now on carries for finding mistakes in it.
    pub fn instrument(&mut self, instrumentation: Instrumentation) {
        self.instrumentation = instrumentation;
    }

    /// Digest of the preprocessed text, comments and file names left out.
    pub fn digest(&self) -> blake3::Hash {
        self.digest
    }

    /// The files that were read, the main one first; for `cargo:rerun-if-changed`.
    pub fn dependencies(&self) -> &[PathBuf] {
        &self.dependencies
    }

    /// Size and alignment of a type of this unit; `None` where it is not known ([`Type::Other`]).
    pub fn layout(&self, ty: &Type) -> Option<Layout> {
        ty.layout(&self.structs)
    }

    /// The kernel of a host name.
    ///
    /// # Errors
    /// [`Error::UnknownKernel`].
    pub fn kernel(&self, name: &str) -> Result<&Kernel> {
        self.kernels
            .iter()
            .find(|k| k.name == name)
            .ok_or_else(|| Error::UnknownKernel {
                unit: self.name.clone(),
                kernel: name.to_owned(),
                available: self.kernels.iter().map(|k| k.name.clone()).collect(),
            })
    }
}

/// Where a text stops being UTF-8.
fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Diagnostic {
    let (good, rest) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
    let line_start = good.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    let line_end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let line = &error.as_bytes()[line_start..good.len() + line_end];
    Diagnostic {
        location: Location {
            file: path.to_owned(),
            line: good.iter().filter(|b| **b == b'\n').count() as u32 + 1,
            column: (good.len() - line_start) as u32 + 1,
        },
        severity: Severity::Error,
        rule: None,
        message: format!(
            "the byte {:#04x} is not UTF-8 text; save the file as UTF-8",
            rest[0]
        ),
        source_line: String::from_utf8_lossy(line).into_owned(),
    }
}
