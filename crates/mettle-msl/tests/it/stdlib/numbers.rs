//! Test operands, and distances between floating-point numbers.

use half::f16;

/// A small generator (splitmix64), seeded from the clock; the seed is printed, and shown when a test fails.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let seed = std::env::var("METTLE_TEST_SEED").map_or_else(
            |_| {
                let now = std::time::SystemTime::now();
                now.duration_since(std::time::UNIX_EPOCH)
                    .map_or(1, |d| d.as_nanos() as u64)
            },
            |text| text.parse().expect("METTLE_TEST_SEED is a number"),
        );
        println!("METTLE_TEST_SEED={seed}");
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A floating-point type of the kernels.
pub trait Float: bytemuck::Pod + PartialEq + std::fmt::Debug {
    /// Its name in the kernels' names.
    const NAME: &'static str;
    /// Bits of its significand, the leading one included.
    const DIGITS: i32;
    /// Exponent of the smallest normal number.
    const MIN_EXPONENT: i32;
    /// The largest number.
    const MAX: f64;
    /// One from the upper bits of 32.
    fn from_upper_bits(bits: u32) -> Self;
    fn to_f64(self) -> f64;
    /// Rounded to nearest, ties to even.
    fn round(x: f64) -> Self;
}

impl Float for f32 {
    const NAME: &'static str = "f32";
    const DIGITS: i32 = 24;
    const MIN_EXPONENT: i32 = -126;
    const MAX: f64 = f32::MAX as f64;
    fn from_upper_bits(bits: u32) -> Self {
        f32::from_bits(bits)
    }
    fn to_f64(self) -> f64 {
        self.into()
    }
    fn round(x: f64) -> Self {
        x as f32
    }
}

impl Float for f16 {
    const NAME: &'static str = "f16";
    const DIGITS: i32 = 11;
    const MIN_EXPONENT: i32 = -14;
    const MAX: f64 = 65504.0;
    fn from_upper_bits(bits: u32) -> Self {
        f16::from_bits((bits >> 16) as u16)
    }
    fn to_f64(self) -> f64 {
        self.into()
    }
    fn round(x: f64) -> Self {
        f16::from_f64(x)
    }
}

/// The unit in the last place of T at `x`.
fn ulp<T: Float>(x: f64) -> f64 {
    let x = x.abs().min(T::MAX);
    // The exponent field, or less than any for zero.
    let exponent = ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    2f64.powi(exponent.max(T::MIN_EXPONENT) + 1 - T::DIGITS)
}

/// How far `found` lies from the exact result, in ULP; infinite where only one of them is NaN, or where a zero has the wrong sign.
/// Infinity counts as eight steps beyond the largest number.
pub fn distance<T: Float>(found: T, exact: f64) -> f64 {
    let value = found.to_f64();
    let rounded = T::round(exact).to_f64();
    if value.is_nan() && rounded.is_nan() {
        return 0.0;
    }
    let wrong_zero =
        value == 0.0 && rounded == 0.0 && value.is_sign_negative() != exact.is_sign_negative();
    if value.is_nan() || rounded.is_nan() || wrong_zero {
        return f64::INFINITY;
    }
    let beyond = T::MAX + 8.0 * ulp::<T>(T::MAX);
    let limited = |x: f64| {
        if x.is_infinite() {
            beyond.copysign(x)
        } else {
            x
        }
    };
    (limited(value)
        - limited(if rounded.is_infinite() {
            rounded
        } else {
            exact
        }))
    .abs()
        / ulp::<T>(rounded)
}

/// Numbers where functions have their limits.
pub const SPECIAL: [f32; 40] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    -2.0,
    3.0,
    -3.0,
    0.5,
    -0.5,
    1.5,
    -1.5,
    2.5,
    -2.5,
    0.25,
    -0.25,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    -f32::MIN_POSITIVE,
    1e-45,
    -1e-45,
    1.175_494_2e-38,
    88.722_83,
    88.722_84,
    -87.336_54,
    -103.972_08,
    -103.972_1,
    128.0,
    127.999_99,
    -149.0,
    -150.0,
    38.531_84,
    -45.154_5,
    65504.0,
    65520.0,
    16_777_216.0,
];

/// Operands of type T: numbers of every size (the bit patterns at a stride, from a random start), numbers near 1 and near multiples of
/// pi/2, and the special ones.
pub fn operands<T: Float>(random: &mut Random, count: usize) -> Vec<T> {
    let stride = ((1u64 << 32) / count as u64) as u32;
    let start = (random.bits() % u64::from(stride)) as u32;
    let mut numbers: Vec<T> = (0..count as u32)
        .map(|i| T::from_upper_bits(start.wrapping_add(i.wrapping_mul(stride))))
        .collect();
    for _ in 0..count / 16 {
        let near_one =
            1.0 + (random.bits() as i32 as f64) * 2f64.powi(-32 - (random.bits() % 24) as i32);
        let multiple = (random.bits() % 100_000) as f64 * std::f64::consts::FRAC_PI_2;
        let ordinary = (random.bits() as i32 as f64) * 2f64.powi(-24);
        numbers.extend([T::round(near_one), T::round(multiple), T::round(ordinary)]);
    }
    numbers.extend(SPECIAL.map(|x| T::round(x.into())));
    // Whole vectors of 2, 3 and 4.
    numbers.resize(numbers.len().next_multiple_of(12), T::round(1.0));
    numbers
}
