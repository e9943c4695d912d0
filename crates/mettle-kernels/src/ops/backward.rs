//! Gradients of inputs from those of outputs.

use super::check::Op;
use super::mapping::{Mapping, Sixteens};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::backward::{
    Constants, CrossEntropyF32, Params, RmsNormF32, RmsNormWeightF32, SiluF32, SoftmaxF32,
};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

/// The gradient `dx` of a loss with respect to `x`, from `dy`, that with respect to `y = silu(x)`; f32 of the same rows and columns.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes or gaps; those of the launch, when `dx` shares memory with an
/// input among others.
pub fn silu_backward(pass: &mut Pass, x: &Tensor, dy: &Tensor, dx: &mut Tensor) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_silu(pass, mapping, x, dy, dx)
}

/// The gradients `dx` with respect to `x` and `dweight` with respect to `weight`, from `dy`, that with respect to
/// `y = rms_norm(x) * weight`: see [`rms_norm()`](super::rms_norm()). `x`, `dy` and `dx` are f32 of the same rows and columns, `weight` and
/// `dweight` have as many values as a row.
///
/// # Errors
/// As for [`silu_backward`], and [`Error::Argument`](crate::Error::Argument) for an `eps` that is negative or no number.
pub fn rms_norm_backward(
    pass: &mut Pass,
    x: &Tensor,
    weight: &Tensor,
    eps: f32,
    dy: &Tensor,
    dx: &mut Tensor,
    dweight: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_rms_norm(pass, mapping, [x, weight, dy], eps, [dx, dweight])
}

/// The gradient `dx` with respect to `x` from `dy`, that with respect to `y = softmax(scale * x)`, of which `y` is given; f32 of the same rows
/// and columns.
///
/// # Errors
/// As for [`silu_backward`], and [`Error::Argument`](crate::Error::Argument) for a scale that is no number.
pub fn softmax_backward(
    pass: &mut Pass,
    y: &Tensor,
    scale: f32,
    dy: &Tensor,
    dx: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_softmax(pass, mapping, y, scale, dy, dx)
}

/// For rows of logits `x`, f32 `[rows, columns]`, the cross entropy of their softmax and `targets`, u32 `[rows]`: `loss[r]`, f32, is
/// `-log softmax(x[r])[targets[r]]`, and `dx`, of the shape of `x`, is `scale` times its gradient. Rows whose target is no column count
/// nothing: both are zero.
///
/// # Errors
/// As for [`softmax_backward`].
pub fn cross_entropy_backward(
    pass: &mut Pass,
    x: &Tensor,
    targets: &Tensor,
    scale: f32,
    loss: &mut Tensor,
    dx: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_cross_entropy(pass, mapping, x, targets, scale, [loss, dx])
}

fn mapped_silu(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    dy: &Tensor,
    dx: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("silu_backward");
    let (rows, columns) = (x.rows(), x.columns());
    let kernel = SiluF32 {
        x: &OP.values("x", x)?,
        dy: &OP.matrix("dy", dy, rows, columns)?,
        dx: &mut OP.matrix("dx", dx, rows, columns)?,
        params: params(OP, x, 1.0, 0.0)?,
        constants: constants(mapping),
    };
    Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
}

fn mapped_rms_norm(
    pass: &mut Pass,
    mapping: Mapping,
    [x, weight, dy]: [&Tensor; 3],
    eps: f32,
    [dx, dweight]: [&mut Tensor; 2],
) -> Result<()> {
    const OP: Op = Op("rms_norm_backward");
    let (rows, columns) = (x.rows(), x.columns());
    let params = params(OP, x, 1.0, OP.eps(eps)?)?;
    let constants = constants(mapping);
    let (x, dy) = (&OP.values("x", x)?, &OP.matrix("dy", dy, rows, columns)?);
    let weight = &OP.vector("weight", weight, columns)?;
    let dx = &mut OP.matrix("dx", dx, rows, columns)?;
    let dw = &mut OP.vector("dweight", dweight, columns)?;
    let mut factors = pass.scratch(rows)?;
    let kernel = RmsNormF32 {
        x,
        weight,
        dy,
        dx,
        factors: &mut factors,
        params,
        constants,
    };
    pass.dispatch(kernel, mapping.rows(rows, columns))?;
    let sixteens = match mapping {
        Mapping::RowPerThread => Sixteens::SideBySide,
        Mapping::RowPerGroup => Sixteens::Interleaved,
    };
    let kernel = RmsNormWeightF32 {
        x,
        dy,
        factors: &factors,
        dw,
        params,
        constants,
    };
    Ok(pass.dispatch(kernel, sixteens.rows(1, columns))?)
}

fn mapped_softmax(
    pass: &mut Pass,
    mapping: Mapping,
    y: &Tensor,
    scale: f32,
    dy: &Tensor,
    dx: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("softmax_backward");
    let (rows, columns) = (y.rows(), y.columns());
    let kernel = SoftmaxF32 {
        y: &OP.values("y", y)?,
        dy: &OP.matrix("dy", dy, rows, columns)?,
        dx: &mut OP.matrix("dx", dx, rows, columns)?,
        params: params(OP, y, scale, 0.0)?,
        constants: constants(mapping),
    };
    Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
}

fn mapped_cross_entropy(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    targets: &Tensor,
    scale: f32,
    [loss, dx]: [&mut Tensor; 2],
) -> Result<()> {
    const OP: Op = Op("cross_entropy_backward");
    let (rows, columns) = (x.rows(), x.columns());
    let kernel = CrossEntropyF32 {
        x: &OP.values("x", x)?,
        targets: &OP.vector("targets", targets, rows)?,
        loss: &mut OP.vector("loss", loss, rows)?,
        dx: &mut OP.matrix("dx", dx, rows, columns)?,
        params: params(OP, x, scale, 0.0)?,
        constants: constants(mapping),
    };
    Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
}

fn params(op: Op, x: &Tensor, scale: f32, eps: f32) -> Result<Params> {
    if !scale.is_finite() {
        return Err(op.refuse("scale", format!("is {scale}, must be a number")));
    }
    Ok(Params {
        columns: op.size("x", x.columns())?,
        rows: op.size("x", x.rows())?,
        scale,
        eps,
    })
}

fn constants(mapping: Mapping) -> Constants {
    Constants {
        row_per_thread: mapping.row_per_thread(),
    }
}

const EPS: f32 = 1e-5;
const SCALE: f32 = 0.3;

/// The cases of `backward.metal`: one value, rows that end within a sixteen, more sixteens than threads, many rows, and logits whose
/// exponentials overflow, with targets that there are not.
pub(crate) fn family() -> Family {
    Family::new("backward", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for shape in [[1, 1], [5, 75], [2, 9001], [70, 33]] {
                add_elementwise(cases, mapping, shape);
                add_rms_norm(cases, mapping, shape);
                add_softmax(cases, mapping, shape);
                for huge in [false, true] {
                    add_cross_entropy(cases, mapping, shape, huge);
                }
            }
        }
    })
    .benches(benches)
}

fn name(mapping: Mapping, [rows, columns]: [usize; 2]) -> String {
    format!("{}_rows{rows}_columns{columns}", mapping.name())
}

fn add_elementwise(cases: &mut Cases, mapping: Mapping, shape: [usize; 2]) {
    let name = name(mapping, shape);
    cases.add("backward_silu_f32", name, move |run: &mut Run<'_>| {
        let n = shape[0] * shape[1];
        let (mut x, dy) = (run.rng().activations(n), run.rng().normal(n));
        // Where the sigmoid is zero or one.
        for (x, extreme) in x.iter_mut().skip(1).zip([-200.0, 200.0, -30.0, 30.0]) {
            *x = extreme;
        }
        let (xs, dys) = (run.input(&x, shape)?, run.input(&dy, shape)?);
        let mut dxs = run.output(Format::F32, shape)?;
        run.pass(|pass| mapped_silu(pass, mapping, &xs, &dys, &mut dxs))?;
        run.check(&dxs, || {
            let gradient = |(&x, &dy): (&f32, &f32)| {
                let (x, dy) = (f64::from(x), f64::from(dy));
                let s = 1.0 / (1.0 + (-x).exp());
                let terms = s * (1.0 + (x * (1.0 - s)).abs()) + f64::from(f32::MIN_POSITIVE);
                Expected::near(dy * s * (1.0 + x * (1.0 - s)), dy.abs() * terms)
            };
            x.iter().zip(&dy).map(gradient).collect()
        })
    });
}

fn add_rms_norm(cases: &mut Cases, mapping: Mapping, shape: [usize; 2]) {
    for kernel in ["backward_rms_norm_f32", "backward_rms_norm_weight_f32"] {
        let name = name(mapping, shape);
        cases.add(kernel, name, move |run: &mut Run<'_>| {
            let [rows, columns] = shape;
            let x = run.rng().activations(rows * columns);
            let dy = run.rng().normal(rows * columns);
            let weight = run.rng().normal(columns);
            let (xs, dys) = (run.input(&x, shape)?, run.input(&dy, shape)?);
            let weights = run.input(&weight, [columns])?;
            let mut dxs = run.output(Format::F32, shape)?;
            let mut dweights = run.output(Format::F32, [columns])?;
            run.pass(|pass| {
                let outs = [&mut dxs, &mut dweights];
                mapped_rms_norm(pass, mapping, [&xs, &weights, &dys], EPS, outs)
            })?;
            let factor = |row: &[f32]| {
                let squares: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
                1.0 / (squares / columns as f64 + f64::from(EPS)).sqrt()
            };
            run.check(&dxs, || {
                let rows = x.chunks_exact(columns).zip(dy.chunks_exact(columns));
                rows.flat_map(|(x, dy)| {
                    let f = factor(x);
                    let product = |i: usize| f64::from(weight[i]) * f64::from(dy[i]);
                    let term = |i: usize| product(i) * f64::from(x[i]) / columns as f64;
                    let mean: f64 = (0..columns).map(term).sum();
                    let sizes: f64 = (0..columns).map(|i| term(i).abs()).sum();
                    let gradient = |i: usize| {
                        let of_x = f64::from(x[i]) * f.powi(3);
                        let size = (f * product(i)).abs() + of_x.abs() * sizes;
                        Expected::near(f * product(i) - of_x * mean, size)
                    };
                    (0..columns).map(gradient).collect::<Vec<_>>()
                })
                .collect()
            })?;
            run.check(&dweights, || {
                let factors: Vec<f64> = x.chunks_exact(columns).map(factor).collect();
                let column = |i: usize| {
                    let term = |row: usize| {
                        let at = row * columns + i;
                        f64::from(dy[at]) * f64::from(x[at]) * factors[row]
                    };
                    let sizes = (0..rows).map(|row| term(row).abs()).sum();
                    Expected::near((0..rows).map(term).sum(), sizes)
                };
                (0..columns).map(column).collect()
            })
        });
    }
}

fn add_softmax(cases: &mut Cases, mapping: Mapping, shape: [usize; 2]) {
    let name = name(mapping, shape);
    cases.add("backward_softmax_f32", name, move |run: &mut Run<'_>| {
        let [rows, columns] = shape;
        let x = run.rng().normal(rows * columns);
        let dy = run.rng().normal(rows * columns);
        let y: Vec<f32> = x.chunks_exact(columns).flat_map(softmax).collect();
        let (ys, dys) = (run.input(&y, shape)?, run.input(&dy, shape)?);
        let mut dxs = run.output(Format::F32, shape)?;
        run.pass(|pass| mapped_softmax(pass, mapping, &ys, SCALE, &dys, &mut dxs))?;
        run.check(&dxs, || {
            let rows = y.chunks_exact(columns).zip(dy.chunks_exact(columns));
            rows.flat_map(|(y, dy)| {
                let term = |i: usize| f64::from(y[i]) * f64::from(dy[i]);
                let dot: f64 = (0..columns).map(term).sum();
                let sizes: f64 = (0..columns).map(|i| term(i).abs()).sum();
                let gradient = |i: usize| {
                    let (by, dy) = (f64::from(SCALE) * f64::from(y[i]), f64::from(dy[i]));
                    Expected::near(by * (dy - dot), by * (dy.abs() + sizes))
                };
                (0..columns).map(gradient).collect::<Vec<_>>()
            })
            .collect()
        })
    });
}

/// As f32, for what a kernel is given.
fn softmax(row: &[f32]) -> Vec<f32> {
    let (probabilities, _) = probabilities(row);
    probabilities.into_iter().map(|p| p as f32).collect()
}

/// The softmax of a row, and the logarithm of the sum of its exponentials.
fn probabilities(row: &[f32]) -> (Vec<f64>, f64) {
    let exact = row.iter().map(|&x| f64::from(x));
    let largest = exact.clone().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = exact.clone().map(|x| (x - largest).exp()).sum();
    let probabilities = exact.map(|x| (x - largest).exp() / total).collect();
    (probabilities, largest + total.ln())
}

fn add_cross_entropy(cases: &mut Cases, mapping: Mapping, shape: [usize; 2], huge: bool) {
    let name = name(mapping, shape) + if huge { "_huge" } else { "" };
    cases.add(
        "backward_cross_entropy_f32",
        name,
        move |run: &mut Run<'_>| {
            let [rows, columns] = shape;
            let size = if huge { 1e4 } else { 1.0 };
            let x: Vec<f32> = run
                .rng()
                .normal(rows * columns)
                .iter()
                .map(|x| size * x)
                .collect();
            let target = |row: usize| match row % 7 {
                3 => columns as u32,
                4 => u32::MAX,
                _ => (row * 37 % columns) as u32,
            };
            let target: Vec<u32> = (0..rows).map(target).collect();
            let (xs, targets) = (run.input(&x, shape)?, run.input(&target, [rows])?);
            let mut losses = run.output(Format::F32, [rows])?;
            let mut dxs = run.output(Format::F32, shape)?;
            run.pass(|pass| {
                let outs = [&mut losses, &mut dxs];
                mapped_cross_entropy(pass, mapping, &xs, &targets, SCALE, outs)
            })?;
            let with_targets = || x.chunks_exact(columns).zip(&target);
            run.check(&losses, || {
                with_targets()
                    .map(|(row, &target)| match row.get(target as usize) {
                        None => Expected::exact(0.0f32),
                        Some(&x) => {
                            let (_, sum) = probabilities(row);
                            let largest = row.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x));
                            let (x, largest) = (f64::from(x), f64::from(largest));
                            Expected::near(sum - x, (sum - largest).abs() + 1.0 + (largest - x))
                        }
                    })
                    .collect()
            })?;
            run.check(&dxs, || {
                with_targets()
                    .flat_map(|(row, &target)| {
                        let counts = (target as usize) < columns;
                        let scale = if counts { f64::from(SCALE) } else { 0.0 };
                        let gradient = |(i, p): (usize, f64)| {
                            let one = if i == target as usize { 1.0 } else { 0.0 };
                            let smallest = f64::from(f32::MIN_POSITIVE);
                            Expected::near(scale * (p - one), scale * (p + one) + smallest)
                        };
                        let (probabilities, _) = probabilities(row);
                        probabilities
                            .into_iter()
                            .enumerate()
                            .map(gradient)
                            .collect::<Vec<_>>()
                    })
                    .collect()
            })
        },
    );
}

/// A batch of 512 tokens; the cross entropy of 64 with a large vocabulary.
fn benches(benches: &mut Benches) {
    let (rows, columns) = (512, 4096);
    let (n, shape) = (rows * columns, [rows, columns]);
    let name = format!("rows{rows}_columns{columns}");
    let work = Work::new(12 * n, 8 * n);
    benches.add("backward_silu_f32", name.clone(), work, move |setup| {
        let (x, dy) = (setup.values(shape)?, setup.values(shape)?);
        let mut dx = setup.output(Format::F32, shape)?;
        Ok(Box::new(move |pass| silu_backward(pass, &x, &dy, &mut dx)))
    });
    for kernel in ["backward_rms_norm_f32", "backward_rms_norm_weight_f32"] {
        let work = Work::new(20 * n, 13 * n);
        benches.add(kernel, name.clone(), work, move |setup| {
            let (x, dy) = (setup.values(shape)?, setup.values(shape)?);
            let weight = setup.values([columns])?;
            let mut dx = setup.output(Format::F32, shape)?;
            let mut dweight = setup.output(Format::F32, [columns])?;
            Ok(Box::new(move |pass| {
                rms_norm_backward(pass, &x, &weight, EPS, &dy, &mut dx, &mut dweight)
            }))
        });
    }
    benches.add("backward_softmax_f32", name, work, move |setup| {
        let (y, dy) = (setup.values(shape)?, setup.values(shape)?);
        let mut dx = setup.output(Format::F32, shape)?;
        Ok(Box::new(move |pass| {
            softmax_backward(pass, &y, SCALE, &dy, &mut dx)
        }))
    });
    let (rows, columns) = (64, 128_256);
    let (n, shape) = (rows * columns, [rows, columns]);
    let name = format!("rows{rows}_columns{columns}");
    let work = Work::new(8 * n, 8 * n);
    benches.add("backward_cross_entropy_f32", name, work, move |setup| {
        let x = setup.values(shape)?;
        let targets: Vec<u32> = (0..rows as u32).collect();
        let targets = setup.of(&targets)?;
        let mut loss = setup.output(Format::F32, [rows])?;
        let mut dx = setup.output(Format::F32, shape)?;
        Ok(Box::new(move |pass| {
            cross_entropy_backward(pass, &x, &targets, SCALE, &mut loss, &mut dx)
        }))
    });
}
