//! Matrices that MLX has quantised: codes, scales and biases in a tensor each.

use mettle_gpu::{Affine, AffineScales, Format};
use mettle_kernels::formats;
use safetensors::Dtype;

use super::{
    config,
    weights::{Stored, memory},
};
use crate::{
    Error,
    checkpoint::{Contents, Tensor},
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
        let format = Format::Affine(self.format);
        let values: usize = self.shape.iter().product();
        let bytes = values / format.block_len() * format.block_bytes();
        let info = TensorInfo {
            name,
            format,
            shape: self.shape.clone(),
            range: 0..bytes,
        };
        let make = move || {
            let mut fits = None;
            let map = memory(bytes, |blocks| {
                let (codes, scales) = (self.codes.bytes(), self.scales.bytes());
                let biases = self.biases.bytes();
                fits = formats::interleave_affine(self.format, codes, scales, biases, blocks);
            })?;
            let unfit = || Error::Request("codes, scales and biases of a matrix do not fit".into());
            fits.map(|()| map).ok_or_else(unfit)
        };
        let contents = Contents::Made(Box::new(make));
        Tensor { info, contents }
    }
}
