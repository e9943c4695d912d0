//! Compiled results by what they were made from, kept on disk.

use crate::reflect::ConstantValue;
use crate::tool::headers;
use crate::{Artefact, Error, Result, Target, Unit};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes a cache may take; the entries that were not used for longest go first.
const CAPACITY: u64 = 512 << 20;

/// Bytes of the digest in front of an entry.
const DIGEST: usize = blake3::OUT_LEN;

/// A folder of entries named by the digest of everything that decides their contents.
///
/// An entry is written to a file of its own and renamed into place, so that nobody sees half of one, and carries the digest of its
/// bytes, so that a damaged one is dropped and made anew.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// How [`Cache::compile`] came by an artefact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was in the cache.
    Cached,
    /// It was compiled.
    Compiled,
}

impl Cache {
    /// The cache in a folder, which is made if it does not exist.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be made.
    pub fn at(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|source| Error::Io {
            action: format!("make the cache folder {}", folder.display()),
            source,
        })?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// This user's cache, below `METTLE_CACHE`, `XDG_CACHE_HOME/mettle` or `HOME/.cache/mettle`; `None` if none of them can be written.
    pub fn of_user() -> Option<Self> {
        headers::cache_roots()
            .into_iter()
            .find_map(|root| Self::at(&root.join("artefacts")).ok())
    }

    /// The bytes kept under a key; `None` if there are none, or none that are undamaged.
    pub fn get(&self, key: &blake3::Hash) -> Option<Vec<u8>> {
        let path = self.path(key);
        let mut bytes = fs::read(&path).ok()?;
        let whole = bytes.len() >= DIGEST
            && blake3::hash(&bytes[DIGEST..]).as_bytes()[..] == bytes[..DIGEST];
        if !whole {
            tracing::warn!(entry = %path.display(), "dropped a damaged cache entry");
            // Where it cannot be removed it is refused again next time.
            let _ = fs::remove_file(&path);
            return None;
        }
        // Its age decides what goes first; a cache on a read-only disk serves just as well.
        let _ = File::options()
            .append(true)
            .open(&path)
            .and_then(|file| file.set_modified(SystemTime::now()));
        bytes.drain(..DIGEST);
        Some(bytes)
    }

    /// Keeps bytes under a key.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk is full or cannot be written; then nothing is kept.
    pub fn put(&self, key: &blake3::Hash, bytes: &[u8]) -> Result<()> {
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(blake3::hash(bytes).as_bytes())?;
            file.write_all(bytes)?;
            file.persist(self.path(key))?;
            Ok(())
        };
        write().map_err(|source| Error::Io {
            action: format!("keep a result in {}", self.folder.display()),
            source,
        })
    }

    /// As [`crate::compile`], unless the cache has the result. A result that cannot be kept is a warning in the log, no error.
    ///
    /// # Errors
    /// Those of [`crate::compile`].
    pub fn compile(
        &self,
        unit: &Unit,
        target: Target,
        constants: Option<&[(u32, ConstantValue)]>,
        kernels: &[&str],
    ) -> Result<(Artefact, Origin)> {
        let key = crate::fingerprint(unit, target, constants, kernels)?;
        if let Some(artefact) = self.get(&key).and_then(|b| Artefact::from_bytes(&b).ok()) {
            return Ok((artefact, Origin::Cached));
        }
        let artefact = crate::compile(unit, target, constants, kernels)?;
        if let Err(error) = self.put(&key, &artefact.to_bytes()) {
            tracing::warn!(%error, "the compiled unit is not kept");
        }
        Ok((artefact, Origin::Compiled))
    }

    /// Removes the entries used longest ago until the rest fits the capacity of 512 MiB.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read.
    pub fn trim(&self) -> Result<()> {
        let failed = |source| Error::Io {
            action: format!("look through {}", self.folder.display()),
            source,
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // An entry that has just gone was removed by another process.
            if let Ok(metadata) = entry.metadata()
                && let Ok(modified) = metadata.modified()
            {
                entries.push((modified, metadata.len(), entry.path()));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in entries {
            if total <= CAPACITY {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= bytes;
            }
        }
        Ok(())
    }

    fn path(&self, key: &blake3::Hash) -> PathBuf {
        self.folder.join(key.to_hex().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_entries_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let key = blake3::hash(b"key");
        assert_eq!(cache.get(&key), None);
        cache.put(&key, b"value").unwrap();
        assert_eq!(cache.get(&key).as_deref(), Some(&b"value"[..]));
        let path = cache.path(&key);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&whole[..whole.len() - 1], &whole[..3], &flipped, b""] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.get(&key), None, "{} bytes", damaged.len());
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_unit_is_compiled_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let text = "kernel void f(device int* x [[buffer(0)]]) { x[0] = 1; }";
        let unit = Unit::from_source("u", text, &crate::Options::default()).unwrap();
        let target = Target::host_cpu().unwrap();
        let (first, origin) = cache.compile(&unit, target, None, &[]).unwrap();
        assert_eq!(origin, Origin::Compiled);
        let (second, origin) = cache.compile(&unit, target, None, &[]).unwrap();
        assert_eq!(origin, Origin::Cached);
        assert_eq!(first.to_bytes(), second.to_bytes());
        let (_, origin) = cache.compile(&unit, target, Some(&[]), &[]).unwrap();
        assert_eq!(origin, Origin::Compiled);
    }
}
