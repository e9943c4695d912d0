//! Compiled artefacts by what they were compiled from, shared by all profiles of a target folder.

use crate::Result;
use crate::jobs::Job;
use mettle_msl::Artefact;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes the cache may take; the entries that were not used for longest go first.
const CAPACITY: u64 = 512 << 20;

/// A folder of artefacts named by the digest of everything that decides their contents.
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache of the target folder that `out` lies in.
    pub fn open(out: &Path) -> Result<Cache> {
        // Cargo marks its target folders with this file. Tools put target folders of their own inside (`target/package`,
        // `target/tests`), so the outermost serves all. Under another build tool the cache stays private.
        let target = out
            .ancestors()
            .filter(|folder| folder.join("CACHEDIR.TAG").exists())
            .last();
        let folder = target.unwrap_or(out).join("mettle-cache");
        std::fs::create_dir_all(&folder)?;
        Ok(Cache { folder })
    }

    /// The bytes of the job's artefact: from the cache if it holds an undamaged one, else compiled.
    pub fn get_or_compile(&self, job: &Job<'_>) -> Result<Vec<u8>> {
        let key = mettle_msl::fingerprint(job.unit, job.target, job.constants(), job.kernels())?;
        let path = self.folder.join(key.to_hex().as_str());
        if let Ok(bytes) = std::fs::read(&path)
            && Artefact::from_bytes(&bytes).is_ok()
        {
            // Its age decides what goes first; a cache on a read-only disk serves just as well.
            let _ = File::options()
                .append(true)
                .open(&path)
                .and_then(|file| file.set_modified(SystemTime::now()));
            return Ok(bytes);
        }
        let bytes =
            mettle_msl::compile(job.unit, job.target, job.constants(), job.kernels())?.to_bytes();
        // Renamed into place: another build of the same target folder never sees half a file.
        let partial = self
            .folder
            .join(format!("{}.{}", key.to_hex(), std::process::id()));
        std::fs::write(&partial, &bytes)?;
        std::fs::rename(&partial, &path)?;
        Ok(bytes)
    }

    /// Removes the entries used longest ago until the rest fits.
    pub fn trim(&self) -> Result<()> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            entries.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in entries {
            if total <= CAPACITY {
                break;
            }
            std::fs::remove_file(path)?;
            total -= bytes;
        }
        Ok(())
    }
}
