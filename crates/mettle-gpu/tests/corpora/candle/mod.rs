//! Kernels of candle, one compiled at a time.
//!
//! The tolerances stand at each comparison: relative to the value, and absolute. Exact operations have none; kernels that round once to
//! their own type get half a unit in the last place of it; sums of `n` products of size 1 get a few times `n` roundings of f32.

mod elementwise;
mod products;
mod rows;

/// One rounding to half.
const HALF: f64 = 1.0 / 2048.0;
/// A few roundings to float.
const FLOAT: f64 = 1e-6;
