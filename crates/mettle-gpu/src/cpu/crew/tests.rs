//! The crew on a kernel that notices when something runs twice or too early.

use std::ffi::c_void;

use mettle_msl::abi::Launch;

use super::*;
use crate::backend::{RawArgument, RawLaunch, RawPipeline};
use crate::cpu::code::{Entry, Kernel, Text};
use crate::grid::GridSize;

/// Threadgroup `i` of launch `n` turns its number in one array from `n - 2` to `n`, and finds that launch `n - 1` is done with its
/// neighbour's number in the other. Anything else is counted as a mistake.
unsafe extern "C" fn step(launch: *const Launch) {
    // SAFETY: the test below passes two arrays as long as the grid, a counter of mistakes and a number.
    unsafe {
        let launch = &*launch;
        let buffer = |index: usize| (*launch.buffers.add(index)).cast::<AtomicU32>();
        let number = (*launch.buffers.add(3)).cast::<u32>().read();
        let (at, count) = (
            launch.threadgroup_position[0],
            launch.threadgroups_per_grid[0],
        );
        let neighbour = (*buffer(0).add(((at + 1) % count) as usize)).load(Ordering::Relaxed);
        let own = (*buffer(1).add(at as usize)).swap(number, Ordering::Relaxed);
        if neighbour != number - 1 || own != number - 2 {
            (*buffer(2)).fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// More workers than there are cores, phases of all lengths, sleeps in between: each threadgroup runs once, each phase after the one
/// before.
#[test]
fn everything_runs_once_and_in_order() {
    const LONGEST: usize = 5000;
    let crew = Crew::new(6, &DeviceOptions::default());
    let kernel = Kernel {
        entry: Entry::Group(step),
        text: Text::default(),
        cost: AtomicU32::new(0),
    };
    let arrays: [Vec<AtomicU32>; 2] =
        std::array::from_fn(|_| (0..LONGEST).map(|_| AtomicU32::new(0)).collect());
    let mistakes = AtomicU32::new(0);
    let handle = |pointer: *const AtomicU32| pointer.cast::<c_void>().expose_provenance() as u64;
    for round in 0..400 {
        let groups = [1, 3, 40, LONGEST as u32][round % 4];
        let launches = 1 + round as u32 % 5;
        arrays[0]
            .iter()
            .for_each(|number| number.store(0, Ordering::Relaxed));
        arrays[1]
            .iter()
            .for_each(|number| number.store(1, Ordering::Relaxed));
        let mut values = vec![0u8; 16 * launches as usize];
        let mut arguments = Vec::new();
        let mut commands = Vec::new();
        for launch in 0..launches {
            let [even, odd] = &arrays;
            let (last, next) = if launch % 2 == 0 {
                (odd, even)
            } else {
                (even, odd)
            };
            let buffers = [last.as_ptr(), next.as_ptr(), &raw const mistakes];
            let value = 16 * launch as usize;
            values[value..][..4].copy_from_slice(&(launch + 2).to_ne_bytes());
            let start = arguments.len() as u32;
            arguments.extend(
                (0..)
                    .zip(buffers)
                    .map(|(index, buffer)| RawArgument::Buffer {
                        index,
                        written: true,
                        buffer: handle(buffer),
                        offset: 0,
                    }),
            );
            arguments.push(RawArgument::Value {
                index: 3,
                offset: value,
                bytes: 4,
            });
            commands.push(RawLaunch {
                pipeline: RawPipeline((&raw const kernel).expose_provenance() as u64),
                grid: GridSize {
                    threads: [groups, 1, 1],
                    threadgroups: [groups, 1, 1],
                    threads_per_threadgroup: [1, 1, 1],
                },
                arguments: start..arguments.len() as u32,
                barrier_before: true,
                early_written: false,
            });
        }
        let commands = Commands {
            launches: &commands,
            arguments: &arguments,
            values: &values,
            profile: round % 7 == 0,
        };
        // Cheap to the planner, so that phases run on one thread, or expensive, so that they are shared.
        kernel
            .cost
            .store([16, 100_000][round / 4 % 2], Ordering::Relaxed);
        let seed = (round % 3 == 0).then_some(round as u64);
        // SAFETY: the commands are valid until `run` returns.
        let completion = unsafe { crew.run(&commands, seed, None) };
        assert!(completion.fault.is_none());
        assert_eq!(mistakes.load(Ordering::Relaxed), 0, "round {round}");
        let last = &arrays[(launches as usize - 1) % 2][..groups as usize];
        assert!(
            last.iter()
                .all(|number| number.load(Ordering::Relaxed) == launches + 1),
            "round {round}"
        );
        if round % 50 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
