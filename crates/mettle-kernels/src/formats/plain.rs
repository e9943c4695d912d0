//! Formats without blocks: one value after the other.

pub(super) fn decode_f32(block: &[u8], values: &mut [f32]) {
    values[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
}

pub(super) fn decode_f16(block: &[u8], values: &mut [f32]) {
    values[0] = super::half_at(block, 0);
}

pub(super) fn decode_bf16(block: &[u8], values: &mut [f32]) {
    values[0] = half::bf16::from_le_bytes([block[0], block[1]]).to_f32();
}
