//! The crew: persistent threads that run submissions together with the thread that submits.
//!
//! The submitting thread walks through the phases of a plan. A phase that is worth sharing is opened by publishing a *ticket*: the number
//! of the phase, how many chunks it has, and the next chunk to take. Everyone takes chunks by adding one to the
//! ticket; whoever gets a number below the total runs that chunk and counts it off. The submitting thread goes on when all are
//! counted off. So nobody waits for a helper that sleeps or was interrupted without a chunk, and short phases, which
//! the submitting thread runs alone, touch no shared memory at all.
//!
//! Helpers look at the ticket for a while after the last work, then sleep; submissions long enough to share wake them.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::guard::Guard;
use super::patience::Patience;
use super::prepare::{Phase, Plan, SHARED_TIME, Share};
use super::ticket::Ticket;
use super::trap::{self, SystemThread};
use super::watchdog::Watchdog;
use super::worker::{Failure, Worker};
use crate::backend::{Commands, Completion, RawFault};
use crate::fault::Fault;
use crate::options::DeviceOptions;

/// How long a helper looks for work before it sleeps. Between the passes of two tokens lies less.
const SPIN_TIME: Duration = Duration::from_micros(100);

/// Looks at the ticket between two looks at the clock.
const SPINS_PER_LOOK: u32 = 64;

/// Looks at the chunks of others between two looks at the clock: some ten microseconds.
const SPINS_PER_YIELD: u32 = 1 << 10;

/// Work expected to take less than this is not worth waking a helper for, in nanoseconds.
const WAKE_TIME: u64 = 20_000;

/// Of solo phases expected to take less than this, in nanoseconds, only one in so many is timed: reading the clock twice takes about as long
/// as launching.
const SHORT_SOLO: u64 = 500;
const SHORT_SOLO_TIMED: u32 = 8;

/// The threads of a device.
pub(super) struct Crew {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    /// The worker of the submitting thread and the plan it makes.
    submitter: Mutex<Submitter>,
    /// Ends submissions that run too long. Gone after the helpers that it watches.
    watchdog: Option<Watchdog>,
}

struct Submitter {
    worker: Worker,
    plan: Plan,
    patience: Patience,
    /// Counts short solo phases.
    short_solos: u32,
}

/// On a line of the cache by itself, with its neighbour that processors fetch together.
#[repr(align(128))]
struct Padded<T>(T);

struct Shared {
    ticket: Padded<AtomicU64>,
    /// Chunks of the open phase that are not finished.
    unfinished: Padded<AtomicU32>,
    /// The submission of the open phase. Valid while a chunk of it is unfinished.
    job: AtomicPtr<Job<'static>>,
    sleepers: AtomicU32,
    sleep: Mutex<()>,
    wake: Condvar,
    shutdown: AtomicBool,
}

/// A submission while it runs.
struct Job<'a> {
    plan: &'a Plan,
    seed: Option<u64>,
    /// Threadgroups done of each launch, if they are counted.
    done: Vec<AtomicU32>,
    failed: AtomicBool,
    failure: Mutex<Option<(usize, Box<Failure>)>>,
}

impl Crew {
    /// A crew of `workers` threads, the submitting one included.
    pub fn new(workers: usize, options: &DeviceOptions) -> Self {
        trap::install();
        let watchdog = options.budget.and_then(|limit| {
            Watchdog::new(limit)
                .inspect_err(|error| tracing::warn!(%error, "submissions run without a budget"))
                .ok()
        });
        let new_worker =
            || Worker::new(watchdog.as_ref().map(Watchdog::out_of_time), options.guard);
        let shared = Arc::new(Shared {
            ticket: Padded(AtomicU64::new(0)),
            unfinished: Padded(AtomicU32::new(0)),
            job: AtomicPtr::new(std::ptr::null_mut()),
            sleepers: AtomicU32::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
            shutdown: AtomicBool::new(false),
        });
        let helpers = (1..workers).filter_map(|index| {
            let shared = shared.clone();
            let worker = new_worker();
            let thread = std::thread::Builder::new().name(format!("mettle-{index}"));
            match thread.spawn(move || shared.help(index as u32, worker)) {
                Ok(thread) => {
                    if let Some(watchdog) = &watchdog {
                        watchdog.add_helper(SystemThread::of(&thread));
                    }
                    Some(thread)
                }
                Err(error) => {
                    tracing::warn!(%error, "a helper thread could not be started");
                    None
                }
            }
        });
        Crew {
            helpers: helpers.collect(),
            submitter: Mutex::new(Submitter {
                worker: new_worker(),
                plan: Plan::default(),
                patience: Patience::default(),
                short_solos: 0,
            }),
            shared,
            watchdog,
        }
    }

    /// Runs a submission, whose buffers are guarded by `guard`.
    ///
    /// # Safety
    /// The commands are valid and stay so until this returns.
    pub unsafe fn run(
        &self,
        commands: &Commands<'_>,
        seed: Option<u64>,
        guard: Option<&Guard>,
    ) -> Completion {
        trap::prepare_thread();
        let mut submitter = self
            .submitter
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Submitter {
            worker,
            plan: planned,
            patience,
            short_solos,
        } = &mut *submitter;
        let workers = self.helpers.len() as u64 + 1;
        let alone = commands.profile || guard.is_some();
        // SAFETY: the caller's promise.
        unsafe { planned.make(commands, alone) };
        let mut guarding = match guard
            .map(|guard| guard.begin(commands, planned))
            .transpose()
        {
            Ok(guarding) => guarding,
            Err(fault) => return Completion::failed(0, *Failure::boxed([0; 3], fault)),
        };
        let watch = self.watchdog.as_ref().map(Watchdog::begin);
        let counted = if watch.is_some() {
            planned.launches.len()
        } else {
            0
        };
        let job = Job {
            plan: planned,
            seed,
            done: (0..counted).map(|_| AtomicU32::new(0)).collect(),
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        };
        let mut nanoseconds = Vec::new();
        // Helpers are awake when the first phase that is shared begins.
        let mut shareable = 0u64;
        let mut phases = job.plan.phases.iter().map(|phase| job.plan.time(phase));
        let wakes = |time: u64| {
            if time >= SHARED_TIME && patience.would_share(time) {
                shareable = shareable.saturating_add(time);
            }
            shareable > WAKE_TIME
        };
        if workers > 1 && phases.any(wakes) {
            self.shared.wake_sleepers();
        }
        for (index, phase) in job.plan.phases.iter().enumerate() {
            let share = job.plan.share(phase, workers);
            let guarded = guarding
                .as_mut()
                .map(|guarding| (guarding, phase.launches.start));
            if let Some((guarding, launch)) = guarded {
                guarding.before(launch);
            }
            let started = commands.profile.then(Instant::now);
            if share.solo || !patience.shares(share.time) {
                *short_solos = short_solos.wrapping_add(1);
                let timed =
                    share.time >= SHORT_SOLO || short_solos.is_multiple_of(SHORT_SOLO_TIMED);
                job.run_alone(phase, worker, timed);
            } else {
                let waited = self.shared.run_phase(&job, index, &share, worker);
                if let Some(longest) = share.longest {
                    patience.waited(waited, share.time, longest, workers);
                }
            }
            if let Some(started) = started {
                nanoseconds.push(started.elapsed().as_nanos() as u64);
            }
            if let Some(guarding) = &mut guarding
                && let Err(fault) = guarding.after(phase.launches.start)
            {
                job.fail(phase.launches.start, Failure::boxed([0; 3], fault));
            }
            if job.failed.load(Ordering::Relaxed) {
                break;
            }
        }
        drop(watch);
        let failure = job
            .failure
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let Some((launch, mut failure)) = failure else {
            return Completion {
                nanoseconds,
                ..Completion::default()
            };
        };
        if let Some(guarding) = &guarding {
            failure.fault = guarding.attribute(launch, failure.fault);
        }
        if let Fault::Budget {
            limit,
            finished,
            threadgroups,
            ..
        } = &mut failure.fault
        {
            *limit = self
                .watchdog
                .as_ref()
                .map_or(Duration::ZERO, Watchdog::limit);
            *finished = job
                .done
                .get(launch)
                .map_or(0, |done| done.load(Ordering::Relaxed).into());
            *threadgroups = job.plan.launches[launch].groups().into();
        }
        Completion::failed(launch, *failure)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.shutdown.store(true, Ordering::SeqCst);
        self.shared.wake_all();
        for helper in self.helpers.drain(..) {
            // A helper that panicked outside of a chunk has nothing left to do.
            let _ = helper.join();
        }
    }
}

impl Shared {
    /// Opens a phase, takes part in it, and returns when it is finished: how long it waited for others at the end.
    fn run_phase(
        &self,
        job: &Job<'_>,
        index: usize,
        share: &Share,
        worker: &mut Worker,
    ) -> Duration {
        let phase = &job.plan.phases[index];
        self.unfinished.0.store(share.chunks, Ordering::Relaxed);
        self.job
            .store(std::ptr::from_ref(job).cast_mut().cast(), Ordering::Relaxed);
        // Publishes the two stores above. Sequentially consistent with the count of sleepers: either a helper that
        // falls asleep sees the ticket or this thread sees the helper.
        self.ticket
            .0
            .store(Ticket::new(index, share.chunks).0, Ordering::SeqCst);
        if share.time > WAKE_TIME {
            self.wake_sleepers();
        }
        while let Some((_, chunk)) = self.take_chunk() {
            job.run_chunk(phase, chunk, worker);
            self.unfinished.0.fetch_sub(1, Ordering::Release);
        }
        let mut spins = 0u32;
        let mut since = None;
        while self.unfinished.0.load(Ordering::Acquire) != 0 {
            spins += 1;
            // A helper that the system has interrupted may need this core.
            if spins.is_multiple_of(SPINS_PER_YIELD)
                && since.get_or_insert_with(Instant::now).elapsed() > SPIN_TIME
            {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Takes a chunk of the open phase: the number of the phase and of the chunk.
    fn take_chunk(&self) -> Option<(usize, u32)> {
        if !Ticket(self.ticket.0.load(Ordering::Relaxed)).has_chunk() {
            return None;
        }
        let ticket = Ticket(self.ticket.0.fetch_add(1, Ordering::Acquire));
        ticket.has_chunk().then(|| (ticket.phase(), ticket.next()))
    }

    /// The life of a helper.
    fn help(&self, index: u32, mut worker: Worker) {
        trap::prepare_thread();
        let mut idle_since = Instant::now();
        let mut looks = 0u32;
        while !self.shutdown.load(Ordering::Relaxed) {
            // A phase of few chunks is left to few helpers: each that tries takes the ticket's line from the others.
            let ticket = Ticket(self.ticket.0.load(Ordering::Relaxed));
            let taken = if ticket.has_chunk() && index < ticket.chunks() {
                self.take_chunk()
            } else {
                None
            };
            if let Some((phase, chunk)) = taken {
                // SAFETY: the chunk is not counted off, so the submission's thread waits and the job is valid. Taking the chunk has
                // acquired what was stored before the ticket was published.
                let job = unsafe { &*self.job.load(Ordering::Relaxed) };
                job.run_chunk(&job.plan.phases[phase], chunk, &mut worker);
                self.unfinished.0.fetch_sub(1, Ordering::Release);
                idle_since = Instant::now();
                continue;
            }
            std::hint::spin_loop();
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(SPINS_PER_LOOK) && idle_since.elapsed() > SPIN_TIME {
                self.sleep();
                idle_since = Instant::now();
            }
        }
    }

    /// Sleeps until woken, unless there is work.
    fn sleep(&self) {
        let guard = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let has_work = Ticket(self.ticket.0.load(Ordering::SeqCst)).has_chunk();
        if !has_work && !self.shutdown.load(Ordering::SeqCst) {
            // Waking up without a reason costs a spin.
            drop(
                self.wake
                    .wait(guard)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake_sleepers(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        drop(self.sleep.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_all();
    }
}

impl Job<'_> {
    /// Runs every launch of a phase on this thread.
    fn run_alone(&self, phase: &Phase, worker: &mut Worker, timed: bool) {
        for index in phase.launches.clone() {
            self.run_groups(index, 0..self.plan.launches[index].groups(), worker, timed);
        }
    }

    /// Runs a chunk of a phase.
    fn run_chunk(&self, phase: &Phase, chunk: u32, worker: &mut Worker) {
        if self.failed.load(Ordering::Relaxed) {
            return;
        }
        let launches = &self.plan.launches[phase.launches.clone()];
        let index = launches
            .partition_point(|launch| launch.first_chunk() <= chunk)
            .saturating_sub(1);
        let groups = launches[index].chunk(chunk);
        self.run_groups(phase.launches.start + index, groups, worker, true);
    }

    fn run_groups(
        &self,
        index: usize,
        groups: std::ops::Range<u32>,
        worker: &mut Worker,
        timed: bool,
    ) {
        let launch = &self.plan.launches[index];
        // SAFETY: the plan is of a valid submission, as `Crew::run` demands.
        let result = unsafe {
            if timed {
                worker.run_timed(self.plan, launch, groups, self.seed)
            } else {
                worker.run(self.plan, launch, groups, self.seed)
            }
        };
        if let Some(done) = self.done.get(index) {
            done.fetch_add(worker.done(), Ordering::Relaxed);
        }
        if let Err(failure) = result {
            self.fail(index, failure);
        }
    }

    /// Notes that a launch failed. Of several failures the first counts, by launch and threadgroup.
    fn fail(&self, index: usize, failure: Box<Failure>) {
        let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |index: usize, failure: &Failure| {
            let [x, y, z] = failure.threadgroup;
            (index, z, y, x)
        };
        if first
            .as_ref()
            .is_none_or(|(other, old)| key(index, &failure) < key(*other, old))
        {
            *first = Some((index, failure));
        }
        self.failed.store(true, Ordering::Relaxed);
    }
}

impl Completion {
    /// A submission of which a launch failed.
    fn failed(launch: usize, failure: Failure) -> Self {
        Completion {
            fault: Some(RawFault {
                launch,
                threadgroup: Some(failure.threadgroup),
                fault: failure.fault,
                code_address: failure.code_address,
            }),
            ..Completion::default()
        }
    }
}

#[cfg(test)]
mod tests;
