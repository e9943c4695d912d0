//! Runs threadgroups on one thread of the system: plain loops for kernels that do not synchronise, fibers for those that do.
//!
//! A thread of the kernel is *fresh*, *ready*, *waiting at a collective*, *waiting at a barrier* or finished. SIMD groups run one after the
//! other, each until all its lanes wait at a barrier or have finished; lanes run until they wait.
//!
//! When no lane of a SIMD group can run, a collective is resolved: of the places in the source at which lanes wait, the first in text
//! order, for all lanes that wait there. Taking the first makes lanes that left a loop early wait for those still inside, and
//! gives each branch of an `if` its own active lanes, as on a GPU where lanes reconverge.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use super::fiber::{Fiber, Stop, Switch};
use super::order::Random;
use crate::error::{Fault, Site};
use mettle_msl::abi::{Combine, Hooks, Launch, SIMD_WIDTH, ThreadEntry};

/// Lanes of a SIMD group.
const LANES: usize = SIMD_WIDTH as usize;

/// Threads of a threadgroup at most.
pub(super) const MAX_THREADS: usize = 1024;

thread_local! {
    /// The executor whose kernel runs on this thread of the system.
    static CURRENT: Cell<*mut Executor> = const { Cell::new(ptr::null_mut()) };
}

/// The hooks that compiled kernels call.
pub(super) static HOOKS: Hooks = Hooks {
    collective,
    barrier,
    thread_index,
};

/// The lanes of one SIMD group. The masks are disjoint; lanes in none of them run, have finished or do not exist.
struct SimdGroup {
    fresh: u32,
    ready: u32,
    collective: u32,
    barrier: u32,
    /// Whether the lanes at collectives wait at more than one.
    mixed: bool,
    /// Where each waiting lane waits.
    site: [u64; LANES],
    combine: [Option<Combine>; LANES],
    input: [*const c_void; LANES],
    output: [*mut c_void; LANES],
    /// The fiber of each lane that has started.
    fiber: [u32; LANES],
}

impl SimdGroup {
    const EMPTY: SimdGroup = SimdGroup {
        fresh: 0,
        ready: 0,
        collective: 0,
        barrier: 0,
        mixed: false,
        site: [0; LANES],
        combine: [None; LANES],
        input: [ptr::null(); LANES],
        output: [ptr::null_mut(); LANES],
        fiber: [0; LANES],
    };

    /// Whether something can be done before a barrier must complete.
    fn is_runnable(&self) -> bool {
        self.fresh | self.ready | self.collective != 0
    }

    /// The lanes that wait at the same collective as `lane`.
    fn lanes_with(&self, lane: usize) -> u32 {
        if !self.mixed {
            return self.collective;
        }
        lanes(self.collective)
            .filter(|&other| {
                self.site[other] == self.site[lane] && same(self.combine[other], self.combine[lane])
            })
            .fold(0, |mask, other| mask | 1 << other)
    }

    /// Resolves a collective for the lanes that wait at it; they are ready afterwards.
    ///
    /// # Safety
    /// All lanes in `active` wait at the same collective.
    unsafe fn resolve(&mut self, active: u32) {
        let combine = self.combine[active.trailing_zeros() as usize & (LANES - 1)];
        if let Some(combine) = combine {
            if active == u32::MAX {
                // SAFETY: the operands and results lie on the stacks of the lanes, which all wait.
                unsafe { combine(self.input.as_ptr(), self.output.as_ptr(), active) };
            } else {
                let mut input = [ptr::null(); LANES];
                let mut output = [ptr::null_mut(); LANES];
                for lane in lanes(active) {
                    input[lane] = self.input[lane];
                    output[lane] = self.output[lane];
                }
                // SAFETY: as above, for the lanes in `active`.
                unsafe { combine(input.as_ptr(), output.as_ptr(), active) };
            }
        }
        self.collective &= !active;
        self.ready |= active;
        // Whether those left still wait at several places is found out when it matters; claiming so is always correct.
        self.mixed &= self.collective != 0;
    }
}

/// Whether two lanes ask for the same operation. One call in a template may stand for operations on several types.
fn same(a: Option<Combine>, b: Option<Combine>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => ptr::fn_addr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// The lanes in a mask, lowest first.
fn lanes(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros() as usize;
        if lane == LANES {
            return None;
        }
        mask &= mask - 1;
        Some(lane)
    })
}

/// The order of threads in a threadgroup.
struct Order {
    lanes: [u8; LANES],
    simd_groups: [u8; MAX_THREADS / LANES],
}

/// The state of one threadgroup at a time. One thread of the system uses it at a time, through a raw pointer: kernels call back into it
/// from their fibers.
pub(super) struct Executor {
    groups: [SimdGroup; MAX_THREADS / LANES],
    entry: Option<ThreadEntry>,
    launch: *const Launch,
    threads: u32,
    /// Threads that wait at a barrier, where the first of them waits, and whether others wait elsewhere.
    at_barrier: u32,
    barrier_site: u64,
    barrier_mixed: bool,
    /// Threads that have returned.
    finished: u32,
    /// The thread that runs and its fiber.
    thread: u32,
    fiber: u32,
    switch: *const Switch,
    order: Option<Order>,
    fibers: Vec<Fiber>,
    /// The switch of each fiber that has started.
    switches: Vec<*const Switch>,
    /// Indices of idle fibers.
    idle: Vec<u32>,
    /// A hook called by a kernel that was said not to synchronise.
    unexpected: Option<Site>,
}

// SAFETY: the pointers are only used while a threadgroup runs, which begins and ends on one thread of the system.
unsafe impl Send for Executor {}

impl Executor {
    pub fn new() -> Box<Self> {
        Box::new(Executor {
            groups: [SimdGroup::EMPTY; MAX_THREADS / LANES],
            entry: None,
            launch: ptr::null(),
            threads: 0,
            at_barrier: 0,
            barrier_site: 0,
            barrier_mixed: false,
            finished: 0,
            thread: 0,
            fiber: 0,
            switch: ptr::null(),
            order: None,
            fibers: Vec::new(),
            switches: Vec::new(),
            idle: Vec::new(),
            unexpected: None,
        })
    }

    /// Makes hooks called on this thread of the system find the executor, while `run` runs.
    ///
    /// # Safety
    /// `executor` is valid and not used by anyone else.
    pub unsafe fn enter<R>(executor: *mut Executor, run: impl FnOnce() -> R) -> R {
        struct Reset(*mut Executor);
        impl Drop for Reset {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _reset = Reset(CURRENT.replace(executor));
        run()
    }

    /// The fault of a kernel that called a hook although it runs without fibers.
    ///
    /// # Safety
    /// `executor` is valid and no kernel runs on it.
    pub unsafe fn take_unexpected(executor: *mut Executor) -> Result<(), Fault> {
        // SAFETY: the caller's promise.
        match unsafe { (*executor).unexpected.take() } {
            Some(site) => Err(Fault::UnexpectedSynchronisation { site }),
            None => Ok(()),
        }
    }

    /// Runs every thread of one threadgroup on fibers. `seed` draws the order of threads.
    ///
    /// # Safety
    /// The entry is a kernel's, `launch` describes validated arguments, and `executor` has been entered and runs nothing else.
    pub unsafe fn run_group(
        executor: *mut Executor,
        entry: ThreadEntry,
        launch: *const Launch,
        seed: Option<u64>,
    ) -> Result<(), Fault> {
        struct Unfinished(*mut Executor);
        impl Drop for Unfinished {
            fn drop(&mut self) {
                // SAFETY: valid for as long as `run_group` runs; no fiber runs.
                unsafe { (*self.0).abandon_fibers() };
            }
        }
        // SAFETY: the caller's promise. No reference into the executor is kept while a fiber runs, only made anew.
        unsafe {
            (*executor).begin(entry, launch, seed);
            // After a fault or a panic some fibers are left in the middle of their threads.
            let unfinished = Unfinished(executor);
            Executor::run_to_end(executor)?;
            std::mem::forget(unfinished);
            (*executor).entry = None;
        }
        Ok(())
    }

    fn begin(&mut self, entry: ThreadEntry, launch: *const Launch, seed: Option<u64>) {
        // SAFETY: `launch` is valid, as `run_group` demands.
        let threads: u32 = unsafe { (*launch).threadgroup_size }.iter().product();
        self.entry = Some(entry);
        self.launch = launch;
        self.threads = threads;
        self.at_barrier = 0;
        self.finished = 0;
        for (index, group) in self.simd_groups().iter_mut().enumerate() {
            let lanes = (threads - (index * LANES) as u32).min(LANES as u32);
            group.fresh = u32::MAX >> (LANES as u32 - lanes);
            group.ready = 0;
            group.collective = 0;
            group.barrier = 0;
            group.mixed = false;
        }
        self.order = seed.map(|seed| {
            let mut random = Random::new(seed);
            let mut order = Order {
                lanes: std::array::from_fn(|lane| lane as u8),
                simd_groups: std::array::from_fn(|group| group as u8),
            };
            random.shuffle(&mut order.lanes);
            random.shuffle(&mut order.simd_groups[..threads.div_ceil(LANES as u32) as usize]);
            order
        });
    }

    /// The SIMD groups of the threadgroup.
    fn simd_groups(&mut self) -> &mut [SimdGroup] {
        let count = (self.threads as usize).div_ceil(LANES);
        &mut self.groups[..count]
    }

    unsafe fn run_to_end(executor: *mut Executor) -> Result<(), Fault> {
        // SAFETY: as in `run_group`.
        unsafe {
            let count = (*executor).simd_groups().len();
            loop {
                for position in 0..count {
                    let group = match &(*executor).order {
                        Some(order) => usize::from(order.simd_groups[position]),
                        None => position,
                    };
                    if (&(*executor).groups)[group].is_runnable() {
                        Executor::run_simd_group(executor, group)?;
                    }
                }
                // The last thread to arrive at a barrier releases the others at once: then there is more to run.
                if (*executor).simd_groups().iter().any(SimdGroup::is_runnable) {
                    continue;
                }
                if (*executor).at_barrier == 0 {
                    return Ok(());
                }
                (*executor).check_barrier()?;
                (*executor).release_barrier();
            }
        }
    }

    /// Runs the lanes of a SIMD group until each waits at a barrier or has finished.
    unsafe fn run_simd_group(executor: *mut Executor, index: usize) -> Result<(), Fault> {
        // SAFETY: as in `run_group`.
        unsafe {
            let group = &raw mut (*executor).groups[index];
            loop {
                loop {
                    let runnable = (*group).fresh | (*group).ready;
                    if runnable == 0 {
                        break;
                    }
                    let lane = (*executor).pick(runnable);
                    (*executor).thread = (index * LANES + lane) as u32;
                    let fiber = if (*group).fresh & (1 << lane) != 0 {
                        (*group).fresh &= !(1 << lane);
                        (*executor).idle_fiber()?
                    } else {
                        (*group).ready &= !(1 << lane);
                        (&(*group).fiber)[lane]
                    };
                    Executor::resume(executor, fiber);
                }
                if (*group).collective == 0 {
                    return Ok(());
                }
                let first = lanes((*group).collective).min_by_key(|&lane| (&(*group).site)[lane]);
                if let Some(first) = first {
                    let active = (*group).lanes_with(first);
                    (*group).resolve(active);
                }
            }
        }
    }

    /// The lane of a mask, not empty, that comes first.
    fn pick(&self, mask: u32) -> usize {
        let natural = mask.trailing_zeros() as usize & (LANES - 1);
        match &self.order {
            None => natural,
            Some(order) => {
                let mut ordered = order.lanes.iter().map(|&lane| usize::from(lane));
                ordered
                    .find(|lane| mask & (1 << lane) != 0)
                    .unwrap_or(natural)
            }
        }
    }

    fn idle_fiber(&mut self) -> Result<u32, Fault> {
        if let Some(fiber) = self.idle.pop() {
            return Ok(fiber);
        }
        let index = self.fibers.len();
        let fiber = Fiber::new(index).map_err(|error| Fault::Host {
            reason: format!("no stack for a thread beside {index} others: {error}"),
        })?;
        self.fibers.push(fiber);
        self.switches.push(ptr::null());
        Ok(index as u32)
    }

    /// Runs a fiber until its thread waits or it is idle.
    unsafe fn resume(executor: *mut Executor, index: u32) {
        // SAFETY: as in `run_group`; fibers are only added between resumes, so the pointer stays valid.
        unsafe {
            let fiber = &raw mut (&mut (*executor).fibers)[index as usize];
            (*executor).fiber = index;
            (*executor).switch = (&(*executor).switches)[index as usize];
            if Fiber::resume(fiber, executor) == Stop::Idle {
                (*executor).idle.push(index);
            }
        }
    }

    /// Runs the thread that was chosen, and after it the fresh lanes of its SIMD group: the body of an idle fiber.
    ///
    /// # Safety
    /// Called from a fiber that `resume` has started; `executor` is what it was resumed with.
    pub unsafe fn run_fresh_threads(executor: *mut Executor, switch: &Switch) {
        // SAFETY: as in `run_group`. The kernel may switch away and come back; only raw pointers live across the call.
        unsafe {
            let fiber = (*executor).fiber as usize;
            (&mut (*executor).switches)[fiber] = switch;
            (*executor).switch = switch;
            let Some(entry) = (*executor).entry else {
                return;
            };
            let index = (*executor).thread as usize / LANES;
            let group = &raw mut (*executor).groups[index];
            loop {
                entry((*executor).launch, (*executor).thread);
                (*executor).finished += 1;
                if (*group).fresh == 0 {
                    return;
                }
                let lane = (*executor).pick((*group).fresh);
                (*group).fresh &= !(1 << lane);
                (*executor).thread = (index * LANES + lane) as u32;
            }
        }
    }

    /// Whether the barrier can complete: no thread has returned and all wait at the same place.
    fn check_barrier(&mut self) -> Result<(), Fault> {
        let (waiting, finished, first) = (self.at_barrier, self.finished, self.barrier_site);
        if self.barrier_mixed {
            let sites = self.simd_groups().iter().flat_map(|group| {
                let sites = &group.site;
                lanes(group.barrier).map(move |lane| sites[lane])
            });
            let others: Vec<u64> = sites.filter(|&site| site != first).collect();
            let second = others.first().copied().unwrap_or(first);
            return Err(Fault::BarrierSites {
                first: Site::new(first),
                first_threads: waiting - others.len() as u32,
                second: Site::new(second),
                second_threads: others.iter().filter(|&&site| site == second).count() as u32,
            });
        }
        if finished > 0 {
            return Err(Fault::BarrierAfterReturn {
                site: Site::new(first),
                waiting,
                finished,
            });
        }
        Ok(())
    }

    fn release_barrier(&mut self) {
        self.at_barrier = 0;
        for group in self.simd_groups() {
            group.ready |= group.barrier;
            group.barrier = 0;
        }
    }

    /// Makes every fiber idle, whatever was on it.
    fn abandon_fibers(&mut self) {
        self.entry = None;
        self.idle.clear();
        for (index, fiber) in self.fibers.iter_mut().enumerate() {
            // SAFETY: kernels are C++ without destructors; the frames of hooks hold plain values.
            unsafe { fiber.abandon() };
            self.idle.push(index as u32);
        }
    }
}

/// Hook: a SIMD-group operation. Returns when it has been resolved for the calling lane.
unsafe extern "C" fn collective(
    site: u64,
    combine: Option<Combine>,
    input: *const c_void,
    output: *mut c_void,
) {
    let executor = CURRENT.get();
    // SAFETY: a kernel runs on this thread of the system, so an executor was entered; it is touched only by the running fiber.
    unsafe {
        if executor.is_null() || (*executor).entry.is_none() {
            return alone(executor, site, combine, input, output);
        }
        let thread = (*executor).thread as usize;
        let lane = thread % LANES;
        let group = &raw mut (*executor).groups[thread / LANES % (MAX_THREADS / LANES)];
        if (*group).collective != 0 && !(*group).mixed {
            let other = (*group).collective.trailing_zeros() as usize & (LANES - 1);
            let same = (&(*group).site)[other] == site && same((&(*group).combine)[other], combine);
            (*group).mixed = !same;
        }
        (*group).collective |= 1 << lane;
        (*group).site[lane] = site;
        (*group).combine[lane] = combine;
        (*group).input[lane] = input;
        (*group).output[lane] = output;
        if (*group).fresh | (*group).ready == 0 && !(*group).mixed {
            // The last lane to arrive goes on at once, which saves a switch.
            (*group).resolve((*group).collective);
            (*group).ready &= !(1 << lane);
            return;
        }
        wait(executor, group, lane);
    }
}

/// Hook: a threadgroup barrier.
unsafe extern "C" fn barrier(site: u64, _memory_flags: u32) {
    let executor = CURRENT.get();
    // SAFETY: as in `collective`.
    unsafe {
        if executor.is_null() || (*executor).entry.is_none() {
            return alone(executor, site, None, ptr::null(), ptr::null_mut());
        }
        let thread = (*executor).thread as usize;
        let lane = thread % LANES;
        let group = &raw mut (*executor).groups[thread / LANES % (MAX_THREADS / LANES)];
        (*group).barrier |= 1 << lane;
        (*group).site[lane] = site;
        if (*executor).at_barrier == 0 {
            (*executor).barrier_site = site;
            (*executor).barrier_mixed = false;
        } else if (*executor).barrier_site != site {
            (*executor).barrier_mixed = true;
        }
        (*executor).at_barrier += 1;
        if (*executor).at_barrier == (*executor).threads && !(*executor).barrier_mixed {
            (*executor).release_barrier();
            (*group).ready &= !(1 << lane);
            return;
        }
        wait(executor, group, lane);
    }
}

/// Hook: the index of the calling thread in its threadgroup.
unsafe extern "C" fn thread_index() -> u32 {
    let executor = CURRENT.get();
    if executor.is_null() {
        return 0;
    }
    // SAFETY: as in `collective`.
    unsafe { (*executor).thread }
}

/// Switches away from the running fiber until its lane is resumed.
unsafe fn wait(executor: *mut Executor, group: *mut SimdGroup, lane: usize) {
    // SAFETY: both are valid; `switch` is that of the running fiber.
    unsafe {
        (*group).fiber[lane] = (*executor).fiber;
        (*(*executor).switch).suspend(Stop::Blocked);
    }
}

/// A hook called without fibers: the thread is alone in its SIMD group, and the launch fails.
#[cold]
unsafe fn alone(
    executor: *mut Executor,
    site: u64,
    combine: Option<Combine>,
    input: *const c_void,
    output: *mut c_void,
) {
    if let Some(combine) = combine {
        let mut inputs = [ptr::null(); LANES];
        let mut outputs = [ptr::null_mut(); LANES];
        inputs[0] = input;
        outputs[0] = output;
        // SAFETY: lane 0 is the calling thread, whose operands are valid.
        unsafe { combine(inputs.as_ptr(), outputs.as_ptr(), 1) };
    }
    if !executor.is_null() {
        // SAFETY: as in `collective`.
        unsafe { (*executor).unexpected.get_or_insert(Site::new(site)) };
    }
}
