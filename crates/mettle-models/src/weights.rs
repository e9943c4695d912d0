//! Tensors from a checkpoint onto a device, each with the shape the model needs.

use std::collections::HashSet;

use mettle_gpu::{Device, Format, Shape, Tensor};
use mettle_kernels::ops::{self, FORMATS};

use crate::{Checkpoint, Error, Result};

/// Takes tensors out of a checkpoint one by one and remembers which are left.
pub(crate) struct Loader<'a> {
    device: &'a Device,
    checkpoint: &'a Checkpoint,
    taken: HashSet<String>,
    /// Told the bytes of each tensor that is on the device.
    loaded: &'a mut dyn FnMut(u64),
}

impl<'a> Loader<'a> {
    pub(crate) fn new(
        device: &'a Device,
        checkpoint: &'a Checkpoint,
        loaded: &'a mut dyn FnMut(u64),
    ) -> Self {
        Self {
            device,
            checkpoint,
            taken: HashSet::new(),
            loaded,
        }
    }

    /// Whether the checkpoint has a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.checkpoint.tensor(name).is_some()
    }

    /// A matrix in any format that ops decode, `[rows, columns]`; not copied where the device can read the mapped file.
    pub(crate) fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Tensor> {
        self.take(name, &shape, ops::decodes, &FORMATS)
    }

    /// As many matrices of one shape as experts, `[experts, rows, columns]`, in any format that ops decode.
    pub(crate) fn experts(&mut self, name: &str, shape: [usize; 3]) -> Result<Tensor> {
        self.take(name, &shape, ops::decodes, &FORMATS)
    }

    /// Matrices that lie one below the other in one tensor, of so many rows each.
    pub(crate) fn parts<const N: usize>(
        &mut self,
        name: &str,
        rows: [usize; N],
        columns: usize,
    ) -> Result<[Tensor; N]> {
        let whole = self.matrix(name, [rows.iter().sum(), columns])?;
        Ok(whole.split_rows(rows)?)
    }

    /// A vector, which ops want in F32.
    pub(crate) fn vector(&mut self, name: &str, len: usize) -> Result<Tensor> {
        self.floats(name, &[len])
    }

    /// What ops want in F32, of any shape.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.take(name, shape, |format| format == Format::F32, &[Format::F32])
    }

    fn take(
        &mut self,
        name: &str,
        expected: &[usize],
        serves: fn(Format) -> bool,
        formats: &[Format],
    ) -> Result<Tensor> {
        let Some(tensor) = self.checkpoint.tensor(name) else {
            return Err(Error::MissingTensor {
                name: name.to_owned(),
                expected: expected.to_vec(),
            });
        };
        if tensor.info.shape != expected {
            return Err(Error::TensorShape {
                name: name.to_owned(),
                expected: expected.to_vec(),
                found: tensor.info.shape.clone(),
            });
        }
        if !serves(tensor.info.format) {
            let names: Vec<&str> = formats.iter().map(|f| f.name()).collect();
            return Err(Error::TensorFormat {
                name: name.to_owned(),
                expected: names.join(", "),
                found: tensor.info.format.name(),
            });
        }
        self.taken.insert(name.to_owned());
        let (memory, range) = tensor.bytes()?;
        let len = range.len() as u64;
        let bytes = self.device.map(memory, range)?;
        (self.loaded)(len);
        let weights = Tensor::from_buffer(bytes, tensor.info.format, Shape::new(expected)?)?;
        Ok(weights.labelled(name))
    }

    /// Fails when a tensor is left: a model with parts that nobody computes is not the model that was trained.
    pub(crate) fn finish(self, architecture: &'static str) -> Result<()> {
        let mut tensors = self.checkpoint.tensors();
        match tensors.find(|tensor| !self.taken.contains(&tensor.name)) {
            Some(tensor) => Err(Error::UnexpectedTensor {
                name: tensor.name.clone(),
                architecture,
            }),
            None => Ok(()),
        }
    }
}
