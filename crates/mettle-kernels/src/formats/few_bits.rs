//! Formats of one or two bits whose values are a scale, its negative or zero.

use super::half_at;

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
