//! The memory behind buffers: who owns it, when the device is done with it, what became of it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use memmap2::Mmap;

use crate::backend::RawBuffer;
use crate::device::DeviceInner;
use crate::error::{Error, Result};

/// One allocation or mapping. Buffers and tensors share it; a submission keeps it alive.
pub(crate) struct Storage {
    pub device: Arc<DeviceInner>,
    pub raw: RawBuffer,
    /// The bytes asked for; the memory may be larger.
    bytes: usize,
    /// The file that the memory is mapped from; such memory is read-only.
    mapped: Option<Arc<Mmap>>,
    /// The serial of the last submission that uses it.
    pub last_use: AtomicU64,
    /// The serial of the last submission that writes it.
    pub last_write: AtomicU64,
    /// Host accesses: many readers or one writer.
    host: RwLock<()>,
    poisoned: AtomicBool,
    poison: Mutex<Option<Error>>,
}

impl Storage {
    /// Takes over memory that `raw` names, of which `bytes` bytes were asked for.
    pub fn new(
        device: Arc<DeviceInner>,
        raw: RawBuffer,
        bytes: usize,
        mapped: Option<Arc<Mmap>>,
    ) -> Arc<Self> {
        Arc::new(Storage {
            device,
            raw,
            bytes,
            mapped,
            last_use: AtomicU64::new(0),
            last_write: AtomicU64::new(0),
            host: RwLock::new(()),
            poisoned: AtomicBool::new(false),
            poison: Mutex::new(None),
        })
    }

    /// Says what a range is for, to tools that show the device's memory.
    pub fn label(&self, range: Range<usize>, purpose: &str) {
        let whole = range == (0..self.bytes);
        let part = (!whole).then_some(range);
        // SAFETY: the memory is alive, and callers pass ranges of a buffer, which lie in it.
        unsafe {
            let backend = &self.device.backend;
            backend.label(self.raw, part, format_args!("{purpose}"));
        }
    }

    pub fn is_read_only(&self) -> bool {
        self.mapped.is_some()
    }

    /// Marks the contents as unknown because a submission that wrote them failed.
    pub fn set_poison(&self, error: &Error) {
        *self.poison.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        self.poisoned.store(true, Ordering::Release);
    }

    /// The failure that made the contents unknown, if any.
    pub fn poison(&self) -> Option<Error> {
        if !self.poisoned.load(Ordering::Acquire) {
            return None;
        }
        self.poison
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Copies bytes to the host, after the submissions that write them.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<()> {
        let _gate = self.device.timeline.host_access(&self.last_write);
        let _host = self.host.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = self.poison() {
            return Err(error);
        }
        // SAFETY: callers pass ranges of a buffer, which lie in the storage. Submissions that write it are complete and
        // the gate keeps new ones from starting; the lock keeps host writers out.
        unsafe { self.device.backend.read(self.raw, offset, into) }
    }

    /// Copies bytes to the device, after the submissions that use the storage.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<()> {
        self.exclusive(offset, from.len(), || {
            // SAFETY: as in `read`, and nobody else reads or writes, see `exclusive`.
            unsafe { self.device.backend.write(self.raw, offset, from) }
        })
    }

    /// Sets every byte of a range, after the submissions that use the storage.
    pub fn fill(&self, offset: usize, bytes: usize, value: u8) -> Result<()> {
        self.exclusive(offset, bytes, || {
            // SAFETY: as in `write`.
            unsafe { self.device.backend.fill(self.raw, offset, bytes, value) }
        })
    }

    /// Runs a host write of a range while neither the device nor another host access uses the storage.
    fn exclusive(
        &self,
        offset: usize,
        bytes: usize,
        write: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        if self.is_read_only() {
            return Err(Error::ReadOnly);
        }
        let _gate = self.device.timeline.host_access(&self.last_use);
        let _host = self.host.write().unwrap_or_else(PoisonError::into_inner);
        write()?;
        if offset == 0 && bytes == self.bytes {
            self.poisoned.store(false, Ordering::Release);
        }
        Ok(())
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if self.mapped.is_some() {
            // SAFETY: the last handle is gone and submissions hold handles, so nobody uses it.
            unsafe { self.device.backend.unmap_host(self.raw) };
        } else {
            self.device.release(self.raw);
        }
    }
}
