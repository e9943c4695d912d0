//! The signal handlers of the process.
//!
//! A handler decides from plain fields of the executor that runs on its thread whether a signal is a kernel's. Then it notes what happened
//! and makes the interrupted code go on at the executor's landing. Every other signal is passed to the handler that was there before.
//! Nothing in here allocates, locks or calls anything that is not safe in a signal handler.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Once;

use super::context::Context;
use super::{Cause, Trap};
use crate::cpu::executor::Executor;
use crate::cpu::landing::abandon;

/// The signals of faults, and the one that interrupts.
const SIGNALS: [c_int; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    INTERRUPT,
];

/// Makes a thread look whether its time is up. By default it is ignored, so one that comes too late does no harm.
const INTERRUPT: c_int = libc::SIGURG;

/// What handled a signal before us.
struct Previous(UnsafeCell<MaybeUninit<libc::sigaction>>);

// SAFETY: written once, before the handler that reads it is installed.
unsafe impl Sync for Previous {}

static PREVIOUS: [Previous; SIGNALS.len()] =
    [const { Previous(UnsafeCell::new(MaybeUninit::zeroed())) }; SIGNALS.len()];

/// Installs the handlers, once for the process.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        for (signal, previous) in SIGNALS.into_iter().zip(&PREVIOUS) {
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                if signal == INTERRUPT {
                    on_interrupt
                } else {
                    on_fault
                };
            // SAFETY: zeroes are a valid `sigaction`; the previous handler is stored before ours can need it.
            let result = unsafe {
                libc::sigaction(signal, ptr::null(), (*previous.0.get()).as_mut_ptr());
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handler as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
                libc::sigemptyset(&raw mut action.sa_mask);
                libc::sigaction(signal, &raw const action, ptr::null_mut())
            };
            if result != 0 {
                tracing::warn!(
                    signal,
                    error = %std::io::Error::last_os_error(),
                    "faults of kernels cannot be caught"
                );
            }
        }
    });
}

/// Interrupts a thread.
///
/// # Safety
/// The thread has not ended.
pub(super) unsafe fn interrupt(thread: libc::pthread_t) {
    // SAFETY: the caller's promise; the handler is installed.
    unsafe { libc::pthread_kill(thread, INTERRUPT) };
}

extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let executor = Executor::current();
    // SAFETY: the system passes valid arguments; the executor is that of this thread.
    unsafe {
        if executor.is_null() || !abandon_fault(executor, signal, info, context) {
            pass_on(signal, info, context);
        }
    }
}

/// Abandons the kernel that runs on the executor when a fault is its own.
unsafe fn abandon_fault(
    executor: *mut Executor,
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) -> bool {
    // SAFETY: as in `on_fault`.
    unsafe {
        let code = (*info).si_code;
        // Sent by somebody, not raised by an instruction.
        if code <= 0 {
            return false;
        }
        let mut context = Context::new(context);
        let (pc, sp) = (context.program_counter(), context.stack_pointer());
        // The address of a memory access that failed in general (a non-canonical one) is not known.
        let address = (code != libc::SI_KERNEL).then(|| (*info).si_addr() as usize);
        let is_memory = signal == libc::SIGSEGV || signal == libc::SIGBUS;
        let on_stack_guard =
            is_memory && address.is_some_and(|address| (*executor).is_stack_guard(address));
        // A jump to where there is no code: a kernel's, since it is none of ours.
        let jumped = is_memory && address == Some(pc);
        if !(*executor).stop().is_kernel_code(pc) && !on_stack_guard && !jumped {
            return false;
        }
        let cause = match signal {
            libc::SIGFPE => Cause::Arithmetic,
            libc::SIGILL | libc::SIGTRAP => Cause::Instruction,
            _ if on_stack_guard || address.is_some_and(|address| near(address, sp)) => Cause::Stack,
            _ => Cause::Memory {
                address,
                access: context.access(),
            },
        };
        (*executor).stop_mut().set_trap(Trap { cause, pc });
        context.go_on_in(
            abandon as *const () as usize,
            (*executor).stop().landing() as usize,
        );
        true
    }
}

/// Whether an access can be one of a stack frame that does not fit any more: frames are touched page by page.
fn near(address: usize, stack_pointer: usize) -> bool {
    address.wrapping_sub(stack_pointer.wrapping_sub(4096)) < 2 * 4096
}

extern "C" fn on_interrupt(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let executor = Executor::current();
    // SAFETY: as in `on_fault`.
    unsafe {
        if executor.is_null() || !(*executor).stop().is_out_of_time() {
            return pass_on(signal, info, context);
        }
        let mut context = Context::new(context);
        let pc = context.program_counter();
        if (*executor).stop().is_kernel_code(pc) {
            (*executor).stop_mut().set_trap(Trap {
                cause: Cause::OutOfTime,
                pc,
            });
            context.go_on_in(
                abandon as *const () as usize,
                (*executor).stop().landing() as usize,
            );
        } else {
            // It looks for itself when it comes to a place where it can stop.
            (*executor).stop().interrupt();
        }
    }
}

/// Lets the handler that was there before ours handle a signal.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(index) = SIGNALS.iter().position(|&known| known == signal) else {
        return;
    };
    // SAFETY: stored before our handler was installed; the previous handler is called as the system would call it.
    unsafe {
        let previous = &*(*PREVIOUS[index].0.get()).as_ptr();
        let sent = (*info).si_code <= 0;
        match previous.sa_sigaction {
            libc::SIG_IGN if sent || signal == INTERRUPT => {}
            libc::SIG_DFL if signal == INTERRUPT => {}
            libc::SIG_DFL | libc::SIG_IGN => {
                // The instruction faults again and meets what was there before us. A signal that was sent has to be sent again.
                libc::sigaction(signal, previous, ptr::null_mut());
                if sent {
                    libc::raise(signal);
                }
            }
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                    std::mem::transmute::<usize, _>(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: extern "C" fn(c_int) = std::mem::transmute::<usize, _>(handler);
                handler(signal);
            }
        }
    }
}
