//! Fibers: stacks on which threads of a kernel can wait for each other, and the switch between them.
//!
//! The switch is symmetric and our own: from one waiting lane straight to the next. All lanes of a SIMD group wait at the same call, so
//! the processor's return predictor, which remembers where the last lane was called from, is right about the next lane too. Coroutines
//! that return to a scheduler between lanes mispredict twice a lane: a barrier cost 26 ns a thread with them and costs 8.5 (AMD EPYC 9004,
//! November 2026, `benches/launch.rs`).

use std::arch::naked_asm;
use std::{io, ptr};

/// Bytes of a stack without its guard. Only touched pages take memory.
const STACK_BYTES: usize = 256 << 10;

/// Bytes below a stack that are not accessible, a multiple of the pages of all systems. Frames that are larger touch every page.
const GUARD_BYTES: usize = 64 << 10;

/// The tops of successive stacks are this much lower within their pages, in bytes: tops at the same place of a page compete for the same
/// lines of the first-level cache, which cost a factor of two. An odd number of lines visits all of them in turn.
const STAGGER: usize = 21 * 64;

/// The stagger starts over after this many bytes, a multiple of the pages of all systems.
const STAGGER_RANGE: usize = 16 << 10;

/// Where a fiber that does not run goes on: its stack pointer, with the registers to restore above it.
pub(super) type Suspended = *mut usize;

/// What runs on a fiber. It is given the pointer that the fiber was made with and never returns.
pub(super) type Body = extern "C" fn(context: *mut ()) -> !;

/// A mapped stack with a guard below.
pub(super) struct Fiber {
    mapping: *mut libc::c_void,
    bytes: usize,
    top: *mut usize,
}

impl Fiber {
    /// The fiber with this index among those of its owner.
    pub fn new(index: usize) -> io::Result<Self> {
        let bytes = GUARD_BYTES + STACK_BYTES + STAGGER_RANGE;
        // SAFETY: a private anonymous mapping at an address of the system's choice touches no memory of ours.
        let mapping = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                -1,
                0,
            )
        };
        if mapping == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let fiber = Fiber {
            mapping,
            bytes,
            top: mapping
                .wrapping_byte_add(bytes - index * STAGGER % STAGGER_RANGE)
                .cast(),
        };
        // SAFETY: the first pages of the new mapping; nobody uses them yet.
        if unsafe { libc::mprotect(mapping, GUARD_BYTES, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(fiber)
    }

    /// Bytes between the guard and an address on the stack.
    pub fn left_below(&self, address: usize) -> usize {
        address.saturating_sub(self.mapping.addr() + GUARD_BYTES)
    }

    /// Whether an address lies in the guard.
    #[cfg(target_os = "linux")]
    pub fn is_guard(&self, address: usize) -> bool {
        address.wrapping_sub(self.mapping.addr()) < GUARD_BYTES
    }

    /// Makes the fiber begin with `body` when it is switched to, whatever it did before.
    ///
    /// # Safety
    /// The fiber does not run, and nothing on its stack needs to be dropped.
    pub unsafe fn prepare(&mut self, body: Body, context: *mut ()) -> Suspended {
        // SAFETY: the frame lies at the top of the mapped stack.
        unsafe { frame::first(self.top, body, context) }
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size; a fiber that is dropped runs no more.
        unsafe { libc::munmap(self.mapping, self.bytes) };
    }
}

// SAFETY: the pointers lead into the fiber's own mapping.
unsafe impl Send for Fiber {}

pub(super) use frame::switch;

#[cfg(target_arch = "x86_64")]
mod frame {
    use super::{Body, Suspended, naked_asm};

    /// Suspends the running fiber, storing where it goes on, and goes on with another. Returns when something switches back.
    ///
    /// # Safety
    /// `to` was stored by a `switch` or made by `prepare`, and is used once.
    #[unsafe(naked)]
    pub unsafe extern "C" fn switch(store: *mut Suspended, to: Suspended) {
        // The registers that a called function must preserve. The control words for floating point are left alone: nobody changes them.
        naked_asm!(
            "push rbp",
            "push rbx",
            "push r12",
            "push r13",
            "push r14",
            "push r15",
            "mov [rdi], rsp",
            "mov rsp, rsi",
            "pop r15",
            "pop r14",
            "pop r13",
            "pop r12",
            "pop rbx",
            "pop rbp",
            "ret",
        )
    }

    /// Where a new fiber begins: its registers hold what `first` put there.
    #[unsafe(naked)]
    unsafe extern "C" fn begin() {
        naked_asm!("mov rdi, rbx", "call r12", "ud2")
    }

    /// The frame of a fiber that has not begun.
    ///
    /// # Safety
    /// `top` is the top of a stack, aligned to 64 bytes.
    pub unsafe fn first(top: *mut usize, body: Body, context: *mut ()) -> Suspended {
        // As `switch` pops them: r15, r14, r13, r12, rbx, rbp, return address. `begin` finds the stack aligned to 16.
        let registers = [
            0,
            0,
            0,
            body as usize,
            context as usize,
            0,
            begin as *const () as usize,
        ];
        // SAFETY: the caller's promise.
        unsafe {
            let frame = top.sub(registers.len() + 2);
            frame.cast::<[usize; 7]>().write(registers);
            frame
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod frame {
    use super::{Body, Suspended, naked_asm};

    /// Suspends the running fiber, storing where it goes on, and goes on with another. Returns when something switches back.
    ///
    /// # Safety
    /// `to` was stored by a `switch` or made by `prepare`, and is used once.
    #[unsafe(naked)]
    pub unsafe extern "C" fn switch(store: *mut Suspended, to: Suspended) {
        // The registers that a called function must preserve.
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
            "mov sp, x1",
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
            "ret",
        )
    }

    /// Where a new fiber begins: its registers hold what `first` put there.
    #[unsafe(naked)]
    unsafe extern "C" fn begin() {
        naked_asm!("mov x0, x19", "blr x20", "brk #1")
    }

    /// The frame of a fiber that has not begun.
    ///
    /// # Safety
    /// `top` is the top of a stack, aligned to 64 bytes.
    pub unsafe fn first(top: *mut usize, body: Body, context: *mut ()) -> Suspended {
        // As `switch` loads them: x19 to x30, then d8 to d15.
        let mut registers = [0; 20];
        registers[0] = context as usize;
        registers[1] = body as usize;
        registers[11] = begin as *const () as usize;
        // SAFETY: the caller's promise.
        unsafe {
            let frame = top.sub(registers.len());
            frame.cast::<[usize; 20]>().write(registers);
            frame
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ping {
        main: Suspended,
        fiber: Suspended,
        count: u64,
    }

    extern "C" fn count_up(context: *mut ()) -> ! {
        let ping: *mut Ping = context.cast();
        let mut step = 1.0;
        loop {
            // SAFETY: the test made the context, and waits in a switch of its own.
            unsafe {
                (*ping).count += step as u64;
                switch(&raw mut (*ping).fiber, (*ping).main);
            }
            step += 1.0;
        }
    }

    #[test]
    fn switches_there_and_back() {
        let mut fiber = Fiber::new(5).unwrap();
        let mut ping = Ping {
            main: ptr::null_mut(),
            fiber: ptr::null_mut(),
            count: 0,
        };
        let context = &raw mut ping;
        for _ in 0..2 {
            // SAFETY: the fiber is not running, now or when it is prepared a second time, and holds plain numbers.
            unsafe {
                (*context).count = 0;
                (*context).fiber = fiber.prepare(count_up, context.cast());
                let before = std::hint::black_box(0.25f64);
                for _ in 0..100 {
                    switch(&raw mut (*context).main, (*context).fiber);
                }
                assert_eq!((*context).count, 5050);
                assert_eq!(before, 0.25);
            }
        }
    }
}
