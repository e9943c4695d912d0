//! Metal itself: each method sends its message and converts types, no more.

mod commands;
mod error;

use self::error::api_error;
use super::api::{
    Api, ApiError, BinaryArchive, Buffer, DataType, Device, Function, FunctionConstant, Library,
    Lookup, Pipeline, Queue, ResidencySet, Sampling, Storage,
};
use dispatch2::DispatchData;
use mettle_msl::metal::Language;
use objc2::available;
use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::{NSArray, NSProcessInfo, NSRange, NSString, NSURL};
use objc2_metal::{
    MTLAllocation, MTLBinaryArchive, MTLBinaryArchiveDescriptor, MTLBuffer, MTLCommandBuffer,
    MTLCommandBufferDescriptor, MTLCommandBufferErrorOption, MTLCommandQueue,
    MTLCommonCounterSetTimestamp, MTLCompileOptions, MTLComputeCommandEncoder,
    MTLComputePipelineDescriptor, MTLComputePipelineState, MTLCopyAllDevices,
    MTLCounterSampleBuffer, MTLCounterSampleBufferDescriptor, MTLCounterSamplingPoint,
    MTLCounterSet, MTLCreateSystemDefaultDevice, MTLDataType, MTLDevice, MTLFunction,
    MTLFunctionConstantValues, MTLGPUFamily, MTLLanguageVersion, MTLLibrary, MTLMathMode,
    MTLPipelineOption, MTLResidencySet, MTLResidencySetDescriptor, MTLResource, MTLResourceOptions,
    MTLStorageMode,
};
use std::ffi::c_void;
use std::path::Path;
use std::ptr::NonNull;

// `MTLCreateSystemDefaultDevice` needs this framework, as its documentation says.
#[link(name = "CoreGraphics", kind = "framework")]
unsafe extern "C" {}

/// Apple's implementation.
pub(crate) enum Apple {}

/// An object behind one of Metal's protocols.
type Object<P> = Retained<ProtocolObject<P>>;

/// An object that its protocol does not promise to be usable from any thread, though Metal's documentation does.
pub(crate) struct Anywhere<P: ?Sized>(Object<P>);

// SAFETY: it is made for `MTLBuffer`, `MTLResidencySet`, `MTLCommandBuffer` and `MTLCounterSampleBuffer` only. Metal's resources may be used
// from any thread; the backend uses a residency set under a lock, and a command buffer and its samples in one thread at a time.
unsafe impl<P: ?Sized> Send for Anywhere<P> {}
// SAFETY: as above.
unsafe impl<P: ?Sized> Sync for Anywhere<P> {}

impl Api for Apple {
    type Device = Object<dyn MTLDevice>;
    type Queue = Object<dyn MTLCommandQueue>;
    type Buffer = Anywhere<dyn MTLBuffer>;
    type Library = Object<dyn MTLLibrary>;
    type Function = Object<dyn MTLFunction>;
    type Pipeline = Object<dyn MTLComputePipelineState>;
    type BinaryArchive = Object<dyn MTLBinaryArchive>;
    type CommandBuffer = Anywhere<dyn MTLCommandBuffer>;
    type Encoder = Object<dyn MTLComputeCommandEncoder>;
    type ResidencySet = Anywhere<dyn MTLResidencySet>;
    type Timestamps = Anywhere<dyn MTLCounterSampleBuffer>;

    fn autoreleasepool<R>(body: impl FnOnce() -> R) -> R {
        autoreleasepool(|_| body())
    }

    fn operating_system_version() -> String {
        NSProcessInfo::processInfo()
            .operatingSystemVersionString()
            .to_string()
    }

    fn create_system_default_device() -> Option<Self::Device> {
        MTLCreateSystemDefaultDevice()
    }

    fn copy_all_devices() -> Vec<Self::Device> {
        MTLCopyAllDevices().to_vec()
    }
}

impl Device<Apple> for Object<dyn MTLDevice> {
    fn name(&self) -> String {
        (**self).name().to_string()
    }

    fn architecture_name(&self) -> String {
        if !available!(macos = 14.0) {
            return String::new();
        }
        self.architecture().name().to_string()
    }

    fn is_low_power(&self) -> bool {
        self.isLowPower()
    }

    fn has_unified_memory(&self) -> bool {
        self.hasUnifiedMemory()
    }

    fn supports_nonuniform_threadgroups(&self) -> bool {
        self.supportsFamily(MTLGPUFamily::Apple4) || self.supportsFamily(MTLGPUFamily::Mac2)
    }

    fn has_tensor_units(&self) -> bool {
        self.supportsFamily(MTLGPUFamily::Apple10) && self.supportsFamily(MTLGPUFamily::Metal4)
    }

    fn max_threads_per_threadgroup(&self) -> usize {
        self.maxThreadsPerThreadgroup().width
    }

    fn max_threadgroup_memory_length(&self) -> usize {
        self.maxThreadgroupMemoryLength()
    }

    fn max_buffer_length(&self) -> usize {
        self.maxBufferLength()
    }

    fn recommended_max_working_set_size(&self) -> u64 {
        self.recommendedMaxWorkingSetSize()
    }

    fn current_allocated_size(&self) -> u64 {
        self.currentAllocatedSize() as u64
    }

    fn new_command_queue(&self, label: &str) -> Option<Object<dyn MTLCommandQueue>> {
        let queue = self.newCommandQueue()?;
        queue.setLabel(Some(&NSString::from_str(label)));
        Some(queue)
    }

    fn new_buffer(
        &self,
        length: usize,
        storage: Storage,
        label: &str,
    ) -> Option<Anywhere<dyn MTLBuffer>> {
        let options = match storage {
            Storage::Shared => MTLResourceOptions::StorageModeShared,
            Storage::Managed => MTLResourceOptions::StorageModeManaged,
            Storage::Private => MTLResourceOptions::StorageModePrivate,
        };
        let buffer = self.newBufferWithLength_options(length, options)?;
        buffer.setLabel(Some(&NSString::from_str(label)));
        Some(Anywhere(buffer))
    }

    unsafe fn new_buffer_no_copy(
        &self,
        start: NonNull<c_void>,
        length: usize,
        label: &str,
    ) -> Option<Anywhere<dyn MTLBuffer>> {
        let options = MTLResourceOptions::StorageModeShared;
        // SAFETY: the caller's promise; without a deallocator the pages stay the caller's.
        let buffer = unsafe {
            self.newBufferWithBytesNoCopy_length_options_deallocator(start, length, options, None)
        }?;
        buffer.setLabel(Some(&NSString::from_str(label)));
        Some(Anywhere(buffer))
    }

    fn new_library_with_data(&self, data: &[u8]) -> Result<Object<dyn MTLLibrary>, ApiError> {
        self.newLibraryWithData_error(&DispatchData::from_bytes(data))
            .map_err(|error| api_error(&error))
    }

    fn new_library_with_source(
        &self,
        source: &str,
        language: Language,
        fast_math: bool,
    ) -> Result<Object<dyn MTLLibrary>, ApiError> {
        let options = MTLCompileOptions::new();
        options.setLanguageVersion(match language {
            Language::Metal3_1 => MTLLanguageVersion::Version3_1,
            Language::Metal4_0 => MTLLanguageVersion::Version4_0,
        });
        if available!(macos = 15.0) {
            options.setMathMode(if fast_math {
                MTLMathMode::Fast
            } else {
                MTLMathMode::Safe
            });
        } else {
            #[expect(deprecated, reason = "what systems before macOS 15 have")]
            options.setFastMathEnabled(fast_math);
        }
        self.newLibraryWithSource_options_error(&NSString::from_str(source), Some(&options))
            .map_err(|error| api_error(&error))
    }

    fn new_compute_pipeline_state(
        &self,
        function: &Object<dyn MTLFunction>,
        label: &str,
        archive: Lookup<'_, Apple>,
    ) -> Result<Object<dyn MTLComputePipelineState>, ApiError> {
        let descriptor = pipeline_descriptor(function, label);
        let (archive, option) = match archive {
            Lookup::No => (None, MTLPipelineOption::None),
            Lookup::First(archive) => (Some(archive), MTLPipelineOption::None),
            Lookup::Only(archive) => (Some(archive), MTLPipelineOption::FailOnBinaryArchiveMiss),
        };
        if let Some(archive) = archive {
            descriptor.setBinaryArchives(Some(&NSArray::from_slice(&[&**archive])));
        }
        self.newComputePipelineStateWithDescriptor_options_reflection_error(
            &descriptor,
            option,
            None,
        )
        .map_err(|error| api_error(&error))
    }

    fn new_binary_archive(
        &self,
        file: Option<&Path>,
        label: &str,
    ) -> Result<Object<dyn MTLBinaryArchive>, ApiError> {
        let descriptor = MTLBinaryArchiveDescriptor::new();
        descriptor.setUrl(file.map(url).as_deref());
        let archive = self
            .newBinaryArchiveWithDescriptor_error(&descriptor)
            .map_err(|error| api_error(&error))?;
        archive.setLabel(Some(&NSString::from_str(label)));
        Ok(archive)
    }

    fn new_residency_set(&self, label: &str) -> Option<Anywhere<dyn MTLResidencySet>> {
        if !available!(macos = 15.0) {
            return None;
        }
        let descriptor = MTLResidencySetDescriptor::new();
        descriptor.setLabel(Some(&NSString::from_str(label)));
        match self.newResidencySetWithDescriptor_error(&descriptor) {
            Ok(set) => Some(Anywhere(set)),
            Err(error) => {
                tracing::warn!(%error, "Metal gives no residency set");
                None
            }
        }
    }

    fn sampling(&self) -> Sampling {
        let at = |point| self.supportsCounterSampling(point);
        if timestamps(self).is_none() {
            Sampling::Never
        } else if at(MTLCounterSamplingPoint::AtDispatchBoundary) {
            Sampling::AtDispatchBoundary
        } else if at(MTLCounterSamplingPoint::AtStageBoundary) {
            Sampling::AtStageBoundary
        } else {
            Sampling::Never
        }
    }

    fn new_timestamps(
        &self,
        count: usize,
        label: &str,
    ) -> Result<Anywhere<dyn MTLCounterSampleBuffer>, ApiError> {
        let descriptor = MTLCounterSampleBufferDescriptor::new();
        descriptor.setCounterSet(timestamps(self).as_deref());
        descriptor.setStorageMode(MTLStorageMode::Shared);
        descriptor.setLabel(&NSString::from_str(label));
        // SAFETY: Metal refuses a count that it cannot serve.
        unsafe { descriptor.setSampleCount(count) };
        self.newCounterSampleBufferWithDescriptor_error(&descriptor)
            .map(Anywhere)
            .map_err(|error| api_error(&error))
    }

    fn gpu_timestamp(&self) -> u64 {
        let (mut cpu, mut gpu) = (0, 0);
        // SAFETY: both are written before the call returns.
        unsafe {
            self.sampleTimestamps_gpuTimestamp(NonNull::from(&mut cpu), NonNull::from(&mut gpu));
        }
        gpu
    }
}

/// The device's set of counters that is the time.
fn timestamps(device: &ProtocolObject<dyn MTLDevice>) -> Option<Object<dyn MTLCounterSet>> {
    // SAFETY: a constant of Metal's.
    let name = unsafe { MTLCommonCounterSetTimestamp };
    device
        .counterSets()?
        .iter()
        .find(|set| &*set.name() == name)
}

impl Queue<Apple> for Object<dyn MTLCommandQueue> {
    fn command_buffer(&self, label: &str) -> Option<Anywhere<dyn MTLCommandBuffer>> {
        let descriptor = MTLCommandBufferDescriptor::new();
        descriptor.setRetainedReferences(false);
        descriptor.setErrorOptions(MTLCommandBufferErrorOption::EncoderExecutionStatus);
        let buffer = self.commandBufferWithDescriptor(&descriptor)?;
        buffer.setLabel(Some(&NSString::from_str(label)));
        Some(Anywhere(buffer))
    }

    fn add_residency_set(&self, set: &Anywhere<dyn MTLResidencySet>) {
        self.addResidencySet(&set.0);
    }
}

impl Buffer for Anywhere<dyn MTLBuffer> {
    fn contents(&self) -> NonNull<u8> {
        self.0.contents().cast()
    }

    fn gpu_address(&self) -> u64 {
        self.0.gpuAddress()
    }

    fn did_modify_range(&self, offset: usize, length: usize) {
        self.0.didModifyRange(NSRange::new(offset, length));
    }

    fn set_label(&self, label: &str) {
        self.0.removeAllDebugMarkers();
        self.0.setLabel(Some(&NSString::from_str(label)));
    }

    fn add_debug_marker(&self, marker: &str, offset: usize, length: usize) {
        self.0
            .addDebugMarker_range(&NSString::from_str(marker), NSRange::new(offset, length));
    }
}

impl Library<Apple> for Object<dyn MTLLibrary> {
    fn set_label(&self, label: &str) {
        self.setLabel(Some(&NSString::from_str(label)));
    }

    fn function_names(&self) -> Vec<String> {
        self.functionNames()
            .iter()
            .map(|name| name.to_string())
            .collect()
    }

    fn new_function(&self, name: &str) -> Option<Object<dyn MTLFunction>> {
        self.newFunctionWithName(&NSString::from_str(name))
    }

    fn new_function_with_constants(
        &self,
        name: &str,
        values: &[(FunctionConstant, [u8; 8])],
    ) -> Result<Object<dyn MTLFunction>, ApiError> {
        let given = MTLFunctionConstantValues::new();
        for (constant, bytes) in values {
            // SAFETY: Metal copies as many bytes as the type has, and scalar types have at most eight; the index is a declared one.
            unsafe {
                given.setConstantValue_type_atIndex(
                    NonNull::from(bytes).cast(),
                    MTLDataType(constant.ty.0),
                    constant.index as usize,
                );
            }
        }
        self.newFunctionWithName_constantValues_error(&NSString::from_str(name), &given)
            .map_err(|error| api_error(&error))
    }
}

impl Function for Object<dyn MTLFunction> {
    fn function_constants(&self) -> Vec<FunctionConstant> {
        let constants = self.functionConstantsDictionary().allValues();
        let constants = constants.iter().map(|constant| FunctionConstant {
            index: constant.index() as u32,
            ty: DataType(constant.r#type().0),
        });
        constants.collect()
    }
}

impl Pipeline for Object<dyn MTLComputePipelineState> {
    fn max_total_threads_per_threadgroup(&self) -> usize {
        self.maxTotalThreadsPerThreadgroup()
    }

    fn thread_execution_width(&self) -> usize {
        self.threadExecutionWidth()
    }

    fn static_threadgroup_memory_length(&self) -> usize {
        self.staticThreadgroupMemoryLength()
    }
}

impl BinaryArchive<Apple> for Object<dyn MTLBinaryArchive> {
    fn add_compute_pipeline_functions(
        &self,
        function: &Object<dyn MTLFunction>,
        label: &str,
    ) -> Result<(), ApiError> {
        self.addComputePipelineFunctionsWithDescriptor_error(&pipeline_descriptor(function, label))
            .map_err(|error| api_error(&error))
    }

    fn serialize(&self, file: &Path) -> Result<(), ApiError> {
        self.serializeToURL_error(&url(file))
            .map_err(|error| api_error(&error))
    }
}

/// The same for a pipeline and for what an archive keeps of it.
fn pipeline_descriptor(
    function: &ProtocolObject<dyn MTLFunction>,
    label: &str,
) -> Retained<MTLComputePipelineDescriptor> {
    let descriptor = MTLComputePipelineDescriptor::new();
    descriptor.setLabel(Some(&NSString::from_str(label)));
    descriptor.setComputeFunction(Some(function));
    descriptor
}

fn url(file: &Path) -> Retained<NSURL> {
    NSURL::fileURLWithPath(&NSString::from_str(&file.to_string_lossy()))
}

impl ResidencySet<Apple> for Anywhere<dyn MTLResidencySet> {
    fn add_allocation(&self, buffer: &Anywhere<dyn MTLBuffer>) {
        self.0.addAllocation(allocation(buffer));
    }

    fn remove_allocation(&self, buffer: &Anywhere<dyn MTLBuffer>) {
        self.0.removeAllocation(allocation(buffer));
    }

    fn commit(&self) {
        self.0.commit();
    }

    fn request_residency(&self) {
        self.0.requestResidency();
    }
}

fn allocation(buffer: &Anywhere<dyn MTLBuffer>) -> &ProtocolObject<dyn MTLAllocation> {
    ProtocolObject::from_ref(&*buffer.0)
}
