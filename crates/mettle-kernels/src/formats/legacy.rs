//! ggml's formats of 32 values a block: one scale `d`, in some a minimum `m`, and codes of 4, 5 or 8 bits.
//!
//! Four-bit codes are split over the block: byte i holds value i in its low nibble and value i + 16 in its high one.

use super::half_at;

/// `f16 d; u8 qs[16]`: `d * (q - 8)`.
pub(super) fn decode_q4_0(block: &[u8], values: &mut [f32]) {
    let d = half_at(block, 0);
    let (low, high) = values.split_at_mut(16);
    for (i, &q) in block[2..18].iter().enumerate() {
        low[i] = (i32::from(q & 15) - 8) as f32 * d;
        high[i] = (i32::from(q >> 4) - 8) as f32 * d;
    }
}

/// `f16 d, m; u8 qs[16]`: `d * q + m`.
pub(super) fn decode_q4_1(block: &[u8], values: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    let (low, high) = values.split_at_mut(16);
    for (i, &q) in block[4..20].iter().enumerate() {
        low[i] = f32::from(q & 15) * d + m;
        high[i] = f32::from(q >> 4) * d + m;
    }
}

/// `f16 d; u8 qh[4], qs[16]`: `d * (q - 16)`; bit i of the little-endian `qh` is the fifth bit of value i.
pub(super) fn decode_q5_0(block: &[u8], values: &mut [f32]) {
    let d = half_at(block, 0);
    let fifth = fifth_bits(&block[2..6]);
    let (low, high) = values.split_at_mut(16);
    for (i, &q) in block[6..22].iter().enumerate() {
        low[i] = (i32::from(q & 15 | fifth(i)) - 16) as f32 * d;
        high[i] = (i32::from(q >> 4 | fifth(i + 16)) - 16) as f32 * d;
    }
}

/// `f16 d, m; u8 qh[4], qs[16]`: `d * q + m`, with `qh` as in Q5_0.
pub(super) fn decode_q5_1(block: &[u8], values: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    let fifth = fifth_bits(&block[4..8]);
    let (low, high) = values.split_at_mut(16);
    for (i, &q) in block[8..24].iter().enumerate() {
        low[i] = f32::from(q & 15 | fifth(i)) * d + m;
        high[i] = f32::from(q >> 4 | fifth(i + 16)) * d + m;
    }
}

/// `f16 d; i8 qs[32]`: `d * q`.
pub(super) fn decode_q8_0(block: &[u8], values: &mut [f32]) {
    let d = half_at(block, 0);
    for (value, &q) in values.iter_mut().zip(&block[2..34]) {
        *value = f32::from(q as i8) * d;
    }
}

/// The fifth bit of value i, already in place.
fn fifth_bits(qh: &[u8]) -> impl Fn(usize) -> u8 {
    let bits = u32::from_le_bytes([qh[0], qh[1], qh[2], qh[3]]);
    move |i| ((bits >> i & 1) << 4) as u8
}
