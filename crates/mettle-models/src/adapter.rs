//! Low-rank adapters: files with what is added to the products of a model's matrices.

use std::path::{Path, PathBuf};

use mettle_gpu::Format;
use mettle_kernels::formats;

use crate::{Architecture, Checkpoint, Error, Result, checkpoint, gguf};

/// Endings of the names of an adapter's tensors, behind that of the matrix which they adapt.
const DOWN: &str = ".lora_a";
const UP: &str = ".lora_b";

/// A LoRA adapter (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021) in a GGUF file, as llama.cpp's
/// `convert_lora_to_gguf.py` writes it.
///
/// For a matrix `NAME`, `[outputs, inputs]`, the file has `NAME.lora_a`, `[rank, inputs]`, and `NAME.lora_b`, `[outputs, rank]`; a product
/// `W x` becomes `W x + s B (A x)` with `s = scale * alpha / rank`, or `s = scale` where the file has no alpha.
pub struct Adapter {
    path: PathBuf,
    file: Checkpoint,
    /// Factor of all it adds, without the rank of a matrix.
    scale: f32,
    has_alpha: bool,
}

impl Adapter {
    /// Opens an adapter; what it adds is multiplied by `scale`.
    ///
    /// # Errors
    /// Those of [`gguf::File::open`]; [`Error::Request`] for a scale that is no finite number; [`Error::MissingKey`], [`Error::KeyType`] and
    /// [`Error::KeyValue`] when the metadata are not those of a LoRA adapter; [`Error::AdapterTensor`] for a tensor that is not one of a pair.
    pub fn open(path: impl AsRef<Path>, scale: f32) -> Result<Self> {
        if !scale.is_finite() {
            return Err(Error::Request(format!(
                "the scale of an adapter must be a finite number, not {scale}"
            )));
        }
        let path = path.as_ref();
        let file: Checkpoint = gguf::File::open(path)?.into();
        let metadata = file.metadata();
        for (key, wanted, reason) in [
            ("general.type", "adapter", "the file is no adapter"),
            ("adapter.type", "lora", "only LoRA adapters are supported"),
        ] {
            let found: &str = metadata.get(key)?;
            if found != wanted {
                return Err(Error::KeyValue {
                    key: key.to_owned(),
                    found: format!("`{found}`"),
                    reason: reason.to_owned(),
                });
            }
        }
        let alpha: f32 = metadata.find("adapter.lora.alpha")?.unwrap_or(0.0);
        let has_alpha = alpha != 0.0;
        let adapter = Self {
            path: path.to_owned(),
            scale: if has_alpha { scale * alpha } else { scale },
            has_alpha,
            file,
        };
        for tensor in adapter.file.tensors() {
            let partner = match (tensor.name.strip_suffix(DOWN), tensor.name.strip_suffix(UP)) {
                (Some(name), _) => format!("{name}{UP}"),
                (_, Some(name)) => format!("{name}{DOWN}"),
                _ => {
                    let reason = format!("is neither *{DOWN} nor *{UP}");
                    return Err(adapter.refuse(&tensor.name, reason));
                }
            };
            if adapter.file.tensor(&partner).is_none() {
                return Err(adapter.refuse(&tensor.name, format!("lacks `{partner}`")));
            }
        }
        Ok(adapter)
    }

    /// Fails for a model of another architecture.
    pub(crate) fn check(&self, architecture: Architecture) -> Result<()> {
        let found: &str = self.file.metadata().get("general.architecture")?;
        if found == architecture.name() {
            return Ok(());
        }
        Err(Error::AdapterArchitecture {
            path: self.path.clone(),
            found: found.to_owned(),
            model: architecture.name(),
        })
    }

    /// What it has for a matrix of so many outputs and inputs.
    pub(crate) fn factors(
        &self,
        matrix: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Option<Factors<'_>>> {
        let (down, up) = (format!("{matrix}{DOWN}"), format!("{matrix}{UP}"));
        let (Some(down), Some(up)) = (self.file.tensor(&down), self.file.tensor(&up)) else {
            return Ok(None);
        };
        let rank = down.info.shape.first().copied().unwrap_or(0);
        for (tensor, expected) in [(down, [rank, inputs]), (up, [outputs, rank])] {
            if tensor.info.shape != expected || rank == 0 {
                return Err(Error::AdapterShape {
                    path: self.path.clone(),
                    name: tensor.info.name.clone(),
                    expected: expected.to_vec(),
                    found: tensor.info.shape.clone(),
                });
            }
        }
        let scale = match self.has_alpha {
            true => self.scale / rank as f32,
            false => self.scale,
        };
        Ok(Some(Factors {
            rank,
            down,
            up,
            scale,
        }))
    }

    /// Names of the matrices that it adapts.
    pub(crate) fn matrices(&self) -> impl Iterator<Item = &str> {
        let tensors = self.file.tensors();
        tensors.filter_map(|tensor| tensor.name.strip_suffix(DOWN))
    }

    /// Formats of what is used as it is stored.
    pub(crate) fn formats(&self) -> impl Iterator<Item = Format> {
        let tensors = self.file.tensors();
        let down = tensors.filter(|tensor| tensor.name.ends_with(DOWN));
        down.map(|tensor| tensor.format)
    }

    /// Bytes on a device.
    pub(crate) fn bytes(&self) -> u64 {
        let tensors = self.file.tensors().map(|tensor| {
            if tensor.name.ends_with(UP) {
                4 * tensor.shape.iter().product::<usize>() as u64
            } else {
                tensor.range.len() as u64
            }
        });
        tensors.sum()
    }

    /// The largest rank.
    pub(crate) fn rank(&self) -> usize {
        let tensors = self.file.tensors();
        let down = tensors.filter(|tensor| tensor.name.ends_with(DOWN));
        down.filter_map(|tensor| tensor.shape.first().copied())
            .max()
            .unwrap_or(0)
    }

    /// An error about one of its tensors.
    pub(crate) fn refuse(&self, name: &str, reason: String) -> Error {
        Error::AdapterTensor {
            path: self.path.clone(),
            name: name.to_owned(),
            reason,
        }
    }
}

/// What an adapter adds to the products of one matrix.
pub(crate) struct Factors<'a> {
    pub(crate) rank: usize,
    /// `[rank, inputs]`
    pub(crate) down: &'a checkpoint::Tensor,
    /// `[outputs, rank]`
    pub(crate) up: &'a checkpoint::Tensor,
    pub(crate) scale: f32,
}

impl Factors<'_> {
    /// `up` times the scale.
    pub(crate) fn scaled(&self) -> Result<Vec<f32>> {
        let (memory, range) = self.up.bytes()?;
        let (format, bytes) = (self.up.info.format, &memory[range]);
        let mut values = vec![0.0; self.up.info.shape.iter().product()];
        formats::dequantize(format, bytes, &mut values)?;
        values.iter_mut().for_each(|value| *value *= self.scale);
        Ok(values)
    }
}
