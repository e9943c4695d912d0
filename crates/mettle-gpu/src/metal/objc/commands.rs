//! Command buffers and encoders.

use super::error::{api_error, encoders};
use super::{Anywhere, Apple, Object};
use crate::metal::api::{ApiError, CommandBuffer, Encoder, NO_TIMESTAMP, Timestamps};
use objc2::runtime::ProtocolObject;
use objc2_foundation::{NSRange, NSString};
use objc2_metal::{
    MTLBarrierScope, MTLBlitCommandEncoder, MTLBuffer, MTLCommandBuffer, MTLCommandEncoder,
    MTLComputeCommandEncoder, MTLComputePassDescriptor, MTLComputePipelineState,
    MTLCounterSampleBuffer, MTLDispatchType, MTLResourceUsage, MTLSize,
};
use std::ptr::NonNull;

impl CommandBuffer<Apple> for Anywhere<dyn MTLCommandBuffer> {
    fn compute_command_encoder(
        &self,
        label: &str,
        timestamps: Option<(&Anywhere<dyn MTLCounterSampleBuffer>, usize)>,
    ) -> Option<Object<dyn MTLComputeCommandEncoder>> {
        let pass = MTLComputePassDescriptor::new();
        pass.setDispatchType(MTLDispatchType::Concurrent);
        if let Some((buffer, index)) = timestamps {
            // SAFETY: a descriptor has at least one attachment; the indices are of the buffer, by the caller's choice of its size.
            unsafe {
                let attachment = pass.sampleBufferAttachments().objectAtIndexedSubscript(0);
                attachment.setSampleBuffer(Some(&buffer.0));
                attachment.setStartOfEncoderSampleIndex(index);
                attachment.setEndOfEncoderSampleIndex(index + 1);
            }
        }
        let encoder = self.0.computeCommandEncoderWithDescriptor(&pass)?;
        encoder.setLabel(Some(&NSString::from_str(label)));
        Some(encoder)
    }

    fn synchronize(&self, label: &str, buffer: &Anywhere<dyn MTLBuffer>) {
        let Some(encoder) = self.0.blitCommandEncoder() else {
            return;
        };
        encoder.setLabel(Some(&NSString::from_str(label)));
        encoder.synchronizeResource(ProtocolObject::from_ref(&*buffer.0));
        encoder.endEncoding();
    }

    unsafe fn copy(
        &self,
        label: &str,
        (from, from_offset): (&Anywhere<dyn MTLBuffer>, usize),
        (to, to_offset): (&Anywhere<dyn MTLBuffer>, usize),
        length: usize,
    ) {
        let Some(encoder) = self.0.blitCommandEncoder() else {
            return;
        };
        encoder.setLabel(Some(&NSString::from_str(label)));
        // SAFETY: the caller's promise.
        unsafe {
            encoder.copyFromBuffer_sourceOffset_toBuffer_destinationOffset_size(
                &from.0,
                from_offset,
                &to.0,
                to_offset,
                length,
            );
        }
        encoder.endEncoding();
    }

    fn commit(&self) {
        self.0.commit();
    }

    fn wait_until_completed(&self) {
        self.0.waitUntilCompleted();
    }

    fn error(&self) -> Option<ApiError> {
        self.0.error().map(|error| {
            let encoders = encoders(&error);
            ApiError {
                encoders,
                ..api_error(&error)
            }
        })
    }

    fn gpu_start_time(&self) -> f64 {
        self.0.GPUStartTime()
    }

    fn gpu_end_time(&self) -> f64 {
        self.0.GPUEndTime()
    }
}

impl Encoder<Apple> for Object<dyn MTLComputeCommandEncoder> {
    fn set_compute_pipeline_state(&self, pipeline: &Object<dyn MTLComputePipelineState>) {
        self.setComputePipelineState(pipeline);
    }

    unsafe fn set_buffer(&self, buffer: &Anywhere<dyn MTLBuffer>, offset: usize, index: u32) {
        // SAFETY: the caller's promise.
        unsafe { self.setBuffer_offset_atIndex(Some(&buffer.0), offset, index as usize) };
    }

    fn set_bytes(&self, bytes: &[u8], index: u32) {
        // SAFETY: Metal copies the bytes before it returns; the index is an argument's.
        unsafe {
            self.setBytes_length_atIndex(NonNull::from(bytes).cast(), bytes.len(), index as usize);
        }
    }

    unsafe fn use_resource(&self, buffer: &Anywhere<dyn MTLBuffer>, written: bool) {
        let usage = match written {
            true => MTLResourceUsage::Read | MTLResourceUsage::Write,
            false => MTLResourceUsage::Read,
        };
        self.useResource_usage(ProtocolObject::from_ref(&*buffer.0), usage);
    }

    fn set_threadgroup_memory_length(&self, length: usize, index: u32) {
        // SAFETY: the index is an argument's.
        unsafe { self.setThreadgroupMemoryLength_atIndex(length, index as usize) };
    }

    fn memory_barrier(&self) {
        self.memoryBarrierWithScope(MTLBarrierScope::Buffers);
    }

    fn insert_debug_signpost(&self, text: &str) {
        self.insertDebugSignpost(&NSString::from_str(text));
    }

    fn sample_counters(&self, timestamps: &Anywhere<dyn MTLCounterSampleBuffer>, index: usize) {
        // SAFETY: the index is of the buffer, by the caller's choice of its size.
        unsafe {
            self.sampleCountersInBuffer_atSampleIndex_withBarrier(&timestamps.0, index, true);
        }
    }

    fn dispatch_threads(&self, threads: [u32; 3], threads_per_threadgroup: [u32; 3]) {
        self.dispatchThreads_threadsPerThreadgroup(size(threads), size(threads_per_threadgroup));
    }

    fn dispatch_threadgroups(&self, threadgroups: [u32; 3], threads_per_threadgroup: [u32; 3]) {
        self.dispatchThreadgroups_threadsPerThreadgroup(
            size(threadgroups),
            size(threads_per_threadgroup),
        );
    }

    fn end_encoding(&self) {
        self.endEncoding();
    }
}

impl Timestamps for Anywhere<dyn MTLCounterSampleBuffer> {
    fn resolve(&self, count: usize) -> Option<Vec<u64>> {
        // SAFETY: the caller asks for samples that the buffer has.
        let data = unsafe { self.0.resolveCounterRange(NSRange::new(0, count)) }?;
        let bytes = data.to_vec();
        let (samples, _) = bytes.as_chunks();
        let mut ticks: Vec<u64> = samples.iter().copied().map(u64::from_ne_bytes).collect();
        ticks.resize(count, NO_TIMESTAMP);
        Some(ticks)
    }
}

fn size([width, height, depth]: [u32; 3]) -> MTLSize {
    MTLSize {
        width: width as usize,
        height: height as usize,
        depth: depth as usize,
    }
}
