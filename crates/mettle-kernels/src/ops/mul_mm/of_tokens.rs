//! Products of tokens that are sorted by expert.

use super::product::Product;
use super::{Epilogue, Extent, Matrices, Memory, Size, operand};
use crate::Result;
use crate::ops::check::Op;
use crate::ops::gather::gather;
use crate::ops::moe_sort::SortedExperts;
use crate::ops::round_rows::{Operand, Rounded, round_rows};
use mettle_gpu::{Format, Pass, Tensor};

/// Products of the rows of `x`, f32 `[tokens, k]`, that `sorted` says with the matrices of their experts, `[experts, n, k]` each, beside where they go, f32
/// `[rows, n]`. Rows of tokens are rounded before they are put where products want them, which takes a fraction of the bytes. Otherwise as
/// [`mul_mm_experts`](super::mul_mm_experts).
pub(in crate::ops) fn mul_mm_of_tokens(
    pass: &mut Pass,
    op: Op,
    x: &Tensor,
    sorted: &SortedExperts,
    products: [(&Tensor, &mut Tensor); 2],
) -> Result<()> {
    let (rows, experts) = (sorted.tokens().len(), sorted.experts());
    let mut ready: Option<(Operand, Rounded)> = None;
    for (w, out) in products {
        op.strided::<f32>("x", x, x.rows(), w.columns())?;
        let extent = Extent::of(op, 1, w, rows, Matrices::Experts(experts))?;
        let operand = operand(w.format());
        let x = match ready.take() {
            Some((of, rounded)) if of == operand => rounded,
            _ => rounded_of_tokens(pass, operand, x, sorted.tokens())?,
        };
        let product = Product {
            op,
            size: Size::Small,
            w,
            second: w,
            x: &x,
            fused: Epilogue::None.bits(),
        };
        product.record(pass, &extent, &mut op.matrix("out", out, rows, extent.n)?)?;
        ready = Some((operand, x));
    }
    Ok(())
}

/// Rows of `x` rounded, those of `tokens`, of which there are whole pieces; of tokens that there are not, NaN.
fn rounded_of_tokens(
    pass: &mut Pass,
    operand: Operand,
    x: &Tensor,
    tokens: &Tensor,
) -> Result<Rounded> {
    let [count, rows, columns] = [x.rows(), tokens.len(), x.columns()];
    let of_tokens = Rounded::bytes(operand, [count, columns], 1);
    let of_rows = Rounded::bytes(operand, [rows, columns], 1);
    let mut memory = Memory::of(pass, &[of_tokens, of_rows].concat())?;
    let from = round_rows(pass, operand, x, 1, &mut memory)?;
    let to = Rounded {
        values: memory.take(pass, operand.planes() * rows * from.stride)?,
        scale: memory.take(pass, rows)?,
        stride: from.stride,
        rows,
    };
    for plane in 0..operand.planes() {
        let part = |of: &Rounded| -> Result<Tensor> {
            let len = of.rows * of.stride;
            let values = of.values.slice(plane * len..(plane + 1) * len)?;
            let shape = [of.rows, of.stride];
            Ok(Tensor::from_buffer(values.cast()?, Format::F16, shape)?)
        };
        gather(pass, &part(&from)?, tokens, &mut part(&to)?)?;
    }
    let scales = |of: &Rounded| Tensor::from_buffer(of.scale.cast()?, Format::F32, [of.rows, 1]);
    gather(pass, &scales(&from)?, tokens, &mut scales(&to)?)?;
    Ok(to)
}
