//! A GPU as Rust sees it: `Device`, `Buffer`, `Tensor`, `Library`, `Pipeline`, `Pass`.
//!
//! Owns: memory, artefact loading, pipelines, validated launches, hazards and barriers, and the backends.
//! May not know: which kernels exist, what a model is.
//!
//! Two layers. The lower one, the backends, is thin, unsafe and validates nothing. The upper one is everything public here: it
//! checks every launch before it is recorded (arguments, alignment, grid, limits, aliasing), orders launches by the bytes they
//! touch, keeps buffers alive while a device uses them, and turns failures on the device into typed errors.

mod affine;
mod arguments;
mod artefact;
mod backend;
mod buffer;
mod constants;
#[cfg_attr(
    not(target_os = "linux"),
    allow(
        dead_code,
        clippy::unnecessary_cast,
        reason = "faults of kernels are caught on Linux only, and system types differ"
    )
)]
mod cpu;
mod cuda;
mod device;
mod diagnose;
mod error;
mod fault;
mod format;
mod grid;
mod hazard;
mod library;
#[cfg(any(target_os = "macos", feature = "mock-metal"))]
mod metal;
mod options;
mod pass;
mod pipeline;
mod pool;
mod recording;
mod shape;
mod storage;
mod submission;
mod tensor;
mod turbo;

pub use affine::{Affine, AffineScales};
pub use arguments::Arguments;
pub use buffer::{Buffer, Element};
pub use constants::{ConstantBits, ConstantSet};
pub use device::{Device, DeviceKind, Limits, MemoryInfo};
pub use error::{Error, LaunchError, Result};
pub use fault::{AccessKind, ArgumentSpace, BoundArgument, Fault, Near, Origin, Site};
pub use format::Format;
pub use grid::{Grid, Size};
pub use library::{
    EmbeddedArtefact, EmbeddedUnit, EmbeddedVariant, Library, PipelineRequest, Reloaded,
    WarmProgress, WarmReport,
};
pub use mettle_msl::{
    ArtefactArgument, ArtefactArgumentKind, Options as SourceOptions, TargetClass,
};
pub use options::{CacheFolder, DeviceOptions, MetalDevice, Preference};
pub use pass::{Binding, Pass};
pub use pipeline::{CodeOrigin, Pipeline, PipelineStats};
pub use pool::PoolStats;
pub use shape::Shape;
pub use submission::{GpuTime, KernelTime, Profile, Submission};
pub use tensor::{Scalar, Tensor};
pub use turbo::Turbo;
