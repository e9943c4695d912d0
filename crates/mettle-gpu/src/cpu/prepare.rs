//! Turns validated launches into what workers execute: pointer tables, chunks of threadgroups, phases between barriers.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::code::Kernel;
use crate::backend::{Commands, RawArgument, RawLaunch};
use crate::grid::GridSize;

/// What a threadgroup is taken to cost before it has been measured, in nanoseconds.
const UNKNOWN_COST: u64 = 500;

/// A chunk of threadgroups should take at least this long, in nanoseconds: taking one costs some tens, and more when cores compete.
const CHUNK_TIME: u64 = 2_000;

/// Chunks per worker of a phase that is long enough: the last to finish is late by a small part.
const CHUNKS_PER_WORKER: u64 = 8;

/// A phase of which less than this, in nanoseconds, could go to other workers runs on the submitting thread alone: handing work to another
/// core and hearing back takes some hundred nanoseconds each way.
pub(super) const SHARED_TIME: u64 = 1_000;

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
    groups: u32,
    /// How many threadgroups make a chunk, and the number of its first chunk in its phase: as [`Plan::share`] says. Others read them when they
    /// have taken a chunk of the phase, which is published later.
    chunk_groups: AtomicU32,
    first_chunk: AtomicU32,
}

impl Prepared {
    pub fn groups(&self) -> u32 {
        self.groups
    }

    pub fn first_chunk(&self) -> u32 {
        self.first_chunk.load(Ordering::Relaxed)
    }

    /// The threadgroups of a chunk of the phase, which is one of this launch.
    pub fn chunk(&self, chunk: u32) -> Range<u32> {
        let chunk_groups = self.chunk_groups.load(Ordering::Relaxed);
        let start = (chunk - self.first_chunk()) * chunk_groups;
        start..start.saturating_add(chunk_groups).min(self.groups)
    }
}

/// Launches that may run at the same time.
pub(super) struct Phase {
    pub launches: Range<usize>,
}

/// How a phase is shared out.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub chunks: u32,
    /// How long one worker would take, in nanoseconds, as far as is known.
    pub time: u64,
    /// How long its longest chunk takes; unknown if one of its kernels has not run yet.
    pub longest: Option<u64>,
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
    /// Plans a submission, each launch in a phase of its own if it is to be measured or watched `alone`.
    ///
    /// # Safety
    /// The commands are valid, and stay so while the plan is used.
    pub unsafe fn make(&mut self, commands: &Commands<'_>, alone: bool) {
        self.launches.clear();
        self.phases.clear();
        self.pointers.clear();
        self.threadgroup_memory.clear();
        let mut start = 0;
        for (index, launch) in commands.launches.iter().enumerate() {
            let begins = launch.barrier_before || alone || index - start == MAX_LAUNCHES;
            if begins && index > start {
                self.phases.push(Phase {
                    launches: start..index,
                });
                start = index;
            }
            // SAFETY: the caller's promise.
            unsafe { self.push_launch(commands, launch) };
        }
        if start < self.launches.len() {
            self.phases.push(Phase {
                launches: start..self.launches.len(),
            });
        }
    }

    /// How long one worker would take for a phase, in nanoseconds, as far as is known.
    pub fn time(&self, phase: &Phase) -> u64 {
        self.launches[phase.launches.clone()]
            .iter()
            .map(|launch| expected_time(launch, launch.groups))
            .fold(0, u64::saturating_add)
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
                    ..
                } => {
                    let start: *mut c_void = ptr::with_exposed_provenance_mut(buffer as usize);
                    // SAFETY: the offset lies in the buffer or at its end.
                    (index, unsafe { start.byte_add(offset) })
                }
                RawArgument::Value { index, offset, .. } => {
                    let bytes = &commands.values[offset..];
                    (index, bytes.as_ptr().cast_mut().cast())
                }
                RawArgument::Reached { .. } => continue,
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
            chunk_groups: AtomicU32::new(1),
            first_chunk: AtomicU32::new(0),
        });
    }

    /// Shares a phase out among a number of workers, when it is about to begin: the phases before it may have shown how long kernels take. Only the
    /// submitting thread does so, and never while the phase runs.
    pub fn share(&self, phase: &Phase, workers: u64) -> Share {
        let members = &self.launches[phase.launches.clone()];
        let time = self.time(phase);
        let wanted = (time / CHUNK_TIME).clamp(1, (workers * CHUNKS_PER_WORKER).min(MAX_CHUNKS));
        let (mut chunks, mut longest, mut known) = (0, 0, true);
        for launch in members {
            // Of the chunks wanted, each launch gets its share by time.
            let own = u128::from(expected_time(launch, launch.groups));
            let share = own * u128::from(wanted) / u128::from(time.max(1));
            let chunk_groups = launch
                .groups
                .div_ceil(share.clamp(1, MAX_CHUNKS.into()) as u32);
            launch.chunk_groups.store(chunk_groups, Ordering::Relaxed);
            launch.first_chunk.store(chunks, Ordering::Relaxed);
            chunks += launch.groups.div_ceil(chunk_groups);
            longest = longest.max(expected_time(launch, chunk_groups));
            known &= cost(launch) > 0;
        }
        Share {
            chunks,
            time,
            longest: known.then_some(longest),
            solo: workers == 1 || time.saturating_sub(longest) < SHARED_TIME,
        }
    }
}

/// How long some threadgroups of a launch take one worker, in nanoseconds, as far as is known.
fn expected_time(launch: &Prepared, groups: u32) -> u64 {
    match cost(launch) {
        0 => u64::from(groups) * UNKNOWN_COST,
        cost => u64::from(groups) * u64::from(cost) / 16,
    }
}

/// What a threadgroup costs, in sixteenths of a nanosecond; 0 if that is not known.
fn cost(launch: &Prepared) -> u32 {
    // SAFETY: pipelines live at least as long as the submission.
    unsafe { (*launch.kernel).cost.load(Ordering::Relaxed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::RawPipeline;
    use crate::cpu::code::{Entry, Text};
    use proptest::prelude::*;

    unsafe extern "C" fn nothing(_: *const mettle_msl::abi::Launch) {}

    proptest! {
        /// Whatever is known of the kernels, the chunks of a phase cover every threadgroup of its launches once and can be counted.
        #[test]
        fn chunks_cover_everything(
            launches in prop::collection::vec((1u32..=u32::MAX, any::<u32>(), any::<bool>()), 1..20),
            workers in 1u64..300,
        ) {
            let kernels: Vec<Kernel> = launches
                .iter()
                .map(|&(_, cost, _)| Kernel { entry: Entry::Group(nothing), text: Text::default(), cost: AtomicU32::new(cost) })
                .collect();
            let raw: Vec<RawLaunch> = launches
                .iter()
                .zip(&kernels)
                .map(|(&(groups, _, barrier_before), kernel)| RawLaunch {
                    pipeline: RawPipeline(std::ptr::from_ref(kernel).expose_provenance() as u64),
                    grid: GridSize {
                        threads: [groups, 1, 1],
                        threadgroups: [groups, 1, 1],
                        threads_per_threadgroup: [1, 1, 1],
                    },
                    arguments: 0..0,
                    barrier_before,
                    early_written: false,
                })
                .collect();
            let commands = Commands { launches: &raw, arguments: &[], values: &[], profile: false };
            let mut plan = Plan::default();
            // SAFETY: the kernels outlive the plan.
            unsafe { plan.make(&commands, false) };
            let mut next_launch = 0;
            for phase in &plan.phases {
                prop_assert_eq!(phase.launches.start, next_launch);
                next_launch = phase.launches.end;
                let share = plan.share(phase, workers);
                prop_assert!(u64::from(share.chunks) < 1 << 20);
                let mut next_chunk = 0;
                for launch in &plan.launches[phase.launches.clone()] {
                    prop_assert_eq!(launch.first_chunk(), next_chunk);
                    let last = launch.groups.div_ceil(launch.chunk(next_chunk).len() as u32) - 1;
                    prop_assert_eq!(launch.chunk(next_chunk).start, 0);
                    prop_assert_eq!(launch.chunk(next_chunk + last).end, launch.groups);
                    prop_assert!(!launch.chunk(next_chunk + last).is_empty());
                    next_chunk += last + 1;
                }
                prop_assert_eq!(share.chunks, next_chunk);
            }
            prop_assert_eq!(next_launch, launches.len());
        }
    }
}
