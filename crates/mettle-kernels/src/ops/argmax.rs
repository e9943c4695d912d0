//! The position of the largest value of each row.

use super::check::Op;
use super::mapping::Mapping;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::argmax::{self, Constants, Params};
use crate::cases::{Expected, Family, Run, Tolerance};
use mettle_gpu::{Buffer, Format, Grid, Pass, Tensor};

const OP: Op = Op("argmax");

/// Bytes of the vectors that GPUs load.
const VECTOR: usize = 16;

/// Threads of a threadgroup for a segment.
const THREADS: usize = 256;

/// Values that such a threadgroup asks for at a time: `VECTORS` vectors a thread, as in `argmax.metal`. Segments are whole steps.
const STEP: usize = THREADS * 4 * 4;

/// Steps that one threadgroup makes in less time than a second launch takes.
const STEPS_ALONE: usize = 4;

/// The constants of launches for segments.
const SEGMENTS: Constants = Constants {
    row_per_thread: false,
};

/// How rows are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// A row by one thread or threadgroup.
    Rows(Mapping),
    /// Segments of so many values, a multiple of four, each by a threadgroup; what they found meets in a second launch.
    Segments(usize),
}

impl Plan {
    /// The plan for a device of `units` compute units: segments for a GPU that has more units than there are rows, when these
    /// are long.
    fn new(mapping: Mapping, units: usize, rows: usize, columns: usize) -> Plan {
        let segments = units / rows.max(1);
        if mapping == Mapping::RowPerThread || segments < 2 || columns <= STEPS_ALONE * STEP {
            return Plan::Rows(mapping);
        }
        Plan::Segments(columns.div_ceil(segments).next_multiple_of(STEP))
    }

    /// For the names of cases.
    fn name(self) -> String {
        match self {
            Plan::Rows(mapping) => mapping.name().into(),
            Plan::Segments(length) => format!("segments{length}"),
        }
    }
}

/// `out[r]` = the lowest index at which `x[r, :]` is largest; `x` f32 of `[rows, columns]`, `out` u32 of as many values
/// as `x` has rows. NaN is never the largest; a row of nothing but NaN gives the number of columns, an index that no row
/// has.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes or gaps.
pub fn argmax(pass: &mut Pass, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    let units = pass.device().limits().compute_units as usize;
    let plan = Plan::new(mapping, units, x.rows(), x.columns());
    planned(pass, plan, x, out)
}

fn planned(pass: &mut Pass, plan: Plan, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let (rows, columns) = (x.rows(), x.columns());
    OP.size("x", rows)?;
    let x: &Buffer<f32> = &OP.values("x", x)?;
    let out = &mut OP.vector("out", out, rows)?;
    let length = match plan {
        Plan::Rows(_) => columns,
        Plan::Segments(length) => length,
    };
    let segments = columns.div_ceil(length);
    let params = Params {
        columns: OP.size("x", columns)?,
        length: OP.size("x", length)?,
        segments: OP.size("x", segments)?,
        aligned: (x.alignment() >= VECTOR).into(),
    };
    if let Plan::Rows(mapping) = plan {
        let kernel = argmax::F32 {
            x,
            out,
            params,
            constants: Constants {
                row_per_thread: mapping.row_per_thread(),
            },
        };
        return Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?);
    }
    let partial = &mut pass.scratch(rows * segments)?;
    search(pass, x, partial, params)?;
    merge(pass, partial, out, params)
}

/// The first launch for segments: one of `partial` each.
fn search(
    pass: &mut Pass,
    x: &Buffer<f32>,
    partial: &mut Buffer<[u32; 2]>,
    params: Params,
) -> Result<()> {
    let grid = Grid::groups(partial.len()).threads(THREADS);
    let kernel = argmax::SegmentsF32 {
        x,
        partial,
        params,
        constants: SEGMENTS,
    };
    Ok(pass.dispatch(kernel, grid)?)
}

/// The second launch for segments: a row for each of `out`.
fn merge(
    pass: &mut Pass,
    partial: &Buffer<[u32; 2]>,
    out: &mut Buffer<u32>,
    params: Params,
) -> Result<()> {
    let threads = (params.segments as usize).next_multiple_of(32).min(THREADS);
    let grid = Grid::rows(out.len()).threads(threads);
    let kernel = argmax::Merge {
        partial,
        out,
        params,
        constants: SEGMENTS,
    };
    Ok(pass.dispatch(kernel, grid)?)
}

/// The cases of `argmax.metal`: rows shorter and longer than what threads ask for at a time and than segments, such that begin
/// between vectors, and inputs that do.
pub(crate) fn family() -> Family {
    Family::new("argmax", Tolerance::EXACT, |cases| {
        let mappings = Mapping::ALL.map(Plan::Rows);
        for plan in [mappings[0], mappings[1], Plan::Segments(64)] {
            let mut add = |name: &str, case: fn(&mut Run<'_>, Plan) -> Result<()>| {
                let kernel = match plan {
                    Plan::Rows(_) => "argmax_f32",
                    Plan::Segments(_) => "argmax_segments_f32",
                };
                let name = format!("{}_{name}", plan.name());
                cases.add(kernel, name, move |run| case(run, plan));
            };
            // Few values, so that most rows have their largest value many times over, and segments, too.
            add("ties", |run, plan| {
                let x: Vec<f32> = (0..20 * 700).map(|_| run.rng().below(4) as f32).collect();
                check(run, plan, &x, 700)
            });
            // Zeros are equal, whatever their sign.
            add("zeros", |run, plan| {
                let mut x = vec![-1.0; 2 * 300];
                x[100..].fill(0.0);
                x[100..200].fill(-0.0);
                check(run, plan, &x, 300)
            });
            add("last", |run, plan| {
                let mut x = run.rng().normal(4 * 517);
                x[2 * 517 - 1] = 100.0;
                x[4 * 517 - 1] = f32::INFINITY;
                check(run, plan, &x, 517)
            });
            // Rows with NaN among numbers, with nothing but NaN, and with nothing but minus infinity or NaN.
            add("nan", |run, plan| {
                let mut x = run.rng().normal(3 * 100);
                (0..100).step_by(3).for_each(|i| x[i] = f32::NAN);
                x[100..].fill(f32::NAN);
                x[250] = f32::NEG_INFINITY;
                check(run, plan, &x, 100)
            });
            // Stretches of NaN and of minus infinity as long as segments, before the numbers and behind them.
            add("nan_stretches", |run, plan| {
                let mut x = run.rng().normal(4 * 320);
                x[..128].fill(f32::NAN);
                x[320 + 192..640].fill(f32::NAN);
                x[640..640 + 128].fill(f32::NAN);
                x[640 + 128..960].fill(f32::NEG_INFINITY);
                x[960..].fill(f32::NEG_INFINITY);
                check(run, plan, &x, 320)
            });
            // Rows behind one that is left out, so that they do not begin at a multiple of sixteen bytes.
            add("unaligned", |run, plan| {
                let x = run.rng().normal(4 * 333);
                let xs = run.input(&x, [4, 333])?.rows_range(1..4)?;
                check_tensor(run, plan, &xs, &x[333..])
            });
        }
        let mut sizes = |kernel, plan: Plan, rows: usize, columns: usize| {
            let name = format!("{}_rows{rows}_columns{columns}", plan.name());
            cases.add(kernel, name, move |run| {
                let x = run.rng().normal(rows * columns);
                check(run, plan, &x, columns)
            });
        };
        for mapping in Mapping::ALL {
            for (rows, columns) in [(1, 1), (5, 15), (3, 33), (2, 5000), (1, 151_937)] {
                sizes("argmax_f32", Plan::Rows(mapping), rows, columns);
            }
        }
        for (rows, columns) in [(1, 1), (5, 63), (3, 64), (3, 65), (2, 5000)] {
            sizes("argmax_segments_f32", Plan::Segments(64), rows, columns);
        }
        sizes("argmax_segments_f32", Plan::Segments(STEP), 1, 151_937);
        // More segments than threads of the second launch.
        sizes("argmax_merge", Plan::Segments(4), 2, 2 * 4 * THREADS + 7);
    })
    .benches(benches)
}

/// The logits of a large vocabulary.
fn benches(benches: &mut Benches) {
    let n = 151_936_usize;
    let segments = n.div_ceil(STEP);
    let params = Params {
        columns: n as u32,
        length: STEP as u32,
        segments: segments as u32,
        aligned: 1,
    };
    let shape = format!("rows1_columns{n}");
    benches.add(
        "argmax_f32",
        shape.clone(),
        Work::new(4 * n, n),
        move |setup| {
            let x = setup.values([1, n])?;
            let mut out = setup.output(Format::U32, [1])?;
            Ok(Box::new(move |pass| argmax(pass, &x, &mut out)))
        },
    );
    benches.add(
        "argmax_segments_f32",
        shape,
        Work::new(4 * n + 8 * segments, n),
        move |setup| {
            let x = setup.values([1, n])?;
            let partial = setup.output(Format::U32, [segments, 2])?;
            Ok(Box::new(move |pass| {
                let mut partial = partial.buffer::<u32>()?.cast()?;
                search(pass, &x.buffer()?, &mut partial, params)
            }))
        },
    );
    benches.add(
        "argmax_merge",
        format!("rows1_segments{segments}"),
        Work::new(8 * segments + 4, segments),
        move |setup| {
            let partial = setup.values([segments, 2])?;
            let out = setup.output(Format::U32, [1])?;
            Ok(Box::new(move |pass| {
                let partial = partial.buffer::<f32>()?.cast()?;
                merge(pass, &partial, &mut out.buffer()?, params)
            }))
        },
    );
}

fn check(run: &mut Run<'_>, plan: Plan, x: &[f32], columns: usize) -> Result<()> {
    let xs = run.input(x, [x.len() / columns, columns])?;
    check_tensor(run, plan, &xs, x)
}

/// For `xs` of the values `x`.
fn check_tensor(run: &mut Run<'_>, plan: Plan, xs: &Tensor, x: &[f32]) -> Result<()> {
    let mut out = run.output(Format::U32, [xs.rows()])?;
    run.pass(|pass| planned(pass, plan, xs, &mut out))?;
    run.check(&out, || {
        x.chunks_exact(xs.columns())
            .map(|row| Expected::exact(reference(row) as f64))
            .collect()
    })
}

fn reference(row: &[f32]) -> usize {
    let mut best = row.len();
    for (i, &x) in row.iter().enumerate() {
        if !x.is_nan() && (best == row.len() || x > row[best]) {
            best = i;
        }
    }
    best
}
