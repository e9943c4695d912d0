//! A trained model on disk: its metadata and tensors, whatever kind of file they are in.

use std::{collections::HashMap, ops::Range, path::Path, sync::Arc};

use memmap2::Mmap;

use crate::{
    Result,
    gguf::{self, Metadata, TensorInfo},
    hugging_face::{self, Interleaved},
};

/// An opened model: a GGUF file, or a folder as Hugging Face's `transformers` and MLX write them.
///
/// Metadata keys and tensor names are those of GGUF in either case.
pub struct Checkpoint {
    metadata: Metadata,
    tensors: Vec<Tensor>,
    index: HashMap<String, usize>,
}

/// A tensor of a [`Checkpoint`]: what it is, and where its bytes are.
pub(crate) struct Tensor {
    /// Its range is that of its bytes in the memory that [`Contents`] stands for.
    pub(crate) info: TensorInfo,
    pub(crate) contents: Contents,
}

/// Bytes of a tensor.
pub(crate) enum Contents {
    /// In the file of this path, as kernels read them.
    Mapped(Arc<Mmap>, Arc<Path>),
    /// Matrices whose codes, scales and biases lie apart in files.
    Interleaved(Interleaved),
    /// Made from what the files have, each time anew.
    Made(Box<dyn Fn() -> Result<Mmap> + Send + Sync>),
}

/// Equal ranges of a file, at equal distances: the same part of each of several matrices.
#[derive(Clone)]
pub(crate) struct Strided {
    pub(crate) map: Arc<Mmap>,
    pub(crate) path: Arc<Path>,
    /// Where the first begins, in bytes.
    pub(crate) start: usize,
    /// From one to the next.
    pub(crate) stride: usize,
    /// Of each.
    pub(crate) len: usize,
}

impl Strided {
    pub(crate) fn bytes(&self, index: usize) -> &[u8] {
        let start = self.start + index * self.stride;
        &self.map[start..start + self.len]
    }
}

impl Tensor {
    /// Memory that holds the bytes, and where.
    pub(crate) fn bytes(&self) -> Result<(Arc<Mmap>, Range<usize>)> {
        let memory = match &self.contents {
            Contents::Mapped(map, _) => map.clone(),
            Contents::Interleaved(matrices) => Arc::new(matrices.make()?),
            Contents::Made(make) => Arc::new(make()?),
        };
        Ok((memory, self.info.range.clone()))
    }
}

impl Checkpoint {
    /// Opens a GGUF file (of a split one, the first part) or a folder with `config.json` and `*.safetensors`.
    ///
    /// # Errors
    /// Those of [`gguf::File::open`] for a file. For a folder [`Error::Io`](crate::Error::Io) when a file cannot be read,
    /// [`Error::HuggingFace`](crate::Error::HuggingFace) when one is not well-formed or contradicts another, and
    /// [`Error::Architecture`](crate::Error::Architecture) for a family that folders are not read of.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            let (metadata, tensors) = hugging_face::open(path)?;
            return Ok(Self::new(metadata, tensors));
        }
        Ok(gguf::File::open(path)?.into())
    }

    fn new(metadata: Metadata, tensors: Vec<Tensor>) -> Self {
        let names = tensors.iter().map(|tensor| tensor.info.name.clone());
        Self {
            metadata,
            index: names.zip(0..).collect(),
            tensors,
        }
    }

    /// Hyper-parameters, tokenizer and chat template, under GGUF's keys.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Name, format and shape of each tensor, under GGUF's names, in the order of the files.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = &TensorInfo> {
        self.tensors.iter().map(|tensor| &tensor.info)
    }

    /// The tensor of this name.
    pub(crate) fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.index.get(name).map(|&i| &self.tensors[i])
    }
}

impl From<gguf::File> for Checkpoint {
    fn from(file: gguf::File) -> Self {
        let tensors = file.tensors().map(|tensor| Tensor {
            info: TensorInfo::clone(&tensor),
            contents: Contents::Mapped(tensor.map().clone(), tensor.path().into()),
        });
        Self::new(file.metadata().clone(), tensors.collect())
    }
}
