//! Compiled results by what they were made from, kept on disk.

use crate::reflect::ConstantValue;
use crate::tool::headers;
use crate::{Artefact, Error, Result, Target, Unit};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

mod made;
#[cfg(test)]
mod tests;

use self::made::{Made, flight};

/// Bytes a cache may take; the entries that were not used for longest go first.
const CAPACITY: u64 = 512 << 20;

/// Bytes of the digest in front of an entry.
const DIGEST: usize = blake3::OUT_LEN;

/// A file being written is named so, and is never an entry.
const PARTIAL: &str = "partial-";

/// A partial file of this age was left behind by a process that died.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Part of the capacity that a process may write before it looks whether the cache has grown too large.
const SLACK: u64 = 64;

/// A folder of entries named by the digest of everything that decides their contents.
///
/// An entry is written to a file of its own and renamed into place, so that nobody sees half of one, and carries a digest of its
/// key and bytes, so that a damaged, truncated or foreign one is dropped and made anew. Any number of processes may share the folder.
#[derive(Clone, Debug)]
pub struct Cache {
    /// None: what this process makes is kept in its memory only.
    folder: Option<PathBuf>,
    capacity: u64,
    /// Bytes written since the size was last looked at.
    written: Arc<AtomicU64>,
}

/// What a cache holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheStats {
    /// Where it is; `None` for [`Cache::in_memory`].
    pub folder: Option<PathBuf>,
    /// Entries.
    pub entries: usize,
    /// Bytes of all entries.
    pub bytes: u64,
    /// Bytes that the entries are kept to.
    pub capacity: u64,
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
            folder: Some(folder.to_owned()),
            ..Self::in_memory()
        })
    }

    /// A cache without a folder: it knows what this process has compiled.
    pub fn in_memory() -> Self {
        Self {
            folder: None,
            capacity: CAPACITY,
            // The first entry that is written also makes sure of the size: what earlier processes wrote may be too much.
            written: Arc::new(AtomicU64::new(u64::MAX / 2)),
        }
    }

    /// The same cache with another capacity in bytes.
    #[must_use]
    pub fn with_capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    /// This user's cache, below `METTLE_CACHE`, `XDG_CACHE_HOME/mettle` or `HOME/.cache/mettle`; `None` if none of them can be made.
    pub fn of_user() -> Option<Self> {
        headers::cache_roots()
            .into_iter()
            .find_map(|root| Self::at(&root.join("artefacts")).ok())
    }

    /// A key made of everything that decides what is kept under it; where one part ends and the next begins counts, too.
    pub fn key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize()
    }

    /// Where entries are on disk; `None` for [`Cache::in_memory`].
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The bytes kept under a key; `None` if there are none, or none that are undamaged.
    pub fn get(&self, key: &blake3::Hash) -> Option<Vec<u8>> {
        let path = self.path(key)?;
        let mut bytes = fs::read(&path).ok()?;
        let whole = bytes.len() >= DIGEST
            && digest(key, &bytes[DIGEST..]).as_bytes()[..] == bytes[..DIGEST];
        if !whole {
            tracing::warn!(entry = %path.display(), "dropped a damaged cache entry");
            // Where it cannot be removed it is refused again next time.
            let _ = fs::remove_file(&path);
            return None;
        }
        // Its age decides what goes first; a cache on a read-only disk serves just as well.
        let _ = touch(&path, SystemTime::now());
        bytes.drain(..DIGEST);
        Some(bytes)
    }

    /// Keeps bytes under a key, and drops what was not used for longest where they become too many.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk is full or cannot be written; then nothing is kept.
    pub fn put(&self, key: &blake3::Hash, bytes: &[u8]) -> Result<()> {
        let size = (DIGEST + bytes.len()) as u64;
        let Some((folder, path)) = self.folder.as_ref().zip(self.path(key)) else {
            return Ok(());
        };
        if size > self.capacity {
            tracing::info!(size, capacity = self.capacity, "too large for the cache");
            return Ok(());
        }
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix(PARTIAL)
                .tempfile_in(folder)?;
            file.write_all(digest(key, bytes).as_bytes())?;
            file.write_all(bytes)?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|source| Error::Io {
            action: format!("keep a result in {}", folder.display()),
            source,
        })?;
        let written = self.written.fetch_add(size, Ordering::Relaxed);
        if written.saturating_add(size) > self.capacity / SLACK {
            self.written.store(0, Ordering::Relaxed);
            self.trim_but(Some(&path))?;
        }
        Ok(())
    }

    /// Drops what is kept under a key: it turned out not to serve.
    pub fn discard(&self, key: &blake3::Hash) {
        if let Some(path) = self.path(key) {
            // Where it cannot be removed it is refused again next time.
            let _ = fs::remove_file(path);
        }
    }

    /// As [`crate::compile`], unless the cache has the result. Threads that ask for the same result at once share one run of the compiler.
    /// A result that cannot be kept on disk is a warning in the log, no error; this process has it nevertheless.
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
        self.artefact(&key, || crate::compile(unit, target, constants, kernels))
    }

    /// The artefact under a key; `make` makes it if there is none.
    pub(crate) fn artefact(
        &self,
        key: &blake3::Hash,
        make: impl FnOnce() -> Result<Artefact>,
    ) -> Result<(Artefact, Origin)> {
        let entry = self
            .path(key)
            .unwrap_or_else(|| PathBuf::from(key.to_hex().as_str()));
        let kept = || {
            let made = || Made::with(|made| made.get(&entry));
            let on_disk = self.get(key).and_then(|b| Artefact::from_bytes(&b).ok());
            on_disk.or_else(|| Artefact::from_bytes(&made()?).ok())
        };
        if let Some(artefact) = kept() {
            return Ok((artefact, Origin::Cached));
        }
        let flight = flight(entry.clone());
        let _flight = flight.lock();
        // Another thread may have made it meanwhile.
        if let Some(artefact) = kept() {
            return Ok((artefact, Origin::Cached));
        }
        let artefact = make()?;
        let bytes = artefact.to_bytes();
        if let Err(error) = self.put(key, &bytes) {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, reason, "the compiled unit is not kept on disk");
        }
        Made::with(|made| made.keep(entry, bytes));
        Ok((artefact, Origin::Compiled))
    }

    /// What the cache holds now.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read.
    pub fn stats(&self) -> Result<CacheStats> {
        let entries = self.entries()?;
        Ok(CacheStats {
            folder: self.folder.clone(),
            entries: entries.len(),
            bytes: entries.iter().map(|entry| entry.bytes).sum(),
            capacity: self.capacity,
        })
    }

    /// Whether entries can be written.
    ///
    /// # Errors
    /// [`Error::Io`] with the reason why not.
    pub fn check_writable(&self) -> Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let written = tempfile::Builder::new()
            .prefix(PARTIAL)
            .tempfile_in(folder)
            .and_then(|mut file| file.write_all(&[0; DIGEST]));
        written.map_err(|source| Error::Io {
            action: format!("write in {}", folder.display()),
            source,
        })
    }

    /// Removes every entry; what it held is returned.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read or an entry cannot be removed.
    pub fn clear(&self) -> Result<CacheStats> {
        let stats = self.stats()?;
        Made::with(|made| made.forget(self.folder.as_deref().unwrap_or(Path::new(""))));
        for entry in self.entries()? {
            match fs::remove_file(&entry.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::Io {
                        action: format!("remove {}", entry.path.display()),
                        source: error,
                    });
                }
                _ => {}
            }
        }
        Ok(stats)
    }

    /// Removes the entries used longest ago until the rest fits the capacity (512 MiB unless set), and files that dead processes left half
    /// written. [`Cache::put`] does it now and then.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read.
    pub fn trim(&self) -> Result<()> {
        self.trim_but(None)
    }

    /// As [`Cache::trim`], sparing one entry.
    fn trim_but(&self, spared: Option<&Path>) -> Result<()> {
        let mut entries = self.entries()?;
        let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
        if total <= self.capacity {
            return Ok(());
        }
        let now = SystemTime::now();
        for entry in &mut entries {
            // The clock was set back. Left alone, such an entry would outlive all that is used from now on.
            if entry.used > now {
                entry.used = now;
                let _ = touch(&entry.path, now);
            }
        }
        entries.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        for entry in entries {
            if total <= self.capacity {
                break;
            }
            if spared != Some(&entry.path) && fs::remove_file(entry.path).is_ok() {
                total -= entry.bytes;
            }
        }
        Ok(())
    }

    /// Every entry; abandoned partial files are removed on the way.
    fn entries(&self) -> Result<Vec<Entry>> {
        let Some(folder) = &self.folder else {
            return Ok(Vec::new());
        };
        let failed = |source| Error::Io {
            action: format!("look through {}", folder.display()),
            source,
        };
        let now = SystemTime::now();
        let mut entries = Vec::new();
        for found in fs::read_dir(folder).map_err(failed)? {
            let found = found.map_err(failed)?;
            // An entry that has just gone was removed by another process.
            let Ok(metadata) = found.metadata() else {
                continue;
            };
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let name = found.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(PARTIAL) {
                // A time in the future (the clock was set back) tells nothing: it stays until it is old.
                if now.duration_since(used).is_ok_and(|age| age > ABANDONED) {
                    let _ = fs::remove_file(found.path());
                }
                continue;
            }
            // What others have put here is theirs.
            if !metadata.is_file() || blake3::Hash::from_hex(name.as_bytes()).is_err() {
                continue;
            }
            entries.push(Entry {
                path: found.path(),
                bytes: metadata.len(),
                used,
            });
        }
        Ok(entries)
    }

    fn path(&self, key: &blake3::Hash) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(key.to_hex().as_str()))
    }
}

/// A file of the folder that is an entry.
struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// Digest in front of an entry.
fn digest(key: &blake3::Hash, bytes: &[u8]) -> blake3::Hash {
    blake3::keyed_hash(key.as_bytes(), bytes)
}

/// Sets the time at which an entry was last used.
fn touch(entry: &Path, time: SystemTime) -> std::io::Result<()> {
    File::options().append(true).open(entry)?.set_modified(time)
}
