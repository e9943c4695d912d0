//! Buffers.

use super::World;
use crate::backend::{Backend as _, RawBuffer};
use crate::metal::api::{Buffer, Storage};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of a page of host memory, at least.
const PAGE: usize = 4096;

/// `MTLBuffer`
pub(crate) struct BufferObject {
    world: Arc<World>,
    object: u64,
    length: usize,
    /// Address of what the host sees.
    host: u64,
    /// Address of what the GPU sees: the same, unless the buffer is managed.
    gpu: u64,
    /// To be given back.
    owned: Vec<RawBuffer>,
}

/// The bytes of a managed buffer, to be copied to the host when the GPU has written them.
#[derive(Clone, Copy)]
pub(super) struct Copies {
    host: u64,
    gpu: u64,
    length: usize,
}

impl BufferObject {
    pub(super) fn new(world: &Arc<World>, length: usize, storage: Storage) -> Option<Self> {
        let host = world.cpu.allocate(length).ok()?;
        let mut owned = vec![host];
        if storage == Storage::Managed {
            owned.push(world.cpu.allocate(length).ok()?);
        }
        world.allocated.fetch_add(length as u64, Ordering::Relaxed);
        Some(BufferObject {
            world: world.clone(),
            object: world.new_object(),
            length,
            host: host.handle,
            gpu: owned.last()?.handle,
            owned,
        })
    }

    pub(super) fn over(world: &Arc<World>, start: NonNull<u8>, length: usize) -> Self {
        assert!(
            start.addr().get().is_multiple_of(PAGE) && length.is_multiple_of(PAGE),
            "memory used without a copy is not of whole pages"
        );
        let address = start.as_ptr().expose_provenance() as u64;
        BufferObject {
            world: world.clone(),
            object: world.new_object(),
            length,
            host: address,
            gpu: address,
            owned: Vec::new(),
        }
    }

    pub(super) fn object(&self) -> u64 {
        self.object
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn gpu_address(&self) -> u64 {
        self.gpu
    }

    pub(super) fn copies(&self) -> Copies {
        assert!(
            self.host != self.gpu,
            "only managed buffers are synchronised"
        );
        Copies {
            host: self.host,
            gpu: self.gpu,
            length: self.length,
        }
    }
}

fn pointer(address: u64) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(address as usize)
}

impl Copies {
    /// # Safety
    /// The buffer is alive, and nobody uses it.
    pub unsafe fn to_host(self) {
        // SAFETY: both copies are as long as the buffer, and apart.
        unsafe { pointer(self.host).copy_from_nonoverlapping(pointer(self.gpu), self.length) };
    }
}

impl Buffer for BufferObject {
    fn contents(&self) -> NonNull<u8> {
        NonNull::new(pointer(self.host)).expect("a buffer has an address")
    }

    fn did_modify_range(&self, offset: usize, length: usize) {
        assert!(
            self.host != self.gpu,
            "only managed buffers are told of writes"
        );
        assert!(
            offset + length <= self.length,
            "a write outside of a buffer"
        );
        // SAFETY: the range lies in both copies, which are apart; the backend writes buffers that nobody uses.
        unsafe {
            let from = pointer(self.host).add(offset);
            pointer(self.gpu)
                .add(offset)
                .copy_from_nonoverlapping(from, length);
        }
    }
}

impl Drop for BufferObject {
    fn drop(&mut self) {
        for &raw in &self.owned {
            // SAFETY: it is from `allocate`, and checked below not to be used; a test that fails there ends.
            unsafe { self.world.cpu.free(raw) };
        }
        if !self.owned.is_empty() {
            let length = self.length as u64;
            self.world.allocated.fetch_sub(length, Ordering::Relaxed);
        }
        self.world.release(self.object, "a buffer");
    }
}
