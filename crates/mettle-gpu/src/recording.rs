//! What a pass records: launches in the form a backend takes, and what keeps their resources alive.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::backend::{Commands, RawArgument, RawLaunch};
use crate::error::Error;
use crate::grid::GridSize;
use crate::hazard::{HazardTracker, Touched};
use crate::pipeline::PipelineInner;
use crate::storage::Storage;

/// A byte range of a storage that a launch reads or writes.
pub(crate) struct Access {
    pub storage: Arc<Storage>,
    pub start: usize,
    pub end: usize,
    pub written: bool,
    /// Whether the kernel may read it before the launches that it waits for are through.
    pub early: bool,
    /// The index of the argument.
    pub index: u32,
}

impl Access {
    pub fn touched(&self) -> Touched {
        Touched {
            storage: Arc::as_ptr(&self.storage) as usize,
            start: self.start,
            end: self.end,
            written: self.written,
            early: self.early,
        }
    }
}

/// The launches of a pass.
#[derive(Default)]
pub(crate) struct Recording {
    launches: Vec<RawLaunch>,
    pipelines: Vec<Arc<PipelineInner>>,
    pub arguments: Vec<RawArgument>,
    pub accesses: Vec<Access>,
    values: Values,
    hazards: HazardTracker,
    pub profile: bool,
}

/// A position in a recording, to go back to when a launch is refused.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    arguments: usize,
    pub accesses: usize,
    values: usize,
}

impl Recording {
    pub fn mark_position(&self) -> Mark {
        Mark {
            arguments: self.arguments.len(),
            accesses: self.accesses.len(),
            values: self.values.words.len(),
        }
    }

    /// Forgets the arguments bound since the mark.
    pub fn rewind(&mut self, mark: Mark) {
        self.arguments.truncate(mark.arguments);
        self.accesses.truncate(mark.accesses);
        self.values.words.truncate(mark.values);
    }

    /// Copies the bytes of a value argument; returns their offset.
    pub fn push_value(&mut self, bytes: &[u8]) -> usize {
        self.values.push(bytes)
    }

    /// Adds a launch of the arguments bound since the mark.
    pub fn push_launch(&mut self, pipeline: Arc<PipelineInner>, grid: GridSize, mark: Mark) {
        let accesses = &self.accesses[mark.accesses..];
        let waits = self.hazards.launch(accesses.iter().map(Access::touched));
        self.launches.push(RawLaunch {
            pipeline: pipeline.raw,
            grid,
            arguments: mark.arguments as u32..self.arguments.len() as u32,
            barrier_before: waits.barrier,
            early_written: waits.early_written,
        });
        self.pipelines.push(pipeline);
    }

    pub fn len(&self) -> usize {
        self.launches.len()
    }

    /// How many launches wait for those before them.
    pub fn barriers(&self) -> usize {
        self.launches
            .iter()
            .filter(|launch| launch.barrier_before)
            .count()
    }

    /// Marks every storage with the serial of the submission that is about to use it.
    pub fn mark(&self, serial: u64) {
        for access in &self.accesses {
            access.storage.last_use.store(serial, Ordering::Release);
            if access.written {
                access.storage.last_write.store(serial, Ordering::Release);
            }
        }
    }

    /// Marks what the launches write as unknown.
    pub fn poison_written(&self, error: &Error) {
        for access in self.accesses.iter().filter(|access| access.written) {
            access.storage.set_poison(error);
        }
    }

    /// The failure that made the contents of a storage unknown, of one that the launches access.
    pub fn poison(&self) -> Option<Error> {
        self.accesses
            .iter()
            .find_map(|access| access.storage.poison())
    }

    /// What a launch accesses.
    pub fn accesses(&self, launch: usize) -> &[Access] {
        // Each buffer among the arguments has one access.
        let is_buffer = |argument: &&RawArgument| {
            matches!(
                argument,
                RawArgument::Buffer { .. } | RawArgument::Reached { .. }
            )
        };
        let range = &self.launches[launch].arguments;
        let before = &self.arguments[..range.start as usize];
        let own = &self.arguments[range.start as usize..range.end as usize];
        let first = before.iter().filter(is_buffer).count();
        &self.accesses[first..first + own.iter().filter(is_buffer).count()]
    }

    /// The pipeline of a launch.
    pub fn pipeline(&self, launch: usize) -> &PipelineInner {
        &self.pipelines[launch]
    }

    pub fn commands(&self) -> Commands<'_> {
        Commands {
            launches: &self.launches,
            arguments: &self.arguments,
            values: self.values.bytes(),
            profile: self.profile,
        }
    }

    /// Empties it, keeping its capacity.
    pub fn clear(&mut self) {
        self.launches.clear();
        self.pipelines.clear();
        self.arguments.clear();
        self.accesses.clear();
        self.values.words.clear();
        self.hazards.clear();
        self.profile = false;
    }
}

/// Bytes of value arguments, each at a multiple of 16, the largest alignment of an MSL type.
#[derive(Default)]
struct Values {
    words: Vec<Word>,
}

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(16))]
struct Word([u8; 16]);

impl Values {
    fn push(&mut self, bytes: &[u8]) -> usize {
        let start = self.words.len();
        let words = bytes.len().div_ceil(size_of::<Word>());
        self.words.resize(start + words, Word([0; 16]));
        let target: &mut [u8] = bytemuck::cast_slice_mut(&mut self.words[start..]);
        target[..bytes.len()].copy_from_slice(bytes);
        start * size_of::<Word>()
    }

    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
    }
}
