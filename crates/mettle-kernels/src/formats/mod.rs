//! Number formats on the host: decoding and encoding of weights as GGUF files and device memory hold them.
//!
//! Decoding of ggml's formats is bit-equal to ggml: the same f32 operations in the same order, never fused. It serves the
//! host references, tests and conversions; inference decodes inside kernels.
//!
//! Layouts are described where they are decoded. A *block* is the smallest unit of a format: `block_len` values in
//! `block_bytes` bytes. All fields are little-endian; `f16` is IEEE half.

mod affine;
mod experts;
mod few_bits;
mod fit;
mod fp8;
mod k_quants;
mod k_quants_encode;
mod lattice;
mod legacy;
mod non_linear;
mod plain;
mod turbo;
mod two_level;

pub use affine::interleave_affine;
pub use experts::{ExpertFile, ExpertMatrix, ExpertRanges};
pub use turbo::{turbo_distortion, turbo_levels};

use crate::{Error, Result};
use mettle_gpu::{Affine, Format, Turbo};

/// How the blocks of a format are read and written: block and values are whole, values finite.
struct Codec {
    format: Format,
    decode: fn(&[u8], &mut [f32]),
    encode: fn(&[f32], &mut [u8]),
}

/// One line a format.
#[rustfmt::skip]
const CODECS: [Codec; 22] = [
    Codec { format: Format::F32, decode: plain::decode_f32, encode: plain::encode_f32 },
    Codec { format: Format::F16, decode: plain::decode_f16, encode: plain::encode_f16 },
    Codec { format: Format::BF16, decode: plain::decode_bf16, encode: plain::encode_bf16 },
    Codec { format: Format::Q4_0, decode: legacy::decode_q4_0, encode: legacy::encode_q4_0 },
    Codec { format: Format::Q4_1, decode: legacy::decode_q4_1, encode: legacy::encode_q4_1 },
    Codec { format: Format::Q5_0, decode: legacy::decode_q5_0, encode: legacy::encode_q5_0 },
    Codec { format: Format::Q5_1, decode: legacy::decode_q5_1, encode: legacy::encode_q5_1 },
    Codec { format: Format::Q8_0, decode: legacy::decode_q8_0, encode: legacy::encode_q8_0 },
    Codec { format: Format::Q2_K, decode: k_quants::decode_q2_k, encode: k_quants_encode::encode_q2_k },
    Codec { format: Format::Q3_K, decode: k_quants::decode_q3_k, encode: k_quants_encode::encode_q3_k },
    Codec { format: Format::Q4_K, decode: k_quants::decode_q4_k, encode: k_quants_encode::encode_q4_k },
    Codec { format: Format::Q5_K, decode: k_quants::decode_q5_k, encode: k_quants_encode::encode_q5_k },
    Codec { format: Format::Q6_K, decode: k_quants::decode_q6_k, encode: k_quants_encode::encode_q6_k },
    Codec { format: Format::IQ4_NL, decode: non_linear::decode_iq4_nl, encode: non_linear::encode_iq4_nl },
    Codec { format: Format::IQ4_XS, decode: non_linear::decode_iq4_xs, encode: non_linear::encode_iq4_xs },
    Codec { format: Format::TQ2_0, decode: few_bits::decode_tq2_0, encode: few_bits::encode_tq2_0 },
    Codec { format: Format::Q1_0, decode: few_bits::decode_q1_0, encode: few_bits::encode_q1_0 },
    Codec { format: Format::TQ2_0_g128, decode: few_bits::decode_tq2_0_g128, encode: few_bits::encode_tq2_0_g128 },
    Codec { format: Format::F8_E4M3, decode: fp8::decode_f8_e4m3, encode: fp8::encode_f8_e4m3 },
    Codec { format: Format::F8_E5M2, decode: fp8::decode_f8_e5m2, encode: fp8::encode_f8_e5m2 },
    Codec { format: Format::KHQ4, decode: lattice::decode_khq4, encode: lattice::encode_khq4 },
    Codec { format: Format::Q3, decode: lattice::decode_q3, encode: lattice::encode_q3 },
];

/// The formats that weights are stored in, all that [`dequantize`] decodes and [`quantize`] encodes, but for [`Format::Affine`] and [`Format::Turbo`].
pub const WEIGHTS: [Format; CODECS.len()] = {
    let mut formats = [Format::F32; CODECS.len()];
    let mut i = 0;
    while i < formats.len() {
        formats[i] = CODECS[i].format;
        i += 1;
    }
    formats
};

/// The largest magnitude that [`quantize`] takes for a format of blocks: that of a half, which scales are.
pub const LARGEST: f32 = 65504.0;

/// Decodes `bytes`, a whole number of blocks of `format`, into `values`.
///
/// Supports the formats of [`WEIGHTS`], [`Format::Affine`] and, for caches, [`Format::Turbo`]: integer formats are not weights.
///
/// # Errors
/// [`Error::Length`] unless `bytes` holds whole blocks and exactly `values.len()` values;
/// [`Error::Format`] for a format without a decoder.
pub fn dequantize(format: Format, bytes: &[u8], values: &mut [f32]) -> Result<()> {
    let coder = Coder::of(format, "decode")?;
    check_lengths(format, bytes.len(), values.len())?;
    let blocks = bytes.chunks_exact(format.block_bytes());
    for (block, values) in blocks.zip(values.chunks_exact_mut(format.block_len())) {
        coder.decode(block, values);
    }
    Ok(())
}

/// Encodes `values` into `bytes`, a whole number of blocks of `format`. The same values always give the same bytes.
///
/// F16 and BF16 round to the nearest, of two to the even one; what is too large becomes infinite. Of the formats of
/// blocks, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, TQ2_0 and Q1_0 are encoded as ggml's reference code does it, to the bit. The
/// others search for scales with a small squared error over the block; their codes are the nearest for the scales
/// as they are stored. A block of zeros decodes to zeros. Where scales would lie below the least half (2^-24), values
/// become zero, or the block's minimum or bias in formats that have one.
///
/// # Errors
/// [`Error::Length`] unless both lengths are the same whole number of blocks; [`Error::Format`] for a format without an
/// encoder; [`Error::Value`] for formats of blocks when a value is not finite or beyond [`LARGEST`].
pub fn quantize(format: Format, values: &[f32], bytes: &mut [u8]) -> Result<()> {
    let coder = Coder::of(format, "encode")?;
    check_lengths(format, bytes.len(), values.len())?;
    if format.is_quantised() {
        check_values(format, values)?;
    }
    let blocks = bytes.chunks_exact_mut(format.block_bytes());
    for (values, block) in values.chunks_exact(format.block_len()).zip(blocks) {
        coder.encode(values, block);
    }
    Ok(())
}

/// What reads and writes the blocks of a format.
enum Coder {
    Listed(&'static Codec),
    Affine(Affine),
    Turbo(Turbo),
}

impl Coder {
    fn of(format: Format, operation: &'static str) -> Result<Coder> {
        if let Format::Affine(affine) = format {
            return Ok(Coder::Affine(affine));
        }
        if let Format::Turbo(turbo) = format {
            return Ok(Coder::Turbo(turbo));
        }
        const { &CODECS }
            .iter()
            .find(|codec| codec.format == format)
            .map(Coder::Listed)
            .ok_or(Error::Format {
                format: format.name(),
                operation,
            })
    }

    fn decode(&self, block: &[u8], values: &mut [f32]) {
        match self {
            Coder::Listed(codec) => (codec.decode)(block, values),
            Coder::Affine(affine) => affine::decode(*affine, block, values),
            Coder::Turbo(turbo) => turbo::decode(*turbo, block, values),
        }
    }

    fn encode(&self, values: &[f32], block: &mut [u8]) {
        match self {
            Coder::Listed(codec) => (codec.encode)(values, block),
            Coder::Affine(affine) => affine::encode(*affine, values, block),
            Coder::Turbo(turbo) => turbo::encode(*turbo, values, block),
        }
    }
}

/// Checks that all values are finite and none is beyond [`LARGEST`].
fn check_values(format: Format, values: &[f32]) -> Result<()> {
    let held = |x: &f32| x.abs() <= LARGEST;
    match values.iter().position(|x| !held(x)) {
        None => Ok(()),
        Some(index) => Err(Error::Value {
            format: format.name(),
            index,
            value: values[index],
        }),
    }
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

/// Rounds `value` to the half at byte `at` of a block.
fn put_half(block: &mut [u8], at: usize, value: f32) {
    block[at..at + 2].copy_from_slice(&half::f16::from_f32(value).to_le_bytes());
}
