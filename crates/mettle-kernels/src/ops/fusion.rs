//! Fusions: sequences of operations that models have in common, each declared once.
//!
//! An op of this module records either one launch for the whole sequence or a launch for each operation of it, as
//! [`Fusion`] says and as far as there is a kernel for the sequence. What a single launch does not need (a normalised row,
//! a product before it is added) stays in registers, so the scratch tensors that these ops take hold something afterwards
//! only where launches were separate. Both ways compute the same formulas and differ by rounding alone.

use super::{add_assign, mul_mat, rms_norm, swiglu};
use crate::Result;
use mettle_gpu::{Pass, Tensor};

/// Whether sequences of operations are fused into single launches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fusion {
    /// Wherever there is a kernel for it: small launches one after the other cost more than what they compute.
    #[default]
    On,
    /// Never: a launch for each operation, to compare with.
    Off,
}

/// An RMS norm over the rows of what it is applied to: see [`rms_norm()`](super::rms_norm()).
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// f32, as many values as a row has.
    pub weight: &'a Tensor,
    /// Added to the mean square.
    pub eps: f32,
}

/// `out = rms_norm(x) w^T` for each pair `(w, out)` of `products`. `x` is f32 `[tokens, k]`, each `w` is `[n, k]` in any format of
/// [`FORMATS`](super::FORMATS), its `out` is f32 `[tokens, n]`; `normed`, of the shape of `x`, is scratch memory.
///
/// # Errors
/// Those of [`rms_norm()`](super::rms_norm()) and [`mul_mat`].
pub fn norm_mul_mats(
    pass: &mut Pass,
    _fusion: Fusion,
    x: &Tensor,
    norm: Norm<'_>,
    normed: &mut Tensor,
    products: &mut [(&Tensor, &mut Tensor)],
) -> Result<()> {
    rms_norm(pass, x, norm.weight, norm.eps, normed)?;
    for (w, out) in products {
        mul_mat(pass, w, normed, out)?;
    }
    Ok(())
}

/// Scratch memory of [`norm_swiglu`], f32.
#[derive(Debug)]
pub struct SwigluScratch<'a> {
    /// Of the shape of `x`.
    pub normed: &'a mut Tensor,
    /// Of the shape of `out`.
    pub gate: &'a mut Tensor,
    /// Of the shape of `out`.
    pub up: &'a mut Tensor,
}

/// `out = silu(n gate^T) * (n up^T)` with `n = rms_norm(x)`. `x` is f32 `[tokens, k]`, `gate` and `up` are `[n, k]` in any format of
/// [`FORMATS`](super::FORMATS), `out` is f32 `[tokens, n]`.
///
/// # Errors
/// Those of [`rms_norm()`](super::rms_norm()), [`mul_mat`] and [`swiglu()`](super::swiglu()).
#[expect(
    clippy::too_many_arguments,
    reason = "two operands, two weights, and where to compute"
)]
pub fn norm_swiglu(
    pass: &mut Pass,
    fusion: Fusion,
    x: &Tensor,
    norm: Norm<'_>,
    gate: &Tensor,
    up: &Tensor,
    scratch: SwigluScratch<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let products = &mut [(gate, &mut *scratch.gate), (up, &mut *scratch.up)];
    norm_mul_mats(pass, fusion, x, norm, scratch.normed, products)?;
    swiglu(pass, scratch.gate, scratch.up, out)
}

/// `stream += x w^T`. `w` is `[n, k]` in any format of [`FORMATS`](super::FORMATS), `x` is f32 `[tokens, k]`, `stream` f32
/// `[tokens, n]`; `projected`, of the shape of `stream`, is scratch memory.
///
/// # Errors
/// Those of [`mul_mat`] and [`add_assign`].
pub fn mul_mat_add(
    pass: &mut Pass,
    _fusion: Fusion,
    w: &Tensor,
    x: &Tensor,
    projected: &mut Tensor,
    stream: &mut Tensor,
) -> Result<()> {
    mul_mat(pass, w, x, projected)?;
    add_assign(pass, stream, projected)
}
