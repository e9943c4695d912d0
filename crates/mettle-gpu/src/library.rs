//! Libraries: the compiled artefacts of a unit, loaded on demand, and the registry of pipelines.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use mettle_msl::Artefact;

use crate::artefact;
use crate::backend::{Backend, LoadError, RawKernel, RawLibrary};
use crate::constants::ConstantSet;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::pipeline::{Pipeline, PipelineInner, PipelineStats};

/// The compiled forms of one `.metal` file, embedded in the program.
#[derive(Debug)]
pub struct EmbeddedUnit {
    /// The unit's name: the file's stem.
    pub name: &'static str,
    /// Its artefacts, for all targets and variants.
    pub artefacts: &'static [EmbeddedArtefact],
}

/// One compiled form of a unit.
#[derive(Debug)]
pub struct EmbeddedArtefact {
    /// The target, as `mettle_msl` names it (`cpu-x86-64-v3`).
    pub target: &'static str,
    /// The function constants it was compiled with, sorted by index, as in [`ConstantSet`]; `None`: they are set when it is loaded.
    pub constants: Option<&'static [(u32, u64)]>,
    /// The artefact as `mettle_msl` wrote it.
    pub bytes: &'static [u8],
}

/// The artefacts of a unit on one device. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    device: Device,
    unit: Arc<Unit>,
}

impl Library {
    /// A kernel with function constants: from the artefact compiled with exactly these constants where there is one, else from a
    /// private copy of the generic artefact.
    ///
    /// # Errors
    /// [`Error::UnknownKernel`], [`Error::NoArtefact`], [`Error::Artefact`], [`Error::Constant`].
    pub fn pipeline(&self, kernel: &str, constants: &ConstantSet) -> Result<Pipeline> {
        Ok(Pipeline {
            device: self.device.clone(),
            inner: self.unit.pipeline(&self.device, kernel, constants)?,
        })
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Library").field(&self.unit.name).finish()
    }
}

impl Device {
    /// The library of an embedded unit.
    pub fn library(&self, unit: &'static EmbeddedUnit) -> Library {
        Library {
            device: self.clone(),
            unit: self.inner().registry.unit(unit),
        }
    }

    /// A library of artefacts made at run time: pairs of target and bytes as `mettle_msl` writes them, with the constants that
    /// each was compiled with (`None`: generic). They are native code and run as part of this process.
    pub fn library_from(
        &self,
        name: &str,
        artefacts: Vec<(String, Option<ConstantSet>, Vec<u8>)>,
    ) -> Library {
        let slots = artefacts
            .into_iter()
            .map(|(target, constants, bytes)| Slot {
                target: Cow::Owned(target),
                constants: constants.map(|set| Cow::Owned(set.entries().to_vec())),
                bytes: Cow::Owned(bytes),
                artefact: OnceLock::new(),
            });
        Library {
            device: self.clone(),
            unit: Arc::new(Unit::new(name.to_owned(), slots.collect())),
        }
    }
}

/// Code loaded on a device. Unloaded when the last pipeline of it is gone.
pub(crate) struct Loaded {
    backend: Arc<dyn Backend>,
    raw: RawLibrary,
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: pipelines hold an `Arc` of this and submissions hold pipelines, so nobody uses the library.
        unsafe { self.backend.unload(self.raw) };
    }
}

type Constants = Cow<'static, [(u32, u64)]>;

/// One artefact of a unit.
struct Slot {
    target: Cow<'static, str>,
    constants: Option<Constants>,
    bytes: Cow<'static, [u8]>,
    artefact: OnceLock<Result<Arc<Artefact>>>,
}

/// Something made once; threads that want it meanwhile wait.
type Once<T> = Arc<OnceLock<Result<Arc<T>>>>;

/// A unit on a device: its artefacts and what has been loaded of them.
struct Unit {
    name: String,
    slots: Vec<Slot>,
    /// By slot and the constants set at load time.
    loaded: Mutex<HashMap<(usize, ConstantSet), Once<Loaded>>>,
    pipelines: Mutex<HashMap<(String, ConstantSet), Once<PipelineInner>>>,
}

impl Unit {
    fn new(name: String, slots: Vec<Slot>) -> Self {
        Unit {
            name,
            slots,
            loaded: Mutex::default(),
            pipelines: Mutex::default(),
        }
    }

    fn artefact(&self, slot: usize) -> Result<&Arc<Artefact>> {
        let slot = &self.slots[slot];
        slot.artefact
            .get_or_init(|| artefact::parse(&self.name, &slot.target, &slot.bytes).map(Arc::new))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn pipeline(
        &self,
        device: &Device,
        kernel: &str,
        constants: &ConstantSet,
    ) -> Result<Arc<PipelineInner>> {
        let cell = entry(&self.pipelines, (kernel.to_owned(), *constants));
        cell.get_or_init(|| self.make_pipeline(device, kernel, constants))
            .clone()
    }

    fn make_pipeline(
        &self,
        device: &Device,
        kernel: &str,
        constants: &ConstantSet,
    ) -> Result<Arc<PipelineInner>> {
        if constants.has_overflown() {
            return Err(Error::Constant {
                kernel: kernel.to_owned(),
                index: ConstantSet::CAPACITY as u32,
                reason: "is one more than a launch can carry",
            });
        }
        let slot = self.choose(device, kernel, constants)?;
        let artefact = self.artefact(slot)?;
        let Some(kernel) = artefact::kernel(artefact, kernel) else {
            return Err(self.unknown_kernel(kernel, artefact));
        };
        let generic = self.slots[slot].constants.is_none();
        if generic && self.slots.iter().any(|slot| slot.constants.is_some()) {
            tracing::info!(
                unit = self.name,
                kernel = kernel.name,
                ?constants,
                "no artefact was compiled with these constants; taking the generic one"
            );
        }
        let at_load = if generic {
            *constants
        } else {
            ConstantSet::EMPTY
        };
        let library = entry(&self.loaded, (slot, at_load))
            .get_or_init(|| self.load(device, slot, artefact, &kernel.name, &at_load))
            .clone()?;
        let raw_kernel = RawKernel {
            name: &kernel.name,
            synchronises: kernel.synchronises,
            arguments: &kernel.arguments,
        };
        // SAFETY: the library is loaded and lives as long as the pipeline, which holds it.
        let raw = unsafe { device.inner().backend.pipeline(library.raw, raw_kernel) };
        device
            .inner()
            .registry
            .stats
            .pipelines
            .fetch_add(1, Ordering::Relaxed);
        let raw = raw.map_err(|reason| self.artefact_error(reason))?;
        let mut kernel = kernel.clone();
        let mut max_threads = device.limits().max_threads_per_threadgroup;
        // SAFETY: the pipeline was just made, and its library is loaded.
        if let Some(limits) = unsafe { device.inner().backend.pipeline_limits(raw) } {
            max_threads = max_threads.min(limits.max_threads);
            kernel.static_threadgroup_memory = limits.static_threadgroup_memory;
        }
        Ok(Arc::new(PipelineInner {
            raw,
            kernel,
            max_threads,
            artefact: artefact.clone(),
            _library: library,
        }))
    }

    /// The artefact to use: on the best target that has the kernel, one compiled with exactly these constants, else a generic one.
    fn choose(&self, device: &Device, kernel: &str, constants: &ConstantSet) -> Result<usize> {
        let mut seen = None;
        for target in device.targets() {
            let specialised = |slot: &Slot| slot.constants.as_deref() == Some(constants.entries());
            let generic = |slot: &Slot| slot.constants.is_none();
            for fits in [&specialised as &dyn Fn(&Slot) -> bool, &generic] {
                for (index, slot) in self.slots.iter().enumerate() {
                    if slot.target != *target || !fits(slot) {
                        continue;
                    }
                    let artefact = self.artefact(index)?;
                    if artefact::kernel(artefact, kernel).is_some() {
                        return Ok(index);
                    }
                    seen = Some(artefact);
                }
            }
        }
        if let Some(artefact) = seen {
            return Err(self.unknown_kernel(kernel, artefact));
        }
        let mut present: Vec<&str> = self.slots.iter().map(|slot| &*slot.target).collect();
        present.sort_unstable();
        present.dedup();
        Err(Error::NoArtefact {
            unit: self.name.clone(),
            kernel: kernel.to_owned(),
            wanted: device.targets().join(" or "),
            constants: match constants.entries() {
                [] => String::new(),
                _ => format!(" with constants {constants:?}"),
            },
            present: present.join(", "),
        })
    }

    fn load(
        &self,
        device: &Device,
        slot: usize,
        artefact: &Artefact,
        kernel: &str,
        constants: &ConstantSet,
    ) -> Result<Arc<Loaded>> {
        let backend = &device.inner().backend;
        let generic = self.slots[slot].constants.is_none();
        let started = std::time::Instant::now();
        // SAFETY: the artefact's digest was checked when it was read, and it is for one of the device's targets.
        let raw =
            unsafe { backend.load(&artefact.code, constants.entries()) }.map_err(|error| {
                match error {
                    LoadError::Code(reason) => self.artefact_error(reason),
                    LoadError::UnknownConstant(index) => Error::Constant {
                        kernel: kernel.to_owned(),
                        index,
                        reason: "is not declared by the kernel's unit",
                    },
                }
            })?;
        let stats = &device.inner().registry.stats;
        if generic {
            stats.generic_libraries.fetch_add(1, Ordering::Relaxed);
        } else {
            stats.specialised_libraries.fetch_add(1, Ordering::Relaxed);
        }
        tracing::debug!(
            unit = self.name,
            target_name = &*self.slots[slot].target,
            generic,
            ?constants,
            elapsed = ?started.elapsed(),
            "loaded an artefact"
        );
        Ok(Arc::new(Loaded {
            backend: backend.clone(),
            raw,
        }))
    }

    fn artefact_error(&self, reason: String) -> Error {
        Error::Artefact {
            unit: self.name.clone(),
            reason,
        }
    }

    fn unknown_kernel(&self, kernel: &str, artefact: &Artefact) -> Error {
        let known: Vec<&str> = artefact
            .kernels
            .iter()
            .map(|kernel| kernel.name.as_str())
            .collect();
        Error::UnknownKernel {
            unit: self.name.clone(),
            kernel: kernel.to_owned(),
            known: known.join(", "),
        }
    }
}

/// The cell of a key. The map is locked only to find it, not while it is filled.
fn entry<K: Eq + Hash, T>(map: &Mutex<HashMap<K, Once<T>>>, key: K) -> Once<T> {
    map.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(key)
        .or_default()
        .clone()
}

/// The pipelines of embedded units, found without allocating.
#[derive(Default)]
pub(crate) struct Registry {
    pipelines: RwLock<HashMap<Key, Arc<PipelineInner>, BuildHasherDefault<Mixer>>>,
    /// By the address of the embedded unit.
    units: Mutex<HashMap<usize, Arc<Unit>>>,
    stats: Stats,
}

#[derive(Default)]
struct Stats {
    specialised_libraries: AtomicU64,
    generic_libraries: AtomicU64,
    pipelines: AtomicU64,
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
    pub fn stats(&self) -> PipelineStats {
        PipelineStats {
            specialised_libraries: self.stats.specialised_libraries.load(Ordering::Relaxed),
            generic_libraries: self.stats.generic_libraries.load(Ordering::Relaxed),
            pipelines: self.stats.pipelines.load(Ordering::Relaxed),
        }
    }

    fn unit(&self, unit: &'static EmbeddedUnit) -> Arc<Unit> {
        self.units
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(std::ptr::from_ref(unit) as usize)
            .or_insert_with(|| {
                let slots = unit.artefacts.iter().map(|artefact| Slot {
                    target: Cow::Borrowed(artefact.target),
                    constants: artefact.constants.map(Cow::Borrowed),
                    bytes: Cow::Borrowed(artefact.bytes),
                    artefact: OnceLock::new(),
                });
                Arc::new(Unit::new(unit.name.to_owned(), slots.collect()))
            })
            .clone()
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
        let pipeline = self.unit(unit).pipeline(device, kernel, constants)?;
        self.pipelines
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, pipeline.clone());
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
