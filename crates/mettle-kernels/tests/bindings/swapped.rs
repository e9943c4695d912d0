//! The buffer that is written where one that is read belongs.

use mettle_gpu::{Buffer, Grid, Pass, Result};
use mettle_kernels::bindings::binary::{Constants, F32, Params};

const PARAMS: Params = Params { columns: 8, x_stride: 8, y_stride: 8 };
const CONSTANTS: Constants = Constants { function: 0, interleaved: false };

fn launch(pass: &mut Pass, x: &Buffer<f32>, y: &Buffer<f32>, out: &mut Buffer<f32>) -> Result<()> {
    let kernel = F32 { x, y: out, out: y, params: PARAMS, constants: CONSTANTS };
    pass.dispatch(kernel, Grid::elements(1))
}

fn main() {}
