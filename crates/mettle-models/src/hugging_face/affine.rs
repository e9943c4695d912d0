//! Matrices that MLX has quantised: codes, scales and biases in a tensor each.

use memmap2::Mmap;
use mettle_gpu::{Affine, AffineScales, Format};
use mettle_kernels::formats;
use safetensors::Dtype;

use super::{
    config,
    weights::{Stored, memory},
};
use crate::{
    Error, Result,
    checkpoint::{Contents, Strided, Tensor},
    gguf::TensorInfo,
};

/// The three tensors of one matrix, or of as many as there are experts, which fit each other.
pub(super) struct Parts {
    codes: Stored,
    scales: Stored,
    biases: Stored,
    format: Affine,
    /// `[rows, columns]`, or `[experts, rows, columns]`.
    shape: Vec<usize>,
}

impl Parts {
    /// Checks that they are a matrix; says what does not fit otherwise.
    pub(super) fn new(
        codes: Stored,
        scales: Stored,
        biases: Option<Stored>,
        described: config::Affine,
    ) -> Result<Self, String> {
        let biases = biases.ok_or("has scales but no biases")?;
        let config::Affine { bits, group_size } = described;
        let kind = match scales.kind {
            Dtype::BF16 => AffineScales::BF16,
            Dtype::F16 => AffineScales::F16,
            other => return Err(format!("has scales of {other}, wanted BF16 or F16")),
        };
        let Some(format) = Affine::new(bits, group_size, kind) else {
            return Err(format!(
                "has codes of {bits} bits in groups of {group_size}, wanted 2, 3, 4, 5, 6 or 8 bits in groups of 32, 64 or 128"
            ));
        };
        let (&[ref rows @ .., words], 2 | 3, Dtype::U32) =
            (codes.shape.as_slice(), codes.shape.len(), codes.kind)
        else {
            let (kind, shape) = (codes.kind, &codes.shape);
            return Err(format!(
                "has codes of {kind} and shape {shape:?}, wanted a matrix of U32"
            ));
        };
        let columns = words.saturating_mul(u32::BITS as usize) / bits;
        let [expected, shape] =
            [columns / group_size, columns].map(|last| [rows, &[last]].concat());
        for (what, other) in [("scales", &scales), ("biases", &biases)] {
            if other.shape != expected || other.kind != scales.kind {
                return Err(format!(
                    "has {what} of {} and shape {:?}, wanted {} and {expected:?} for values of shape {shape:?}",
                    other.kind, other.shape, scales.kind
                ));
            }
        }
        if columns / group_size * group_size * bits != words * u32::BITS as usize {
            return Err(format!("has rows that are no whole groups of {group_size}"));
        }
        Ok(Self {
            codes,
            scales,
            biases,
            format,
            shape,
        })
    }

    /// The matrix under a name, in blocks.
    pub(super) fn tensor(self, name: String) -> Tensor {
        let count = match self.shape.len() {
            3 => self.shape[0],
            _ => 1,
        };
        let [codes, scales, biases] =
            [&self.codes, &self.scales, &self.biases].map(|part| part.parts(count));
        let matrices = Interleaved {
            format: self.format,
            count,
            codes,
            scales,
            biases,
        };
        matrices.tensor(name, self.shape)
    }
}

/// Matrices of one shape whose codes, scales and biases lie apart in files.
pub(crate) struct Interleaved {
    pub(crate) format: Affine,
    pub(crate) count: usize,
    pub(crate) codes: Strided,
    pub(crate) scales: Strided,
    pub(crate) biases: Strided,
}

impl Interleaved {
    /// All of them as one tensor, of a shape that they fit.
    pub(super) fn tensor(self, name: String, shape: Vec<usize>) -> Tensor {
        let info = TensorInfo {
            name,
            format: Format::Affine(self.format),
            shape,
            range: 0..self.count * self.matrix_bytes(),
        };
        let contents = Contents::Interleaved(self);
        Tensor { info, contents }
    }

    /// Bytes of a matrix, in blocks as in files.
    pub(crate) fn matrix_bytes(&self) -> usize {
        self.codes.len + self.scales.len + self.biases.len
    }

    /// All of them in blocks.
    pub(crate) fn make(&self) -> Result<Mmap> {
        let each = self.matrix_bytes();
        let mut made = Ok(());
        let map = memory(self.count * each, |blocks| {
            let mut blocks = blocks.chunks_exact_mut(each.max(1)).enumerate();
            made = blocks.try_for_each(|(i, blocks)| {
                let parts = [&self.codes, &self.scales, &self.biases].map(|part| part.bytes(i));
                self.interleave(parts, blocks)
            });
        })?;
        made.map(|()| map)
    }

    /// Puts the codes, scales and biases of a matrix together.
    fn interleave(&self, parts: [&[u8]; 3], blocks: &mut [u8]) -> Result<()> {
        let [codes, scales, biases] = parts;
        let fits = formats::interleave_affine(self.format, codes, scales, biases, blocks);
        let unfit = || Error::Request("codes, scales and biases of a matrix do not fit".into());
        fits.ok_or_else(unfit)
    }
}
