//! Lattice's formats of 32 values a block: a scale, a bias and sequential codes, `q * scale + bias`.

use super::half_at;

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
