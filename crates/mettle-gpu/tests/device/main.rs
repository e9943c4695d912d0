//! The CPU device on kernels compiled from `.metal` files, through the public interface alone.

mod argument_buffers;
mod atomics;
mod barriers;
mod bindings;
mod budget;
mod buffers;
mod chain;
mod common;
mod constants;
mod cuda;
mod early;
mod errors;
mod grids;
mod guard;
mod hazards;
mod logging;
mod registered;
mod simd;
mod simd_matrix;
mod simd_ops;
mod tensor_ops;
mod threadgroups;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what each thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator; a thread that ends has no counter, and needs none.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What this thread has allocated so far.
fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}
