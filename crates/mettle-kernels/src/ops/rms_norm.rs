//! Root-mean-square normalisation.

use super::check::Op;
use super::mapping::Mapping;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::rms_norm::{self, Constants, Params};
use crate::cases::{Expected, Family, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

/// `out[r, :] = x[r, :] * weight / sqrt(mean(x[r, :]^2) + eps)` for every row; all f32, `x` and `out` of the same rows
/// and columns, `weight` of as many values as a row has.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes, gaps, or an `eps` that is negative or no
/// number; those of the launch, when `out` shares memory with an input among others: see [`rms_norm_assign`].
pub fn rms_norm(
    pass: &mut Pass,
    x: &Tensor,
    weight: &Tensor,
    eps: f32,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, weight, eps, out)
}

/// [`rms_norm()`] in place. For the norm of each head, `x` is `[tokens, heads, head_size]`.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn rms_norm_assign(pass: &mut Pass, x: &mut Tensor, weight: &Tensor, eps: f32) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_assign(pass, mapping, x, weight, eps)
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    weight: &Tensor,
    eps: f32,
    out: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("rms_norm");
    let (rows, columns) = (x.rows(), x.columns());
    let kernel = rms_norm::F32 {
        x: &OP.values("x", x)?,
        weight: &OP.vector("weight", weight, columns)?,
        out: &mut OP.matrix("out", out, rows, columns)?,
        params: params(OP, x, eps)?,
        constants: constants(mapping),
    };
    Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
}

fn mapped_assign(
    pass: &mut Pass,
    mapping: Mapping,
    x: &mut Tensor,
    weight: &Tensor,
    eps: f32,
) -> Result<()> {
    const OP: Op = Op("rms_norm_assign");
    let (rows, columns) = (x.rows(), x.columns());
    let kernel = rms_norm::AssignF32 {
        x: &mut OP.values("x", x)?,
        weight: &OP.vector("weight", weight, columns)?,
        params: params(OP, x, eps)?,
        constants: constants(mapping),
    };
    Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
}

fn params(op: Op, x: &Tensor, eps: f32) -> Result<Params> {
    op.size("x", x.rows())?;
    Ok(Params {
        columns: op.size("x", x.columns())?,
        eps: op.eps(eps)?,
    })
}

fn constants(mapping: Mapping) -> Constants {
    Constants {
        row_per_thread: mapping.row_per_thread(),
    }
}

/// The cases of `rms_norm.metal`: one value, less than a sixteen, a head, rows that end within a sixteen, more sixteens
/// than threads, and rows longer than any fixed scratch.
pub(crate) fn family() -> Family {
    const SHAPES: [(usize, usize); 8] = [
        (1, 1),
        (3, 7),
        (48, 128),
        (2, 80),
        (5, 257),
        (1, 1024),
        (300, 48),
        (1, 14337),
    ];
    Family::new("rms_norm", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for (rows, columns) in SHAPES {
                let name = format!("{}_rows{rows}_columns{columns}", mapping.name());
                cases.add("rms_norm_f32", name, move |run| {
                    let x = run.rng().activations(rows * columns);
                    let weight = run.rng().normal(columns);
                    let (xs, weights) = (
                        run.input(&x, [rows, columns])?,
                        run.input(&weight, [columns])?,
                    );
                    let mut out = run.output(Format::F32, [rows, columns])?;
                    run.pass(|pass| mapped(pass, mapping, &xs, &weights, 1e-6, &mut out))?;
                    run.check(&out, || reference(&x, &weight, 1e-6))
                });
                let name = format!("{}_rows{rows}_columns{columns}", mapping.name());
                cases.add("rms_norm_assign_f32", name, move |run| {
                    let x = run.rng().activations(rows * columns);
                    let weight = run.rng().normal(columns);
                    let mut xs = run.input(&x, [rows, columns])?;
                    let weights = run.input(&weight, [columns])?;
                    run.pass(|pass| mapped_assign(pass, mapping, &mut xs, &weights, 1e-6))?;
                    run.check(&xs, || reference(&x, &weight, 1e-6))
                });
            }
            // Mean squares far below eps, where it decides, and rows of nothing but zeros.
            cases.add(
                "rms_norm_f32",
                format!("{}_small", mapping.name()),
                move |run| {
                    let mut x: Vec<f32> =
                        run.rng().normal(2 * 64).iter().map(|x| x * 1e-5).collect();
                    x[64..].fill(0.0);
                    let weight = run.rng().normal(64);
                    let (xs, weights) = (run.input(&x, [2, 64])?, run.input(&weight, [64])?);
                    let mut out = run.output(Format::F32, [2, 64])?;
                    run.pass(|pass| mapped(pass, mapping, &xs, &weights, 1e-5, &mut out))?;
                    run.check(&out, || reference(&x, &weight, 1e-5))
                },
            );
        }
    })
    .benches(benches)
}

/// One token and a prompt, and the heads of one token in place.
fn benches(benches: &mut Benches) {
    let (heads, head_size) = (32, 128);
    let n = heads * head_size;
    benches.add(
        "rms_norm_assign_f32",
        format!("rows{heads}_columns{head_size}"),
        Work::new(8 * n + 4 * head_size, 4 * n),
        move |setup| {
            let mut x = setup.values([heads, head_size])?;
            let weight = setup.values([head_size])?;
            Ok(Box::new(move |pass| {
                rms_norm_assign(pass, &mut x, &weight, 1e-6)
            }))
        },
    );
    let columns = 4096;
    for rows in [1, 512] {
        let n = rows * columns;
        let work = Work::new(8 * n + 4 * columns, 4 * n);
        benches.add(
            "rms_norm_f32",
            format!("rows{rows}_columns{columns}"),
            work,
            move |setup| {
                let (x, weight) = (setup.values([rows, columns])?, setup.values([columns])?);
                let mut out = setup.output(Format::F32, [rows, columns])?;
                Ok(Box::new(move |pass| {
                    rms_norm(pass, &x, &weight, 1e-6, &mut out)
                }))
            },
        );
    }
}

pub(super) fn reference(x: &[f32], weight: &[f32], eps: f32) -> Vec<Expected> {
    x.chunks_exact(weight.len())
        .flat_map(|row| {
            let squares: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
            let scale = 1.0 / (squares / row.len() as f64 + f64::from(eps)).sqrt();
            row.iter().zip(weight).map(move |(&x, &w)| {
                let value = f64::from(x) * scale * f64::from(w);
                Expected::near(value, value.abs())
            })
        })
        .collect()
}
