//! How a kernel that runs can be stopped: by a fault, or because its time is up.

use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::code::Text;
use super::landing::Landing;
use super::trap::{Cause, Trap};

/// What signal handlers look at and leave behind, on the thread of the system that runs the kernel.
pub(super) struct Stop {
    /// Where the kernel's code lies.
    text: Text,
    /// Where it goes on when it is abandoned.
    landing: Landing,
    /// Why a signal handler abandoned it.
    trap: Option<Trap>,
    /// It is to stop where it next can.
    interrupted: AtomicBool,
    /// Whether the submission is out of time; null when it has as much as it wants.
    out_of_time: *const AtomicBool,
}

impl Stop {
    /// `out_of_time` is null or outlives it.
    pub fn new(out_of_time: *const AtomicBool) -> Self {
        Stop {
            text: Text::default(),
            landing: ptr::null_mut(),
            trap: None,
            interrupted: AtomicBool::new(false),
            out_of_time,
        }
    }

    /// A kernel with this code is about to run.
    pub fn begin(&mut self, text: Text) {
        self.text = text;
        self.interrupted.store(false, Ordering::Relaxed);
    }

    /// Where to store the landing.
    pub fn landing_mut(&mut self) -> *mut Landing {
        &raw mut self.landing
    }

    pub fn landing(&self) -> Landing {
        self.landing
    }

    /// Why the kernel was abandoned. Without a word of a signal handler it was because of its time.
    pub fn take_trap(&mut self) -> Trap {
        self.trap.take().unwrap_or(Trap {
            cause: Cause::OutOfTime,
            pc: 0,
        })
    }

    /// Whether the time of the submission is up.
    pub fn is_out_of_time(&self) -> bool {
        // SAFETY: as `new` demands.
        !self.out_of_time.is_null() && unsafe { (*self.out_of_time).load(Ordering::Relaxed) }
    }

    /// Notes why the kernel is about to be abandoned.
    pub fn set_trap(&mut self, trap: Trap) {
        self.trap = Some(trap);
    }

    #[inline]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

#[cfg(target_os = "linux")]
impl Stop {
    /// Whether an instruction is one of the kernel that runs.
    pub fn is_kernel_code(&self, address: usize) -> bool {
        self.text.contains(address)
    }

    /// Makes the kernel stop where it next calls a hook.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }
}
