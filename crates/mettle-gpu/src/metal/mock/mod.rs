//! A stand-in for Metal on any machine: the backend runs against it unchanged, and kernels run on the CPU device's executor.
//!
//! It panics where Metal's API validation would stop the program: encoding after the end, with two encoders at once or without a pipeline,
//! missing or short arguments, offsets outside of buffers or not aligned, pointers to buffers that are not resident, too many threads or too much threadgroup memory, committing twice
//! or too early, objects of another device, releasing what a command buffer still uses. And it panics where Metal would say nothing: at
//! messages that leave autoreleased objects without a pool, at objects without a label, and at files of binary archives that go before the archive. `tests` sees to it that each of these fires. Work
//! runs as late as Metal may run it: when the host waits for it.
//!
//! It has three GPUs: one that shares memory with the host and records when encoders begin and end; one of low power with memory of its own,
//! whose copy of a buffer is only brought together with the host's where the backend asks for it, and which records times between dispatches;
//! and one that records no times, on a system without residency sets.

mod archive;
mod commands;
mod device;
mod encoder;
mod library;
mod memory;
#[cfg(test)]
mod tests;
mod timestamps;

use super::api::{Api, Queue, ResidencySet, Sampling};
use crate::cpu::CpuBackend;
use crate::options::DeviceOptions;
use archive::ArchiveObject;
use commands::{CommandBufferObject, Job};
use device::{DeviceObject, MODELS};
use encoder::EncoderObject;
use library::{FunctionObject, LibraryObject, PipelineObject};
use memory::BufferObject;
#[cfg(test)]
pub(super) use memory::Labels;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use timestamps::TimestampsObject;

/// The stand-in.
pub(crate) enum Mock {}

impl Api for Mock {
    type Device = DeviceObject;
    type Queue = QueueObject;
    type Buffer = BufferObject;
    type Library = LibraryObject;
    type Function = FunctionObject;
    type Pipeline = PipelineObject;
    type BinaryArchive = ArchiveObject;
    type CommandBuffer = CommandBufferObject;
    type Encoder = EncoderObject;
    type ResidencySet = ResidencyObject;
    type Timestamps = TimestampsObject;

    fn autoreleasepool<R>(body: impl FnOnce() -> R) -> R {
        struct Pool;
        impl Drop for Pool {
            fn drop(&mut self) {
                POOLS.set(POOLS.get() - 1);
            }
        }
        POOLS.set(POOLS.get() + 1);
        let _pool = Pool;
        body()
    }

    fn operating_system_version() -> String {
        autoreleased();
        SYSTEM.get().to_owned()
    }

    fn create_system_default_device() -> Option<DeviceObject> {
        autoreleased();
        DeviceObject::new(&MODELS[0])
    }

    fn copy_all_devices() -> Vec<DeviceObject> {
        autoreleased();
        MODELS.iter().filter_map(DeviceObject::new).collect()
    }
}

thread_local! {
    /// Autorelease pools that are open in this thread.
    static POOLS: Cell<usize> = const { Cell::new(0) };
}

thread_local! {
    /// Version and build of the system, as devices opened by this thread see it.
    pub(super) static SYSTEM: Cell<&'static str> = const { Cell::new("Version 0.1 (Build 0A1)") };
}

/// A message leaves an autoreleased object behind.
#[track_caller]
fn autoreleased() {
    assert!(
        POOLS.get() > 0,
        "an object is autoreleased with no pool in place: it leaks"
    );
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nanoseconds of a tick of the GPUs' clock.
const TICK: u64 = 10;

/// Command buffers that the backend has in flight at most. Metal allows 64 and then lets the program wait for ever.
const IN_FLIGHT: usize = 8;

/// What the objects of a device share.
struct World {
    cpu: CpuBackend,
    /// What machine code is for.
    platform: String,
    /// Where the GPU records times.
    sampling: Sampling,
    began: Instant,
    last_object: AtomicU64,
    /// How many command buffers that are not complete use an object.
    used: Mutex<HashMap<u64, usize>>,
    /// Committed and not complete, oldest first.
    queue: Mutex<VecDeque<Arc<Job>>>,
    /// Objects in residency sets.
    resident: Mutex<HashSet<u64>>,
    /// The buffers that there are, by the address that the GPU sees: length and object.
    buffers: Mutex<BTreeMap<u64, (usize, u64)>>,
    allocated: AtomicU64,
}

impl World {
    /// `None` where the CPU cannot run kernels.
    fn new(architecture: &str, sampling: Sampling) -> Option<Self> {
        Some(World {
            sampling,
            cpu: CpuBackend::new(&DeviceOptions::default()).ok()?,
            platform: format!("{architecture}, {}", SYSTEM.get()),
            began: Instant::now(),
            last_object: AtomicU64::new(0),
            used: Mutex::default(),
            queue: Mutex::default(),
            resident: Mutex::default(),
            buffers: Mutex::default(),
            allocated: AtomicU64::new(0),
        })
    }

    fn new_object(&self) -> u64 {
        self.last_object.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Hands a command buffer to the GPU.
    fn enqueue(&self, job: Arc<Job>) {
        let mut queue = lock(&self.queue);
        assert!(
            queue.len() < IN_FLIGHT,
            "more than {IN_FLIGHT} command buffers are in flight"
        );
        queue.push_back(job);
    }

    /// The GPU's clock.
    fn gpu_ticks(&self) -> u64 {
        Self::ticks(self.began.elapsed().as_nanos() as u64)
    }

    /// Ticks of the GPU's clock in a time.
    fn ticks(nanoseconds: u64) -> u64 {
        nanoseconds / TICK
    }

    /// The buffer that an address lies in.
    fn buffer_at(&self, address: u64) -> Option<u64> {
        let buffers = lock(&self.buffers);
        let (start, &(length, object)) = buffers.range(..=address).next_back()?;
        (address - start < length as u64).then_some(object)
    }

    fn begin_use(&self, object: u64) {
        *lock(&self.used).entry(object).or_default() += 1;
    }

    fn end_use(&self, objects: &[u64]) {
        let mut used = lock(&self.used);
        for object in objects {
            if let Some(count) = used.get_mut(object) {
                *count -= 1;
            }
        }
    }

    /// An object goes. Checked on the way out of a panic, too, it would hide the panic's reason.
    fn release(&self, object: u64, what: &str) {
        let count = lock(&self.used).remove(&object).unwrap_or(0);
        let resident = lock(&self.resident).contains(&object);
        if std::thread::panicking() {
            return;
        }
        assert!(
            count == 0,
            "{what} is released while {count} command buffers that are not complete use it"
        );
        assert!(!resident, "{what} is released while in a residency set");
    }
}

/// `MTLCommandQueue`
pub(crate) struct QueueObject {
    world: Arc<World>,
}

impl Queue<Mock> for QueueObject {
    fn command_buffer(&self, label: &str) -> Option<CommandBufferObject> {
        autoreleased();
        assert!(!label.is_empty(), "a command buffer has a label");
        Some(CommandBufferObject::new(self.world.clone()))
    }

    fn add_residency_set(&self, _set: &ResidencyObject) {}
}

/// `MTLResidencySet`
pub(crate) struct ResidencyObject {
    world: Arc<World>,
}

impl ResidencySet<Mock> for ResidencyObject {
    fn add_allocation(&self, buffer: &BufferObject) {
        let new = lock(&self.world.resident).insert(buffer.object());
        assert!(new, "a buffer is added to a residency set twice");
    }

    fn remove_allocation(&self, buffer: &BufferObject) {
        let known = lock(&self.world.resident).remove(&buffer.object());
        assert!(known, "a buffer is removed from a residency set without it");
    }

    fn commit(&self) {}

    fn request_residency(&self) {}
}
