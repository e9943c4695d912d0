//! Runs threadgroups of kernels that synchronise, on one thread of the system.
//!
//! A thread of the kernel is *fresh*, *ready*, *waiting at a collective*, *waiting at a barrier* or finished. SIMD groups run one after the
//! other, each until all its lanes wait at a barrier or have finished. A lane runs until it waits, and then switches to the next lane of its
//! SIMD group; one stack runs fresh lanes until one of them waits, so kernels that seldom wait seldom switch.
//!
//! When no lane of a SIMD group can run, a collective is resolved: of the places in the source at which lanes wait, the first in text
//! order, for all lanes that wait there. Taking the first makes lanes that left a loop early wait for those still inside, and
//! gives each branch of an `if` its own active lanes, as on a GPU where lanes reconverge.

mod hooks;

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::AtomicBool;

use mettle_msl::abi::{Launch, ThreadEntry};

pub(super) use self::hooks::HOOKS;
use super::code::Text;
use super::fiber::{Fiber, Suspended, switch};
use super::landing::{Ended, abandon, protect};
use super::order::Order;
use super::simd_group::{LANES, MAX_SIMD_GROUPS, SimdGroup, lanes};
use super::stop::Stop;
use super::trap::Trap;
use crate::fault::{Fault, Site};

thread_local! {
    /// The executor whose kernel runs on this thread of the system.
    static CURRENT: Cell<*mut Executor> = const { Cell::new(ptr::null_mut()) };
}

/// A kernel that did not come to its end.
pub(super) enum Stopped {
    /// It was abandoned.
    Abandoned {
        trap: Trap,
        /// The thread in its threadgroup, when it is known.
        thread: Option<u32>,
    },
    /// What schedules its threads panicked.
    Panicked,
}

/// The state of one threadgroup at a time. One thread of the system uses it at a time, through a raw pointer: kernels call back into it
/// from their fibers.
pub(super) struct Executor {
    groups: [SimdGroup; MAX_SIMD_GROUPS],
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
    /// Whether `thread` says which thread runs.
    thread_known: bool,
    fiber: u32,
    /// Where `run_simd_group` goes on.
    main: Suspended,
    order: Option<Order>,
    fibers: Vec<Fiber>,
    /// Where each fiber that does not run goes on.
    suspended: Vec<Suspended>,
    /// Fibers without a thread.
    idle: Vec<u32>,
    /// What keeps the threadgroup from going on.
    failure: Option<Fault>,
    /// How the kernel that runs can be stopped.
    stop: Stop,
}

// SAFETY: the pointers are only used while a threadgroup runs, which begins and ends on one thread of the system. An idle fiber keeps nothing
// but the executor's address on its stack.
unsafe impl Send for Executor {}

impl Executor {
    /// `out_of_time` says when kernels must stop; it is null or outlives the executor.
    pub fn new(out_of_time: *const AtomicBool) -> Box<Self> {
        Box::new(Executor {
            groups: [SimdGroup::EMPTY; MAX_SIMD_GROUPS],
            entry: None,
            launch: ptr::null(),
            threads: 0,
            at_barrier: 0,
            barrier_site: 0,
            barrier_mixed: false,
            finished: 0,
            thread: 0,
            thread_known: false,
            fiber: 0,
            main: ptr::null_mut(),
            order: None,
            fibers: Vec::new(),
            suspended: Vec::new(),
            idle: Vec::new(),
            failure: None,
            stop: Stop::new(out_of_time),
        })
    }

    /// Runs `run`, which runs kernels whose code is `text`: their hooks find the executor, and their faults end them.
    ///
    /// # Safety
    /// `executor` is valid and not used by anyone else. `run` owns nothing while a kernel runs.
    #[inline]
    pub unsafe fn enter(
        executor: *mut Executor,
        text: Text,
        run: impl FnMut(),
    ) -> Result<(), Stopped> {
        // SAFETY: the caller's promise.
        unsafe {
            (*executor).stop.begin(text);
            (*executor).thread_known = false;
            let outer = CURRENT.replace(executor);
            let result = protect((*executor).stop.landing_mut(), run);
            CURRENT.set(outer);
            match result {
                Ok(()) => Ok(()),
                Err(ended) => {
                    let stopped = (*executor).stopped(ended);
                    (*executor).abandon_fibers();
                    Err(stopped)
                }
            }
        }
    }

    /// What is known of the kernel that was abandoned.
    #[cold]
    fn stopped(&mut self, ended: Ended) -> Stopped {
        match ended {
            Ended::Panicked => Stopped::Panicked,
            Ended::Abandoned => Stopped::Abandoned {
                trap: self.stop.take_trap(),
                thread: self.thread_known.then_some(self.thread),
            },
        }
    }

    /// The executor whose kernel runs on the calling thread of the system, or null. Safe to call in a signal handler.
    pub fn current() -> *mut Executor {
        CURRENT.get()
    }

    /// How the kernel that runs can be stopped.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// As `stop`, for a signal handler on the thread that runs the kernel.
    #[cfg(target_os = "linux")]
    pub fn stop_mut(&mut self) -> &mut Stop {
        &mut self.stop
    }

    /// Bytes of the stack of the fiber that runs below an address on it; many when no fiber runs.
    fn stack_left(&self, address: usize) -> usize {
        let fiber = self
            .entry
            .and_then(|_| self.fibers.get(self.fiber as usize));
        fiber.map_or(usize::MAX, |fiber| fiber.left_below(address))
    }

    /// Whether an address lies below the stack of a fiber. Of any: a hook that switches to another fiber has named that one already while
    /// it still runs on its own stack.
    #[cfg(target_os = "linux")]
    pub fn is_stack_guard(&self, address: usize) -> bool {
        self.entry.is_some() && self.fibers.iter().any(|fiber| fiber.is_guard(address))
    }

    /// Abandons the kernel that runs if it was interrupted.
    ///
    /// # Safety
    /// The executor has been entered on this thread of the system, and nothing is owned since by the frames of kernels and hooks.
    #[inline]
    pub unsafe fn check_interrupted(executor: *mut Executor) {
        // SAFETY: the caller's promise.
        unsafe {
            if (*executor).stop.is_interrupted() {
                abandon((*executor).stop.landing());
            }
        }
    }

    /// The fault of a kernel that called a hook although it runs without fibers.
    ///
    /// # Safety
    /// `executor` is valid and no kernel runs on it.
    pub unsafe fn take_unexpected(executor: *mut Executor) -> Result<(), Fault> {
        // SAFETY: the caller's promise.
        match unsafe { (*executor).failure.take() } {
            Some(fault) => Err(fault),
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

    /// Runs every thread of one threadgroup, one after the other: they do not wait for each other. `seed` draws their order.
    ///
    /// # Safety
    /// As for `run_group`; the kernel does not synchronise.
    pub unsafe fn run_singles(
        executor: *mut Executor,
        entry: ThreadEntry,
        launch: *const Launch,
        seed: Option<u64>,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            (*executor).thread_known = true;
            let threads: u32 = (*launch).threadgroup_size.iter().product();
            let order = seed.map(|seed| Order::new(seed, threads));
            for position in 0..threads.next_multiple_of(LANES as u32) {
                let thread = match &order {
                    Some(order) => order.thread(position),
                    None => position,
                };
                if thread < threads {
                    (*executor).thread = thread;
                    entry(launch, thread);
                    Executor::check_interrupted(executor);
                }
            }
        }
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
            group.begin((threads - (index * LANES) as u32).min(LANES as u32));
        }
        self.thread_known = true;
        self.order = seed.map(|seed| Order::new(seed, threads));
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
        // SAFETY: as in `run_group`; `next` leads to a fiber, which switches back to `main`.
        unsafe {
            let group = &raw mut (*executor).groups[index];
            loop {
                Executor::check_interrupted(executor);
                while let Some(fiber) = Executor::next::<true>(executor, index) {
                    switch(&raw mut (*executor).main, fiber);
                }
                if let Some(failure) = (*executor).failure.take() {
                    return Err(failure);
                }
                if (*group).collective == 0 {
                    return Ok(());
                }
                let active = (*group).first_collective();
                (*group).resolve(active);
            }
        }
    }

    /// Chooses the lane of a SIMD group that runs next, and says where its fiber goes on. `None`: no lane can run, or a fiber must be made
    /// first and `MAIN` is false. Fibers are made by the main loop only: a kernel may be abandoned in a hook that finds no room on
    /// its stack, and then the hook must not hold memory or locks.
    #[inline]
    unsafe fn next<const MAIN: bool>(executor: *mut Executor, index: usize) -> Option<Suspended> {
        // SAFETY: as in `run_group`.
        unsafe {
            let group = &raw mut (*executor).groups[index];
            let runnable = (*group).fresh | (*group).ready;
            if runnable == 0 {
                return None;
            }
            let lane = (*executor).pick(runnable);
            let bit = 1 << lane;
            let fiber = if (*group).ready & bit != 0 {
                (*group).ready &= !bit;
                (*group).fiber[lane]
            } else {
                let fiber = match (*executor).idle.pop() {
                    Some(fiber) => fiber,
                    None if MAIN => Executor::new_fiber(executor)?,
                    None => return None,
                };
                (*group).fresh &= !bit;
                fiber
            };
            (*executor).thread = (index * LANES + lane) as u32;
            (*executor).fiber = fiber;
            let suspended = &(*executor).suspended;
            suspended.get(fiber as usize).copied()
        }
    }

    /// The lane of a mask, not empty, that comes first.
    #[inline]
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

    /// Makes a fiber; `None` after a failure that it records.
    #[cold]
    unsafe fn new_fiber(executor: *mut Executor) -> Option<u32> {
        // SAFETY: as in `run_group`.
        let this = unsafe { &mut *executor };
        if this.failure.is_some() {
            return None;
        }
        let index = this.fibers.len();
        match Fiber::new(index) {
            Ok(mut fiber) => {
                // SAFETY: the fiber is new.
                this.suspended
                    .push(unsafe { fiber.prepare(run_threads, executor.cast()) });
                this.fibers.push(fiber);
                // Room for all, so that putting one back never asks for memory.
                this.idle.reserve(this.fibers.len());
                Some(index as u32)
            }
            Err(error) => {
                this.failure = Some(Fault::Host {
                    reason: format!("no stack for a thread beside {index} others: {error}"),
                });
                None
            }
        }
    }

    /// Suspends the running fiber and goes on with the next lane of the SIMD group, or with the main loop.
    #[inline]
    unsafe fn leave(executor: *mut Executor, index: usize) {
        // SAFETY: as in `run_group`.
        unsafe {
            let fiber = (*executor).fiber as usize;
            let next = Executor::next::<false>(executor, index).unwrap_or((*executor).main);
            let suspended = &mut (*executor).suspended;
            let store = suspended.as_mut_ptr().add(fiber);
            switch(store, next);
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
                finished,
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
        let executor: *mut Executor = self;
        for (index, fiber) in self.fibers.iter_mut().enumerate() {
            // SAFETY: no fiber runs. Kernels are C++ without destructors; the frames of hooks hold plain values.
            self.suspended[index] = unsafe { fiber.prepare(run_threads, executor.cast()) };
            self.idle.push(index as u32);
        }
    }
}

/// The body of a fiber: runs the thread that was chosen, then fresh lanes of its SIMD group, then waits for another.
extern "C" fn run_threads(context: *mut ()) -> ! {
    let executor: *mut Executor = context.cast();
    // SAFETY: whoever switches to an idle fiber has chosen a thread. The kernel may switch away and come back; only raw pointers live
    // across that.
    unsafe {
        loop {
            let fiber = (*executor).fiber;
            let index = (*executor).thread as usize / LANES % MAX_SIMD_GROUPS;
            let group = &raw mut (*executor).groups[index];
            while let Some(entry) = (*executor).entry {
                entry((*executor).launch, (*executor).thread);
                (*executor).finished += 1;
                if (*group).fresh == 0 {
                    break;
                }
                let lane = (*executor).pick((*group).fresh);
                (*group).fresh &= !(1 << lane);
                (*executor).thread = (index * LANES + lane) as u32;
            }
            (*executor).idle.push(fiber);
            Executor::leave(executor, index);
        }
    }
}
