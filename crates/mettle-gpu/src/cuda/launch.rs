//! Launches: the parts of a grid whose threadgroups have one size, and the parameters of a kernel.

use std::ffi::c_void;
use std::ptr;

use cudarc::driver::sys;
use mettle_msl::ArtefactArgumentKind as Kind;
use mettle_msl::abi::{Dispatch, MAX_ARGUMENTS};

use super::code::Kernel;
use super::driver::{Gpu, check};
use crate::backend::{Commands, RawArgument, RawLaunch};
use crate::grid::GridSize;

/// The most blocks of a launch in each direction.
const MAX_BLOCKS: [u32; 3] = [i32::MAX as u32, 65535, 65535];

/// Threadgroups of one size that are launched together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// Position of the first in the grid.
    origin: [u32; 3],
    groups: [u32; 3],
    /// Threads of each.
    threads: [u32; 3],
}

/// The parts of a grid: the whole threadgroups, and the smaller ones at its edges, up to eight together unless there are more
/// threadgroups than one launch can have. A kernel sees the same as if there were one.
fn parts(grid: &GridSize) -> Vec<Part> {
    let mut parts = vec![Part {
        origin: [0; 3],
        groups: [1; 3],
        threads: [1; 3],
    }];
    for (i, most) in MAX_BLOCKS.into_iter().enumerate() {
        let (threads, group) = (grid.threads[i], grid.threads_per_threadgroup[i]);
        let (whole, rest) = (threads / group, threads % group);
        let mut runs = Vec::with_capacity(2);
        let mut start = 0;
        while start < whole {
            let groups = (whole - start).min(most);
            runs.push((start, groups, group));
            start += groups;
        }
        if rest > 0 {
            runs.push((whole, 1, rest));
        }
        parts = runs
            .into_iter()
            .flat_map(|(origin, groups, threads)| {
                parts.iter().map(move |part| {
                    let mut part = *part;
                    (part.origin[i], part.groups[i], part.threads[i]) = (origin, groups, threads);
                    part
                })
            })
            .collect();
    }
    parts
}

/// A launch as the driver takes it: one part of a grid.
pub(super) struct Ready<'a> {
    pub function: sys::CUfunction,
    pub blocks: [u32; 3],
    /// Threads of each block.
    pub threads: [u32; 3],
    /// Bytes of dynamic threadgroup memory.
    pub shared: u32,
    /// Where each parameter lies, and how many bytes are ours.
    pub parameters: &'a mut [*mut c_void],
    pub lengths: &'a [usize],
}

impl Ready<'_> {
    /// Puts it on the stream.
    ///
    /// # Safety
    /// The context is current, and what the parameters point to stays so until the stream is done.
    pub unsafe fn run(&mut self, gpu: &Gpu) -> Result<(), String> {
        let [x, y, z] = self.blocks;
        let [width, height, depth] = self.threads;
        // SAFETY: the caller's promise; the parameters are those of the kernel, in its order, and are copied by the call.
        check(unsafe {
            sys::cuLaunchKernel(
                self.function,
                x,
                y,
                z,
                width,
                height,
                depth,
                self.shared,
                gpu.stream,
                self.parameters.as_mut_ptr(),
                ptr::null_mut(),
            )
        })
        .map_err(|failure| format!("cannot launch it: {failure}"))
    }
}

/// Gives each part of a launch to `take`.
///
/// # Safety
/// The commands are valid, and the context is current.
pub(super) unsafe fn each_part(
    commands: &Commands<'_>,
    launch: &RawLaunch,
    mut take: impl FnMut(&mut Ready<'_>) -> Result<(), String>,
) -> Result<(), String> {
    // SAFETY: the caller's promise: pipelines are kernels of loaded code.
    let kernel: &Kernel = unsafe { &*ptr::with_exposed_provenance(launch.pipeline.0 as usize) };
    let arguments =
        &commands.arguments[launch.arguments.start as usize..launch.arguments.end as usize];
    // Addresses of buffers by index, bytes of values by index, offsets of threadgroup memory by index.
    let mut buffers = [0_u64; MAX_ARGUMENTS + 1];
    let mut values: [&[u8]; MAX_ARGUMENTS + 1] = [&[]; MAX_ARGUMENTS + 1];
    let mut offsets = [0_u32; MAX_ARGUMENTS + 1];
    let mut shared = 0;
    for argument in arguments {
        match *argument {
            RawArgument::Buffer {
                index,
                buffer,
                offset,
                ..
            } => buffers[index as usize] = buffer + offset as u64,
            RawArgument::Value {
                index,
                offset,
                bytes,
            } => values[index as usize] = &commands.values[offset..offset + bytes],
            RawArgument::Reached { .. } => {}
            RawArgument::ThreadgroupMemory { index, bytes } => {
                offsets[index as usize] = shared;
                shared += bytes as u32;
            }
        }
    }
    let grid = &launch.grid;
    for part in parts(grid) {
        let mut dispatch = Dispatch {
            threads_per_grid: grid.threads,
            threadgroups_per_grid: grid.threadgroups,
            threads_per_threadgroup: grid.threads_per_threadgroup,
            origin: part.origin,
        };
        let mut parameters: Vec<*mut c_void> = Vec::with_capacity(1 + kernel.parameters.len());
        let mut lengths = Vec::with_capacity(parameters.capacity());
        parameters.push((&raw mut dispatch).cast());
        lengths.push(size_of::<Dispatch>());
        for &(kind, index) in &kernel.parameters {
            let index = index as usize;
            let (parameter, length) = match kind {
                Kind::Buffer { .. } => ((&raw mut buffers[index]).cast(), size_of::<u64>()),
                // The driver reads as many bytes as the kernel declares.
                Kind::Value => (
                    values[index].as_ptr().cast_mut().cast(),
                    values[index].len(),
                ),
                Kind::ThreadgroupMemory => ((&raw mut offsets[index]).cast(), size_of::<u32>()),
            };
            parameters.push(parameter);
            lengths.push(length);
        }
        let [width, height, depth] = part.threads;
        take(&mut Ready {
            // SAFETY: the caller's promise.
            function: unsafe { kernel.function(width * height * depth) }?,
            blocks: part.groups,
            threads: part.threads,
            shared,
            parameters: &mut parameters,
            lengths: &lengths,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(threads: [u32; 3], group: [u32; 3]) -> GridSize {
        GridSize {
            threads,
            threadgroups: std::array::from_fn(|i| threads[i].div_ceil(group[i])),
            threads_per_threadgroup: group,
        }
    }

    proptest! {
        /// The parts cover every threadgroup once, with the size that the grid gives it.
        #[test]
        fn parts_cover_the_grid(
            threads in prop::array::uniform3(1u32..40),
            group in prop::array::uniform3(1u32..12),
        ) {
            let grid = size(threads, group);
            let mut seen = std::collections::HashSet::new();
            let parts = parts(&grid);
            prop_assert!(parts.len() <= 8);
            for part in parts {
                for z in 0..part.groups[2] {
                    for y in 0..part.groups[1] {
                        for x in 0..part.groups[0] {
                            let place = [part.origin[0] + x, part.origin[1] + y, part.origin[2] + z];
                            prop_assert!(seen.insert(place));
                            prop_assert_eq!(part.threads, grid.threadgroup_size(place));
                        }
                    }
                }
            }
            prop_assert_eq!(seen.len() as u32, grid.threadgroup_count());
        }
    }

    #[test]
    fn more_groups_than_a_launch_can_have() {
        let parts = parts(&size([32, 70_000, 3], [32, 1, 2]));
        let groups: Vec<_> = parts
            .iter()
            .map(|part| (part.origin, part.groups, part.threads))
            .collect();
        assert_eq!(
            groups,
            [
                ([0, 0, 0], [1, 65535, 1], [32, 1, 2]),
                ([0, 65535, 0], [1, 4465, 1], [32, 1, 2]),
                ([0, 0, 1], [1, 65535, 1], [32, 1, 1]),
                ([0, 65535, 1], [1, 4465, 1], [32, 1, 1]),
            ]
        );
    }
}
