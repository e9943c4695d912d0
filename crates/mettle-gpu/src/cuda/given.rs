//! What a submission gave its launches, kept to tell what the next one gives otherwise: most launches of a step are given the same again,
//! which is known from the commands alone, before a launch is made ready for the driver.

use super::launch::parts;
use crate::backend::{Commands, RawArgument, RawLaunch};

/// The commands of a submission, copied.
pub(super) struct Given {
    launches: Vec<RawLaunch>,
    arguments: Vec<RawArgument>,
    values: Vec<u8>,
}

/// How a launch differs from the one in its place before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing is other.
    Nothing,
    /// It is the same kernel with another size or other arguments.
    Parameters,
    /// It has another kernel, waits otherwise, or has other parts or another layout of arguments.
    Shape,
}

impl Given {
    pub fn of(commands: &Commands<'_>) -> Self {
        Given {
            launches: commands.launches.to_vec(),
            arguments: commands.arguments.to_vec(),
            values: commands.values.to_vec(),
        }
    }

    pub fn launches(&self) -> usize {
        self.launches.len()
    }

    /// What is other about a launch that both have.
    pub fn change(&self, commands: &Commands<'_>, index: usize) -> Change {
        let (old, new) = (&self.launches[index], &commands.launches[index]);
        let waits = |launch: &RawLaunch| (launch.barrier_before, launch.early_written);
        if (old.pipeline, waits(old)) != (new.pipeline, waits(new))
            || old.arguments != new.arguments
        {
            return Change::Shape;
        }
        let mut same = old.grid == new.grid;
        if !same
            && (old.grid.threads_per_threadgroup != new.grid.threads_per_threadgroup
                || parts(&old.grid).count() != parts(&new.grid).count())
        {
            return Change::Shape;
        }
        let range = new.arguments.start as usize..new.arguments.end as usize;
        for (old, new) in self.arguments[range.clone()]
            .iter()
            .zip(&commands.arguments[range])
        {
            if let RawArgument::Value { offset, bytes, .. } = *new {
                // Bytes that lie elsewhere would be written over those of another launch.
                if old != new {
                    return Change::Shape;
                }
                let bytes = offset..offset + bytes;
                same &= self.values[bytes.clone()] == commands.values[bytes];
            } else if matches!(old, RawArgument::Value { .. }) {
                return Change::Shape;
            } else {
                same &= old == new;
            }
        }
        match same {
            true => Change::Nothing,
            false => Change::Parameters,
        }
    }

    /// Takes over what a launch is given whose parameters changed.
    pub fn set(&mut self, commands: &Commands<'_>, index: usize) {
        let launch = &commands.launches[index];
        self.launches[index].grid = launch.grid;
        let range = launch.arguments.start as usize..launch.arguments.end as usize;
        for (old, new) in self.arguments[range.clone()]
            .iter_mut()
            .zip(&commands.arguments[range])
        {
            *old = *new;
            if let RawArgument::Value { offset, bytes, .. } = *new {
                let bytes = offset..offset + bytes;
                self.values[bytes.clone()].copy_from_slice(&commands.values[bytes]);
            }
        }
    }

    /// Whether the commands differ in no more than parameters.
    pub fn resembles(&self, commands: &Commands<'_>) -> bool {
        self.launches() == commands.launches.len()
            && (0..self.launches()).all(|index| self.change(commands, index) != Change::Shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::RawPipeline;
    use crate::grid::GridSize;

    /// Two launches with a buffer and a value of four bytes each.
    #[derive(Clone)]
    struct Step {
        launches: Vec<RawLaunch>,
        arguments: Vec<RawArgument>,
        values: Vec<u8>,
    }

    fn grid(threads: u32) -> GridSize {
        GridSize {
            threads: [threads, 1, 1],
            threadgroups: [threads.div_ceil(32), 1, 1],
            threads_per_threadgroup: [32, 1, 1],
        }
    }

    fn step() -> Step {
        let launch = |index: u32| RawLaunch {
            pipeline: RawPipeline(7),
            grid: grid(64),
            arguments: 2 * index..2 * index + 2,
            barrier_before: index == 1,
            early_written: false,
        };
        let arguments = |launch: usize| {
            [
                RawArgument::Buffer {
                    index: 0,
                    written: true,
                    buffer: 4096,
                    offset: 256 * launch,
                },
                RawArgument::Value {
                    index: 1,
                    offset: 16 * launch,
                    bytes: 4,
                },
            ]
        };
        Step {
            launches: vec![launch(0), launch(1)],
            arguments: [arguments(0), arguments(1)].concat(),
            values: vec![0; 32],
        }
    }

    impl Step {
        fn commands(&self) -> Commands<'_> {
            Commands {
                launches: &self.launches,
                arguments: &self.arguments,
                values: &self.values,
                profile: false,
            }
        }
    }

    /// What changes when a step is altered, for both launches.
    fn changes(alter: impl FnOnce(&mut Step)) -> [Change; 2] {
        let mut given = Given::of(&step().commands());
        let mut altered = step();
        alter(&mut altered);
        let commands = altered.commands();
        let changes = [0, 1].map(|index| given.change(&commands, index));
        assert_eq!(
            given.resembles(&commands),
            !changes.contains(&Change::Shape)
        );
        for (index, change) in changes.into_iter().enumerate() {
            if change == Change::Parameters {
                given.set(&commands, index);
                assert_eq!(given.change(&commands, index), Change::Nothing);
            }
        }
        changes
    }

    #[test]
    fn parameters_that_change() {
        use Change::{Nothing, Parameters};
        assert_eq!(changes(|_| ()), [Nothing, Nothing]);
        // What lies between the values belongs to none.
        assert_eq!(changes(|step| step.values[4] = 1), [Nothing, Nothing]);
        assert_eq!(changes(|step| step.values[3] = 1), [Parameters, Nothing]);
        assert_eq!(changes(|step| step.values[16] = 1), [Nothing, Parameters]);
        let changed = changes(|step| {
            let RawArgument::Buffer { offset, .. } = &mut step.arguments[2] else {
                panic!("the first is a buffer")
            };
            *offset += 1;
        });
        assert_eq!(changed, [Nothing, Parameters]);
        assert_eq!(
            changes(|step| step.launches[0].grid = grid(96)),
            [Parameters, Nothing]
        );
    }

    #[test]
    fn shapes_that_change() {
        use Change::{Nothing, Shape};
        let first: [fn(&mut Step); 8] = [
            |step| step.launches[0].pipeline = RawPipeline(8),
            |step| step.launches[0].barrier_before = true,
            |step| step.launches[0].early_written = true,
            |step| step.launches[0].arguments.end = 1,
            // A smaller threadgroup at the edge is a part of its own.
            |step| step.launches[0].grid = grid(65),
            |step| step.launches[0].grid.threads_per_threadgroup = [16, 1, 1],
            |step| step.arguments.swap(0, 1),
            |step| {
                step.arguments[1] = RawArgument::Value {
                    index: 1,
                    offset: 0,
                    bytes: 8,
                }
            },
        ];
        for alter in first {
            assert_eq!(changes(alter), [Shape, Nothing]);
        }
        let mut longer = step();
        longer.launches.push(longer.launches[1].clone());
        assert!(!Given::of(&step().commands()).resembles(&longer.commands()));
    }
}
