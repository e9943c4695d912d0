//! ggml's K-quants: 256 values a block in sub-blocks of 16 or 32, each with its own small scale (and minimum),
//! which is itself a multiple of the block's `d` (and `dmin`).

use super::half_at;

/// `u8 scales[16], qs[64]; f16 d, dmin`: `d * (s & 15) * q - dmin * (s >> 4)`, sixteen sub-blocks of 16.
///
/// Each half of 128 values lies in 32 bytes as four planes of two bits.
pub(super) fn decode_q2_k(block: &[u8], values: &mut [f32]) {
    let (scales, qs) = (&block[0..16], &block[16..80]);
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for (sub, values) in values.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[sub] & 15);
        let min = dmin * f32::from(scales[sub] >> 4);
        let plane = TwoBitPlane::of(sub);
        for (i, value) in values.iter_mut().enumerate() {
            *value = scale * f32::from(plane.code(qs, i)) - min;
        }
    }
}

/// `u8 hmask[32], qs[64], scales[12]; f16 d`: `d * (s - 32) * (q - 4)`, sixteen sub-blocks of 16.
///
/// The low two bits of a code lie as in Q2_K; bit `k` of `hmask[i]` is the third bit of value `32 k + i`.
pub(super) fn decode_q3_k(block: &[u8], values: &mut [f32]) {
    let (hmask, qs, scales) = (&block[0..32], &block[32..96], &block[96..108]);
    let d = half_at(block, 108);
    for (sub, values) in values.chunks_exact_mut(16).enumerate() {
        let scale = d * (i32::from(q3_scale(scales, sub)) - 32) as f32;
        let plane = TwoBitPlane::of(sub);
        for (i, value) in values.iter_mut().enumerate() {
            let third = hmask[16 * (sub % 2) + i] >> (sub / 2) & 1;
            let code = i32::from(plane.code(qs, i) | third << 2) - 4;
            *value = scale * code as f32;
        }
    }
}

/// `f16 d, dmin; u8 scales[12], qs[128]`: `d * s * q - dmin * m`, eight sub-blocks of 32.
///
/// Each 32 bytes of `qs` hold one sub-block in the low nibbles and the next one in the high nibbles.
pub(super) fn decode_q4_k(block: &[u8], values: &mut [f32]) {
    let (scales, qs) = (&block[4..16], &block[16..144]);
    for (sub, values) in values.chunks_exact_mut(32).enumerate() {
        let (scale, min) = scale_and_min(block, scales, sub);
        let (bytes, shift) = nibbles(qs, sub);
        for (value, &q) in values.iter_mut().zip(bytes) {
            *value = scale * f32::from(q >> shift & 15) - min;
        }
    }
}

/// Q4_K with `u8 qh[32]` before `qs`: bit k of `qh[i]` is the fifth bit of value i of sub-block k.
pub(super) fn decode_q5_k(block: &[u8], values: &mut [f32]) {
    let (scales, qh, qs) = (&block[4..16], &block[16..48], &block[48..176]);
    for (sub, values) in values.chunks_exact_mut(32).enumerate() {
        let (scale, min) = scale_and_min(block, scales, sub);
        let (bytes, shift) = nibbles(qs, sub);
        for ((value, &q), &high) in values.iter_mut().zip(bytes).zip(qh) {
            let code = (q >> shift & 15) | (high >> sub & 1) << 4;
            *value = scale * f32::from(code) - min;
        }
    }
}

/// `u8 ql[128], qh[64]; i8 scales[16]; f16 d`: `d * s * (q - 32)`, sixteen sub-blocks of 16.
///
/// Each half of 128 values takes 64 bytes of `ql` (values 0..64 in the low nibbles, 64..128 in the high ones) and
/// 32 bytes of `qh` (four planes of two bits, 32 values each).
pub(super) fn decode_q6_k(block: &[u8], values: &mut [f32]) {
    let (ql, qh, scales) = (&block[0..128], &block[128..192], &block[192..208]);
    let d = half_at(block, 208);
    for (sub, values) in values.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[sub] as i8);
        let low = 64 * (sub / 8) + 16 * (sub % 4);
        let low_shift = 4 * (sub % 8 / 4);
        let plane = TwoBitPlane::of(sub);
        for (i, value) in values.iter_mut().enumerate() {
            let code = (ql[low + i] >> low_shift & 15) | plane.code(qh, i) << 4;
            *value = scale * (i32::from(code) - 32) as f32;
        }
    }
}

/// Where two-bit codes of a sub-block of 16 lie: 128 values take 32 bytes, as four planes of 32 values.
struct TwoBitPlane {
    start: usize,
    shift: usize,
}

impl TwoBitPlane {
    fn of(sub: usize) -> TwoBitPlane {
        TwoBitPlane {
            start: 32 * (sub / 8) + 16 * (sub % 2),
            shift: 2 * (sub % 8 / 2),
        }
    }

    fn code(&self, bytes: &[u8], i: usize) -> u8 {
        bytes[self.start + i] >> self.shift & 3
    }
}

/// The bytes and the shift of sub-block `sub` in the nibbles of Q4_K and Q5_K.
fn nibbles(qs: &[u8], sub: usize) -> (&[u8], usize) {
    (&qs[32 * (sub / 2)..][..32], 4 * (sub % 2))
}

/// Scale and minimum of sub-block `sub` of Q4_K and Q5_K: six bits each.
///
/// The first four of each lie in the low six bits of bytes 0..4 (scales) and 4..8 (minima); of the last four, the
/// low nibbles lie in bytes 8..12 (scale low, minimum high) and the top two bits in those of bytes 0..8.
fn scale_and_min(block: &[u8], packed: &[u8], sub: usize) -> (f32, f32) {
    let (scale, min) = if sub < 4 {
        (packed[sub] & 63, packed[sub + 4] & 63)
    } else {
        let low = packed[sub + 4];
        (
            low & 15 | packed[sub - 4] >> 6 << 4,
            low >> 4 | packed[sub] >> 6 << 4,
        )
    };
    (
        half_at(block, 0) * f32::from(scale),
        half_at(block, 2) * f32::from(min),
    )
}

/// The six-bit scale of sub-block `sub` of Q3_K: low nibbles in bytes 0..8 (scales 0..8 low, 8..16 high), top two
/// bits in bytes 8..12 (four planes of four scales).
fn q3_scale(packed: &[u8], sub: usize) -> u8 {
    let low = packed[sub % 8] >> (4 * (sub / 8)) & 15;
    let high = packed[8 + sub % 4] >> (2 * (sub / 4)) & 3;
    low | high << 4
}
