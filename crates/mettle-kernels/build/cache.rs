//! Where compiled artefacts are kept between builds, shared by all profiles of a target folder.

use crate::Result;
use mettle_msl::Cache;
use std::path::Path;

/// The cache of the target folder that `out` lies in.
pub fn open(out: &Path) -> Result<Cache> {
    // Cargo marks its target folders with this file. Tools put target folders of their own inside (`target/package`,
    // `target/tests`), so the outermost serves all. Under another build tool the cache stays private.
    let target = out
        .ancestors()
        .filter(|folder| folder.join("CACHEDIR.TAG").exists())
        .last();
    Ok(Cache::at(&target.unwrap_or(out).join("mettle-cache"))?)
}
