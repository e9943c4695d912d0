//! Matrix products with weights of any format, a few columns at a time.

pub(super) mod cases;
mod launch;
pub(super) mod more_cases;
mod spread;
mod tuning;

pub(crate) use self::cases::family;
pub(super) use self::cases::{reference, swiglu};
use self::launch::Launch;
pub(super) use self::spread::Spread;
use self::spread::Staging;
pub(super) use self::tuning::Way;
pub use self::tuning::{
    Capability, Choice, Kind, SHARED_COLUMNS, Tried, Tuned, Tuning, makes_halves, tune,
};
use super::check::Op;
use super::copy::copy;
use super::fusion::Norm;
use super::mapping::Mapping;
use super::mul_mm::{Epilogue, Matrices, Size, mul_mm, mul_mm_with};
use super::mul_mm_tensor::{Results, multiply as multiply_tensors};
use super::mul_panel::mul_panel;
use crate::bindings::mul_mv::{self, Constants, Params};
use crate::{Error, Result};
use mettle_gpu::{Buffer, Device, Format, Pass, Tensor};

const OP: Op = Op("mul_mat");

/// Columns that a GPU takes in one pass over the weights, at most: `MAX_COLUMNS` of `mettle/mul_mv.h`.
const MAX_COLUMNS: usize = 16;

/// Columns that a thread takes together where it computes a row by itself, at most: `FEW_COLUMNS` of `mettle/mul_mv.h`.
const FEW_COLUMNS: usize = 4;

/// Rows that a threadgroup computes together, or has on their way, with up to `FEW_COLUMNS`: `ROWS` of `mul_mv.metal`, `BATCH` of
/// `mettle/staged.h`.
const ROWS: usize = 4;

/// `GATE` of `mettle/mul_mv.h`, in the bits of its `FUSED`.
const GATE: u32 = 4;

/// SIMD groups of a threadgroup, which share the values of a row, or the digits of x.
const SIMD_GROUPS: usize = 4;

/// Bytes of the vectors that a GPU loads.
const VECTOR: usize = 16;

/// `out = x w^T` with accumulation in f32: `out[c, r] = sum over i of w[r, i] * x[c, i]`. `w` is `[n, k]` in any format that is
/// [decoded](super::decodes), `x` is f32 `[m, k]`, with or without gaps between its rows, `out` is f32 `[m, n]`. [`Choice`] says which kernel
/// multiplies. With weights of F16, `x` and `out` may be F16, too, and with MLX's affine ones BF16: then `x` has no gaps, and results are rounded once.
///
/// GPUs multiply many columns by tiles, with factors of 16 bits: for f16 and quantised weights both are rounded to half (x is scaled, so that none
/// of it is too large), and a product is off by up to 2^-10 of it; for bf16 and f32 weights each factor is the sum of two bfloats, and a product is
/// off by up to 2^-16. Those with units for tensor operations do the same with these, but that factors of f32 are multiplied as they are.
///
/// # Errors
/// [`Error::Unsupported`] for weights of another format; [`Error::Argument`] for other formats or shapes or gaps; those
/// of the launch, when `out` shares memory with an input among others.
pub fn mul_mat(pass: &mut Pass, w: &Tensor, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let shape = [1, x.rows(), w.rows(), w.columns()];
    let choice = Choice::of(pass.device(), w.format(), shape);
    if x.format() == Format::F32 {
        return by(pass, OP, choice.way, 1, w, x, out);
    }
    match tiles_of(choice.way) {
        Some(size) if (w.format(), x.format()) == (Format::F16, Format::F16) => {
            OP.dense("x", x)?;
            mul_mm_with(pass, OP, size, w, x, Epilogue::None, out)
        }
        _ => mul_mat_beside(pass, w, x, Beside::default(), out),
    }
}

/// The size of tiles where a product takes such a way: those of tensor operations have no epilogues and no results of sixteen bits.
pub(super) fn tiles_of(way: Way) -> Option<Size> {
    match way {
        Way::Tiles(tiles) => Some(tiles.size),
        Way::Tensors { .. } => Some(Size::Small),
        Way::Few | Way::Panels => None,
    }
}

/// `out[b] = x[b] w[b]^T`: [`mul_mat`] for each of as many matrices. `w` is `[batches, n, k]`, `x` is `[batches, m, k]`, `out` is `[batches, m, n]`. One
/// matrix for all batches needs nothing of its own: to [`mul_mat`] their rows are rows.
///
/// # Errors
/// As for [`mul_mat`].
pub fn mul_mat_batched(pass: &mut Pass, w: &Tensor, x: &Tensor, out: &mut Tensor) -> Result<()> {
    const OP: Op = Op("mul_mat_batched");
    let [batches, n, k] = OP.batches("w", w)?;
    let [of_x, m, _] = OP.batches("x", x)?;
    if of_x != batches {
        let reason = format!("has {of_x} matrices, must have {batches} as the weights");
        return Err(OP.refuse("x", reason));
    }
    let choice = Choice::of(pass.device(), w.format(), [batches, m, n, k]);
    by(pass, OP, choice.way, batches, w, x, out)
}

/// The products of `batches` matrices, which lie one below the other, by a way.
pub(super) fn by(
    pass: &mut Pass,
    op: Op,
    way: Way,
    batches: usize,
    w: &Tensor,
    x: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    op.dense("w", w)?;
    let (n, k, m) = (w.rows() / batches, w.columns(), x.rows() / batches);
    if let Way::Tiles(tiles) = way {
        return mul_mm(pass, op, tiles, batches, w, x, out);
    }
    if let Way::Tensors { splits } = way {
        let (matrices, results) = (Matrices::Batches(batches), Results::Rows(out));
        return multiply_tensors(pass, op, splits, w, x, matrices, results);
    }
    op.strided::<f32>("x", x, batches * m, k)?;
    op.row_stride("x", x)?;
    let results: Buffer<f32> = op.matrix("out", out, batches * m, n)?;
    let mut without_gaps = None;
    if !x.is_dense() {
        let mut dense = Tensor::empty::<f32>(pass.device(), *x.shape())?;
        copy(pass, x, &mut dense)?;
        without_gaps = Some(dense);
    }
    let x = without_gaps.as_ref().unwrap_or(x);
    let columns: Buffer<f32> = op.matrix("x", x, batches * m, k)?;
    let spread = Spread::of(pass.device(), w.format());
    for batch in 0..batches {
        let part = |tensor: &Tensor, rows: usize| -> Result<Tensor> {
            let all = tensor.reshape([batches * rows, tensor.columns()])?;
            Ok(all.rows_range(batch * rows..(batch + 1) * rows)?)
        };
        let w = &part(w, n)?;
        if way == Way::Panels {
            let range = |row: usize| batch * m * row..(batch + 1) * m * row;
            let mut results = results.slice(range(n))?;
            mul_panel(pass, w, &columns.slice(range(k))?, &mut results)?;
        } else {
            let (x, mut out) = (part(x, m)?, part(out, m)?);
            mul_mv(pass, spread, w, &x, Beside::default(), &mut out)?;
        }
    }
    Ok(())
}

/// What a launch does beside the product: a norm and other products for one column, the rest for any number.
#[derive(Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    /// Normalises x first. Not where one thread computes a row.
    pub norm: Option<Norm<'a>>,
    /// `out = silu(product) * product with these weights`, of the shape and format of the others.
    pub gated: Option<&'a Tensor>,
    /// Adds the result to what is in `out`.
    pub add: bool,
    /// `out` has the products with these weights, too, behind the first and one after the other. They have the format and the columns of
    /// the others, and one number of rows. Not with `gated` or `add`.
    pub others: Option<[&'a Tensor; 2]>,
    /// u32, which of the matrices that the weights consist of, `[experts, n, k]`, each row of `out` is made with; as many rows of `out`
    /// side by side as there are to a row of x are made of it. Not with `others`.
    pub ids: Option<&'a Tensor>,
}

impl<'a> Beside<'a> {
    /// Whether a device's kernels normalise on the way: threads that compute a row by themselves would each do it again.
    pub fn can_norm(device: &Device) -> bool {
        Mapping::of(device) == Mapping::RowPerGroup
    }

    /// The bits of `FUSED` of `mettle/mul_mv.h`.
    fn bits(self) -> u32 {
        u32::from(self.norm.is_some())
            | u32::from(self.add) << 1
            | u32::from(self.gated.is_some()) << 2
            | u32::from(self.others.is_some()) << 3
    }

    /// All weights but the first.
    fn weights(self) -> impl Iterator<Item = &'a Tensor> {
        self.gated
            .into_iter()
            .chain(self.others.into_iter().flatten())
    }
}

/// How many matrices `w` of `[experts, n, k]` consists of.
pub(super) fn experts_of(w: &Tensor) -> Result<usize> {
    match w.shape().rank() {
        3 => Ok(w.shape()[0]),
        _ => {
            let reason = format!("has shape {}, must have [experts, n, k]", w.shape());
            Err(OP.refuse("w", reason))
        }
    }
}

/// `out = x w^T` as [`mul_mat`] has it, for one row of x or one for each of the ids, and what stands in `beside` in the same launch.
pub(super) fn mul_mat_beside(
    pass: &mut Pass,
    w: &Tensor,
    x: &Tensor,
    beside: Beside<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let spread = Spread::of(pass.device(), w.format());
    mul_mv(pass, spread, w, x, beside, out)
}

fn mul_mv(
    pass: &mut Pass,
    spread: Spread,
    w: &Tensor,
    x: &Tensor,
    beside: Beside<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let k = w.columns();
    OP.dense("w", w)?;
    let (experts, m) = match beside.ids {
        Some(ids) => (experts_of(w)?, ids.len()),
        None => (1, x.rows()),
    };
    let (n, of_x) = (w.rows() / experts, x.rows());
    OP.size("x", m)?;
    let activations = x.format();
    let x = match (w.format(), activations) {
        (Format::F16, Format::F16) | (Format::Affine(_), Format::BF16) => {
            OP.matrix_of("x", x, activations, of_x, k)?
        }
        (weights, Format::F16 | Format::BF16) => {
            return Err(Error::Unsupported {
                op: OP.0,
                reason: format!(
                    "x of {activations} with weights of {weights}; there are F16 with F16, BF16 with affine ones, and F32"
                ),
            });
        }
        _ => OP.matrix_of("x", x, Format::F32, of_x, k)?,
    };
    // What is not read.
    let unread: Buffer<f32> = match activations {
        Format::F32 => x.cast()?,
        _ => pass.scratch(1)?,
    };
    let ids = match beside.ids {
        Some(ids) => OP.values("ids", ids)?,
        None => unread.cast()?,
    };
    let sharers = m / of_x;
    if sharers * of_x != m {
        let reason = format!("has {of_x} rows, which {m} ids cannot share evenly");
        return Err(OP.refuse("x", reason));
    }
    let (norm, eps) = match beside.norm {
        Some(Norm { weight, eps }) => (Some(OP.vector::<f32>("norm", weight, k)?), eps),
        None => (None, 0.0),
    };
    let rows_of_others = beside.others.map_or(0, |[second, _]| second.rows());
    for other in beside.weights() {
        OP.dense("the other weights", other)?;
        let rows = if beside.others.is_some() {
            rows_of_others
        } else {
            w.rows()
        };
        if (other.format(), other.rows(), other.columns()) != (w.format(), rows, k) {
            let (shape, format) = (other.shape(), other.format());
            return Err(OP.refuse(
                "the other weights",
                format!(
                    "have {format} of shape {shape}, must have {} of {rows} rows of {k}",
                    w.format()
                ),
            ));
        }
    }
    let value = activations.block_bytes();
    let values_aligned = (k * value).is_multiple_of(VECTOR)
        && x.alignment() >= VECTOR
        && norm.as_ref().is_none_or(|norm| norm.alignment() >= VECTOR);
    let weights_aligned = [w]
        .into_iter()
        .chain(beside.weights())
        .all(|w| w.row_bytes().is_multiple_of(VECTOR) && w.bytes().alignment() >= VECTOR);
    // Only staged rows of blocks are read as vectors: their blocks are not aligned to any.
    let spread = match spread {
        Spread::Staged if !(values_aligned && weights_aligned) => Spread::RowsPerGroup,
        spread => spread,
    };
    // Staged launches read a norm before those that they wait for are through, which may be writing x.
    let no_norm = match spread {
        Spread::Staged => w.bytes().slice(0..VECTOR.min(w.bytes().len()))?.cast()?,
        _ => unread,
    };
    let params = Params {
        rows: OP.size("w", n)?,
        rows_of_others: OP.size("the other weights", rows_of_others)?,
        k: OP.size("w", k)?,
        aligned: (values_aligned && (weights_aligned || w.format().block_len() > 1)).into(),
        eps,
        chunks: 0,
        count: 0,
        slices: 0,
        experts: beside.ids.map_or(Ok(0), |_| OP.size("w", experts))?,
        sharers: OP.size("x", sharers)?,
        columns: 0,
    };
    let out = OP.matrix_of("out", out, activations, m, n + 2 * rows_of_others)?;
    let [second, third] = match (beside.gated, beside.others) {
        (Some(gated), _) => [gated, w],
        (None, Some(others)) => others,
        (None, None) => [w, w],
    };

    // As many whole steps as there are, then the rest; columns with experts of their own are steps of their own.
    let most = match spread {
        _ if beside.ids.is_some() => 1,
        Spread::RowPerThread => FEW_COLUMNS,
        Spread::RowsPerGroup => MAX_COLUMNS,
        Spread::Staged => Staging::columns(pass.device(), w.format(), MAX_COLUMNS),
    };
    let whole = m / most * most;
    for (range, columns) in [(0..whole, most), (whole..m, m - whole)] {
        if !range.is_empty() {
            let x = match beside.ids {
                Some(_) => x.clone(),
                None => x.slice(range.start * k * value..range.end * k * value)?,
            };
            let launch = Launch {
                w,
                second,
                third,
                norm: norm.as_ref().unwrap_or(&no_norm),
                ids: &ids,
                out: match beside.others {
                    Some(_) => out.clone(),
                    None => out.slice(range.start * n * value..range.end * n * value)?,
                },
                params: Params {
                    columns: columns as u32,
                    ..params
                },
                steps: range.len() / columns,
                constants: Constants {
                    row_per_thread: spread == Spread::RowPerThread,
                    columns: match spread {
                        Spread::RowPerThread => columns as u32,
                        _ => columns.next_power_of_two() as u32,
                    },
                    staged: spread == Spread::Staged,
                    fused: beside.bits(),
                },
                x: &x,
                activations,
            };
            launch.record(pass, spread)?;
        }
    }
    Ok(())
}
