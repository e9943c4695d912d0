//! What can go wrong, as types a caller can match on.

use std::ops::Range;

use mettle_msl::Diagnostic;

use crate::fault::Fault;

/// The result of a call into this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call into this crate failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A device name that this build does not know.
    #[error("unknown device \"{name}\"; this build has: {known}")]
    UnknownDevice {
        /// The name asked for.
        name: String,
        /// The names that exist, comma separated.
        known: &'static str,
    },
    /// No device of this machine can be used.
    #[error("no usable device: {reasons}")]
    NoDevice {
        /// For each kind of device, why it was not taken.
        reasons: String,
    },
    /// The processor lacks instructions that every embedded kernel needs.
    #[error("this CPU lacks {missing}; compiled kernels need at least {needed}")]
    UnsupportedCpu {
        /// The lowest instruction set level kernels are compiled for.
        needed: &'static str,
        /// The missing features, comma separated.
        missing: String,
    },
    /// The device cannot do what was asked, whatever the arguments.
    #[error("{device} does not support {what}")]
    Unsupported {
        /// The device.
        device: String,
        /// What was asked for.
        what: &'static str,
    },
    /// The device failed at something that no argument is to blame for.
    #[error("{device}: cannot {action}: {reason}")]
    Device {
        /// The device.
        device: String,
        /// What it was to do.
        action: &'static str,
        /// The driver's words.
        reason: String,
    },
    /// An allocation larger than what is left.
    #[error("out of memory: {needed} bytes needed, {available} bytes available on {device}")]
    OutOfMemory {
        /// The device.
        device: String,
        /// Bytes asked for.
        needed: u64,
        /// Bytes available when it was asked for.
        available: u64,
    },
    /// A buffer larger than the device's limit, or whose size in bytes does not fit `usize`.
    #[error(
        "a buffer of {len} elements of {element_size} bytes exceeds the device's limit of {limit} bytes"
    )]
    BufferTooLarge {
        /// Elements asked for.
        len: usize,
        /// Bytes of one element.
        element_size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A range outside of a buffer, a tensor or a mapped file.
    #[error("range {}..{} is outside of {what} of length {len}", range.start, range.end)]
    Range {
        /// What was sliced.
        what: &'static str,
        /// The range asked for.
        range: Range<usize>,
        /// The length there is, in the same unit as the range.
        len: usize,
    },
    /// The length of host data differs from the length of the buffer.
    #[error("{what} has {actual} elements where {expected} were expected")]
    Length {
        /// What has the wrong length.
        what: &'static str,
        /// The length it must have.
        expected: usize,
        /// The length it has.
        actual: usize,
    },
    /// Bytes that cannot be viewed as another element type.
    #[error("cannot view {bytes} bytes at alignment {alignment} as {element}: {reason}")]
    Cast {
        /// The element type.
        element: &'static str,
        /// Bytes of the view.
        bytes: usize,
        /// The alignment of its first byte, at most 4096.
        alignment: usize,
        /// What does not fit.
        reason: &'static str,
    },
    /// A host write to memory that is mapped read-only.
    #[error("the buffer is mapped read-only and cannot be written")]
    ReadOnly,
    /// A buffer of another device.
    #[error("the buffer belongs to another device than {device}")]
    ForeignBuffer {
        /// The device asked to use it.
        device: String,
    },
    /// A shape that does not fit its format, its data or the operation.
    #[error("{what}: shape {shape} {reason}")]
    Shape {
        /// The operation or the tensor.
        what: &'static str,
        /// The shape, as text.
        shape: String,
        /// What does not fit.
        reason: String,
    },
    /// A tensor of another format than the one needed.
    #[error("{what} needs {expected}, the tensor is {actual}")]
    Format {
        /// The operation.
        what: &'static str,
        /// The format or element type needed.
        expected: String,
        /// The tensor's format.
        actual: &'static str,
    },
    /// A name that is no format.
    #[error("unknown format \"{name}\"")]
    UnknownFormat {
        /// The name.
        name: String,
    },
    /// No embedded artefact fits this device.
    #[error(
        "no artefact of {unit} for kernel {kernel} on {wanted}{constants}; there are: {present}"
    )]
    NoArtefact {
        /// The unit (a `.metal` file).
        unit: String,
        /// The kernel asked for.
        kernel: String,
        /// The targets this device can run, best first.
        wanted: String,
        /// The function constants asked for, as text, or empty.
        constants: String,
        /// The targets that the unit was compiled for, and why none can be made.
        present: String,
    },
    /// A source that does not compile, or that nothing can compile here.
    #[error("{unit} cannot be compiled: {reason}")]
    Compile {
        /// The unit (a `.metal` file).
        unit: String,
        /// The compiler's messages; empty where it could not run.
        diagnostics: Vec<Diagnostic>,
        /// All of it as text.
        reason: String,
    },
    /// An artefact that is damaged or of a foreign kind.
    #[error("artefact of {unit} cannot be loaded: {reason}")]
    Artefact {
        /// The unit (a `.metal` file).
        unit: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A kernel that its unit does not contain.
    #[error("{unit} has no kernel {kernel}; it has: {known}")]
    UnknownKernel {
        /// The unit (a `.metal` file).
        unit: String,
        /// The kernel asked for.
        kernel: String,
        /// The kernels there are.
        known: String,
    },
    /// Function constants that the kernel's unit does not declare, or more than fit.
    #[error("kernel {kernel}: function constant {index} {reason}")]
    Constant {
        /// The kernel.
        kernel: String,
        /// The constant's index.
        index: u32,
        /// What is wrong.
        reason: &'static str,
    },
    /// A launch refused before it was recorded.
    #[error("kernel {kernel}: {cause}")]
    Launch {
        /// The kernel.
        kernel: String,
        /// Why it was refused; part of the message, so no source of its own.
        cause: LaunchError,
    },
    /// A launch that failed while it ran. Buffers that its submission wrote hold unspecified values.
    #[error("kernel {kernel}{}: {fault}", place(*threadgroup))]
    Fault {
        /// The kernel.
        kernel: String,
        /// The position of the threadgroup in the grid, where the device knows it.
        threadgroup: Option<[u32; 3]>,
        /// What happened; part of the message, so no source of its own.
        fault: Box<Fault>,
    },
}

impl Error {
    /// What our compiler says of a unit.
    pub(crate) fn compile(unit: &str, error: &mettle_msl::Error) -> Self {
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            reason.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Error::Compile {
            unit: unit.to_owned(),
            diagnostics: error.diagnostics().to_vec(),
            reason,
        }
    }
}

/// A threadgroup in words.
fn place(threadgroup: Option<[u32; 3]>) -> String {
    threadgroup.map_or_else(String::new, |[x, y, z]| {
        format!(", threadgroup ({x}, {y}, {z})")
    })
}

/// Why a launch was refused. Arguments are named as in the kernel's signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// A threadgroup or a grid without threads.
    #[error("the grid is empty: {groups:?} threadgroups of {threads:?} threads")]
    EmptyGrid {
        /// Threadgroups in the grid.
        groups: [u64; 3],
        /// Threads in a threadgroup.
        threads: [u64; 3],
    },
    /// A grid whose size does not fit 32 bits in one direction.
    #[error("the grid has {threads:?} threads; each direction must stay below 2^32")]
    GridTooLarge {
        /// Threads in the grid.
        threads: [u64; 3],
    },
    /// More threads in a threadgroup than the device can hold.
    #[error("a threadgroup of {threads} threads exceeds the limit of {limit}")]
    ThreadgroupTooLarge {
        /// Threads asked for.
        threads: u64,
        /// The device's limit.
        limit: u32,
    },
    /// A threadgroup that is longer in one direction than the device allows.
    #[error("a threadgroup of {threads:?} threads; this device takes at most {limit:?}")]
    ThreadgroupTooLong {
        /// Threads asked for.
        threads: [u64; 3],
        /// The device's limits.
        limit: [u32; 3],
    },
    /// More threadgroup memory than the device has.
    #[error(
        "{static_bytes} bytes of static and {dynamic_bytes} bytes of dynamic threadgroup memory exceed the limit of {limit}"
    )]
    ThreadgroupMemoryTooLarge {
        /// Bytes declared in the kernel.
        static_bytes: usize,
        /// Bytes asked for by the launch.
        dynamic_bytes: usize,
        /// The device's limit, in bytes.
        limit: usize,
    },
    /// An argument of the kernel that the launch does not bind.
    #[error("argument {argument} (index {index}) is not bound")]
    MissingArgument {
        /// The argument.
        argument: String,
        /// Its buffer or threadgroup index.
        index: u32,
    },
    /// An argument that the kernel does not have, or an index outside of 0..31.
    #[error("argument {argument} (index {index}) does not exist in the kernel, which has {known}")]
    UnknownArgument {
        /// The argument.
        argument: String,
        /// The index it was bound to.
        index: u32,
        /// The arguments that the kernel has, as text.
        known: String,
    },
    /// An argument bound as another kind than the kernel declares.
    #[error("argument {argument} is bound as {actual}, the kernel declares {expected}")]
    ArgumentKind {
        /// The argument.
        argument: String,
        /// What the kernel declares.
        expected: &'static str,
        /// What was bound.
        actual: &'static str,
    },
    /// Two arguments bound to one index.
    #[error("argument {argument} is bound to index {index}, which is bound already")]
    BoundTwice {
        /// The argument bound second.
        argument: String,
        /// The index.
        index: u32,
    },
    /// A value of another size than the kernel's parameter.
    #[error("argument {argument} has {actual} bytes, the kernel reads {expected}")]
    ValueSize {
        /// The argument.
        argument: String,
        /// Bytes of the parameter.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// A buffer whose first byte is not aligned for the kernel's element type.
    #[error(
        "argument {argument} starts at an address aligned to {actual} bytes, the kernel needs {needed}"
    )]
    Misaligned {
        /// The argument.
        argument: String,
        /// The alignment of the first byte.
        actual: usize,
        /// The alignment that the element type needs.
        needed: usize,
    },
    /// A written buffer overlaps another argument of the same launch.
    #[error("argument {written} is written and overlaps argument {other}")]
    Aliased {
        /// The argument that is written.
        written: String,
        /// The argument it overlaps with.
        other: String,
    },
    /// A read-only (mapped) buffer bound to an argument that the kernel writes.
    #[error("argument {argument} is written, but its buffer is read-only")]
    ReadOnly {
        /// The argument.
        argument: String,
    },
    /// A buffer of another device.
    #[error("argument {argument} belongs to another device")]
    ForeignBuffer {
        /// The argument.
        argument: String,
    },
    /// A buffer whose contents are unknown because a submission that wrote it failed.
    #[error("argument {argument} was written by a submission that failed: {fault}")]
    Poisoned {
        /// The argument.
        argument: String,
        /// The failure, as text.
        fault: String,
    },
}
