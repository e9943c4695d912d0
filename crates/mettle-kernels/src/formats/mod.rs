//! Number formats on the host: decoding and encoding of weights as GGUF files and device memory hold them.
//!
//! Decoding of ggml's formats is bit-equal to ggml: the same f32 operations in the same order, never fused. It serves the
//! host references, tests and conversions; inference decodes inside kernels.
//!
//! Layouts are described where they are decoded. A *block* is the smallest unit of a format: `block_len` values in
//! `block_bytes` bytes. All fields are little-endian; `f16` is IEEE half.

mod few_bits;
mod fp8;
mod k_quants;
mod lattice;
mod legacy;
mod non_linear;
mod plain;
mod quantize;

pub use quantize::quantize;

use crate::{Error, Result};
use mettle_gpu::Format;

/// The formats that weights are stored in: all that [`dequantize`] decodes.
pub const WEIGHTS: [Format; 22] = [
    Format::F32,
    Format::F16,
    Format::BF16,
    Format::Q4_0,
    Format::Q4_1,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q8_0,
    Format::Q2_K,
    Format::Q3_K,
    Format::Q4_K,
    Format::Q5_K,
    Format::Q6_K,
    Format::IQ4_NL,
    Format::IQ4_XS,
    Format::TQ2_0,
    Format::Q1_0,
    Format::TQ2_0_g128,
    Format::F8_E4M3,
    Format::F8_E5M2,
    Format::KHQ4,
    Format::Q3,
];

/// Decodes `bytes`, a whole number of blocks of `format`, into `values`.
///
/// Supports the formats of [`WEIGHTS`]: integer formats are not weights.
///
/// # Errors
/// [`Error::Length`] unless `bytes` holds whole blocks and exactly `values.len()` values;
/// [`Error::Format`] for a format without a decoder.
pub fn dequantize(format: Format, bytes: &[u8], values: &mut [f32]) -> Result<()> {
    let decode: fn(&[u8], &mut [f32]) = match format {
        Format::F32 => plain::decode_f32,
        Format::F16 => plain::decode_f16,
        Format::BF16 => plain::decode_bf16,
        Format::Q4_0 => legacy::decode_q4_0,
        Format::Q4_1 => legacy::decode_q4_1,
        Format::Q5_0 => legacy::decode_q5_0,
        Format::Q5_1 => legacy::decode_q5_1,
        Format::Q8_0 => legacy::decode_q8_0,
        Format::Q2_K => k_quants::decode_q2_k,
        Format::Q3_K => k_quants::decode_q3_k,
        Format::Q4_K => k_quants::decode_q4_k,
        Format::Q5_K => k_quants::decode_q5_k,
        Format::Q6_K => k_quants::decode_q6_k,
        Format::IQ4_NL => non_linear::decode_iq4_nl,
        Format::IQ4_XS => non_linear::decode_iq4_xs,
        Format::TQ2_0 => few_bits::decode_tq2_0,
        Format::Q1_0 => few_bits::decode_q1_0,
        Format::TQ2_0_g128 => few_bits::decode_tq2_0_g128,
        Format::F8_E4M3 => fp8::decode_f8_e4m3,
        Format::F8_E5M2 => fp8::decode_f8_e5m2,
        Format::KHQ4 => lattice::decode_khq4,
        Format::Q3 => lattice::decode_q3,
        other => {
            return Err(Error::Format {
                format: other.name(),
                operation: "decode",
            });
        }
    };
    check_lengths(format, bytes.len(), values.len())?;
    let blocks = bytes.chunks_exact(format.block_bytes());
    for (block, values) in blocks.zip(values.chunks_exact_mut(format.block_len())) {
        decode(block, values);
    }
    Ok(())
}

/// Checks that `bytes` bytes are exactly `values` values in whole blocks of `format`.
fn check_lengths(format: Format, bytes: usize, values: usize) -> Result<()> {
    let whole =
        values.is_multiple_of(format.block_len()) && bytes.is_multiple_of(format.block_bytes());
    if whole && bytes / format.block_bytes() == values / format.block_len() {
        return Ok(());
    }
    Err(Error::Length {
        format: format.name(),
        block_len: format.block_len(),
        block_bytes: format.block_bytes(),
        values,
        bytes,
    })
}

/// The little-endian half at byte `at` of a block.
fn half_at(block: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}
