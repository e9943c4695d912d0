//! One worker: runs ranges of threadgroups of a launch.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use mettle_msl::abi::{self, MAX_ARGUMENTS};

use super::code::{Entry, Kernel};
use super::executor::Executor;
use super::order::Permutation;
use super::prepare::{Plan, Prepared};
use crate::error::Fault;

/// Each argument of dynamic threadgroup memory starts at a multiple of this: a line of the cache.
const LINE: usize = 64;

/// Bytes of dynamic threadgroup memory: the limit of a launch, and room to align up to 31 arguments.
const THREADGROUP_BYTES: usize = 32768 + MAX_ARGUMENTS * LINE;

/// A launch that failed, in a threadgroup.
pub(super) struct Failure {
    pub threadgroup: [u32; 3],
    pub fault: Fault,
}

/// What a worker keeps: fibers, and memory for one threadgroup. It is used by one thread of the system at a time.
pub(super) struct Worker {
    executor: Box<Executor>,
    threadgroup_memory: Box<[Line]>,
    threadgroup_pointers: [*mut c_void; MAX_ARGUMENTS],
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

// SAFETY: the pointers lead into the worker's own memory.
unsafe impl Send for Worker {}

impl Worker {
    pub fn new() -> Self {
        Worker {
            executor: Executor::new(),
            threadgroup_memory: vec![Line([0; LINE]); THREADGROUP_BYTES / LINE].into_boxed_slice(),
            threadgroup_pointers: [ptr::null_mut(); MAX_ARGUMENTS],
        }
    }

    /// Runs a range of the threadgroups of a launch, counted x fastest, or in the order drawn from a seed.
    ///
    /// # Safety
    /// The plan is that of a valid submission, and the launch one of it.
    pub unsafe fn run(
        &mut self,
        plan: &Plan,
        launch: &Prepared,
        groups: Range<u32>,
        seed: Option<u64>,
    ) -> Result<(), Failure> {
        self.place_threadgroup_memory(&plan.threadgroup_memory[launch.threadgroup_memory.clone()]);
        let grid = &launch.grid;
        let mut arguments = abi::Launch {
            buffers: plan.pointers[launch.buffers..].as_ptr(),
            threadgroup_memory: self.threadgroup_pointers.as_ptr(),
            threads_per_grid: grid.threads,
            threadgroups_per_grid: grid.threadgroups,
            threads_per_threadgroup: grid.threads_per_threadgroup,
            threadgroup_size: [0; 3],
            threadgroup_position: [0; 3],
        };
        // SAFETY: pipelines live at least as long as the submission.
        let kernel = unsafe { &*launch.kernel };
        let order = seed.map(|seed| Permutation::new(grid.threadgroup_count(), seed));
        let executor = &raw mut *self.executor;
        let memory = &mut self.threadgroup_memory;
        // SAFETY: this worker is used by this thread of the system alone; the launch is valid.
        unsafe {
            Executor::enter(executor, || {
                let mut position = grid.threadgroup_position(groups.start);
                for index in groups {
                    if let Some(order) = order {
                        position = grid.threadgroup_position(order.apply(index));
                        // Not-a-number for every floating-point type: what a kernel never wrote shows.
                        memory.fill(Line([0xff; LINE]));
                    }
                    arguments.threadgroup_position = position;
                    arguments.threadgroup_size = grid.threadgroup_size(position);
                    let thread_seed = seed
                        .map(|seed| seed ^ u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    run_group(executor, kernel, &arguments, thread_seed).map_err(|fault| {
                        Failure {
                            threadgroup: position,
                            fault,
                        }
                    })?;
                    advance(&mut position, grid.threadgroups);
                }
                Ok(())
            })
        }
    }

    /// As [`Worker::run`], and counts the time into the cost of the kernel.
    ///
    /// # Safety
    /// As for `run`.
    pub unsafe fn run_timed(
        &mut self,
        plan: &Plan,
        launch: &Prepared,
        groups: Range<u32>,
        seed: Option<u64>,
    ) -> Result<(), Failure> {
        let count = groups.len();
        let started = Instant::now();
        // SAFETY: the caller's promise.
        let result = unsafe { self.run(plan, launch, groups, seed) };
        let elapsed = started.elapsed().as_nanos() as u64;
        // SAFETY: as in `run`.
        unsafe { &*launch.kernel }.observe(elapsed * 16 / count.max(1) as u64);
        result
    }

    fn place_threadgroup_memory(&mut self, arguments: &[(u32, usize)]) {
        let mut line = 0;
        for &(index, bytes) in arguments {
            let lines = bytes.div_ceil(LINE);
            // The limit was checked when the launch was recorded.
            if let (Some(memory), Some(pointer)) = (
                self.threadgroup_memory.get_mut(line..line + lines),
                self.threadgroup_pointers.get_mut(index as usize),
            ) {
                *pointer = memory.as_mut_ptr().cast();
            }
            line += lines;
        }
    }
}

/// Runs one threadgroup.
///
/// # Safety
/// As for [`Executor::run_group`].
unsafe fn run_group(
    executor: *mut Executor,
    kernel: &Kernel,
    arguments: &abi::Launch,
    seed: Option<u64>,
) -> Result<(), Fault> {
    // SAFETY: the caller's promise.
    unsafe {
        match kernel.entry {
            Entry::Thread(entry) => Executor::run_group(executor, entry, arguments, seed),
            Entry::Group(entry) => {
                entry(arguments);
                Executor::take_unexpected(executor)
            }
        }
    }
}

/// The next position, x fastest.
fn advance(position: &mut [u32; 3], extent: [u32; 3]) {
    for i in 0..3 {
        position[i] += 1;
        if position[i] < extent[i] || i == 2 {
            return;
        }
        position[i] = 0;
    }
}

impl Kernel {
    /// Moves the running mean of the cost of a threadgroup, in sixteenths of a nanosecond. Moves up fast, since the work of a kernel may grow a
    /// hundredfold from one launch to the next and then must not stay on one core, and down in smaller steps.
    fn observe(&self, measured: u64) {
        let measured = measured.clamp(1, u64::from(u32::MAX));
        let new = match u64::from(self.cost.load(Ordering::Relaxed)) {
            0 => measured,
            old if measured > old => (old + measured).div_ceil(2),
            old => old - (old - measured) / 4,
        };
        self.cost.store(new as u32, Ordering::Relaxed);
    }
}
