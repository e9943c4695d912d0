//! Matrix products with weights in one of MLX's affine formats. [`mul_mat`](super::mul_mat()) takes it for them.

use super::check::Op;
use super::mapping::{Mapping, rows_per_group};
use super::mul_mv::reference;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::mul_mv_affine::{Constants, F32, Params};
use crate::cases::{Cases, Family, Run, Tolerance};
use mettle_gpu::{Affine, AffineScales, Buffer, Format, Grid, Pass, Tensor};

/// Columns that a launch takes in one pass over the weights, at most: `MAX_COLUMNS` of `mul_mv_affine.metal`.
const MAX_COLUMNS: usize = 4;

/// Rows that a SIMD group takes together: `ROWS` of `mul_mv_affine.metal`.
const ROWS: usize = 4;

/// SIMD groups of a threadgroup.
const SIMD_GROUPS: usize = 4;

/// `out = x w^T` for weights of the format `affine`.
pub(super) fn mul_mv_affine(
    pass: &mut Pass,
    op: Op,
    mapping: Mapping,
    affine: Affine,
    w: &Tensor,
    x: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let (n, k, m) = (w.rows(), w.columns(), x.rows());
    op.dense("w", w)?;
    let x: Buffer<f32> = op.matrix("x", x, m, k)?;
    let out: Buffer<f32> = op.matrix("out", out, m, n)?;
    // As many whole steps of four columns as there are, then the rest.
    let whole = m / MAX_COLUMNS * MAX_COLUMNS;
    for (range, columns) in [(0..whole, MAX_COLUMNS), (whole..m, m - whole)] {
        if range.is_empty() {
            continue;
        }
        let steps = range.len() / columns;
        let kernel = F32 {
            w: w.bytes(),
            x: &x.slice(range.start * k..range.end * k)?,
            out: &mut out.slice(range.start * n..range.end * n)?,
            params: Params {
                rows: op.size("w", n)?,
                k: op.size("w", k)?,
                columns: columns as u32,
            },
            constants: Constants {
                bits: affine.bits() as u32,
                group: affine.group() as u32,
                bf16: affine.scales() == AffineScales::BF16,
                row_per_thread: mapping.row_per_thread(),
            },
        };
        let grid = match mapping {
            Mapping::RowPerThread => {
                let threads = rows_per_group(n, k * columns);
                Grid::threads_total([steps, n]).threads([1, threads])
            }
            Mapping::RowPerGroup => {
                Grid::groups([steps, n.div_ceil(ROWS * SIMD_GROUPS)]).threads(32 * SIMD_GROUPS)
            }
        };
        pass.dispatch(kernel, grid)?;
    }
    Ok(())
}

/// The cases of `mul_mv_affine.metal`: for every format rows that do not fill a SIMD group's and more columns than a launch takes; one
/// row and one group, long rows, and several threadgroups.
pub(crate) fn family() -> Family {
    Family::new("mul_mv_affine", Tolerance::MATMUL, |cases| {
        for mapping in Mapping::ALL {
            for affine in Affine::ALL {
                add(cases, mapping, affine, [7, 384, 7]);
            }
            let some = Affine::new(4, 64, AffineScales::BF16);
            for affine in some
                .into_iter()
                .chain(Affine::new(3, 128, AffineScales::F16))
            {
                add(cases, mapping, affine, [1, 128, 1]);
                add(cases, mapping, affine, [130, 512, 2]);
                add(cases, mapping, affine, [3, 16 * 1024, 3]);
            }
        }
    })
    .benches(benches)
}

/// The formats that MLX makes by default, in model shapes, one column as in decoding.
fn benches(benches: &mut Benches) {
    let formats = [4, 8].map(|bits| Affine::new(bits, 64, AffineScales::BF16));
    for format in formats.into_iter().flatten().map(Format::Affine) {
        for (n, k) in [(4096, 4096), (14_336, 4096), (4096, 14_336)] {
            let weights = n * k / format.block_len() * format.block_bytes();
            let work = Work::new(weights + 4 * (n + k), 2 * n * k);
            let shape = format!("{}_n{n}_k{k}_m1", format.name().to_lowercase());
            benches.add("mul_mv_affine_f32", shape, work, move |setup| {
                let w = setup.weights(format, n, k)?;
                let x = setup.values([1, k])?;
                let mut out = setup.output(Format::F32, [1, n])?;
                Ok(Box::new(move |pass| super::mul_mat(pass, &w, &x, &mut out)))
            });
        }
    }
}

fn add(cases: &mut Cases, mapping: Mapping, affine: Affine, [n, k, m]: [usize; 3]) {
    let format = Format::Affine(affine);
    let (spread, of) = (mapping.name(), format.name().to_lowercase());
    let name = format!("{spread}_{of}_n{n}_k{k}_m{m}");
    cases.add("mul_mv_affine_f32", name, move |run: &mut Run<'_>| {
        let (w, weights) = run.weights(format, n, k)?;
        let x = run.rng().activations(m * k);
        let xs = run.input(&x, [m, k])?;
        let mut out = run.output(Format::F32, [m, n])?;
        run.pass(|pass| mul_mv_affine(pass, Op("mul_mat"), mapping, affine, &w, &xs, &mut out))?;
        run.check(&out, || reference(&weights, &x, k))
    });
}
