//! Faults of kernels: signals that the processor raises while a kernel runs become errors of its launch.
//!
//! On Linux. Elsewhere nothing is caught: a kernel that goes astray ends the process.

#[cfg(target_os = "linux")]
mod context;
#[cfg(target_os = "linux")]
mod handler;
#[cfg(target_os = "linux")]
mod signal_stack;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::os::unix::thread::JoinHandleExt;

use crate::fault::AccessKind;

/// What stopped a kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trap {
    pub cause: Cause,
    /// The instruction at which it stopped; zero where it asked for something.
    pub pc: usize,
}

/// Why a kernel was stopped.
// What signals say is not looked at everywhere.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    /// An access to memory that is not accessible, or not in that way.
    Memory {
        address: Option<usize>,
        access: AccessKind,
    },
    /// Its stack is used up.
    Stack,
    /// An integer division that has no result.
    Arithmetic,
    /// An instruction that means that the compiler had nothing better to do.
    Instruction,
    /// The submission runs longer than it may.
    OutOfTime,
}

/// Makes faults be caught from now on in this process.
pub(super) fn install() {
    #[cfg(target_os = "linux")]
    handler::install();
}

/// Makes the calling thread ready to run kernels that fault.
pub(super) fn prepare_thread() {
    #[cfg(target_os = "linux")]
    signal_stack::ensure();
}

/// A thread of the system.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
#[derive(Clone, Copy)]
pub(super) struct SystemThread(
    /// A number or a pointer, as the system likes.
    usize,
);

impl SystemThread {
    /// The calling thread.
    pub fn current() -> Self {
        // SAFETY: it only says which thread this is.
        SystemThread(unsafe { libc::pthread_self() } as usize)
    }

    /// A thread that was spawned.
    pub fn of<T>(handle: &std::thread::JoinHandle<T>) -> Self {
        SystemThread(handle.as_pthread_t() as usize)
    }

    /// Makes the thread look whether its time is up.
    ///
    /// # Safety
    /// It has not ended.
    pub unsafe fn interrupt(self) {
        #[cfg(target_os = "linux")]
        // SAFETY: the caller's promise.
        unsafe {
            handler::interrupt(self.0 as libc::pthread_t);
        }
    }
}
