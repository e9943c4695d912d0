//! Matrix products of many columns by tensor operations, for GPUs that have units for them.

use super::check::Op;
use super::copy::permute;
use super::mapping::{affine_constants, label};
use super::mul_mm::cases::{By, add, add_of_experts, add_split, tolerance};
use super::mul_mm::{Extent, Matrices, operand};
use super::mul_mv::{Choice, Way, mul_mat, reference};
use super::round_rows::{Rounded, round_rows};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::FORMATS;
use crate::bindings::mul_mm_tensor::{Bf16, Bf16Of, F32, F32Of, Params};
use crate::bindings::mul_mm_tensor_affine as affine;
use crate::cases::{Cases, Expected, Family};
use half::bf16;
use mettle_gpu::{Buffer, Format, Pass, Tensor};

const BY_HEAD: Op = Op("mul_mat_by_head");

/// Rows and columns of a piece of results: `PIECE` of `mul_mm_tensor.metal`.
pub(super) const PIECE: usize = 64;

/// Bytes of the tiles of decoded weights: two of 64 x 32 halves.
const TILES: usize = 2 * PIECE * 32 * 2;

/// Bytes of the vectors that dense weights are loaded as.
const VECTOR: usize = 16;

/// Where results go.
pub(super) enum Results<'a> {
    /// f32, `[batches * m, n]`.
    Rows(&'a mut Tensor),
    /// bf16, `[n / head, m, head]`, of one batch.
    Heads(&'a mut Tensor),
}

/// `out = x w^T` by tensor operations: `w` is `[n, k]` for each of the matrices, `x` is f32, of `k` columns, with or without gaps between its rows.
/// `splits` threadgroups at most share the k of a piece of results; one of results by head.
pub(super) fn multiply(
    pass: &mut Pass,
    op: Op,
    splits: usize,
    w: &Tensor,
    x: &Tensor,
    matrices: Matrices<'_>,
    results: Results<'_>,
) -> Result<()> {
    op.strided::<f32>("x", x, x.rows(), w.columns())?;
    let extent = Extent::of(op, splits, w, x.rows(), matrices)?;
    let operand = operand(w.format());
    let mut memory = extent.memory(pass, operand, PIECE, false)?;
    let rounded = match w.format() {
        // Products of floats are of x as it is.
        Format::F32 => {
            let values: Buffer<f32> = op.strided("x", x, extent.batches * extent.m, extent.k)?;
            Rounded {
                values: values.cast()?,
                scale: values,
                stride: op.row_stride("x", x)? as usize,
                rows: extent.batches * extent.m,
            }
        }
        _ => round_rows(pass, operand, x, PIECE, &mut memory)?,
    };
    let head = match &results {
        Results::Rows(_) => 0,
        Results::Heads(out) => out.columns(),
    };
    let aligned = w.row_bytes().is_multiple_of(VECTOR) && w.bytes().alignment() >= VECTOR;
    let params = Params {
        rows: op.size("x", extent.m)?,
        padded: op.size("x", rounded.rows)?,
        columns: op.size("w", extent.n)?,
        k: op.size("w", extent.k)?,
        stride: op.size("x", rounded.stride)?,
        aligned: aligned.into(),
        experts: extent.experts(op)?,
        depth: op.size("w", extent.depth)?,
        splits: op.size("w", extent.splits)?,
        head: op.size("out", head)?,
    };
    let launch = Launch {
        op,
        w,
        rounded: &rounded,
        experts: &extent.ids(op, &rounded.scale)?,
        params,
        extent: &extent,
    };
    match results {
        Results::Rows(out) => {
            let mut out = op.matrix("out", out, extent.batches * extent.m, extent.n)?;
            let mut parts = extent.parts(pass, &mut memory, &out)?;
            launch.rows(pass, &mut parts)?;
            extent.sum(pass, &parts, &mut out)
        }
        Results::Heads(out) => {
            let mut out = op.values("out", out)?;
            launch.heads(pass, &mut out)
        }
    }
}

/// What the kernels for both kinds of results are given.
struct Launch<'a> {
    op: Op,
    w: &'a Tensor,
    rounded: &'a Rounded,
    experts: &'a Buffer<u32>,
    params: Params,
    extent: &'a Extent<'a>,
}

impl Launch<'_> {
    fn tiles(&self) -> usize {
        match self.w.format().block_len() {
            // What can be bound at all.
            1 => VECTOR,
            _ => TILES,
        }
    }

    fn rows(&self, pass: &mut Pass, out: &mut Buffer<f32>) -> Result<()> {
        let Rounded { values, scale, .. } = self.rounded;
        let grid = self.extent.grid([PIECE, PIECE]);
        if let Format::Affine(format) = self.w.format() {
            let (bits, group, bf16) = affine_constants(format);
            let binding = affine::F32 {
                w: &self.w.bytes().cast()?,
                x: values,
                scale,
                experts: self.experts,
                out,
                params: bytemuck::cast(self.params),
                tiles: self.tiles(),
                constants: affine::Constants { bits, group, bf16 },
            };
            return Ok(pass.dispatch(binding, grid)?);
        }
        let format = self.w.format();
        let binding = F32 {
            kernel: F32Of::of(format).ok_or_else(|| self.op.no_kernel_for(format))?,
            w: self.w.bytes(),
            x: values,
            scale,
            experts: self.experts,
            out,
            params: self.params,
            tiles: self.tiles(),
        };
        Ok(pass.dispatch(binding, grid)?)
    }

    fn heads(&self, pass: &mut Pass, out: &mut Buffer<bf16>) -> Result<()> {
        let Rounded { values, scale, .. } = self.rounded;
        let grid = self.extent.grid([PIECE, PIECE]);
        if let Format::Affine(format) = self.w.format() {
            let (bits, group, bf16) = affine_constants(format);
            let binding = affine::Bf16 {
                w: &self.w.bytes().cast()?,
                x: values,
                scale,
                experts: self.experts,
                out,
                params: bytemuck::cast(self.params),
                tiles: self.tiles(),
                constants: affine::Constants { bits, group, bf16 },
            };
            return Ok(pass.dispatch(binding, grid)?);
        }
        let format = self.w.format();
        let binding = Bf16 {
            kernel: Bf16Of::of(format).ok_or_else(|| self.op.no_kernel_for(format))?,
            w: self.w.bytes(),
            x: values,
            scale,
            experts: self.experts,
            out,
            params: self.params,
            tiles: self.tiles(),
        };
        Ok(pass.dispatch(binding, grid)?)
    }
}

/// `out[h, c, i] = sum over j of w[h * head + i, j] * x[c, j]`: [`mul_mat`] with results that are apart by head, as attention over a prompt reads
/// them, rounded to bf16. `w` is `[n, k]` in any format that is [decoded](super::decodes), `x` is f32 `[m, k]`, with or without gaps between its
/// rows, `out` is bf16 `[n / head, m, head]`. See [`mul_mat`] for how exact products are.
///
/// # Errors
/// As for [`mul_mat`].
pub fn mul_mat_by_head(pass: &mut Pass, w: &Tensor, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let [heads, of_out, head] = BY_HEAD.batches("out", out)?;
    let (m, n, k) = (x.rows(), w.rows(), w.columns());
    if out.format() != Format::BF16 || heads * head != n || of_out != m {
        let shape = out.shape();
        let reason = format!(
            "is {} {shape}, must be BF16 [{n} / head, {m}, head]",
            out.format()
        );
        return Err(BY_HEAD.refuse("out", reason));
    }
    BY_HEAD.dense("out", out)?;
    let choice = Choice::of(pass.device(), w.format(), [1, m, n, k]);
    if let Way::Tensors { .. } = choice.way {
        let results = Results::Heads(out);
        return multiply(pass, BY_HEAD, 1, w, x, Matrices::Batches(1), results);
    }
    let mut rows = Tensor::empty::<f32>(pass.device(), [m, n])?;
    mul_mat(pass, w, x, &mut rows)?;
    permute(pass, &rows.reshape([m, heads, head])?, &[1, 0, 2], out)
}

/// The cases of `mul_mm_tensor.metal`: one row and column, pieces that are not full, several threadgroups, k that is no multiple of anything for dense
/// weights, splits, batches, experts, results by head, and rows of very large and small values.
pub(crate) fn family() -> Family {
    Family::new("mul_mm_tensor", tolerance(Format::F16), |cases| {
        for format in FORMATS {
            let block = format.block_len().max(32);
            add(cases, By::Tensors, format, (70, 66, 2 * block), 1.0);
            add_heads(cases, format, [66, 70, block], 10);
        }
        for format in [Format::Q8_0, Format::Q6_K] {
            add_of_experts(cases, By::Tensors, format, (5, format.block_len().max(32)));
        }
        for format in [Format::F32, Format::F16, Format::BF16, Format::Q4_0] {
            let block = format.block_len().max(32);
            add(cases, By::Tensors, format, (1, 1, block), 1.0);
            add(cases, By::Tensors, format, (5, 4, 64), 1e6);
            add(cases, By::Tensors, format, (5, 4, 64), 1e-30);
            add_of_experts(cases, By::Tensors, format, (5, block));
            add_split(cases, By::Tensors, format, [1, 5, 9, 7 * block], 3);
            add_split(cases, By::Tensors, format, [2, 3, 70, 3 * block], 2);
            if format.block_len() == 1 {
                add(cases, By::Tensors, format, (3, 5, 45), 1.0);
                add(cases, By::Tensors, format, (9, 130, 72), 1.0);
            }
        }
    })
    .benches(benches)
}

fn benches(benches: &mut Benches) {
    add_benches(benches, FORMATS);
}

/// Results of 64 rows: without units for tensor operations they take long.
pub(super) fn add_benches(benches: &mut Benches, formats: impl IntoIterator<Item = Format>) {
    let (m, n, k) = (64, 1024, 4096);
    for format in formats {
        let weights = n * k / format.block_len() * format.block_bytes();
        let work = Work::new(weights + 4 * m * (n + k), 2 * n * k * m);
        let name = format!("{}n{n}_k{k}_m{m}", label(format));
        benches.add(By::Tensors.kernel(format), name, work, move |setup| {
            let w = setup.weights(format, n, k)?;
            let x = setup.values([m, k])?;
            let mut out = setup.output(Format::F32, [m, n])?;
            Ok(Box::new(move |pass| {
                By::Tensors.multiply(pass, [1, 1], &w, &x, &mut out)
            }))
        });
        let name = format!("{}heads_n{n}_k{k}_m{m}", label(format));
        let work = Work::new(weights + m * (4 * k + 2 * n), 2 * n * k * m);
        benches.add(kernel_by_head(format), name, work, move |setup| {
            let w = setup.weights(format, n, k)?;
            let x = setup.values([m, k])?;
            let mut out = setup.output(Format::BF16, [n / 128, m, 128])?;
            Ok(Box::new(move |pass| {
                let results = Results::Heads(&mut out);
                multiply(pass, BY_HEAD, 1, &w, &x, Matrices::Batches(1), results)
            }))
        });
    }
}

/// The kernel of results by head.
fn kernel_by_head(format: Format) -> &'static str {
    match format {
        Format::Affine(_) => "mul_mm_tensor_affine_bf16",
        _ => Bf16Of::of(format).map_or("none", Bf16Of::name),
    }
}

/// A case of results by head of x `[m, k]` and weights `[n, k]`.
pub(super) fn add_heads(cases: &mut Cases, format: Format, [m, n, k]: [usize; 3], head: usize) {
    let name = format!("{}heads_m{m}_n{n}_k{k}", label(format));
    cases.add_with(
        tolerance(format),
        kernel_by_head(format),
        name,
        move |run| {
            let (w, weights) = run.weights(format, n, k)?;
            let x = run.rng().activations(m * k);
            let xs = run.input(&x, [m, k])?;
            let mut out = run.output(Format::BF16, [n / head, m, head])?;
            run.pass(|pass| {
                let results = Results::Heads(&mut out);
                multiply(pass, BY_HEAD, 1, &w, &xs, Matrices::Batches(1), results)
            })?;
            run.check(&out, || {
                let rows = reference(&weights, &x, k);
                let by_head = (0..n / head).flat_map(|h| (0..m).map(move |c| (h, c)));
                let places =
                    by_head.flat_map(|(h, c)| (0..head).map(move |i| c * n + h * head + i));
                places.map(|place| rows[place]).collect::<Vec<Expected>>()
            })
        },
    );
}
