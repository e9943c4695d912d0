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
        let arguments = &plan.threadgroup_memory[launch.threadgroup_memory.clone()];
        let lines = self.place_threadgroup_memory(arguments);
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
        let memory = &mut self.threadgroup_memory[..lines];
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

    /// Sets the pointers of dynamic threadgroup memory; returns how many lines it takes.
    fn place_threadgroup_memory(&mut self, arguments: &[(u32, usize)]) -> usize {
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
        line.min(self.threadgroup_memory.len())
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

#[cfg(test)]
mod tests {
    use std::ffi::c_void;
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::backend::{Commands, RawLaunch, RawPipeline};
    use crate::cpu::executor::HOOKS;
    use crate::grid::GridSize;

    unsafe extern "C" fn double(
        input: *const *const c_void,
        output: *const *mut c_void,
        active: u32,
    ) {
        // SAFETY: the kernel below passes the addresses of numbers.
        unsafe {
            assert_eq!(active, 1);
            *(*output).cast::<u32>() = 2 * *(*input).cast::<u32>();
        }
    }

    /// A kernel that synchronises although it is run as one that does not.
    unsafe extern "C" fn liar(_: *const abi::Launch) {
        let (x, mut y) = (21u32, 0u32);
        // SAFETY: the operands live on this stack.
        unsafe {
            (HOOKS.collective)(
                5 << 12,
                Some(double),
                (&raw const x).cast(),
                (&raw mut y).cast(),
            )
        };
        assert_eq!(y, 42);
        // SAFETY: there are no operands.
        unsafe { (HOOKS.barrier)(6 << 12, 0) };
    }

    #[test]
    fn unexpected_synchronisation_is_a_fault() {
        let kernel = Kernel {
            entry: Entry::Group(liar),
            cost: AtomicU32::new(0),
        };
        let launch = RawLaunch {
            pipeline: RawPipeline((&raw const kernel).expose_provenance() as u64),
            grid: GridSize {
                threads: [3, 2, 1],
                threadgroups: [3, 2, 1],
                threads_per_threadgroup: [1, 1, 1],
            },
            arguments: 0..0,
            barrier_before: false,
        };
        let commands = Commands {
            launches: &[launch],
            arguments: &[],
            values: &[],
            profile: false,
        };
        let mut plan = Plan::default();
        let mut worker = Worker::new();
        // SAFETY: the commands are valid; the kernel has no arguments.
        let failure = unsafe {
            plan.make(&commands, 1);
            worker
                .run(&plan, &plan.launches[0], 4..6, None)
                .unwrap_err()
        };
        assert_eq!(failure.threadgroup, [1, 1, 0]);
        assert!(
            matches!(failure.fault, Fault::UnexpectedSynchronisation { site } if site.line() == 5)
        );
    }

    #[test]
    fn positions_count_x_fastest() {
        let mut position = [2, 0, 1];
        advance(&mut position, [3, 2, 2]);
        assert_eq!(position, [0, 1, 1]);
    }
}
