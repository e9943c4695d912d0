//! A buffer of another element type.

use mettle_gpu::{Buffer, Grid, Pass, Result};
use mettle_kernels::bindings::add;

fn launch(pass: &mut Pass, x: &Buffer<f32>, y: &Buffer<u32>, out: &mut Buffer<f32>) -> Result<()> {
    pass.dispatch(add::F32 { a: x, b: y, out }, Grid::elements(8))
}

fn main() {}
