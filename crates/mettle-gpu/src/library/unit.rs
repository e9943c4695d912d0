//! A unit on a device: its artefacts, and the pipelines made of them.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use mettle_msl::metal;

use super::chain::{Attempt, MadeKey};
use super::slot::{Once, Slot};
use crate::constants::ConstantSet;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::pipeline::PipelineInner;

/// A unit on a device.
pub(super) struct Unit {
    name: String,
    pub slots: Vec<Arc<Slot>>,
    /// What artefacts are compiled from where none of the slots serves, once it is read; `None`: there is nothing.
    pub source: OnceLock<Result<Option<Arc<mettle_msl::Unit>>>>,
    /// What was compiled of it.
    pub made: Mutex<HashMap<MadeKey, Once<Slot>>>,
    pipelines: RwLock<HashMap<String, Constants>>,
}

/// The pipelines of a kernel.
type Constants = HashMap<ConstantSet, Once<PipelineInner>>;

impl Unit {
    /// `source` is what its other artefacts are compiled from; without, what is embedded as source, if there is something.
    pub fn new(name: String, slots: Vec<Arc<Slot>>, source: Option<Arc<mettle_msl::Unit>>) -> Self {
        Unit {
            name,
            slots,
            source: source.map_or_else(OnceLock::new, |unit| OnceLock::from(Ok(Some(unit)))),
            made: Mutex::default(),
            pipelines: RwLock::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn pipeline(
        &self,
        device: &Device,
        kernel: &str,
        constants: &ConstantSet,
    ) -> Result<Arc<PipelineInner>> {
        let cell = self.found(kernel, constants).unwrap_or_else(|| {
            self.pipelines
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(kernel.to_owned())
                .or_default()
                .entry(*constants)
                .or_default()
                .clone()
        });
        cell.get_or_init(|| {
            let made = self.make_pipeline(device, kernel, constants);
            if made.is_err() {
                let stats = &device.inner().registry.stats;
                stats.failed.fetch_add(1, Ordering::Relaxed);
            }
            made
        })
        .clone()
    }

    pub fn is_cached(&self, kernel: &str, constants: &ConstantSet) -> bool {
        let found = self.found(kernel, constants);
        found.is_some_and(|cell| cell.get().is_some_and(|made| made.is_ok()))
    }

    fn found(&self, kernel: &str, constants: &ConstantSet) -> Option<Once<PipelineInner>> {
        let pipelines = self
            .pipelines
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        pipelines.get(kernel)?.get(constants).cloned()
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
        let mut attempt = Attempt::new(self, device, kernel, constants);
        let targets = device.targets();
        let exact = |slot: &Slot| slot.constants.as_deref() == Some(constants.entries());
        let generic = |slot: &Slot| slot.constants.is_none();
        for target in targets.iter().filter(|target| **target != metal::SOURCE) {
            for fits in [&exact as &dyn Fn(&Slot) -> bool, &generic] {
                for slot in self.slots.iter().filter(|slot| slot.target == *target) {
                    if fits(slot)
                        && let Some(pipeline) = attempt.slot(slot)?
                    {
                        return Ok(pipeline);
                    }
                }
            }
        }
        if let Some(pipeline) = attempt.offline()? {
            return Ok(pipeline);
        }
        if targets.contains(&metal::SOURCE) {
            for slot in self
                .slots
                .iter()
                .filter(|slot| slot.target == metal::SOURCE)
            {
                if let Some(pipeline) = attempt.slot(slot)? {
                    return Ok(pipeline);
                }
            }
            if let Some(pipeline) = attempt.alone()? {
                return Ok(pipeline);
            }
        }
        Err(attempt.failure())
    }
}
