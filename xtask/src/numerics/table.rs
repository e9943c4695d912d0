//! The functions, what they compute exactly, and what section 8.4 of the Metal Shading Language Specification allows them.

/// What the specification allows.
#[derive(Clone, Copy)]
pub enum Allowed {
    /// The result is the number nearest to the exact one.
    Rounded,
    /// A number of ULP; 0: exact.
    Ulp(f64),
    /// A number of ULP that depends on the operand.
    UlpOf(&'static str, fn(f64) -> f64),
    /// Within an interval an absolute error, and so many ULP outside of it; `None`: it is not limited there.
    Within {
        low: f64,
        high: f64,
        error: f64,
        outside: Option<f64>,
    },
    /// No number: a formula of other functions, or undefined.
    Formula(&'static str),
}

/// Errors of correctly rounded results may reach half an ULP and what the oracle itself errs.
const HALF: f64 = 0.5 + 1e-6;

impl Allowed {
    /// How much of the allowance an error takes: at most 1 is inside. `ulps` and `absolute` are the error at the operand x.
    pub fn share(self, x: f64, ulps: f64, absolute: f64) -> f64 {
        let of = |error: f64, limit: f64| match (error, limit) {
            (0.0, _) => 0.0,
            (error, limit) => error / limit,
        };
        match self {
            Allowed::Rounded => of(ulps, HALF),
            Allowed::Ulp(limit) => of(ulps, limit),
            Allowed::UlpOf(_, limit) => of(ulps, limit(x)),
            Allowed::Within {
                low,
                high,
                error,
                outside,
            } => {
                if (low..=high).contains(&x) {
                    of(absolute, error)
                } else {
                    outside.map_or(0.0, |limit| of(ulps, limit))
                }
            }
            Allowed::Formula(_) => 0.0,
        }
    }
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Allowed::Rounded => write!(f, "rounded"),
            Allowed::Ulp(0.0) => write!(f, "exact"),
            Allowed::Ulp(limit) => write!(f, "{limit}"),
            Allowed::UlpOf(words, _) => write!(f, "{words}"),
            Allowed::Within {
                low,
                high,
                error,
                outside,
            } => {
                write!(f, "2^{} in [{low:.4}, {high:.4}]", error.log2())?;
                match outside {
                    Some(limit) => write!(f, ", else {limit}"),
                    None => Ok(()),
                }
            }
            Allowed::Formula(words) => write!(f, "{words}"),
        }
    }
}

/// The exact result for up to three operands.
#[derive(Clone, Copy)]
pub enum Exact {
    One(fn(f64) -> f64),
    Two(fn(f64, f64) -> f64),
    Three(fn(f64, f64, f64) -> f64),
    /// The neighbour of the first operand in the direction of the second, which depends on the type.
    NextAfter,
}

impl Exact {
    pub fn operands(self) -> usize {
        match self {
            Exact::One(_) => 1,
            Exact::Two(_) | Exact::NextAfter => 2,
            Exact::Three(_) => 3,
        }
    }
}

/// One function of one of the three sets.
#[derive(Clone, Copy)]
pub struct Function {
    pub name: &'static str,
    pub exact: Exact,
    pub precise: Allowed,
    /// Without: it has no fast form of its own in the tables.
    pub fast: Option<Allowed>,
    pub half: Allowed,
    /// It is in the table of bfloat too, with what the precise one of float is allowed.
    pub bfloat: bool,
    /// Where the precise function is measured.
    pub domain: fn(f64, f64) -> bool,
    /// Where the fast one is.
    pub fast_domain: fn(f64, f64) -> bool,
}

use Allowed::{Formula, Rounded, Ulp, UlpOf, Within};

fn everywhere(_: f64, _: f64) -> bool {
    true
}

/// Fast functions need not keep NaN, infinities and denormal numbers.
fn normal(x: f64, _: f64) -> bool {
    x.is_finite() && (x == 0.0 || x.abs() >= f64::from(f32::MIN_POSITIVE))
}

const fn one(
    name: &'static str,
    exact: fn(f64) -> f64,
    precise: Allowed,
    fast: Allowed,
    half: Allowed,
) -> Function {
    Function {
        name,
        exact: Exact::One(exact),
        precise,
        fast: Some(fast),
        half,
        bfloat: false,
        domain: everywhere,
        fast_domain: normal,
    }
}

const fn two(
    name: &'static str,
    exact: fn(f64, f64) -> f64,
    precise: Allowed,
    fast: Allowed,
    half: Allowed,
) -> Function {
    Function {
        name,
        exact: Exact::Two(exact),
        precise,
        fast: Some(fast),
        half,
        bfloat: false,
        domain: everywhere,
        fast_domain: |x, y| normal(x, y) && normal(y, x),
    }
}

impl Function {
    const fn on(mut self, domain: fn(f64, f64) -> bool) -> Self {
        self.domain = domain;
        self
    }

    const fn fast_on(mut self, domain: fn(f64, f64) -> bool) -> Self {
        self.fast_domain = domain;
        self
    }

    const fn without_fast(mut self) -> Self {
        self.fast = None;
        self
    }

    /// An operator: it is the same in every mode, and is in the table of bfloat.
    const fn operator(mut self) -> Self {
        self.fast = None;
        self.bfloat = true;
        self
    }
}

/// The sine (`quarter_turns` 0) or cosine (1) of pi x, with the argument reduced exactly.
fn of_pi(x: f64, quarter_turns: f64) -> f64 {
    let nearest = (2.0 * x).round_ties_even();
    let (sin, cos) = (std::f64::consts::PI * (x - nearest / 2.0)).sin_cos();
    match (nearest.rem_euclid(4.0) + quarter_turns).rem_euclid(4.0) {
        0.0 => sin,
        1.0 => cos,
        2.0 => -sin,
        3.0 => -cos,
        _ => f64::NAN,
    }
}

/// tan(pi x) has poles at the odd halves, whose sign is a matter of convention.
fn no_pole(x: f64, _: f64) -> bool {
    (2.0 * x).rem_euclid(2.0) != 1.0
}

fn fract(x: f64) -> f64 {
    if x.is_infinite() {
        return 0.0;
    }
    x - x.floor()
}

/// x as a fraction in [1/2, 1) and a power of two.
fn parts(x: f64) -> (f64, f64) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0.0);
    }
    // Every float is a normal f64.
    let exponent = ((x.to_bits() >> 52) & 0x7ff) as i32 - 1022;
    (x * 2f64.powi(-exponent), f64::from(exponent))
}

const SINE: Allowed = Within {
    low: -std::f64::consts::PI,
    high: std::f64::consts::PI,
    error: 1.0 / 8192.0,
    outside: None,
};
const SINE_OF_PI: Allowed = Within {
    low: -1.0,
    high: 1.0,
    error: 1.0 / 8192.0,
    outside: None,
};

fn exponential(x: f64) -> f64 {
    3.0 + (2.0 * x).abs().floor()
}
const EXPONENTIAL: Allowed = UlpOf("3 + floor(abs(2 x))", exponential);

/// Results in the normal range: fast functions may flush what is below.
fn exp_is_normal(x: f64, _: f64) -> bool {
    (-87.3..=88.7).contains(&x)
}
fn exp2_is_normal(x: f64, _: f64) -> bool {
    (-126.0..128.0).contains(&x)
}

/// By name.
pub const FUNCTIONS: &[Function] = &[
    two("add", |x, y| x + y, Rounded, Rounded, Rounded).operator(),
    two("subtract", |x, y| x - y, Rounded, Rounded, Rounded).operator(),
    two("multiply", |x, y| x * y, Rounded, Rounded, Rounded).operator(),
    two("quotient", |x, y| x / y, Rounded, Rounded, Rounded).operator(),
    one("reciprocal", |x| 1.0 / x, Rounded, Rounded, Rounded).operator(),
    one("acos", f64::acos, Ulp(4.0), Ulp(5.0), Ulp(1.0)).fast_on(|x, _| x.abs() <= 1.0),
    one(
        "acosh",
        f64::acosh,
        Ulp(4.0),
        Formula("log(x + sqrt(x x - 1))"),
        Ulp(1.0),
    ),
    one("asin", f64::asin, Ulp(4.0), Ulp(5.0), Ulp(1.0))
        .fast_on(|x, _| x.abs() <= 1.0 && x.abs() >= 2f64.powi(-125)),
    one(
        "asinh",
        f64::asinh,
        Ulp(4.0),
        Formula("log(x + sqrt(x x + 1))"),
        Ulp(1.0),
    ),
    one("atan", f64::atan, Ulp(5.0), Ulp(5.0), Ulp(1.0)),
    two(
        "atan2",
        f64::atan2,
        Ulp(6.0),
        Formula("atan(y / x) by quadrant"),
        Ulp(1.0),
    ),
    one(
        "atanh",
        f64::atanh,
        Ulp(5.0),
        Formula("log((1 + x) / (1 - x)) / 2"),
        Ulp(1.0),
    ),
    one("ceil", f64::ceil, Rounded, Rounded, Rounded),
    two("copysign", f64::copysign, Ulp(0.0), Ulp(0.0), Ulp(0.0))
        .on(|x, y| !x.is_nan() && !y.is_nan()),
    one("cos", f64::cos, Ulp(4.0), SINE, Ulp(1.0)).fast_on(|x, _| x.abs() <= 1e5),
    one(
        "cosh",
        f64::cosh,
        Ulp(4.0),
        Formula("(exp(x) + exp(-x)) / 2"),
        Ulp(1.0),
    ),
    one("cospi", |x| of_pi(x, 1.0), Ulp(4.0), SINE_OF_PI, Ulp(1.0)),
    two("divide", |x, y| x / y, Rounded, Ulp(2.5), Rounded)
        .fast_on(|x, y| x.is_finite() && (2f64.powi(-126)..=2f64.powi(126)).contains(&y.abs())),
    one("exp", f64::exp, Ulp(4.0), EXPONENTIAL, Ulp(1.0)).fast_on(exp_is_normal),
    one("exp2", f64::exp2, Ulp(4.0), EXPONENTIAL, Ulp(1.0)).fast_on(exp2_is_normal),
    one(
        "exp10",
        |x| 10f64.powf(x),
        Ulp(4.0),
        Formula("exp2(x log2(10))"),
        Ulp(1.0),
    ),
    one("fabs", f64::abs, Ulp(0.0), Ulp(0.0), Ulp(0.0)),
    two(
        "fdim",
        |x, y| if x <= y { 0.0 } else { x - y },
        Rounded,
        Rounded,
        Rounded,
    ),
    one("floor", f64::floor, Rounded, Rounded, Rounded),
    Function {
        name: "fma",
        // The product of two floats is exact in f64, and the sum is rounded far below a float's last place.
        exact: Exact::Three(f64::mul_add),
        precise: Rounded,
        fast: None,
        half: Rounded,
        bfloat: false,
        domain: everywhere,
        fast_domain: everywhere,
    },
    two("fmax", f64::max, Ulp(0.0), Ulp(0.0), Ulp(0.0)),
    two("fmin", f64::min, Ulp(0.0), Ulp(0.0), Ulp(0.0)),
    two(
        "fmod",
        |x, y| x % y,
        Ulp(0.0),
        Formula("undefined"),
        Ulp(0.0),
    ),
    // The largest number below 1 is returned where the fraction rounds to 1.
    one("fract", fract, Rounded, Rounded, Rounded)
        .on(|x, _| fract(x) < 0.999 && !x.is_infinite())
        .fast_on(|x, _| fract(x) < 0.999 && normal(x, x)),
    one(
        "frexp_fraction",
        |x| parts(x).0,
        Ulp(0.0),
        Ulp(0.0),
        Ulp(0.0),
    )
    .without_fast(),
    // The exponent of infinities and NaN is not specified.
    one(
        "frexp_exponent",
        |x| parts(x).1,
        Ulp(0.0),
        Ulp(0.0),
        Ulp(0.0),
    )
    .on(|x, _| x.is_finite())
    .without_fast(),
    one("ilogb", |x| parts(x).1 - 1.0, Ulp(0.0), Ulp(0.0), Ulp(0.0))
        .on(|x, _| x.is_finite() && x != 0.0)
        .without_fast(),
    two(
        "ldexp",
        |x, n| x * 2f64.powi(n as i32),
        Rounded,
        Rounded,
        Rounded,
    )
    .on(|_, n| n.abs() <= 700.0)
    .without_fast(),
    one(
        "log",
        f64::ln,
        Ulp(4.0),
        Within {
            low: 0.5,
            high: 2.0,
            error: 1.0 / 2_097_152.0,
            outside: Some(3.0),
        },
        Ulp(1.0),
    )
    .fast_on(|x, _| normal(x, x) && x > 0.0),
    one(
        "log2",
        f64::log2,
        Ulp(4.0),
        Within {
            low: 0.5,
            high: 2.0,
            error: 1.0 / 4_194_304.0,
            outside: Some(2.0),
        },
        Ulp(1.0),
    )
    .fast_on(|x, _| normal(x, x) && x > 0.0),
    one(
        "log10",
        f64::log10,
        Ulp(4.0),
        Formula("log2(x) log10(2)"),
        Ulp(1.0),
    ),
    one(
        "modf_fraction",
        |x| {
            if x.is_infinite() {
                0f64.copysign(x)
            } else {
                x.fract()
            }
        },
        Ulp(0.0),
        Ulp(0.0),
        Ulp(0.0),
    )
    .without_fast(),
    one("modf_whole", f64::trunc, Ulp(0.0), Ulp(0.0), Ulp(0.0)).without_fast(),
    Function {
        name: "nextafter",
        exact: Exact::NextAfter,
        precise: Ulp(0.0),
        fast: None,
        half: Ulp(0.0),
        bfloat: false,
        domain: everywhere,
        fast_domain: everywhere,
    },
    two(
        "pow",
        f64::powf,
        Ulp(16.0),
        Formula("exp2(y log2(x))"),
        Formula("not stated"),
    )
    .fast_on(|x, y| (1e-3..1e3).contains(&x) && y.abs() < 2.0),
    // NaN where pow has the limits of C.
    two(
        "powr",
        f64::powf,
        Ulp(16.0),
        Formula("exp2(y log2(x))"),
        Formula("not stated"),
    )
    .on(|x, y| x > 0.0 && x.is_finite() && y.is_finite())
    .fast_on(|x, y| (1e-3..1e3).contains(&x) && y.abs() < 2.0),
    one("rint", f64::round_ties_even, Rounded, Rounded, Rounded),
    one("round", f64::round, Rounded, Rounded, Rounded),
    one("rsqrt", |x| 1.0 / x.sqrt(), Rounded, Ulp(2.0), Rounded),
    one("sin", f64::sin, Ulp(4.0), SINE, Ulp(1.0)).fast_on(|x, _| x.abs() <= 1e5),
    one("sincos_sin", f64::sin, Ulp(4.0), SINE, Ulp(1.0)).fast_on(|x, _| x.abs() <= 1e5),
    one("sincos_cos", f64::cos, Ulp(4.0), SINE, Ulp(1.0)).fast_on(|x, _| x.abs() <= 1e5),
    one(
        "sinh",
        f64::sinh,
        Ulp(4.0),
        Formula("(exp(x) - exp(-x)) / 2"),
        Ulp(1.0),
    ),
    one(
        "sinpi",
        |x| if x == 0.0 { x } else { of_pi(x, 0.0) },
        Ulp(4.0),
        SINE_OF_PI,
        Ulp(1.0),
    ),
    one("sqrt", f64::sqrt, Rounded, Formula("x rsqrt(x)"), Rounded),
    one(
        "tan",
        f64::tan,
        Ulp(6.0),
        Formula("sin(x) (1 / cos(x))"),
        Ulp(1.0),
    )
    .fast_on(|x, _| x.abs() <= 1e5),
    one(
        "tanh",
        f64::tanh,
        Ulp(5.0),
        Formula("(t - 1) / (t + 1), t = exp(2 x)"),
        Ulp(1.0),
    ),
    one(
        "tanpi",
        |x| of_pi(x, 0.0) / of_pi(x, 1.0),
        Ulp(6.0),
        Formula("tan(x pi)"),
        Ulp(1.0),
    )
    .on(no_pole)
    .fast_on(|x, y| no_pole(x, y) && normal(x, y)),
    one("trunc", f64::trunc, Rounded, Rounded, Rounded),
];
