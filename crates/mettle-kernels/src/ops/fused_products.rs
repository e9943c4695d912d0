//! Products of any number of columns, and what becomes of them, in one launch.

use super::check::Op;
use super::mul_mm::{Epilogue, mul_mm_with};
use super::mul_mv::{Beside, Choice, mul_mat_beside, tiles_of};
use crate::Result;
use mettle_gpu::{Pass, Tensor};

/// `out += x w^T`, as [`mul_mat`](super::mul_mat()) makes it of f32, in one launch beside those that prepare `x`.
///
/// # Errors
/// As for [`mul_mat`](super::mul_mat()).
pub fn mul_mat_accumulate(pass: &mut Pass, w: &Tensor, x: &Tensor, out: &mut Tensor) -> Result<()> {
    const OP: Op = Op("mul_mat_accumulate");
    let shape = [1, x.rows(), w.rows(), w.columns()];
    OP.strided::<f32>("x", x, shape[1], shape[3])?;
    if let Some(size) = tiles_of(Choice::of_fused(pass.device(), w.format(), shape).way) {
        return mul_mm_with(pass, OP, size, w, x, Epilogue::Add, out);
    }
    let beside = Beside {
        add: true,
        ..Beside::default()
    };
    mul_mat_beside(pass, w, x, beside, out)
}

/// `out = silu(x gate^T) * (x up^T)`, the products as [`mul_mat`](super::mul_mat()) makes them of f32, in one launch beside those that prepare `x`. `gate` and `up` have
/// one format and shape.
///
/// # Errors
/// As for [`mul_mat`](super::mul_mat()), and for an `up` that is not as `gate`.
pub fn mul_mat_swiglu(
    pass: &mut Pass,
    gate: &Tensor,
    up: &Tensor,
    x: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("mul_mat_swiglu");
    let shape = [1, x.rows(), gate.rows(), gate.columns()];
    OP.strided::<f32>("x", x, shape[1], shape[3])?;
    if let Some(size) = tiles_of(Choice::of_fused(pass.device(), gate.format(), shape).way) {
        return mul_mm_with(pass, OP, size, gate, x, Epilogue::Gate(up), out);
    }
    let beside = Beside {
        gated: Some(up),
        ..Beside::default()
    };
    mul_mat_beside(pass, gate, x, beside, out)
}
