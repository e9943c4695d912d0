//! ggml's formats of four bits whose codes are indices into a table of values that are denser around zero.

use super::half_at;

/// What the sixteen codes stand for, in units of the scale.
const LEVELS: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

/// `f16 d; u8 qs[16]`: `d * LEVELS[q]`, with nibbles as in Q4_0.
pub(super) fn decode_iq4_nl(block: &[u8], values: &mut [f32]) {
    decode_levels(half_at(block, 0), &block[2..18], values);
}

/// `f16 d; u16 scales_h; u8 scales_l[4], qs[128]`: `d * (s - 32) * LEVELS[q]`, eight sub-blocks of 32.
///
/// The low four bits of the scales are the nibbles of `scales_l`, low ones first; the two bits above are those of
/// `scales_h`, lowest first. Each sub-block has its nibbles as in Q4_0.
pub(super) fn decode_iq4_xs(block: &[u8], values: &mut [f32]) {
    let d = half_at(block, 0);
    let high = u16::from_le_bytes([block[2], block[3]]);
    let (low, qs) = (&block[4..8], &block[8..136]);
    for (sub, values) in values.chunks_exact_mut(32).enumerate() {
        let low = i32::from(low[sub / 2] >> (4 * (sub % 2)) & 15);
        let scale = low | i32::from(high >> (2 * sub) & 3) << 4;
        decode_levels(d * (scale - 32) as f32, &qs[16 * sub..][..16], values);
    }
}

fn decode_levels(scale: f32, qs: &[u8], values: &mut [f32]) {
    let level = |code: u8| f32::from(LEVELS[usize::from(code)]);
    let (first, second) = values.split_at_mut(16);
    for (i, &q) in qs.iter().enumerate() {
        first[i] = scale * level(q & 15);
        second[i] = scale * level(q >> 4);
    }
}
