//! Matrix products with weights of any format, a few columns at a time.

use super::check::Op;
use super::fusion::Norm;
use super::mapping::{Mapping, WIDE, rows_per_group};
use super::mul_mm::{MIN_COLUMNS, mul_mm};
use super::mul_mv_affine::mul_mv_affine;
use super::mul_panel::{self, mul_panel};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::FORMATS;
use crate::bindings::mul_mv::{self, Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Scales, Tolerance};
use mettle_gpu::{Buffer, Device, Format, Grid, Pass, Tensor};

const OP: Op = Op("mul_mat");

/// Columns that a launch takes in one pass over the weights, at most: `MAX_COLUMNS` of `mul_mv.metal`.
const MAX_COLUMNS: usize = 4;

/// Rows that a threadgroup computes together, or has on their way: `ROWS` of `mul_mv.metal`, `BATCH` of `mettle/staged.h`.
const ROWS: usize = 4;

/// `GATE` of `mul_mv.metal`, in the bits of its `FUSED`.
const GATE: u32 = 4;

/// SIMD groups of a threadgroup, which share the values of a row, or the digits of x.
const SIMD_GROUPS: usize = 4;

/// Bytes of the vectors that a GPU loads.
const VECTOR: usize = 16;

/// How a thread multiplies rows by digits of x: `mettle/rows_by_digits.h`.
struct RowsByDigits {
    /// Rows of a thread: enough that making digits is little beside, few enough that threads are about equally busy.
    rows: usize,
    /// Bytes of threadgroup memory.
    memory: usize,
}

impl RowsByDigits {
    /// `None` for formats that are not multiplied by digits.
    fn of(device: &Device, w: &Tensor) -> Option<RowsByDigits> {
        /// `DIGITS_AT_A_TIME`, and the sixteens of a unit's digits that are no values.
        const AT_A_TIME: usize = 2048;
        const BESIDE: usize = 2;
        /// Threads for each processor.
        const THREADS: usize = 8;
        // `TogetherByDigits`.
        let together = match w.format() {
            Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 => 2,
            Format::Q4_K | Format::Q5_K => 2,
            Format::Q6_K => 1,
            _ => return None,
        };
        let units = AT_A_TIME / (4 * together * WIDE);
        let words = (3 * together + BESIDE) * WIDE;
        let processors = device.limits().compute_units.max(1) as usize;
        let rows = w.rows() / (THREADS * processors);
        Some(RowsByDigits {
            rows: rows.clamp(16, 128),
            memory: 2 * units * words * size_of::<f32>(),
        })
    }
}

/// How a launch is spread over threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    /// One thread a row.
    RowPerThread,
    /// A threadgroup for four rows.
    RowsPerGroup,
    /// A SIMD group for four rows, whose blocks go through threadgroup memory and meet the digits of x there.
    Staged,
}

impl Spread {
    const ALL: [Spread; 3] = [Spread::RowPerThread, Spread::RowsPerGroup, Spread::Staged];

    /// The one that suits a device and weights. Staging takes up to 32 KB of threadgroup memory for 128 threads. Where as
    /// many threadgroups as hide the latency of memory have that together, it wins; elsewhere it would leave compute units
    /// idle.
    fn of(device: &Device, format: Format) -> Spread {
        const GROUPS: usize = 4;
        let limits = device.limits();
        match Mapping::of(device) {
            Mapping::RowPerThread => Spread::RowPerThread,
            Mapping::RowPerGroup
                if has_whole_numbers(format)
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

/// Whether the values of a format are whole numbers of a byte times a scale, which products with digits are made of: `whole_numbers`
/// of `mettle/formats/block.h`.
fn has_whole_numbers(format: Format) -> bool {
    format.block_len() > 1 && !matches!(format, Format::F8_E4M3 | Format::F8_E5M2)
}

/// How a staged launch of `mul_mv.metal` is laid out.
struct Staging {
    /// Chunks of x whose digits a threadgroup has at a time.
    chunks: usize,
    /// How often a threadgroup takes rows: making digits once for all of them is worth it when there are enough threadgroups.
    turns: usize,
    /// Bytes of threadgroup memory.
    memory: usize,
}

impl Staging {
    fn of(device: &Device, w: &Tensor, columns: usize) -> Staging {
        const LANES: usize = 32;
        /// Bytes that every device has.
        const MEMORY: usize = 32 * 1024;
        /// Of `2 * MAX_SIMD_GROUPS` floats.
        const HEAD: usize = 2 * 32 * size_of::<f32>();
        /// Threadgroups that a compute unit works on at a time.
        const RESIDENT: usize = 4;
        let (len, bytes) = (w.format().block_len(), w.format().block_bytes());
        // As `PartsOfLane` and `Chunk` of `mettle/staged.h` have them.
        let parts = match (len, columns) {
            (32, 1) => 4,
            (32, _) | (_, 1) => 2,
            _ => 1,
        };
        let values = LANES * parts * WIDE;
        let row = values / len * bytes;
        let rows = if row > 1024 { ROWS / 2 } else { ROWS };
        let batch = SIMD_GROUPS * rows * row.next_multiple_of(VECTOR);
        let digits = columns * LANES * (parts * WIDE + 4) * size_of::<f32>();
        let all = w.columns().div_ceil(values);
        let chunks = all.min((MEMORY - HEAD - batch) / digits).max(1);
        let units = device.limits().compute_units as usize;
        let turns = match chunks == all {
            true => w.rows() / (ROWS * SIMD_GROUPS * RESIDENT * units.max(1)),
            false => 1,
        };
        Staging {
            chunks,
            turns: turns.clamp(1, 8),
            memory: HEAD + chunks * digits + batch,
        }
    }
}

/// `out = x w^T` with accumulation in f32: `out[c, r] = sum over i of w[r, i] * x[c, i]`. `w` is `[n, k]` in any format that is
/// [decoded](super::decodes), `x` is f32 `[m, k]`, `out` is f32 `[m, n]`.
///
/// GPUs multiply many columns by tiles, with factors of 16 bits: for f16 and quantised weights both are rounded to half (x is scaled, so that none
/// of it is too large), and a product is off by up to 2^-10 of it; for bf16 and f32 weights each factor is the sum of two bfloats, and a product is
/// off by up to 2^-16.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for weights of another format; [`Error::Argument`](crate::Error::Argument) for other formats or shapes or gaps; those
/// of the launch, when `out` shares memory with an input among others.
pub fn mul_mat(pass: &mut Pass, w: &Tensor, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    if let Format::Affine(affine) = w.format() {
        return mul_mv_affine(pass, OP, mapping, affine, w, x, out);
    }
    if mapping == Mapping::RowPerGroup && x.rows() >= MIN_COLUMNS {
        return mul_mm(pass, OP, w, x, out);
    }
    let spread = Spread::of(pass.device(), w.format());
    let panels = x.rows() / mul_panel::STEP * mul_panel::STEP;
    if spread != Spread::RowPerThread || panels == 0 {
        return mul_mv(pass, spread, w, x, Beside::default(), out);
    }
    let (n, k, m) = (w.rows(), w.columns(), x.rows());
    OP.dense("w", w)?;
    let columns: Buffer<f32> = OP.matrix("x", x, m, k)?;
    let results: Buffer<f32> = OP.matrix("out", out, m, n)?;
    mul_panel(
        pass,
        w,
        &columns.slice(0..panels * k)?,
        &mut results.slice(0..panels * n)?,
    )?;
    if panels == m {
        return Ok(());
    }
    mul_mv(
        pass,
        spread,
        w,
        &x.rows_range(panels..m)?,
        Beside::default(),
        &mut out.rows_range(panels..m)?,
    )
}

/// What a launch does beside the product, for one column.
#[derive(Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    /// Normalises x first. Not where one thread computes a row.
    pub norm: Option<Norm<'a>>,
    /// `out = silu(product) * product with these weights`, of the shape and format of the others.
    pub gated: Option<&'a Tensor>,
    /// Adds the result to what is in `out`.
    pub add: bool,
}

impl Beside<'_> {
    /// Whether a device's kernels normalise on the way: threads that compute a row by themselves would each do it again.
    pub fn can_norm(device: &Device) -> bool {
        Mapping::of(device) == Mapping::RowPerGroup
    }

    /// Whether there are kernels with it for weights of a format.
    pub fn serves(format: Format) -> bool {
        !matches!(format, Format::Affine(_))
    }

    /// The bits of `FUSED` of `mul_mv.metal`.
    fn bits(self) -> u32 {
        u32::from(self.norm.is_some())
            | u32::from(self.add) << 1
            | u32::from(self.gated.is_some()) << 2
    }
}

/// `out = x w^T` as [`mul_mat`] has it, for one row of x, and what stands in `beside` in the same launch.
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
    let (n, k, m) = (w.rows(), w.columns(), x.rows());
    OP.dense("w", w)?;
    OP.size("x", m)?;
    let x: Buffer<f32> = OP.matrix("x", x, m, k)?;
    let (norm, eps) = match beside.norm {
        Some(Norm { weight, eps }) => (Some(OP.vector::<f32>("norm", weight, k)?), eps),
        None => (None, 0.0),
    };
    if let Some(gated) = beside.gated {
        OP.dense("gated", gated)?;
        if (gated.format(), gated.rows(), gated.columns()) != (w.format(), n, k) {
            let (shape, format) = (gated.shape(), gated.format());
            return Err(OP.refuse(
                "gated",
                format!(
                    "has {format} of shape {shape}, must have {} of {n} rows of {k} as the weights of the gate",
                    w.format()
                ),
            ));
        }
    }
    let values_aligned = (k * size_of::<f32>()).is_multiple_of(VECTOR)
        && x.alignment() >= VECTOR
        && norm.as_ref().is_none_or(|norm| norm.alignment() >= VECTOR);
    let weights_aligned = [Some(w), beside.gated]
        .into_iter()
        .flatten()
        .all(|w| w.row_bytes().is_multiple_of(VECTOR) && w.bytes().alignment() >= VECTOR);
    // Only staged rows of blocks are read as vectors: their blocks are not aligned to any.
    let spread = match spread {
        Spread::Staged if !(values_aligned && weights_aligned) => Spread::RowsPerGroup,
        spread => spread,
    };
    let params = Params {
        rows: OP.size("w", n)?,
        k: OP.size("w", k)?,
        aligned: (values_aligned && (weights_aligned || w.format().block_len() > 1)).into(),
        eps,
        chunks: 0,
        turns: 0,
    };
    let out: Buffer<f32> = OP.matrix("out", out, m, n)?;

    // As many whole steps of four columns as there are, then the rest.
    let whole = m / MAX_COLUMNS * MAX_COLUMNS;
    for (range, columns) in [(0..whole, MAX_COLUMNS), (whole..m, m - whole)] {
        if !range.is_empty() {
            let x = x.slice(range.start * k..range.end * k)?;
            let launch = Launch {
                w,
                gated: beside.gated.unwrap_or(w),
                norm: norm.as_ref().unwrap_or(&x),
                out: out.slice(range.start * n..range.end * n)?,
                params,
                steps: range.len() / columns,
                constants: Constants {
                    row_per_thread: spread == Spread::RowPerThread,
                    columns: columns as u32,
                    staged: spread == Spread::Staged,
                    fused: beside.bits(),
                },
                x: &x,
            };
            launch.record(pass, spread)?;
        }
    }
    Ok(())
}

/// One launch of `steps` times so many columns as the constants say.
struct Launch<'a> {
    w: &'a Tensor,
    gated: &'a Tensor,
    x: &'a Buffer<f32>,
    norm: &'a Buffer<f32>,
    out: Buffer<f32>,
    params: Params,
    steps: usize,
    constants: Constants,
}

impl Launch<'_> {
    fn record(self, pass: &mut Pass, spread: Spread) -> Result<()> {
        let Launch {
            w,
            gated,
            x,
            norm,
            mut out,
            mut params,
            steps,
            constants,
        } = self;
        let (rows, columns) = (w.rows(), constants.columns as usize);
        let (grid, memory) = match spread {
            Spread::RowPerThread => {
                let by_digits = RowsByDigits::of(pass.device(), w).filter(|_| columns == 1);
                if let Some(RowsByDigits {
                    rows: of_thread,
                    memory,
                }) = by_digits
                {
                    params.turns = of_thread as u32;
                    let grid = Grid::threads_total([steps, rows.div_ceil(of_thread)]);
                    (grid.threads([1, 1]), memory)
                } else {
                    params.turns = 1;
                    let threads = rows_per_group(rows, w.row_bytes() / 4 * columns);
                    // Metal binds no empty memory.
                    let grid = Grid::threads_total([steps, rows]).threads([1, threads]);
                    (grid, VECTOR)
                }
            }
            Spread::RowsPerGroup => {
                // Rows of each of the matrices that are taken together.
                let together = match constants.fused & GATE {
                    0 => ROWS,
                    _ => ROWS / 2,
                };
                let floats = SIMD_GROUPS * (ROWS * MAX_COLUMNS + 1);
                let grid = Grid::groups([steps, rows.div_ceil(together)]);
                (grid.threads(32 * SIMD_GROUPS), floats * size_of::<f32>())
            }
            Spread::Staged => {
                let staging = Staging::of(pass.device(), w, columns);
                params.chunks = staging.chunks as u32;
                params.turns = staging.turns as u32;
                let together = ROWS * SIMD_GROUPS * staging.turns;
                let grid = Grid::groups([steps, rows.div_ceil(together)]);
                (grid.threads(32 * SIMD_GROUPS), staging.memory)
            }
        };
        let kernel = mul_mv::F32Of::of(w.format()).ok_or_else(|| OP.no_kernel_for(w.format()))?;
        let binding = mul_mv::F32 {
            kernel,
            w: w.bytes(),
            gated: gated.bytes(),
            x,
            norm,
            out: &mut out,
            params,
            memory,
            constants,
        };
        Ok(pass.dispatch(binding, grid)?)
    }
}

/// The kernel's name, for cases and bench entries.
fn kernel_name(format: Format) -> &'static str {
    mul_mv::F32Of::of(format).map_or("none", mul_mv::F32Of::name)
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
            if spread == Spread::Staged && !has_whole_numbers(format) {
                continue;
            }
            // Rows of whole vectors, which alone are staged.
            let block = match spread {
                Spread::Staged => format.block_len().max(32) * 8,
                _ => format.block_len().max(32),
            };
            for m in 1..=MAX_COLUMNS {
                add(cases, spread, format, 7, 3 * block, m);
            }
            add(cases, spread, format, 1, block, 1);
            add(cases, spread, format, 5, block, 11);
            add(cases, spread, format, 130, 512, 1);
            add(cases, spread, format, 3, 16 * 1024, 2);
            add(cases, spread, format, 6, 10 * 1024 + 512, 1);
            add_extremes(cases, spread, format, 2 * block);
            if !dense {
                for scales in [Scales::Huge, Scales::Subnormal, Scales::Zero] {
                    let name = format!("{}_scales_{scales:?}", spread.name()).to_lowercase();
                    add_product(
                        cases,
                        spread,
                        format,
                        scales,
                        [9, 2 * block, 1],
                        name,
                        |_| {},
                    );
                }
            }
            for bits in 1..8 {
                let fused = [bits & 1, bits & 2, bits & 4].map(|bit| bit != 0);
                if fused[0] && spread == Spread::RowPerThread {
                    continue;
                }
                add_fused(cases, spread, format, [41, 2 * block], fused);
                if dense && bits != 7 {
                    add_fused(cases, spread, format, [3, 1037], fused);
                }
            }
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
            let kernel = kernel_name(format);
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
    let name = format!("{}_n{n}_k{k}_m{m}", spread.name());
    add_product(
        cases,
        spread,
        format,
        Scales::Typical,
        [n, k, m],
        name,
        |_| {},
    );
}

/// Activations of very different sizes: each has its own effect on the bits that others leave.
fn add_extremes(cases: &mut Cases, spread: Spread, format: Format, k: usize) {
    let mut add = |name: &str, change: fn(&mut [f32])| {
        let name = format!("{}_{name}_k{k}", spread.name());
        add_product(
            cases,
            spread,
            format,
            Scales::Typical,
            [9, k, 2],
            name,
            change,
        );
    };
    add("tiny", |x| x.iter_mut().for_each(|x| *x *= 1e-27));
    add("huge", |x| x.iter_mut().for_each(|x| *x *= 1e30));
    add("zeros", |x| x.fill(0.0));
    add("equal", |x| x.fill(0.1));
    add("hot", |x| x[21] = 3000.0);
}

/// A product with weights whose scales are of some size and activations that were changed.
fn add_product(
    cases: &mut Cases,
    spread: Spread,
    format: Format,
    scales: Scales,
    [n, k, m]: [usize; 3],
    name: String,
    change: fn(&mut [f32]),
) {
    let kernel = kernel_name(format);
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let (w, weights) = run.weights_of(scales, format, n, k)?;
        let mut x = run.rng().activations(m * k);
        x.chunks_exact_mut(k).for_each(change);
        let xs = run.input(&x, [m, k])?;
        let mut out = run.output(Format::F32, [m, n])?;
        run.pass(|pass| mul_mv(pass, spread, &w, &xs, Beside::default(), &mut out))?;
        run.check(&out, || reference(&weights, &x, k))
    });
}

/// One column with what the bits of `FUSED` say.
fn add_fused(
    cases: &mut Cases,
    spread: Spread,
    format: Format,
    [n, k]: [usize; 2],
    [norm, add, gate]: [bool; 3],
) {
    const EPS: f32 = 1e-6;
    let kernel = kernel_name(format);
    let mut name = format!("{}_n{n}_k{k}", spread.name());
    for (part, said) in [(norm, "_norm"), (add, "_add"), (gate, "_gate")] {
        name.push_str(if part { said } else { "" });
    }
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let (w, weights) = run.weights(format, n, k)?;
        let (gated, gated_weights) = run.weights(format, n, k)?;
        let (x, scale) = (run.rng().activations(k), run.rng().activations(k));
        let (xs, scales) = (run.input(&x, [1, k])?, run.input(&scale, [k])?);
        let before = run.rng().activations(n);
        let mut out = match add {
            true => run.input(&before, [1, n])?,
            false => run.output(Format::F32, [1, n])?,
        };
        let beside = Beside {
            norm: norm.then_some(Norm {
                weight: &scales,
                eps: EPS,
            }),
            gated: gate.then_some(&gated),
            add,
        };
        run.pass(|pass| mul_mv(pass, spread, &w, &xs, beside, &mut out))?;
        run.check(&out, || {
            let squares: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            let norm_of = |i: usize| match norm {
                true => f64::from(scale[i]) / (squares / k as f64 + f64::from(EPS)).sqrt(),
                false => 1.0,
            };
            let x: Vec<f64> = (0..k).map(|i| f64::from(x[i]) * norm_of(i)).collect();
            // A product and the sum of the absolute values of its terms.
            let product = |w: &[f32]| {
                let terms = || w.iter().zip(&x).map(|(&w, x)| f64::from(w) * x);
                (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>())
            };
            let row = |row: usize| {
                let range = row * k..(row + 1) * k;
                let (mut value, mut magnitude) = product(&weights[range.clone()]);
                if gate {
                    let (gated, of_gated) = product(&gated_weights[range]);
                    let silu = value / (1.0 + (-value).exp());
                    // The slope of silu is at most 1.1.
                    magnitude = 1.1 * magnitude * gated.abs() + silu.abs() * of_gated;
                    value = silu * gated;
                }
                if add {
                    value += f64::from(before[row]);
                    magnitude += f64::from(before[row].abs());
                }
                Expected::near(value, magnitude)
            };
            (0..n).map(row).collect()
        })
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
