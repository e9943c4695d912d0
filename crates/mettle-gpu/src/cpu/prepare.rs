//! Turns validated launches into what workers execute: pointer tables, chunks of threadgroups, phases between barriers.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::Ordering;

use super::code::Kernel;
use crate::backend::{Commands, RawArgument, RawLaunch};
use crate::grid::GridSize;

/// What a threadgroup is taken to cost before it has been measured, in nanoseconds.
const UNKNOWN_COST: u64 = 500;

/// A chunk of threadgroups should take at least this long, in nanoseconds: taking one costs some tens, and more when cores compete.
const CHUNK_TIME: u64 = 2_000;

/// Chunks per worker of a phase that is long enough: the last to finish is late by a small part.
const CHUNKS_PER_WORKER: u64 = 8;

/// A phase expected to take less than this runs on the submitting thread alone: handing work to another core and hearing
/// back takes some hundred nanoseconds each way. In nanoseconds.
const SOLO_TIME: u64 = 2_000;

/// The most launches and chunks of one phase: workers count chunks in 20 bits.
const MAX_LAUNCHES: usize = 1 << 14;
pub(super) const MAX_CHUNKS: u64 = 1 << 18;

/// A launch as workers execute it.
pub(super) struct Prepared {
    pub kernel: *const Kernel,
    pub grid: GridSize,
    /// Its pointers by buffer index, in [`Plan::pointers`].
    pub buffers: usize,
    /// Its dynamic threadgroup memory, in [`Plan::threadgroup_memory`].
    pub threadgroup_memory: Range<usize>,
    /// Threadgroups, and how many of them make a chunk.
    groups: u32,
    chunk_groups: u32,
    /// The number of its first chunk in its phase.
    first_chunk: u32,
}

impl Prepared {
    pub fn groups(&self) -> u32 {
        self.groups
    }

    pub fn first_chunk(&self) -> u32 {
        self.first_chunk
    }

    fn chunks(&self) -> u32 {
        self.groups.div_ceil(self.chunk_groups)
    }

    /// The threadgroups of a chunk of the phase, which is one of this launch.
    pub fn chunk(&self, chunk: u32) -> Range<u32> {
        let start = (chunk - self.first_chunk) * self.chunk_groups;
        start..start.saturating_add(self.chunk_groups).min(self.groups)
    }
}

/// Launches that may run at the same time.
pub(super) struct Phase {
    pub launches: Range<usize>,
    pub chunks: u32,
    /// How long one worker would take, in nanoseconds, as far as is known.
    pub time: u64,
    /// Runs on the submitting thread alone.
    pub solo: bool,
}

/// A submission as workers execute it. Kept for its capacity.
#[derive(Default)]
pub(super) struct Plan {
    pub launches: Vec<Prepared>,
    pub phases: Vec<Phase>,
    pub pointers: Vec<*mut c_void>,
    /// Pairs of threadgroup index and bytes.
    pub threadgroup_memory: Vec<(u32, usize)>,
}

// SAFETY: the pointers are those of one submission; workers use them only while it runs.
unsafe impl Send for Plan {}
// SAFETY: as above; nothing is written through a shared plan but what kernels write.
unsafe impl Sync for Plan {}

impl Plan {
    /// Plans a submission for a number of workers.
    ///
    /// # Safety
    /// The commands are valid, and stay so while the plan is used.
    pub unsafe fn make(&mut self, commands: &Commands<'_>, workers: u64) {
        self.launches.clear();
        self.phases.clear();
        self.pointers.clear();
        self.threadgroup_memory.clear();
        let mut start = 0;
        for (index, launch) in commands.launches.iter().enumerate() {
            let begins = launch.barrier_before || commands.profile || index - start == MAX_LAUNCHES;
            if begins && index > start {
                self.push_phase(start..index, workers);
                start = index;
            }
            // SAFETY: the caller's promise.
            unsafe { self.push_launch(commands, launch) };
        }
        if start < self.launches.len() {
            self.push_phase(start..self.launches.len(), workers);
        }
    }

    unsafe fn push_launch(&mut self, commands: &Commands<'_>, launch: &RawLaunch) {
        let arguments =
            &commands.arguments[launch.arguments.start as usize..launch.arguments.end as usize];
        let buffers = self.pointers.len();
        let threadgroup_memory = self.threadgroup_memory.len();
        for argument in arguments {
            let (index, pointer) = match *argument {
                RawArgument::Buffer {
                    index,
                    buffer,
                    offset,
                } => {
                    let start: *mut c_void = ptr::with_exposed_provenance_mut(buffer as usize);
                    // SAFETY: the offset lies in the buffer or at its end.
                    (index, unsafe { start.byte_add(offset) })
                }
                RawArgument::Value { index, offset } => {
                    let bytes = &commands.values[offset..];
                    (index, bytes.as_ptr().cast_mut().cast())
                }
                RawArgument::ThreadgroupMemory { index, bytes } => {
                    self.threadgroup_memory.push((index, bytes));
                    continue;
                }
            };
            let slot = buffers + index as usize;
            if slot >= self.pointers.len() {
                self.pointers.resize(slot + 1, ptr::null_mut());
            }
            self.pointers[slot] = pointer;
        }
        self.launches.push(Prepared {
            kernel: ptr::with_exposed_provenance(launch.pipeline.0 as usize),
            grid: launch.grid,
            buffers,
            threadgroup_memory: threadgroup_memory..self.threadgroup_memory.len(),
            groups: launch.grid.threadgroup_count(),
            chunk_groups: 1,
            first_chunk: 0,
        });
    }

    fn push_phase(&mut self, launches: Range<usize>, workers: u64) {
        let members = &mut self.launches[launches.clone()];
        let time = members
            .iter()
            .map(|launch| u64::from(launch.groups) * cost(launch))
            .sum::<u64>()
            / 16;
        let wanted = (time / CHUNK_TIME).clamp(1, (workers * CHUNKS_PER_WORKER).min(MAX_CHUNKS));
        let mut chunks = 0;
        for launch in members {
            let groups = u64::from(launch.groups);
            let share = groups * cost(launch) / 16 * wanted / time.max(1);
            let chunk_groups = groups.div_ceil(share.max(1));
            launch.chunk_groups = chunk_groups.min(u64::from(u32::MAX)) as u32;
            launch.first_chunk = chunks;
            chunks += launch.chunks();
        }
        self.phases.push(Phase {
            launches,
            chunks,
            time,
            solo: workers == 1 || chunks == 1 || time < SOLO_TIME,
        });
    }
}

/// What a threadgroup of a launch costs, in sixteenths of a nanosecond.
fn cost(launch: &Prepared) -> u64 {
    // SAFETY: pipelines live at least as long as the submission.
    match unsafe { (*launch.kernel).cost.load(Ordering::Relaxed) } {
        0 => UNKNOWN_COST * 16,
        cost => u64::from(cost),
    }
}
