//! One worker: runs ranges of threadgroups of a launch.

use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mettle_msl::abi;

use super::code::{Entry, Kernel};
use super::executor::{Executor, Stopped};
use super::order::Permutation;
use super::prepare::{Plan, Prepared};
use super::threadgroup_memory::ThreadgroupMemory;
use super::trap::Cause;
use crate::fault::{Fault, Origin};

/// A launch that failed, in a threadgroup.
pub(super) struct Failure {
    pub threadgroup: [u32; 3],
    pub fault: Fault,
    /// The instruction, in the code of the kernel's library.
    pub code_address: Option<u64>,
}

impl Failure {
    /// A failure of which no instruction is known.
    pub fn boxed(threadgroup: [u32; 3], fault: Fault) -> Box<Self> {
        Box::new(Failure {
            threadgroup,
            fault,
            code_address: None,
        })
    }
}

/// What a worker keeps: fibers, and memory for one threadgroup. It is used by one thread of the system at a time.
pub(super) struct Worker {
    executor: Box<Executor>,
    threadgroup_memory: ThreadgroupMemory,
    /// Threadgroups of the last run that were done.
    done: u32,
    /// Says that the time of the submission is up. The executor points to it.
    _out_of_time: Option<Arc<AtomicBool>>,
}

impl Worker {
    /// A worker that stops when `out_of_time` says so, and finds accesses outside of threadgroup memory if it is to `guard` it.
    pub fn new(out_of_time: Option<Arc<AtomicBool>>, guard: bool) -> Self {
        Worker {
            executor: Executor::new(out_of_time.as_ref().map_or(ptr::null(), Arc::as_ptr)),
            threadgroup_memory: ThreadgroupMemory::new(guard),
            done: 0,
            _out_of_time: out_of_time,
        }
    }

    /// How many threadgroups of the last run were done.
    pub fn done(&self) -> u32 {
        self.done
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
    ) -> Result<(), Box<Failure>> {
        let memory = &plan.threadgroup_memory[launch.threadgroup_memory.clone()];
        self.done = 0;
        if self.executor.stop().is_out_of_time() {
            return Err(Failure::boxed([0; 3], Fault::out_of_time()));
        }
        if let Err(fault) = self.threadgroup_memory.place(memory) {
            return Err(Failure::boxed([0; 3], fault));
        }
        let grid = &launch.grid;
        let mut arguments = abi::Launch {
            buffers: plan.pointers[launch.buffers..].as_ptr(),
            threadgroup_memory: self.threadgroup_memory.pointers(),
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
        let threadgroup_memory = &mut self.threadgroup_memory;
        let mut result = Ok(());
        let done = &raw mut self.done;
        // SAFETY: this worker is used by this thread of the system alone; the launch is valid; the loop owns nothing.
        let entered = unsafe {
            Executor::enter(executor, kernel.text, || {
                let mut position = grid.threadgroup_position(groups.start);
                for index in groups.clone() {
                    if let Some(order) = order {
                        position = grid.threadgroup_position(order.apply(index));
                        // Not-a-number for every floating-point type: what a kernel never wrote shows.
                        threadgroup_memory.fill(0xff);
                    }
                    arguments.threadgroup_position = position;
                    arguments.threadgroup_size = grid.threadgroup_size(position);
                    let thread_seed = seed
                        .map(|seed| seed ^ u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    if let Err(fault) = run_group(executor, kernel, &arguments, thread_seed) {
                        result = Err(Failure::boxed(position, fault));
                        return;
                    }
                    // Volatile: it must be there when the loop is abandoned.
                    done.write_volatile(index - groups.start + 1);
                    Executor::check_interrupted(executor);
                    advance(&mut position, grid.threadgroups);
                }
            })
        };
        let result = match entered {
            Ok(()) => result,
            Err(stopped) => Err(self.failure(&stopped, kernel, &arguments)),
        };
        let overrun = self.threadgroup_memory.check();
        match (result, overrun) {
            (Ok(()), Err(fault)) => Err(Failure::boxed(arguments.threadgroup_position, fault)),
            (result, _) => result,
        }
    }

    /// What is to be said of a kernel that was stopped in a threadgroup.
    #[cold]
    fn failure(&self, stopped: &Stopped, kernel: &Kernel, launch: &abi::Launch) -> Box<Failure> {
        let &Stopped::Abandoned { trap, thread } = stopped else {
            let reason = "a panic while the launch was scheduled".to_owned();
            return Failure::boxed(launch.threadgroup_position, Fault::Host { reason });
        };
        let origin = Origin {
            thread: thread.map(|thread| position_in_grid(launch, thread)),
            site: None,
        };
        let fault = match trap.cause {
            Cause::Memory { address, access } => self
                .threadgroup_memory
                .attribute(address, access, &origin)
                .unwrap_or(Fault::Access {
                    address: address.map(|address| address as u64),
                    access,
                    near: None,
                    origin,
                }),
            Cause::Stack => Fault::StackOverflow { origin },
            Cause::Arithmetic => Fault::Division { origin },
            Cause::Instruction if kernel.text.is_index_check(trap.pc) => {
                Fault::ArrayIndex { origin }
            }
            Cause::Instruction => Fault::Undefined { origin },
            Cause::OutOfTime => Fault::out_of_time(),
        };
        Box::new(Failure {
            threadgroup: launch.threadgroup_position,
            fault,
            code_address: kernel.text.address_in_object(trap.pc),
        })
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
    ) -> Result<(), Box<Failure>> {
        let count = groups.len();
        let started = Instant::now();
        // SAFETY: the caller's promise.
        let result = unsafe { self.run(plan, launch, groups, seed) };
        let elapsed = started.elapsed().as_nanos() as u64;
        // SAFETY: as in `run`.
        unsafe { &*launch.kernel }.observe(elapsed * 16 / count.max(1) as u64);
        result
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
            Entry::Single(entry) => {
                Executor::run_singles(executor, entry, arguments, seed);
                Executor::take_unexpected(executor)
            }
        }
    }
}

/// The position in the grid of a thread of a threadgroup.
fn position_in_grid(launch: &abi::Launch, thread: u32) -> [u32; 3] {
    let [width, height, _] = launch.threadgroup_size.map(|size| size.max(1));
    let own = [
        thread % width,
        thread / width % height,
        thread / width / height,
    ];
    std::array::from_fn(|i| {
        let first = launch.threadgroup_position[i].wrapping_mul(launch.threads_per_threadgroup[i]);
        first.wrapping_add(own[i])
    })
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
    use crate::cpu::code::Text;
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
            text: Text::default(),
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
            early_written: false,
        };
        let commands = Commands {
            launches: &[launch],
            arguments: &[],
            values: &[],
            profile: false,
        };
        let mut plan = Plan::default();
        let mut worker = Worker::new(None, false);
        // SAFETY: the commands are valid; the kernel has no arguments.
        let failure = unsafe {
            plan.make(&commands, false);
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
