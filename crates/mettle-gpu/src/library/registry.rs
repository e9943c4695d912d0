//! The registry of a device: its units, those that were registered at run time, and the pipelines of embedded ones.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use mettle_msl::Cache;

use super::EmbeddedUnit;
use super::slot::Slot;
use super::sources::Registered;
use super::unit::Unit;
use crate::constants::ConstantSet;
use crate::device::Device;
use crate::error::Result;
use crate::options::{CacheFolder, DeviceOptions};
use crate::pipeline::{CodeOrigin, PipelineInner, PipelineStats};

/// The units of a device and the pipelines of embedded ones, found without allocating.
pub(crate) struct Registry {
    pipelines: RwLock<HashMap<Key, Arc<PipelineInner>, BuildHasherDefault<Mixer>>>,
    /// By the address of the embedded unit.
    units: Mutex<HashMap<usize, Arc<Registered>>>,
    /// Registered at run time, by name.
    pub(super) sources: Mutex<BTreeMap<String, Arc<Registered>>>,
    pub(super) stats: Stats,
    folder: CacheFolder,
    cache: OnceLock<Cache>,
    /// Where sources are that take the place of embedded units.
    pub(super) overriding: Option<PathBuf>,
    /// When files were last looked at for changes; none: they are not.
    pub(super) looked: Option<Mutex<Instant>>,
}

#[derive(Default)]
pub(super) struct Stats {
    specialised_libraries: AtomicU64,
    generic_libraries: AtomicU64,
    embedded: AtomicU64,
    cached: AtomicU64,
    compiled: AtomicU64,
    source: AtomicU64,
    pub pipelines: AtomicU64,
    pub archived: AtomicU64,
    pub failed: AtomicU64,
    pub fallbacks: AtomicU64,
}

impl Stats {
    /// Counts code that was loaded.
    pub fn loaded(&self, origin: CodeOrigin, generic: bool) {
        let kind = match generic {
            true => &self.generic_libraries,
            false => &self.specialised_libraries,
        };
        let from = match origin {
            CodeOrigin::Embedded => &self.embedded,
            CodeOrigin::Cached => &self.cached,
            CodeOrigin::Compiled => &self.compiled,
            CodeOrigin::Source => &self.source,
        };
        for counter in [kind, from] {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Names a pipeline by addresses of statics. One kernel may have several keys (the compiler may copy a string constant); they
/// lead to the same pipeline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    unit: usize,
    kernel: usize,
    kernel_len: usize,
    constants: ConstantSet,
}

impl Registry {
    pub fn new(options: &DeviceOptions) -> Self {
        Registry {
            pipelines: RwLock::default(),
            units: Mutex::default(),
            sources: Mutex::default(),
            stats: Stats::default(),
            folder: options.cache.clone(),
            cache: OnceLock::new(),
            overriding: options.sources.clone(),
            looked: options.hot_reload.then(|| Mutex::new(Instant::now())),
        }
    }

    /// Where compiled units are kept.
    pub fn cache(&self) -> &Cache {
        self.cache.get_or_init(|| self.folder.open())
    }

    pub fn stats(&self) -> PipelineStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        PipelineStats {
            specialised_libraries: count(&self.stats.specialised_libraries),
            generic_libraries: count(&self.stats.generic_libraries),
            embedded: count(&self.stats.embedded),
            cached: count(&self.stats.cached),
            compiled: count(&self.stats.compiled),
            source: count(&self.stats.source),
            pipelines: count(&self.stats.pipelines),
            archived: count(&self.stats.archived),
            failed: count(&self.stats.failed),
            fallbacks: count(&self.stats.fallbacks),
            sources: sources.len() as u64,
        }
    }

    /// An embedded unit, or what takes its place.
    pub(super) fn unit(&self, device: &Device, unit: &'static EmbeddedUnit) -> Arc<Registered> {
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        units
            .entry(std::ptr::from_ref(unit) as usize)
            .or_insert_with(|| {
                let embedded = || {
                    let slots = unit.artefacts.iter().map(|artefact| {
                        Slot::new(
                            artefact.target.into(),
                            artefact.constants.map(Into::into),
                            artefact.bytes.into(),
                            CodeOrigin::Embedded,
                        )
                    });
                    Unit::new(unit.name.to_owned(), slots.collect(), None)
                };
                Arc::new(Registered::overriding(device, unit.name, embedded))
            })
            .clone()
    }

    /// Every unit that comes from a file.
    pub(super) fn watched(&self) -> Vec<Arc<Registered>> {
        let units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let all = units.values().chain(sources.values());
        all.filter(|unit| unit.is_watched()).cloned().collect()
    }

    /// Forgets the pipelines of embedded units: one of them was replaced.
    pub(super) fn forget(&self) {
        self.pipelines
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The pipeline of a kernel of an embedded unit.
    pub fn pipeline(
        &self,
        device: &Device,
        unit: &'static EmbeddedUnit,
        kernel: &'static str,
        constants: &ConstantSet,
    ) -> Result<Arc<PipelineInner>> {
        let key = Key {
            unit: std::ptr::from_ref(unit) as usize,
            kernel: kernel.as_ptr() as usize,
            kernel_len: kernel.len(),
            constants: *constants,
        };
        let found = {
            let pipelines = self
                .pipelines
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            pipelines.get(&key).cloned()
        };
        if let Some(pipeline) = found {
            return Ok(pipeline);
        }
        let registered = self.unit(device, unit);
        let unit = registered.current();
        let pipeline = unit.pipeline(device, kernel, constants)?;
        let mut pipelines = self
            .pipelines
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Where it was replaced meanwhile the next launch takes the new one.
        if Arc::ptr_eq(&unit, &registered.current()) {
            pipelines.insert(key, pipeline.clone());
        }
        Ok(pipeline)
    }
}

/// A hasher for keys of a few machine words that nobody chooses against us: multiply and fold.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
