//! Matrix products of many columns: tiles in threadgroup memory, multiplied by SIMD groups.

use super::check::Op;
use super::mapping::{affine_constants, label};
use super::mul_mv::{experts_of, mul_mat, reference};
use super::round_rows::{Operand, round_rows, round_rows_in_scratch};
use super::sum_parts::sum_parts;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::FORMATS;
use crate::bindings::mul_mm::{self, Constants, Params};
use crate::bindings::mul_mm_affine;
use crate::cases::{Cases, Expected, Family, Tolerance};
use mettle_gpu::{Format, Grid, Pass, Tensor};

/// Values of k in a tile: `DEPTH` of `mul_mm.metal`.
const DEPTH: usize = 32;

/// Threads of a threadgroup: `THREADS` of `mul_mm.metal`.
const THREADS: usize = 128;

/// Bytes of threadgroup memory for each row and column of a threadgroup's results: two tiles of 32 16-bit values.
const BYTES_PER_ROW: usize = 2 * 32 * 2;

/// Bytes of the vectors that dense weights are loaded as.
const VECTOR: usize = 16;

/// Bytes of the words that blocks of 32 weights are loaded as.
const WORD: usize = 4;

/// How many results a threadgroup computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// 64 x 64.
    Small,
    /// 128 columns, and as many rows as suit the weights, for which a thread needs up to 128 registers of sums alone.
    Large,
}

impl Size {
    /// Rows and columns: `large_rows` of `mul_mm.metal`.
    fn results(self, format: Format) -> (usize, usize) {
        match (self, format) {
            (Size::Small, _) => (64, 64),
            (Size::Large, Format::F16 | Format::BF16) => (64, 128),
            (Size::Large, _) => (128, 128),
        }
    }

    /// Threadgroups for so many results.
    pub(super) fn groups(self, format: Format, m: usize, n: usize) -> usize {
        let (rows, columns) = self.results(format);
        m.div_ceil(rows) * n.div_ceil(columns)
    }

    /// Bytes of threadgroup memory.
    pub(super) fn memory(self, format: Format) -> usize {
        let (rows, columns) = self.results(format);
        (rows + columns) * BYTES_PER_ROW
    }
}

/// How a product by tiles is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiles {
    pub(super) size: Size,
    /// Threadgroups that share the k of each piece of results.
    pub(super) splits: usize,
}

/// `out = x w^T` by tiles, for each of `batches` matrices of `w` and of `x`, which lie one below the other: arguments and errors as
/// [`mul_mat`]'s, but that rows of `x` may have gaps between them.
pub(super) fn mul_mm(
    pass: &mut Pass,
    op: Op,
    tiles: Tiles,
    batches: usize,
    w: &Tensor,
    x: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let matrices = Matrices::Batches(batches);
    multiply(pass, op, tiles, w, x, matrices, out)
}

/// Rows of a piece that has one expert.
pub(super) const ROWS_OF_EXPERT: usize = 64;

/// The same where each [`ROWS_OF_EXPERT`] rows of x, of which there are whole ones, are multiplied with one of the matrices of `w`,
/// `[experts, n, k]`: `experts` says which. Where it says none, `out` is not written.
pub(super) fn mul_mm_experts(
    pass: &mut Pass,
    op: Op,
    w: &Tensor,
    x: &Tensor,
    experts: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let tiles = Tiles {
        size: Size::Small,
        splits: 1,
    };
    multiply(pass, op, tiles, w, x, Matrices::Experts(experts), out)
}

/// Which of the matrices of the weights rows are multiplied with.
#[derive(Clone, Copy)]
enum Matrices<'a> {
    /// As many rows as there are batches, in order, with one each.
    Batches(usize),
    /// Each [`ROWS_OF_EXPERT`] rows with the one that these ids say.
    Experts(&'a Tensor),
}

fn multiply(
    pass: &mut Pass,
    op: Op,
    Tiles { size, splits }: Tiles,
    w: &Tensor,
    x: &Tensor,
    matrices: Matrices<'_>,
    out: &mut Tensor,
) -> Result<()> {
    op.dense("w", w)?;
    let (batches, count, experts) = match matrices {
        Matrices::Batches(batches) => (batches, batches, None),
        Matrices::Experts(experts) => (1, experts_of(w)?, Some(experts)),
    };
    let (n, k, m) = (w.rows() / count, w.columns(), x.rows() / batches);
    op.strided::<f32>("x", x, batches * m, k)?;
    let mut out = op.matrix("out", out, batches * m, n)?;
    let operand = match w.format() {
        Format::F32 | Format::BF16 => Operand::TwoBfloats,
        _ => Operand::Half,
    };
    let (rows, columns) = size.results(w.format());
    // Rows of experts are several times those of other layers.
    let rounded = match experts {
        Some(_) => round_rows_in_scratch(pass, operand, x, rows)?,
        None => round_rows(pass, operand, x, rows)?,
    };
    // Whole tiles each, but for the last.
    let depth = (rounded.stride / DEPTH).div_ceil(splits) * DEPTH;
    let splits = rounded.stride.div_ceil(depth);
    let vector = match w.format().block_len() {
        1 => VECTOR,
        _ => WORD,
    };
    let aligned = w.row_bytes().is_multiple_of(vector) && w.bytes().alignment() >= vector;
    let params = Params {
        rows: op.size("x", m)?,
        padded: op.size("x", rounded.rows)?,
        columns: op.size("w", n)?,
        k: op.size("w", k)?,
        stride: op.size("w", rounded.stride)?,
        aligned: aligned.into(),
        experts: experts.map_or(Ok(0), |_| op.size("w", count))?,
        depth: op.size("w", depth)?,
        splits: op.size("w", splits)?,
    };
    op.size("out", batches * splits)?;
    let experts = match experts {
        Some(experts) => op.vector("experts", experts, m / ROWS_OF_EXPERT)?,
        None => rounded.scale.cast()?,
    };
    let large = size == Size::Large;
    let tiles = size.memory(w.format());
    let grid =
        Grid::groups([m.div_ceil(rows), n.div_ceil(columns), batches * splits]).threads(THREADS);
    let mut parts = match splits {
        1 => out.clone(),
        _ => pass.device().buffer(batches * splits * m * n)?,
    };
    if let Format::Affine(affine) = w.format() {
        let (bits, group, bf16) = affine_constants(affine);
        let binding = mul_mm_affine::F32 {
            w: &w.bytes().cast()?,
            x: &rounded.values,
            scale: &rounded.scale,
            experts: &experts,
            out: &mut parts,
            params: bytemuck::cast(params),
            tiles,
            constants: mul_mm_affine::Constants {
                bits,
                group,
                bf16,
                large,
            },
        };
        pass.dispatch(binding, grid)?;
    } else {
        let kernel = mul_mm::F32Of::of(w.format()).ok_or_else(|| op.no_kernel_for(w.format()))?;
        let binding = mul_mm::F32 {
            kernel,
            w: w.bytes(),
            x: &rounded.values,
            scale: &rounded.scale,
            experts: &experts,
            out: &mut parts,
            params,
            tiles,
            constants: Constants { large },
        };
        pass.dispatch(binding, grid)?;
    }
    match splits {
        1 => Ok(()),
        _ => sum_parts(pass, &parts, [batches, splits], &mut out),
    }
}

/// The kernel's name, for cases and bench entries.
fn kernel_name(format: Format) -> &'static str {
    match format {
        Format::Affine(_) => "mul_mm_affine_f32",
        _ => mul_mm::F32Of::of(format).map_or("none", mul_mm::F32Of::name),
    }
}

/// Both factors are rounded to half: each product is off by up to two times 2^-11, that is 2^-10 or 8192 steps of f32, and
/// its mean square error is at most two times 2^-22 / 3 of its square. Halves below 2^-14, of values 2^-28 times as large as
/// the largest of their row, have fewer bits and count less. The sums' own rounding comes on top.
const HALVES: Tolerance = Tolerance {
    nmse: 1.6e-7,
    steps: 8192.0 + 64.0,
};

/// Two bfloats leave out up to 2^-18 of a value, 32 steps of f32: for weights of bf16 of x, for those of f32 of x, of the
/// weights, and once more with the product that is not made. Tensor cores cut off what their sums cannot hold, up to a step
/// each of the k / 16 times.
const BFLOATS: Tolerance = Tolerance {
    nmse: 1e-10,
    steps: 3.0 * 32.0 + 64.0,
};

pub(super) fn tolerance(format: Format) -> Tolerance {
    match format {
        Format::F32 | Format::BF16 => BFLOATS,
        _ => HALVES,
    }
}

/// The cases of `mul_mm.metal`: one row and column, tiles that are not full, several threadgroups, both sizes, steps that are
/// not full for dense weights, and rows of very large and small values.
pub(crate) fn family() -> Family {
    Family::new("mul_mm", HALVES, |cases| {
        for format in FORMATS {
            let block = format.block_len().max(32);
            add(cases, Size::Small, format, (1, 1, block), 1.0);
            add(cases, Size::Small, format, (70, 66, 2 * block), 1.0);
            add(cases, Size::Large, format, (131, 17, block), 1.0);
            add_of_experts(cases, format, (5, block));
            if format.block_len() == 1 {
                add_of_experts(cases, format, (3, 45));
                add(cases, Size::Small, format, (3, 5, 45), 1.0);
                add(cases, Size::Large, format, (9, 130, 72), 1.0);
            }
        }
        for format in [
            Format::F32,
            Format::F16,
            Format::BF16,
            Format::Q4_0,
            Format::Q4_K,
        ] {
            let block = format.block_len().max(32);
            // Splits of unlike length, and more of them than there are steps.
            add_split(cases, format, [1, 5, 9, 7 * block], 3);
            add_split(cases, format, [1, 66, 70, 2 * block], 20);
            add_split(cases, format, [3, 65, 5, block], 1);
            add_split(cases, format, [2, 3, 70, 3 * block], 2);
        }
        for format in [Format::F32, Format::F16, Format::BF16, Format::Q4_0] {
            add(cases, Size::Small, format, (5, 4, 64), 1e6);
            add(cases, Size::Small, format, (5, 4, 64), 1e-30);
        }
    })
    .benches(benches)
}

/// Weights of model shapes with prompts of several lengths.
fn benches(benches: &mut Benches) {
    for format in FORMATS {
        for (m, n, k) in [
            (32, 4096, 4096),
            (512, 4096, 4096),
            (512, 14_336, 4096),
            (4096, 4096, 4096),
        ] {
            add_bench(benches, format, (m, n, k));
        }
    }
    // A prompt of 512 tokens with 8 of 128 experts each, sorted by these.
    let (format, experts, n, k) = (Format::Q8_0, 128, 768, 2048);
    let m = experts * ROWS_OF_EXPERT;
    let weights = experts * n * k / format.block_len() * format.block_bytes();
    let work = Work::new(weights + 4 * m * (n + k), 2 * n * k * m);
    let name = format!("n{n}_k{k}_m{m}_{experts}experts");
    benches.add(kernel_name(format), name, work, move |setup| {
        let w = setup.weights(format, experts * n, k)?;
        let w = w.reshape([experts, n, k])?;
        let of_pieces: Vec<u32> = (0..experts as u32).collect();
        let (x, of_pieces) = (setup.values([m, k])?, setup.of(&of_pieces)?);
        let mut out = setup.output(Format::F32, [m, n])?;
        Ok(Box::new(move |pass| {
            mul_mm_experts(pass, Op("mul_mat_sorted"), &w, &x, &of_pieces, &mut out)
        }))
    });
}

/// A product of x `[m, k]` and weights `[n, k]`.
pub(super) fn add_bench(benches: &mut Benches, format: Format, (m, n, k): (usize, usize, usize)) {
    let weights = n * k / format.block_len() * format.block_bytes();
    let work = Work::new(weights + 4 * m * (n + k), 2 * n * k * m);
    let name = format!("{}n{n}_k{k}_m{m}", label(format));
    benches.add(kernel_name(format), name, work, move |setup| {
        let w = setup.weights(format, n, k)?;
        let x = setup.values([m, k])?;
        let mut out = setup.output(Format::F32, [m, n])?;
        Ok(Box::new(move |pass| mul_mat(pass, &w, &x, &mut out)))
    });
}

/// A case of x `[m, k]`, whose rows are `scale` times as large as activations are, and weights `[n, k]`.
pub(super) fn add(
    cases: &mut Cases,
    size: Size,
    format: Format,
    (m, n, k): (usize, usize, usize),
    scale: f32,
) {
    let kernel = kernel_name(format);
    let of = label(format);
    let name = format!("{of}{size:?}_m{m}_n{n}_k{k}_scale{scale:e}").to_lowercase();
    cases.add_with(tolerance(format), kernel, name, move |run| {
        let (w, weights) = run.weights(format, n, k)?;
        let mut x = run.rng().activations(m * k);
        x.iter_mut().for_each(|x| *x *= scale);
        let xs = run.input(&x, [m, k])?;
        let mut out = run.output(Format::F32, [m, n])?;
        let tiles = Tiles { size, splits: 1 };
        run.pass(|pass| mul_mm(pass, Op("mul_mat"), tiles, 1, &w, &xs, &mut out))?;
        run.check(&out, || reference(&weights, &x, k))
    });
}

/// Batches of x `[m, k]`, whose rows have gaps between them, and of weights `[n, k]`; threadgroups share k.
fn add_split(cases: &mut Cases, format: Format, [batches, m, n, k]: [usize; 4], splits: usize) {
    const GAP: usize = 7;
    let name = format!("batches{batches}_m{m}_n{n}_k{k}_splits{splits}");
    cases.add_with(tolerance(format), kernel_name(format), name, move |run| {
        let (w, weights) = run.weights(format, batches * n, k)?;
        let x = run.rng().activations(batches * m * k);
        let with_gaps: Vec<f32> = x
            .chunks_exact(k)
            .flat_map(|row| [row, &[f32::NAN; GAP]].concat())
            .collect();
        let xs = run.input(&with_gaps, [batches * m, k + GAP])?;
        let xs = xs.columns_range(0..k)?;
        let mut out = run.output(Format::F32, [batches * m, n])?;
        let tiles = Tiles {
            size: Size::Small,
            splits,
        };
        run.pass(|pass| mul_mm(pass, Op("mul_mat"), tiles, batches, &w, &xs, &mut out))?;
        run.check(&out, || {
            let of_batches = weights.chunks_exact(n * k).zip(x.chunks_exact(m * k));
            of_batches.flat_map(|(w, x)| reference(w, x, k)).collect()
        })
    });
}

/// Pieces of rows with weights `[n, k]` of their own, one of which has none.
pub(super) fn add_of_experts(cases: &mut Cases, format: Format, (n, k): (usize, usize)) {
    const EXPERTS: usize = 3;
    const OF_PIECES: [u32; 3] = [2, u32::MAX, 0];
    let name = format!("{}of_experts_n{n}_k{k}", label(format));
    cases.add_with(tolerance(format), kernel_name(format), name, move |run| {
        let rows = OF_PIECES.len() * ROWS_OF_EXPERT;
        let (w, weights) = run.weights(format, EXPERTS * n, k)?;
        let w = w.reshape([EXPERTS, n, k])?;
        let x = run.rng().activations(rows * k);
        let xs = run.input(&x, [rows, k])?;
        let experts = run.input(&OF_PIECES, [OF_PIECES.len()])?;
        let mut out = run.output(Format::F32, [rows, n])?;
        run.pass(|pass| mul_mm_experts(pass, Op("mul_mat_sorted"), &w, &xs, &experts, &mut out))?;
        run.check(&out, || {
            reference_of_experts(&weights, &x, [n, k], &OF_PIECES, ROWS_OF_EXPERT)
        })
    });
}

/// Products of pieces of `step` rows with the matrices `[n, k]` of their experts, where they have one.
pub(super) fn reference_of_experts(
    weights: &[f32],
    x: &[f32],
    [n, k]: [usize; 2],
    experts: &[u32],
    step: usize,
) -> Vec<Expected> {
    let pieces = experts.iter().zip(x.chunks_exact(step * k));
    pieces
        .flat_map(|(&expert, x)| {
            let matrix = weights.chunks_exact(n * k).nth(expert as usize);
            match matrix {
                Some(matrix) => reference(matrix, x, k),
                None => vec![Expected::untouched(); step * n],
            }
        })
        .collect()
}
