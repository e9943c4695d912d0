//! ggml's formats of 32 values a block: one scale `d`, in some a minimum `m`, and codes of 4, 5 or 8 bits.
//!
//! Four-bit codes are split over the block: byte i holds value i in its low nibble and value i + 16 in its high one.
//!
//! Encoding does what ggml's reference code does, to the bit, and searches no scales: where the value of largest
//! magnitude `x` decides alone, `d` is `x / -8` (Q4_0), `x / -16` (Q5_0) or `|x| / 127` (Q8_0); else the codes cover the
//! range from the least to the largest value.

use super::fit::{extreme, inverse_or_zero};
use super::{half_at, put_half};

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

pub(super) fn encode_q4_0(values: &[f32], block: &mut [u8]) {
    let d = extreme(values) / -8.0;
    let inverse = inverse_or_zero(d);
    put_half(block, 0, d);
    pack_nibbles(values, &mut block[2..18], |x| {
        ((x * inverse + 8.5) as u8).min(15)
    });
}

pub(super) fn encode_q4_1(values: &[f32], block: &mut [u8]) {
    let (low, d) = range(values, 15.0);
    let inverse = inverse_or_zero(d);
    put_half(block, 0, d);
    put_half(block, 2, low);
    pack_nibbles(values, &mut block[4..20], |x| {
        (((x - low) * inverse + 0.5) as u8).min(15)
    });
}

pub(super) fn encode_q5_0(values: &[f32], block: &mut [u8]) {
    let d = extreme(values) / -16.0;
    let inverse = inverse_or_zero(d);
    put_half(block, 0, d);
    pack_five_bits(values, &mut block[2..22], |x| {
        ((x * inverse + 16.5) as u8).min(31)
    });
}

pub(super) fn encode_q5_1(values: &[f32], block: &mut [u8]) {
    let (low, d) = range(values, 31.0);
    let inverse = inverse_or_zero(d);
    put_half(block, 0, d);
    put_half(block, 2, low);
    pack_five_bits(values, &mut block[4..24], |x| {
        (((x - low) * inverse + 0.5) as u8).min(31)
    });
}

pub(super) fn encode_q8_0(values: &[f32], block: &mut [u8]) {
    let d = extreme(values).abs() / 127.0;
    let inverse = inverse_or_zero(d);
    put_half(block, 0, d);
    for (code, value) in block[2..34].iter_mut().zip(values) {
        *code = (value * inverse).round() as i8 as u8;
    }
}

/// The least value and the step that divides the range of values into `steps`.
fn range(values: &[f32], steps: f32) -> (f32, f32) {
    let (low, high) = values
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| {
            (low.min(x), high.max(x))
        });
    (low, (high - low) / steps)
}

fn pack_nibbles(values: &[f32], qs: &mut [u8], code: impl Fn(f32) -> u8) {
    for (i, packed) in qs.iter_mut().enumerate() {
        *packed = code(values[i]) | code(values[i + 16]) << 4;
    }
}

/// `u8 qh[4], qs[16]`.
fn pack_five_bits(values: &[f32], bytes: &mut [u8], code: impl Fn(f32) -> u8) {
    let (qh, qs) = bytes.split_at_mut(4);
    let fifth = values
        .iter()
        .enumerate()
        .fold(0u32, |bits, (i, &x)| bits | u32::from(code(x) >> 4) << i);
    qh.copy_from_slice(&fifth.to_le_bytes());
    pack_nibbles(values, qs, |x| code(x) & 15);
}

/// The fifth bit of value i, already in place.
fn fifth_bits(qh: &[u8]) -> impl Fn(usize) -> u8 {
    let bits = u32::from_le_bytes([qh[0], qh[1], qh[2], qh[3]]);
    move |i| ((bits >> i & 1) << 4) as u8
}
