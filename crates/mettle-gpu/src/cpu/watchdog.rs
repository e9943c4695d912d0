//! Ends submissions that run longer than they may.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::trap::SystemThread;

/// Once its time is up, a submission is interrupted again after this long, until it has stopped: a thread that is interrupted where it
/// cannot stop goes on for a moment.
const TICK: Duration = Duration::from_millis(1);

/// A thread that watches over the submissions of one crew.
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    /// Says that the time of the submission that runs is up.
    out_of_time: Arc<AtomicBool>,
    limit: Duration,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The submission that runs: when it must be done, and the thread that submitted it.
    running: Option<(Instant, SystemThread)>,
    /// The other threads that run kernels. They end only when no submission runs.
    helpers: Vec<SystemThread>,
    shutdown: bool,
}

/// A submission that is watched, until this is dropped.
pub(super) struct Watch<'a>(&'a Watchdog);

impl Watchdog {
    /// A watchdog that gives each submission `limit`.
    pub fn new(limit: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let out_of_time = Arc::new(AtomicBool::new(false));
        let (watched, flag) = (shared.clone(), out_of_time.clone());
        let thread = std::thread::Builder::new()
            .name("mettle-watchdog".to_owned())
            .spawn(move || watched.watch(&flag))?;
        Ok(Watchdog {
            shared,
            out_of_time,
            limit,
            thread: Some(thread),
        })
    }

    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// What says that the time is up.
    pub fn out_of_time(&self) -> Arc<AtomicBool> {
        self.out_of_time.clone()
    }

    /// Adds a thread that runs kernels. It must not end while a submission is watched.
    pub fn add_helper(&self, thread: SystemThread) {
        self.shared.state().helpers.push(thread);
    }

    /// Begins to watch a submission of the calling thread.
    pub fn begin(&self) -> Watch<'_> {
        let mut state = self.shared.state();
        self.out_of_time.store(false, Ordering::Relaxed);
        let thread = SystemThread::current();
        // A limit that the clock cannot express is never reached.
        let deadline = Instant::now().checked_add(self.limit);
        state.running = deadline.map(|deadline| (deadline, thread));
        drop(state);
        self.shared.changed.notify_one();
        Watch(self)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.shared.state().running = None;
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.state().shutdown = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of the watching thread.
    fn watch(&self, out_of_time: &AtomicBool) {
        let mut state = self.state();
        while !state.shutdown {
            let Some((deadline, submitter)) = state.running else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                out_of_time.store(true, Ordering::Relaxed);
                for &thread in state.helpers.iter().chain([&submitter]) {
                    // SAFETY: the submission runs while the state is locked, so neither the thread that submitted it nor helpers end.
                    unsafe { thread.interrupt() };
                }
            }
            let wait = if left.is_zero() { TICK } else { left };
            let waited = self.changed.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
