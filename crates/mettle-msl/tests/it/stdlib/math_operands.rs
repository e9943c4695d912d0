//! Math functions of two and three numbers, of integers, and those with two results.

use super::math::KERNELS;
use super::numbers::{Float, Random, SPECIAL, distance, operands};
use super::{Buffer, run};
use half::f16;

struct Binary {
    name: &'static str,
    exact: fn(f64, f64) -> f64,
    bound: f64,
    domain: fn(f64, f64) -> bool,
}

/// A function that keeps its bound everywhere.
const fn f(name: &'static str, bound: f64, exact: fn(f64, f64) -> f64) -> Binary {
    Binary {
        name,
        exact,
        bound,
        domain: |_, _| true,
    }
}

impl Binary {
    const fn on(mut self, domain: fn(f64, f64) -> bool) -> Self {
        self.domain = domain;
        self
    }
}

/// Which of two zeros is the smaller is open.
fn no_zeros(x: f64, y: f64) -> bool {
    x != 0.0 || y != 0.0
}

const BINARY: &[Binary] = &[
    f("pow", 0.51, f64::powf),
    f("powr", 0.51, f64::powf).on(|x, y| x > 0.0 && x.is_finite() && y.is_finite() && x != 1.0),
    f("fast_pow", 40.0, f64::powf).on(|x, y| (1e-3..1e3).contains(&x) && y.abs() < 2.0),
    f("atan2", 1.6, f64::atan2),
    f("fmod", 0.0, |x, y| x % y),
    f("fdim", 0.5, |x, y| if x <= y { 0.0 } else { x - y }),
    f("divide", 0.51, |x, y| x / y),
    f("copysign", 0.0, f64::copysign).on(|x, y| !x.is_nan() && !y.is_nan()),
    f("fmin", 0.0, f64::min).on(no_zeros),
    f("fmax", 0.0, f64::max).on(no_zeros),
    f("min", 0.0, f64::min).on(no_zeros),
    f("max", 0.0, f64::max).on(no_zeros),
    f("step", 0.0, |edge, x| if x < edge { 0.0 } else { 1.0 }),
];

/// Pairs: any two numbers, two of ordinary size, each special number with each, and each with any.
fn pairs<T: Float>(random: &mut Random) -> (Buffer<T>, Buffer<T>) {
    let mut x = operands::<T>(random, 1 << 16);
    let mut y: Vec<T> = (0..x.len())
        .map(|_| T::from_upper_bits(random.bits() as u32))
        .collect();
    for _ in 0..1 << 16 {
        for side in [&mut x, &mut y] {
            // Exponents of -8 to 7.
            let bits = random.bits() as u32;
            side.push(T::from_upper_bits(bits & 0x87ff_ffff | 0x3800_0000));
        }
    }
    for a in SPECIAL {
        for b in SPECIAL {
            x.push(T::round(a.into()));
            y.push(T::round(b.into()));
        }
    }
    let count = x.len() / 4 * 4;
    (Buffer::new(&x[..count]), Buffer::new(&y[..count]))
}

fn check_binary<T: Float>(random: &mut Random, width: usize, bound: impl Fn(&Binary) -> f64) {
    let (x, y) = pairs::<T>(random);
    let suffix = if width == 1 {
        String::new()
    } else {
        format!("x{width}")
    };
    let mut failures = Vec::new();
    for f in BINARY {
        let kernel = format!("{}_{}{suffix}", f.name, T::NAME);
        let mut z = Buffer::filled(T::round(-77.0), x.len());
        run(
            &KERNELS,
            &kernel,
            x.len() / width,
            &[x.read(), y.read(), z.write()],
        );
        let mut worst = (0.0, 0);
        for i in 0..x.len() {
            let (a, b) = (x[i].to_f64(), y[i].to_f64());
            if (f.domain)(a, b) {
                let error = distance(z[i], (f.exact)(a, b));
                if error > worst.0 {
                    worst = (error, i);
                }
            }
        }
        let (error, i) = worst;
        println!("{kernel:<18} {error:.3} ULP at {:?}, {:?}", x[i], y[i]);
        if error > bound(f) {
            failures.push(format!(
                "{kernel}: {error} ULP at {:?}, {:?}: {:?}",
                x[i], y[i], z[i]
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn functions_of_two_numbers_keep_their_bounds() {
    let mut random = Random::new();
    check_binary::<f32>(&mut random, 1, |f| f.bound);
    check_binary::<f32>(&mut random, 4, |f| f.bound);
    let rounded = |f: &Binary| if f.bound == 0.0 { 0.0 } else { 0.51 };
    check_binary::<f16>(&mut random, 1, rounded);
    check_binary::<f16>(&mut random, 4, rounded);
}

/// The next number up or down has the next bit pattern.
#[test]
fn nextafter_steps_by_one() {
    let (x, y) = pairs::<f32>(&mut Random::new());
    let mut z = Buffer::filled(0f32, x.len());
    for width in [1, 4] {
        let kernel = if width == 1 {
            "nextafter_f32"
        } else {
            "nextafter_f32x4"
        };
        run(
            &KERNELS,
            kernel,
            x.len() / width,
            &[x.read(), y.read(), z.write()],
        );
        for i in 0..x.len() {
            let expected = if x[i].is_nan() || y[i].is_nan() {
                f32::NAN
            } else if x[i] == y[i] {
                y[i]
            } else if y[i] > x[i] {
                x[i].next_up()
            } else {
                x[i].next_down()
            };
            let same = z[i].to_bits() == expected.to_bits() || z[i].is_nan() && expected.is_nan();
            assert!(
                same,
                "nextafter({:e}, {:e}) = {:e}, not {expected:e}",
                x[i], y[i], z[i]
            );
        }
    }
}

type Formula = (&'static str, fn(f32, f32, f32) -> f32);

#[test]
fn functions_of_three_numbers_are_their_formulas() {
    let mut random = Random::new();
    let (x, y) = pairs::<f32>(&mut random);
    let z: Vec<f32> = (0..x.len())
        .map(|_| f32::from_bits(random.bits() as u32))
        .collect();
    let z = Buffer::new(&z);
    let formulas: [Formula; 5] = [
        ("fma", f32::mul_add),
        ("clamp", |x, low, high| x.max(low).min(high)),
        ("fmin3", |x, y, z| x.min(y).min(z)),
        ("fmax3", |x, y, z| x.max(y).max(z)),
        ("fmedian3", |x, y, z| x.min(y).max(x.max(y).min(z))),
    ];
    for (name, formula) in formulas {
        for width in [1, 4] {
            let kernel = if width == 1 {
                format!("{name}_f32")
            } else {
                format!("{name}_f32x4")
            };
            let mut w = Buffer::filled(-77f32, x.len());
            run(
                &KERNELS,
                &kernel,
                x.len() / width,
                &[x.read(), y.read(), z.read(), w.write()],
            );
            for i in 0..x.len() {
                let expected = formula(x[i], y[i], z[i]);
                let same = w[i] == expected || w[i].is_nan() && expected.is_nan();
                assert!(
                    same,
                    "{kernel}({:e}, {:e}, {:e}) = {:e}, not {expected:e}",
                    x[i], y[i], z[i], w[i]
                );
            }
        }
    }
}

#[test]
fn interpolation_meets_its_ends() {
    let x = Buffer::new(&[2.0f32, -1.0, 5.0, 0.0]);
    let y = Buffer::new(&[4.0f32, 1.0, 5.5, 8.0]);
    let a = Buffer::new(&[0.0f32, 1.0, 0.5, 0.25]);
    let mut w = Buffer::filled(0f32, 4);
    for kernel in ["mix_f32", "mix_f32x4"] {
        let threads = if kernel == "mix_f32" { 4 } else { 1 };
        run(
            &KERNELS,
            kernel,
            threads,
            &[x.read(), y.read(), a.read(), w.write()],
        );
        assert_eq!(*w, [2.0, 1.0, 5.25, 2.0]);
    }
    let t = Buffer::new(&[1.0f32, 0.0, 5.25, 2.0]);
    run(
        &KERNELS,
        "smoothstep_f32",
        4,
        &[x.read(), y.read(), t.read(), w.write()],
    );
    assert_eq!(*w, [0.0, 0.5, 0.5, 0.15625]);
}

#[test]
fn floats_come_apart_and_together() {
    let mut random = Random::new();
    let x = Buffer::new(&operands::<f32>(&mut random, 1 << 16));
    let (mut first, mut second, mut n) = (
        Buffer::filled(0f32, x.len()),
        Buffer::filled(0f32, x.len()),
        Buffer::filled(0i32, x.len()),
    );
    let arguments = [x.read(), first.write(), second.write()];

    run(&KERNELS, "sincos_f32", x.len(), &arguments);
    for i in 0..x.len() {
        let (sin, cos) = f64::from(x[i]).sin_cos();
        assert!(
            distance(first[i], sin) <= 1.6 && distance(second[i], cos) <= 1.6,
            "sincos({:e})",
            x[i]
        );
    }

    run(&KERNELS, "modf_f32", x.len(), &arguments);
    for i in 0..x.len() {
        let whole = x[i].trunc();
        let fraction = if x[i].is_infinite() {
            0f32.copysign(x[i])
        } else {
            x[i].fract()
        };
        let same = first[i] == fraction && second[i] == whole || x[i].is_nan() && first[i].is_nan();
        assert!(same, "modf({:e}) = {:e}, {:e}", x[i], first[i], second[i]);
    }

    run(
        &KERNELS,
        "frexp_f32",
        x.len(),
        &[x.read(), first.write(), n.write()],
    );
    run(
        &KERNELS,
        "ldexp_f32",
        x.len(),
        &[first.read(), n.read(), second.write()],
    );
    for i in 0..x.len() {
        if x[i].is_finite() && x[i] != 0.0 {
            assert!(
                (0.5..1.0).contains(&first[i].abs()),
                "frexp({:e}) = {:e}, {}",
                x[i],
                first[i],
                n[i]
            );
        }
        let same = second[i].to_bits() == x[i].to_bits() || second[i].is_nan() && x[i].is_nan();
        assert!(same, "ldexp(frexp({:e})) = {:e}", x[i], second[i]);
    }

    let mut logarithm = Buffer::filled(0i32, x.len());
    run(
        &KERNELS,
        "ilogb_f32",
        x.len(),
        &[x.read(), logarithm.write()],
    );
    for i in 0..x.len() {
        let expected = match x[i] {
            x if x.is_nan() || x == 0.0 => i32::MIN,
            x if x.is_infinite() => i32::MAX,
            _ => n[i] - 1,
        };
        assert_eq!(logarithm[i], expected, "ilogb({:e})", x[i]);
    }

    // Every exponent, far beyond the range, with one rounding.
    for i in 0..x.len() {
        n[i] = (random.bits() as i32) % 700;
    }
    run(
        &KERNELS,
        "ldexp_f32",
        x.len(),
        &[x.read(), n.read(), first.write()],
    );
    for i in 0..x.len() {
        let error = distance(first[i], f64::from(x[i]) * 2f64.powi(n[i]));
        assert!(error <= 0.5, "ldexp({:e}, {}) = {:e}", x[i], n[i], first[i]);
    }
}

/// metal::fast::tanh is bounded absolutely: relative to 1.
#[test]
fn fast_tanh_is_near_absolutely() {
    let x = Buffer::new(&operands::<f32>(&mut Random::new(), 1 << 16));
    let mut y = Buffer::filled(0f32, x.len());
    run(&KERNELS, "fast_tanh_f32", x.len(), &[x.read(), y.write()]);
    for (x, y) in x.iter().zip(&*y) {
        let error = (f64::from(*y) - f64::from(*x).tanh()).abs();
        assert!(
            error <= 2f64.powi(-21) || x.is_nan() && y.is_nan(),
            "tanh({x:e}) = {y:e}"
        );
    }
}
