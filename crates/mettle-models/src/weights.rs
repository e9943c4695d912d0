//! Tensors from a checkpoint onto a device, each with the shape the model needs.

use std::collections::HashSet;

use mettle_gpu::{Device, Format, Shape, Tensor};
use mettle_kernels::ops::{self, FORMATS};

use crate::{
    Adapter, Checkpoint, Error, Result, checkpoint,
    expert_cache::{ExpertCache, MATRICES, tensor_name},
    model::{ExpertMatrices, LowRank, Projection},
};

/// Takes tensors out of a checkpoint one by one and remembers which are left.
pub(crate) struct Loader<'a> {
    device: &'a Device,
    checkpoint: &'a Checkpoint,
    adapters: &'a [Adapter],
    /// Where experts go that are not to be loaded.
    expert_cache: Option<&'a mut ExpertCache>,
    taken: HashSet<String>,
    /// Matrices that adapters may add to.
    adaptable: HashSet<String>,
    /// Told the bytes of each tensor that is on the device.
    loaded: &'a mut dyn FnMut(u64),
}

impl<'a> Loader<'a> {
    pub(crate) fn new(
        device: &'a Device,
        checkpoint: &'a Checkpoint,
        adapters: &'a [Adapter],
        loaded: &'a mut dyn FnMut(u64),
    ) -> Self {
        Self {
            device,
            checkpoint,
            adapters,
            expert_cache: None,
            taken: HashSet::new(),
            adaptable: HashSet::new(),
            loaded,
        }
    }

    /// Leaves experts in their files, with slots for some of them in a cache.
    pub(crate) fn leave_experts_to(&mut self, cache: &'a mut ExpertCache) {
        (self.loaded)(cache.on_their_way());
        self.expert_cache = Some(cache);
    }

    /// Whether the checkpoint has a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.checkpoint.tensor(name).is_some()
    }

    /// A matrix in any format that ops decode, `[rows, columns]`; not copied where the device can read the mapped file.
    pub(crate) fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Tensor> {
        self.take(name, &shape, ops::decodes, &FORMATS)
    }

    /// As many matrices of one shape as there are heads, `[heads, rows, columns]`, in any format that ops decode.
    pub(crate) fn matrices(&mut self, name: &str, shape: [usize; 3]) -> Result<Tensor> {
        self.take(name, &shape, ops::decodes, &FORMATS)
    }

    /// Gate, up and down of the experts of a layer, `[experts, rows, columns]` each, in any format that ops decode.
    pub(crate) fn experts(
        &mut self,
        layer: usize,
        shapes: [[usize; 3]; 3],
    ) -> Result<ExpertMatrices> {
        let [gate, up, down] = [0, 1, 2].map(|i| (tensor_name(layer, MATRICES[i]), shapes[i]));
        if self.expert_cache.is_none() {
            let mut take = |(name, shape): (String, [usize; 3])| {
                self.take(&name, &shape, ops::decodes, &FORMATS)
            };
            let matrices = [take(gate)?, take(up)?, take(down)?];
            return Ok(ExpertMatrices::Resident(Box::new(matrices)));
        }
        let mut find =
            |(name, shape): (String, [usize; 3])| self.find(&name, &shape, ops::decodes, &FORMATS);
        let tensors = [find(gate)?, find(up)?, find(down)?];
        let Some(cache) = &mut self.expert_cache else {
            return Err(Error::Request("there is no cache of experts".to_owned()));
        };
        let (index, bytes) = cache.add(self.device, layer, tensors)?;
        (self.loaded)(bytes);
        Ok(ExpertMatrices::Cached(index))
    }

    /// A [`matrix`](Self::matrix) with what adapters add to products with it.
    pub(crate) fn projection(&mut self, name: &str, shape: [usize; 2]) -> Result<Projection> {
        Ok(Projection {
            weight: self.matrix(name, shape)?,
            adapters: self.adapted(name, shape)?,
        })
    }

    /// Matrices that lie one below the other in one tensor, of so many rows each, with what adapters add to products with them.
    pub(crate) fn projections<const N: usize>(
        &mut self,
        name: &str,
        rows: [usize; N],
        columns: usize,
    ) -> Result<[Projection; N]> {
        let whole = self.projection(name, [rows.iter().sum(), columns])?;
        let mut parts = whole.weight.split_rows(rows)?.map(|weight| Projection {
            weight,
            adapters: Vec::new(),
        });
        for LowRank { down, up } in whole.adapters {
            for (part, up) in parts.iter_mut().zip(up.split_rows(rows)?) {
                let down = down.clone();
                part.adapters.push(LowRank { down, up });
            }
        }
        Ok(parts)
    }

    /// What adapters add to products with a matrix of this name and shape.
    fn adapted(&mut self, name: &str, shape: [usize; 2]) -> Result<Vec<LowRank>> {
        self.adaptable.insert(name.to_owned());
        let mut all = Vec::new();
        for adapter in self.adapters {
            let Some(factors) = adapter.factors(name, shape)? else {
                continue;
            };
            let info = &factors.down.info;
            if !ops::decodes(info.format) {
                let reason = format!("is stored as {}, which is not supported", info.format);
                return Err(adapter.refuse(&info.name, reason));
            }
            let (memory, range) = factors.down.bytes()?;
            let bytes = self.device.map(memory, range)?;
            let down = Tensor::from_buffer(bytes, info.format, [factors.rank, shape[1]])?;
            let up = Tensor::from_slice(self.device, &factors.scaled()?, [shape[0], factors.rank])?;
            (self.loaded)((info.range.len() + up.byte_len()) as u64);
            all.push(LowRank {
                down: down.labelled(&info.name),
                up: up.labelled(&factors.up.info.name),
            });
        }
        Ok(all)
    }

    /// A vector, which ops want in F32.
    pub(crate) fn vector(&mut self, name: &str, len: usize) -> Result<Tensor> {
        self.floats(name, &[len])
    }

    /// A vector made of what a tensor of this name has.
    pub(crate) fn made(&self, values: &[f32], name: &str) -> Result<Tensor> {
        Ok(Tensor::from_slice(self.device, values, [values.len()])?.labelled(name))
    }

    /// A single number.
    pub(crate) fn scalar(&mut self, name: &str) -> Result<f32> {
        let value: Vec<f32> = self.vector(name, 1)?.to_vec()?;
        Ok(value.iter().sum())
    }

    /// What ops want in F32, of any shape.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.take(name, shape, |format| format == Format::F32, &[Format::F32])
    }

    /// Two matrices whose rows lie in one tensor in turns, so many of the one and then so many of the other. They are copied.
    pub(crate) fn in_turns(
        &mut self,
        name: &str,
        shape: &[usize],
        turns: [usize; 2],
    ) -> Result<[Tensor; 2]> {
        let tensor = self.find(name, shape, ops::decodes, &FORMATS)?;
        let format = tensor.info.format;
        let (memory, range) = tensor.bytes()?;
        (self.loaded)(range.len() as u64);
        let columns = shape.last().copied().unwrap_or(0);
        let rows = shape.iter().product::<usize>() / columns.max(1);
        let row = format.row_bytes(columns)?;
        let both = turns[0] + turns[1];
        let part = |skipped: usize, taken: usize| -> Result<Tensor> {
            let turns = memory[range.clone()].chunks_exact((both * row).max(1));
            let bytes: Vec<u8> = turns
                .flat_map(|turn| &turn[skipped * row..(skipped + taken) * row])
                .copied()
                .collect();
            let part =
                Tensor::quantized(self.device, format, &bytes, [rows / both * taken, columns])?;
            Ok(part.labelled(name))
        };
        Ok([part(0, turns[0])?, part(turns[0], turns[1])?])
    }

    /// What a matrix of each head gives to and takes from exchanged: F32 `[heads, columns, rows]` of `[heads * rows, columns]` in any format.
    pub(crate) fn transposed(&mut self, matrices: &Tensor, heads: usize) -> Result<Tensor> {
        let (rows, columns) = (matrices.rows(), matrices.columns());
        // Loading has checked that the products of dimensions are small.
        let ids: Vec<u32> = (0..rows as u32).collect();
        let ids = Tensor::from_slice(self.device, &ids, [rows])?;
        let mut decoded = Tensor::empty::<f32>(self.device, [rows, columns])?;
        let mut out = Tensor::empty::<f32>(self.device, [heads, columns, rows / heads])?;
        let mut pass = self.device.pass();
        ops::embedding(&mut pass, matrices, &ids, &mut decoded)?;
        let decoded = decoded.reshape([heads, rows / heads, columns])?;
        ops::permute(&mut pass, &decoded, &[0, 2, 1], &mut out)?;
        pass.submit()?.wait()?;
        (self.loaded)((out.byte_len() as u64).saturating_sub(matrices.byte_len() as u64));
        Ok(out)
    }

    fn take(
        &mut self,
        name: &str,
        expected: &[usize],
        serves: fn(Format) -> bool,
        formats: &[Format],
    ) -> Result<Tensor> {
        let tensor = self.find(name, expected, serves, formats)?;
        let (memory, range) = tensor.bytes()?;
        let len = range.len() as u64;
        let bytes = self.device.map(memory, range)?;
        (self.loaded)(len);
        let weights = Tensor::from_buffer(bytes, tensor.info.format, Shape::new(expected)?)?;
        Ok(weights.labelled(name))
    }

    /// The tensor of a name, which must have this shape and one of these formats.
    fn find(
        &mut self,
        name: &str,
        expected: &[usize],
        serves: fn(Format) -> bool,
        formats: &[Format],
    ) -> Result<&'a checkpoint::Tensor> {
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
        Ok(tensor)
    }

    /// Fails when a tensor is left that is not passed over: a model with parts that nobody computes is not the model that was trained.
    pub(crate) fn finish(
        self,
        architecture: &'static str,
        passes_over: impl Fn(&str) -> bool,
    ) -> Result<()> {
        for adapter in self.adapters {
            let mut matrices = adapter.matrices();
            if let Some(name) = matrices.find(|name| !self.adaptable.contains(*name)) {
                let reason = format!(
                    "adapts what is no matrix of a layer of architecture `{architecture}`, or none that can be adapted"
                );
                return Err(adapter.refuse(&format!("{name}.lora_a"), reason));
            }
        }
        let mut tensors = self.checkpoint.tensors();
        let left =
            tensors.find(|tensor| !self.taken.contains(&tensor.name) && !passes_over(&tensor.name));
        match left {
            Some(tensor) => Err(Error::UnexpectedTensor {
                name: tensor.name.clone(),
                architecture,
            }),
            None => Ok(()),
        }
    }
}
