//! Metal sources that other people published, as `tools/corpora.sh` unpacks them: which files are units of their own, and
//! the folders and macros they are compiled with. For tests and measurements; nothing here is part of a product.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// Sources that are compiled in one way.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// Short name.
    pub name: &'static str,
    /// What it is, for headings.
    pub title: &'static str,
    /// Files that are units of their own, ordered by name.
    pub files: Vec<PathBuf>,
    /// Folders searched for `#include`.
    pub include_dirs: Vec<PathBuf>,
    /// Macros: name and text.
    pub defines: Vec<(String, String)>,
}

/// Why there is no corpus.
#[derive(Debug)]
pub enum Error {
    /// It was not fetched.
    Missing(PathBuf),
    /// Its folder cannot be read.
    Io(PathBuf, io::Error),
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{} is missing; run tools/corpora.sh", path.display()),
            Self::Io(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
        }
    }
}

/// The kernels of candle, one file each.
///
/// # Errors
/// [`Error::Missing`] if it was not fetched.
pub fn candle() -> Result<Corpus, Error> {
    let folder = fetched("candle-metal-kernels-0.11.1")?.join("src/metal_src");
    Ok(Corpus {
        name: "candle",
        title: "candle-metal-kernels 0.11.1",
        files: units(&folder, |_| true)?,
        include_dirs: Vec::new(),
        defines: Vec::new(),
    })
}

/// The kernels of llama.cpp as its own build compiles them for a device with `bfloat`, with or without the tensor operations
/// of Metal 4 (`GGML_METAL_HAS_TENSOR`).
///
/// # Errors
/// As [`candle`].
pub fn llama(tensor: bool) -> Result<Corpus, Error> {
    let source = fetched("llama-cpp-sys-2-0.1.161")?.join("llama.cpp/ggml/src");
    let metal = source.join("ggml-metal");
    let (name, title) = if tensor {
        (
            "llama-tensor",
            "llama-cpp-sys-2 0.1.161, GGML_METAL_HAS_TENSOR",
        )
    } else {
        ("llama", "llama-cpp-sys-2 0.1.161")
    };
    let macros = ["GGML_METAL_HAS_BF16", "GGML_METAL_HAS_TENSOR"];
    Ok(Corpus {
        name,
        title,
        // These two hold templates that other files include.
        files: units(&metal.join("kernels"), |stem| {
            !matches!(stem, "fa_common" | "fa_vec_common")
        })?,
        include_dirs: vec![source, metal],
        defines: macros[..1 + usize::from(tensor)]
            .iter()
            .map(|&name| (name.to_owned(), "1".to_owned()))
            .collect(),
    })
}

/// All of them.
///
/// # Errors
/// As [`candle`].
pub fn all() -> Result<Vec<Corpus>, Error> {
    Ok(vec![candle()?, llama(false)?, llama(true)?])
}

impl Corpus {
    /// The file of this name, without extension.
    pub fn file(&self, stem: &str) -> Option<&Path> {
        let mut files = self.files.iter().map(PathBuf::as_path);
        files.find(|file| file.file_stem().is_some_and(|found| found == stem))
    }
}

fn fetched(name: &str) -> Result<PathBuf, Error> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/corpora")
        .join(name);
    // The script writes this file last.
    if path.join(".digest").is_file() {
        path.canonicalize().map_err(|error| Error::Io(path, error))
    } else {
        Err(Error::Missing(path))
    }
}

/// The `.metal` files of `folder` that `wanted` takes by their stem.
fn units(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::Io(folder.to_owned(), error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_metal = path.extension().is_some_and(|e| e == "metal");
        if is_metal
            && path
                .file_stem()
                .is_some_and(|s| wanted(&s.to_string_lossy()))
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
