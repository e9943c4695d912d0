//! Kernels of llama.cpp, one compiled at a time, with the function constants, grids and threadgroup memory that its host code gives them.
//!
//! The tolerances stand at each comparison: relative to the value, and absolute.

mod attention;
mod products;
mod quantised;
mod rows;

use crate::support::{Bound, input};

/// Something to bind where the kernel does not look.
fn unused() -> Bound {
    input(&[0f32; 4])
}

fn number(value: usize) -> f64 {
    value as f64
}
