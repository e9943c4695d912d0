//! Where the matrices of experts lie in files, and how they are read.

use std::{collections::HashMap, fs, io, os::unix::fs::FileExt, path::Path, sync::Arc};

use mettle_gpu::Affine;
use mettle_kernels::formats;

use crate::{
    Error, Result,
    checkpoint::{Contents, Strided, Tensor},
};

/// Files that experts are read from, each opened once.
#[derive(Default)]
pub(super) struct Files(HashMap<Arc<Path>, Arc<fs::File>>);

impl Files {
    fn open(&mut self, path: &Arc<Path>) -> Result<Arc<fs::File>> {
        if let Some(file) = self.0.get(path) {
            return Ok(file.clone());
        }
        let file = fs::File::open(path).map_err(|source| Error::Io {
            path: path.to_path_buf(),
            source,
        })?;
        let file = Arc::new(file);
        self.0.insert(path.clone(), file.clone());
        Ok(file)
    }
}

/// A range of a file for each expert.
struct Span {
    file: Arc<fs::File>,
    path: Arc<Path>,
    /// Where that of the first begins, in bytes.
    start: u64,
    /// From one to the next.
    stride: u64,
    /// Of each.
    len: usize,
}

impl Span {
    fn new(files: &mut Files, parts: &Strided) -> Result<Self> {
        Ok(Self {
            file: files.open(&parts.path)?,
            path: parts.path.clone(),
            start: parts.start as u64,
            stride: parts.stride as u64,
            len: parts.len,
        })
    }

    fn read(&self, expert: u32, into: &mut [u8]) -> Result<()> {
        let start = self.start + u64::from(expert) * self.stride;
        self.file.read_exact_at(into, start).map_err(|source| {
            let end = start + into.len() as u64;
            Error::Io {
                path: self.path.to_path_buf(),
                source: match source.kind() {
                    io::ErrorKind::UnexpectedEof => io::Error::new(
                        source.kind(),
                        format!("expert {expert} has bytes {start} to {end}, the file ends before"),
                    ),
                    _ => source,
                },
            }
        })
    }
}

/// One of the matrices of each expert of a layer.
pub(super) struct Source {
    /// What it consists of in the file: itself, or codes, scales and biases that are put together.
    parts: Parts,
}

enum Parts {
    Whole(Span),
    Affine(Affine, [Span; 3]),
}

impl Source {
    /// That of a tensor of `experts` matrices.
    pub(super) fn new(files: &mut Files, tensor: &Tensor, experts: usize) -> Result<Self> {
        let range = &tensor.info.range;
        let parts = match &tensor.contents {
            Contents::Mapped(map, path) => {
                let len = range.len() / experts;
                Parts::Whole(Span::new(
                    files,
                    &Strided {
                        map: map.clone(),
                        path: path.clone(),
                        start: range.start,
                        stride: len,
                        len,
                    },
                )?)
            }
            Contents::Interleaved(matrices) => Parts::Affine(
                matrices.format,
                [
                    Span::new(files, &matrices.codes)?,
                    Span::new(files, &matrices.scales)?,
                    Span::new(files, &matrices.biases)?,
                ],
            ),
            Contents::Made(_) => {
                let name = &tensor.info.name;
                return Err(Error::Unsupported(format!(
                    "experts that are no matrices in a file, in tensor `{name}`, with a cache of experts"
                )));
            }
        };
        Ok(Self { parts })
    }

    /// Bytes of a matrix, in the file as in memory.
    pub(super) fn bytes(&self) -> usize {
        match &self.parts {
            Parts::Whole(span) => span.len,
            Parts::Affine(_, spans) => spans.iter().map(|span| span.len).sum(),
        }
    }

    /// Reads the matrix of an expert as kernels want it into as many bytes as it has. `apart` is scratch memory.
    pub(super) fn read(&self, expert: u32, into: &mut [u8], apart: &mut Vec<u8>) -> Result<()> {
        let (affine, spans) = match &self.parts {
            Parts::Whole(span) => return span.read(expert, into),
            Parts::Affine(affine, spans) => (affine, spans),
        };
        apart.resize(into.len(), 0);
        let (codes, rest) = apart.split_at_mut(spans[0].len);
        let (scales, biases) = rest.split_at_mut(spans[1].len);
        let parts = [codes, scales, biases];
        for (span, part) in spans.iter().zip(parts) {
            span.read(expert, part)?;
        }
        let (codes, rest) = apart.split_at(spans[0].len);
        let (scales, biases) = rest.split_at(spans[1].len);
        let fits = formats::interleave_affine(*affine, codes, scales, biases, into);
        fits.ok_or_else(|| {
            Error::Request("codes, scales and biases of an expert do not fit".into())
        })
    }
}
