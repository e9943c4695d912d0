//! Making pipelines before they are needed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mettle_msl::{Target, TargetClass};

use super::EmbeddedUnit;
use crate::constants::ConstantSet;
use crate::device::Device;
use crate::error::Error;
use crate::pipeline::CodeOrigin;

/// A pipeline of an embedded unit.
#[derive(Debug, Clone, Copy)]
pub struct PipelineRequest {
    /// The unit.
    pub unit: &'static EmbeddedUnit,
    /// The kernel.
    pub kernel: &'static str,
    /// The values of its function constants.
    pub constants: ConstantSet,
}

/// How far [`Device::warm`] is.
#[derive(Debug, Clone, Copy)]
pub struct WarmProgress<'a> {
    /// Pipelines done, the one named included.
    pub done: usize,
    /// Pipelines in all.
    pub total: usize,
    /// The kernel done last.
    pub kernel: &'a str,
}

/// What [`Device::warm`] did.
#[derive(Debug, Clone, Default)]
pub struct WarmReport {
    /// Pipelines that were there already.
    pub ready: usize,
    /// Pipelines made, by where their code came from.
    pub made: BTreeMap<CodeOrigin, usize>,
    /// Kernels that cannot be used, and why.
    pub failed: Vec<(&'static str, Error)>,
    /// How long it took.
    pub elapsed: Duration,
}

impl WarmReport {
    /// Pipelines made whose code came from there.
    pub fn made_from(&self, origin: CodeOrigin) -> usize {
        self.made.get(&origin).copied().unwrap_or_default()
    }

    /// Pipelines that can be used now.
    pub fn usable(&self) -> usize {
        self.ready + self.made.values().sum::<usize>()
    }
}

impl EmbeddedUnit {
    /// Whether its kernels are meant for a target, as `mettle_msl` names it: those without function constants can be for one class of devices alone.
    pub fn is_meant_for(&self, target: &str) -> bool {
        let Some(class) = Target::from_name(target).map(Target::class) else {
            return true;
        };
        self.variants.iter().any(|variant| {
            !variant.constants.is_empty() || variant.class.is_none_or(|meant| meant == class)
        })
    }

    /// Whether its kernels are meant for a device.
    pub fn is_for(&self, device: &Device) -> bool {
        let mut targets = device.targets().iter();
        targets.any(|target| self.is_meant_for(target))
    }

    /// The pipelines that ops ask for on a device.
    pub fn pipelines(&'static self, device: &Device) -> Vec<PipelineRequest> {
        let mut targets = device.targets().iter();
        let class = targets
            .find_map(|name| Target::from_name(name))
            .map_or(TargetClass::Gpu, Target::class);
        let variants = self.variants.iter();
        variants
            .filter(|variant| variant.class.is_none_or(|meant| meant == class))
            .flat_map(|variant| {
                variant.kernels.iter().map(|kernel| PipelineRequest {
                    unit: self,
                    kernel,
                    constants: ConstantSet::new(variant.constants),
                })
            })
            .collect()
    }
}

impl Device {
    /// Makes pipelines on all processors of the host, so that launches need not wait for them. `progress` is called from several threads.
    pub fn warm(
        &self,
        requests: &[PipelineRequest],
        progress: &(dyn Fn(WarmProgress<'_>) + Sync),
    ) -> WarmReport {
        let started = Instant::now();
        let report = Mutex::new(WarmReport::default());
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let order = interleaved(requests);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let work = || {
            while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request = &requests[at];
                let result = self.warm_one(request);
                {
                    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(None) => report.ready += 1,
                        Ok(Some(origin)) => *report.made.entry(origin).or_default() += 1,
                        Err(error) => report.failed.push((request.kernel, error)),
                    }
                }
                progress(WarmProgress {
                    done: done.fetch_add(1, Ordering::Relaxed) + 1,
                    total: requests.len(),
                    kernel: request.kernel,
                });
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(requests.len()) {
                scope.spawn(work);
            }
            work();
        });
        let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.failed.sort_by_key(|(kernel, _)| *kernel);
        report.elapsed = started.elapsed();
        report
    }

    /// Where the code came from, unless the pipeline was there.
    fn warm_one(&self, request: &PipelineRequest) -> Result<Option<CodeOrigin>, Error> {
        let registry = &self.inner().registry;
        let PipelineRequest {
            unit,
            kernel,
            constants,
        } = request;
        if registry
            .unit(self, unit)
            .current()
            .is_cached(kernel, constants)
        {
            return Ok(None);
        }
        let pipeline = registry.pipeline(self, unit, kernel, constants)?;
        Ok(Some(pipeline.origin))
    }
}

/// The requests' positions, units in turn: pipelines of one unit wait for the same code.
fn interleaved(requests: &[PipelineRequest]) -> Vec<usize> {
    let mut turns: BTreeMap<&str, usize> = BTreeMap::new();
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (at, request) in requests.iter().enumerate() {
        let turn = turns.entry(request.unit.name).or_default();
        order.push((*turn, at));
        *turn += 1;
    }
    order.sort_unstable();
    order.into_iter().map(|(_, at)| at).collect()
}
