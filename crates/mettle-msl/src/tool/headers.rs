//! Our `metal_stdlib`: its text is part of the crate and is written to a folder of its own where clang can read it.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs, io};

/// Name below `include/` and text of every header.
const HEADERS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/headers.rs"));

/// The folder that holds the headers.
#[derive(Debug)]
pub(crate) struct Folder {
    pub path: PathBuf,
    /// Whether later processes find it again, so that it pays to keep something beside the headers.
    pub lasting: bool,
}

/// The folder that holds the headers, written on first use.
///
/// It is named by the headers' digest and checked against them once a process, so that versions of this crate do not meet in it
/// and a damaged copy is repaired.
pub(crate) fn folder() -> Result<&'static Folder> {
    static FOLDER: OnceLock<Folder> = OnceLock::new();
    if let Some(folder) = FOLDER.get() {
        return Ok(folder);
    }
    let name = format!("headers-{}", &digest().to_hex()[..16]);
    let mut cached = cache_roots().into_iter().map(|root| root.join(&name));
    let folder = match cached.find(|folder| write(folder).is_ok()) {
        Some(path) => Folder {
            path,
            lasting: true,
        },
        // No home (a build sandbox): a folder that other users of the machine cannot have made before us.
        None => private(&name)
            .map(|path| Folder {
                path,
                lasting: false,
            })
            .map_err(|source| Error::Io {
                action: "write the headers of metal_stdlib to a temporary folder".into(),
                source,
            })?,
    };
    Ok(FOLDER.get_or_init(|| folder))
}

fn digest() -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for (name, text) in HEADERS {
        hasher
            .update(&(name.len() as u64).to_le_bytes())
            .update(name.as_bytes());
        hasher
            .update(&(text.len() as u64).to_le_bytes())
            .update(text.as_bytes());
    }
    hasher.finalize()
}

/// Cache folders of this user, best first.
pub(crate) fn cache_roots() -> Vec<PathBuf> {
    let of = |name| {
        env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let home = || of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
    let mettle = of("METTLE_CACHE");
    mettle
        .into_iter()
        .chain(home().map(|cache| cache.join("mettle")))
        .collect()
}

fn private(name: &str) -> io::Result<PathBuf> {
    let folder = tempfile::Builder::new()
        .prefix("mettle-")
        .tempdir()?
        .keep()
        .join(name);
    write(&folder)?;
    Ok(folder)
}

fn write(folder: &Path) -> io::Result<()> {
    for (name, text) in HEADERS {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|found| found == *text) {
            continue;
        }
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)?;
        // Another process may be writing the same file: each writes its own and renames it into place.
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.persist(&path)?;
    }
    Ok(())
}
