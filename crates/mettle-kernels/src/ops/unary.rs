//! Functions of single values.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::Sixteens;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::unary::{Constants, Params};
use crate::cases::{Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

/// A function of single values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// `x / (1 + exp(-x))`.
    Silu,
    /// `x (1 + erf(x / sqrt(2))) / 2`.
    GeluErf,
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
    GeluTanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `tanh(x / cap) cap`, for a cap above zero.
    Softcap(f32),
    /// `e^x`.
    Exp,
    /// `x factor`.
    Scale(f32),
}

impl Unary {
    /// `FUNCTION` of `unary.metal` and its factor.
    fn code(self, op: Op) -> Result<(u32, f32)> {
        Ok(match self {
            Unary::Silu => (0, 0.0),
            Unary::GeluErf => (1, 0.0),
            Unary::GeluTanh => (2, 0.0),
            Unary::Sigmoid => (3, 0.0),
            Unary::Softcap(cap) if cap > 0.0 && cap.is_finite() => (4, cap),
            Unary::Softcap(cap) => {
                return Err(op.refuse("f", format!("has a cap of {cap}, must be above zero")));
            }
            Unary::Exp => (5, 0.0),
            Unary::Scale(factor) => (6, factor),
        })
    }

    /// For the names of cases.
    fn name(self) -> &'static str {
        match self {
            Unary::Silu => "silu",
            Unary::GeluErf => "gelu_erf",
            Unary::GeluTanh => "gelu_tanh",
            Unary::Sigmoid => "sigmoid",
            Unary::Softcap(_) => "softcap",
            Unary::Exp => "exp",
            Unary::Scale(_) => "scale",
        }
    }
}

/// `out = f(x)`, elementwise over F32, F16 or BF16, both of the same format, rows and columns; computed in f32.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes,
/// gaps, or a cap that is not above zero; those of the launch, when `out` shares memory with `x` among others: see [`unary_assign`].
pub fn unary(pass: &mut Pass, f: Unary, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread(pass, sixteens, f, x, out)
}

/// [`unary()`] in place.
///
/// # Errors
/// As for [`unary()`].
pub fn unary_assign(pass: &mut Pass, f: Unary, x: &mut Tensor) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread_assign(pass, sixteens, f, x)
}

fn spread(
    pass: &mut Pass,
    sixteens: Sixteens,
    f: Unary,
    x: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("unary");
    let (params, constants) = arguments(OP, sixteens, f, x)?;
    let grid = sixteens.rows(1, x.len());
    by_float_format!(OP, "x", x.format(), Kernel in unary::{F32, F16, Bf16} => {
        let kernel = Kernel {
            x: &OP.values("x", x)?,
            out: &mut OP.matrix("out", out, x.rows(), x.columns())?,
            params,
            constants,
        };
        Ok(pass.dispatch(kernel, grid)?)
    })
}

fn spread_assign(pass: &mut Pass, sixteens: Sixteens, f: Unary, x: &mut Tensor) -> Result<()> {
    const OP: Op = Op("unary_assign");
    let (params, constants) = arguments(OP, sixteens, f, x)?;
    let grid = sixteens.rows(1, x.len());
    by_float_format!(OP, "x", x.format(), Kernel in unary::{AssignF32, AssignF16, AssignBf16} => {
        let x = &mut OP.values("x", x)?;
        Ok(pass.dispatch(Kernel { x, params, constants }, grid)?)
    })
}

fn arguments(op: Op, sixteens: Sixteens, f: Unary, x: &Tensor) -> Result<(Params, Constants)> {
    let count = op.size("x", x.len())?;
    let (function, factor) = f.code(op)?;
    let constants = Constants {
        function,
        interleaved: sixteens.interleaved(),
    };
    Ok((Params { count, factor }, constants))
}

/// Every function, for cases.
const ALL: [Unary; 7] = [
    Unary::Silu,
    Unary::GeluErf,
    Unary::GeluTanh,
    Unary::Sigmoid,
    Unary::Softcap(30.0),
    Unary::Exp,
    Unary::Scale(-0.37),
];

/// The cases of `unary.metal`: one value, sixteens that end early, several threadgroups, every function in every format, and values
/// where exponentials overflow or vanish, where terms cancel, infinities and NaN.
pub(crate) fn family() -> Family {
    Family::new("unary", Tolerance::ELEMENTWISE, |cases| {
        for sixteens in Sixteens::ALL {
            for (format, suffix) in FLOATS {
                let kernel = format!("unary_{suffix}");
                for n in [1, 31, 513, 9001] {
                    let name = format!("{}_n{n}", sixteens.name());
                    cases.add(kernel.clone(), name, move |run| {
                        let x = run.rng().activations(n);
                        check(run, sixteens, Unary::GeluTanh, format, &x)
                    });
                }
                for f in ALL {
                    let name = format!("{}_{}", sixteens.name(), f.name());
                    cases.add(kernel.clone(), name, move |run| {
                        let x = run.rng().activations(700);
                        check(run, sixteens, f, format, &x)
                    });
                    let name = format!("{}_{}_extremes", sixteens.name(), f.name());
                    cases.add(kernel.clone(), name, move |run| {
                        check(run, sixteens, f, format, &EXTREMES)
                    });
                    let name = format!("{}_{}", sixteens.name(), f.name());
                    cases.add(format!("unary_assign_{suffix}"), name, move |run| {
                        let x = run.rng().activations(77);
                        let (mut xs, x) = run.rounded(format, &x, [7, 11])?;
                        run.pass(|pass| spread_assign(pass, sixteens, f, &mut xs))?;
                        run.check(&xs, || {
                            x.iter().map(|&x| stored(format, reference(f, x))).collect()
                        })
                    });
                }
            }
        }
    })
    .benches(benches)
}

/// Where the functions change their course.
const EXTREMES: [f32; 22] = [
    -6e4,
    -700.0,
    -104.0,
    -88.8,
    -20.0,
    -13.0,
    -5.5,
    -0.7,
    -0.6249,
    -1e-3,
    -1e-30,
    -0.0,
    0.0,
    1e-30,
    0.1,
    0.6251,
    5.5,
    17.0,
    88.0,
    300.0,
    6e4,
    f32::NAN,
];

fn check(run: &mut Run<'_>, sixteens: Sixteens, f: Unary, format: Format, x: &[f32]) -> Result<()> {
    let (xs, x) = run.rounded(format, x, [x.len()])?;
    let mut out = run.output(format, [x.len()])?;
    run.pass(|pass| spread(pass, sixteens, f, &xs, &mut out))?;
    run.check(&out, || {
        x.iter().map(|&x| stored(format, reference(f, x))).collect()
    })
}

/// What is beyond the largest number of a format is infinite in it.
pub(super) fn stored(format: Format, expected: Expected) -> Expected {
    let value = expected.value();
    let largest = match format {
        Format::F16 => 65519.0,
        _ => f64::from(f32::MAX),
    };
    if value.abs() > largest {
        return Expected::exact(value.signum() * f64::INFINITY);
    }
    expected
}

/// The hidden layer of a prompt.
fn benches(benches: &mut Benches) {
    let n = 1 << 22;
    for (format, suffix) in FLOATS {
        let work = Work::new(2 * n * format.block_bytes(), 5 * n);
        benches.add(
            format!("unary_{suffix}"),
            format!("n{n}"),
            work,
            move |setup| {
                let x = setup.values_as(format, [n])?;
                let mut out = setup.output(format, [n])?;
                Ok(Box::new(move |pass| unary(pass, Unary::Silu, &x, &mut out)))
            },
        );
        benches.add(
            format!("unary_assign_{suffix}"),
            format!("n{n}"),
            Work::new(2 * n * format.block_bytes(), n),
            move |setup| {
                let mut x = setup.values_as(format, [n])?;
                Ok(Box::new(move |pass| {
                    unary_assign(pass, Unary::Scale(1.0), &mut x)
                }))
            },
        );
    }
}

/// A function as it is defined, and the sizes of its terms.
pub(super) fn reference(f: Unary, x: f32) -> Expected {
    let x = f64::from(x);
    // Where an exponential is subnormal, its steps are those of the smallest normal number.
    let smallest = f64::from(f32::MIN_POSITIVE);
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    let two_terms = |value: f64| Expected::near(value, (0.5 * x).abs() + (value - 0.5 * x).abs());
    match f {
        Unary::Silu => Expected::near(x * sigmoid, x.abs() * (sigmoid + smallest)),
        Unary::GeluErf => two_terms(x * normal_distribution(x)),
        Unary::GeluTanh => {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            two_terms(0.5 * x * (1.0 + u.tanh()))
        }
        Unary::Sigmoid => Expected::near(sigmoid, sigmoid + smallest),
        Unary::Softcap(cap) => {
            let value = (x / f64::from(cap)).tanh() * f64::from(cap);
            Expected::near(value, value.abs() + smallest)
        }
        Unary::Exp => Expected::near(x.exp(), x.exp() + smallest),
        Unary::Scale(factor) => {
            let value = x * f64::from(factor);
            Expected::near(value, value.abs() + smallest)
        }
    }
}

/// `(1 + erf(x / sqrt(2))) / 2`, by the series `erf(t) = 2 / sqrt(pi) exp(-t^2) sum over n of 2^n t^(2n+1) / (1 3 5 ... (2n+1))`, whose terms
/// have one sign.
fn normal_distribution(x: f64) -> f64 {
    let square = 0.5 * x * x;
    // The tails are zero and one beyond.
    if square > 40.0 {
        return if x < 0.0 { 0.0 } else { 1.0 };
    }
    let (mut term, mut sum) = (x * std::f64::consts::FRAC_1_SQRT_2, 0.0);
    for n in 1..300 {
        sum += term;
        term *= 2.0 * square / f64::from(2 * n + 1);
    }
    0.5 + sum * (-square).exp() / std::f64::consts::PI.sqrt()
}
