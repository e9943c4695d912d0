//! Pipelines: a kernel with its function constants, ready to launch.

use std::sync::Arc;

use mettle_msl::{Artefact, ArtefactArgument, ArtefactKernel};

use crate::backend::RawPipeline;
use crate::constants::ConstantSet;
use crate::device::Device;
use crate::library::Loaded;

/// A kernel with its function constants, ready to launch on one device. Cheap to clone.
///
/// Bindings look their pipelines up by themselves; this type serves kernels that are only known at run time.
#[derive(Clone)]
pub struct Pipeline {
    pub(crate) device: Device,
    pub(crate) inner: Arc<PipelineInner>,
}

impl Pipeline {
    /// The kernel's host name.
    pub fn kernel(&self) -> &str {
        &self.inner.kernel.name
    }

    /// What the kernel binds: names, indices, kinds, and the size and alignment of elements, in the order of its signature.
    pub fn arguments(&self) -> &[ArtefactArgument] {
        &self.inner.kernel.arguments
    }

    /// Whether the compiled kernel uses barriers or SIMD-group operations.
    pub fn synchronises(&self) -> bool {
        self.inner.kernel.synchronises
    }

    /// Where its code came from.
    pub fn origin(&self) -> CodeOrigin {
        self.inner.origin
    }

    /// Bytes of threadgroup memory declared in the kernel.
    pub fn static_threadgroup_memory(&self) -> usize {
        self.inner.kernel.static_threadgroup_memory
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pipeline").field(&self.kernel()).finish()
    }
}

/// Where the code of a pipeline came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CodeOrigin {
    /// It is embedded in the program, or an artefact that the caller gave.
    Embedded,
    /// The disk cache had it.
    Cached,
    /// It was compiled now.
    Compiled,
    /// The device's driver compiled its source.
    Source,
}

impl std::fmt::Display for CodeOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CodeOrigin::Embedded => "embedded",
            CodeOrigin::Cached => "cached",
            CodeOrigin::Compiled => "compiled",
            CodeOrigin::Source => "source",
        })
    }
}

/// What handles of a pipeline share.
pub(crate) struct PipelineInner {
    pub raw: RawPipeline,
    pub kernel: ArtefactKernel,
    /// The values of its function constants.
    pub constants: ConstantSet,
    /// Threads that a threadgroup may have.
    pub max_threads: u32,
    pub origin: CodeOrigin,
    /// What places in the source are looked up in.
    pub artefact: Arc<Artefact>,
    /// Keeps the code loaded.
    pub _library: Arc<Loaded>,
}

/// What loading artefacts and looking up pipelines has cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PipelineStats {
    /// Artefacts loaded with constants fixed when they were compiled.
    pub specialised_libraries: u64,
    /// Private copies of generic artefacts loaded, their constants set at load time.
    pub generic_libraries: u64,
    /// Artefacts loaded that are embedded in the program.
    pub embedded: u64,
    /// Artefacts loaded from the disk cache.
    pub cached: u64,
    /// Artefacts compiled and loaded.
    pub compiled: u64,
    /// Sources that the device's driver compiled.
    pub source: u64,
    /// Pipelines made.
    pub pipelines: u64,
    /// Those of them whose machine code was kept from an earlier start, where the device's driver makes it of code for many GPUs (Metal).
    pub archived: u64,
    /// Pipelines asked for that cannot be made.
    pub failed: u64,
    /// Pipelines made of another artefact than the first that should have served.
    pub fallbacks: u64,
    /// Sources registered at run time.
    pub sources: u64,
}
