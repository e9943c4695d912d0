//! Model folders as Hugging Face's `transformers` and MLX write them, seen as GGUF files are.
//!
//! A folder has `config.json`, `*.safetensors` with their index if there are several, and `tokenizer.json` with
//! `tokenizer_config.json`; experts may be in `packed_experts` instead. Dense weights stay in the mapped files. Weights that MLX has quantised come in three tensors, which kernels
//! read as one: they are put together when they are loaded.

mod affine;
mod config;
mod family;
mod packed_experts;
mod rope;
mod tokenizer;
mod weights;

pub(crate) use affine::Interleaved;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::{Error, Result, checkpoint::Tensor, gguf::Metadata};

/// What is wrong with the files of a model folder.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A file is not the JSON that it should be.
    #[error("{0}")]
    Json(String),
    /// A file with tensors is not well-formed.
    #[error("not a well-formed safetensors file: {0}")]
    Safetensors(String),
    /// The folder has no tensors.
    #[error("the folder has neither model.safetensors nor model.safetensors.index.json")]
    NoTensors,
    /// The index names a file that is not one of the folder.
    #[error("the index names the file {0:?}, wanted the name of one beside it")]
    PartName(String),
    /// A tensor name that occurs in two files.
    #[error("tensor `{0}` occurs twice")]
    DuplicateTensor(String),
    /// A tensor whose name says nothing.
    #[error("tensor `{0}` is not part of the models that are read from folders")]
    UnknownTensor(String),
    /// A tensor stored in a format that no kernel reads.
    #[error("tensor `{name}` is stored as {found}, wanted {wanted}")]
    TensorType {
        /// The tensor.
        name: String,
        /// Its type.
        found: String,
        /// The types that it may have.
        wanted: &'static str,
    },
    /// Scales, biases and codes of a matrix do not fit each other.
    #[error("tensor `{name}`: {reason}")]
    Quantised {
        /// The tensor of the codes.
        name: String,
        /// What does not fit.
        reason: String,
    },
    /// A file of experts does not have those of the model.
    #[error("{0}")]
    Experts(String),
    /// The tokenizer is of a kind that is not implemented.
    #[error("{0}")]
    Tokenizer(String),
}

/// Metadata and tensors of a folder.
pub(crate) fn open(folder: &Path) -> Result<(Metadata, Vec<Tensor>)> {
    let config = config::Config::read(&folder.join("config.json"))?;
    let mut metadata = Metadata::default();
    config.add_to(&mut metadata)?;
    tokenizer::add_to(&mut metadata, folder, config.vocab_size)?;
    let mut tensors = weights::open(folder, &config)?;
    for experts in packed_experts::open(folder, &config)? {
        let name = &experts.info.name;
        if tensors.iter().any(|tensor| tensor.info.name == *name) {
            return Err(bad(folder, Problem::DuplicateTensor(name.clone())));
        }
        tensors.push(experts);
    }
    Ok((metadata, tensors))
}

fn bad(path: &Path, problem: Problem) -> Error {
    Error::HuggingFace {
        path: path.to_owned(),
        problem,
    }
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |source| Error::Io { path, source }
}

/// A JSON file.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(io(path))?;
    serde_json::from_slice(&text).map_err(|error| bad(path, Problem::Json(error.to_string())))
}

/// A JSON file that may be absent.
fn find_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match read_json(path) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}
