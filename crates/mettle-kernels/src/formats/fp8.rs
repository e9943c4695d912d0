//! Blocks of 32 floats of eight bits and a scale behind them: `u8 v[32]; f16 d`, `d * v` (OxiBonsai).
//!
//! The floats are those of the OCP 8-bit Floating Point Specification, revision 1.0.

use half::f16;

use super::half_at;

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
}
