//! Running totals of rows.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::Mapping;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::cumsum::{Constants, Params};
use crate::cases::{Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

const OP: Op = Op("cumsum");

/// `out[r, i] = x[r, 0] + ... + x[r, i]` for every row; F32, F16 or BF16, `x` and `out` of the same rows and columns. Totals are not rounded
/// to the format on their way.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes or
/// gaps; those of the launch, when `out` shares memory with `x` among others.
pub fn cumsum(pass: &mut Pass, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, out)
}

fn mapped(pass: &mut Pass, mapping: Mapping, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let (rows, columns) = (x.rows(), x.columns());
    OP.size("x", rows)?;
    let params = Params {
        columns: OP.size("x", columns)?,
    };
    let constants = Constants {
        row_per_thread: mapping.row_per_thread(),
    };
    by_float_format!(OP, "x", x.format(), Kernel in cumsum::{F32, F16, Bf16} => {
        let kernel = Kernel {
            x: &OP.values("x", x)?,
            out: &mut OP.matrix("out", out, rows, columns)?,
            params,
            constants,
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

/// The cases of `cumsum.metal`: one value, rows that end within a sixteen, more sixteens than threads, long rows of one sign, and
/// infinities.
pub(crate) fn family() -> Family {
    Family::new("cumsum", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for (format, suffix) in FLOATS {
                let mut add = |name: &str, body: fn(&mut Run<'_>) -> (Vec<f32>, usize)| {
                    let name = format!("{}_{name}", mapping.name());
                    cases.add(format!("cumsum_{suffix}"), name, move |run| {
                        let (x, columns) = body(run);
                        check(run, mapping, format, &x, columns)
                    });
                };
                add("one", |run| (run.rng().normal(3), 1));
                add("rows", |run| (run.rng().normal(40 * 37), 37));
                add("long", |run| (run.rng().activations(2 * 9001), 9001));
                add("one_sign", |run| {
                    let x = run.rng().normal(20_000);
                    (x.iter().map(|x| x.abs() * 0.01).collect(), 20_000)
                });
                add("infinite", |run| {
                    let mut x = run.rng().normal(3 * 50);
                    x[20] = f32::INFINITY;
                    x[50] = f32::NEG_INFINITY;
                    x[149] = f32::NAN;
                    (x, 50)
                });
            }
        }
    })
    .benches(benches)
}

fn check(
    run: &mut Run<'_>,
    mapping: Mapping,
    format: Format,
    x: &[f32],
    columns: usize,
) -> Result<()> {
    let shape = [x.len() / columns, columns];
    let (xs, x) = run.rounded(format, x, shape)?;
    let mut out = run.output(format, shape)?;
    run.pass(|pass| mapped(pass, mapping, &xs, &mut out))?;
    run.check(&out, || reference(&x, columns))
}

/// The gates of chunks, and long rows.
fn benches(benches: &mut Benches) {
    for (format, suffix) in FLOATS {
        for (rows, columns) in [(4096, 64), (64, 65536)] {
            let n = rows * columns;
            benches.add(
                format!("cumsum_{suffix}"),
                format!("rows{rows}_columns{columns}"),
                Work::new(2 * n * format.block_bytes(), n),
                move |setup| {
                    let x = setup.values_as(format, [rows, columns])?;
                    let mut out = setup.output(format, [rows, columns])?;
                    Ok(Box::new(move |pass| cumsum(pass, &x, &mut out)))
                },
            );
        }
    }
}

fn reference(x: &[f32], columns: usize) -> Vec<Expected> {
    x.chunks_exact(columns)
        .flat_map(|row| {
            row.iter().scan((0.0, 0.0), |(sum, terms), &x| {
                *sum += f64::from(x);
                *terms += f64::from(x).abs();
                Some(Expected::near(*sum, *terms))
            })
        })
        .collect()
}
