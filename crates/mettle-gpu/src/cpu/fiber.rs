//! Fibers: stacks on which threads of a kernel can wait for each other.

use std::io;
use std::num::NonZeroUsize;
use std::ptr;

use corosensei::stack::{Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::executor::Executor;

/// Bytes of a stack without its guard page. Only touched pages take memory.
const STACK_BYTES: usize = 256 << 10;

/// The tops of successive stacks are this much lower within their pages, in bytes: tops at the same place of a page compete for the same
/// lines of the first-level cache, which cost a factor of two. An odd number of lines visits all of them in turn.
const STAGGER: usize = 21 * 64;

/// The stagger starts over after this many bytes, a multiple of the pages of all systems.
const STAGGER_RANGE: usize = 16 << 10;

/// A mapped stack with a guard page below.
pub(super) struct FiberStack {
    mapping: *mut libc::c_void,
    bytes: usize,
    base: StackPointer,
}

impl FiberStack {
    /// The stack of the fiber with this index.
    fn new(index: usize) -> io::Result<Self> {
        // SAFETY: `sysconf` reads no memory of ours.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).unwrap_or(4096);
        let bytes = page + STACK_BYTES + STAGGER_RANGE;
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
        let top = mapping as usize + bytes - index * STAGGER % STAGGER_RANGE;
        let stack = FiberStack {
            mapping,
            bytes,
            base: NonZeroUsize::new(top & !63).unwrap_or(NonZeroUsize::MIN),
        };
        // SAFETY: the first page of the new mapping; nobody uses it yet.
        if unsafe { libc::mprotect(mapping, page, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stack)
    }
}

impl Drop for FiberStack {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size; the coroutine that ran on it is finished.
        unsafe { libc::munmap(self.mapping, self.bytes) };
    }
}

// SAFETY: the first page is a guard page and far more than the minimum lies above it; the base is aligned to 64.
unsafe impl Stack for FiberStack {
    fn base(&self) -> StackPointer {
        self.base
    }

    fn limit(&self) -> StackPointer {
        NonZeroUsize::new(self.mapping as usize).unwrap_or(NonZeroUsize::MIN)
    }
}

/// Why a fiber gave control back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its thread waits for others.
    Blocked,
    /// Its thread has returned and there is none left to start.
    Idle,
}

/// What a fiber is resumed with: the executor it runs a thread of, or null to end.
type Input = *mut Executor;

/// The fiber's side of the switch.
pub(super) type Switch = Yielder<Input, Stop>;

/// A stack with a loop on it that runs threads. Between threads it is idle and can serve any executor on any thread of the system.
pub(super) struct Fiber {
    coroutine: Option<Coroutine<Input, Stop, (), FiberStack>>,
}

impl Fiber {
    pub fn new(index: usize) -> io::Result<Self> {
        Ok(Fiber::on(FiberStack::new(index)?))
    }

    fn on(stack: FiberStack) -> Self {
        let coroutine = Coroutine::with_stack(stack, |switch: &Switch, first: Input| {
            let mut executor = first;
            while !executor.is_null() {
                // SAFETY: whoever resumes an idle fiber passes an executor that has a fresh thread.
                unsafe { Executor::run_fresh_threads(executor, switch) };
                executor = switch.suspend(Stop::Idle);
            }
        });
        Fiber {
            coroutine: Some(coroutine),
        }
    }

    /// Runs the fiber until its thread waits or there is none left.
    ///
    /// # Safety
    /// `executor` is valid, no reference to it is alive, and it expects this fiber.
    pub unsafe fn resume(fiber: *mut Fiber, executor: Input) -> Stop {
        // SAFETY: the caller's promise; the coroutine is touched by nobody else while it runs.
        let coroutine = unsafe { (*fiber).coroutine.as_mut() };
        match coroutine.map(|coroutine| coroutine.resume(executor)) {
            Some(CoroutineResult::Yield(stop)) => stop,
            Some(CoroutineResult::Return(())) | None => Stop::Idle,
        }
    }

    /// Abandons the thread on it; the fiber is idle afterwards.
    ///
    /// # Safety
    /// Nothing on its stack needs to be dropped: kernels are C++ without destructors, and our own frames hold plain values.
    pub unsafe fn abandon(&mut self) {
        if let Some(mut coroutine) = self.coroutine.take() {
            // SAFETY: the caller's promise.
            unsafe { coroutine.force_reset() };
            *self = Fiber::on(coroutine.into_stack());
        }
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        if let Some(coroutine) = &mut self.coroutine
            && coroutine.started()
            && !coroutine.done()
        {
            // An idle fiber leaves its loop; one in the middle of a thread was abandoned before.
            let _ = coroutine.resume(ptr::null_mut());
        }
    }
}

// SAFETY: an idle fiber holds nothing that belongs to a thread of the system: its loop keeps one pointer, replaced at each resume. Fibers move
// between threads of the system only while they are idle.
unsafe impl Send for Fiber {}
