//! What can go wrong above the device: shapes, formats and lengths that an operation does not accept.

/// Errors of the kernel catalogue. All come before a launch; those of the launch itself are in [`Error::Gpu`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device refused or failed.
    #[error(transparent)]
    Gpu(#[from] mettle_gpu::Error),

    /// An argument of an operation whose shape, format or value it does not accept.
    #[error("{op}: {argument} {reason}")]
    Argument {
        /// The operation, as in `ops`.
        op: &'static str,
        /// The argument's name.
        argument: &'static str,
        /// What it is and what it must be, with numbers; continues the argument's name.
        reason: String,
    },

    /// A combination of formats or options that no kernel of the catalogue serves.
    #[error("{op}: no kernel for this: {reason}")]
    Unsupported {
        /// The operation, as in `ops`.
        op: &'static str,
        /// What was asked for and what exists.
        reason: String,
    },

    /// A number of values or bytes that is not a whole number of blocks, or two that disagree.
    #[error(
        "{values} values in {bytes} bytes are not whole blocks of {format} ({block_len} values in {block_bytes} bytes)"
    )]
    Length {
        /// Name of the format.
        format: &'static str,
        /// Values of one block.
        block_len: usize,
        /// Bytes of one block.
        block_bytes: usize,
        /// Values given.
        values: usize,
        /// Bytes given.
        bytes: usize,
    },

    /// A format that the host cannot encode or decode.
    #[error("the host cannot {operation} {format}")]
    Format {
        /// Name of the format.
        format: &'static str,
        /// "encode" or "decode".
        operation: &'static str,
    },

    /// A file of experts that is not what its model says, or a part of it that is not there.
    #[error("experts: {reason}")]
    Experts {
        /// What was found and what was wanted, with numbers.
        reason: String,
    },

    /// A value that a format of blocks cannot hold.
    #[error(
        "value {index} is {value}, which {format} cannot hold: it takes finite values up to ±65504"
    )]
    Value {
        /// Name of the format.
        format: &'static str,
        /// Where the value lies among those given.
        index: usize,
        /// The value.
        value: f32,
    },
}

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
