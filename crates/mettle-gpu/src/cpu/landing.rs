//! A way out of a kernel: a call that can be abandoned from anywhere below it, on whatever stack.
//!
//! What is abandoned never goes on: its frames are forgotten, not unwound. So it must hold nothing that needs to be dropped, which is true
//! of compiled kernels and of the hooks they call.

use std::arch::naked_asm;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Where an abandoned call goes on: a stack pointer with the registers to restore above it.
pub(super) type Landing = *mut usize;

/// How a protected call ended, other than by returning.
pub(super) enum Ended {
    /// It was abandoned.
    Abandoned,
    /// It panicked.
    Panicked,
}

/// Runs `run` so that it can be abandoned through the landing that is stored in `landing`.
///
/// # Safety
/// `landing` is valid; only the thread of the system that calls this abandons through it, and only while `run` runs, from code whose
/// frames down to `run` own nothing.
#[inline]
pub(super) unsafe fn protect<F: FnMut()>(landing: *mut Landing, mut run: F) -> Result<(), Ended> {
    extern "C" fn body<F: FnMut()>(run: *mut ()) -> usize {
        // SAFETY: `protect` passes its own closure, which it does not use meanwhile.
        let run = unsafe { &mut *run.cast::<F>() };
        // Nothing unwinds through the call that saved the registers.
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(()) => RETURNED,
            Err(_) => PANICKED,
        }
    }

    // SAFETY: the closure is of the type that `body` expects; the caller's promise for the rest.
    match unsafe { save_and_call(landing, body::<F>, (&raw mut run).cast()) } {
        RETURNED => Ok(()),
        PANICKED => Err(Ended::Panicked),
        _ => Err(Ended::Abandoned),
    }
}

/// What a protected call returns; 1 when it is abandoned.
const RETURNED: usize = 0;
const PANICKED: usize = 2;

#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn save_and_call(
    landing: *mut Landing,
    body: extern "C" fn(*mut ()) -> usize,
    context: *mut (),
) -> usize {
    // A call that returns has preserved the registers itself.
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "mov [rdi], rsp",
        "mov rdi, rdx",
        "call rsi",
        "add rsp, 56",
        "ret",
    )
}

/// Goes on where the call that stored the landing was made.
///
/// # Safety
/// As for [`protect`].
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub(super) unsafe extern "C" fn abandon(landing: Landing) -> ! {
    naked_asm!(
        "mov rsp, rdi",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "mov eax, 1",
        "ret",
    )
}

#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn save_and_call(
    landing: *mut Landing,
    body: extern "C" fn(*mut ()) -> usize,
    context: *mut (),
) -> usize {
    naked_asm!(
        "sub sp, sp, #160",
        "stp x19, x20, [sp, #0]",
        "stp x21, x22, [sp, #16]",
        "stp x23, x24, [sp, #32]",
        "stp x25, x26, [sp, #48]",
        "stp x27, x28, [sp, #64]",
        "stp x29, x30, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "mov x9, sp",
        "str x9, [x0]",
        "mov x0, x2",
        "blr x1",
        "ldr x30, [sp, #88]",
        "add sp, sp, #160",
        "ret",
    )
}

/// Goes on where the call that stored the landing was made.
///
/// # Safety
/// As for [`protect`].
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub(super) unsafe extern "C" fn abandon(landing: Landing) -> ! {
    naked_asm!(
        "mov sp, x0",
        "ldp x19, x20, [sp, #0]",
        "ldp x21, x22, [sp, #16]",
        "ldp x23, x24, [sp, #32]",
        "ldp x25, x26, [sp, #48]",
        "ldp x27, x28, [sp, #64]",
        "ldp x29, x30, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "add sp, sp, #160",
        "mov x0, #1",
        "ret",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_return_or_are_abandoned() {
        let mut landing: Landing = std::ptr::null_mut();
        let at = &raw mut landing;
        for round in 0..1000u64 {
            let numbers = std::hint::black_box([round, round + 1, round + 2]);
            let before = std::hint::black_box(round as f64 + 0.5);
            let mut returned = false;
            // SAFETY: nothing that is abandoned owns anything.
            let result = unsafe {
                protect(at, || {
                    if round % 3 == 0 {
                        deep(40, *at);
                    }
                    returned = true;
                })
            };
            assert_eq!(returned, round % 3 != 0);
            assert_eq!(matches!(result, Err(Ended::Abandoned)), round % 3 == 0);
            assert_eq!(
                (numbers, before),
                ([round, round + 1, round + 2], round as f64 + 0.5)
            );
        }
    }

    fn deep(depth: u32, landing: Landing) -> u32 {
        if depth == 0 {
            // SAFETY: called below `protect`.
            unsafe { abandon(landing) };
        }
        std::hint::black_box(deep(depth - 1, landing)) + 1
    }

    #[test]
    fn panics_are_caught() {
        let mut landing: Landing = std::ptr::null_mut();
        // SAFETY: it is not abandoned.
        let result = unsafe { protect(&raw mut landing, || panic!("as it should")) };
        assert!(matches!(result, Err(Ended::Panicked)));
    }
}
