//! Which files are meant.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// Files as they are, folders as the `.metal` files in them and below them, sorted.
///
/// A file that does not exist fails here, before the others are compiled.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let metadata =
            std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if !metadata.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        add(path, &mut files)?;
        if files.len() == before {
            bail!("there is no .metal file in {} or below it", path.display());
        }
        files[before..].sort();
    }
    let mut seen = std::collections::HashSet::new();
    files.retain(|path| seen.insert(path.clone()));
    ensure!(!files.is_empty(), "no files to check");
    Ok(files)
}

/// The `.metal` files of a folder and, except through links, of the folders in it.
fn add(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let read = || format!("cannot read the folder {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(read)? {
        let entry = entry.with_context(read)?;
        let path = entry.path();
        if entry.file_type().with_context(read)?.is_dir() {
            add(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "metal") && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
