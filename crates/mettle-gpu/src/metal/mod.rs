//! Apple GPUs.
//!
//! The backend is written against `api`, which has a method for each message that it sends to Metal; `objc` sends them, and `mock` stands in
//! for Metal on any machine. Nothing here has run on an Apple GPU yet: `objc` is type-checked for Apple's systems, the rest runs in tests
//! against `mock`.
//!
//! - **Memory** is shared between host and GPU where both use the same, else managed: copies on both sides that are brought together by
//!   `didModifyRange` before a launch reads and `synchronizeResource` before the host does. Mapped files are used in place by whole pages; a
//!   GPU with memory of its own gets them in private buffers, of which the host keeps no copy.
//! - **A submission** is one command buffer with one concurrent encoder, with a memory barrier only before launches that ask for it. It does not
//!   retain what it uses: the layer above keeps that alive, and bounds the number of submissions in flight.
//! - **To measure launches on their own**, the GPU records the time between them; where it can do so for encoders only, each gets one of its
//!   own, and where not at all, a command buffer of its own, a few of them in flight.
//! - **Machine code of pipelines** is kept between starts in Metal's binary archives, which the cache on disk holds: see `archive`.
//! - **Where the system has residency sets**, all memory of the device is in one, so that the system need not make it resident for each submission.
//! - **Every object has a label** for Xcode's tools: what memory is for, the unit of a library, the kernels of a pass.
//! - **Every call that makes Metal's objects** runs in an autorelease pool: a thread of Rust's has none of its own.

mod api;
mod archive;
mod clock;
mod code;
mod memory;
#[cfg(feature = "mock-metal")]
mod mock;
#[cfg(not(feature = "mock-metal"))]
mod objc;
mod residency;
mod submit;

use self::api::{Api, Buffer as _, Device as _, Sampling};
use self::archive::Archives;
use self::clock::Clock;
use self::code::{Code, Libraries, State};
use self::memory::Memory;
use self::residency::Residency;
use crate::backend::{
    Backend, Commands, LoadError, PipelineInfo, RawBuffer, RawCode, RawKernel, RawLibrary,
    RawPipeline, Submitted,
};
use crate::device::{DeviceKind, Limits, MemoryInfo};
use crate::error::{Error, Result};
use crate::options::{DeviceOptions, MetalDevice};
use mettle_msl::metal::{LIBRARY, SOURCE};
use std::ops::Range;
use std::sync::atomic::AtomicU64;

/// The backend over Apple's framework.
#[cfg(not(feature = "mock-metal"))]
pub(crate) type SystemBackend = MetalBackend<objc::Apple>;

/// The backend over the stand-in for it.
#[cfg(feature = "mock-metal")]
pub(crate) type SystemBackend = MetalBackend<mock::Mock>;

/// Lanes of a SIMD group of every GPU by Apple, which kernels count on.
const SIMD_WIDTH: usize = 32;

/// A device of Metal's.
pub(crate) struct MetalBackend<A: Api> {
    name: String,
    limits: Limits,
    unified: bool,
    fast_math: bool,
    /// Where encoders can record times.
    clock: Option<Clock>,
    sampling: Sampling,
    /// Submissions so far, to call them by.
    submissions: AtomicU64,
    libraries: Libraries<A>,
    archives: Archives,
    residency: Option<Residency<A>>,
    queue: A::Queue,
    device: A::Device,
}

impl<A: Api> MetalBackend<A> {
    /// # Errors
    /// [`Error::NoDevice`] when there is none like this; [`Error::Unsupported`] for options that Metal does not have.
    pub fn new(pick: &MetalDevice, options: &DeviceOptions) -> Result<Self> {
        A::autoreleasepool(|| {
            let device = choose::<A>(pick)?;
            let name = device.name();
            for (asked, what) in [
                (options.guard, "finding accesses outside of buffers"),
                (
                    options.budget.is_some(),
                    "a limit on the time of a submission",
                ),
            ] {
                if asked {
                    return Err(Error::Unsupported { device: name, what });
                }
            }
            let lacks = |what: &str| Error::NoDevice {
                reasons: format!("metal: {name} {what}"),
            };
            if !device.supports_nonuniform_threadgroups() {
                return Err(lacks("cannot run grids that threadgroups do not divide"));
            }
            let queue = device
                .new_command_queue("mettle")
                .ok_or_else(|| lacks("gives no command queue"))?;
            let residency = device
                .new_residency_set("mettle")
                .map(|set| Residency::new(set, &queue));
            let sampling = device.sampling();
            let common = Limits::default();
            let limits = Limits {
                max_threads_per_threadgroup: device.max_threads_per_threadgroup() as u32,
                max_threadgroup_memory: device.max_threadgroup_memory_length(),
                max_buffer_length: device.max_buffer_length().min(common.max_buffer_length),
                tensor_units: device.has_tensor_units(),
                ..common
            };
            Ok(MetalBackend {
                limits,
                unified: device.has_unified_memory(),
                fast_math: options.fast_math,
                clock: (sampling != Sampling::Never).then(|| Clock::start(device.gpu_timestamp())),
                sampling,
                submissions: AtomicU64::new(0),
                libraries: Libraries::default(),
                archives: Archives::new(
                    options.cache.open(),
                    format!(
                        "{name}, {}, {}",
                        device.architecture_name(),
                        A::operating_system_version()
                    ),
                ),
                residency,
                queue,
                device,
                name,
            })
        })
    }
}

/// The device that is asked for.
fn choose<A: Api>(pick: &MetalDevice) -> Result<A::Device> {
    if *pick == MetalDevice::Default {
        return A::create_system_default_device().ok_or_else(|| Error::NoDevice {
            reasons: "metal: this Mac has no GPU that a program without a window can use".into(),
        });
    }
    let mut names = Vec::new();
    for device in A::copy_all_devices() {
        let fits = match pick {
            MetalDevice::Default => true,
            MetalDevice::LowPower => device.is_low_power(),
            MetalDevice::Named(name) => device.name().to_lowercase().contains(&name.to_lowercase()),
        };
        if fits {
            return Ok(device);
        }
        names.push(device.name());
    }
    Err(Error::NoDevice {
        reasons: format!(
            "metal: no device is {pick}; there are: {}",
            names.join(", ")
        ),
    })
}

// SAFETY: memory is Metal's, cleared and page-aligned, and has the length asked for; a submission is complete when its command buffers are, and
// command buffers of one queue that use the same memory follow each other.
unsafe impl<A: Api> Backend for MetalBackend<A> {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Metal
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn memory(&self) -> MemoryInfo {
        let total = self.device.recommended_max_working_set_size();
        MemoryInfo {
            total,
            available: total.saturating_sub(self.device.current_allocated_size()),
        }
    }

    fn targets(&self) -> &[&'static str] {
        if self.fast_math {
            return &[SOURCE];
        }
        &[LIBRARY, SOURCE]
    }

    fn platform(&self) -> &str {
        self.archives.platform()
    }

    fn allocate(&self, bytes: usize) -> Result<RawBuffer> {
        self.new_memory(bytes).ok_or_else(|| Error::OutOfMemory {
            device: self.name.clone(),
            needed: bytes as u64,
            available: self.memory().available,
        })
    }

    unsafe fn address(&self, buffer: RawBuffer) -> Option<u64> {
        // SAFETY: the caller's promise: the buffer is alive.
        let memory = unsafe { Memory::<A>::of(buffer.handle) };
        Some(memory.buffer.gpu_address() + memory.base as u64)
    }

    unsafe fn label(
        &self,
        buffer: RawBuffer,
        part: Option<Range<usize>>,
        purpose: std::fmt::Arguments<'_>,
    ) {
        // SAFETY: the caller's promise: the buffer is alive.
        let memory = unsafe { Memory::<A>::of(buffer.handle) };
        self.label_memory(memory, part, &purpose.to_string());
    }

    unsafe fn free(&self, buffer: RawBuffer) {
        // SAFETY: the caller's promise: it is from `allocate`, and nobody uses it.
        unsafe { self.drop_memory(buffer) };
    }

    unsafe fn map_host(&self, bytes: &[u8]) -> Option<RawBuffer> {
        // SAFETY: the caller's promise.
        unsafe { self.wrap_memory(bytes) }
    }

    unsafe fn unmap_host(&self, buffer: RawBuffer) {
        // SAFETY: the caller's promise: it is from `map_host`, and nobody uses it.
        unsafe { self.drop_memory(buffer) };
    }

    unsafe fn read(&self, buffer: RawBuffer, offset: usize, into: &mut [u8]) -> Result<()> {
        // SAFETY: the caller's promise: the buffer is alive, the range lies in it, and nobody writes it.
        unsafe {
            let memory = Memory::<A>::of(buffer.handle);
            if memory.private {
                return self.fetch(memory, offset, into);
            }
            self.synchronize(memory)?;
            let from = memory.start().add(offset);
            std::ptr::copy_nonoverlapping(from.as_ptr(), into.as_mut_ptr(), into.len());
        }
        Ok(())
    }

    unsafe fn write(&self, buffer: RawBuffer, offset: usize, from: &[u8]) -> Result<()> {
        // SAFETY: the caller's promise: the buffer is alive, the range lies in it, and nobody else uses it.
        unsafe {
            let memory = Memory::<A>::of(buffer.handle);
            let into = memory.start().add(offset);
            std::ptr::copy_nonoverlapping(from.as_ptr(), into.as_ptr(), from.len());
            self.modified(memory, offset, from.len());
        }
        Ok(())
    }

    unsafe fn fill(&self, buffer: RawBuffer, offset: usize, bytes: usize, value: u8) -> Result<()> {
        // SAFETY: as for `write`.
        unsafe {
            let memory = Memory::<A>::of(buffer.handle);
            memory.start().add(offset).write_bytes(value, bytes);
            self.modified(memory, offset, bytes);
        }
        Ok(())
    }

    unsafe fn load(&self, code: RawCode<'_>) -> Result<RawLibrary, LoadError> {
        A::autoreleasepool(|| self.libraries.load(&self.device, &code, self.fast_math))
            .map(|code| RawLibrary(Box::into_raw(Box::new(code)).expose_provenance() as u64))
    }

    unsafe fn unload(&self, library: RawLibrary) {
        let code: *mut Code<A> = std::ptr::with_exposed_provenance_mut(library.0 as usize);
        // SAFETY: the caller's promise: it is from `load`, and nobody uses it.
        A::autoreleasepool(|| drop(unsafe { Box::from_raw(code) }));
    }

    unsafe fn pipeline(
        &self,
        library: RawLibrary,
        kernel: RawKernel<'_>,
    ) -> Result<RawPipeline, String> {
        let code: *const Code<A> = std::ptr::with_exposed_provenance(library.0 as usize);
        // SAFETY: the caller's promise: it is from `load` and not unloaded.
        let code = unsafe { &*code };
        let state =
            A::autoreleasepool(|| code.pipeline(&self.device, &self.archives, kernel.name))?;
        Ok(RawPipeline(state.expose_provenance() as u64))
    }

    unsafe fn pipeline_info(&self, pipeline: RawPipeline) -> Option<PipelineInfo> {
        // SAFETY: the caller's promise: it is from `pipeline`, and its library is loaded.
        Some(unsafe { State::<A>::of(pipeline) }.info())
    }

    unsafe fn submit(&self, commands: Commands<'_>) -> Submitted {
        if let Some(residency) = &self.residency {
            residency.commit();
        }
        // SAFETY: the caller's promise.
        A::autoreleasepool(|| unsafe { self.run(&commands) })
    }

    fn set_order_seed(&self, seed: Option<u64>) -> Result<()> {
        match seed {
            None => Ok(()),
            Some(_) => Err(Error::Unsupported {
                device: self.name.clone(),
                what: "an order of threads drawn from a seed",
            }),
        }
    }
}
