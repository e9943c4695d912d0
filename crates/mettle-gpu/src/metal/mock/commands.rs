//! Command buffers and encoders: they record what they are told, check it, and run it on the CPU when the host waits.

use super::library::PipelineObject;
use super::memory::{BufferObject, Copies};
use super::{Mock, World, autoreleased, lock};
use crate::backend::{Backend as _, Commands, RawArgument, RawLaunch};
use crate::grid::GridSize;
use crate::metal::api::{ApiError, CommandBuffer, Encoder, EncoderInfo, Pipeline as _};
use mettle_msl::{ArtefactArgumentKind, ArtefactKernel};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// Bytes that `setBytes` takes.
const LONGEST_VALUE: usize = 4096;

/// What a command buffer runs.
#[derive(Default)]
struct Work {
    launches: Vec<RawLaunch>,
    arguments: Vec<RawArgument>,
    /// Bytes of values, each at a multiple of 16.
    values: Vec<u128>,
    /// Copies to the host, after the launches.
    copies: Vec<Copies>,
    /// Objects that must live until it is complete.
    uses: Vec<u64>,
    signposts: Vec<String>,
}

/// A committed command buffer.
pub(super) struct Job {
    work: Mutex<Work>,
    outcome: Mutex<Option<Outcome>>,
}

#[derive(Clone)]
struct Outcome {
    error: Option<ApiError>,
    start: f64,
    end: f64,
}

/// `MTLCommandBuffer`
pub(crate) struct CommandBufferObject {
    world: Arc<World>,
    work: Rc<RefCell<Work>>,
    /// An encoder has begun and not ended.
    encoding: Rc<Cell<bool>>,
    job: RefCell<Option<Arc<Job>>>,
}

impl CommandBufferObject {
    pub(super) fn new(world: Arc<World>) -> Self {
        CommandBufferObject {
            world,
            work: Rc::default(),
            encoding: Rc::default(),
            job: RefCell::default(),
        }
    }

    fn begin_encoder(&self) {
        autoreleased();
        assert!(self.job.borrow().is_none(), "encoding after the commit");
        assert!(
            !self.encoding.get(),
            "a second encoder before the first has ended"
        );
    }

    #[track_caller]
    fn outcome(&self) -> Outcome {
        let job = self.job.borrow();
        let job = job
            .as_ref()
            .expect("a command buffer is asked before its commit");
        let outcome = lock(&job.outcome).clone();
        outcome.expect("a command buffer is asked before it is complete")
    }
}

impl CommandBuffer<Mock> for CommandBufferObject {
    fn compute_command_encoder(&self, label: &str) -> Option<EncoderObject> {
        self.begin_encoder();
        assert!(!label.is_empty(), "an encoder has a label");
        self.encoding.set(true);
        Some(EncoderObject {
            world: self.world.clone(),
            work: self.work.clone(),
            encoding: self.encoding.clone(),
            state: RefCell::default(),
        })
    }

    fn synchronize(&self, buffer: &BufferObject) {
        self.begin_encoder();
        let mut work = self.work.borrow_mut();
        work.copies.push(buffer.copies());
        work.uses.push(buffer.object());
        self.world.begin_use(buffer.object());
    }

    fn commit(&self) {
        assert!(
            !self.encoding.get(),
            "the commit of a command buffer with an open encoder"
        );
        let job = Arc::new(Job {
            work: Mutex::new(self.work.take()),
            outcome: Mutex::default(),
        });
        let before = self.job.replace(Some(job.clone()));
        assert!(before.is_none(), "a command buffer is committed twice");
        lock(&self.world.queue).push_back(job);
    }

    fn wait_until_completed(&self) {
        let job = self.job.borrow();
        let job = job
            .as_ref()
            .expect("waiting for a command buffer before its commit");
        let mut queue = lock(&self.world.queue);
        while lock(&job.outcome).is_none() {
            let next = queue
                .pop_front()
                .expect("a committed command buffer is in the queue");
            next.run(&self.world);
        }
    }

    fn error(&self) -> Option<ApiError> {
        autoreleased();
        self.outcome().error
    }

    fn gpu_start_time(&self) -> f64 {
        self.outcome().start
    }

    fn gpu_end_time(&self) -> f64 {
        self.outcome().end
    }
}

impl Drop for CommandBufferObject {
    fn drop(&mut self) {
        match self.job.borrow().as_ref() {
            None => self.world.end_use(&self.work.borrow().uses),
            Some(job) => assert!(
                lock(&job.outcome).is_some() || std::thread::panicking(),
                "nobody waits for a command buffer that retains nothing"
            ),
        }
    }
}

impl Job {
    fn run(&self, world: &World) {
        let work = std::mem::take(&mut *lock(&self.work));
        let start = world.began.elapsed().as_secs_f64();
        // SAFETY: the encoder has checked the launches, and objects that they use are checked to live; the queue's lock is held.
        let completion = unsafe {
            world.cpu.submit(Commands {
                launches: &work.launches,
                arguments: &work.arguments,
                values: bytemuck::cast_slice(&work.values),
                profile: false,
            })
        };
        for copies in &work.copies {
            // SAFETY: the buffer lives until the command buffer is complete, and only this uses it.
            unsafe { copies.to_host() };
        }
        let error = completion.fault.map(|fault| ApiError {
            description: fault.fault.to_string(),
            code: 1,
            encoders: vec![EncoderInfo {
                failed: true,
                signposts: work.signposts[..=fault.launch].to_vec(),
            }],
        });
        world.end_use(&work.uses);
        *lock(&self.outcome) = Some(Outcome {
            error,
            start,
            end: world.began.elapsed().as_secs_f64(),
        });
    }
}

/// `MTLComputeCommandEncoder`
pub(crate) struct EncoderObject {
    world: Arc<World>,
    work: Rc<RefCell<Work>>,
    encoding: Rc<Cell<bool>>,
    state: RefCell<State>,
}

/// What the next dispatch uses.
#[derive(Default)]
struct State {
    pipeline: Option<Bound>,
    buffers: HashMap<u32, Slot>,
    threadgroup_memory: HashMap<u32, usize>,
    barrier: bool,
    ended: bool,
}

struct Bound {
    raw: crate::backend::RawPipeline,
    kernel: ArtefactKernel,
    max_threads: usize,
}

#[derive(Clone, Copy)]
enum Slot {
    Buffer { address: u64, offset: usize },
    Bytes { offset: usize, bytes: usize },
}

impl EncoderObject {
    #[track_caller]
    fn open(&self) -> std::cell::RefMut<'_, State> {
        let state = self.state.borrow_mut();
        assert!(!state.ended, "encoding after the end");
        state
    }

    fn uses(&self, object: u64) {
        self.world.begin_use(object);
        self.work.borrow_mut().uses.push(object);
    }

    fn dispatch(&self, grid: GridSize) {
        let mut state = self.open();
        let mut work = self.work.borrow_mut();
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
            let index = argument.index;
            let bound = match argument.kind {
                ArtefactArgumentKind::ThreadgroupMemory => {
                    let bytes = state.threadgroup_memory.get(&index).copied();
                    bytes.map(|bytes| RawArgument::ThreadgroupMemory { index, bytes })
                }
                ArtefactArgumentKind::Buffer { writable } => state
                    .buffers
                    .get(&index)
                    .map(|slot| slot.argument(index, writable)),
                ArtefactArgumentKind::Value => state
                    .buffers
                    .get(&index)
                    .map(|slot| slot.argument(index, false)),
            };
            let bound =
                bound.unwrap_or_else(|| panic!("{name}: missing argument {}", argument.name));
            work.arguments.push(bound);
        }
        let launch = RawLaunch {
            pipeline: bound.raw,
            grid,
            arguments: first..work.arguments.len() as u32,
            barrier_before: state.barrier,
        };
        state.barrier = false;
        work.launches.push(launch);
        assert_eq!(
            work.signposts.len(),
            work.launches.len(),
            "a dispatch has a signpost"
        );
    }
}

impl Slot {
    fn argument(self, index: u32, written: bool) -> RawArgument {
        match self {
            Slot::Buffer { address, offset } => RawArgument::Buffer {
                index,
                written,
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
        self.open().pipeline = Some(Bound {
            raw: pipeline.raw(),
            kernel: pipeline.kernel().clone(),
            max_threads: pipeline.max_total_threads_per_threadgroup(),
        });
        self.uses(pipeline.object());
    }

    unsafe fn set_buffer(&self, buffer: &BufferObject, offset: usize, index: u32) {
        assert!(index < 31, "buffer index {index}");
        assert!(
            offset < buffer.length(),
            "offset {offset} is outside of a buffer of {} bytes",
            buffer.length()
        );
        let address = buffer.gpu_address();
        self.open()
            .buffers
            .insert(index, Slot::Buffer { address, offset });
        self.uses(buffer.object());
    }

    fn set_bytes(&self, bytes: &[u8], index: u32) {
        assert!(index < 31, "buffer index {index}");
        assert!(
            (1..=LONGEST_VALUE).contains(&bytes.len()),
            "setBytes of {} bytes",
            bytes.len()
        );
        let mut work = self.work.borrow_mut();
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

    fn set_threadgroup_memory_length(&self, length: usize, index: u32) {
        assert!(index < 31, "threadgroup memory index {index}");
        assert!(
            length.is_multiple_of(16),
            "{length} bytes of threadgroup memory are no multiple of 16"
        );
        self.open().threadgroup_memory.insert(index, length);
    }

    fn memory_barrier(&self) {
        self.open().barrier = true;
    }

    fn insert_debug_signpost(&self, text: &str) {
        drop(self.open());
        autoreleased();
        self.work.borrow_mut().signposts.push(text.to_owned());
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
        self.encoding.set(false);
    }
}

impl Drop for EncoderObject {
    fn drop(&mut self) {
        assert!(
            self.state.borrow().ended || std::thread::panicking(),
            "an encoder is released before its end"
        );
    }
}
