//! The number types, and distances in units in the last place (ULP) as section 8.4 of the specification defines them.

use half::{bf16, f16};
use mettle_gpu::Element;

/// A floating-point type of the tables.
pub trait Number: Element + Copy + Send + Sync + std::fmt::Debug + 'static {
    /// Bits of the type.
    const BITS: u32;
    /// Exponent of the smallest normal number, and bits behind the point.
    const MIN_EXPONENT: i32;
    const FRACTION: i32;
    /// The largest finite number.
    const LARGEST: f64;

    fn from_bits32(bits: u32) -> Self;
    fn bits32(self) -> u32;
    /// The number of this type that is nearest to `x`.
    fn near(x: f64) -> Self;
    fn wide(self) -> f64;
}

impl Number for f32 {
    const BITS: u32 = 32;
    const MIN_EXPONENT: i32 = -126;
    const FRACTION: i32 = 23;
    const LARGEST: f64 = f32::MAX as f64;

    fn from_bits32(bits: u32) -> Self {
        f32::from_bits(bits)
    }
    fn bits32(self) -> u32 {
        self.to_bits()
    }
    fn near(x: f64) -> Self {
        x as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Number for f16 {
    const BITS: u32 = 16;
    const MIN_EXPONENT: i32 = -14;
    const FRACTION: i32 = 10;
    const LARGEST: f64 = 65504.0;

    fn from_bits32(bits: u32) -> Self {
        f16::from_bits(bits as u16)
    }
    fn bits32(self) -> u32 {
        self.to_bits().into()
    }
    fn near(x: f64) -> Self {
        f16::from_f64(x)
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Number for bf16 {
    const BITS: u32 = 16;
    const MIN_EXPONENT: i32 = -126;
    const FRACTION: i32 = 7;
    const LARGEST: f64 = 255.0 * (1u128 << 120) as f64;

    fn from_bits32(bits: u32) -> Self {
        bf16::from_bits(bits as u16)
    }
    fn bits32(self) -> u32 {
        self.to_bits().into()
    }
    fn near(x: f64) -> Self {
        bf16::from_f64(x)
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

/// The number of type T after `x`, itself one, in the direction of `y`.
pub fn next_after<T: Number>(x: f64, y: f64) -> f64 {
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    if x == y {
        return y;
    }
    // Counted from zero, numbers of one sign lie in the order of their bits.
    let sign = 1i64 << (T::BITS - 1);
    let bits = i64::from(T::near(x).bits32());
    let place = if bits & sign != 0 { sign - bits } else { bits };
    let place = if y > x { place + 1 } else { place - 1 };
    let bits = if place < 0 { sign - place } else { place };
    T::from_bits32(bits as u32).wide()
}

/// The distance between the numbers of type T on both sides of `x`.
fn ulp<T: Number>(x: f64) -> f64 {
    let x = x.abs().min(T::LARGEST);
    // The exponent of a number below the smallest power of two counts as that of the smallest normal number.
    let exponent = ((x.to_bits() >> 52) as i32 - 1023).max(T::MIN_EXPONENT);
    2f64.powi(exponent - T::FRACTION)
}

/// How far `y` is from the exact result, in ULP. Infinity where one of them is NaN and the other not.
pub fn distance<T: Number>(y: T, exact: f64) -> f64 {
    let y = y.wide();
    if y.is_nan() || exact.is_nan() {
        return if y.is_nan() && exact.is_nan() {
            0.0
        } else {
            f64::INFINITY
        };
    }
    if y == exact {
        return 0.0;
    }
    // Infinity stands for the number after the largest.
    let beyond = T::LARGEST + ulp::<T>(T::LARGEST);
    let place = |v: f64| {
        if v.is_infinite() {
            beyond.copysign(v)
        } else {
            v
        }
    };
    if y.is_infinite() && exact.abs() >= beyond && y.signum() == exact.signum() {
        return 0.0;
    }
    (place(y) - place(exact)).abs() / ulp::<T>(exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours() {
        assert_eq!(next_after::<f32>(1.0, 2.0), 1.0 + f64::from(f32::EPSILON));
        assert_eq!(next_after::<f32>(0.0, -1.0), -(2f64.powi(-149)));
        assert_eq!(next_after::<f16>(-1.0, 0.0), -1.0 + 2f64.powi(-11));
        assert_eq!(next_after::<f16>(65504.0, 1e9), f64::INFINITY);
        assert_eq!(next_after::<f16>(2f64.powi(-24), 0.0), 0.0);
    }

    #[test]
    fn distances() {
        assert_eq!(distance(1.0f32, 1.0), 0.0);
        assert_eq!(distance(1.0f32, 1.0 + 2f64.powi(-24)), 0.5);
        assert_eq!(distance(0.0f32, 2f64.powi(-150)), 0.5);
        assert_eq!(distance(f32::INFINITY, 1e300), 0.0);
        assert_eq!(distance(f32::MAX, f64::INFINITY), 1.0);
        assert_eq!(distance(f32::NAN, 1.0), f64::INFINITY);
        assert_eq!(distance(f16::from_f32(1.0), 1.0 + 2f64.powi(-11)), 0.5);
        assert_eq!(distance(bf16::from_f32(1.0), 1.0 + 2f64.powi(-8)), 0.5);
    }
}
