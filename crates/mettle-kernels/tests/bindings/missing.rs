//! An argument left out.

use mettle_gpu::{Buffer, Grid, Pass, Result};
use mettle_kernels::bindings::add;

fn launch(pass: &mut Pass, x: &Buffer<f32>, out: &mut Buffer<f32>) -> Result<()> {
    pass.dispatch(add::F32 { a: x, out }, Grid::elements(8))
}

fn main() {}
