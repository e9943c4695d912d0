//! The host's processor as a device.

mod level;
mod memory;

use std::ptr::NonNull;

use crate::backend::{
    Backend, Commands, Completion, RawBuffer, RawKernel, RawLibrary, RawPipeline, Ticket,
};
use crate::device::{DeviceKind, Limits, MemoryInfo};
use crate::error::{Error, Result};

/// The CPU device.
pub(crate) struct CpuBackend {
    name: String,
    targets: &'static [&'static str],
    limits: Limits,
}

impl CpuBackend {
    /// # Errors
    /// [`Error::UnsupportedCpu`].
    pub fn new() -> Result<Self> {
        Ok(CpuBackend {
            name: level::processor_name(),
            targets: level::targets()?,
            limits: Limits::default(),
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
        let start = memory::allocate(bytes).ok_or_else(|| Error::OutOfMemory {
            device: self.name.clone(),
            needed: bytes as u64,
            available: memory::info().available,
        })?;
        Ok(RawBuffer {
            handle: start.as_ptr().expose_provenance() as u64,
            bytes,
            alignment: memory::PAGE,
            zeroed: true,
        })
    }

    unsafe fn free(&self, buffer: RawBuffer) {
        if let Some(start) = NonNull::new(address(buffer)) {
            // SAFETY: the caller's promise: it is from `allocate` and unused.
            unsafe { memory::free(start, buffer.bytes) };
        }
    }

    unsafe fn map_host(&self, bytes: &[u8]) -> Option<RawBuffer> {
        let handle = bytes.as_ptr().expose_provenance();
        Some(RawBuffer {
            handle: handle as u64,
            bytes: bytes.len(),
            alignment: 1 << handle.trailing_zeros().min(memory::PAGE.trailing_zeros()),
            zeroed: false,
        })
    }

    unsafe fn unmap_host(&self, _buffer: RawBuffer) {}

    unsafe fn read(&self, buffer: RawBuffer, offset: usize, into: &mut [u8]) {
        // SAFETY: the caller's promise: the range lies in the buffer and nobody writes it.
        unsafe {
            std::ptr::copy_nonoverlapping(
                address(buffer).add(offset),
                into.as_mut_ptr(),
                into.len(),
            )
        };
    }

    unsafe fn write(&self, buffer: RawBuffer, offset: usize, from: &[u8]) {
        // SAFETY: the caller's promise: the range lies in the buffer and nobody else uses it.
        unsafe {
            std::ptr::copy_nonoverlapping(from.as_ptr(), address(buffer).add(offset), from.len())
        };
    }

    unsafe fn fill(&self, buffer: RawBuffer, offset: usize, bytes: usize, value: u8) {
        // SAFETY: as for `write`.
        unsafe { std::ptr::write_bytes(address(buffer).add(offset), value, bytes) };
    }

    unsafe fn load(&self, _code: &[u8], _constants: &[(u32, u64)]) -> Result<RawLibrary, String> {
        Err("this build cannot load code".to_owned())
    }

    unsafe fn unload(&self, _library: RawLibrary) {}

    unsafe fn pipeline(
        &self,
        _library: RawLibrary,
        _kernel: RawKernel<'_>,
    ) -> Result<RawPipeline, String> {
        Err("this build cannot load code".to_owned())
    }

    unsafe fn submit(&self, _commands: Commands<'_>) -> Ticket {
        Ticket::Done(Completion::default())
    }

    fn set_order_seed(&self, _seed: Option<u64>) -> Result<()> {
        Err(Error::Unsupported {
            device: self.name.clone(),
            what: "an order seed",
        })
    }
}
