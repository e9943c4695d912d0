//! Machine code of pipelines, kept between starts: one of Metal's binary archives for each, in the cache on disk.
//!
//! An archive is made once and never changed after: so threads and processes need not agree, nothing is lost where several write, and the
//! cache drops what was not used for longest, pipeline by pipeline. Its key names the GPU, its family and the build of the system, because
//! machine code serves nowhere else. The cache checks the digest of what it holds; what Metal refuses all the same (made for another
//! system, in a later format) is dropped with a warning, and made anew.

#[cfg(all(test, feature = "mock-metal"))]
mod tests;

use super::api::{Api, ApiError, BinaryArchive as _, Device as _, FunctionConstant, Lookup};
use mettle_msl::Cache;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// The archives of a device.
pub(super) struct Archives {
    cache: Cache,
    /// The GPU, its family, and the system.
    platform: String,
    /// Writing has failed: the rest is not tried.
    unwritable: AtomicBool,
}

/// A pipeline that is asked for.
pub(super) struct Wanted<'a, A: Api> {
    /// Digest of the library and of how it was compiled.
    pub library: &'a blake3::Hash,
    /// The function, with the values of its constants.
    pub function: &'a A::Function,
    /// The kernel's name.
    pub name: &'a str,
    /// The values.
    pub values: &'a [(FunctionConstant, [u8; 8])],
}

impl Archives {
    pub fn new(cache: Cache, platform: String) -> Self {
        Archives {
            cache,
            platform,
            unwritable: AtomicBool::new(false),
        }
    }

    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// The pipeline, and whether its machine code was kept from before.
    pub fn pipeline<A: Api>(
        &self,
        device: &A::Device,
        wanted: &Wanted<'_, A>,
    ) -> Result<(A::Pipeline, bool), ApiError> {
        if self.cache.folder().is_none() {
            let made = device.new_compute_pipeline_state(wanted.function, wanted.name, Lookup::No);
            return made.map(|pipeline| (pipeline, false));
        }
        let key = self.key(wanted);
        if let Some(pipeline) = self.kept(device, wanted, &key) {
            return Ok((pipeline, true));
        }
        let made = self.made(device, wanted, &key)?;
        Ok((made, false))
    }

    fn key<A: Api>(&self, wanted: &Wanted<'_, A>) -> blake3::Hash {
        let values: Vec<u8> = wanted
            .values
            .iter()
            .flat_map(|(constant, value)| [&constant.index.to_le_bytes(), &value[..]].concat())
            .collect();
        Cache::key([
            b"binary archive of a pipeline".as_slice(),
            self.platform.as_bytes(),
            wanted.library.as_bytes(),
            wanted.name.as_bytes(),
            &values,
        ])
    }

    /// The pipeline of an archive in the cache.
    fn kept<A: Api>(
        &self,
        device: &A::Device,
        wanted: &Wanted<'_, A>,
        key: &blake3::Hash,
    ) -> Option<A::Pipeline> {
        let bytes = self.cache.get(key)?;
        // Metal maps the file, and the cache's has a digest in front.
        let file = scratch().and_then(|(folder, path)| {
            std::fs::write(&path, bytes)?;
            Ok((folder, path))
        });
        let (_folder, path) = file
            .inspect_err(|error| tracing::warn!(%error, "no binary archive can be unpacked"))
            .ok()?;
        let pipeline = device
            .new_binary_archive(Some(&path), wanted.name)
            .and_then(|archive| {
                device.new_compute_pipeline_state(
                    wanted.function,
                    wanted.name,
                    Lookup::Only(&archive),
                )
            });
        pipeline
            .inspect_err(|error| {
                tracing::warn!(
                    kernel = wanted.name,
                    platform = self.platform,
                    reason = error.description,
                    "dropped a binary archive that Metal does not take; making it anew"
                );
                self.cache.discard(key);
            })
            .ok()
    }

    /// A new pipeline; its machine code goes to the cache.
    fn made<A: Api>(
        &self,
        device: &A::Device,
        wanted: &Wanted<'_, A>,
        key: &blake3::Hash,
    ) -> Result<A::Pipeline, ApiError> {
        let &Wanted { function, name, .. } = wanted;
        if self.unwritable.load(Ordering::Relaxed) {
            return device.new_compute_pipeline_state(function, name, Lookup::No);
        }
        // Added to an archive first and then taken from it, it is compiled once.
        let archive = device.new_binary_archive(None, name).and_then(|archive| {
            archive.add_compute_pipeline_functions(function, name)?;
            Ok(archive)
        });
        let archive = match archive {
            Ok(archive) => archive,
            Err(error) => {
                // A kernel that does not compile says so here again.
                let pipeline = device.new_compute_pipeline_state(function, name, Lookup::No)?;
                let reason = error.description;
                tracing::info!(kernel = name, reason, "its machine code is not kept");
                return Ok(pipeline);
            }
        };
        let pipeline =
            device.new_compute_pipeline_state(function, name, Lookup::First(&archive))?;
        if let Err(reason) = self.keep::<A>(&archive, key) {
            tracing::warn!(
                kernel = name,
                reason,
                "machine code of pipelines is not kept"
            );
            self.unwritable.store(true, Ordering::Relaxed);
        }
        Ok(pipeline)
    }

    /// Puts an archive in the cache.
    fn keep<A: Api>(&self, archive: &A::BinaryArchive, key: &blake3::Hash) -> Result<(), String> {
        let (_folder, path) = scratch().map_err(|error| error.to_string())?;
        archive
            .serialize(&path)
            .map_err(|error| error.description)?;
        let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
        self.cache.put(key, &bytes).map_err(|error| {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", reason.unwrap_or_default())
        })
    }
}

/// A folder of its own, and the path of a file in it that is not there yet.
fn scratch() -> std::io::Result<(TempDir, PathBuf)> {
    let folder = tempfile::Builder::new()
        .prefix("mettle-archive-")
        .tempdir()?;
    let path = folder.path().join("pipeline.metallib");
    Ok((folder, path))
}
