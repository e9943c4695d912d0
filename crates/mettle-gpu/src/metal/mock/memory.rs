//! Buffers.

use super::{World, lock};
use crate::backend::{Backend as _, RawBuffer};
use crate::metal::api::{Buffer, Storage};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// Bytes of a page of host memory, at least.
const PAGE: usize = 4096;

/// `MTLBuffer`
pub(crate) struct BufferObject {
    world: Arc<World>,
    object: u64,
    length: usize,
    /// Address of what the host sees: zero, if the buffer is private.
    host: u64,
    /// Address of what the GPU sees: the same, unless the buffer is managed.
    gpu: u64,
    /// To be given back.
    owned: Vec<RawBuffer>,
    labels: Mutex<Labels>,
}

/// What a buffer is called, and parts of it: start, length and name.
#[derive(Clone, Default)]
pub(crate) struct Labels {
    #[cfg_attr(not(test), expect(dead_code, reason = "tests ask for it"))]
    pub whole: String,
    pub parts: Vec<(usize, usize, String)>,
}

impl Labels {
    fn new(whole: &str) -> Self {
        assert!(!whole.is_empty(), "a buffer has a label");
        Labels {
            whole: whole.to_owned(),
            parts: Vec::new(),
        }
    }
}

/// A copy between buffers.
pub(super) struct Transfer {
    pub from: u64,
    pub to: u64,
    pub length: usize,
}

/// The copy of a managed buffer to the host.
pub(super) struct HostCopy(Transfer);

impl BufferObject {
    pub(super) fn new(
        world: &Arc<World>,
        length: usize,
        storage: Storage,
        label: &str,
    ) -> Option<Self> {
        let labels = Mutex::new(Labels::new(label));
        let mut owned = vec![world.cpu.allocate(length).ok()?];
        if storage == Storage::Managed {
            owned.push(world.cpu.allocate(length).ok()?);
        }
        let host = match storage {
            Storage::Shared | Storage::Managed => owned.first()?.handle,
            Storage::Private => 0,
        };
        let gpu = owned.last()?.handle;
        world.allocated.fetch_add(length as u64, Ordering::Relaxed);
        Some(BufferObject {
            world: world.clone(),
            object: known(world, gpu, length),
            length,
            host,
            gpu,
            owned,
            labels,
        })
    }

    pub(super) fn over(world: &Arc<World>, start: NonNull<u8>, length: usize, label: &str) -> Self {
        assert!(
            start.addr().get().is_multiple_of(PAGE) && length.is_multiple_of(PAGE),
            "memory used without a copy is not of whole pages"
        );
        let address = start.as_ptr().expose_provenance() as u64;
        BufferObject {
            world: world.clone(),
            object: known(world, address, length),
            length,
            host: address,
            gpu: address,
            owned: Vec::new(),
            labels: Mutex::new(Labels::new(label)),
        }
    }

    /// What it is called now.
    #[cfg(test)]
    pub(in crate::metal) fn labels(&self) -> Labels {
        lock(&self.labels).clone()
    }

    pub(super) fn object(&self) -> u64 {
        self.object
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    fn is_managed(&self) -> bool {
        self.host != 0 && self.host != self.gpu
    }

    pub(super) fn host_copy(&self) -> HostCopy {
        assert!(self.is_managed(), "only managed buffers are synchronised");
        HostCopy(Transfer {
            from: self.gpu,
            to: self.host,
            length: self.length,
        })
    }

    #[track_caller]
    pub(super) fn check_device(&self, world: &Arc<World>) {
        assert!(
            Arc::ptr_eq(&self.world, world),
            "a buffer of another device"
        );
    }
}

/// A new object that the GPU finds at an address.
fn known(world: &World, address: u64, length: usize) -> u64 {
    let object = world.new_object();
    lock(&world.buffers).insert(address, (length, object));
    object
}

fn pointer(address: u64) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(address as usize)
}

impl Transfer {
    /// # Safety
    /// Both ranges are of buffers that are alive and that nobody else uses.
    pub unsafe fn run(&self) {
        // SAFETY: the caller's promise; of one buffer, they may overlap.
        unsafe { pointer(self.to).copy_from(pointer(self.from), self.length) };
    }
}

impl HostCopy {
    /// # Safety
    /// The buffer is alive, and nobody else uses it.
    pub unsafe fn run(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.0.run() };
    }
}

impl Buffer for BufferObject {
    fn contents(&self) -> NonNull<u8> {
        NonNull::new(pointer(self.host)).expect("the host reaches no private buffer")
    }

    fn gpu_address(&self) -> u64 {
        self.gpu
    }

    fn did_modify_range(&self, offset: usize, length: usize) {
        assert!(self.is_managed(), "only managed buffers are told of writes");
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

    fn set_label(&self, label: &str) {
        *lock(&self.labels) = Labels::new(label);
    }

    fn add_debug_marker(&self, marker: &str, offset: usize, length: usize) {
        assert!(
            offset + length <= self.length,
            "a marker outside of a buffer"
        );
        let part = (offset, length, marker.to_owned());
        lock(&self.labels).parts.push(part);
    }
}

impl Drop for BufferObject {
    fn drop(&mut self) {
        self.world.release(self.object, "a buffer");
        lock(&self.world.buffers).remove(&self.gpu);
        for &raw in &self.owned {
            // SAFETY: it is from `allocate`, and nobody uses it, as was just checked.
            unsafe { self.world.cpu.free(raw) };
        }
        if !self.owned.is_empty() {
            let length = self.length as u64;
            self.world.allocated.fetch_sub(length, Ordering::Relaxed);
        }
    }
}
