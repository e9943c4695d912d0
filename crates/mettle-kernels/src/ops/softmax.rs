//! Softmax over rows.

use super::check::Op;
use super::mapping::Mapping;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::softmax;
use crate::cases::{Expected, Family, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

const OP: Op = Op("softmax");

/// `out[r, :] = softmax(x[r, :])` for every row, of any length; f32 of the same rows and columns. Entries of minus
/// infinity get zero; a row of nothing else gets NaN.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes or gaps; those of the launch, when `out`
/// shares memory with `x` among others.
pub fn softmax(pass: &mut Pass, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, out)
}

fn mapped(pass: &mut Pass, mapping: Mapping, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let (rows, columns) = (x.rows(), x.columns());
    OP.size("x", rows)?;
    let kernel = softmax::F32 {
        x: &OP.values("x", x)?,
        out: &mut OP.matrix("out", out, rows, columns)?,
        params: softmax::Params {
            columns: OP.size("x", columns)?,
        },
        constants: softmax::Constants {
            row_per_thread: mapping.row_per_thread(),
        },
    };
    Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
}

/// The cases of `softmax.metal`: one value, less than a sixteen, rows that end within a sixteen, rows longer than any
/// fixed scratch, masked entries, and values whose exponentials overflow.
pub(crate) fn family() -> Family {
    Family::new("softmax", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for (rows, columns) in [(1, 1), (3, 7), (4, 32), (9, 100), (1, 4097), (2, 20000)] {
                let name = format!("{}_rows{rows}_columns{columns}", mapping.name());
                cases.add("softmax_f32", name, move |run| {
                    let x = run.rng().normal(rows * columns);
                    let xs = run.input(&x, [rows, columns])?;
                    let mut out = run.output(Format::F32, [rows, columns])?;
                    run.pass(|pass| mapped(pass, mapping, &xs, &mut out))?;
                    run.check(&out, || reference(&x, columns))
                });
            }
            cases.add(
                "softmax_f32",
                format!("{}_masked", mapping.name()),
                move |run| {
                    let mut x = run.rng().normal(3 * 50);
                    for (i, x) in x.iter_mut().enumerate() {
                        *x = if i % 3 == 0 {
                            f32::NEG_INFINITY
                        } else {
                            1000.0 + *x
                        };
                    }
                    x[100..].fill(f32::NEG_INFINITY);
                    let xs = run.input(&x, [3, 50])?;
                    let mut out = run.output(Format::F32, [3, 50])?;
                    run.pass(|pass| mapped(pass, mapping, &xs, &mut out))?;
                    run.check(&out, || reference(&x, 50))
                },
            );
        }
    })
    .benches(benches)
}

/// Rows of attention scores, and one of logits.
fn benches(benches: &mut Benches) {
    for (rows, columns) in [(512, 4096), (1, 151_936)] {
        let n = rows * columns;
        benches.add(
            "softmax_f32",
            format!("rows{rows}_columns{columns}"),
            Work::new(8 * n, 5 * n),
            move |setup| {
                let x = setup.values([rows, columns])?;
                let mut out = setup.output(Format::F32, [rows, columns])?;
                Ok(Box::new(move |pass| softmax(pass, &x, &mut out)))
            },
        );
    }
}

fn reference(x: &[f32], columns: usize) -> Vec<Expected> {
    x.chunks_exact(columns)
        .flat_map(|row| {
            let highest = row
                .iter()
                .fold(f64::NEG_INFINITY, |m, &x| m.max(f64::from(x)));
            let total: f64 = row.iter().map(|&x| (f64::from(x) - highest).exp()).sum();
            row.iter().map(move |&x| {
                let value = (f64::from(x) - highest).exp() / total;
                Expected::near(value, value)
            })
        })
        .collect()
}
