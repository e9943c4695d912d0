//! The CPU device on kernels compiled from `.metal` files, through the public interface alone.

mod argument_buffers;
mod atomics;
mod barriers;
mod bindings;
mod budget;
mod buffers;
mod common;
mod constants;
mod cuda;
mod errors;
mod grids;
mod guard;
mod hazards;
mod logging;
mod simd;
mod simd_matrix;
mod simd_ops;
mod tensor_ops;
mod threadgroups;
