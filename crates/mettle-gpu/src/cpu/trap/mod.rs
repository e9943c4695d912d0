//! Faults of kernels: signals that the processor raises while a kernel runs become errors of its launch.
//!
//! On Linux. Elsewhere nothing is caught: a kernel that goes astray ends the process.

#[cfg(target_os = "linux")]
mod context;
#[cfg(target_os = "linux")]
mod handler;
#[cfg(target_os = "linux")]
mod signal_stack;

use crate::fault::AccessKind;

/// What stopped a kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trap {
    pub cause: Cause,
    /// The instruction at which it stopped; zero where it asked for something.
    pub pc: usize,
}

/// Why a kernel was stopped.
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

/// Makes a thread look whether its time is up.
///
/// # Safety
/// The thread has not ended.
pub(super) unsafe fn interrupt(thread: libc::pthread_t) {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller's promise.
    unsafe {
        handler::interrupt(thread);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = thread;
}
