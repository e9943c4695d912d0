//! The hooks that running kernels call.

use std::ffi::c_void;
use std::ptr;

use mettle_msl::abi::{Combine, Hooks, LogMessage};

use super::Executor;
use crate::cpu::landing::abandon;
use crate::cpu::simd_group::{LANES, MAX_SIMD_GROUPS};
use crate::cpu::trap::{Cause, Trap};
use crate::fault::{Fault, Site};

/// Bytes of stack that handling a message may take.
const LOG_STACK: usize = 64 << 10;

/// The hooks that compiled kernels call.
pub(in crate::cpu) static HOOKS: Hooks = Hooks {
    collective,
    barrier,
    thread_index,
    log,
};

/// Hook: a SIMD-group operation. Returns when it has been resolved for the calling lane.
unsafe extern "C" fn collective(
    site: u64,
    combine: Option<Combine>,
    input: *const c_void,
    output: *mut c_void,
) {
    let executor = Executor::current();
    // SAFETY: a kernel runs on this thread of the system, so an executor was entered; it is touched only by the running fiber.
    unsafe {
        if !executor.is_null() {
            Executor::check_interrupted(executor);
        }
        if executor.is_null() || (*executor).entry.is_none() {
            return alone(executor, site, combine, input, output);
        }
        let thread = (*executor).thread as usize;
        let (index, lane) = (thread / LANES % MAX_SIMD_GROUPS, thread % LANES);
        let group = &raw mut (*executor).groups[index];
        if (*group).arrive(lane, site, combine, input, output) {
            // The last lane to arrive goes on at once, which saves a switch.
            (*group).resolve((*group).collective);
            (*group).ready &= !(1 << lane);
            return;
        }
        (*group).fiber[lane] = (*executor).fiber;
        Executor::leave(executor, index);
    }
}

/// Hook: a threadgroup barrier.
unsafe extern "C" fn barrier(site: u64, _memory_flags: u32) {
    let executor = Executor::current();
    // SAFETY: as in `collective`.
    unsafe {
        if !executor.is_null() {
            Executor::check_interrupted(executor);
        }
        if executor.is_null() || (*executor).entry.is_none() {
            return alone(executor, site, None, ptr::null(), ptr::null_mut());
        }
        let thread = (*executor).thread as usize;
        let (index, lane) = (thread / LANES % MAX_SIMD_GROUPS, thread % LANES);
        let group = &raw mut (*executor).groups[index];
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
        (*group).fiber[lane] = (*executor).fiber;
        Executor::leave(executor, index);
    }
}

/// Hook: the index of the calling thread in its threadgroup.
unsafe extern "C" fn thread_index() -> u32 {
    let executor = Executor::current();
    if executor.is_null() {
        return 0;
    }
    // SAFETY: as in `collective`.
    unsafe { (*executor).thread }
}

/// Hook: a message.
unsafe extern "C" fn log(message: *const LogMessage) {
    let executor = Executor::current();
    // SAFETY: as in `collective`; the kernel passes a message as it was compiled to.
    unsafe {
        if !executor.is_null() {
            Executor::check_interrupted(executor);
            // Whoever listens takes locks and memory: they must not be abandoned for want of a stack.
            let here = 0u8;
            if (*executor).stack_left((&raw const here).addr()) < LOG_STACK {
                (*executor).stop.set_trap(Trap {
                    cause: Cause::Stack,
                    pc: 0,
                });
                abandon((*executor).stop.landing());
            }
        }
        crate::cpu::log::log(message);
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
        unsafe {
            (*executor)
                .failure
                .get_or_insert(Fault::UnexpectedSynchronisation {
                    site: Site::new(site),
                });
        }
    }
}
