//! A stack for signal handlers: a kernel that has used up its own leaves no room for them.

use std::ptr;

/// Bytes for our handler and those that it calls, beside what the system itself puts there.
const BYTES: usize = 64 << 10;

/// The stack of one thread of the system, used until the thread ends.
struct SignalStack {
    /// Null when the thread has a stack that is large enough.
    mapping: *mut libc::c_void,
    bytes: usize,
}

thread_local! {
    static STACK: SignalStack = SignalStack::install();
}

/// Makes sure that signal handlers that ask for it run on a stack of their own on the calling thread.
pub(super) fn ensure() {
    // While the thread ends nothing can be installed any more.
    let _ = STACK.try_with(|_| ());
}

impl SignalStack {
    fn install() -> Self {
        let none = SignalStack {
            mapping: ptr::null_mut(),
            bytes: 0,
        };
        // SAFETY: queries; zeroes are a valid `stack_t`.
        let (minimum, present) = unsafe {
            let mut present: libc::stack_t = std::mem::zeroed();
            libc::sigaltstack(ptr::null(), &raw mut present);
            (libc::getauxval(libc::AT_MINSIGSTKSZ) as usize, present)
        };
        let bytes = BYTES + minimum.next_multiple_of(4096);
        if present.ss_flags & libc::SS_DISABLE == 0 && present.ss_size >= bytes / 2 {
            return none;
        }
        // SAFETY: a private anonymous mapping touches no memory of ours; it stays until the thread ends.
        unsafe {
            let mapping = libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE,
                -1,
                0,
            );
            if mapping == libc::MAP_FAILED {
                return none;
            }
            let stack = libc::stack_t {
                ss_sp: mapping,
                ss_flags: 0,
                ss_size: bytes,
            };
            if libc::sigaltstack(&raw const stack, ptr::null_mut()) != 0 {
                libc::munmap(mapping, bytes);
                return none;
            }
            SignalStack { mapping, bytes }
        }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        if self.mapping.is_null() {
            return;
        }
        // SAFETY: no handler runs on the stack, since this runs on the thread itself. Somebody else may have installed another stack since.
        unsafe {
            let mut present: libc::stack_t = std::mem::zeroed();
            libc::sigaltstack(ptr::null(), &raw mut present);
            if present.ss_sp == self.mapping {
                present.ss_flags = libc::SS_DISABLE;
                libc::sigaltstack(&raw const present, ptr::null_mut());
            }
            libc::munmap(self.mapping, self.bytes);
        }
    }
}
