//! Buffers of Metal's, as the layer above knows them.

#[cfg(all(test, feature = "mock-metal"))]
mod tests;

use super::MetalBackend;
use super::api::{Api, Buffer as _, CommandBuffer as _, Device as _, Queue as _, Storage};
use crate::backend::RawBuffer;
use crate::error::{Error, Result};
use std::ops::Range;
use std::ptr::NonNull;

/// The largest alignment that is told of.
const LARGEST_ALIGNMENT: u32 = 4096;

/// What the starts and lengths of copies between buffers are multiples of.
const COPY_GRANULE: usize = 4;

/// Bytes that are copied at once between private memory and the host.
const STAGE: usize = 16 << 20;

/// A buffer; its address is the handle of the layer above.
pub(super) struct Memory<A: Api> {
    pub buffer: A::Buffer,
    /// Bytes of the buffer before the first that was asked for.
    pub base: usize,
    /// Whether the host cannot reach it.
    pub private: bool,
}

impl<A: Api> Memory<A> {
    /// # Safety
    /// The handle is of a buffer of this backend that lives as long as the reference.
    pub unsafe fn of<'a>(handle: u64) -> &'a Self {
        let memory: *const Self = std::ptr::with_exposed_provenance(handle as usize);
        // SAFETY: the caller's promise; handles are made by `keep` only.
        unsafe { &*memory }
    }

    /// The first byte, for the host; the buffer is not private.
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

    /// New memory; Metal clears it. Who gets it says what it is for.
    pub(super) fn new_memory(&self, bytes: usize) -> Option<RawBuffer> {
        let label = "memory not given out";
        let buffer =
            A::autoreleasepool(|| self.device.new_buffer(bytes.max(1), self.storage(), label))?;
        let memory = Memory {
            buffer,
            base: 0,
            private: false,
        };
        Some(self.keep(memory, bytes, true))
    }

    /// Memory over the whole pages that the bytes lie in. A GPU with memory of its own would read them over the bus at every use, so there
    /// they are copied.
    ///
    /// # Safety
    /// The bytes belong to a mapping of whole pages that stays valid and unchanged until the memory is dropped.
    pub(super) unsafe fn wrap_memory(&self, bytes: &[u8]) -> Option<RawBuffer> {
        if bytes.is_empty() {
            return None;
        }
        if !self.unified {
            return self.private_copy(bytes);
        }
        let page = page_size()?;
        let base = bytes.as_ptr().addr() % page;
        let length = (base + bytes.len()).next_multiple_of(page);
        if length > self.limits.max_buffer_length {
            return None;
        }
        let start = NonNull::new(bytes.as_ptr().wrapping_sub(base).cast_mut())?;
        // SAFETY: the pages are mapped, by the caller's promise, which also keeps them.
        let buffer = A::autoreleasepool(|| unsafe {
            self.device
                .new_buffer_no_copy(start.cast(), length, "mapped file")
        })?;
        let memory = Memory {
            buffer,
            base,
            private: false,
        };
        Some(self.keep(memory, bytes.len(), false))
    }

    /// Private memory with a copy of the bytes.
    fn private_copy(&self, bytes: &[u8]) -> Option<RawBuffer> {
        let length = bytes.len().next_multiple_of(COPY_GRANULE);
        if length > self.limits.max_buffer_length {
            return None;
        }
        let label = "copy of a mapped file";
        let buffer =
            A::autoreleasepool(|| self.device.new_buffer(length, Storage::Private, label))?;
        for start in (0..bytes.len()).step_by(STAGE) {
            let part = &bytes[start..bytes.len().min(start + STAGE)];
            let copied = self.stage(part.len(), |commands, stage, length| {
                // SAFETY: the stage is new, shared and as long as this; the ranges lie in both buffers, which live until the copy is complete.
                unsafe {
                    let into = stage.contents().as_ptr();
                    std::ptr::copy_nonoverlapping(part.as_ptr(), into, part.len());
                    commands.copy("fill private memory", (stage, 0), (&buffer, start), length);
                }
            });
            if let Err(error) = copied {
                tracing::warn!(%error, "a mapped file is not copied to private memory");
                return None;
            }
        }
        let memory = Memory {
            buffer,
            base: 0,
            private: true,
        };
        Some(self.keep(memory, bytes.len(), false))
    }

    /// Copies from private memory.
    pub(super) fn fetch(&self, memory: &Memory<A>, offset: usize, into: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < into.len() {
            let skip = (offset + done) % COPY_GRANULE;
            let from = offset + done - skip;
            let count = (into.len() - done).min(STAGE - COPY_GRANULE);
            let stage = self.stage(skip + count, |commands, stage, length| {
                // SAFETY: the range lies in the memory, whose length is a multiple of the granule, as its start is; both live until the copy
                // is complete.
                unsafe {
                    let from = (&memory.buffer, from);
                    commands.copy("read private memory", from, (stage, 0), length);
                }
            })?;
            // SAFETY: the stage is shared, as long as this, and the copy is complete.
            unsafe {
                let bytes = stage.contents().as_ptr().add(skip);
                let into = into[done..].as_mut_ptr();
                std::ptr::copy_nonoverlapping(bytes, into, count);
            }
            done += count;
        }
        Ok(())
    }

    /// Runs a copy between private memory and a new shared buffer of at least `bytes` bytes; `copy` gets its length, which can be copied.
    fn stage(
        &self,
        bytes: usize,
        copy: impl FnOnce(&A::CommandBuffer, &A::Buffer, usize),
    ) -> Result<A::Buffer> {
        let length = bytes.next_multiple_of(COPY_GRANULE);
        A::autoreleasepool(|| {
            let stage = self
                .device
                .new_buffer(length, Storage::Shared, "stage of a copy")
                .ok_or_else(|| self.copy_error("there is no memory for it".to_owned()))?;
            self.run_copies("copy", |commands| copy(commands, &stage, length))?;
            Ok(stage)
        })
    }

    /// Runs what `encode` encodes to its end.
    fn run_copies(&self, label: &str, encode: impl FnOnce(&A::CommandBuffer)) -> Result<()> {
        let commands = self
            .queue
            .command_buffer(label)
            .ok_or_else(|| self.copy_error("Metal gives no command buffer".to_owned()))?;
        encode(&commands);
        commands.commit();
        commands.wait_until_completed();
        match commands.error() {
            None => Ok(()),
            Some(error) => Err(self.copy_error(error.description)),
        }
    }

    fn copy_error(&self, reason: String) -> Error {
        Error::Device {
            device: self.name.clone(),
            action: "copy between the GPU's memory and the host's",
            reason,
        }
    }

    fn keep(&self, memory: Memory<A>, bytes: usize, zeroed: bool) -> RawBuffer {
        if let Some(residency) = &self.residency {
            residency.add(&memory.buffer);
        }
        let granule = LARGEST_ALIGNMENT.trailing_zeros();
        // Private memory is the GPU's from its first byte, which Metal puts at a page.
        let zeros = if memory.private {
            granule
        } else {
            memory.start().addr().trailing_zeros().min(granule)
        };
        RawBuffer {
            alignment: 1 << zeros,
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
        A::autoreleasepool(|| {
            if let Some(residency) = &self.residency {
                residency.remove(&memory.buffer);
            }
            drop(memory);
        });
    }

    /// Says what a part of memory is for, or all of it.
    pub(super) fn label_memory(
        &self,
        memory: &Memory<A>,
        part: Option<Range<usize>>,
        purpose: &str,
    ) {
        A::autoreleasepool(|| match part {
            None => memory.buffer.set_label(purpose),
            Some(part) => {
                let start = memory.base + part.start;
                memory.buffer.add_debug_marker(purpose, start, part.len());
            }
        });
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
        let label = "bring managed memory to the host";
        A::autoreleasepool(|| {
            self.run_copies(label, |commands| {
                commands.synchronize(label, &memory.buffer)
            })
        })
    }
}

/// Bytes of a page of host memory.
fn page_size() -> Option<usize> {
    // SAFETY: a question without side effects.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).ok().filter(|size| *size > 0)
}
