//! Lattice's formats of 32 values a block: a scale, a bias and sequential codes, `q * scale + bias`.

use half::f16;

use super::fit::{self, Bias, inverse_or_zero, round_within};
use super::{half_at, put_half};

/// `f16 scale, bias; u8 qs[16]`: byte i holds value 2 i in its low nibble and value 2 i + 1 in its high one.
pub(super) fn decode_khq4(block: &[u8], values: &mut [f32]) {
    let (scale, bias) = (half_at(block, 0), half_at(block, 2));
    for (pair, &q) in values.chunks_exact_mut(2).zip(&block[4..20]) {
        pair[0] = f32::from(q & 15) * scale + bias;
        pair[1] = f32::from(q >> 4) * scale + bias;
    }
}

/// `f16 scale, bias; u8 low[8], high[4]`: two bits of each code in `low`, the third in `high`, lowest bits first.
pub(super) fn decode_q3(block: &[u8], values: &mut [f32]) {
    let (scale, bias) = (half_at(block, 0), half_at(block, 2));
    let (low, high) = (&block[4..12], &block[12..16]);
    for (i, value) in values.iter_mut().enumerate() {
        let low = low[i / 4] >> (2 * (i % 4)) & 3;
        let third = high[i / 8] >> (i % 8) & 1;
        *value = f32::from(low | third << 2) * scale + bias;
    }
}

pub(super) fn encode_khq4(values: &[f32], block: &mut [u8]) {
    let codes = encode(values, 15.0, block);
    for (byte, pair) in block[4..20].iter_mut().zip(codes.chunks_exact(2)) {
        *byte = pair[0] | pair[1] << 4;
    }
}

pub(super) fn encode_q3(values: &[f32], block: &mut [u8]) {
    let codes = encode(values, 7.0, block);
    block[4..16].fill(0);
    for (i, code) in codes.iter().enumerate() {
        block[4 + i / 4] |= (code & 3) << (2 * (i % 4));
        block[12 + i / 8] |= (code >> 2) << (i % 8);
    }
}

/// Stores scale and bias and returns the codes.
fn encode(values: &[f32], top: f32, block: &mut [u8]) -> [u8; 32] {
    let (scale, bias) = fit::affine(values, top, Bias::Free);
    // What is fitted may lie a little beyond the values, and those beyond what a half holds.
    let half = |x: f32| f16::from_f32(x.clamp(-65504.0, 65504.0)).to_f32();
    let (scale, bias) = (half(scale), half(bias));
    put_half(block, 0, scale);
    put_half(block, 2, bias);
    let inverse = inverse_or_zero(scale);
    let mut codes = [0; 32];
    for (code, x) in codes.iter_mut().zip(values) {
        *code = round_within((x - bias) * inverse, 0.0, top) as u8;
    }
    codes
}
