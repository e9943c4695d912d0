//! The model that ships inside the binary.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use etcetera::BaseStrategy;

/// The bundled model as a GGUF file (Q8_0). Trained by `tools/train`.
pub const MODEL: &[u8] = include_bytes!("../assets/mettle-kjv-q8_0.gguf");

/// The bundled model as a file that can be memory-mapped.
///
/// It is written once to the user's cache folder (or the temporary folder where there is none), under its digest, through a
/// temporary file and a rename, so that a half-written or changed file is never used.
pub fn model_file() -> Result<PathBuf> {
    let digest = blake3::hash(MODEL);
    let name = format!("bundled-{}.gguf", &digest.to_hex()[..16]);
    let folder = etcetera::choose_base_strategy()
        .map(|base| base.cache_dir().join("mettle").join("models"))
        .unwrap_or_else(|_| std::env::temp_dir().join("mettle").join("models"));
    let file = folder.join(name);
    if fs::read(&file).is_ok_and(|bytes| blake3::hash(&bytes) == digest) {
        return Ok(file);
    }
    write_whole(&folder, &file).or_else(|_| {
        let fallback = std::env::temp_dir();
        let file = fallback.join(format!("mettle-bundled-{}.gguf", &digest.to_hex()[..16]));
        tracing::info!(folder = %folder.display(), "the cache folder cannot be written; the bundled model goes to the temporary folder");
        write_whole(&fallback, &file)
    })
}

fn write_whole(folder: &std::path::Path, file: &std::path::Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut part = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write in {}", folder.display()))?;
    part.write_all(MODEL)
        .with_context(|| format!("cannot write the bundled model to {}", folder.display()))?;
    part.persist(file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file.to_owned())
}
