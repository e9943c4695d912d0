//! One artefact, and what has been loaded of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mettle_msl::{Artefact, ArtefactKernel, metal};

use crate::artefact;
use crate::backend::{Backend, LoadError, RawCode, RawKernel, RawLibrary};
use crate::constants::ConstantSet;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::pipeline::{CodeOrigin, PipelineInner};

/// Something made once; threads that want it meanwhile wait.
pub(super) type Once<T> = Arc<OnceLock<Result<Arc<T>>>>;

/// The cell of a key. The map is locked only to find it, not while it is filled.
pub(super) fn entry<K: Eq + Hash, T>(map: &Mutex<HashMap<K, Once<T>>>, key: K) -> Once<T> {
    map.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(key)
        .or_default()
        .clone()
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
pub(super) struct Slot {
    pub target: Cow<'static, str>,
    /// The constants compiled in; `None`: they are set when it is loaded.
    pub constants: Option<Constants>,
    bytes: Cow<'static, [u8]>,
    origin: CodeOrigin,
    /// It holds a part of its unit only.
    part: bool,
    artefact: OnceLock<Result<Arc<Artefact>>>,
    /// By the constants set at load time.
    loaded: Mutex<HashMap<ConstantSet, Once<Loaded>>>,
}

impl Slot {
    /// An artefact that is read when it is needed.
    pub fn new(
        target: Cow<'static, str>,
        constants: Option<Constants>,
        bytes: Cow<'static, [u8]>,
        origin: CodeOrigin,
    ) -> Arc<Self> {
        let origin = match &*target {
            metal::SOURCE => CodeOrigin::Source,
            _ => origin,
        };
        Arc::new(Slot {
            target,
            constants,
            bytes,
            origin,
            part: false,
            artefact: OnceLock::new(),
            loaded: Mutex::default(),
        })
    }

    /// Source of one kernel of a unit.
    pub fn of_part(artefact: Artefact) -> Arc<Self> {
        Arc::new(Slot {
            target: metal::SOURCE.into(),
            constants: None,
            bytes: Cow::Borrowed(&[]),
            origin: CodeOrigin::Source,
            part: true,
            artefact: OnceLock::from(Ok(Arc::new(artefact))),
            loaded: Mutex::default(),
        })
    }

    /// An artefact that was just made.
    pub fn made(
        artefact: Artefact,
        constants: Option<&ConstantSet>,
        origin: CodeOrigin,
    ) -> Arc<Self> {
        let constants = constants.map(|set| set.entries().to_vec().into());
        let target = Cow::Owned(artefact.target.clone());
        let slot = Self::new(target, constants, Cow::Borrowed(&[]), origin);
        // The cell is empty: nobody else has seen the slot.
        let _ = slot.artefact.set(Ok(Arc::new(artefact)));
        slot
    }

    pub fn artefact(&self, unit: &str) -> Result<&Arc<Artefact>> {
        self.artefact
            .get_or_init(|| artefact::parse(unit, &self.target, &self.bytes).map(Arc::new))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The pipeline of a kernel of this artefact.
    pub fn pipeline(
        &self,
        device: &Device,
        artefact: &Arc<Artefact>,
        kernel: &ArtefactKernel,
        constants: &ConstantSet,
    ) -> Result<Arc<PipelineInner>> {
        let at_load = match self.constants {
            None => *constants,
            Some(_) => ConstantSet::EMPTY,
        };
        let library = entry(&self.loaded, at_load)
            .get_or_init(|| self.load(device, artefact, &kernel.name, &at_load))
            .clone()?;
        let raw_kernel = RawKernel {
            name: &kernel.name,
            synchronises: kernel.synchronises,
            arguments: &kernel.arguments,
        };
        let backend = &device.inner().backend;
        // SAFETY: the library is loaded and lives as long as the pipeline, which holds it.
        let raw = unsafe { backend.pipeline(library.raw, raw_kernel) };
        let raw = raw.map_err(|reason| refusal(artefact, reason))?;
        let stats = &device.inner().registry.stats;
        stats.pipelines.fetch_add(1, Ordering::Relaxed);
        let mut kernel = kernel.clone();
        let mut max_threads = device.limits().max_threads_per_threadgroup;
        max_threads = max_threads.min(kernel.max_threads.unwrap_or(max_threads));
        // SAFETY: the pipeline was just made, and its library is loaded.
        if let Some(info) = unsafe { backend.pipeline_info(raw) } {
            max_threads = max_threads.min(info.max_threads);
            kernel.static_threadgroup_memory = info.static_threadgroup_memory;
            if info.archived {
                stats.archived.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(Arc::new(PipelineInner {
            raw,
            kernel,
            constants: *constants,
            max_threads,
            origin: self.origin,
            artefact: artefact.clone(),
            _library: library,
        }))
    }

    fn load(
        &self,
        device: &Device,
        artefact: &Artefact,
        kernel: &str,
        constants: &ConstantSet,
    ) -> Result<Arc<Loaded>> {
        let backend = &device.inner().backend;
        let started = std::time::Instant::now();
        let code = RawCode {
            unit: &artefact.unit,
            bytes: &artefact.code,
            constants: constants.entries(),
            part: self.part,
        };
        // SAFETY: the artefact's digest was checked when it was read, and it is for one of the device's targets.
        let raw = unsafe { backend.load(code) }.map_err(|error| match error {
            LoadError::Code(reason) => refusal(artefact, reason),
            LoadError::UnknownConstant(index) => Error::Constant {
                kernel: kernel.to_owned(),
                index,
                reason: "is not declared by the kernel's unit",
            },
        })?;
        let generic = self.constants.is_none();
        device.inner().registry.stats.loaded(self.origin, generic);
        tracing::debug!(
            unit = artefact.unit,
            target_name = &*self.target,
            origin = ?self.origin,
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
}

fn refusal(artefact: &Artefact, reason: String) -> Error {
    Error::Artefact {
        unit: artefact.unit.clone(),
        reason: format!("{}: {reason}", artefact.target),
    }
}
