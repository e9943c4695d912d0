//! Blocks of 32 floats of eight bits and a scale behind them: `u8 v[32]; f16 d`, `d * v` (OxiBonsai).
//!
//! The floats are those of the OCP 8-bit Floating Point Specification, revision 1.0.

use half::f16;

use super::fit::{extreme, inverse_or_zero, round_within};
use super::{half_at, put_half};

/// Four exponent bits (bias 7) and three of mantissa. No infinities; all ones is NaN, of either sign.
pub(super) fn decode_f8_e4m3(block: &[u8], values: &mut [f32]) {
    decode(block, values, e4m3);
}

/// Five exponent bits (bias 15) and two of mantissa, with infinities and NaN as in IEEE formats.
pub(super) fn decode_f8_e5m2(block: &[u8], values: &mut [f32]) {
    decode(block, values, e5m2);
}

fn decode(block: &[u8], values: &mut [f32], float: fn(u8) -> f32) {
    let d = half_at(block, 32);
    for (value, &code) in values.iter_mut().zip(block) {
        *value = d * float(code);
    }
}

fn e4m3(code: u8) -> f32 {
    if code & 0x7f == 0x7f {
        return f32::NAN;
    }
    // Exponent and mantissa moved to where a half has them, subnormals included; the biases differ by 15 - 7.
    let bits = u16::from(code & 0x80) << 8 | u16::from(code & 0x7f) << 7;
    f16::from_bits(bits).to_f32() * 256.0
}

/// The upper byte of a half.
fn e5m2(code: u8) -> f32 {
    f16::from_bits(u16::from(code) << 8).to_f32()
}

pub(super) fn encode_f8_e4m3(values: &[f32], block: &mut [u8]) {
    encode(values, block, 448.0, |x| nearest(x, 3, 7));
}

pub(super) fn encode_f8_e5m2(values: &[f32], block: &mut [u8]) {
    encode(values, block, 57344.0, |x| nearest(x, 2, 15));
}

/// With the scale that puts the largest magnitude on the largest float, rounded up so that nothing lies beyond.
fn encode(values: &[f32], block: &mut [u8], largest: f32, code: impl Fn(f32) -> u8) {
    let wanted = extreme(values).abs() / largest;
    let mut scale = f16::from_f32(wanted);
    if scale.to_f32() < wanted {
        scale = f16::from_bits(scale.to_bits() + 1);
    }
    put_half(block, 32, scale.to_f32());
    let inverse = inverse_or_zero(scale.to_f32());
    for (byte, &x) in block.iter_mut().zip(values) {
        let sign = if x < 0.0 { 0x80 } else { 0 };
        *byte = sign | code((x.abs() * inverse).min(largest));
    }
}

/// The float nearest to `x`, which is not negative and not beyond the largest one; of two, the even one.
fn nearest(x: f32, mantissa_bits: i32, bias: i32) -> u8 {
    let least = 1 - bias;
    // Below the least exponent, floats are as far apart as at it.
    let exponent = ((x.to_bits() >> 23) as i32 - 127).max(least);
    let apart = f32::from_bits(((exponent - mantissa_bits + 127) as u32) << 23);
    // Counts the leading one too, which is the lowest bit of the exponent; rounding up may carry into the next.
    let steps = round_within(x / apart, 0.0, 16.0) as i32;
    (((exponent - least) << mantissa_bits) + steps) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that the specification lists for each format, and where they lie.
    #[test]
    fn listed_values() {
        let pow = |e: i32| 2f32.powi(e);
        for (code, value) in [
            (0x00, 0.0),
            (0x01, pow(-9)),
            (0x07, 0.875 * pow(-6)),
            (0x08, pow(-6)),
            (0x38, 1.0),
            (0x7e, 448.0),
        ] {
            assert_eq!(e4m3(code), value, "E4M3 {code:#04x}");
            assert_eq!(e4m3(code | 0x80), -value, "E4M3 -{code:#04x}");
        }
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan());

        for (code, value) in [
            (0x00, 0.0),
            (0x01, pow(-16)),
            (0x03, 0.75 * pow(-14)),
            (0x04, pow(-14)),
            (0x3c, 1.0),
            (0x7b, 57344.0),
            (0x7c, f32::INFINITY),
        ] {
            assert_eq!(e5m2(code), value, "E5M2 {code:#04x}");
            assert_eq!(e5m2(code | 0x80), -value, "E5M2 -{code:#04x}");
        }
        for code in 0x7d..=0x7f {
            assert!(e5m2(code).is_nan() && e5m2(code | 0x80).is_nan());
        }
    }

    /// Every float is its own nearest; what lies between two goes to the nearer and from the middle to the even one.
    #[test]
    fn nearest_floats() {
        for (float, mantissa_bits, bias, last) in [
            (e4m3 as fn(u8) -> f32, 3, 7, 0x7e),
            (e5m2 as fn(u8) -> f32, 2, 15, 0x7b),
        ] {
            for code in 0..last {
                let (low, high) = (float(code), float(code + 1));
                let near = |share: f32| nearest(low + share * (high - low), mantissa_bits, bias);
                assert_eq!(near(0.0), code);
                assert_eq!(near(0.25), code);
                assert_eq!(near(0.5), code + code % 2, "{code:#04x}");
                assert_eq!(near(0.75), code + 1);
                assert_eq!(near(1.0), code + 1);
            }
        }
    }
}
