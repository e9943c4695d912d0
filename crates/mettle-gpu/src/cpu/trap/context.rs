//! The registers of interrupted code, as the system hands them to a signal handler.

use std::ffi::c_void;

use crate::fault::AccessKind;

/// The context of interrupted code on Linux.
pub(super) struct Context(*mut libc::ucontext_t);

impl Context {
    /// # Safety
    /// `context` is the third argument of a signal handler that runs.
    pub unsafe fn new(context: *mut c_void) -> Self {
        Context(context.cast())
    }
}

#[cfg(target_arch = "x86_64")]
impl Context {
    fn register(&self, register: libc::c_int) -> usize {
        // SAFETY: valid while the handler runs; the constants are indices of the array.
        unsafe { (*self.0).uc_mcontext.gregs[register as usize] as usize }
    }

    /// The instruction that was interrupted.
    pub fn program_counter(&self) -> usize {
        self.register(libc::REG_RIP)
    }

    pub fn stack_pointer(&self) -> usize {
        self.register(libc::REG_RSP)
    }

    /// What a page fault (vector 14) was about: bits 1 and 4 of its error code are "write" and "instruction fetch".
    pub fn access(&self) -> AccessKind {
        if self.register(libc::REG_TRAPNO) != 14 {
            return AccessKind::Unknown;
        }
        let error = self.register(libc::REG_ERR);
        if error & 1 << 4 != 0 {
            AccessKind::Execute
        } else if error & 1 << 1 != 0 {
            AccessKind::Write
        } else {
            AccessKind::Read
        }
    }

    /// Makes the interrupted code go on in a function that does not return, with an argument. The function takes care of the stack.
    pub fn go_on_in(&mut self, function: usize, argument: usize) {
        // Flags: direction, as functions expect it; no single steps; no alignment checks.
        const CLEARED: i64 = 1 << 10 | 1 << 8 | 1 << 18;
        // SAFETY: as in `register`.
        let registers = unsafe { &mut (*self.0).uc_mcontext.gregs };
        registers[libc::REG_RIP as usize] = function as i64;
        registers[libc::REG_RDI as usize] = argument as i64;
        registers[libc::REG_EFL as usize] &= !CLEARED;
    }
}

#[cfg(target_arch = "aarch64")]
impl Context {
    /// The instruction that was interrupted.
    pub fn program_counter(&self) -> usize {
        // SAFETY: valid while the handler runs.
        unsafe { (*self.0).uc_mcontext.pc as usize }
    }

    pub fn stack_pointer(&self) -> usize {
        // SAFETY: as above.
        unsafe { (*self.0).uc_mcontext.sp as usize }
    }

    /// What the exception syndrome says: exception classes 0x20 and 0x21 are instruction aborts, 0x24 and 0x25 data aborts, of which bit 6
    /// means "write" (Arm Architecture Reference Manual, ESR_EL1).
    pub fn access(&self) -> AccessKind {
        let Some(syndrome) = self.syndrome() else {
            return AccessKind::Unknown;
        };
        match syndrome >> 26 & 0x3f {
            0x20 | 0x21 => AccessKind::Execute,
            0x24 | 0x25 if syndrome & 1 << 6 != 0 => AccessKind::Write,
            0x24 | 0x25 => AccessKind::Read,
            _ => AccessKind::Unknown,
        }
    }

    /// The record of the exception syndrome, among the records that follow the registers at the next multiple of 16 bytes
    /// (Linux, `arch/arm64/include/uapi/asm/sigcontext.h`).
    fn syndrome(&self) -> Option<u64> {
        const MAGIC: u32 = 0x4553_5201;
        const BYTES: usize = 4096;
        // SAFETY: as above; the records lie within the 4096 bytes that the system reserves, and end with one of size 0.
        unsafe {
            let registers_end = (&raw const (*self.0).uc_mcontext.pstate).add(1);
            let start = registers_end.cast::<u8>();
            let start = start.add(start.align_offset(16));
            let mut at = 0;
            while at + 16 <= BYTES {
                let record = start.add(at).cast::<u32>();
                let (magic, size) = (record.read(), record.add(1).read() as usize);
                if magic == MAGIC {
                    return Some(record.add(2).cast::<u64>().read());
                }
                if size == 0 {
                    return None;
                }
                at += size;
            }
        }
        None
    }

    /// Makes the interrupted code go on in a function that does not return, with an argument. The function takes care of the stack.
    pub fn go_on_in(&mut self, function: usize, argument: usize) {
        // SAFETY: as above.
        unsafe {
            (*self.0).uc_mcontext.pc = function as _;
            (*self.0).uc_mcontext.regs[0] = argument as _;
        }
    }
}
