//! Compute encoders.

use super::commands::Work;
use super::library::PipelineObject;
use super::memory::BufferObject;
use super::timestamps::TimestampsObject;
use super::{Mock, World, autoreleased, lock};
use crate::backend::{Backend as _, RawArgument, RawLaunch};
use crate::grid::GridSize;
use crate::metal::api::{Buffer as _, Encoder, Pipeline as _, Sampling};
use mettle_msl::{ArtefactArgument, ArtefactArgumentKind, ArtefactKernel};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Bytes that `setBytes` takes.
const LONGEST_VALUE: usize = 4096;

/// Bytes of an argument in which pointers are looked for.
const ARGUMENTS: usize = 512;

/// Indices of buffers, and of threadgroup memory.
const INDICES: u32 = 31;

/// What the length of threadgroup memory is a multiple of.
const THREADGROUP_GRANULE: usize = 16;

/// `MTLComputeCommandEncoder`
pub(crate) struct EncoderObject {
    world: Arc<World>,
    work: Arc<Mutex<Work>>,
    encoding: Arc<AtomicBool>,
    state: Mutex<State>,
}

/// What the next dispatch uses.
#[derive(Default)]
struct State {
    pipeline: Option<Bound>,
    buffers: HashMap<u32, Slot>,
    threadgroup_memory: HashMap<u32, usize>,
    /// Objects that dispatches may reach through pointers.
    reached: HashSet<u64>,
    barrier: bool,
    launches: usize,
    ended: bool,
}

struct Bound {
    raw: crate::backend::RawPipeline,
    kernel: ArtefactKernel,
    max_threads: usize,
}

#[derive(Clone, Copy)]
enum Slot {
    Buffer {
        object: u64,
        address: u64,
        offset: usize,
        length: usize,
    },
    Bytes {
        offset: usize,
        bytes: usize,
    },
}

impl EncoderObject {
    pub(super) fn new(
        world: Arc<World>,
        work: Arc<Mutex<Work>>,
        encoding: Arc<AtomicBool>,
    ) -> Self {
        EncoderObject {
            world,
            work,
            encoding,
            state: Mutex::default(),
        }
    }

    #[track_caller]
    fn open(&self) -> MutexGuard<'_, State> {
        let state = lock(&self.state);
        assert!(!state.ended, "encoding after the end");
        state
    }

    fn uses(&self, object: u64) {
        lock(&self.work).use_object(&self.world, object);
    }

    /// What an argument points to is where the GPU finds it.
    fn check_pointer(&self, state: &State, kernel: &str, address: u64) {
        let Some(pointee) = self.world.buffer_at(address) else {
            return;
        };
        let bound = |slot: &Slot| matches!(slot, Slot::Buffer { object, .. } if *object == pointee);
        let resident = state.reached.contains(&pointee)
            || lock(&self.world.resident).contains(&pointee)
            || state.buffers.values().any(bound);
        assert!(
            resident,
            "{kernel}: an argument points to a buffer that is not resident"
        );
    }

    fn dispatch(&self, grid: GridSize) {
        let mut state = self.open();
        let mut work = lock(&self.work);
        let bound = state
            .pipeline
            .as_ref()
            .expect("a dispatch without a pipeline");
        let name = &bound.kernel.name;
        let threads: usize = grid
            .threads_per_threadgroup
            .iter()
            .map(|&n| n as usize)
            .product();
        assert!(
            (1..=bound.max_threads).contains(&threads),
            "{name}: a threadgroup of {threads} threads; the pipeline allows {}",
            bound.max_threads
        );
        assert!(grid.threads.iter().all(|&n| n > 0), "{name}: an empty grid");
        let dynamic: usize = state.threadgroup_memory.values().sum();
        let limit = self.world.cpu.limits().max_threadgroup_memory;
        assert!(
            bound.kernel.static_threadgroup_memory + dynamic <= limit,
            "{name}: too much threadgroup memory"
        );
        let first = work.arguments.len() as u32;
        for argument in &bound.kernel.arguments {
            let slot = match argument.kind {
                ArtefactArgumentKind::ThreadgroupMemory => {
                    let bytes = state.threadgroup_memory.get(&argument.index).copied();
                    bytes.map(|bytes| RawArgument::ThreadgroupMemory {
                        index: argument.index,
                        bytes,
                    })
                }
                _ => state.buffers.get(&argument.index).map(|slot| {
                    for address in slot.words(&work.values) {
                        self.check_pointer(&state, name, address);
                    }
                    slot.argument(name, argument)
                }),
            };
            match slot {
                Some(slot) => work.arguments.push(slot),
                None => assert!(
                    argument.optional,
                    "{name}: missing argument {}",
                    argument.name
                ),
            }
        }
        let launch = RawLaunch {
            pipeline: bound.raw,
            grid,
            arguments: first..work.arguments.len() as u32,
            barrier_before: state.barrier,
            early_written: false,
        };
        state.barrier = false;
        work.launches.push(launch);
        state.launches += 1;
        let signposts = work.encoders.last().map(|encoder| encoder.signposts.len());
        assert_eq!(signposts, Some(state.launches), "a dispatch has a signpost");
    }
}

impl Slot {
    /// The words of a value, and those of a buffer that may be arguments: its first.
    fn words(self, values: &[u128]) -> Vec<u64> {
        let mut bytes = [0; ARGUMENTS];
        let count = match self {
            Slot::Bytes { offset, bytes: n } => {
                let values: &[u8] = bytemuck::cast_slice(values);
                let count = n.min(ARGUMENTS);
                bytes[..count].copy_from_slice(&values[offset..offset + count]);
                count
            }
            Slot::Buffer {
                address,
                offset,
                length,
                ..
            } => {
                let count = (length - offset).min(ARGUMENTS);
                let from: *const u8 = std::ptr::with_exposed_provenance(address as usize + offset);
                // SAFETY: the buffer lives, and has as many bytes from the offset; nothing runs before somebody waits.
                unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(from, count) };
                count
            }
        };
        let (words, _) = bytes[..count].as_chunks();
        words.iter().copied().map(u64::from_ne_bytes).collect()
    }

    #[track_caller]
    fn argument(self, kernel: &str, argument: &ArtefactArgument) -> RawArgument {
        let index = argument.index;
        let (offset, bytes) = match self {
            Slot::Buffer { offset, length, .. } => (offset, length - offset),
            Slot::Bytes { bytes, .. } => (0, bytes),
        };
        assert!(
            bytes >= argument.size,
            "{kernel}: argument {} has {} bytes, and what is bound {bytes}",
            argument.name,
            argument.size
        );
        assert!(
            offset.is_multiple_of(argument.align),
            "{kernel}: argument {} at offset {offset} is not aligned to {}",
            argument.name,
            argument.align
        );
        match self {
            Slot::Buffer {
                address, offset, ..
            } => RawArgument::Buffer {
                index,
                written: argument.kind == ArtefactArgumentKind::Buffer { writable: true },
                buffer: address,
                offset,
            },
            Slot::Bytes { offset, bytes } => RawArgument::Value {
                index,
                offset,
                bytes,
            },
        }
    }
}

impl Encoder<Mock> for EncoderObject {
    fn set_compute_pipeline_state(&self, pipeline: &PipelineObject) {
        pipeline.check_device(&self.world);
        self.open().pipeline = Some(Bound {
            raw: pipeline.raw(),
            kernel: pipeline.kernel().clone(),
            max_threads: pipeline.max_total_threads_per_threadgroup(),
        });
        self.uses(pipeline.object());
    }

    unsafe fn set_buffer(&self, buffer: &BufferObject, offset: usize, index: u32) {
        assert!(index < INDICES, "buffer index {index}");
        buffer.check_device(&self.world);
        assert!(
            offset < buffer.length(),
            "offset {offset} is outside of a buffer of {} bytes",
            buffer.length()
        );
        let slot = Slot::Buffer {
            object: buffer.object(),
            address: buffer.gpu_address(),
            offset,
            length: buffer.length(),
        };
        self.open().buffers.insert(index, slot);
        self.uses(buffer.object());
    }

    fn set_bytes(&self, bytes: &[u8], index: u32) {
        assert!(index < INDICES, "buffer index {index}");
        assert!(
            (1..=LONGEST_VALUE).contains(&bytes.len()),
            "setBytes of {} bytes",
            bytes.len()
        );
        let mut work = lock(&self.work);
        let offset = work.values.len() * size_of::<u128>();
        for chunk in bytes.chunks(size_of::<u128>()) {
            let mut padded = [0; size_of::<u128>()];
            padded[..chunk.len()].copy_from_slice(chunk);
            work.values.push(u128::from_ne_bytes(padded));
        }
        let bytes = bytes.len();
        self.open()
            .buffers
            .insert(index, Slot::Bytes { offset, bytes });
    }

    unsafe fn use_resource(&self, buffer: &BufferObject, _written: bool) {
        buffer.check_device(&self.world);
        self.open().reached.insert(buffer.object());
        self.uses(buffer.object());
    }

    fn set_threadgroup_memory_length(&self, length: usize, index: u32) {
        assert!(index < INDICES, "threadgroup memory index {index}");
        assert!(
            length.is_multiple_of(THREADGROUP_GRANULE),
            "{length} bytes of threadgroup memory are no multiple of {THREADGROUP_GRANULE}"
        );
        self.open().threadgroup_memory.insert(index, length);
    }

    fn memory_barrier(&self) {
        self.open().barrier = true;
    }

    fn insert_debug_signpost(&self, text: &str) {
        drop(self.open());
        autoreleased();
        let mut work = lock(&self.work);
        let encoder = work.encoders.last_mut().expect("an encoder has begun");
        encoder.signposts.push(text.to_owned());
    }

    fn sample_counters(&self, timestamps: &TimestampsObject, index: usize) {
        let launches = self.open().launches;
        assert!(
            self.world.sampling == Sampling::AtDispatchBoundary,
            "this GPU records no times between dispatches"
        );
        let count = timestamps.count();
        assert!(index < count, "timestamp {index} of {count}");
        self.uses(timestamps.object());
        let mut work = lock(&self.work);
        let encoder = work.encoders.last_mut().expect("an encoder has begun");
        encoder
            .samples
            .push((launches, timestamps.clone_handle(), index));
    }

    fn dispatch_threads(&self, threads: [u32; 3], threads_per_threadgroup: [u32; 3]) {
        self.dispatch(GridSize {
            threads,
            threadgroups: std::array::from_fn(|i| threads[i].div_ceil(threads_per_threadgroup[i])),
            threads_per_threadgroup,
        });
    }

    fn dispatch_threadgroups(&self, threadgroups: [u32; 3], threads_per_threadgroup: [u32; 3]) {
        self.dispatch(GridSize {
            threads: std::array::from_fn(|i| threadgroups[i] * threads_per_threadgroup[i]),
            threadgroups,
            threads_per_threadgroup,
        });
    }

    fn end_encoding(&self) {
        self.open().ended = true;
        self.encoding.store(false, Ordering::Relaxed);
    }
}

impl Drop for EncoderObject {
    fn drop(&mut self) {
        assert!(
            lock(&self.state).ended || std::thread::panicking(),
            "an encoder is released before its end"
        );
    }
}
