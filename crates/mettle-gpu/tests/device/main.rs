//! The CPU device on kernels compiled from `.metal` files, through the public interface alone.

mod bindings;
mod buffers;
mod common;
mod constants;
mod errors;
mod grids;
mod hazards;
mod simd;
mod threadgroups;
