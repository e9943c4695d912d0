//! Formats of one or two bits whose values are a scale, its negative or zero.

use half::f16;

use super::fit::{extreme, inverse_or_zero};
use super::k_quants_encode::pack_planes;
use super::{half_at, put_half};

/// `f16 d; u8 qs[16]`: bit i of the little-endian stream is value i, one for `d` and zero for `-d`.
pub(super) fn decode_q1_0(block: &[u8], values: &mut [f32]) {
    let d = half_at(block, 0);
    for (i, value) in values.iter_mut().enumerate() {
        let positive = block[2 + i / 8] >> (i % 8) & 1 == 1;
        *value = if positive { d } else { -d };
    }
}

/// ggml's: `u8 qs[64]; f16 d`: `d * (q - 1)`. Each half of 128 values takes 32 bytes, as four planes of two bits.
pub(super) fn decode_tq2_0(block: &[u8], values: &mut [f32]) {
    let d = half_at(block, 64);
    for (plane, values) in values.chunks_exact_mut(32).enumerate() {
        let bytes = &block[32 * (plane / 4)..][..32];
        for (value, &q) in values.iter_mut().zip(bytes) {
            *value = (i32::from(q >> (2 * (plane % 4)) & 3) - 1) as f32 * d;
        }
    }
}

/// OxiBonsai's: `u8 qs[32]; f16 d`: two bits a value, four values a byte, lowest bits first; 0 is `-d`, 2 is `d`, 1 and 3
/// are zero (positive zero whatever the sign of `d`).
pub(super) fn decode_tq2_0_g128(block: &[u8], values: &mut [f32]) {
    let d = half_at(block, 32);
    let levels = [-d, 0.0, d, 0.0];
    for (i, value) in values.iter_mut().enumerate() {
        *value = levels[usize::from(block[i / 4] >> (2 * (i % 4)) & 3)];
    }
}

/// As ggml: the mean magnitude, which is the best scale for the signs.
pub(super) fn encode_q1_0(values: &[f32], block: &mut [u8]) {
    let sum: f32 = values.iter().map(|x| x.abs()).sum();
    put_half(block, 0, sum / values.len() as f32);
    for (byte, values) in block[2..18].iter_mut().zip(values.chunks_exact(8)) {
        let bit = |(i, &x): (usize, &f32)| u8::from(x >= 0.0) << i;
        *byte = values.iter().enumerate().map(bit).sum();
    }
}

/// As ggml, to the bit: the scale is the largest magnitude, as suits weights that are ternary already.
pub(super) fn encode_tq2_0(values: &[f32], block: &mut [u8]) {
    let d = extreme(values).abs();
    let inverse = inverse_or_zero(d);
    let mut codes = [0; 256];
    for (code, x) in codes.iter_mut().zip(values) {
        *code = ((x * inverse).round() + 1.0) as u8;
    }
    pack_planes(&codes, &mut block[..64]);
    put_half(block, 64, d);
}

/// The best of all scales: with the k largest magnitudes kept, their mean is best, and the error is least where
/// `sum^2 / k` is largest. What is ternary already is met exactly but for the rounding of the scale.
pub(super) fn encode_tq2_0_g128(values: &[f32], block: &mut [u8]) {
    let mut magnitudes: Vec<f32> = values.iter().map(|x| x.abs()).collect();
    magnitudes.sort_unstable_by(|a, b| b.total_cmp(a));
    let (mut sum, mut explained, mut d) = (0.0, 0.0, 0.0);
    for (i, magnitude) in magnitudes.iter().enumerate() {
        sum += magnitude;
        let mean = sum / (i + 1) as f32;
        if sum * mean > explained {
            (explained, d) = (sum * mean, mean);
        }
    }
    let d = f16::from_f32(d).to_f32();
    let code = |x: f32| match x {
        x if x > d / 2.0 => 2,
        x if x < d / -2.0 => 0,
        _ => 1,
    };
    for (byte, values) in block[..32].iter_mut().zip(values.chunks_exact(4)) {
        let place = |(i, &x): (usize, &f32)| code(x) << (2 * i);
        *byte = values.iter().enumerate().map(place).sum();
    }
    put_half(block, 32, d);
}
