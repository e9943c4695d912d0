//! Devices.

use super::archive::ArchiveObject;
use super::library::{FunctionObject, LibraryObject, PipelineObject};
use super::memory::BufferObject;
use super::timestamps::TimestampsObject;
use super::{Mock, QueueObject, ResidencyObject, World, autoreleased};
use crate::backend::Backend as _;
use crate::metal::api::{ApiError, Device, Lookup, Storage};
use std::ffi::c_void;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of a buffer at most.
const MAX_BUFFER_LENGTH: usize = 1 << 40;

/// First bytes of a metallib.
const METALLIB: &[u8] = b"MTLB";

/// `MTLDevice`
pub(crate) struct DeviceObject {
    world: Arc<World>,
    unified: bool,
}

impl DeviceObject {
    /// `None` where the CPU cannot run kernels.
    pub(super) fn new(unified: bool) -> Option<Self> {
        Some(DeviceObject {
            world: Arc::new(World::new(architecture(unified))?),
            unified,
        })
    }
}

fn refusal(description: String) -> ApiError {
    ApiError {
        description,
        code: 1,
        encoders: Vec::new(),
    }
}

fn architecture(unified: bool) -> &'static str {
    if unified { "stand-in-1" } else { "stand-in-2" }
}

impl Device<Mock> for DeviceObject {
    fn name(&self) -> String {
        autoreleased();
        if self.unified {
            "Stand-in GPU".to_owned()
        } else {
            "Stand-in discrete GPU".to_owned()
        }
    }

    fn architecture_name(&self) -> String {
        autoreleased();
        architecture(self.unified).to_owned()
    }

    fn is_low_power(&self) -> bool {
        !self.unified
    }

    fn has_unified_memory(&self) -> bool {
        self.unified
    }

    fn supports_nonuniform_threadgroups(&self) -> bool {
        true
    }

    fn max_threads_per_threadgroup(&self) -> usize {
        self.world.cpu.limits().max_threads_per_threadgroup as usize
    }

    fn max_threadgroup_memory_length(&self) -> usize {
        self.world.cpu.limits().max_threadgroup_memory
    }

    fn max_buffer_length(&self) -> usize {
        MAX_BUFFER_LENGTH
    }

    fn recommended_max_working_set_size(&self) -> u64 {
        self.world.cpu.memory().total
    }

    fn current_allocated_size(&self) -> u64 {
        self.world.allocated.load(Ordering::Relaxed)
    }

    fn new_command_queue(&self, label: &str) -> Option<QueueObject> {
        assert!(!label.is_empty(), "a queue has a label");
        Some(QueueObject {
            world: self.world.clone(),
        })
    }

    fn new_buffer(&self, length: usize, storage: Storage) -> Option<BufferObject> {
        assert!(
            (1..=MAX_BUFFER_LENGTH).contains(&length),
            "a buffer of {length} bytes"
        );
        assert!(
            storage != Storage::Managed || !self.unified,
            "managed storage where memory is unified"
        );
        BufferObject::new(&self.world, length, storage)
    }

    unsafe fn new_buffer_no_copy(
        &self,
        start: NonNull<c_void>,
        length: usize,
    ) -> Option<BufferObject> {
        Some(BufferObject::over(&self.world, start.cast(), length))
    }

    /// A metallib of the stand-in's is its first bytes and source.
    fn new_library_with_data(&self, data: &[u8]) -> Result<LibraryObject, ApiError> {
        autoreleased();
        let source = data
            .strip_prefix(METALLIB)
            .and_then(|source| std::str::from_utf8(source).ok());
        match source {
            Some(source) => LibraryObject::new(source, false),
            None => Err(refusal("Invalid library file".to_owned())),
        }
    }

    fn new_library_with_source(
        &self,
        source: &str,
        fast_math: bool,
    ) -> Result<LibraryObject, ApiError> {
        autoreleased();
        LibraryObject::new(source, fast_math)
    }

    fn new_compute_pipeline_state(
        &self,
        function: &FunctionObject,
        label: &str,
        archive: Lookup<'_, Mock>,
    ) -> Result<PipelineObject, ApiError> {
        autoreleased();
        assert!(!label.is_empty(), "a pipeline has a label");
        let found = match archive {
            Lookup::No => true,
            Lookup::First(archive) => {
                archive.has(&self.world, function);
                true
            }
            Lookup::Only(archive) => archive.has(&self.world, function),
        };
        if !found {
            return Err(refusal(format!("the archive has no code of {label}")));
        }
        PipelineObject::new(&self.world, function)
    }

    fn new_binary_archive(
        &self,
        file: Option<&Path>,
        label: &str,
    ) -> Result<ArchiveObject, ApiError> {
        autoreleased();
        assert!(!label.is_empty(), "a binary archive has a label");
        ArchiveObject::new(&self.world, file)
    }

    fn new_residency_set(&self, label: &str) -> Option<ResidencyObject> {
        autoreleased();
        assert!(!label.is_empty(), "a residency set has a label");
        Some(ResidencyObject {
            world: self.world.clone(),
        })
    }

    /// As real ones, the GPU that shares memory with the host does.
    fn supports_timestamps(&self) -> bool {
        autoreleased();
        self.unified
    }

    fn new_timestamps(&self, count: usize, label: &str) -> Result<TimestampsObject, ApiError> {
        autoreleased();
        assert!(self.unified, "timestamps on a GPU that records none");
        assert!(!label.is_empty(), "a buffer of timestamps has a label");
        TimestampsObject::new(&self.world, count)
            .ok_or_else(|| refusal(format!("{count} timestamps are too many")))
    }

    fn gpu_timestamp(&self) -> u64 {
        self.world.gpu_ticks()
    }
}
