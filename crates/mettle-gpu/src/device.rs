//! Devices: opening one, its memory, and what is made from it.

use std::mem::size_of;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::Mmap;

use crate::backend::{Backend, RawBuffer};
use crate::buffer::{Buffer, Element};
use crate::cpu::CpuBackend;
use crate::cuda::CudaBackend;
use crate::error::{Error, Result};
use crate::library::Registry;
use crate::options::{DeviceOptions, MetalDevice, Preference};
use crate::pass::Pass;
use crate::pipeline::PipelineStats;
use crate::pool::{Pool, PoolStats, size_class};
use crate::recording::Recording;
use crate::storage::Storage;
use crate::submission::Timeline;

/// Allocations from this size on are checked against the memory that is available: the question costs some microseconds.
const CHECKED_ALLOCATION: usize = 4 << 20;

/// Emptied recordings kept for reuse; more than one only where several threads record.
const KEPT_RECORDINGS: usize = 4;

/// The kinds of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceKind {
    /// The host's processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// An Apple GPU.
    Metal,
}

impl std::fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Cuda => "cuda",
            DeviceKind::Metal => "metal",
        })
    }
}

/// Memory sizes of a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryInfo {
    /// All there is.
    pub total: u64,
    /// What could be allocated now.
    pub available: u64,
}

/// What a device can hold and launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Threads in a threadgroup.
    pub max_threads_per_threadgroup: u32,
    /// Threads of a threadgroup in each direction.
    pub max_threads_in_direction: [u32; 3],
    /// Bytes of threadgroup memory, static and dynamic together.
    pub max_threadgroup_memory: usize,
    /// Bytes of threadgroup memory that the threadgroups on a compute unit have together, as far as the device tells; as
    /// much as one may have, at least.
    pub resident_threadgroup_memory: usize,
    /// Buffer arguments of a kernel; indices are below this.
    pub max_buffers: u32,
    /// Lanes of a SIMD group.
    pub simd_width: u32,
    /// Bytes of a buffer.
    pub max_buffer_length: usize,
    /// Processors that run threadgroups side by side: cores of a CPU that work for the device, multiprocessors of an NVIDIA GPU. Metal
    /// does not tell; then it is a number between those of small and large GPUs.
    pub compute_units: u32,
    /// Whether compute units have units that multiply matrices and that tensor operations (`matmul2d`) make more of than `simdgroup_matrix`: those
    /// of Apple GPUs from the family Apple10 on, where the system has Metal 4. Elsewhere tensor operations work, too, but slowly.
    pub tensor_units: bool,
}

impl Default for Limits {
    /// What every device offers, except for the length of buffers and the number of compute units.
    fn default() -> Self {
        Limits {
            max_threads_per_threadgroup: 1024,
            max_threads_in_direction: [1024; 3],
            max_threadgroup_memory: 32768,
            resident_threadgroup_memory: 32768,
            max_buffers: 31,
            simd_width: 32,
            max_buffer_length: isize::MAX as usize / 2,
            compute_units: 32,
            tensor_units: false,
        }
    }
}

/// A device: a cheap handle to shared state. Everything made from it keeps it open.
#[derive(Clone)]
pub struct Device {
    inner: Arc<DeviceInner>,
}

/// What handles of a device share.
pub(crate) struct DeviceInner {
    pub backend: Arc<dyn Backend>,
    pub timeline: Timeline,
    pub registry: Registry,
    pool: Pool,
    /// Emptied recordings, kept for their capacity.
    recordings: Mutex<Vec<Recording>>,
}

impl Device {
    /// Opens a device with default options.
    ///
    /// # Errors
    /// As for [`Device::open_with`].
    pub fn open(preference: Preference) -> Result<Device> {
        Device::open_with(preference, &DeviceOptions::default())
    }

    /// Opens a device. `Auto` takes the best present and logs which and why the others were not taken; a device asked for by
    /// name is never replaced by another.
    ///
    /// # Errors
    /// [`Error::UnsupportedCpu`] when the processor lacks what compiled kernels need; [`Error::NoDevice`] when there is no such device, or `Auto`
    /// finds none; [`Error::Unsupported`] for options that a device does not have.
    pub fn open_with(preference: Preference, options: &DeviceOptions) -> Result<Device> {
        let (backend, passed_over) = match &preference {
            Preference::Cpu | Preference::Cuda(_) | Preference::Auto if options.fast_math => {
                return Err(Error::Unsupported {
                    device: "a device that may not be Metal's".to_owned(),
                    what: "fast math chosen when a device is opened",
                });
            }
            Preference::Cpu => (cpu(options)?, String::new()),
            Preference::Cuda(index) => (cuda(*index, options)?, String::new()),
            Preference::Metal(pick) => (metal(pick, options)?, String::new()),
            Preference::Auto => best(options)?,
        };
        let device = Device::with_backend(backend, options);
        tracing::info!(
            device = device.name(),
            kind = %device.kind(),
            requested = ?preference,
            ?options,
            passed_over,
            "opened"
        );
        Ok(device)
    }

    /// Tries to open a device of every kind, in the order in which `Auto` does, which takes the first that opens.
    pub fn survey(options: &DeviceOptions) -> Vec<(DeviceKind, Result<Device>)> {
        let open = |kind| Ok(Device::with_backend(first(kind, options)?, options));
        KINDS.into_iter().map(|kind| (kind, open(kind))).collect()
    }

    fn with_backend(backend: Arc<dyn Backend>, options: &DeviceOptions) -> Device {
        let total = backend.memory().total;
        Device {
            inner: Arc::new(DeviceInner {
                backend,
                timeline: Timeline::default(),
                registry: Registry::new(options),
                pool: Pool::new(total / 8),
                recordings: Mutex::new(Vec::new()),
            }),
        }
    }

    pub(crate) fn inner(&self) -> &Arc<DeviceInner> {
        &self.inner
    }

    /// A name for people.
    pub fn name(&self) -> &str {
        self.inner.backend.name()
    }

    /// The kind of device.
    pub fn kind(&self) -> DeviceKind {
        self.inner.backend.kind()
    }

    /// Memory sizes, asked for anew at each call.
    pub fn memory(&self) -> MemoryInfo {
        self.inner.backend.memory()
    }

    /// What the device can hold and launch.
    pub fn limits(&self) -> &Limits {
        self.inner.backend.limits()
    }

    /// The artefact targets that the device can load, best first.
    pub fn targets(&self) -> &[&'static str] {
        self.inner.backend.targets()
    }

    /// A buffer of `len` elements with unspecified contents.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] with the bytes needed and available; [`Error::BufferTooLarge`].
    pub fn buffer<T: Element>(&self, len: usize) -> Result<Buffer<T>> {
        let (raw, bytes) = self.allocate::<T>(len)?;
        let storage = Storage::new(self.inner.clone(), raw, bytes, None);
        Ok(Buffer::from_storage(storage, len))
    }

    /// A buffer of `len` elements whose bytes are zero.
    ///
    /// # Errors
    /// As for [`Device::buffer`].
    pub fn zeros<T: Element>(&self, len: usize) -> Result<Buffer<T>> {
        let (raw, bytes) = self.allocate::<T>(len)?;
        let storage = Storage::new(self.inner.clone(), raw, bytes, None);
        let mut buffer = Buffer::from_storage(storage, len);
        if !raw.zeroed {
            buffer.fill_bytes(0)?;
        }
        Ok(buffer)
    }

    /// A buffer with a copy of the data.
    ///
    /// # Errors
    /// As for [`Device::buffer`].
    pub fn upload<T: Element>(&self, data: &[T]) -> Result<Buffer<T>> {
        let mut buffer = self.buffer(data.len())?;
        buffer.write(data)?;
        Ok(buffer)
    }

    /// Bytes of a mapped file: without a copy where the device can read host memory, or with one that only the device sees (a Mac's GPU with memory
    /// of its own); then the buffer is read-only. Else as [`Device::upload`].
    ///
    /// The file must not be changed while it is mapped.
    ///
    /// # Errors
    /// [`Error::Range`] when the range is not within the file; errors of [`Device::upload`] where a copy is needed.
    pub fn map(&self, file: Arc<Mmap>, range: Range<usize>) -> Result<Buffer<u8>> {
        let bytes = file.get(range.clone()).ok_or_else(|| Error::Range {
            what: "a mapped file",
            range: range.clone(),
            len: file.len(),
        })?;
        // SAFETY: the mapping is kept in the storage until the buffer is freed. That nobody changes the file is the contract of
        // whoever made the `Mmap`.
        match unsafe { self.inner.backend.map_host(bytes) } {
            Some(raw) => {
                let storage =
                    Storage::new(self.inner.clone(), raw, bytes.len(), Some(file.clone()));
                Ok(Buffer::from_storage(storage, bytes.len()))
            }
            None => self.upload(bytes),
        }
    }

    /// What the buffer pool has done so far.
    pub fn pool_stats(&self) -> PoolStats {
        self.inner.pool.stats()
    }

    /// Frees the memory that the pool keeps for reuse.
    pub fn trim(&self) {
        self.inner.trim();
    }

    /// What loading artefacts and looking up pipelines has cost so far.
    pub fn pipeline_stats(&self) -> PipelineStats {
        self.inner.registry.stats()
    }

    /// Begins to record launches.
    pub fn pass(&self) -> Pass {
        self.reload_if_due();
        let recording = self
            .inner
            .recordings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
            .unwrap_or_default();
        Pass::new(self.clone(), recording)
    }

    /// Runs threads, SIMD groups and threadgroups in an order drawn from the seed from now on; `None`: in the natural order. A
    /// correct kernel computes the same. Used to find kernels that lack a barrier.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on devices that choose the order themselves.
    pub fn set_order_seed(&self, seed: Option<u64>) -> Result<()> {
        self.inner.backend.set_order_seed(seed)
    }

    /// Memory for `len` elements and its size in bytes as asked for.
    fn allocate<T: Element>(&self, len: usize) -> Result<(RawBuffer, usize)> {
        let limit = self.limits().max_buffer_length;
        let too_large = Error::BufferTooLarge {
            len,
            element_size: size_of::<T>(),
            limit,
        };
        if size_of::<T>() == 0 {
            return Err(Error::Cast {
                element: std::any::type_name::<T>(),
                bytes: 0,
                alignment: align_of::<T>(),
                reason: "the element type has no bytes",
            });
        }
        match len.checked_mul(size_of::<T>()) {
            Some(bytes) if bytes <= limit => {
                let raw = self.inner.allocate(bytes)?;
                // SAFETY: the memory was just allocated.
                unsafe {
                    let element = std::any::type_name::<T>();
                    let backend = &self.inner.backend;
                    backend.label(raw, None, format_args!("{len} values of {element}"));
                }
                Ok((raw, bytes))
            }
            _ => Err(too_large),
        }
    }
}

fn cpu(options: &DeviceOptions) -> Result<Arc<dyn Backend>> {
    if !cfg!(target_os = "linux") {
        return Err(Error::NoDevice {
            reasons: "cpu: compiled kernels are shared objects for Linux".to_owned(),
        });
    }
    Ok(Arc::new(CpuBackend::new(options)?))
}

fn cuda(index: usize, options: &DeviceOptions) -> Result<Arc<dyn Backend>> {
    match CudaBackend::new(index, options) {
        Ok(backend) => Ok(Arc::new(backend)),
        Err(reason) => Err(Error::NoDevice {
            reasons: format!("cuda:{index}: {reason}"),
        }),
    }
}

#[cfg(any(target_os = "macos", feature = "mock-metal"))]
fn metal(pick: &MetalDevice, options: &DeviceOptions) -> Result<Arc<dyn Backend>> {
    Ok(Arc::new(crate::metal::SystemBackend::new(pick, options)?))
}

#[cfg(not(any(target_os = "macos", feature = "mock-metal")))]
fn metal(_: &MetalDevice, _: &DeviceOptions) -> Result<Arc<dyn Backend>> {
    Err(Error::NoDevice {
        reasons: "metal: only macOS has it".to_owned(),
    })
}

/// Nobody means the stand-in unless it is asked for.
fn metal_for_auto(options: &DeviceOptions) -> Result<Arc<dyn Backend>> {
    if cfg!(feature = "mock-metal") {
        return Err(Error::NoDevice {
            reasons: "metal: this build has a stand-in only".to_owned(),
        });
    }
    metal(&MetalDevice::Default, options)
}

/// The kinds of devices, the best first.
const KINDS: [DeviceKind; 3] = [DeviceKind::Metal, DeviceKind::Cuda, DeviceKind::Cpu];

/// The first device of a kind.
fn first(kind: DeviceKind, options: &DeviceOptions) -> Result<Arc<dyn Backend>> {
    match kind {
        DeviceKind::Metal => metal_for_auto(options),
        DeviceKind::Cuda => cuda(0, options),
        DeviceKind::Cpu => cpu(options),
    }
}

/// The best device there is, and why those better than it were not taken.
fn best(options: &DeviceOptions) -> Result<(Arc<dyn Backend>, String)> {
    let mut reasons = Vec::new();
    for kind in KINDS {
        match first(kind, options) {
            Ok(backend) => return Ok((backend, reasons.join("; "))),
            Err(Error::NoDevice { reasons: reason }) => reasons.push(reason),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(Error::NoDevice {
        reasons: reasons.join("; "),
    })
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("kind", &self.kind())
            .field("name", &self.name())
            .finish()
    }
}

impl DeviceInner {
    /// Memory from the pool or the device.
    fn allocate(&self, bytes: usize) -> Result<RawBuffer> {
        let class = if self.backend.keeps_memory() {
            size_class(bytes)
        } else {
            bytes
        };
        if self.backend.keeps_memory()
            && let Some(buffer) = self.pool.take(class)
        {
            return Ok(buffer);
        }
        if class >= CHECKED_ALLOCATION {
            self.check_available(class)?;
        }
        let buffer = self.backend.allocate(class).or_else(|error| {
            if self.trim() == 0 {
                return Err(error);
            }
            self.backend.allocate(class)
        })?;
        self.pool.allocated(buffer.bytes);
        Ok(buffer)
    }

    fn check_available(&self, bytes: usize) -> Result<()> {
        let mut memory = self.backend.memory();
        if bytes as u64 > memory.available && self.trim() > 0 {
            memory = self.backend.memory();
        }
        if bytes as u64 <= memory.available {
            return Ok(());
        }
        Err(Error::OutOfMemory {
            device: self.backend.name().to_owned(),
            needed: bytes as u64,
            available: memory.available,
        })
    }

    /// Keeps memory for reuse or frees it.
    pub fn release(&self, buffer: RawBuffer) {
        let unkept = if self.backend.keeps_memory() {
            self.pool.give(buffer)
        } else {
            self.pool.freed(buffer.bytes);
            Some(buffer)
        };
        if let Some(buffer) = unkept {
            // SAFETY: the pool handed it back, so nobody else has it.
            unsafe { self.backend.free(buffer) };
        }
    }

    /// Frees what the pool keeps; returns the number of buffers.
    fn trim(&self) -> usize {
        let buffers = self.pool.drain();
        let count = buffers.len();
        for buffer in buffers {
            // SAFETY: the pool handed it back, so nobody else has it.
            unsafe { self.backend.free(buffer) };
        }
        count
    }

    /// Keeps an empty recording for its capacity.
    pub fn recycle(&self, mut recording: Recording) {
        recording.clear();
        let mut recordings = self
            .recordings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if recordings.len() < KEPT_RECORDINGS {
            recordings.push(recording);
        }
    }
}

impl Drop for DeviceInner {
    fn drop(&mut self) {
        self.trim();
    }
}
