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

pub(super) fn encode_f32(values: &[f32], block: &mut [u8]) {
    block.copy_from_slice(&values[0].to_le_bytes());
}

pub(super) fn encode_f16(values: &[f32], block: &mut [u8]) {
    super::put_half(block, 0, values[0]);
}

pub(super) fn encode_bf16(values: &[f32], block: &mut [u8]) {
    block.copy_from_slice(&half::bf16::from_f32(values[0]).to_le_bytes());
}
