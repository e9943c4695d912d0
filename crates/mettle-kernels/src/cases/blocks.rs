//! Random weights of every format: valid blocks with the spread that trained weights have.

use super::Rng;
use crate::{Result, formats};
use mettle_gpu::{Affine, AffineScales, Format};

/// Encoded weights and the values they decode to.
pub struct Blocks {
    /// The blocks, as device memory holds them.
    pub bytes: Vec<u8>,
    /// Their values.
    pub values: Vec<f32>,
}

/// How large the scales of blocks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scales {
    /// As in trained weights.
    Typical,
    /// Near the largest half; of bfloats, so large that products with activations are still numbers.
    Huge,
    /// Subnormal halves; bfloats that no half could be.
    Subnormal,
    /// Zero.
    Zero,
}

impl Scales {
    /// A scale of the size that a typical one has here.
    fn of(self, typical: f32, stored: AffineScales) -> f32 {
        let (huge, small) = match stored {
            AffineScales::F16 => (40_000f32, 1e-6f32),
            AffineScales::BF16 => (1e30, 1e-30),
        };
        match self {
            Scales::Typical => typical,
            Scales::Huge => huge.copysign(typical),
            Scales::Subnormal => small.copysign(typical),
            Scales::Zero => 0.0,
        }
    }
}

/// `count` values of `format` with mean about zero and deviation about 0.02 to 0.1.
///
/// Codes and small scales are uniformly random bits, so that every bit pattern occurs; the scales of 16 bits of
/// a block are random around one, and its minima such that the values centre on zero, unless `size` asks for others; formats
/// without such scales ignore that.
///
/// # Errors
/// As [`formats::dequantize`]: `count` must be whole blocks, and the format one that the host decodes.
pub(crate) fn random(rng: &mut Rng, format: Format, count: usize, size: Scales) -> Result<Blocks> {
    let block_bytes = format.block_bytes();
    let stored = match format {
        Format::Affine(affine) => affine.scales(),
        _ => AffineScales::F16,
    };
    let mut values = vec![0.0; count];
    let bytes = match scales(format) {
        None => {
            let plain: Vec<f32> = rng.normal(count).iter().map(|x| 0.05 * x).collect();
            let mut bytes = vec![0; count / format.block_len() * block_bytes];
            formats::quantize(format, &plain, &mut bytes)?;
            bytes
        }
        Some(scales) => {
            let mut bytes = rng.bytes(count.div_ceil(format.block_len()) * block_bytes);
            for block in bytes.chunks_exact_mut(block_bytes) {
                let sign = if rng.below(8) == 0 { -1.0 } else { 1.0 };
                let factor = sign * rng.uniform(0.6, 1.4);
                for &(at, typical) in &scales {
                    let scale = factor * size.of(typical, stored);
                    let bytes = match stored {
                        AffineScales::F16 => half::f16::from_f32(scale).to_le_bytes(),
                        AffineScales::BF16 => half::bf16::from_f32(scale).to_le_bytes(),
                    };
                    block[at..at + 2].copy_from_slice(&bytes);
                }
            }
            bytes
        }
    };
    formats::dequantize(format, &bytes, &mut values)?;
    Ok(Blocks { bytes, values })
}

/// 256 blocks of which every byte has every value, so that each code and each scale is met in each place; scales are finite.
pub(crate) fn all_bytes(format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in 0..256 {
        let start = bytes.len();
        bytes.extend((0..format.block_bytes()).map(|i| (row + 37 * i) as u8));
        for (at, _) in scales(format).unwrap_or_default() {
            // The largest bit of the exponent.
            bytes[start + at + 1] &= 0xbf;
        }
    }
    bytes
}

/// Byte offset and typical value of the fields of 16 bits of a block; `None` for formats without any, and for those whose codes
/// are floats, which random bits would give infinities.
fn scales(format: Format) -> Option<Vec<(usize, f32)>> {
    if let Format::Affine(affine) = format {
        return Some(affine_scales(affine).to_vec());
    }
    // Codes are uniform: those of b bits have a deviation of about 2^b / 3.5, and a minimum of -7.5 (four bits) or
    // -15.5 (five bits) times the scale centres them. In K-quants the six-bit sub-scales and minima (four-bit in
    // Q2_K) are uniform too, with means of 31.5 (7.5).
    let known: &[(usize, f32)] = match format {
        Format::Q4_0 => &[(0, 0.01)],
        Format::Q4_1 => &[(0, 0.01), (2, -0.075)],
        Format::Q5_0 => &[(0, 0.005)],
        Format::Q5_1 => &[(0, 0.005), (2, -0.0775)],
        Format::Q8_0 => &[(0, 0.0007)],
        Format::Q2_K => &[(80, 0.006), (82, 0.009)],
        Format::Q3_K => &[(108, 0.001)],
        Format::Q4_K => &[(0, 0.0003), (2, 0.00225)],
        Format::Q5_K => &[(0, 0.00015), (2, 0.0023)],
        Format::Q6_K => &[(208, 0.00004)],
        // Levels have a deviation of about 72, and the six-bit sub-scales of IQ4_XS one of 18.
        Format::IQ4_NL => &[(0, 0.0007)],
        Format::IQ4_XS => &[(0, 0.00004)],
        Format::TQ2_0 => &[(64, 0.04)],
        Format::Q1_0 => &[(0, 0.05)],
        Format::TQ2_0_g128 => &[(32, 0.05)],
        Format::KHQ4 => &[(0, 0.01), (2, -0.075)],
        Format::Q3 => &[(0, 0.02), (2, -0.07)],
        _ => return None,
    };
    Some(known.to_vec())
}

/// Scale and bias, such that values lie between -0.08 and 0.08.
fn affine_scales(affine: Affine) -> [(usize, f32); 2] {
    const LARGEST: f32 = 0.08;
    let most = (1u32 << affine.bits()) - 1;
    [(0, 2.0 * LARGEST / most as f32), (2, -LARGEST)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::FORMATS;

    #[test]
    fn random_blocks_look_like_weights() {
        let affine = Affine::ALL.map(Format::Affine);
        for format in FORMATS.into_iter().chain(affine) {
            let values = random(&mut Rng::new(5), format, 64 * 256, Scales::Typical)
                .unwrap()
                .values;
            let n = values.len() as f64;
            let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let deviation = (values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / n
                - mean * mean)
                .sqrt();
            let name = format.name();
            assert!(
                (0.02..0.1).contains(&deviation) && mean.abs() < 0.02,
                "{name}: mean {mean}, deviation {deviation}"
            );
        }
    }
}
