//! The host's processor as a device.

mod code;
mod crew;
mod executor;
mod fiber;
mod guard;
mod guarded;
mod landing;
mod level;
mod log;
mod memory;
mod order;
mod patience;
mod prepare;
mod simd_group;
mod stop;
mod threadgroup_memory;
mod ticket;
mod trap;
mod watchdog;
mod worker;

use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use self::code::Code;
use self::crew::Crew;
use self::guard::Guard;
use crate::backend::{
    Backend, Commands, Extent, LoadError, RawBuffer, RawCode, RawKernel, RawLibrary, RawPipeline,
    Submitted,
};
use crate::device::{DeviceKind, Limits, MemoryInfo};
use crate::error::{Error, Result};
use crate::options::DeviceOptions;

/// The CPU device.
pub(crate) struct CpuBackend {
    name: String,
    targets: &'static [&'static str],
    limits: Limits,
    crew: Crew,
    guard: Option<Guard>,
    order_seed: Mutex<Option<u64>>,
}

impl CpuBackend {
    /// # Errors
    /// [`Error::UnsupportedCpu`].
    pub fn new(options: &DeviceOptions) -> Result<Self> {
        let workers = options
            .workers
            .or(std::thread::available_parallelism().ok())
            .map_or(1, usize::from);
        Ok(CpuBackend {
            name: level::processor_name(),
            targets: level::targets()?,
            limits: Limits {
                compute_units: workers as u32,
                ..Limits::default()
            },
            crew: Crew::new(workers, options),
            guard: options.guard.then(Guard::default),
            order_seed: Mutex::new(None),
        })
    }
}

/// The address that a buffer's handle is.
fn address(buffer: RawBuffer) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(buffer.handle as usize)
}

// SAFETY: memory comes from the operating system, zeroed, page-aligned and of the size stated; `submit` returns only when
// every worker is done with it.
unsafe impl Backend for CpuBackend {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Cpu
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn memory(&self) -> MemoryInfo {
        memory::info()
    }

    fn targets(&self) -> &[&'static str] {
        self.targets
    }

    fn allocate(&self, bytes: usize) -> Result<RawBuffer> {
        let out_of_memory = || Error::OutOfMemory {
            device: self.name.clone(),
            needed: bytes as u64,
            available: memory::info().available,
        };
        if let Some(guard) = &self.guard {
            return guard.allocate(bytes).ok_or_else(out_of_memory);
        }
        let start = memory::allocate(bytes).ok_or_else(out_of_memory)?;
        Ok(RawBuffer {
            handle: start.as_ptr().expose_provenance() as u64,
            bytes,
            alignment: memory::PAGE,
            zeroed: true,
        })
    }

    fn keeps_memory(&self) -> bool {
        self.guard.is_none()
    }

    fn extent(&self, buffer: RawBuffer) -> Option<Extent> {
        if let Some(guard) = &self.guard {
            return guard.extent(buffer);
        }
        Some(Extent {
            address: buffer.handle,
            reach: 0,
        })
    }

    unsafe fn address(&self, buffer: RawBuffer) -> Option<u64> {
        Some(buffer.handle)
    }

    unsafe fn free(&self, buffer: RawBuffer) {
        if let Some(guard) = &self.guard {
            return guard.free(buffer);
        }
        if let Some(start) = NonNull::new(address(buffer)) {
            // SAFETY: the caller's promise: it is from `allocate` and unused.
            unsafe { memory::free(start, buffer.bytes) };
        }
    }

    unsafe fn map_host(&self, bytes: &[u8]) -> Option<RawBuffer> {
        if self.guard.is_some() {
            // Pages of files have no guards: a copy does.
            return None;
        }
        let handle = bytes.as_ptr().expose_provenance();
        Some(RawBuffer {
            handle: handle as u64,
            bytes: bytes.len(),
            alignment: 1 << handle.trailing_zeros().min(memory::PAGE.trailing_zeros()),
            zeroed: false,
        })
    }

    unsafe fn unmap_host(&self, _buffer: RawBuffer) {}

    unsafe fn read(&self, buffer: RawBuffer, offset: usize, into: &mut [u8]) -> Result<()> {
        // SAFETY: the caller's promise: the range lies in the buffer and nobody writes it.
        unsafe {
            std::ptr::copy_nonoverlapping(
                address(buffer).add(offset),
                into.as_mut_ptr(),
                into.len(),
            )
        };
        Ok(())
    }

    unsafe fn write(&self, buffer: RawBuffer, offset: usize, from: &[u8]) -> Result<()> {
        // SAFETY: the caller's promise: the range lies in the buffer and nobody else uses it.
        unsafe {
            std::ptr::copy_nonoverlapping(from.as_ptr(), address(buffer).add(offset), from.len())
        };
        Ok(())
    }

    unsafe fn fill(&self, buffer: RawBuffer, offset: usize, bytes: usize, value: u8) -> Result<()> {
        // SAFETY: as for `write`.
        unsafe { std::ptr::write_bytes(address(buffer).add(offset), value, bytes) };
        Ok(())
    }

    unsafe fn load(&self, code: RawCode<'_>) -> Result<RawLibrary, LoadError> {
        // SAFETY: the caller's promise.
        let code = Box::new(unsafe { Code::load(code.bytes, code.constants) }?);
        Ok(RawLibrary(Box::into_raw(code).expose_provenance() as u64))
    }

    unsafe fn unload(&self, library: RawLibrary) {
        let code: *mut Code = std::ptr::with_exposed_provenance_mut(library.0 as usize);
        // SAFETY: the caller's promise: it is from `load`, and nobody uses it.
        drop(unsafe { Box::from_raw(code) });
    }

    unsafe fn pipeline(
        &self,
        library: RawLibrary,
        kernel: RawKernel<'_>,
    ) -> Result<RawPipeline, String> {
        let code: *const Code = std::ptr::with_exposed_provenance(library.0 as usize);
        // SAFETY: the caller's promise: it is from `load` and not unloaded.
        let kernel = unsafe { (*code).kernel(kernel) }?;
        Ok(RawPipeline(kernel.expose_provenance() as u64))
    }

    unsafe fn submit(&self, commands: Commands<'_>) -> Submitted {
        let seed = *self
            .order_seed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the caller's promise; `run` returns when every worker is done.
        Submitted::Complete(unsafe { self.crew.run(&commands, seed, self.guard.as_ref()) })
    }

    fn set_order_seed(&self, seed: Option<u64>) -> Result<()> {
        *self
            .order_seed
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = seed;
        Ok(())
    }
}
