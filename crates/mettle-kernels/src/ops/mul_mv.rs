//! Matrix products with weights of any format, a few columns at a time.

use super::check::Op;
use super::embedding::{FORMATS, kernel_part};
use super::mapping::{Mapping, WIDE, rows_per_group};
use super::mul_mm::{MIN_COLUMNS, mul_mm};
use crate::bench::{Benches, Work};
use crate::bindings::mul_mv::{self, Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use crate::{Error, Result};
use mettle_gpu::{Buffer, Device, Format, Grid, Pass, Tensor};

const OP: Op = Op("mul_mat");

/// Columns that a launch takes in one pass over the weights, at most: `MAX_COLUMNS` of `mul_mv.metal`.
const MAX_COLUMNS: usize = 4;

/// Rows that a threadgroup computes together: `ROWS` of `mul_mv.metal`.
const ROWS: usize = 4;

/// SIMD groups of a threadgroup, which share the values of a row.
const SIMD_GROUPS: usize = 4;

/// Bytes of the vectors that a GPU loads.
const VECTOR: usize = 16;

/// How a launch is spread over threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    /// One thread a row.
    RowPerThread,
    /// A threadgroup for four rows.
    RowsPerGroup,
    /// A SIMD group for four rows, whose blocks go through threadgroup memory.
    Staged,
}

impl Spread {
    const ALL: [Spread; 3] = [Spread::RowPerThread, Spread::RowsPerGroup, Spread::Staged];

    /// The one that suits a device and weights. Staging takes up to 30 KB of threadgroup memory for 128 threads. Where as
    /// many threadgroups as hide the latency of memory have that together, it wins; elsewhere it would leave compute units
    /// idle.
    fn of(device: &Device, format: Format) -> Spread {
        const GROUPS: usize = 4;
        let limits = device.limits();
        match Mapping::of(device) {
            Mapping::RowPerThread => Spread::RowPerThread,
            Mapping::RowPerGroup
                if format.block_len() > 1
                    && limits.resident_threadgroup_memory
                        >= GROUPS * limits.max_threadgroup_memory =>
            {
                Spread::Staged
            }
            Mapping::RowPerGroup => Spread::RowsPerGroup,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Spread::RowPerThread => "thread",
            Spread::RowsPerGroup => "group",
            Spread::Staged => "staged",
        }
    }
}

/// Bytes of threadgroup memory of a staged launch: `COLUMNS` columns and the rows of every SIMD group, as `Chunk` of
/// `mettle/staged.h` lays them out.
fn staged_memory(format: Format, columns: usize) -> usize {
    const LANES: usize = 32;
    let parts = if columns == 1 { 4 } else { 2 };
    let bytes = LANES * parts * WIDE / format.block_len() * format.block_bytes();
    let rows = if bytes > 320 * parts { ROWS / 2 } else { ROWS };
    let column = LANES * (parts * WIDE + 4) * size_of::<f32>();
    columns * column + SIMD_GROUPS * rows * bytes.next_multiple_of(VECTOR)
}

/// `out = x w^T` with accumulation in f32: `out[c, r] = sum over i of w[r, i] * x[c, i]`. `w` is `[n, k]` in any format of
/// [`FORMATS`], `x` is f32 `[m, k]`, `out` is f32 `[m, n]`.
///
/// GPUs multiply many columns by tiles, with factors of 16 bits: for f16 and quantised weights both are rounded to half (x is scaled, so that none
/// of it is too large), and a product is off by up to 2^-10 of it; for bf16 and f32 weights each factor is the sum of two bfloats, and a product is
/// off by up to 2^-16.
///
/// # Errors
/// [`Error::Unsupported`] for weights of another format; [`Error::Argument`] for other formats or shapes or gaps; those
/// of the launch, when `out` shares memory with an input among others.
pub fn mul_mat(pass: &mut Pass, w: &Tensor, x: &Tensor, out: &mut Tensor) -> Result<()> {
    if Mapping::of(pass.device()) == Mapping::RowPerGroup && x.rows() >= MIN_COLUMNS {
        return mul_mm(pass, OP, w, x, out);
    }
    let spread = Spread::of(pass.device(), w.format());
    spread_out(pass, spread, w, x, out)
}

fn spread_out(
    pass: &mut Pass,
    spread: Spread,
    w: &Tensor,
    x: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let (n, k, m) = (w.rows(), w.columns(), x.rows());
    OP.dense("w", w)?;
    OP.size("x", m)?;
    let x: Buffer<f32> = OP.matrix("x", x, m, k)?;
    // Quantised weights are read as vectors only when they are staged: their blocks are not aligned to any.
    let vectors = w.format().block_len() == 1 || spread == Spread::Staged;
    let aligned = (k * size_of::<f32>()).is_multiple_of(VECTOR)
        && x.alignment() >= VECTOR
        && (!vectors || w.row_bytes().is_multiple_of(VECTOR) && w.bytes().alignment() >= VECTOR);
    let params = Params {
        rows: OP.size("w", n)?,
        k: OP.size("w", k)?,
        aligned: aligned.into(),
    };
    let out: Buffer<f32> = OP.matrix("out", out, m, n)?;

    // As many whole steps of four columns as there are, then the rest.
    let whole = m / MAX_COLUMNS * MAX_COLUMNS;
    for (range, columns) in [(0..whole, MAX_COLUMNS), (whole..m, m - whole)] {
        if !range.is_empty() {
            let x = x.slice(range.start * k..range.end * k)?;
            let out = out.slice(range.start * n..range.end * n)?;
            launch(
                pass,
                spread,
                w,
                params,
                x,
                out,
                range.len() / columns,
                columns,
            )?;
        }
    }
    Ok(())
}

/// One launch of `steps` times `columns` columns.
#[expect(
    clippy::too_many_arguments,
    reason = "what a launch is made of, in one place"
)]
fn launch(
    pass: &mut Pass,
    spread: Spread,
    w: &Tensor,
    params: Params,
    x: Buffer<f32>,
    mut out: Buffer<f32>,
    steps: usize,
    columns: usize,
) -> Result<()> {
    let rows = w.rows();
    let staged = spread == Spread::Staged;
    let grid = match spread {
        Spread::RowPerThread => {
            let threads = rows_per_group(rows, w.row_bytes() / 4 * columns);
            Grid::threads_total([steps, rows]).threads([1, threads])
        }
        Spread::RowsPerGroup => {
            Grid::groups([steps, rows.div_ceil(ROWS)]).threads(32 * SIMD_GROUPS)
        }
        Spread::Staged => {
            Grid::groups([steps, rows.div_ceil(ROWS * SIMD_GROUPS)]).threads(32 * SIMD_GROUPS)
        }
    };
    let memory = match spread {
        Spread::Staged => staged_memory(w.format(), columns),
        Spread::RowsPerGroup => SIMD_GROUPS * ROWS * MAX_COLUMNS * size_of::<f32>(),
        // Metal binds no empty memory.
        Spread::RowPerThread => VECTOR,
    };
    let constants = Constants {
        row_per_thread: spread == Spread::RowPerThread,
        columns: columns as u32,
        staged,
    };
    macro_rules! dispatch {
        ($($format:ident: $kernel:ident),*) => {
            match w.format() {
                $(Format::$format => {
                    let w = &w.buffer()?;
                    pass.dispatch(mul_mv::$kernel { w, x: &x, out: &mut out, params, memory, constants }, grid)?;
                })*
                format => {
                    return Err(Error::Unsupported {
                        op: OP.0,
                        reason: format!("weights of {format}; there are {FORMATS:?}"),
                    });
                }
            }
        };
    }
    dispatch!(
        F32: F32F32, F16: F16F32, BF16: Bf16F32, Q4_0: Q4_0F32, Q4_1: Q4_1F32, Q5_0: Q5_0F32, Q5_1: Q5_1F32,
        Q8_0: Q8_0F32, Q4_K: Q4KF32, Q5_K: Q5KF32, Q6_K: Q6KF32
    );
    Ok(())
}

/// The cases of `mul_mv.metal`: one row, one block, rows that do not fill threadgroups, every number of columns, more
/// columns than a launch takes, several threadgroups, long rows, and for dense weights rows that end within a sixteen.
pub(crate) fn family() -> Family {
    Family::new("mul_mv", Tolerance::MATMUL, |cases| {
        let every = Spread::ALL
            .into_iter()
            .flat_map(|spread| FORMATS.map(|format| (spread, format)));
        for (spread, format) in every {
            let dense = format.block_len() == 1;
            if spread == Spread::Staged && dense {
                continue;
            }
            let block = format.block_len().max(32);
            for m in 1..=MAX_COLUMNS {
                add(cases, spread, format, 7, 3 * block, m);
            }
            add(cases, spread, format, 1, block, 1);
            add(cases, spread, format, 5, block, 11);
            add(cases, spread, format, 130, 512, 1);
            add(cases, spread, format, 3, 16 * 1024, 2);
            add(cases, spread, format, 6, 10 * 1024 + 512, 1);
            if dense {
                add(cases, spread, format, 3, 1, 1);
                add(cases, spread, format, 6, 45, 3);
                add(cases, spread, format, 2, 1037, 4);
            }
        }
    })
    .benches(benches)
}

/// Weights of model shapes, one column as in decoding, and four columns; in the commonest formats also an output layer.
fn benches(benches: &mut Benches) {
    const OUTPUT: [Format; 5] = [
        Format::F16,
        Format::Q4_0,
        Format::Q8_0,
        Format::Q4_K,
        Format::Q6_K,
    ];
    for format in FORMATS {
        let mut shapes = vec![
            (4096, 4096, 1),
            (14_336, 4096, 1),
            (4096, 14_336, 1),
            (4096, 4096, 4),
        ];
        if OUTPUT.contains(&format) {
            shapes.push((128_256, 4096, 1));
        }
        for (n, k, m) in shapes {
            let weights = n * k / format.block_len() * format.block_bytes();
            let work = Work::new(weights + 4 * m * (n + k), 2 * n * k * m);
            let kernel = format!("mul_mv_{}_f32", kernel_part(format));
            benches.add(kernel, format!("n{n}_k{k}_m{m}"), work, move |setup| {
                let w = setup.weights(format, n, k)?;
                let x = setup.values([m, k])?;
                let mut out = setup.output(Format::F32, [m, n])?;
                Ok(Box::new(move |pass| mul_mat(pass, &w, &x, &mut out)))
            });
        }
    }
}

fn add(cases: &mut Cases, spread: Spread, format: Format, n: usize, k: usize, m: usize) {
    let kernel = format!("mul_mv_{}_f32", kernel_part(format));
    let name = format!("{}_n{n}_k{k}_m{m}", spread.name());
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let (w, weights) = run.weights(format, n, k)?;
        let x = run.rng().activations(m * k);
        let xs = run.input(&x, [m, k])?;
        let mut out = run.output(Format::F32, [m, n])?;
        run.pass(|pass| spread_out(pass, spread, &w, &xs, &mut out))?;
        run.check(&out, || reference(&weights, &x, k))
    });
}

pub(super) fn reference(weights: &[f32], x: &[f32], k: usize) -> Vec<Expected> {
    let product = |w: &[f32], x: &[f32]| {
        let terms = || w.iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x));
        Expected::near(terms().sum(), terms().map(f64::abs).sum())
    };
    x.chunks_exact(k)
        .flat_map(|x| weights.chunks_exact(k).map(move |w| product(w, x)))
        .collect()
}
