//! What the backend asks of Metal: one method a message to one of its objects, named as Metal names it.
//!
//! This is the seam between the backend and Apple's framework. `objc` answers with the framework itself, on a Mac only, and adds nothing but the
//! conversion of types. `mock` answers anywhere.
//!
//! Why a seam of traits and not stand-in Objective-C objects: the runtime that would carry those on Linux (libobjc2) is not packaged by
//! Debian, `objc2-metal` links Apple's frameworks by name, and the classes of its descriptors must exist as symbols. That takes a
//! patched copy of the bindings and a runtime built from source, both to be kept up. The seam costs nothing at run time (there is
//! one implementation a build, and no dynamic dispatch) and leaves only the type conversions of `objc` without a test off a Mac.

use mettle_msl::metal::Language;
use std::ffi::c_void;
use std::path::Path;
use std::ptr::NonNull;

/// One implementation of Metal.
pub(crate) trait Api: Sized + 'static {
    type Device: Device<Self>;
    type Queue: Queue<Self>;
    type Buffer: Buffer;
    type Library: Library<Self>;
    type Function: Function;
    type Pipeline: Pipeline;
    type BinaryArchive: BinaryArchive<Self>;
    type CommandBuffer: CommandBuffer<Self>;
    type Encoder: Encoder<Self>;
    type ResidencySet: ResidencySet<Self>;
    type Timestamps: Timestamps;

    /// Runs `body`; objects that Metal hands out autoreleased meanwhile are released at its end.
    fn autoreleasepool<R>(body: impl FnOnce() -> R) -> R;

    /// `operatingSystemVersionString` of the process: version and build.
    fn operating_system_version() -> String;

    /// `MTLCreateSystemDefaultDevice`
    fn create_system_default_device() -> Option<Self::Device>;

    /// `MTLCopyAllDevices`
    fn copy_all_devices() -> Vec<Self::Device>;
}

/// An `NSError`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// `localizedDescription`
    pub description: String,
    /// `code`, in the domain of the call.
    pub code: isize,
    /// For a command buffer that failed, what became of its encoders.
    pub encoders: Vec<EncoderInfo>,
}

/// `MTLCommandBufferEncoderInfo`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncoderInfo {
    /// `errorState`
    pub state: EncoderState,
    /// `debugSignposts`
    pub signposts: Vec<String>,
}

/// `MTLCommandEncoderErrorState`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EncoderState {
    /// It is done, or had not begun, or Metal does not know.
    Other,
    /// The error of another one hit it.
    Affected,
    /// It caused the error.
    Faulted,
}

/// Where the bytes of a buffer are: `MTLStorageMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// One copy, which host and GPU use.
    Shared,
    /// Two copies, brought together on request.
    Managed,
    /// One copy, which the GPU alone uses.
    Private,
}

/// Where a GPU can record the time: `MTLCounterSamplingPoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sampling {
    /// Nowhere.
    Never,
    /// When it begins and ends an encoder.
    AtStageBoundary,
    /// Between the dispatches of an encoder.
    AtDispatchBoundary,
}

/// A type of `MTLDataType`, as its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataType(pub usize);

/// `MTLFunctionConstant`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FunctionConstant {
    pub index: u32,
    pub ty: DataType,
}

/// Where the machine code of a new pipeline comes from.
pub(crate) enum Lookup<'a, A: Api> {
    /// Metal makes it.
    No,
    /// The archive has it, or Metal makes it: `setBinaryArchives`.
    First(&'a A::BinaryArchive),
    /// The archive has it, or there is no pipeline: `MTLPipelineOptionFailOnBinaryArchiveMiss`, too.
    Only(&'a A::BinaryArchive),
}

/// `MTLDevice`
pub(crate) trait Device<A: Api>: Send + Sync {
    fn name(&self) -> String;
    /// The name of its `architecture`: of the family of GPUs that run the same machine code; empty where the system does not tell.
    fn architecture_name(&self) -> String;
    fn is_low_power(&self) -> bool;
    fn has_unified_memory(&self) -> bool;
    /// Whether threadgroups at the edge of a grid may be smaller: the families Apple4 and Mac2 and later.
    fn supports_nonuniform_threadgroups(&self) -> bool;
    /// Whether it has units that multiply matrices, and tensor operations that use them: the families Apple10 and Metal4.
    fn has_tensor_units(&self) -> bool;
    fn max_threads_per_threadgroup(&self) -> usize;
    fn max_threadgroup_memory_length(&self) -> usize;
    fn max_buffer_length(&self) -> usize;
    fn recommended_max_working_set_size(&self) -> u64;
    fn current_allocated_size(&self) -> u64;
    fn new_command_queue(&self, label: &str) -> Option<A::Queue>;
    fn new_buffer(&self, length: usize, storage: Storage, label: &str) -> Option<A::Buffer>;
    /// `newBufferWithBytesNoCopy`
    ///
    /// # Safety
    /// The range is of whole pages, and stays valid and unchanged as long as the buffer lives.
    unsafe fn new_buffer_no_copy(
        &self,
        start: NonNull<c_void>,
        length: usize,
        label: &str,
    ) -> Option<A::Buffer>;
    /// `newLibraryWithData`
    fn new_library_with_data(&self, data: &[u8]) -> Result<A::Library, ApiError>;
    /// `newLibraryWithSource`; without fast math, infinities and NaN hold.
    fn new_library_with_source(
        &self,
        source: &str,
        language: Language,
        fast_math: bool,
    ) -> Result<A::Library, ApiError>;
    /// `newComputePipelineStateWithDescriptor`
    fn new_compute_pipeline_state(
        &self,
        function: &A::Function,
        label: &str,
        archive: Lookup<'_, A>,
    ) -> Result<A::Pipeline, ApiError>;
    /// `newBinaryArchiveWithDescriptor`: what a file holds, or empty. The file stays as it is as long as the archive lives.
    fn new_binary_archive(
        &self,
        file: Option<&Path>,
        label: &str,
    ) -> Result<A::BinaryArchive, ApiError>;
    /// `newResidencySetWithDescriptor`, where the system has it.
    fn new_residency_set(&self, label: &str) -> Option<A::ResidencySet>;
    /// Where the GPU can record the time: `supportsCounterSampling`, where timestamps are among `counterSets`.
    fn sampling(&self) -> Sampling;
    /// `newCounterSampleBufferWithDescriptor` for this many timestamps.
    fn new_timestamps(&self, count: usize, label: &str) -> Result<A::Timestamps, ApiError>;
    /// `sampleTimestamps`: the GPU's clock, in ticks of its own.
    fn gpu_timestamp(&self) -> u64;
}

/// `MTLCommandQueue`
pub(crate) trait Queue<A: Api>: Send + Sync {
    /// `commandBufferWithDescriptor`: references not retained, the status of encoders reported with errors.
    fn command_buffer(&self, label: &str) -> Option<A::CommandBuffer>;
    fn add_residency_set(&self, set: &A::ResidencySet);
}

/// `MTLBuffer`
pub(crate) trait Buffer: Send + Sync {
    /// `contents`; the buffer is not private.
    fn contents(&self) -> NonNull<u8>;
    /// `gpuAddress`
    fn gpu_address(&self) -> u64;
    /// `didModifyRange`: the host has written a part of a managed buffer.
    fn did_modify_range(&self, offset: usize, length: usize);
    /// `setLabel`, after `removeAllDebugMarkers`.
    fn set_label(&self, label: &str);
    /// `addDebugMarker`
    fn add_debug_marker(&self, marker: &str, offset: usize, length: usize);
}

/// `MTLLibrary`
pub(crate) trait Library<A: Api>: Send + Sync {
    fn set_label(&self, label: &str);
    fn function_names(&self) -> Vec<String>;
    /// `newFunctionWithName`
    fn new_function(&self, name: &str) -> Option<A::Function>;
    /// `newFunctionWithName:constantValues:error:`; the values are by index, their bytes first in the eight.
    fn new_function_with_constants(
        &self,
        name: &str,
        values: &[(FunctionConstant, [u8; 8])],
    ) -> Result<A::Function, ApiError>;
}

/// `MTLFunction`
pub(crate) trait Function {
    /// `functionConstantsDictionary`
    fn function_constants(&self) -> Vec<FunctionConstant>;
}

/// `MTLComputePipelineState`
pub(crate) trait Pipeline: Send + Sync {
    fn max_total_threads_per_threadgroup(&self) -> usize;
    fn thread_execution_width(&self) -> usize;
    fn static_threadgroup_memory_length(&self) -> usize;
}

/// `MTLBinaryArchive`
pub(crate) trait BinaryArchive<A: Api> {
    /// `addComputePipelineFunctionsWithDescriptor`, described as for a pipeline of this function; makes its machine code.
    fn add_compute_pipeline_functions(
        &self,
        function: &A::Function,
        label: &str,
    ) -> Result<(), ApiError>;
    /// `serializeToURL`; something was added.
    fn serialize(&self, file: &Path) -> Result<(), ApiError>;
}

/// `MTLCommandBuffer`
pub(crate) trait CommandBuffer<A: Api>: Send {
    /// `computeCommandEncoderWithDescriptor`, concurrent. With timestamps, its begin is recorded at the index and its end at the next one.
    fn compute_command_encoder(
        &self,
        label: &str,
        timestamps: Option<(&A::Timestamps, usize)>,
    ) -> Option<A::Encoder>;
    /// A blit encoder of this label that encodes `synchronizeResource` and ends.
    fn synchronize(&self, label: &str, buffer: &A::Buffer);
    /// A blit encoder of this label that encodes `copyFromBuffer` and ends.
    ///
    /// # Safety
    /// Both ranges lie in their buffers, which live until the command buffer is complete.
    unsafe fn copy(
        &self,
        label: &str,
        from: (&A::Buffer, usize),
        to: (&A::Buffer, usize),
        length: usize,
    );
    fn commit(&self);
    fn wait_until_completed(&self);
    /// `error`; `None` once it is complete without one.
    fn error(&self) -> Option<ApiError>;
    /// `GPUStartTime`, seconds.
    fn gpu_start_time(&self) -> f64;
    /// `GPUEndTime`, seconds.
    fn gpu_end_time(&self) -> f64;
}

/// `MTLComputeCommandEncoder`
pub(crate) trait Encoder<A: Api> {
    fn set_compute_pipeline_state(&self, pipeline: &A::Pipeline);
    /// # Safety
    /// The offset lies in the buffer, which lives until the command buffer is complete.
    unsafe fn set_buffer(&self, buffer: &A::Buffer, offset: usize, index: u32);
    fn set_bytes(&self, bytes: &[u8], index: u32);
    /// `useResource`, to read, or to read and write: dispatches from now on reach the buffer through pointers.
    ///
    /// # Safety
    /// The buffer lives until the command buffer is complete.
    unsafe fn use_resource(&self, buffer: &A::Buffer, written: bool);
    fn set_threadgroup_memory_length(&self, length: usize, index: u32);
    /// `memoryBarrierWithScope:MTLBarrierScopeBuffers`
    fn memory_barrier(&self);
    fn insert_debug_signpost(&self, text: &str);
    /// `sampleCountersInBuffer`, with a barrier: everything before is done. The GPU samples at dispatch boundaries, and the index lies in the buffer.
    fn sample_counters(&self, timestamps: &A::Timestamps, index: usize);
    fn dispatch_threads(&self, threads: [u32; 3], threads_per_threadgroup: [u32; 3]);
    fn dispatch_threadgroups(&self, threadgroups: [u32; 3], threads_per_threadgroup: [u32; 3]);
    fn end_encoding(&self);
}

/// `MTLResidencySet`
pub(crate) trait ResidencySet<A: Api>: Send {
    fn add_allocation(&self, buffer: &A::Buffer);
    fn remove_allocation(&self, buffer: &A::Buffer);
    fn commit(&self);
    fn request_residency(&self);
}

/// `MTLCounterSampleBuffer` of timestamps
pub(crate) trait Timestamps: Send {
    /// `resolveCounterRange` of the first `count`; what could not be recorded is [`NO_TIMESTAMP`].
    fn resolve(&self, count: usize) -> Option<Vec<u64>>;
}

/// `MTLCounterErrorValue`
pub(crate) const NO_TIMESTAMP: u64 = u64::MAX;
