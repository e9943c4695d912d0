//! Typed memory of a device.

use std::any::type_name;
use std::marker::PhantomData;
use std::mem::size_of;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::storage::Storage;

/// What a buffer can hold: any plain old data.
pub trait Element: bytemuck::Pod + Send + Sync {}

impl<T: bytemuck::Pod + Send + Sync> Element for T {}

/// Typed memory of a device: a handle to shared storage, an offset and a length in elements.
///
/// Clones and slices share the storage. Host accesses wait for the submissions in flight that use it.
/// A launch that writes a buffer takes `&mut Buffer` in its binding, so the compiler sees what is written; slices of one buffer may be
/// written by one launch and read by another, and are ordered by the ranges they cover.
pub struct Buffer<T> {
    storage: Arc<Storage>,
    /// In bytes, from the start of the storage.
    offset: usize,
    /// In elements.
    len: usize,
    element: PhantomData<fn() -> T>,
}

impl<T> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Buffer {
            storage: self.storage.clone(),
            offset: self.offset,
            len: self.len,
            element: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer")
            .field("element", &type_name::<T>())
            .field("len", &self.len)
            .field("offset", &self.offset)
            .field("read_only", &self.is_read_only())
            .finish()
    }
}

impl<T> Buffer<T> {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The size in bytes.
    pub fn byte_len(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// Whether it is mapped read-only: such a buffer cannot be written by the host or by a launch.
    pub fn is_read_only(&self) -> bool {
        self.storage.is_read_only()
    }

    /// Whether both are views of the same storage that have bytes in common.
    pub fn overlaps<U>(&self, other: &Buffer<U>) -> bool {
        let end = (self.offset + self.byte_len()).min(other.offset + other.byte_len());
        Arc::ptr_eq(&self.storage, &other.storage) && self.offset.max(other.offset) < end
    }

    /// The address of the first element as kernels see it, for the pointers of an argument buffer; `None` where the device cannot tell.
    ///
    /// A launch that follows such a pointer must name the buffer: [`Arguments::reach`](crate::Arguments::reach).
    pub fn device_address(&self) -> Option<u64> {
        // SAFETY: the storage keeps its memory alive.
        let first = unsafe { self.storage.device.backend.address(self.storage.raw) }?;
        Some(first + self.offset as u64)
    }

    /// Says what it is for, to tools that show the device's memory (Xcode's, on Metal). What is not labelled is known by its type and length.
    pub fn label(&self, purpose: &str) {
        self.storage
            .label(self.offset..self.offset + self.byte_len(), purpose);
    }

    pub(crate) fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    /// The offset of the first element in the storage, in bytes.
    pub(crate) fn byte_offset(&self) -> usize {
        self.offset
    }

    /// The alignment of the first element: a power of two, at most that of the storage.
    pub fn alignment(&self) -> usize {
        let lowest = self.offset & self.offset.wrapping_neg();
        match lowest {
            0 => self.storage.raw.alignment,
            bit => bit.min(self.storage.raw.alignment),
        }
    }
}

impl<T: Element> Buffer<T> {
    /// A buffer over the first `len` elements of a storage that is large enough and aligned for any element.
    pub(crate) fn from_storage(storage: Arc<Storage>, len: usize) -> Self {
        Buffer {
            storage,
            offset: 0,
            len,
            element: PhantomData,
        }
    }

    /// The elements of a range, sharing the storage.
    ///
    /// # Errors
    /// [`Error::Range`] when the range is not within the buffer.
    pub fn slice(&self, range: Range<usize>) -> Result<Buffer<T>> {
        if range.start > range.end || range.end > self.len {
            return Err(Error::Range {
                what: "a buffer",
                range,
                len: self.len,
            });
        }
        Ok(Buffer {
            storage: self.storage.clone(),
            offset: self.offset + range.start * size_of::<T>(),
            len: range.len(),
            element: PhantomData,
        })
    }

    /// Both buffers as one, if the other begins where this one ends.
    pub(crate) fn followed_by(&self, other: &Buffer<T>) -> Option<Buffer<T>> {
        let follows = self.offset + self.byte_len() == other.offset;
        (follows && Arc::ptr_eq(&self.storage, &other.storage)).then(|| Buffer {
            len: self.len + other.len,
            ..self.clone()
        })
    }

    /// The same bytes as elements of another type.
    ///
    /// # Errors
    /// [`Error::Cast`] when the bytes are not a whole number of elements or not aligned for them.
    pub fn cast<U: Element>(&self) -> Result<Buffer<U>> {
        let refuse = |reason| Error::Cast {
            element: type_name::<U>(),
            bytes: self.byte_len(),
            alignment: self.alignment(),
            reason,
        };
        if size_of::<U>() == 0 {
            return Err(refuse("the element type has no bytes"));
        }
        if !self.byte_len().is_multiple_of(size_of::<U>()) {
            return Err(refuse("not a whole number of elements"));
        }
        if self.alignment() < align_of::<U>() {
            return Err(refuse("not aligned"));
        }
        Ok(Buffer {
            storage: self.storage.clone(),
            offset: self.offset,
            len: self.byte_len() / size_of::<U>(),
            element: PhantomData,
        })
    }

    /// Copies the elements to the host. Waits for submissions in flight that write the storage.
    ///
    /// # Errors
    /// The failure of a submission that wrote the storage.
    pub fn read(&self) -> Result<Vec<T>> {
        let mut out = vec![T::zeroed(); self.len];
        self.read_into(&mut out)?;
        Ok(out)
    }

    /// Copies the elements into a slice of the same length. Waits as [`Buffer::read`] does.
    ///
    /// # Errors
    /// [`Error::Length`]; the failure of a submission that wrote the storage.
    pub fn read_into(&self, out: &mut [T]) -> Result<()> {
        self.check_len("the slice to read into", out.len())?;
        self.storage
            .read(self.offset, bytemuck::cast_slice_mut(out))
    }

    /// Copies a slice of the same length to the device. Waits for submissions in flight that use the storage.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::ReadOnly`] for mapped memory.
    pub fn write(&mut self, data: &[T]) -> Result<()> {
        self.check_len("the slice to write", data.len())?;
        self.storage.write(self.offset, bytemuck::cast_slice(data))
    }

    /// Sets every byte. Waits as [`Buffer::write`] does.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] for mapped memory.
    pub fn fill_bytes(&mut self, value: u8) -> Result<()> {
        self.storage.fill(self.offset, self.byte_len(), value)
    }

    fn check_len(&self, what: &'static str, actual: usize) -> Result<()> {
        if actual == self.len {
            return Ok(());
        }
        Err(Error::Length {
            what,
            expected: self.len,
            actual,
        })
    }
}
