//! GGUF files: metadata and tensors of a model, memory-mapped.
//!
//! Written from the format's description in the ggml repository (`docs/gguf.md`). Versions 2 and 3, little-endian.
//! Nothing a file claims is believed before it has been compared with the bytes that are there: counts, lengths and
//! offsets are checked for overflow and against the file's length before memory is reserved for them.
//!
//! [`Writer`] writes such files, tensor by tensor.

mod cursor;
mod file;
mod header;
mod metadata;
mod type_42;
mod types;
mod value;
mod writer;

pub(crate) use file::map_file;
pub use file::{File, Tensor};
pub use header::{Header, TensorInfo};
pub use metadata::Metadata;
pub use value::{Array, FromValue, Value};
pub use writer::{NewTensor, Writer};

use thiserror::Error;

/// What is wrong with the bytes of a GGUF file.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The file does not start with `GGUF`.
    #[error("not a GGUF file: it starts with {found}, wanted \"GGUF\"")]
    Magic {
        /// The first bytes, printable.
        found: String,
    },
    /// The numbers of this file are stored most significant byte first.
    #[error("the file is big-endian; only little-endian GGUF files can be read")]
    BigEndian,
    /// A version of the format that is not readable.
    #[error("GGUF version {0} is not supported; versions 2 and 3 are")]
    Version(u32),
    /// The file ends within the header.
    #[error(
        "the file ends early: {what} at byte {offset} needs {needed} bytes, {available} are left"
    )]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Position in the file, in bytes.
        offset: usize,
        /// Bytes that the field claims.
        needed: u64,
        /// Bytes from `offset` to the end of the file.
        available: usize,
    },
    /// A count that could not fit into the rest of the file.
    #[error(
        "{what} at byte {offset} claims {count} entries, more than the {available} bytes left can hold"
    )]
    Count {
        /// What was being counted.
        what: &'static str,
        /// Position of the count in the file, in bytes.
        offset: usize,
        /// The claimed number of entries.
        count: u64,
        /// Bytes left behind the count.
        available: usize,
    },
    /// Text that is not UTF-8.
    #[error("{what} at byte {offset} is not valid UTF-8")]
    Utf8 {
        /// What was being read.
        what: &'static str,
        /// Position in the file, in bytes.
        offset: usize,
    },
    /// A metadata value type that the format does not define.
    #[error("metadata key `{key}` has unknown value type {id}")]
    ValueType {
        /// The key.
        key: String,
        /// The type id found.
        id: u32,
    },
    /// A boolean that is neither 0 nor 1.
    #[error("metadata key `{key}`: a boolean is stored as {found}, wanted 0 or 1")]
    Bool {
        /// The key.
        key: String,
        /// The byte found.
        found: u8,
    },
    /// Arrays nested beyond reason.
    #[error("metadata key `{key}`: arrays are nested more than {limit} deep")]
    Nesting {
        /// The key.
        key: String,
        /// The deepest nesting that is read.
        limit: usize,
    },
    /// A metadata key that occurs twice.
    #[error("metadata key `{0}` occurs twice")]
    DuplicateKey(String),
    /// `general.alignment` is not usable.
    #[error("general.alignment is {0}, wanted a power of two of at least 8")]
    Alignment(String),
    /// A tensor name that occurs twice.
    #[error("tensor `{0}` occurs twice")]
    DuplicateTensor(String),
    /// A tensor with more dimensions than the format knows.
    #[error("tensor `{name}` has {found} dimensions, at most 4 are possible")]
    Dimensions {
        /// The tensor.
        name: String,
        /// Dimensions claimed.
        found: u32,
    },
    /// A tensor without elements, or with more than memory can address.
    #[error("tensor `{name}` has the impossible shape {shape:?} (innermost dimension first)")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape as stored: innermost dimension first.
        shape: Vec<u64>,
    },
    /// A tensor stored in a format that this library does not read.
    #[error("tensor `{name}` is stored as {found}, which is not supported")]
    TensorType {
        /// The tensor.
        name: String,
        /// The type's name and id.
        found: String,
    },
    /// Tensors of type 42, which three layouts share, that are not TQ2_0_g128 for certain.
    #[error("tensor `{name}` is of type 42, which has three meanings: {reason}")]
    Type42 {
        /// The first such tensor.
        name: String,
        /// Which meaning was found, or why none is certain.
        reason: String,
    },
    /// A row that is not a whole number of blocks.
    #[error(
        "tensor `{name}`: rows of {columns} values are not a multiple of the {block} values of a {format} block"
    )]
    Row {
        /// The tensor.
        name: String,
        /// Values a row.
        columns: usize,
        /// Values a block.
        block: usize,
        /// The format's name.
        format: &'static str,
    },
    /// A tensor whose offset is not a multiple of the file's alignment.
    #[error(
        "tensor `{name}` lies at offset {offset}, which is not a multiple of the alignment {alignment}"
    )]
    TensorOffset {
        /// The tensor.
        name: String,
        /// Its offset within the data section.
        offset: u64,
        /// The file's alignment.
        alignment: usize,
    },
    /// A tensor whose bytes do not lie within the file.
    #[error("tensor `{name}` needs bytes {start} to {end}, but the file has {len}")]
    TensorRange {
        /// The tensor.
        name: String,
        /// First byte of the tensor in the file.
        start: u64,
        /// One past its last byte.
        end: u64,
        /// Length of the file.
        len: usize,
    },
    /// The parts of a split file do not belong together.
    #[error("{0}")]
    Split(String),
}
