//! The position of the largest value of each row.

use super::check::Op;
use super::mapping::Mapping;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::argmax;
use crate::cases::{Expected, Family, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

const OP: Op = Op("argmax");

/// `out[r]` = the lowest index at which `x[r, :]` is largest; `x` f32 of `[rows, columns]`, `out` u32 of as many values
/// as `x` has rows. NaN is never the largest; a row of nothing but NaN gives the number of columns, an index that no row
/// has.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes or gaps.
pub fn argmax(pass: &mut Pass, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, out)
}

fn mapped(pass: &mut Pass, mapping: Mapping, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let (rows, columns) = (x.rows(), x.columns());
    OP.size("x", rows)?;
    let kernel = argmax::F32 {
        x: &OP.values("x", x)?,
        out: &mut OP.vector("out", out, rows)?,
        params: argmax::Params {
            columns: OP.size("x", columns)?,
        },
        constants: argmax::Constants {
            row_per_thread: mapping.row_per_thread(),
        },
    };
    Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
}

/// The cases of `argmax.metal`.
pub(crate) fn family() -> Family {
    Family::new("argmax", Tolerance::EXACT, |cases| {
        for mapping in Mapping::ALL {
            for (rows, columns) in [(1, 1), (5, 15), (3, 33), (2, 5000), (1, 151_937)] {
                let name = format!("{}_rows{rows}_columns{columns}", mapping.name());
                cases.add("argmax_f32", name, move |run| {
                    let x = run.rng().normal(rows * columns);
                    check(run, mapping, &x, columns)
                });
            }
            // Few values, so that most rows have their largest value many times over.
            cases.add(
                "argmax_f32",
                format!("{}_ties", mapping.name()),
                move |run| {
                    let x: Vec<f32> = (0..20 * 700).map(|_| run.rng().below(4) as f32).collect();
                    check(run, mapping, &x, 700)
                },
            );
            cases.add(
                "argmax_f32",
                format!("{}_last", mapping.name()),
                move |run| {
                    let mut x = run.rng().normal(4 * 517);
                    x[2 * 517 - 1] = 100.0;
                    x[4 * 517 - 1] = f32::INFINITY;
                    check(run, mapping, &x, 517)
                },
            );
            // Rows with NaN among numbers, with nothing but NaN, and with nothing but minus infinity or NaN.
            cases.add(
                "argmax_f32",
                format!("{}_nan", mapping.name()),
                move |run| {
                    let mut x = run.rng().normal(3 * 100);
                    (0..100).step_by(3).for_each(|i| x[i] = f32::NAN);
                    x[100..].fill(f32::NAN);
                    x[250] = f32::NEG_INFINITY;
                    check(run, mapping, &x, 100)
                },
            );
        }
    })
    .benches(benches)
}

/// The logits of a large vocabulary.
fn benches(benches: &mut Benches) {
    let n = 151_936;
    benches.add(
        "argmax_f32",
        format!("rows1_columns{n}"),
        Work::new(4 * n, n),
        move |setup| {
            let x = setup.values([1, n])?;
            let mut out = setup.output(Format::U32, [1])?;
            Ok(Box::new(move |pass| argmax(pass, &x, &mut out)))
        },
    );
}

fn check(
    run: &mut crate::cases::Run<'_>,
    mapping: Mapping,
    x: &[f32],
    columns: usize,
) -> Result<()> {
    let rows = x.len() / columns;
    let xs = run.input(x, [rows, columns])?;
    let mut out = run.output(Format::U32, [rows])?;
    run.pass(|pass| mapped(pass, mapping, &xs, &mut out))?;
    run.check(&out, || {
        x.chunks_exact(columns)
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
