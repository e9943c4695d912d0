//! ggml's formats of four bits whose codes are indices into a table of values that are denser around zero.

use half::f16;

use super::fit::{self, Levels, inverse_or_zero};
use super::two_level::{Scaled, scaled};
use super::{half_at, put_half};

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

/// [`LEVELS`] as levels of a scale.
struct Table;

impl Levels for Table {
    const ENDS: [f32; 2] = [LEVELS[0] as f32, LEVELS[15] as f32];
    const STEP: f32 = 1.0;

    fn nearest(x: f32) -> (u8, f32) {
        // Truncates towards zero, and to zero what is below.
        let half = (2.0 * (x - f32::from(LEVELS[0]))) as usize;
        let code = NEAREST[half.min(NEAREST.len() - 1)];
        (code, f32::from(LEVELS[usize::from(code)]))
    }
}

/// Halves of a unit from the lowest level to the highest.
const HALVES: usize = 2 * (LEVELS[15] as isize - LEVELS[0] as isize) as usize;

/// The code whose level is nearest, for each half of a unit above the lowest level.
///
/// What lies halfway between two levels is a multiple of a half, so that all of a half has the same nearest level.
const NEAREST: [u8; HALVES] = {
    let mut nearest = [0; HALVES];
    let (mut i, mut code) = (0, 0);
    while i < nearest.len() {
        // The middle to the next level, in halves above the lowest one.
        if code < 15 {
            let middle = LEVELS[code] as i32 + LEVELS[code + 1] as i32 - 2 * LEVELS[0] as i32;
            if i as i32 >= middle {
                code += 1;
            }
        }
        nearest[i] = code as u8;
        i += 1;
    }
    nearest
};

pub(super) fn encode_iq4_nl(values: &[f32], block: &mut [u8]) {
    let d = f16::from_f32(fit::scale::<Table>(values)).to_f32();
    let inverse = inverse_or_zero(d);
    put_half(block, 0, d);
    let mut codes = [0; 32];
    for (code, x) in codes.iter_mut().zip(values) {
        *code = Table::nearest(x * inverse).0;
    }
    pack_nibbles(&codes, &mut block[2..18]);
}

pub(super) fn encode_iq4_xs(values: &[f32], block: &mut [u8]) {
    let Scaled { d, scales, codes } = scaled::<Table, 8>(values, -32);
    put_half(block, 0, d.to_f32());
    let mut high = 0;
    block[4..8].fill(0);
    for (sub, scale) in scales.iter().enumerate() {
        let scale = (scale + 32) as u8;
        high |= u16::from(scale >> 4) << (2 * sub);
        block[4 + sub / 2] |= (scale & 15) << (4 * (sub % 2));
    }
    block[2..4].copy_from_slice(&high.to_le_bytes());
    for (codes, bytes) in codes
        .chunks_exact(32)
        .zip(block[8..136].chunks_exact_mut(16))
    {
        pack_nibbles(codes, bytes);
    }
}

fn pack_nibbles(codes: &[u8], bytes: &mut [u8]) {
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = codes[i] | codes[i + 16] << 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_level_is_found() {
        for k in -1400..1400 {
            let x = k as f32 / 10.0;
            let distance = |level: i8| (x - f32::from(level)).abs();
            let least = LEVELS
                .map(distance)
                .into_iter()
                .fold(f32::INFINITY, f32::min);
            let (code, level) = Table::nearest(x);
            assert_eq!(level, f32::from(LEVELS[usize::from(code)]));
            assert_eq!((x - level).abs(), least, "{x}");
        }
    }
}
