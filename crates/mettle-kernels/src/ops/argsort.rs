//! The order of the values of rows.

use super::check::{FLOATS, Op, by_float_format};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::argsort::Params;
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Buffer, Format, Grid, Pass, Tensor};

/// Values of a stretch that is sorted by counting; shorter rows are sorted at once.
const LENGTH: usize = 64;
const AT_ONCE: usize = 512;

/// `out[r, :]` = the columns of the values of `x[r, :]`, the largest first, the lowest column first among equals, NaN last; `x` is F32,
/// F16 or BF16 of `[rows, columns]`, `out` u32 of the same rows and columns.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes, gaps,
/// or more than 2^30 columns; memory running out.
pub fn argsort(pass: &mut Pass, x: &Tensor, out: &mut Tensor) -> Result<()> {
    const OP: Op = Op("argsort");
    let order = &mut OP.matrix("out", out, x.rows(), x.columns())?;
    sort(pass, OP, Plan::new(OP, x, x.columns())?, x, order)
}

/// The `k` largest values of each row, in the order of [`argsort()`]: `values[r, i]` and their columns `ids[r, i]`, for any `k` from one to
/// all. `x` is F32, F16 or BF16 of `[rows, columns]`, `values` of its format of `[rows, k]`, `ids` u32 of `[rows, k]`.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes, gaps,
/// more values than a row has, or more than 2^30 columns; memory running out.
pub fn top_k(pass: &mut Pass, x: &Tensor, values: &mut Tensor, ids: &mut Tensor) -> Result<()> {
    const OP: Op = Op("top_k");
    let (k, columns) = (ids.columns(), x.columns());
    if k > columns {
        let reason = format!("has {k} columns, x has {columns}");
        return Err(OP.refuse("ids", reason));
    }
    let plan = Plan::new(OP, x, k)?;
    let order = &mut OP.matrix("ids", ids, x.rows(), k)?;
    if (values.format(), values.rows(), values.columns()) != (x.format(), x.rows(), k) {
        let (format, shape) = (values.format(), values.shape());
        let reason = format!(
            "has format {format} and shape {shape}, must have {} rows of {k} in {}",
            x.rows(),
            x.format()
        );
        return Err(OP.refuse("values", reason));
    }
    OP.dense("values", values)?;
    sort(pass, OP, plan, x, order)?;
    take(pass, OP, plan, x, order, values)
}

/// How rows are sorted.
#[derive(Clone, Copy)]
struct Plan {
    rows: usize,
    columns: usize,
    /// Values wanted of each row.
    keep: usize,
    /// Values of the stretches that are sorted first.
    length: usize,
}

impl Plan {
    fn new(op: Op, x: &Tensor, keep: usize) -> Result<Plan> {
        const MOST: usize = 1 << 30;
        let (rows, columns) = (x.rows(), x.columns());
        op.size("x", rows)?;
        if columns > MOST {
            let reason = format!("has {columns} columns, must have at most {MOST}");
            return Err(op.refuse("x", reason));
        }
        Ok(Plan {
            rows,
            columns,
            keep,
            length: if columns <= AT_ONCE {
                columns.max(1)
            } else {
                LENGTH
            },
        })
    }

    /// The parameters of a launch for stretches of `length`; it is the last one where it leaves one of them.
    fn params(self, length: usize, last: bool) -> Params {
        Params {
            columns: self.columns as u32,
            keep: self.keep as u32,
            length: length as u32,
            stride: if last { self.keep } else { self.columns } as u32,
        }
    }

    /// A thread for each of so many values of each row.
    fn grid(self, values: usize) -> Grid {
        Grid::threads_total([values, self.rows]).threads([values.clamp(1, 256), 1])
    }
}

/// Writes the first `plan.keep` columns of each row to `out`.
fn sort(pass: &mut Pass, op: Op, plan: Plan, x: &Tensor, out: &mut Buffer<u32>) -> Result<()> {
    op.dense("x", x)?;
    let size = plan.rows * plan.columns;
    if plan.length >= plan.columns {
        return sort_stretches(pass, op, plan, x, out);
    }
    let scratch = pass.scratch::<u32>(2 * size)?;
    let (mut from, mut to) = (scratch.slice(0..size)?, scratch.slice(size..2 * size)?);
    sort_stretches(pass, op, plan, x, &mut from)?;
    let mut length = plan.length;
    while 2 * length < plan.columns {
        merge(pass, op, plan, x, length, &from, &mut to)?;
        std::mem::swap(&mut from, &mut to);
        length *= 2;
    }
    merge(pass, op, plan, x, length, &from, out)
}

/// The first launch.
fn sort_stretches(
    pass: &mut Pass,
    op: Op,
    plan: Plan,
    x: &Tensor,
    out: &mut Buffer<u32>,
) -> Result<()> {
    let params = plan.params(plan.length, plan.length >= plan.columns);
    by_float_format!(op, "x", x.format(), Kernel in argsort::{F32, F16, Bf16} => {
        let x = &op.values("x", x)?;
        Ok(pass.dispatch(Kernel { x, out, params }, plan.grid(plan.columns))?)
    })
}

/// A launch that merges stretches of `length`.
fn merge(
    pass: &mut Pass,
    op: Op,
    plan: Plan,
    x: &Tensor,
    length: usize,
    order: &Buffer<u32>,
    out: &mut Buffer<u32>,
) -> Result<()> {
    let params = plan.params(length, 2 * length >= plan.columns);
    by_float_format!(op, "x", x.format(), Kernel in argsort::{MergeF32, MergeF16, MergeBf16} => {
        let x = &op.values("x", x)?;
        Ok(pass.dispatch(Kernel { x, order, out, params }, plan.grid(plan.columns))?)
    })
}

/// The values that belong to the columns found.
fn take(
    pass: &mut Pass,
    op: Op,
    plan: Plan,
    x: &Tensor,
    order: &Buffer<u32>,
    values: &mut Tensor,
) -> Result<()> {
    let params = plan.params(plan.length, true);
    by_float_format!(op, "x", x.format(), Kernel in argsort::{ValuesF32, ValuesF16, ValuesBf16} => {
        let (x, values) = (&op.values("x", x)?, &mut op.values("values", values)?);
        Ok(pass.dispatch(Kernel { x, order, values, params }, plan.grid(plan.keep))?)
    })
}

/// The cases of `argsort.metal`: rows that are sorted at once and such that are merged, numbers of values that are no powers of two,
/// a last stretch without a neighbour, every number of values wanted, ties, NaN, infinities and zeros.
pub(crate) fn family() -> Family {
    Family::new("argsort", Tolerance::EXACT, |cases| {
        for (format, suffix) in FLOATS {
            for [rows, columns] in [[3, 1], [40, 60], [2, 512], [3, 513], [2, 1000], [1, 9001]] {
                let kernel = if columns <= AT_ONCE {
                    "argsort"
                } else {
                    "argsort_merge"
                };
                let name = format!("rows{rows}_columns{columns}");
                cases.add(format!("{kernel}_{suffix}"), name, move |run| {
                    let x = run.rng().normal(rows * columns);
                    check_all(run, format, &x, columns)
                });
            }
            // Few values, so that most are equal to others, in all stretches.
            for columns in [100, 700] {
                let name = format!("ties{columns}");
                cases.add(format!("argsort_{suffix}"), name, move |run| {
                    let x: Vec<f32> = (0..4 * columns)
                        .map(|_| run.rng().below(3) as f32)
                        .collect();
                    check_all(run, format, &x, columns)
                });
                let name = format!("special{columns}");
                cases.add(format!("argsort_{suffix}"), name, move |run| {
                    const SPECIAL: [f32; 6] =
                        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, -1.0];
                    let x: Vec<f32> = (0..4 * columns)
                        .map(|_| SPECIAL[run.rng().below(SPECIAL.len())])
                        .collect();
                    check_all(run, format, &x, columns)
                });
            }
            for (columns, k) in [
                (5, 5),
                (1000, 1),
                (1000, 63),
                (1000, 65),
                (5000, 40),
                (777, 777),
            ] {
                add_top_k(cases, format, &format!("top{k}_of{columns}"), columns, k);
            }
        }
        // Reductions over halves lost experts whose number is no power of two.
        for experts in [3, 6, 40, 60, 72, 96, 100, 160, 384] {
            let name = format!("regression_top_k_of_{experts}_experts");
            add_top_k(cases, Format::F32, &name, experts, 8.min(experts));
        }
    })
    .benches(benches)
}

fn check_all(run: &mut Run<'_>, format: Format, x: &[f32], columns: usize) -> Result<()> {
    let shape = [x.len() / columns, columns];
    let (xs, x) = run.rounded(format, x, shape)?;
    let mut out = run.output(Format::U32, shape)?;
    run.pass(|pass| argsort(pass, &xs, &mut out))?;
    run.check(&out, || {
        let rows = x.chunks_exact(columns).flat_map(reference);
        rows.map(|column| Expected::exact(column as f64)).collect()
    })
}

fn add_top_k(cases: &mut Cases, format: Format, name: &str, columns: usize, k: usize) {
    let kernel = format!("argsort_values_{}", format.name().to_lowercase());
    cases.add(kernel, name, move |run| {
        let rows = 5;
        let x = run.rng().normal(rows * columns);
        let (xs, x) = run.rounded(format, &x, [rows, columns])?;
        let mut values = run.output(format, [rows, k])?;
        let mut ids = run.output(Format::U32, [rows, k])?;
        run.pass(|pass| top_k(pass, &xs, &mut values, &mut ids))?;
        let expected = |of: fn(&[f32], usize) -> f64| -> Vec<Expected> {
            let rows = x.chunks_exact(columns);
            rows.flat_map(|row| reference(row).into_iter().take(k).map(move |i| of(row, i)))
                .map(Expected::exact)
                .collect()
        };
        run.check(&values, || expected(|row, i| row[i].into()))?;
        run.check(&ids, || expected(|_, i| i as f64))
    });
}

/// The scores of experts for a prompt, and the logits of a large vocabulary.
fn benches(benches: &mut Benches) {
    for (format, suffix) in FLOATS {
        let (rows, columns) = (512, 128);
        let n = rows * columns;
        benches.add(
            format!("argsort_{suffix}"),
            format!("rows{rows}_columns{columns}"),
            Work::new(n * (format.block_bytes() + 4), n * columns),
            move |setup| {
                let x = setup.values_as(format, [rows, columns])?;
                let mut out = setup.output(Format::U32, [rows, columns])?;
                Ok(Box::new(move |pass| argsort(pass, &x, &mut out)))
            },
        );
        let n = 151_936;
        benches.add(
            format!("argsort_merge_{suffix}"),
            format!("rows1_columns{n}"),
            Work::new(n * (format.block_bytes() + 8), n),
            move |setup| {
                const OP: Op = Op("argsort");
                let x = setup.values_as(format, [1, n])?;
                let order: Vec<u32> = (0..n as u32).collect();
                let (order, out) = (setup.of(&order)?, setup.output(Format::U32, [n])?);
                let plan = Plan::new(OP, &x, n)?;
                Ok(Box::new(move |pass| {
                    let (order, out) = (order.buffer()?, &mut out.buffer()?);
                    merge(pass, OP, plan, &x, LENGTH, &order, out)
                }))
            },
        );
        let k = 40;
        benches.add(
            format!("argsort_values_{suffix}"),
            format!("rows1_columns{n}_k{k}"),
            Work::new(k * (2 * format.block_bytes() + 4), 0),
            move |setup| {
                const OP: Op = Op("top_k");
                let x = setup.values_as(format, [1, n])?;
                let order: Vec<u32> = (0..k as u32).collect();
                let order = setup.of(&order)?;
                let mut values = setup.output(format, [1, k])?;
                let plan = Plan::new(OP, &x, k)?;
                Ok(Box::new(move |pass| {
                    take(pass, OP, plan, &x, &order.buffer()?, &mut values)
                }))
            },
        );
    }
}

/// The columns of a row in their order.
fn reference(row: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (row[a], row[b]);
        // Numbers before NaN, which are all equal.
        let numbers = b.partial_cmp(&a);
        numbers.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    });
    order
}
