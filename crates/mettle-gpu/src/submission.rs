//! Submissions in flight: who waits for what, and what became of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use crate::backend::{Completion, Flight, Submitted};
use crate::device::Device;
use crate::diagnose::diagnose;
use crate::error::{Error, Result};
use crate::recording::Recording;

/// Submissions that a device may run or have waiting at once. One more waits for the oldest: so the memory that they hold is bounded, and
/// the device still has the next at hand when one ends.
const MAX_IN_FLIGHT: usize = 3;

/// Work handed to the device.
///
/// The CPU runs it inside [`Pass::submit`](crate::Pass::submit), so its submissions are complete when they come back; so does an NVIDIA GPU where
/// the launches are few or come for the first time. Else GPUs run it meanwhile, and have up to three submissions at once; what one writes the
/// next reads. Failures are reported by
/// [`Submission::wait`], and by reads of the buffers it wrote; a submission that uses what a failed one before it wrote has failed, too.
/// A submission keeps the buffers and pipelines it uses alive. Dropping it does not cancel it but waits for its end; a failure is then only
/// logged.
#[must_use = "failures of the launches are reported by `wait`"]
pub struct Submission {
    state: Arc<State>,
    device: Device,
    waited: bool,
}

impl Submission {
    /// Blocks until the device is done.
    ///
    /// # Errors
    /// [`Error::Fault`] when a launch failed while it ran.
    pub fn wait(self) -> Result<()> {
        self.wait_profile().map(drop)
    }

    /// Blocks until the device is done and returns when it ran, where it tells, and the time of each kernel, if the pass was recorded with
    /// [`Pass::profile`](crate::Pass::profile).
    ///
    /// # Errors
    /// [`Error::Fault`] when a launch failed while it ran.
    pub fn wait_profile(mut self) -> Result<Profile> {
        self.waited = true;
        self.device.inner().timeline.land(&self.state)
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        if self.waited {
            return;
        }
        if let Err(error) = self.device.inner().timeline.land(&self.state) {
            tracing::error!(%error, "a submission nobody waited for failed");
        }
    }
}

/// Time spent by kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    kernels: BTreeMap<String, KernelTime>,
    gpu_time: Option<GpuTime>,
}

/// When a GPU ran a submission. On Metal by the host's clock, which starts with the system; on NVIDIA GPUs since the device was opened, and
/// as if it had ended when the host waited for it, if that was later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuTime {
    /// It began.
    pub start: Duration,
    /// It was done.
    pub end: Duration,
}

impl GpuTime {
    /// How long it took.
    pub fn elapsed(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    /// From the start of the one that began first to the end of the one that ended last.
    pub(crate) fn and(self, other: GpuTime) -> GpuTime {
        GpuTime {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// What one kernel cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelTime {
    /// Launches.
    pub calls: u64,
    /// Nanoseconds of all launches together.
    pub nanoseconds: u64,
}

impl Profile {
    /// The kernels by name.
    pub fn kernels(&self) -> impl Iterator<Item = (&str, KernelTime)> {
        self.kernels
            .iter()
            .map(|(name, time)| (name.as_str(), *time))
    }

    /// Nanoseconds of all kernels together.
    pub fn total_nanoseconds(&self) -> u64 {
        self.kernels.values().map(|time| time.nanoseconds).sum()
    }

    /// When the GPU ran the submission, also where the kernels' times were not asked for; of several, from the first one's start to the
    /// last one's end. `None` where the device does not tell: the CPU, and an NVIDIA GPU of a submission that neither asked for the kernels'
    /// times nor came again and ran as a graph.
    pub fn gpu_time(&self) -> Option<GpuTime> {
        self.gpu_time
    }

    /// Adds the times of another profile.
    pub fn merge(&mut self, other: &Profile) {
        self.gpu_time = match (self.gpu_time, other.gpu_time) {
            (Some(own), Some(other)) => Some(own.and(other)),
            (own, other) => own.or(other),
        };
        for (name, time) in &other.kernels {
            self.add(name, time.calls, time.nanoseconds);
        }
    }

    fn add(&mut self, kernel: &str, calls: u64, nanoseconds: u64) {
        let time = match self.kernels.get_mut(kernel) {
            Some(time) => time,
            None => self.kernels.entry(kernel.to_owned()).or_default(),
        };
        time.calls += calls;
        time.nanoseconds += nanoseconds;
    }
}

/// One submission, shared between its handle and the device's timeline.
struct State {
    serial: u64,
    outcome: OnceLock<Result<Profile>>,
    /// Locked while the backend takes the submission: who finds it empty finds an outcome.
    running: Mutex<Option<Running>>,
}

/// What the device runs, and what it uses meanwhile.
struct Running {
    flight: Box<dyn Flight>,
    recording: Recording,
    device: Device,
}

/// The order of submissions and host accesses of a device.
///
/// A submission first marks its storages with its serial, under the gate's write lock, and then goes to the device. A host access
/// holds the gate's read lock while it copies, after it has waited for the submission its storage is marked with.
/// So a host access never overlaps a submission that uses the same storage.
#[derive(Default)]
pub(crate) struct Timeline {
    gate: RwLock<()>,
    last_serial: AtomicU64,
    /// Oldest first.
    in_flight: Mutex<Vec<Arc<State>>>,
    /// Held while the backend takes a submission.
    queue: Mutex<()>,
}

impl Timeline {
    /// Waits until the submission that a storage is marked with is complete, and keeps new ones from starting until the guard is
    /// dropped.
    pub fn host_access(&self, mark: &AtomicU64) -> RwLockReadGuard<'_, ()> {
        loop {
            let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
            let serial = mark.load(Ordering::Acquire);
            let pending = match serial {
                0 => None,
                _ => self
                    .in_flight()
                    .iter()
                    .find(|state| state.serial == serial)
                    .cloned(),
            };
            let Some(state) = pending else {
                return gate;
            };
            drop(gate);
            // A failure is reported through the storage's poison.
            let _ = self.land(&state);
        }
    }

    /// Waits for the end of a submission, and of those before it, and returns what became of it.
    fn land(&self, state: &State) -> Result<Profile> {
        if let Some(outcome) = state.outcome.get() {
            return outcome.clone();
        }
        let mut due = self.in_flight().clone();
        due.retain(|other| other.serial <= state.serial);
        for other in due {
            let mut running = lock(&other.running);
            if let Some(landed) = running.take() {
                let Running {
                    flight,
                    recording,
                    device,
                } = landed;
                let completion = flight.finish(recording.commands());
                self.settle(&other, completion, recording, &device);
            }
        }
        state.outcome.wait().clone()
    }

    /// A submission is complete.
    fn settle(&self, state: &State, completion: Completion, recording: Recording, device: &Device) {
        let outcome = outcome(completion, &recording);
        self.in_flight()
            .retain(|other| other.serial != state.serial);
        // Nobody else sets it.
        let _ = state.outcome.set(outcome);
        device.inner().recycle(recording);
    }

    /// Sends a recording to the device.
    pub fn submit(&self, device: &Device, recording: Recording) -> Submission {
        let _queue = lock(&self.queue);
        let oldest = {
            let in_flight = self.in_flight();
            in_flight
                .first()
                .cloned()
                .filter(|_| in_flight.len() >= MAX_IN_FLIGHT)
        };
        if let Some(oldest) = oldest {
            // Reported to who waits for it.
            let _ = self.land(&oldest);
        }
        let state = Arc::new(State {
            serial: self.last_serial.fetch_add(1, Ordering::Relaxed) + 1,
            outcome: OnceLock::new(),
            running: Mutex::default(),
        });
        let mut running = lock(&state.running);
        {
            let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            recording.mark(state.serial);
            self.in_flight().push(state.clone());
        }
        // SAFETY: `Pass` validated every launch when it was recorded; the recording keeps storages and pipelines alive until
        // it is recycled, which is when the submission is complete; calls are serialised by the queue lock.
        match unsafe { device.inner().backend.submit(recording.commands()) } {
            Submitted::Complete(completion) => self.settle(&state, completion, recording, device),
            Submitted::Running(flight) => {
                *running = Some(Running {
                    flight,
                    recording,
                    device: device.clone(),
                });
            }
        }
        drop(running);
        Submission {
            state,
            device: device.clone(),
            waited: false,
        }
    }

    fn in_flight(&self) -> MutexGuard<'_, Vec<Arc<State>>> {
        lock(&self.in_flight)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of a submission. Marks what a failed one wrote as unknown.
fn outcome(completion: Completion, recording: &Recording) -> Result<Profile> {
    if let Some(fault) = completion.fault {
        let pipeline = recording.pipeline(fault.launch);
        let error = Error::Fault {
            kernel: pipeline.kernel.name.clone(),
            threadgroup: fault.threadgroup,
            fault: Box::new(diagnose(recording, fault)),
        };
        recording.poison_written(&error);
        return Err(error);
    }
    // What it used when it was recorded was known, so the failure is of a submission that was in flight then.
    if let Some(error) = recording.poison() {
        recording.poison_written(&error);
        return Err(error);
    }
    let mut profile = Profile {
        gpu_time: completion.gpu_time.map(|time| *time),
        ..Profile::default()
    };
    for (launch, &nanoseconds) in completion.nanoseconds.iter().enumerate() {
        profile.add(&recording.pipeline(launch).kernel.name, 1, nanoseconds);
    }
    Ok(profile)
}
