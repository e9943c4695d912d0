//! Root-mean-square normalisation.

pub(super) mod cases;

use super::check::{Op, by_float_format};
use super::mapping::Mapping;
use crate::Result;
use crate::bindings::rms_norm::{Constants, DualF32Bf16, F32Bf16, Params};
pub(crate) use cases::family;
use mettle_gpu::{Buffer, Format, Pass, Scalar, Tensor};

/// What normalised values are multiplied by; a tensor has as many values as a row, in the format of what is normalised.
#[derive(Clone, Copy, Debug)]
pub enum NormWeight<'a> {
    /// Nothing.
    None,
    /// The weight of their column.
    Times(&'a Tensor),
    /// One more than that, as Gemma's files have it in `safetensors`.
    TimesOnePlus(&'a Tensor),
}

impl<'a> From<&'a Tensor> for NormWeight<'a> {
    fn from(weight: &'a Tensor) -> Self {
        NormWeight::Times(weight)
    }
}

impl NormWeight<'_> {
    /// Of the weights, if there are some.
    fn format(self) -> Option<Format> {
        match self {
            NormWeight::None => None,
            NormWeight::Times(weight) | NormWeight::TimesOnePlus(weight) => Some(weight.format()),
        }
    }

    /// `WEIGHT` of the kernels, of the values of `mettle/norm.h`.
    pub(super) fn kind(self) -> u32 {
        match self {
            NormWeight::None => 0,
            NormWeight::Times(_) => 1,
            NormWeight::TimesOnePlus(_) => 2,
        }
    }

    /// The weights of rows of `columns`, or what is bound in their place.
    pub(super) fn values<T: Scalar>(
        self,
        op: Op,
        argument: &'static str,
        columns: usize,
        unused: impl FnOnce() -> Result<Buffer<T>>,
    ) -> Result<Buffer<T>> {
        match self {
            NormWeight::None => unused(),
            NormWeight::Times(weight) | NormWeight::TimesOnePlus(weight) => {
                op.vector(argument, weight, columns)
            }
        }
    }
}

/// `out[r, :] = x[r, :] * weight / sqrt(mean(x[r, :]^2) + eps)` for every row; all F32, F16 or BF16, `x` and `out` of the same rows
/// and columns. `out` may have gaps between its rows. Weights of BF16 serve F32, too.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes,
/// gaps elsewhere, or an `eps` that is negative or no number; those of the launch, when `out` shares memory with an input among others:
/// see [`rms_norm_assign`].
pub fn rms_norm<'a>(
    pass: &mut Pass,
    x: &Tensor,
    weight: impl Into<NormWeight<'a>>,
    eps: f32,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, weight.into(), eps, Order::Same, out)
}

/// [`rms_norm()`] of `x` of `[tokens, heads, head_size]` into `out` of `[heads, tokens, head_size]`, with or without gaps.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn rms_norm_permuted<'a>(
    pass: &mut Pass,
    x: &Tensor,
    weight: impl Into<NormWeight<'a>>,
    eps: f32,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, weight.into(), eps, Order::Permuted, out)
}

/// [`rms_norm()`] in place. For the norm of each head, `x` is `[tokens, heads, head_size]`.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn rms_norm_assign<'a>(
    pass: &mut Pass,
    x: &mut Tensor,
    weight: impl Into<NormWeight<'a>>,
    eps: f32,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_assign(pass, mapping, x, weight.into(), eps)
}

/// `out = silu(z) * rms_norm(x)`, the norm behind linear attention; `z` is as `x`, and `out` may have gaps between its rows.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn rms_norm_gated<'a>(
    pass: &mut Pass,
    x: &Tensor,
    weight: impl Into<NormWeight<'a>>,
    eps: f32,
    z: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_gated(pass, mapping, x, weight.into(), eps, (z, Gate::Silu), out)
}

/// `out = y * rms_norm(x)`; `y` is as `x`, and `out` may have gaps between its rows.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn rms_norm_mul<'a>(
    pass: &mut Pass,
    x: &Tensor,
    weight: impl Into<NormWeight<'a>>,
    eps: f32,
    y: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_gated(pass, mapping, x, weight.into(), eps, (y, Gate::Plain), out)
}

/// [`rms_norm()`] of F32 in `out`, without gaps, and rounded to BF16 in `rounded`, with or without: the one for a cache, say, the other for
/// products.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn rms_norm_dual<'a>(
    pass: &mut Pass,
    x: &Tensor,
    weight: impl Into<NormWeight<'a>>,
    eps: f32,
    out: &mut Tensor,
    rounded: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    let rounded = (rounded, Order::Same);
    mapped_dual(pass, mapping, x, weight.into(), eps, out, rounded)
}

/// [`rms_norm_dual()`] of `x` of `[tokens, heads, head_size]`, whose `rounded` is `[heads, tokens, head_size]`.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn rms_norm_dual_permuted<'a>(
    pass: &mut Pass,
    x: &Tensor,
    weight: impl Into<NormWeight<'a>>,
    eps: f32,
    out: &mut Tensor,
    rounded: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    let rounded = (rounded, Order::Permuted);
    mapped_dual(pass, mapping, x, weight.into(), eps, out, rounded)
}

/// `out[r] = sum(x[r, :]^2)` for every row: `x` F32, F16 or BF16, `out` F32 of as many values as `x` has rows.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn sum_squares(pass: &mut Pass, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_sum_squares(pass, mapping, x, out)
}

/// What a norm is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// `silu(z)`.
    Silu,
    /// `z`.
    Plain,
}

/// Where rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Same,
    /// Row `(i, j)` to row `(j, i)`.
    Permuted,
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    weight: NormWeight<'_>,
    eps: f32,
    order: Order,
    out: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("rms_norm");
    let params = Params {
        eps: OP.eps(eps)?,
        ..placed(OP, x, order, ("out", out))?
    };
    let (rows, columns) = (x.rows(), x.columns());
    if let (Format::F32, Some(Format::BF16)) = (x.format(), weight.format()) {
        let kernel = F32Bf16 {
            x: &OP.values("x", x)?,
            weight: &weight.values(OP, "weight", columns, || Ok(pass.scratch(1)?))?,
            out: &mut OP.strided("out", out, rows, columns)?,
            params,
            constants: constants(mapping, weight),
        };
        return Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?);
    }
    by_float_format!(OP, "x", x.format(), Kernel in rms_norm::{F32, F16, Bf16} => {
        let values = OP.values("x", x)?;
        let kernel = Kernel {
            weight: &weight.values(OP, "weight", columns, || Ok(values.clone()))?,
            x: &values,
            out: &mut OP.strided("out", out, rows, columns)?,
            params,
            constants: constants(mapping, weight),
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

fn mapped_assign(
    pass: &mut Pass,
    mapping: Mapping,
    x: &mut Tensor,
    weight: NormWeight<'_>,
    eps: f32,
) -> Result<()> {
    const OP: Op = Op("rms_norm_assign");
    let params = Params {
        eps: OP.eps(eps)?,
        ..params(OP, x)?
    };
    let (rows, columns) = (x.rows(), x.columns());
    by_float_format!(OP, "x", x.format(), Kernel in rms_norm::{AssignF32, AssignF16, AssignBf16} => {
        let kernel = Kernel {
            x: &mut OP.values("x", x)?,
            weight: &weight.values(OP, "weight", columns, || Ok(pass.scratch(1)?))?,
            params,
            constants: constants(mapping, weight),
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

fn mapped_gated(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    weight: NormWeight<'_>,
    eps: f32,
    (z, gate): (&Tensor, Gate),
    out: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("rms_norm_gated");
    let params = Params {
        eps: OP.eps(eps)?,
        ..placed(OP, x, Order::Same, ("out", out))?
    };
    let (rows, columns) = (x.rows(), x.columns());
    by_float_format!(OP, "x", x.format(), Kernel in rms_norm::{GatedF32, GatedF16, GatedBf16} => {
        let values = OP.values("x", x)?;
        let kernel = Kernel {
            weight: &weight.values(OP, "weight", columns, || Ok(values.clone()))?,
            x: &values,
            z: &OP.matrix("z", z, rows, columns)?,
            out: &mut OP.strided("out", out, rows, columns)?,
            params,
            constants: Constants {
                silu: gate == Gate::Silu,
                ..constants(mapping, weight)
            },
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

fn mapped_dual(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    weight: NormWeight<'_>,
    eps: f32,
    out: &mut Tensor,
    (rounded, order): (&mut Tensor, Order),
) -> Result<()> {
    const OP: Op = Op("rms_norm_dual");
    let params = Params {
        eps: OP.eps(eps)?,
        ..placed(OP, x, order, ("rounded", rounded))?
    };
    let (rows, columns) = (x.rows(), x.columns());
    let x = &OP.values("x", x)?;
    let kernel = DualF32Bf16 {
        x,
        weight: &weight.values(OP, "weight", columns, || Ok(x.clone()))?,
        out: &mut OP.matrix("out", out, rows, columns)?,
        rounded: &mut OP.strided("rounded", rounded, rows, columns)?,
        params,
        constants: constants(mapping, weight),
    };
    Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
}

fn mapped_sum_squares(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("sum_squares");
    let params = params(OP, x)?;
    let (rows, columns) = (x.rows(), x.columns());
    by_float_format!(OP, "x", x.format(), Kernel in rms_norm::{SumSquaresF32, SumSquaresF16, SumSquaresBf16} => {
        let kernel = Kernel {
            x: &OP.values("x", x)?,
            out: &mut OP.vector("out", out, rows)?,
            params,
            // Nothing is weighted; the constants are those of code that is there anyway.
            constants: Constants { weight: 1, ..constants(mapping, NormWeight::None) },
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

/// The parameters for rows one behind the other, but for eps.
fn params(op: Op, x: &Tensor) -> Result<Params> {
    op.size("x", x.rows())?;
    let columns = op.size("x", x.columns())?;
    Ok(Params {
        columns,
        eps: 0.0,
        inner: 1,
        outer_stride: columns,
        inner_stride: 0,
    })
}

/// The parameters for rows that go to `out`, but for eps.
fn placed(
    op: Op,
    x: &Tensor,
    order: Order,
    (argument, out): (&'static str, &Tensor),
) -> Result<Params> {
    let dense = params(op, x)?;
    let stride = |dimension| {
        let values = out.stride_bytes(dimension) / out.format().block_bytes();
        op.size(argument, values)
    };
    let (from, to) = (x.shape().dims(), out.shape().dims());
    match (order, to) {
        (Order::Permuted, &[heads, tokens, size]) if *from == [tokens, heads, size] => Ok(Params {
            inner: op.size("x", heads)?,
            outer_stride: stride(1)?,
            inner_stride: stride(0)?,
            ..dense
        }),
        (Order::Permuted, _) => {
            let (x, out) = (x.shape(), out.shape());
            let reason = format!("has shape {out}, must have that of x, {x}, with heads first");
            Err(op.refuse(argument, reason))
        }
        (Order::Same, _) if out.is_dense() => Ok(dense),
        (Order::Same, &[_, _]) => Ok(Params {
            outer_stride: stride(0)?,
            ..dense
        }),
        (Order::Same, &[_, inner, _]) => Ok(Params {
            inner: op.size(argument, inner)?,
            outer_stride: stride(0)?,
            inner_stride: stride(1)?,
            ..dense
        }),
        (Order::Same, _) => Err(op.refuse(argument, "has gaps in more than three dimensions")),
    }
}

fn constants(mapping: Mapping, weight: NormWeight<'_>) -> Constants {
    Constants {
        row_per_thread: mapping.row_per_thread(),
        weight: weight.kind(),
        silu: true,
    }
}
