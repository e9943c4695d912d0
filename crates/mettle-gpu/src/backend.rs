//! The thin, unsafe interface between the validating layer and the devices.
//!
//! # Doctrine
//!
//! - **Backends do not validate.** The layer above (`device`, `buffer`, `pass`, ...) has checked ranges, alignment,
//!   grids, limits, aliasing and argument lists before it calls; a backend may rely on all of it. Checking twice costs
//!   time on every launch and hides whose duty it is.
//! - **Errors are only for what the caller cannot foresee**: memory ran out, the driver refused code, a launch failed
//!   while it ran.
//! - **A backend owns nothing of the caller's.** The layer above keeps buffers and pipelines alive until the
//!   submissions that use them are complete, and frees everything exactly once.
//! - **Hazards arrive decided.** A launch says whether it must wait for those before it; a backend only obeys.
//! - **Handles are plain numbers** whose meaning is the backend's own: an address, an index, a pointer to an object.
//!   They are never made up above this line.

use crate::error::Result;
use crate::fault::Fault;
use crate::grid::GridSize;
use mettle_msl::ArtefactArgument;

use crate::{DeviceKind, GpuTime, Limits, MemoryInfo};

/// Memory of a device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawBuffer {
    /// The backend's name for it.
    pub handle: u64,
    /// Its size in bytes.
    pub bytes: usize,
    /// The largest power of two, at most 4096, that divides the address of its first byte.
    pub alignment: usize,
    /// Whether it is known to hold zeros only.
    pub zeroed: bool,
}

/// Where a buffer lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub address: u64,
    /// Bytes before and after it that belong to nothing else and cannot be accessed.
    pub reach: u64,
}

/// Code to load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawCode<'a> {
    /// The unit that it is made of, for tools.
    #[cfg_attr(
        not(any(target_os = "macos", feature = "mock-metal")),
        expect(dead_code, reason = "other devices have no tools that would show it")
    )]
    pub unit: &'a str,
    pub bytes: &'a [u8],
    /// Index and bits of the function constants to set, when it is generic.
    pub constants: &'a [(u32, u64)],
    /// It holds a part of its unit, and need not have all of its function constants.
    #[cfg_attr(
        not(any(target_os = "macos", feature = "mock-metal")),
        expect(dead_code, reason = "other devices have all or compile them in")
    )]
    pub part: bool,
}

/// Code that a backend has loaded, with its function constants set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawLibrary(pub u64);

/// A kernel of a loaded library. It lives as long as its library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawPipeline(pub u64);

/// What a device says of a pipeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PipelineInfo {
    /// Threads that a threadgroup of it may have.
    pub max_threads: u32,
    /// Bytes of threadgroup memory that it declares.
    pub static_threadgroup_memory: usize,
    /// Its machine code was kept from an earlier start.
    pub archived: bool,
}

/// What a backend needs to know of a kernel to make a pipeline of it.
#[derive(Debug)]
pub(crate) struct RawKernel<'a> {
    /// The kernel's host name.
    pub name: &'a str,
    /// Whether it uses barriers or SIMD-group operations.
    pub synchronises: bool,
    /// Its arguments, in the order written.
    pub arguments: &'a [ArtefactArgument],
}

/// One argument of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RawArgument {
    /// Device memory at a byte offset.
    Buffer {
        index: u32,
        /// Whether the kernel may write it.
        written: bool,
        buffer: u64,
        offset: usize,
    },
    /// Device memory that the kernel reaches through a pointer in another argument.
    Reached {
        index: u32,
        /// Whether the kernel may write it.
        written: bool,
        buffer: u64,
        offset: usize,
    },
    /// Bytes of [`Commands::values`], from `offset`.
    Value {
        index: u32,
        offset: usize,
        bytes: usize,
    },
    /// Dynamic threadgroup memory.
    ThreadgroupMemory { index: u32, bytes: usize },
}

/// One launch of a submission.
#[derive(Debug, Clone)]
pub(crate) struct RawLaunch {
    pub pipeline: RawPipeline,
    pub grid: GridSize,
    /// Its arguments: a range of [`Commands::arguments`].
    pub arguments: std::ops::Range<u32>,
    /// It must not start before every launch ahead of it in the submission is complete.
    pub barrier_before: bool,
    /// Nor may it read the arguments before that that it could read early: a launch ahead of it writes one of them.
    pub early_written: bool,
}

/// A submission, in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commands<'a> {
    pub launches: &'a [RawLaunch],
    pub arguments: &'a [RawArgument],
    /// The bytes of value arguments; offsets into it are multiples of 16 and it is aligned to 16.
    pub values: &'a [u8],
    /// Measure each launch on its own; launches need not overlap.
    pub profile: bool,
}

/// Why a backend refused code.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The code itself.
    Code(String),
    /// A function constant that the code does not have.
    UnknownConstant(u32),
}

/// A launch that failed while it ran.
#[derive(Debug)]
pub(crate) struct RawFault {
    /// Its index in [`Commands::launches`].
    pub launch: usize,
    /// The threadgroup, where the device knows it.
    pub threadgroup: Option<[u32; 3]>,
    pub fault: Fault,
    /// The address of the instruction at which it stopped, in the code of its library, when it is known.
    pub code_address: Option<u64>,
}

/// What became of a submission.
#[derive(Debug, Default)]
pub(crate) struct Completion {
    /// The first failure, if any; launches after it may not have run.
    pub fault: Option<RawFault>,
    /// Nanoseconds of each launch, when profiling was asked for.
    pub nanoseconds: Vec<u64>,
    /// When a GPU began and ended it, where it tells. Boxed, because other devices hand this over by value at every submission.
    pub gpu_time: Option<Box<GpuTime>>,
}

/// What has become of a submission when the backend has taken it.
pub(crate) enum Submitted {
    /// It is done.
    Complete(Completion),
    /// The device runs it.
    Running(Box<dyn Flight>),
}

/// A submission that the device runs.
pub(crate) trait Flight: Send {
    /// Waits for its end; `commands` are those that were submitted.
    fn finish(self: Box<Self>, commands: Commands<'_>) -> Completion;
}

/// A device.
///
/// # Safety
///
/// Implementors promise that memory handed out by `allocate` is theirs alone, initialised and as large and aligned as stated, and that
/// the device touches none of a submission's buffers once it is complete. Submissions behave as if they ran in the order of their coming.
pub(crate) unsafe trait Backend: Send + Sync {
    fn kind(&self) -> DeviceKind;
    fn name(&self) -> &str;
    fn limits(&self) -> &Limits;
    fn memory(&self) -> MemoryInfo;

    /// The artefact targets it can load, best first.
    fn targets(&self) -> &[&'static str];

    /// The GPU, its family and the build of the system, where what is compiled for one is not taken on another.
    fn platform(&self) -> &str {
        ""
    }

    /// New memory of at least `bytes` bytes (at least one), aligned to 64 or more, or as [`Backend::keeps_memory`] says, aligned to 16.
    fn allocate(&self, bytes: usize) -> Result<RawBuffer>;

    /// Whether memory that was given back is kept for others, larger than asked for where that helps. If not, every allocation is of
    /// exactly the size asked for, and may be empty.
    fn keeps_memory(&self) -> bool {
        true
    }

    /// Where a buffer lies, in the terms of [`Fault::Access`], if faults of this device have addresses.
    fn extent(&self, _buffer: RawBuffer) -> Option<Extent> {
        None
    }

    /// The address of a buffer's first byte, as kernels see it, where the device can tell.
    ///
    /// # Safety
    /// The buffer is alive.
    unsafe fn address(&self, _buffer: RawBuffer) -> Option<u64> {
        None
    }

    /// Says what a buffer is for, or a part of it, to tools that show the device's memory, where there are such.
    ///
    /// # Safety
    /// The buffer is alive, and the part lies in it.
    unsafe fn label(
        &self,
        _buffer: RawBuffer,
        _part: Option<std::ops::Range<usize>>,
        _purpose: std::fmt::Arguments<'_>,
    ) {
    }

    /// Gives memory back.
    ///
    /// # Safety
    /// `buffer` is from `allocate` of this backend, not freed yet, and used by nobody.
    unsafe fn free(&self, buffer: RawBuffer);

    /// Makes host memory that is never written readable by the device: without a copy, or with one that the host does not see. `None` where
    /// it can do neither, or has no memory left for it.
    ///
    /// # Safety
    /// The bytes stay valid and unchanged until `unmap_host`.
    unsafe fn map_host(&self, bytes: &[u8]) -> Option<RawBuffer>;

    /// Ends what `map_host` began.
    ///
    /// # Safety
    /// `buffer` is from `map_host` of this backend, not unmapped yet, and used by nobody.
    unsafe fn unmap_host(&self, buffer: RawBuffer);

    /// Copies from the device.
    ///
    /// # Safety
    /// The range lies in the buffer and nobody writes it.
    unsafe fn read(&self, buffer: RawBuffer, offset: usize, into: &mut [u8]) -> Result<()>;

    /// Copies to the device.
    ///
    /// # Safety
    /// The range lies in the buffer, which is not mapped, and nobody reads or writes it.
    unsafe fn write(&self, buffer: RawBuffer, offset: usize, from: &[u8]) -> Result<()>;

    /// Sets every byte of a range.
    ///
    /// # Safety
    /// As for `write`.
    unsafe fn fill(&self, buffer: RawBuffer, offset: usize, bytes: usize, value: u8) -> Result<()>;

    /// Loads code.
    ///
    /// # Safety
    /// The code was made by our compiler for one of this backend's targets.
    unsafe fn load(&self, code: RawCode<'_>) -> Result<RawLibrary, LoadError>;

    /// Gives a library and its pipelines back.
    ///
    /// # Safety
    /// It is from `load` of this backend, not unloaded yet, and no submission uses it.
    unsafe fn unload(&self, library: RawLibrary);

    /// A kernel of a library.
    ///
    /// # Safety
    /// The library is from `load` of this backend and not unloaded.
    unsafe fn pipeline(
        &self,
        library: RawLibrary,
        kernel: RawKernel<'_>,
    ) -> Result<RawPipeline, String>;

    /// What the device says of a pipeline, where it is more than its artefact and [`Backend::limits`] say.
    ///
    /// # Safety
    /// The pipeline is from `pipeline` of this backend, and its library is not unloaded.
    unsafe fn pipeline_info(&self, _pipeline: RawPipeline) -> Option<PipelineInfo> {
        None
    }

    /// Runs launches, or lets the device begin with them. Calls are serialised by the layer above.
    ///
    /// # Safety
    /// Everything that the launches name is valid, validated, and stays so until the submission is complete; so does the backend. `commands`
    /// itself is only valid until this returns. A [`Flight`] is always finished.
    unsafe fn submit(&self, commands: Commands<'_>) -> Submitted;

    /// Runs threads in an order drawn from the seed, or in the natural order.
    fn set_order_seed(&self, seed: Option<u64>) -> Result<()>;
}
