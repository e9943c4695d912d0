//! Copies between layouts and formats.

use super::check::{FLOATS, Op};
use super::mapping::Sixteens;
use crate::bench::{Benches, Work};
use crate::bindings::copy::{self, Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use crate::{Error, Result};
use mettle_gpu::{Format, Pass, Shape, Tensor};

/// `out = x`, converted to the format of `out`: each F32, F16 or BF16, of the same shape, with or without gaps between rows (a band of
/// columns, some rows, one of a batch). What a format cannot hold is rounded to nearest, beyond its largest number to infinity.
///
/// # Errors
/// [`Error::Unsupported`] for other formats; [`Error::Argument`] for other shapes; those of the launch, when `out` shares memory with `x`
/// among others.
pub fn copy(pass: &mut Pass, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let all = [0, 1, 2, 3];
    let sixteens = Sixteens::of(pass.device());
    spread(pass, Op("copy"), sixteens, x, &all[..x.shape().rank()], out)
}

/// Dimension `k` of `out` is dimension `order[k]` of `x`, converted as by [`copy()`]: `[1, 0]` transposes a matrix, `[1, 0, 2]` brings the
/// heads of `[tokens, heads, head_size]` to the front, `[0, 2, 1]` transposes each matrix of a batch.
///
/// # Errors
/// As for [`copy()`], and [`Error::Argument`] for an order that does not name each dimension of `x` once.
pub fn permute(pass: &mut Pass, x: &Tensor, order: &[usize], out: &mut Tensor) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread(pass, Op("permute"), sixteens, x, order, out)
}

fn spread(
    pass: &mut Pass,
    op: Op,
    sixteens: Sixteens,
    x: &Tensor,
    order: &[usize],
    out: &mut Tensor,
) -> Result<()> {
    let params = params(op, x, order, out)?;
    macro_rules! dispatch {
        ($kernel:ident) => {{
            let kernel = copy::$kernel {
                x: &op.strided("x", x, x.rows(), x.columns())?,
                out: &mut op.strided("out", out, out.rows(), out.columns())?,
                params,
                constants: Constants {
                    interleaved: sixteens.interleaved(),
                },
            };
            pass.dispatch(kernel, sixteens.rows(out.rows(), out.columns()))?;
        }};
    }
    match (x.format(), out.format()) {
        (Format::F32, Format::F32) => dispatch!(F32F32),
        (Format::F32, Format::F16) => dispatch!(F32F16),
        (Format::F32, Format::BF16) => dispatch!(F32Bf16),
        (Format::F16, Format::F32) => dispatch!(F16F32),
        (Format::F16, Format::F16) => dispatch!(F16F16),
        (Format::F16, Format::BF16) => dispatch!(F16Bf16),
        (Format::BF16, Format::F32) => dispatch!(Bf16F32),
        (Format::BF16, Format::F16) => dispatch!(Bf16F16),
        (Format::BF16, Format::BF16) => dispatch!(Bf16Bf16),
        (from, to) => {
            return Err(Error::Unsupported {
                op: op.0,
                reason: format!("{from} to {to}; there are F32, F16 and BF16"),
            });
        }
    }
    Ok(())
}

/// The shape of `out` and the strides of both, to four dimensions.
fn params(op: Op, x: &Tensor, order: &[usize], out: &Tensor) -> Result<Params> {
    let rank = x.shape().rank();
    let mut named = order.to_vec();
    named.sort_unstable();
    if !named.into_iter().eq(0..rank) {
        let reason = format!(
            "is {order:?}, must name each dimension of x, {}, once",
            x.shape()
        );
        return Err(op.refuse("order", reason));
    }
    let dims: Vec<usize> = order.iter().map(|&from| x.shape()[from]).collect();
    if *out.shape().dims() != *dims {
        let reason = format!("has shape {}, must have {dims:?}", out.shape());
        return Err(op.refuse("out", reason));
    }
    op.size("out", out.rows())?;
    let stride = |argument, tensor: &Tensor, dimension| {
        let values = tensor.stride_bytes(dimension) / tensor.format().block_bytes();
        op.size(argument, values)
    };
    let (mut shape, mut from, mut to) = ([1; 4], [0; 4], [0; 4]);
    for (place, (k, &of_x)) in (Shape::MAX_RANK - rank..).zip(order.iter().enumerate()) {
        shape[place] = op.size("out", out.shape()[k])?;
        // That of a dimension of one is never used, and may be anything.
        if shape[place] > 1 {
            from[place] = stride("x", x, of_x)?;
            to[place] = stride("out", out, k)?;
        }
    }
    if shape[3] == 1 {
        from[3] = 1;
    }
    Ok(Params { shape, from, to })
}

/// The cases of `copy.metal`: every pair of formats, with numbers that one of them cannot hold, every kind of permutation, bands of wider
/// tensors on both sides, rows that end within a sixteen, and one value.
pub(crate) fn family() -> Family {
    Family::new("copy", Tolerance::EXACT, |cases| {
        for sixteens in Sixteens::ALL {
            for (from, of_x) in FLOATS {
                for (to, of_out) in FLOATS {
                    let kernel = format!("copy_{of_x}_{of_out}");
                    let name = format!("{}_values", sixteens.name());
                    cases.add(kernel, name, move |run| {
                        let mut x = run.rng().activations(2000);
                        x[..EXTREMES.len()].copy_from_slice(&EXTREMES);
                        check(run, sixteens, from, to, &x, &[2000], &[0])
                    });
                }
            }
            let mut add = |name: &str, shape: &'static [usize], order: &'static [usize]| {
                const FORMATS: [(Format, Format); 5] = [
                    (Format::F32, Format::F32),
                    (Format::F32, Format::BF16),
                    (Format::F16, Format::F16),
                    (Format::BF16, Format::BF16),
                    (Format::BF16, Format::F32),
                ];
                for (from, to) in FORMATS {
                    let kernel = format!("copy_{from}_{to}").to_lowercase();
                    let name = format!("{}_{name}", sixteens.name());
                    cases.add(kernel, name, move |run| {
                        let x = run.rng().normal(shape.iter().product());
                        check(run, sixteens, from, to, &x, shape, order)
                    });
                }
            };
            add("one", &[1, 1], &[1, 0]);
            add("transpose", &[37, 530], &[1, 0]);
            add("permute_021", &[3, 20, 33], &[0, 2, 1]);
            add("heads_first", &[7, 3, 40], &[1, 0, 2]);
            add("last_first", &[5, 6, 7], &[2, 0, 1]);
            add("reversed", &[2, 3, 4, 17], &[3, 2, 1, 0]);
            add("inner_swap", &[2, 3, 4, 17], &[0, 2, 1, 3]);
            add("column", &[90, 1], &[1, 0]);
            add_bands(cases, sixteens);
        }
    })
    .benches(benches)
}

/// Numbers that formats round, flush or do not hold.
const EXTREMES: [f32; 14] = [
    0.0,
    -0.0,
    65504.0,
    65519.9,
    65520.0,
    -1e9,
    3.39e38,
    6e-8,
    2.9e-8,
    1e-40,
    1.001,
    -1.0078125,
    f32::NEG_INFINITY,
    f32::NAN,
];

/// From a band of a wider tensor, behind some of its rows, to a band of another.
fn add_bands(cases: &mut Cases, sixteens: Sixteens) {
    for of_x in [Format::F32, Format::F16] {
        let kernel = format!("copy_{of_x}_f32").to_lowercase();
        let name = format!("{}_bands", sixteens.name());
        cases.add(kernel, name, move |run| {
            let x = run.rng().normal(9 * 4 * 60);
            let (xs, x) = run.rounded(of_x, &x, [9, 4, 60])?;
            let from = xs.rows_range(2..9)?.columns_range(11..44)?;
            let out = run.output(Format::F32, [7, 4, 50])?;
            let mut to = out.columns_range(3..36)?;
            run.pass(|pass| spread(pass, Op("copy"), sixteens, &from, &[0, 1, 2], &mut to))?;
            run.check(&out, || {
                let mut expected = vec![Expected::untouched(); 7 * 4 * 50];
                for row in 0..7 * 4 {
                    for i in 0..33 {
                        let value = x[(row + 2 * 4) * 60 + 11 + i];
                        expected[row * 50 + 3 + i] = Expected::exact(value);
                    }
                }
                expected
            })
        });
    }
}

fn check(
    run: &mut Run<'_>,
    sixteens: Sixteens,
    from: Format,
    to: Format,
    x: &[f32],
    shape: &[usize],
    order: &[usize],
) -> Result<()> {
    let (xs, x) = run.rounded(from, x, Shape::new(shape)?)?;
    let dims: Vec<usize> = order.iter().map(|&of_x| shape[of_x]).collect();
    let mut out = run.output(to, Shape::new(&dims)?)?;
    run.pass(|pass| spread(pass, Op("permute"), sixteens, &xs, order, &mut out))?;
    run.check(&out, || reference(&x, shape, order, to))
}

/// A prompt's activations: a cast, and heads brought to the front.
fn benches(benches: &mut Benches) {
    let shape = [512, 32, 128];
    let n: usize = shape.iter().product();
    for (from, of_x) in FLOATS {
        for (to, of_out) in FLOATS {
            let kernel = format!("copy_{of_x}_{of_out}");
            let work = Work::new(n * (from.block_bytes() + to.block_bytes()), 0);
            benches.add(kernel, format!("n{n}"), work, move |setup| {
                let x = setup.values_as(from, [n])?;
                let mut out = setup.output(to, [n])?;
                Ok(Box::new(move |pass| copy(pass, &x, &mut out)))
            });
        }
    }
    for (name, order) in [("heads_first", [1, 0, 2]), ("permute_021", [0, 2, 1])] {
        let work = Work::new(8 * n, 0);
        benches.add("copy_f32_f32", name, work, move |setup| {
            let x = setup.values(shape)?;
            let mut out = setup.output(Format::F32, order.map(|of_x: usize| shape[of_x]))?;
            Ok(Box::new(move |pass| permute(pass, &x, &order, &mut out)))
        });
    }
}

/// Every index of the output, looked up in x, and rounded on the host.
fn reference(x: &[f32], shape: &[usize], order: &[usize], to: Format) -> Vec<Expected> {
    let mut strides = vec![1; shape.len()];
    for k in (1..shape.len()).rev() {
        strides[k - 1] = strides[k] * shape[k];
    }
    let permuted = (0..x.len()).map(|place| {
        let (mut rest, mut from) = (place, 0);
        for &of_x in order.iter().rev() {
            from += rest % shape[of_x] * strides[of_x];
            rest /= shape[of_x];
        }
        x[from]
    });
    permuted
        .map(|value| Expected::exact(round(value, to)))
        .collect()
}

/// A value as a format holds it.
pub(super) fn round(value: f32, format: Format) -> f32 {
    match format {
        Format::F16 => half::f16::from_f32(value).to_f32(),
        Format::BF16 => half::bf16::from_f32(value).to_f32(),
        _ => value,
    }
}
