//! What can go wrong between a model file and its text.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{KvFormat, gguf::Problem, hugging_face};

/// Result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. Messages name the file, key, tensor or token that is to blame.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not a well-formed GGUF file.
    #[error("{}: {problem}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A file of a model folder is not well-formed, or contradicts another.
    #[error("{}: {problem}", path.display())]
    HuggingFace {
        /// The file, or the folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: hugging_face::Problem,
    },
    /// What was to be written is no GGUF file.
    #[error("cannot write this GGUF file: {reason}")]
    Write {
        /// What is wrong with it.
        reason: String,
    },
    /// Writing failed.
    #[error("cannot write: {0}")]
    Output(#[source] io::Error),
    /// A metadata key that is needed is absent.
    #[error("metadata key `{key}` is missing, wanted {wanted}")]
    MissingKey {
        /// The key.
        key: String,
        /// What its value must be.
        wanted: &'static str,
    },
    /// A metadata value is of the wrong type, or does not fit the wanted one.
    #[error("metadata key `{key}` is {found}, wanted {wanted}")]
    KeyType {
        /// The key.
        key: String,
        /// Type and value found.
        found: String,
        /// What the value must be.
        wanted: &'static str,
    },
    /// A metadata value of the right type that makes no sense.
    #[error("metadata key `{key}` is {found}: {reason}")]
    KeyValue {
        /// The key.
        key: String,
        /// The value.
        found: String,
        /// Why it cannot be.
        reason: String,
    },
    /// A model family that is not implemented.
    #[error("architecture `{found}` is not supported; supported are {supported}")]
    Architecture {
        /// The value of `general.architecture`.
        found: String,
        /// Names of the implemented ones.
        supported: &'static str,
    },
    /// A property of a model of a known family that is not implemented.
    #[error("the model uses {0}, which is not supported")]
    Unsupported(String),
    /// A tensor that the architecture needs is absent.
    #[error("tensor `{name}` of shape {expected:?} is missing")]
    MissingTensor {
        /// The tensor.
        name: String,
        /// The shape it should have, outermost dimension first.
        expected: Vec<usize>,
    },
    /// A tensor does not have the shape that the metadata implies.
    #[error("tensor `{name}` has shape {found:?}, the metadata imply {expected:?}")]
    TensorShape {
        /// The tensor.
        name: String,
        /// The shape it should have, outermost dimension first.
        expected: Vec<usize>,
        /// Its shape in the file, outermost dimension first.
        found: Vec<usize>,
    },
    /// A tensor is stored in a format that its use does not allow.
    #[error("tensor `{name}` is stored as {found}, wanted {expected}")]
    TensorFormat {
        /// The tensor.
        name: String,
        /// What it may be stored as.
        expected: String,
        /// How it is stored.
        found: &'static str,
    },
    /// A tensor that the architecture does not know: the model is not what its metadata say.
    #[error("tensor `{name}` is not part of architecture `{architecture}`")]
    UnexpectedTensor {
        /// The tensor.
        name: String,
        /// The model's architecture.
        architecture: &'static str,
    },
    /// An adapter was made for models of another architecture.
    #[error("{}: the adapter is for architecture `{found}`, the model is `{model}`", path.display())]
    AdapterArchitecture {
        /// The adapter's file.
        path: PathBuf,
        /// What it was made for.
        found: String,
        /// The model's architecture.
        model: &'static str,
    },
    /// A tensor of an adapter does not fit the matrix that it adapts, or its partner.
    #[error("{}: tensor `{name}` has shape {found:?}, the model and its partner imply {expected:?}", path.display())]
    AdapterShape {
        /// The adapter's file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The shape it should have, outermost dimension first.
        expected: Vec<usize>,
        /// Its shape, outermost dimension first.
        found: Vec<usize>,
    },
    /// A tensor of an adapter cannot be used.
    #[error("{}: tensor `{name}` {reason}", path.display())]
    AdapterTensor {
        /// The adapter's file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The tokenizer's metadata contradict themselves, or a text cannot be expressed in its vocabulary.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A tokenizer type or pre-tokenizer that is not implemented.
    #[error("tokenizer: {what} `{found}` is not supported; supported are {supported}")]
    TokenizerKind {
        /// Which of its properties.
        what: &'static str,
        /// The value found.
        found: String,
        /// The implemented values.
        supported: String,
    },
    /// A token id beyond the vocabulary.
    #[error("token id {id} is out of range: the vocabulary has {vocabulary} tokens")]
    TokenId {
        /// The id.
        id: u32,
        /// Number of tokens.
        vocabulary: usize,
    },
    /// The model has no chat template, or the template failed.
    #[error("chat template: {0}")]
    ChatTemplate(String),
    /// More tokens than the context has room for.
    #[error("{tokens} tokens do not fit: {used} of the context's {context} positions are in use")]
    ContextExceeded {
        /// Tokens to be added.
        tokens: usize,
        /// Positions already in use.
        used: usize,
        /// Positions of the context.
        context: usize,
    },
    /// A request that cannot be met whatever the model is.
    #[error("{0}")]
    Request(String),
    /// There is no such type of KV caches.
    #[error("there are no KV caches of type {0}: there are {known}", known = crate::kv_cache::names())]
    UnknownKvFormat(String),
    /// A model has heads that cannot be cached in a format.
    #[error(
        "a KV cache of {format} needs heads of {needs} values, those of this model have {head_dim}: take f16, bf16 or f32"
    )]
    KvFormat {
        /// The format asked for.
        format: KvFormat,
        /// The heads that it serves.
        needs: &'static str,
        /// Values of a head.
        head_dim: usize,
    },
    /// A model with latent attention cannot be cached in blocks of values.
    #[error("a KV cache of {0} cannot keep the rows of latent attention: take f16, bf16 or f32")]
    LatentKvFormat(KvFormat),
    /// Weights, cache and scratch memory do not fit into the device's memory.
    #[error(
        "the model needs {needed} bytes (weights {weights}, KV cache {cache}, scratch {scratch}), \
         but {device} has {available} available; a shorter context, a smaller type of cache or smaller chunks of prompts take less"
    )]
    Memory {
        /// Bytes needed in all.
        needed: u64,
        /// Bytes of weights.
        weights: u64,
        /// Bytes of the KV cache.
        cache: u64,
        /// Bytes of scratch tensors.
        scratch: u64,
        /// Name of the device.
        device: String,
        /// Bytes it has available.
        available: u64,
    },
    /// There is no room for an expert of each layer in a cache of this size.
    #[error(
        "an expert cache of {budget} bytes is too small: this model needs at least {least}, {one_each} for an expert of each layer and \
         {on_their_way} for those on their way from the file"
    )]
    ExpertCache {
        /// Bytes that were given.
        budget: u64,
        /// Bytes needed.
        least: u64,
        /// Bytes of as many experts as a token has in a layer, while they are read.
        on_their_way: u64,
        /// Bytes of an expert of each layer.
        one_each: u64,
    },
    /// The logits are not numbers, so no token can be drawn from them: damaged weights.
    #[error(
        "the model's output at position {position} is not a number; its weights may be damaged"
    )]
    Logits {
        /// Tokens read until then.
        position: usize,
    },
    /// The device refused or failed.
    #[error(transparent)]
    Gpu(Box<mettle_gpu::Error>),
    /// An op refused its arguments.
    #[error(transparent)]
    Op(Box<mettle_kernels::Error>),
}

impl From<mettle_gpu::Error> for Error {
    fn from(error: mettle_gpu::Error) -> Self {
        Self::Gpu(Box::new(error))
    }
}

impl From<mettle_kernels::Error> for Error {
    fn from(error: mettle_kernels::Error) -> Self {
        Self::Op(Box::new(error))
    }
}
