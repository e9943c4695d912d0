//! The CPU device on kernels compiled from `.metal` files, through the public interface alone.

mod common;
mod constants;
mod grids;
mod simd;
mod threadgroups;
