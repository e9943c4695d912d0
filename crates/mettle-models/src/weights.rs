//! Tensors from a file onto a device, each with the shape the model needs.

use std::collections::HashSet;

use mettle_gpu::{Device, Format, Shape, Tensor};
use mettle_kernels::ops::FORMATS;

use crate::{Error, Result, gguf::File};

/// Takes tensors out of a file one by one and remembers which are left.
pub(crate) struct Loader<'a> {
    device: &'a Device,
    file: &'a File,
    taken: HashSet<String>,
    /// Told the bytes of each tensor that is on the device.
    loaded: &'a mut dyn FnMut(u64),
}

impl<'a> Loader<'a> {
    pub(crate) fn new(device: &'a Device, file: &'a File, loaded: &'a mut dyn FnMut(u64)) -> Self {
        Self {
            device,
            file,
            taken: HashSet::new(),
            loaded,
        }
    }

    /// Whether the file has a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.file.tensor(name).is_some()
    }

    /// A matrix in any format that ops decode, `[rows, columns]`; not copied where the device can read the mapped file.
    pub(crate) fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Tensor> {
        self.take(name, &shape, &FORMATS)
    }

    /// A vector, which ops want in F32.
    pub(crate) fn vector(&mut self, name: &str, len: usize) -> Result<Tensor> {
        self.take(name, &[len], &[Format::F32])
    }

    fn take(&mut self, name: &str, expected: &[usize], formats: &[Format]) -> Result<Tensor> {
        let Some(tensor) = self.file.tensor(name) else {
            return Err(Error::MissingTensor {
                name: name.to_owned(),
                expected: expected.to_vec(),
            });
        };
        if tensor.shape != expected {
            return Err(Error::TensorShape {
                name: name.to_owned(),
                expected: expected.to_vec(),
                found: tensor.shape.clone(),
            });
        }
        if !formats.contains(&tensor.format) {
            let names: Vec<&str> = formats.iter().map(|f| f.name()).collect();
            return Err(Error::TensorFormat {
                name: name.to_owned(),
                expected: names.join(", "),
                found: tensor.format.name(),
            });
        }
        self.taken.insert(name.to_owned());
        let bytes = self
            .device
            .map(tensor.map().clone(), tensor.range.clone())?;
        (self.loaded)(tensor.range.len() as u64);
        let weights = Tensor::from_buffer(bytes, tensor.format, Shape::new(expected)?)?;
        Ok(weights.labelled(name))
    }

    /// Fails when a tensor is left: a model with parts that nobody computes is not the model that was trained.
    pub(crate) fn finish(self, architecture: &'static str) -> Result<()> {
        match self.file.tensors().find(|t| !self.taken.contains(&t.name)) {
            Some(tensor) => Err(Error::UnexpectedTensor {
                name: tensor.name.clone(),
                architecture,
            }),
            None => Ok(()),
        }
    }
}
