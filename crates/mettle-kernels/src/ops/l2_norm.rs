//! Rows scaled to length one.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::Mapping;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::l2_norm::{Constants, Params};
use crate::cases::{Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

const OP: Op = Op("l2_norm");

/// What keeps short rows from being divided by zero. Systems differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum L2Eps {
    /// The length is `sqrt(sum(x^2) + eps)`.
    InRoot(f32),
    /// The length is `sqrt(sum(x^2)) + eps`.
    Added(f32),
    /// The length is at least so much, as in ggml.
    Floor(f32),
}

impl L2Eps {
    /// `EPS` of `l2_norm.metal`, and the number.
    fn code(self) -> (u32, f32) {
        match self {
            L2Eps::InRoot(eps) => (0, eps),
            L2Eps::Added(eps) => (1, eps),
            L2Eps::Floor(eps) => (2, eps),
        }
    }
}

/// `out[r, :] = x[r, :] / length(x[r, :])` for every row; F32, F16 or BF16, `x` and `out` of the same rows and columns.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes,
/// gaps, or an `eps` that is negative or no number; those of the launch, when `out` shares memory with `x` among others.
pub fn l2_norm(pass: &mut Pass, x: &Tensor, eps: L2Eps, out: &mut Tensor) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, eps, out)
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    eps: L2Eps,
    out: &mut Tensor,
) -> Result<()> {
    let (rows, columns) = (x.rows(), x.columns());
    OP.size("x", rows)?;
    let (place, eps) = eps.code();
    let params = Params {
        columns: OP.size("x", columns)?,
        eps: OP.eps(eps)?,
    };
    let constants = Constants {
        row_per_thread: mapping.row_per_thread(),
        eps: place,
    };
    by_float_format!(OP, "x", x.format(), Kernel in l2_norm::{F32, F16, Bf16} => {
        let kernel = Kernel {
            x: &OP.values("x", x)?,
            out: &mut OP.matrix("out", out, rows, columns)?,
            params,
            constants,
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

/// The cases of `l2_norm.metal`: one value, heads, rows that end within a sixteen, more sixteens than threads, and rows short enough that
/// eps decides, for each place of it.
pub(crate) fn family() -> Family {
    Family::new("l2_norm", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for (format, suffix) in FLOATS {
                for [rows, columns] in [[3, 1], [33, 128], [5, 77], [1, 9001]] {
                    let name = format!("{}_rows{rows}_columns{columns}", mapping.name());
                    cases.add(format!("l2_norm_{suffix}"), name, move |run| {
                        let x = run.rng().activations(rows * columns);
                        check(run, mapping, format, L2Eps::InRoot(1e-6), &x, columns)
                    });
                }
                for (name, eps) in [
                    ("in_root", L2Eps::InRoot(1e-6)),
                    ("added", L2Eps::Added(1e-3)),
                    ("floor", L2Eps::Floor(1e-3)),
                ] {
                    let name = format!("{}_{name}", mapping.name());
                    cases.add(format!("l2_norm_{suffix}"), name, move |run| {
                        let mut x = run.rng().normal(3 * 64);
                        x[64..].iter_mut().for_each(|x| *x *= 1e-5);
                        check(run, mapping, format, eps, &x, 64)
                    });
                }
            }
        }
    })
    .benches(benches)
}

fn check(
    run: &mut Run<'_>,
    mapping: Mapping,
    format: Format,
    eps: L2Eps,
    x: &[f32],
    columns: usize,
) -> Result<()> {
    let shape = [x.len() / columns, columns];
    let (xs, x) = run.rounded(format, x, shape)?;
    let mut out = run.output(format, shape)?;
    run.pass(|pass| mapped(pass, mapping, &xs, eps, &mut out))?;
    run.check(&out, || reference(&x, columns, eps))
}

/// The keys of a prompt.
fn benches(benches: &mut Benches) {
    let (rows, columns) = (16 * 512, 128);
    let n = rows * columns;
    for (format, suffix) in FLOATS {
        benches.add(
            format!("l2_norm_{suffix}"),
            format!("rows{rows}_columns{columns}"),
            Work::new(2 * n * format.block_bytes(), 3 * n),
            move |setup| {
                let x = setup.values_as(format, [rows, columns])?;
                let mut out = setup.output(format, [rows, columns])?;
                Ok(Box::new(move |pass| {
                    l2_norm(pass, &x, L2Eps::InRoot(1e-6), &mut out)
                }))
            },
        );
    }
}

fn reference(x: &[f32], columns: usize, eps: L2Eps) -> Vec<Expected> {
    x.chunks_exact(columns)
        .flat_map(|row| {
            let squares: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
            let length = match eps {
                L2Eps::InRoot(eps) => (squares + f64::from(eps)).sqrt(),
                L2Eps::Added(eps) => squares.sqrt() + f64::from(eps),
                L2Eps::Floor(eps) => squares.sqrt().max(f64::from(eps)),
            };
            row.iter().map(move |&x| {
                let value = f64::from(x) / length;
                Expected::near(value, value.abs())
            })
        })
        .collect()
}
