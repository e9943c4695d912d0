//! MLX's affine formats, in blocks: `S scale, bias; u8 codes[group * bits / 8]` with S of 16 bits, `scale * code + bias`.
//!
//! Codes lie in the little-endian bits of their bytes, one after the other, whatever their number of bits: what MLX calls 8 codes in 3 bytes, 8
//! in 5 or 4 in 3, and 16, 8 or 4 in a word.

use half::{bf16, f16};
use mettle_gpu::{Affine, AffineScales};

/// Bytes before the codes.
const HEADER: usize = 4;

/// Decodes one block.
pub(super) fn decode(affine: Affine, block: &[u8], values: &mut [f32]) {
    let [scale, bias] = [0, 2].map(|at| {
        let bytes = [block[at], block[at + 1]];
        match affine.scales() {
            AffineScales::BF16 => bf16::from_le_bytes(bytes).to_f32(),
            AffineScales::F16 => f16::from_le_bytes(bytes).to_f32(),
        }
    });
    let bits = affine.bits();
    for (i, value) in values.iter_mut().enumerate() {
        *value = scale * code(&block[HEADER..], i * bits, bits) as f32 + bias;
    }
}

/// The code that begins at a bit.
fn code(codes: &[u8], at: usize, bits: usize) -> u32 {
    let low = u32::from(codes[at / 8]);
    let high = codes.get(at / 8 + 1).map_or(0, |&byte| u32::from(byte));
    (low | high << 8) >> (at % 8) & ((1 << bits) - 1)
}

/// Encodes one block of finite values: the largest code is the largest value and code 0 the smallest, both rounded as they are stored.
pub(super) fn encode(affine: Affine, values: &[f32], block: &mut [u8]) {
    let most = (1 << affine.bits()) - 1;
    let smallest = values.iter().copied().fold(f32::INFINITY, f32::min);
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // Halved first, so that the distance of large values of both signs is finite.
    let step = (largest / 2.0 - smallest / 2.0) / most as f32 * 2.0;
    let mut store = |at: usize, value: f32| {
        let (bytes, stored) = match affine.scales() {
            AffineScales::BF16 => {
                let value = bf16::from_f32(value);
                (value.to_le_bytes(), value.to_f32())
            }
            AffineScales::F16 => {
                let value = f16::from_f32(value);
                (value.to_le_bytes(), value.to_f32())
            }
        };
        block[at..at + 2].copy_from_slice(&bytes);
        stored
    };
    let (scale, bias) = (store(0, step), store(2, smallest));
    let codes = &mut block[HEADER..];
    codes.fill(0);
    for (i, &value) in values.iter().enumerate() {
        let code = match scale {
            0.0 => 0,
            _ => ((value - bias) / scale).round().clamp(0.0, most as f32) as u32,
        };
        let at = i * affine.bits();
        let both = (code << (at % 8)).to_le_bytes();
        codes[at / 8] |= both[0];
        // A code that ends with its byte has nothing in the next.
        if both[1] != 0 {
            codes[at / 8 + 1] |= both[1];
        }
    }
}

/// Puts rows of MLX's three tensors together: `codes` of `[rows, columns * bits / 32]` words, `scales` and `biases` of `[rows, columns /
/// group]`, as they lie in memory. `None` unless they and `blocks` are of whole groups, and of as many.
pub fn interleave_affine(
    affine: Affine,
    codes: &[u8],
    scales: &[u8],
    biases: &[u8],
    blocks: &mut [u8],
) -> Option<()> {
    let of_codes = affine.code_bytes();
    let block_bytes = HEADER + of_codes;
    let groups = blocks.len() / block_bytes;
    let lengths = [
        (blocks.len(), block_bytes),
        (codes.len(), of_codes),
        (scales.len(), 2),
        (biases.len(), 2),
    ];
    if lengths.iter().any(|&(len, bytes)| len != groups * bytes) {
        return None;
    }
    let headers = scales.chunks_exact(2).zip(biases.chunks_exact(2));
    let parts = headers.zip(codes.chunks_exact(of_codes));
    for (block, ((scale, bias), codes)) in blocks.chunks_exact_mut(block_bytes).zip(parts) {
        block[..2].copy_from_slice(scale);
        block[2..HEADER].copy_from_slice(bias);
        block[HEADER..].copy_from_slice(codes);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{dequantize, quantize};
    use mettle_gpu::Format;
    use proptest::prelude::*;
    use safetensors::SafeTensors;

    /// What MLX has made: see `tools/fixtures/README.md`.
    #[test]
    fn mlx_decodes_to_the_same_bits() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/affine.safetensors"
        );
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        for affine in Affine::ALL {
            let format = Format::Affine(affine);
            let part = |what: &str| {
                let tensor = file.tensor(&format!("{format}.{what}")).unwrap();
                tensor.data().to_vec()
            };
            let expected: Vec<f32> = part("values")
                .chunks_exact(4)
                .map(|value| f32::from_le_bytes(value.try_into().unwrap()))
                .collect();
            let mut blocks = vec![0; expected.len() / affine.group() * format.block_bytes()];
            let (codes, scales, biases) = (part("codes"), part("scales"), part("biases"));
            interleave_affine(affine, &codes, &scales, &biases, &mut blocks).unwrap();
            let mut values = vec![0.0; expected.len()];
            dequantize(format, &blocks, &mut values).unwrap();
            assert_eq!(values, expected, "{format}");
            let shorter = &codes[1..];
            assert_eq!(
                interleave_affine(affine, shorter, &scales, &biases, &mut blocks),
                None
            );
        }
    }

    proptest! {
        #[test]
        fn values_return_within_a_step(
            which in 0..Affine::ALL.len(),
            values in prop::collection::vec(-1.0f32..1.0, 256),
        ) {
            let affine = Affine::ALL[which];
            let format = Format::Affine(affine);
            let mut blocks = vec![0; values.len() / affine.group() * format.block_bytes()];
            quantize(format, &values, &mut blocks).unwrap();
            let mut decoded = vec![0.0; values.len()];
            dequantize(format, &blocks, &mut decoded).unwrap();
            // Half a step, and what scale and bias lose of eight or more bits: of the scale that counts once for each step.
            let most = ((1 << affine.bits()) - 1) as f32;
            let bound = 2.0 / most * 0.5 + 2.0 * 0.004 + 0.004;
            for (value, decoded) in values.iter().zip(&decoded) {
                prop_assert!((value - decoded).abs() <= bound, "{format}: {value} became {decoded}");
            }
        }
    }

    #[test]
    fn equal_values_return() {
        for affine in Affine::ALL {
            let format = Format::Affine(affine);
            let mut block = vec![0xff; format.block_bytes()];
            let mut decoded = vec![0.0; affine.group()];
            quantize(format, &vec![0.5; affine.group()], &mut block).unwrap();
            dequantize(format, &block, &mut decoded).unwrap();
            assert_eq!(decoded, vec![0.5; affine.group()], "{format}");
        }
    }
}
