//! Compiled results by what they were made from, kept on disk.

use crate::reflect::ConstantValue;
use crate::tool::headers;
use crate::{Artefact, Error, Result, Target, Unit};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

/// Bytes a cache may take; the entries that were not used for longest go first.
const CAPACITY: u64 = 512 << 20;

/// Bytes of the digest in front of an entry.
const DIGEST: usize = blake3::OUT_LEN;

/// A file being written is named so, and is never an entry.
const PARTIAL: &str = "partial-";

/// A partial file of this age was left behind by a process that died.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A folder of entries named by the digest of everything that decides their contents.
///
/// An entry is written to a file of its own and renamed into place, so that nobody sees half of one, and carries a digest of its
/// key and bytes, so that a damaged, truncated or foreign one is dropped and made anew. Any number of processes may share the folder.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    capacity: u64,
}

/// What a cache holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheStats {
    /// Where it is.
    pub folder: PathBuf,
    /// Entries.
    pub entries: usize,
    /// Bytes of all entries.
    pub bytes: u64,
    /// Bytes that [`Cache::trim`] leaves at most.
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
            folder: folder.to_owned(),
            capacity: CAPACITY,
        })
    }

    /// The same cache with another capacity in bytes, which [`Cache::trim`] keeps to.
    #[must_use]
    pub fn with_capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
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
            && digest(key, &bytes[DIGEST..]).as_bytes()[..] == bytes[..DIGEST];
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
            let mut file = tempfile::Builder::new()
                .prefix(PARTIAL)
                .tempfile_in(&self.folder)?;
            file.write_all(digest(key, bytes).as_bytes())?;
            file.write_all(bytes)?;
            file.persist(self.path(key))?;
            Ok(())
        };
        write().map_err(|source| Error::Io {
            action: format!("keep a result in {}", self.folder.display()),
            source,
        })
    }

    /// As [`crate::compile`], unless the cache has the result. Threads that ask for the same result at once share one run of the compiler.
    /// A result that cannot be kept is a warning in the log, no error.
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
        let kept = || self.get(&key).and_then(|b| Artefact::from_bytes(&b).ok());
        if let Some(artefact) = kept() {
            return Ok((artefact, Origin::Cached));
        }
        let flight = flight(self.path(&key));
        let _flight = flight.lock();
        // Another thread may have made it meanwhile.
        if let Some(artefact) = kept() {
            return Ok((artefact, Origin::Cached));
        }
        let artefact = crate::compile(unit, target, constants, kernels)?;
        if let Err(error) = self.put(&key, &artefact.to_bytes()) {
            tracing::warn!(%error, "the compiled unit is not kept");
        }
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

    /// Removes every entry; what it held is returned.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read or an entry cannot be removed.
    pub fn clear(&self) -> Result<CacheStats> {
        let stats = self.stats()?;
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

    /// Removes the entries used longest ago until the rest fits the capacity (512 MiB unless set), and files that dead processes left half written.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read.
    pub fn trim(&self) -> Result<()> {
        let mut entries = self.entries()?;
        entries.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
        for entry in entries {
            if total <= self.capacity {
                break;
            }
            if fs::remove_file(entry.path).is_ok() {
                total -= entry.bytes;
            }
        }
        Ok(())
    }

    /// Every entry; abandoned partial files are removed on the way.
    fn entries(&self) -> Result<Vec<Entry>> {
        let failed = |source| Error::Io {
            action: format!("look through {}", self.folder.display()),
            source,
        };
        let now = SystemTime::now();
        let mut entries = Vec::new();
        for found in fs::read_dir(&self.folder).map_err(failed)? {
            let found = found.map_err(failed)?;
            // An entry that has just gone was removed by another process.
            let Ok(metadata) = found.metadata() else {
                continue;
            };
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if found.file_name().to_string_lossy().starts_with(PARTIAL) {
                // A time in the future (the clock was set back) tells nothing: it stays until it is old.
                if now.duration_since(used).is_ok_and(|age| age > ABANDONED) {
                    let _ = fs::remove_file(found.path());
                }
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

    fn path(&self, key: &blake3::Hash) -> PathBuf {
        self.folder.join(key.to_hex().as_str())
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

/// What threads that make the same entry wait for: one lock an entry while anybody holds it.
fn flight(entry: PathBuf) -> Arc<Mutex<()>> {
    static FLIGHTS: Mutex<BTreeMap<PathBuf, Weak<Mutex<()>>>> = Mutex::new(BTreeMap::new());
    let mut flights = FLIGHTS.lock().unwrap_or_else(PoisonError::into_inner);
    flights.retain(|_, flight| flight.strong_count() > 0);
    let slot = flights.entry(entry).or_default();
    slot.upgrade().unwrap_or_else(|| {
        let flight = Arc::new(Mutex::new(()));
        *slot = Arc::downgrade(&flight);
        flight
    })
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
        assert_eq!(cache.clear().unwrap().entries, 1);
        assert_eq!(cache.stats().unwrap().bytes, 0);
        cache.put(&key, b"value").unwrap();
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
    fn an_entry_of_another_key_is_foreign() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let (one, other) = (blake3::hash(b"1"), blake3::hash(b"2"));
        cache.put(&one, b"value").unwrap();
        fs::copy(cache.path(&one), cache.path(&other)).unwrap();
        assert_eq!(cache.get(&other), None);
        assert!(cache.get(&one).is_some());
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path())
            .unwrap()
            .with_capacity(3 * (100 + DIGEST as u64));
        let keys: Vec<_> = (0..5u8).map(|i| blake3::hash(&[i])).collect();
        let day = Duration::from_secs(86400);
        for (i, key) in keys.iter().enumerate() {
            cache.put(key, &[0; 100]).unwrap();
            // Entry 4 is from the future, as after a clock was set back.
            let time = SystemTime::now() - 10 * day + day * if i == 4 { 20 } else { i as u32 };
            File::options()
                .append(true)
                .open(cache.path(key))
                .unwrap()
                .set_modified(time)
                .unwrap();
        }
        assert!(cache.get(&keys[0]).is_some(), "which also marks it as used");
        let partial = folder.path().join("partial-x");
        fs::write(&partial, b"half").unwrap();
        cache.trim().unwrap();
        let left: Vec<bool> = keys.iter().map(|key| cache.path(key).exists()).collect();
        assert_eq!(left, [true, false, false, true, true]);
        assert!(partial.exists(), "somebody may be writing it");
        let old = SystemTime::now() - day;
        File::options()
            .append(true)
            .open(&partial)
            .unwrap()
            .set_modified(old)
            .unwrap();
        cache.trim().unwrap();
        assert!(!partial.exists());
    }

    #[test]
    fn threads_share_one_run_of_the_compiler() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let text = "kernel void f(device int* x [[buffer(0)]]) { x[0] = 1; }";
        let unit = Unit::from_source("u", text, &crate::Options::default()).unwrap();
        let target = Target::host_cpu().unwrap();
        let compiled = std::thread::scope(|scope| {
            let ask = || cache.compile(&unit, target, None, &[]).unwrap().1;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            let origins = threads.into_iter().map(|thread| thread.join().unwrap());
            origins.filter(|origin| *origin == Origin::Compiled).count()
        });
        assert_eq!(compiled, 1);
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
