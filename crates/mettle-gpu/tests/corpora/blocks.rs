//! Quantised weights: random blocks of ggml's formats, and the numbers they stand for (ggml-common.h describes the layouts).

use crate::support::Random;
use half::f16;

/// A format of ggml.
#[derive(Clone, Copy)]
pub enum Format {
    Q4_0,
    Q8_0,
    Q4K,
}

impl Format {
    /// Numbers a block.
    pub fn length(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q8_0 => 32,
            Self::Q4K => 256,
        }
    }

    /// Bytes a block.
    pub fn size(self) -> usize {
        match self {
            Self::Q4_0 => 18,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
        }
    }

    /// Random blocks for `count` numbers, and these numbers.
    pub fn draw(self, random: &mut Random, count: usize) -> (Vec<u8>, Vec<f64>) {
        let mut bytes = Vec::new();
        let mut numbers = Vec::new();
        for _ in 0..count / self.length() {
            let mut block = random.bytes(self.size());
            // The scales in front are ordinary numbers.
            let scales = if matches!(self, Self::Q4K) { 2 } else { 1 };
            for scale in block.chunks_exact_mut(2).take(scales) {
                scale.copy_from_slice(&f16::from_f64(random.number(0.001, 0.01)).to_le_bytes());
            }
            self.expand(&block, &mut numbers);
            bytes.extend(block);
        }
        (bytes, numbers)
    }

    /// The numbers of one block.
    pub fn expand(self, block: &[u8], numbers: &mut Vec<f64>) {
        let scale = |i: usize| f16::from_le_bytes([block[2 * i], block[2 * i + 1]]).to_f64();
        let d = scale(0);
        match self {
            Self::Q4_0 => {
                numbers.extend(block[2..].iter().map(|q| d * (f64::from(q & 15) - 8.0)));
                numbers.extend(block[2..].iter().map(|q| d * (f64::from(q >> 4) - 8.0)));
            }
            Self::Q8_0 => numbers.extend(block[2..].iter().map(|q| d * f64::from(*q as i8))),
            Self::Q4K => {
                let minimum = scale(1);
                let (packed, quants) = block[4..].split_at(12);
                for part in 0..8 {
                    // Eight scales and eight minima of 6 bits in 12 bytes.
                    let (s, m) = if part < 4 {
                        (packed[part] & 63, packed[part + 4] & 63)
                    } else {
                        (
                            packed[part + 4] & 15 | packed[part - 4] >> 6 << 4,
                            packed[part + 4] >> 4 | packed[part] >> 6 << 4,
                        )
                    };
                    for q in &quants[part / 2 * 32..][..32] {
                        let q = if part % 2 == 0 { q & 15 } else { q >> 4 };
                        numbers.push(d * f64::from(s) * f64::from(q) - minimum * f64::from(m));
                    }
                }
            }
        }
    }
}

/// `weights [rows, length]` times each of `vectors [.., length]`.
pub fn products(weights: &[f64], vectors: &[f64], length: usize) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
    vectors
        .chunks_exact(length)
        .flat_map(|vector| {
            weights
                .chunks_exact(length)
                .map(move |row| dot(row, vector))
        })
        .collect()
}
