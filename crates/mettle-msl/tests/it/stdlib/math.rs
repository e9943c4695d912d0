//! Math functions against f64, in ULP. The bounds are those that `include/mettle/math.h` states.

use super::numbers::{Float, Random, distance, operands};
use super::{Buffer, load, run};
use crate::load::Loaded;
use half::f16;
use std::sync::LazyLock;

pub static KERNELS: LazyLock<Loaded> = LazyLock::new(|| load("math.metal", &[]));

/// Operands per function and type.
const COUNT: usize = 1 << 17;

struct Unary {
    name: &'static str,
    exact: fn(f64) -> f64,
    /// Largest error of the float function, in ULP.
    bound: f64,
    /// Where the bound holds.
    domain: fn(f64) -> bool,
}

/// A function that keeps its bound everywhere.
const fn f(name: &'static str, bound: f64, exact: fn(f64) -> f64) -> Unary {
    Unary {
        name,
        exact,
        bound,
        domain: |_| true,
    }
}

impl Unary {
    const fn on(mut self, domain: fn(f64) -> bool) -> Self {
        self.domain = domain;
        self
    }
}

/// The sine (`quarter_turns` 0) or cosine (1) of pi x, with the argument reduced exactly.
fn of_pi(x: f64, quarter_turns: f64) -> f64 {
    let nearest = (2.0 * x).round_ties_even();
    let (sin, cos) = (std::f64::consts::PI * (x - nearest / 2.0)).sin_cos();
    match (nearest + quarter_turns).rem_euclid(4.0) {
        0.0 => sin,
        1.0 => cos,
        2.0 => -sin,
        3.0 => -cos,
        _ => f64::NAN,
    }
}
fn sinpi(x: f64) -> f64 {
    if x == 0.0 { x } else { of_pi(x, 0.0) }
}
fn cospi(x: f64) -> f64 {
    of_pi(x, 1.0)
}

/// Whether sinpi and friends are far from the zeros whose sign is a matter of convention.
fn no_half_integer(x: f64) -> bool {
    x == 0.0 || (2.0 * x).fract() != 0.0 || !x.is_finite()
}

const UNARY: &[Unary] = &[
    f("exp", 1.0, f64::exp),
    f("precise_exp", 1.0, f64::exp),
    f("exp2", 0.9, f64::exp2),
    f("exp10", 1.0, |x| 10f64.powf(x)),
    f("log", 0.9, f64::ln),
    f("log2", 1.0, f64::log2),
    f("log10", 0.9, f64::log10),
    f("sin", 1.6, f64::sin),
    f("precise_sin", 1.6, f64::sin),
    f("cos", 1.6, f64::cos),
    f("tan", 0.51, f64::tan),
    f("sinpi", 1.6, sinpi).on(no_half_integer),
    f("cospi", 1.6, cospi).on(no_half_integer),
    f("tanpi", 3.5, |x| sinpi(x) / cospi(x)).on(no_half_integer),
    f("asin", 1.9, f64::asin),
    f("acos", 1.1, f64::acos),
    f("atan", 1.5, f64::atan),
    f("sinh", 1.7, f64::sinh),
    f("cosh", 1.5, f64::cosh),
    f("tanh", 1.4, f64::tanh),
    f("asinh", 0.51, f64::asinh),
    f("acosh", 0.51, f64::acosh),
    f("atanh", 0.51, f64::atanh),
    f("sqrt", 0.5, f64::sqrt),
    f("rsqrt", 0.5 + 1e-6, |x| 1.0 / x.sqrt()),
    f("fabs", 0.0, f64::abs),
    f("abs", 0.0, f64::abs),
    f("floor", 0.0, f64::floor),
    f("ceil", 0.0, f64::ceil),
    f("trunc", 0.0, f64::trunc),
    f("rint", 0.0, f64::round_ties_even),
    f("round", 0.0, f64::round),
    f("fract", 0.5, |x| x - x.floor()).on(|x| x != 0.0 && x - x.floor() < 0.99),
    f("sign", 0.0, |x| {
        if x.is_nan() {
            0.0
        } else if x == 0.0 {
            x
        } else {
            x.signum()
        }
    }),
    f("saturate", 0.0, |x| x.clamp(0.0, 1.0)).on(|x| x != 0.0 && !x.is_nan()),
    f("fast_exp", 1.0, f64::exp).on(|x| (-87.3..=88.7).contains(&x) || x.is_nan()),
    f("fast_exp2", 1.0, f64::exp2).on(|x| (-126.0..128.0).contains(&x) || x.is_nan()),
    f("fast_log", 5.0, f64::ln).on(|x| x >= f64::from(f32::MIN_POSITIVE) || x <= 0.0 || x.is_nan()),
    f("fast_log2", 5.0, f64::log2)
        .on(|x| x >= f64::from(f32::MIN_POSITIVE) || x <= 0.0 || x.is_nan()),
    f("fast_sin", 1.6, f64::sin).on(|x| x.abs() <= 1e5 && x != 0.0),
    f("fast_cos", 1.6, f64::cos).on(|x| x.abs() <= 1e5),
    f("fast_tan", 3.6, f64::tan).on(|x| x.abs() <= 1e5 && x != 0.0),
];

/// The largest error of y against the exact results, and where it is.
fn worst<T: Float>(x: &[T], y: &[T], f: &Unary) -> (f64, T) {
    let mut worst = (0.0, x[0]);
    for (&x, &y) in x.iter().zip(y) {
        if (f.domain)(x.to_f64()) {
            let error = distance(y, (f.exact)(x.to_f64()));
            if error > worst.0 {
                worst = (error, x);
            }
        }
    }
    worst
}

/// Runs a function on scalars and on vectors of the given widths.
fn check_unary<T: Float>(
    random: &mut Random,
    count: usize,
    bound: impl Fn(&Unary) -> f64,
    widths: &[usize],
) {
    let x = Buffer::new(&operands::<T>(random, count));
    let mut failures = Vec::new();
    for f in UNARY {
        for &width in widths {
            let kernel = match width {
                1 => format!("{}_{}", f.name, T::NAME),
                _ => format!("{}_{}x{width}", f.name, T::NAME),
            };
            let mut y = Buffer::filled(T::round(-77.0), x.len());
            run(&KERNELS, &kernel, x.len() / width, &[x.read(), y.write()]);
            let (error, at) = worst(&x, &y, f);
            println!("{kernel:<18} {error:.3} ULP at {at:?}");
            if error > bound(f) {
                failures.push(format!(
                    "{kernel}: {error} ULP at {at:?}, bound {}",
                    bound(f)
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn float_functions_keep_their_bounds() {
    check_unary::<f32>(&mut Random::new(), COUNT, |f| f.bound, &[1, 2, 3, 4]);
}

// Computed in float and rounded: half a step, and as much of one as the float function errs.

#[test]
fn half_functions_are_rounded_float_functions() {
    check_unary::<f16>(
        &mut Random::new(),
        1 << 16,
        |f| if f.bound == 0.0 { 0.0 } else { 0.51 },
        &[1, 4],
    );
}
