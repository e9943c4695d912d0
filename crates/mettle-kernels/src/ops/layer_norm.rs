//! Layer normalisation.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::Mapping;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::layer_norm::{Constants, Params};
use crate::cases::{Cases, Expected, Family, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

const OP: Op = Op("layer_norm");

/// `out[r, :] = (x[r, :] - mean(x[r, :])) / sqrt(var(x[r, :]) + eps) * weight + bias` for every row, `var` being the mean square of the
/// differences; all F32, F16 or BF16, `x` and `out` of the same rows and columns, `weight` and `bias`, where there are any, of as many
/// values as a row has.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes,
/// gaps, or an `eps` that is negative or no number; those of the launch, when `out` shares memory with an input among others.
pub fn layer_norm(
    pass: &mut Pass,
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f32,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, weight, bias, eps, out)
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f32,
    out: &mut Tensor,
) -> Result<()> {
    let (rows, columns) = (x.rows(), x.columns());
    OP.size("x", rows)?;
    let params = Params {
        columns: OP.size("x", columns)?,
        eps: OP.eps(eps)?,
    };
    let constants = Constants {
        row_per_thread: mapping.row_per_thread(),
        weight: weight.is_some(),
        bias: bias.is_some(),
    };
    by_float_format!(OP, "x", x.format(), Kernel in layer_norm::{F32, F16, Bf16} => {
        let values = OP.values("x", x)?;
        let of_columns = |argument, tensor: Option<&Tensor>| match tensor {
            Some(tensor) => OP.vector(argument, tensor, columns),
            None => Ok(values.clone()),
        };
        let kernel = Kernel {
            x: &values,
            weight: &of_columns("weight", weight)?,
            bias: &of_columns("bias", bias)?,
            out: &mut OP.matrix("out", out, rows, columns)?,
            params,
            constants,
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

const EPS: f32 = 1e-5;

/// The cases of `layer_norm.metal`: one value, less than a sixteen, rows that end within a sixteen, more sixteens than threads, without
/// weight or bias, rows of one value only, and a mean that is large beside the differences.
pub(crate) fn family() -> Family {
    Family::new("layer_norm", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for (format, _) in FLOATS {
                let mut add = |name: &str, shape, with, change: fn(&mut [f32])| {
                    let name = format!("{}_{name}", mapping.name());
                    add_case(cases, mapping, format, shape, with, name, change);
                };
                add("one", [3, 1], [true; 2], |_| ());
                add("short", [3, 7], [true; 2], |_| ());
                add("tail", [300, 53], [true; 2], |_| ());
                add("long", [2, 8211], [true; 2], |_| ());
                add("no_weight", [5, 80], [false, true], |_| ());
                add("no_bias", [5, 80], [true, false], |_| ());
                add("plain", [5, 80], [false; 2], |_| ());
                add("equal", [2, 40], [true; 2], |x| x.fill(2.5));
                add("large_mean", [4, 70], [true; 2], |x| {
                    x.iter_mut().for_each(|x| *x += 100.0);
                });
            }
        }
    })
    .benches(benches)
}

fn add_case(
    cases: &mut Cases,
    mapping: Mapping,
    format: Format,
    shape: [usize; 2],
    [with_weight, with_bias]: [bool; 2],
    name: String,
    change: fn(&mut [f32]),
) {
    let kernel = format!("layer_norm_{}", format.name().to_lowercase());
    cases.add(kernel, name, move |run| {
        let [rows, columns] = shape;
        let mut x = run.rng().activations(rows * columns);
        change(&mut x);
        let (weight, bias) = (run.rng().normal(columns), run.rng().normal(columns));
        let (xs, x) = run.rounded(format, &x, shape)?;
        let (weights, mut weight) = run.rounded(format, &weight, [columns])?;
        let (biases, mut bias) = run.rounded(format, &bias, [columns])?;
        let mut out = run.output(format, shape)?;
        run.pass(|pass| {
            let (weights, biases) = (
                with_weight.then_some(&weights),
                with_bias.then_some(&biases),
            );
            mapped(pass, mapping, &xs, weights, biases, EPS, &mut out)
        })?;
        if !with_weight {
            weight.fill(1.0);
        }
        if !with_bias {
            bias.fill(0.0);
        }
        run.check(&out, || reference(&x, &weight, &bias))
    });
}

/// One token and a prompt.
fn benches(benches: &mut Benches) {
    let columns = 1024;
    for (format, suffix) in FLOATS {
        for rows in [1, 512] {
            let n = rows * columns;
            let work = Work::new((2 * n + 2 * columns) * format.block_bytes(), 8 * n);
            benches.add(
                format!("layer_norm_{suffix}"),
                format!("rows{rows}_columns{columns}"),
                work,
                move |setup| {
                    let x = setup.values_as(format, [rows, columns])?;
                    let weight = setup.values_as(format, [columns])?;
                    let bias = setup.values_as(format, [columns])?;
                    let mut out = setup.output(format, [rows, columns])?;
                    Ok(Box::new(move |pass| {
                        layer_norm(pass, &x, Some(&weight), Some(&bias), EPS, &mut out)
                    }))
                },
            );
        }
    }
}

fn reference(x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<Expected> {
    x.chunks_exact(weight.len())
        .flat_map(|row| {
            let count = row.len() as f64;
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
            // The terms of the mean are those of a sum.
            let sizes = row.iter().map(|&x| f64::from(x).abs()).sum::<f64>() / count;
            let squares: f64 = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
            let scale = 1.0 / (squares / count + f64::from(EPS)).sqrt();
            let columns = weight.iter().zip(bias);
            row.iter().zip(columns).map(move |(&x, (&weight, &bias))| {
                let (x, weight, bias) = (f64::from(x), f64::from(weight), f64::from(bias));
                let terms = (x.abs() + sizes) * (scale * weight).abs();
                Expected::near((x - mean) * scale * weight + bias, terms + bias.abs())
            })
        })
        .collect()
}
