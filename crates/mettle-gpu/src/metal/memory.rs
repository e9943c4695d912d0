//! Buffers of Metal's, as the layer above knows them.

use super::MetalBackend;
use super::api::{Api, Buffer as _, CommandBuffer as _, Device as _, Queue as _, Storage};
use crate::backend::RawBuffer;
use crate::error::{Error, Result};
use std::ptr::NonNull;

/// The largest alignment that is told of.
const LARGEST_ALIGNMENT: u32 = 4096;

/// A buffer; its address is the handle of the layer above.
pub(super) struct Memory<A: Api> {
    pub buffer: A::Buffer,
    /// Bytes of the buffer before the first that was asked for.
    pub base: usize,
}

impl<A: Api> Memory<A> {
    /// # Safety
    /// The handle is of a buffer of this backend that lives as long as the reference.
    pub unsafe fn of<'a>(handle: u64) -> &'a Self {
        let memory: *const Self = std::ptr::with_exposed_provenance(handle as usize);
        // SAFETY: the caller's promise; handles are made by `keep` only.
        unsafe { &*memory }
    }

    /// The first byte, for the host.
    pub fn start(&self) -> NonNull<u8> {
        // SAFETY: the base lies in the buffer.
        unsafe { self.buffer.contents().add(self.base) }
    }
}

impl<A: Api> MetalBackend<A> {
    fn storage(&self) -> Storage {
        if self.unified {
            Storage::Shared
        } else {
            Storage::Managed
        }
    }

    /// New memory; Metal clears it.
    pub(super) fn new_memory(&self, bytes: usize) -> Option<RawBuffer> {
        let buffer = A::autoreleasepool(|| self.device.new_buffer(bytes.max(1), self.storage()))?;
        Some(self.keep(Memory { buffer, base: 0 }, bytes, true))
    }

    /// Memory over the whole pages that the bytes lie in. A GPU with memory of its own would read them over the bus at every use, so there
    /// they are better copied.
    ///
    /// # Safety
    /// The bytes belong to a mapping of whole pages that stays valid and unchanged until the memory is dropped.
    pub(super) unsafe fn wrap_memory(&self, bytes: &[u8]) -> Option<RawBuffer> {
        if !self.unified || bytes.is_empty() {
            return None;
        }
        let page = page_size()?;
        let base = bytes.as_ptr().addr() % page;
        let length = (base + bytes.len()).next_multiple_of(page);
        if length > self.limits.max_buffer_length {
            return None;
        }
        let start = NonNull::new(bytes.as_ptr().wrapping_sub(base).cast_mut())?;
        // SAFETY: the pages are mapped, by the caller's promise, which also keeps them.
        let buffer =
            A::autoreleasepool(|| unsafe { self.device.new_buffer_no_copy(start.cast(), length) })?;
        Some(self.keep(Memory { buffer, base }, bytes.len(), false))
    }

    fn keep(&self, memory: Memory<A>, bytes: usize, zeroed: bool) -> RawBuffer {
        if let Some(residency) = &self.residency {
            residency.add(&memory.buffer);
        }
        let address = memory.start().addr();
        RawBuffer {
            alignment: 1
                << address
                    .trailing_zeros()
                    .min(LARGEST_ALIGNMENT.trailing_zeros()),
            handle: Box::into_raw(Box::new(memory)).expose_provenance() as u64,
            bytes,
            zeroed,
        }
    }

    /// # Safety
    /// The buffer is of this backend, not dropped yet, and used by nobody.
    pub(super) unsafe fn drop_memory(&self, buffer: RawBuffer) {
        let memory: *mut Memory<A> = std::ptr::with_exposed_provenance_mut(buffer.handle as usize);
        // SAFETY: the caller's promise; handles are made by `keep` only.
        let memory = unsafe { Box::from_raw(memory) };
        if let Some(residency) = &self.residency {
            residency.remove(&memory.buffer);
        }
        A::autoreleasepool(|| drop(memory));
    }

    /// Tells the GPU that the host has written.
    pub(super) fn modified(&self, memory: &Memory<A>, offset: usize, length: usize) {
        if !self.unified {
            memory.buffer.did_modify_range(memory.base + offset, length);
        }
    }

    /// Lets the host see what the GPU has written.
    pub(super) fn synchronize(&self, memory: &Memory<A>) -> Result<()> {
        if self.unified {
            return Ok(());
        }
        let failed = |reason: String| Error::Device {
            device: self.name.clone(),
            action: "copy the GPU's memory to the host",
            reason,
        };
        A::autoreleasepool(|| {
            let commands = self
                .queue
                .command_buffer("mettle read")
                .ok_or_else(|| failed("Metal gives no command buffer".to_owned()))?;
            commands.synchronize(&memory.buffer);
            commands.commit();
            commands.wait_until_completed();
            match commands.error() {
                None => Ok(()),
                Some(error) => Err(failed(error.description)),
            }
        })
    }
}

/// Bytes of a page of host memory.
fn page_size() -> Option<usize> {
    // SAFETY: a question without side effects.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).ok().filter(|size| *size > 0)
}
