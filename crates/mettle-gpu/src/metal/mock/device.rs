//! Devices.

use super::archive::ArchiveObject;
use super::library::{FunctionObject, LibraryObject, PipelineObject};
use super::memory::BufferObject;
use super::timestamps::TimestampsObject;
use super::{Mock, QueueObject, ResidencyObject, World, autoreleased};
use crate::backend::Backend as _;
use crate::metal::api::{ApiError, Device, Lookup, Sampling, Storage};
use mettle_msl::metal::Language;
use std::ffi::c_void;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of a buffer at most.
const MAX_BUFFER_LENGTH: usize = 1 << 40;

/// First bytes of a metallib.
const METALLIB: &[u8] = b"MTLB";

/// A GPU of the stand-in's.
pub(super) struct Model {
    name: &'static str,
    architecture: &'static str,
    unified: bool,
    low_power: bool,
    sampling: Sampling,
    /// Whether the system has residency sets for it.
    residency: bool,
    tensor_units: bool,
}

/// As the latest of Apple's, as those of a Mac with two GPUs, and with no more than every Mac has.
pub(super) const MODELS: [Model; 3] = [
    Model {
        name: "Stand-in GPU",
        architecture: "stand-in-1",
        unified: true,
        low_power: false,
        sampling: Sampling::AtStageBoundary,
        residency: true,
        tensor_units: true,
    },
    Model {
        name: "Stand-in discrete GPU",
        architecture: "stand-in-2",
        unified: false,
        low_power: true,
        sampling: Sampling::AtDispatchBoundary,
        residency: true,
        tensor_units: false,
    },
    Model {
        name: "Stand-in plain GPU",
        architecture: "stand-in-3",
        unified: true,
        low_power: true,
        sampling: Sampling::Never,
        residency: false,
        tensor_units: false,
    },
];

/// `MTLDevice`
pub(crate) struct DeviceObject {
    world: Arc<World>,
    model: &'static Model,
}

impl DeviceObject {
    /// `None` where the CPU cannot run kernels.
    pub(super) fn new(model: &'static Model) -> Option<Self> {
        Some(DeviceObject {
            world: Arc::new(World::new(model.architecture, model.sampling)?),
            model,
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

impl Device<Mock> for DeviceObject {
    fn name(&self) -> String {
        autoreleased();
        self.model.name.to_owned()
    }

    fn architecture_name(&self) -> String {
        autoreleased();
        self.model.architecture.to_owned()
    }

    fn is_low_power(&self) -> bool {
        self.model.low_power
    }

    fn has_unified_memory(&self) -> bool {
        self.model.unified
    }

    fn supports_nonuniform_threadgroups(&self) -> bool {
        true
    }

    fn has_tensor_units(&self) -> bool {
        self.model.tensor_units
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

    fn new_buffer(&self, length: usize, storage: Storage, label: &str) -> Option<BufferObject> {
        assert!(
            (1..=MAX_BUFFER_LENGTH).contains(&length),
            "a buffer of {length} bytes"
        );
        assert!(
            storage != Storage::Managed || !self.model.unified,
            "managed storage where memory is unified"
        );
        BufferObject::new(&self.world, length, storage, label)
    }

    unsafe fn new_buffer_no_copy(
        &self,
        start: NonNull<c_void>,
        length: usize,
        label: &str,
    ) -> Option<BufferObject> {
        Some(BufferObject::over(&self.world, start.cast(), length, label))
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
        language: Language,
        fast_math: bool,
    ) -> Result<LibraryObject, ApiError> {
        autoreleased();
        assert_eq!(language, Language::of(source));
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
        self.model.residency.then(|| ResidencyObject {
            world: self.world.clone(),
        })
    }

    fn sampling(&self) -> Sampling {
        autoreleased();
        self.model.sampling
    }

    fn new_timestamps(&self, count: usize, label: &str) -> Result<TimestampsObject, ApiError> {
        autoreleased();
        assert!(
            self.model.sampling != Sampling::Never,
            "timestamps on a GPU that records none"
        );
        assert!(!label.is_empty(), "a buffer of timestamps has a label");
        TimestampsObject::new(&self.world, count)
            .ok_or_else(|| refusal(format!("{count} timestamps are too many")))
    }

    fn gpu_timestamp(&self) -> u64 {
        self.world.gpu_ticks()
    }
}
