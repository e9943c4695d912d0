//! Submissions in flight: who waits for what, and what became of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use crate::backend::Completion;
use crate::device::Device;
use crate::diagnose::diagnose;
use crate::error::{Error, Result};
use crate::recording::Recording;

/// Work handed to the device.
///
/// The CPU device runs it inside [`Pass::submit`](crate::Pass::submit), so its submissions are complete when they come back; do not count on
/// that with other devices. Failures are reported by [`Submission::wait`], and by reads of the buffers it wrote.
/// A submission keeps the buffers and pipelines it uses alive. Dropping it does not cancel it; a failure is then only logged.
#[must_use = "failures of the launches are reported by `wait`"]
pub struct Submission {
    state: Arc<State>,
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

    /// Blocks until the device is done and returns the time of each kernel: empty unless the pass was
    /// recorded with [`Pass::profile`](crate::Pass::profile).
    ///
    /// # Errors
    /// [`Error::Fault`] when a launch failed while it ran.
    pub fn wait_profile(mut self) -> Result<Profile> {
        self.waited = true;
        self.state.outcome.wait().clone()
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        if self.waited {
            return;
        }
        if let Some(Err(error)) = self.state.outcome.get() {
            tracing::error!(%error, "a submission nobody waited for failed");
        }
    }
}

/// Time spent by kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    kernels: BTreeMap<String, KernelTime>,
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

    /// Adds the times of another profile.
    pub fn merge(&mut self, other: &Profile) {
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
pub(crate) struct State {
    serial: u64,
    outcome: OnceLock<Result<Profile>>,
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
            let _ = state.outcome.wait();
        }
    }

    /// Sends a recording to the device.
    pub fn submit(&self, device: &Device, recording: Recording) -> Submission {
        let _queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let state = {
            let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            let serial = self.last_serial.fetch_add(1, Ordering::Relaxed) + 1;
            recording.mark(serial);
            let state = Arc::new(State {
                serial,
                outcome: OnceLock::new(),
            });
            self.in_flight().push(state.clone());
            state
        };
        // SAFETY: `Pass` validated every launch when it was recorded; the recording keeps storages and pipelines alive until
        // it is recycled; calls are serialised by the queue lock.
        let completion = unsafe { device.inner().backend.submit(recording.commands()) };
        let outcome = outcome(completion, &recording);
        self.in_flight()
            .retain(|other| other.serial != state.serial);
        // Nobody else sets it.
        let _ = state.outcome.set(outcome);
        device.inner().recycle(recording);
        Submission {
            state,
            waited: false,
        }
    }

    fn in_flight(&self) -> MutexGuard<'_, Vec<Arc<State>>> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
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
    let mut profile = Profile::default();
    for (launch, &nanoseconds) in completion.nanoseconds.iter().enumerate() {
        profile.add(&recording.pipeline(launch).kernel.name, 1, nanoseconds);
    }
    Ok(profile)
}
