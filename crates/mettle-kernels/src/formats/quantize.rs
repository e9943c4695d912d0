//! Encoding of f32 values, by ggml's reference algorithms.

use super::check_lengths;
use crate::{Error, Result};
use mettle_gpu::Format;

/// Encodes `values` into `bytes`: F32, F16, BF16 (rounding to nearest even), Q8_0 and Q4_0.
///
/// The scale of a Q8_0 block is its largest magnitude / 127; that of a Q4_0 block is its value of largest magnitude
/// / -8, so that this value is met exactly by code 0.
///
/// # Errors
/// [`Error::Length`] unless both lengths are the same whole number of blocks; [`Error::Format`] for other formats.
pub fn quantize(format: Format, values: &[f32], bytes: &mut [u8]) -> Result<()> {
    let encode: fn(&[f32], &mut [u8]) = match format {
        Format::F32 => |values, block| block.copy_from_slice(&values[0].to_le_bytes()),
        Format::F16 => |values, block| put_half(block, values[0]),
        Format::BF16 => {
            |values, block| block.copy_from_slice(&half::bf16::from_f32(values[0]).to_le_bytes())
        }
        Format::Q4_0 => encode_q4_0,
        Format::Q8_0 => encode_q8_0,
        other => {
            return Err(Error::Format {
                format: other.name(),
                operation: "encode",
            });
        }
    };
    check_lengths(format, bytes.len(), values.len())?;
    let blocks = bytes.chunks_exact_mut(format.block_bytes());
    for (values, block) in values.chunks_exact(format.block_len()).zip(blocks) {
        encode(values, block);
    }
    Ok(())
}

fn encode_q8_0(values: &[f32], block: &mut [u8]) {
    let largest = values
        .iter()
        .fold(0.0f32, |most, value| most.max(value.abs()));
    let d = largest / 127.0;
    let inverse = inverse_or_zero(d);
    put_half(&mut block[..2], d);
    for (code, value) in block[2..].iter_mut().zip(values) {
        *code = (value * inverse).round() as i8 as u8;
    }
}

fn encode_q4_0(values: &[f32], block: &mut [u8]) {
    // The first of equal magnitudes decides the sign of the scale.
    let extreme = values.iter().fold(0.0f32, |most, value| {
        if value.abs() > most.abs() {
            *value
        } else {
            most
        }
    });
    let d = extreme / -8.0;
    let inverse = inverse_or_zero(d);
    put_half(&mut block[..2], d);
    let code = |value: f32| ((value * inverse + 8.5) as u8).min(15);
    for (i, packed) in block[2..].iter_mut().enumerate() {
        *packed = code(values[i]) | code(values[i + 16]) << 4;
    }
}

fn inverse_or_zero(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

fn put_half(block: &mut [u8], value: f32) {
    block.copy_from_slice(&half::f16::from_f32(value).to_le_bytes());
}
