//! Packing of the K-quants; `k_quants` says where everything lies.

use half::f16;

use super::fit::Signed;
use super::two_level::{Affine, Scaled, affine, scaled};

pub(super) fn encode_q2_k(values: &[f32], block: &mut [u8]) {
    let Affine {
        d,
        dmin,
        scales,
        minima,
        codes,
    } = affine::<16>(values, 3.0, 15.0);
    let (packed, rest) = block.split_at_mut(16);
    for ((byte, scale), min) in packed.iter_mut().zip(scales).zip(minima) {
        *byte = scale | min << 4;
    }
    let (qs, halves) = rest.split_at_mut(64);
    pack_planes(&codes, qs);
    put_halves(halves, [d, dmin]);
}

pub(super) fn encode_q3_k(values: &[f32], block: &mut [u8]) {
    let Scaled { d, scales, codes } = scaled::<Signed<3>, 16>(values, -32);
    let (hmask, rest) = block.split_at_mut(32);
    let (qs, rest) = rest.split_at_mut(64);
    let (packed, half) = rest.split_at_mut(12);
    hmask.fill(0);
    for (i, code) in codes.iter().enumerate() {
        hmask[i % 32] |= (code >> 2) << (i / 32);
    }
    pack_planes(&codes.map(|code| code & 3), qs);
    packed.fill(0);
    for (sub, scale) in scales.iter().enumerate() {
        let scale = (scale + 32) as u8;
        packed[sub % 8] |= (scale & 15) << (4 * (sub / 8));
        packed[8 + sub % 4] |= (scale >> 4) << (2 * (sub / 4));
    }
    put_halves(half, [d]);
}

pub(super) fn encode_q4_k(values: &[f32], block: &mut [u8]) {
    let encoded = affine::<8>(values, 15.0, 63.0);
    let (head, qs) = block.split_at_mut(16);
    put_head(&encoded, head);
    pack_nibbles(&encoded.codes, qs);
}

pub(super) fn encode_q5_k(values: &[f32], block: &mut [u8]) {
    let encoded = affine::<8>(values, 31.0, 63.0);
    let (head, rest) = block.split_at_mut(16);
    let (qh, qs) = rest.split_at_mut(32);
    put_head(&encoded, head);
    qh.fill(0);
    for (i, code) in encoded.codes.iter().enumerate() {
        qh[i % 32] |= (code >> 4) << (i / 32);
    }
    pack_nibbles(&encoded.codes.map(|code| code & 15), qs);
}

pub(super) fn encode_q6_k(values: &[f32], block: &mut [u8]) {
    let Scaled { d, scales, codes } = scaled::<Signed<6>, 16>(values, -128);
    let (ql, rest) = block.split_at_mut(128);
    let (qh, rest) = rest.split_at_mut(64);
    let (packed, half) = rest.split_at_mut(16);
    let halves = codes.chunks_exact(128).zip(ql.chunks_exact_mut(64));
    for (codes, bytes) in halves {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = codes[i] & 15 | (codes[i + 64] & 15) << 4;
        }
    }
    pack_planes(&codes.map(|code| code >> 4), qh);
    for (byte, scale) in packed.iter_mut().zip(scales) {
        *byte = scale as u8;
    }
    put_halves(half, [d]);
}

/// Two-bit codes: each 128 values in 32 bytes, as four planes.
pub(super) fn pack_planes(codes: &[u8; 256], bytes: &mut [u8]) {
    for (codes, bytes) in codes.chunks_exact(128).zip(bytes.chunks_exact_mut(32)) {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = (0..4).fold(0, |byte, plane| byte | codes[32 * plane + i] << (2 * plane));
        }
    }
}

/// Four-bit codes of Q4_K and Q5_K: each 64 values in 32 bytes, the first half in the low nibbles.
fn pack_nibbles(codes: &[u8; 256], bytes: &mut [u8]) {
    for (codes, bytes) in codes.chunks_exact(64).zip(bytes.chunks_exact_mut(32)) {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = codes[i] | codes[i + 32] << 4;
        }
    }
}

/// `f16 d, dmin; u8 scales[12]` of Q4_K and Q5_K.
fn put_head(encoded: &Affine<8>, head: &mut [u8]) {
    put_halves(&mut head[..4], [encoded.d, encoded.dmin]);
    let packed = &mut head[4..16];
    for sub in 0..4 {
        let (scale, min) = (encoded.scales[sub + 4], encoded.minima[sub + 4]);
        packed[sub] = encoded.scales[sub] | scale >> 4 << 6;
        packed[sub + 4] = encoded.minima[sub] | min >> 4 << 6;
        packed[sub + 8] = scale & 15 | (min & 15) << 4;
    }
}

fn put_halves<const N: usize>(bytes: &mut [u8], halves: [f16; N]) {
    for (bytes, half) in bytes.chunks_exact_mut(2).zip(halves) {
        bytes.copy_from_slice(&half.to_le_bytes());
    }
}
