//! Experts in files of their own, as flash-moe and moeflux keep them on disk: one region an expert, one after the other.
//!
//! A region holds gate, up and down, each as codes, scales and biases (MLX's tensors in groups of 64 with scales of
//! BF16), without gaps. Nothing in the file says so: sizes follow from the model's configuration, and the length of
//! the file is what can be checked.

use std::ops::Range;

use mettle_gpu::{Affine, AffineScales, Format};

use super::interleave_affine;
use crate::{Error, Result};

/// Values that share scale and bias.
const GROUP: usize = 64;

/// A matrix of an expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpertMatrix {
    /// `[intermediate, hidden]`.
    Gate,
    /// `[intermediate, hidden]`.
    Up,
    /// `[hidden, intermediate]`.
    Down,
}

/// How a file of experts is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertFile {
    affine: Affine,
    hidden: usize,
    intermediate: usize,
    /// Bytes of the codes of a matrix; all three have the same number of values.
    codes: usize,
    /// Bytes of the scales of a matrix, and of the biases.
    scales: usize,
    experts: usize,
}

/// Where the tensors of a matrix lie in the file, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpertRanges {
    /// The codes, u32 words of `[rows, columns * bits / 32]`.
    pub codes: Range<usize>,
    /// The scales, BF16 of `[rows, columns / 64]`.
    pub scales: Range<usize>,
    /// The biases, as the scales.
    pub biases: Range<usize>,
}

impl ExpertFile {
    /// The layout of a file of `experts` experts, with codes of 2, 3, 4, 5, 6 or 8 bits.
    ///
    /// # Errors
    /// [`Error::Experts`] when there are no such codes, `hidden` or `intermediate` is not a multiple of 64 above zero, or
    /// the sizes do not fit memory.
    pub fn new(hidden: usize, intermediate: usize, bits: usize, experts: usize) -> Result<Self> {
        let refuse = |reason: &str| Error::Experts {
            reason: format!(
                "{experts} experts of hidden size {hidden} and intermediate size {intermediate} in {bits} bits: {reason}"
            ),
        };
        let affine = Affine::new(bits, GROUP, AffineScales::BF16)
            .ok_or_else(|| refuse("there are codes of 2, 3, 4, 5, 6 and 8 bits"))?;
        let whole = |size: usize| size > 0 && size.is_multiple_of(GROUP);
        if !whole(hidden) || !whole(intermediate) {
            return Err(refuse("sizes must be multiples of 64 above zero"));
        }
        let groups = (hidden / GROUP).checked_mul(intermediate);
        let block = affine.code_bytes() + 2 * size_of::<u16>();
        groups
            .and_then(|groups| groups.checked_mul(3 * block)?.checked_mul(experts))
            .zip(groups)
            .map(|(_, groups)| Self {
                affine,
                hidden,
                intermediate,
                codes: groups * affine.code_bytes(),
                scales: groups * size_of::<u16>(),
                experts,
            })
            .ok_or_else(|| refuse("they are too large"))
    }

    /// The format of the matrices in memory.
    pub fn format(&self) -> Format {
        Format::Affine(self.affine)
    }

    /// How the matrices are quantised.
    pub fn affine(&self) -> Affine {
        self.affine
    }

    /// Rows and columns of a matrix.
    pub fn shape(&self, matrix: ExpertMatrix) -> [usize; 2] {
        match matrix {
            ExpertMatrix::Gate | ExpertMatrix::Up => [self.intermediate, self.hidden],
            ExpertMatrix::Down => [self.hidden, self.intermediate],
        }
    }

    /// Bytes of a matrix, in the file as in memory.
    pub fn matrix_bytes(&self) -> usize {
        self.codes + 2 * self.scales
    }

    /// Bytes of an expert.
    pub fn expert_bytes(&self) -> usize {
        3 * self.matrix_bytes()
    }

    /// Checks the length of a file, in bytes.
    ///
    /// # Errors
    /// [`Error::Experts`], with both lengths, unless the file is as long as its experts are.
    pub fn check(&self, len: u64) -> Result<()> {
        let (experts, each) = (self.experts, self.expert_bytes());
        let wanted = experts as u64 * each as u64;
        if len == wanted {
            return Ok(());
        }
        Err(Error::Experts {
            reason: format!(
                "the file has {len} bytes, {experts} experts of {each} bytes are {wanted}"
            ),
        })
    }

    /// Where a matrix of an expert lies.
    ///
    /// # Errors
    /// [`Error::Experts`] for an expert that the file does not have.
    pub fn ranges(&self, expert: usize, matrix: ExpertMatrix) -> Result<ExpertRanges> {
        if expert >= self.experts {
            return Err(Error::Experts {
                reason: format!("there is no expert {expert}, there are {}", self.experts),
            });
        }
        let start = expert * self.expert_bytes() + matrix as usize * self.matrix_bytes();
        let (codes, scales) = (start + self.codes, start + self.codes + self.scales);
        Ok(ExpertRanges {
            codes: start..codes,
            scales: codes..scales,
            biases: scales..scales + self.scales,
        })
    }

    /// Reads a matrix of an expert from the `file`'s bytes into `blocks` of [`ExpertFile::format`].
    ///
    /// # Errors
    /// [`Error::Experts`] as [`ExpertFile::check`] and [`ExpertFile::ranges`], and unless `blocks` has
    /// [`ExpertFile::matrix_bytes`].
    pub fn read(
        &self,
        file: &[u8],
        expert: usize,
        matrix: ExpertMatrix,
        blocks: &mut [u8],
    ) -> Result<()> {
        self.check(file.len() as u64)?;
        let at = self.ranges(expert, matrix)?;
        let found = blocks.len();
        interleave_affine(
            self.affine,
            &file[at.codes],
            &file[at.scales],
            &file[at.biases],
            blocks,
        )
        .ok_or_else(|| Error::Experts {
            reason: format!(
                "a matrix takes {} bytes, {found} were given",
                self.matrix_bytes()
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::dequantize;

    /// The reference model's experts: 4096 by 1024. A matrix has 4096 * 1024 / 64 = 65536 groups; in 4 bits a group takes
    /// 32 bytes of codes and 4 of scale and bias, in 2 bits 16 and 4.
    #[test]
    fn sizes_of_the_reference_model() {
        let bytes = |bits| {
            ExpertFile::new(4096, 1024, bits, 512)
                .unwrap()
                .expert_bytes()
        };
        assert_eq!(bytes(4), 7_077_888);
        assert_eq!(bytes(2), 3_932_160);
    }

    /// hidden 128, intermediate 64, 4 bits: 128 groups a matrix, so 4096 bytes of codes and 256 each of scales and biases;
    /// a matrix takes 4608 bytes and an expert 13824.
    #[test]
    fn offsets_by_hand() {
        let file = ExpertFile::new(128, 64, 4, 3).unwrap();
        assert_eq!((file.matrix_bytes(), file.expert_bytes()), (4608, 13824));
        let ranges = |start: usize| ExpertRanges {
            codes: start..start + 4096,
            scales: start + 4096..start + 4352,
            biases: start + 4352..start + 4608,
        };
        let found = |expert, matrix| file.ranges(expert, matrix).unwrap();
        assert_eq!(found(0, ExpertMatrix::Gate), ranges(0));
        assert_eq!(found(0, ExpertMatrix::Up), ranges(4608));
        assert_eq!(found(0, ExpertMatrix::Down), ranges(9216));
        assert_eq!(found(2, ExpertMatrix::Up), ranges(2 * 13824 + 4608));
        assert_eq!(file.shape(ExpertMatrix::Gate), [64, 128]);
        assert_eq!(file.shape(ExpertMatrix::Up), [64, 128]);
        assert_eq!(file.shape(ExpertMatrix::Down), [128, 64]);
    }

    /// One expert of 64 by 64 in 2 bits: codes of 16 bytes a row, one scale and one bias a row. BF16 of 1.5 is 0x3fc0 and
    /// of -0.5 is 0xbf00. Codes 0b11_10_01_00 are 0, 1, 2, 3: -0.5, 1, 2.5, 4.
    #[test]
    fn a_matrix_by_hand() {
        let file = ExpertFile::new(64, 64, 2, 1).unwrap();
        let mut bytes = vec![0; file.expert_bytes()];
        let at = file.ranges(0, ExpertMatrix::Up).unwrap();
        bytes[at.codes.start + 16] = 0b11_10_01_00; // the second row
        bytes[at.scales.start + 2..][..2].copy_from_slice(&[0xc0, 0x3f]);
        bytes[at.biases.start + 2..][..2].copy_from_slice(&[0x00, 0xbf]);
        let mut blocks = vec![0; file.matrix_bytes()];
        file.read(&bytes, 0, ExpertMatrix::Up, &mut blocks).unwrap();
        let mut values = vec![f32::NAN; 64 * 64];
        dequantize(file.format(), &blocks, &mut values).unwrap();
        assert_eq!(values[..64], [0.0; 64]);
        assert_eq!(values[64..68], [-0.5, 1.0, 2.5, 4.0]);
        assert_eq!(values[68..128], [-0.5; 60]);
        assert_eq!(values[128..192], [0.0; 64]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |result: Result<ExpertFile>, wanted: &str| {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        };
        refused(
            ExpertFile::new(64, 64, 7, 1),
            "codes of 2, 3, 4, 5, 6 and 8",
        );
        refused(ExpertFile::new(96, 64, 4, 1), "multiples of 64");
        refused(ExpertFile::new(64, 0, 4, 1), "multiples of 64");
        refused(ExpertFile::new(1 << 40, 1 << 40, 4, 1), "too large");
        refused(ExpertFile::new(1 << 20, 1 << 20, 4, 1 << 40), "too large");

        let file = ExpertFile::new(64, 64, 4, 2).unwrap();
        let whole = vec![0; 2 * file.expert_bytes()];
        for len in [0, whole.len() - 1, whole.len() + 1] {
            let message = file.check(len as u64).unwrap_err().to_string();
            assert!(message.contains(&format!("has {len} bytes")), "{message}");
        }
        file.check(whole.len() as u64).unwrap();
        assert!(file.ranges(2, ExpertMatrix::Gate).is_err());
        let mut blocks = vec![0; file.matrix_bytes()];
        let read = |expert, bytes: &[u8], blocks: &mut [u8]| {
            file.read(bytes, expert, ExpertMatrix::Down, blocks)
        };
        assert!(read(1, &whole, &mut blocks).is_ok());
        assert!(read(2, &whole, &mut blocks).is_err());
        assert!(read(1, &whole[1..], &mut blocks).is_err());
        assert!(read(1, &whole, &mut blocks[1..]).is_err());
    }
}
