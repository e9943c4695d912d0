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

/// The most parameters of a kernel: the grid, then as many buffers and values, and as many of threadgroup memory, as have an index.
const MAX_PARAMETERS: usize = 1 + 2 * (MAX_ARGUMENTS + 1);

/// Threadgroups of one size that are launched together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Position of the first in the grid.
    origin: [u32; 3],
    groups: [u32; 3],
    /// Threads of each.
    threads: [u32; 3],
}

impl Part {
    /// The function of a kernel for threadgroups of this size.
    ///
    /// # Safety
    /// The kernel's code is still loaded.
    unsafe fn function(&self, kernel: &Kernel) -> Result<sys::CUfunction, String> {
        let [width, height, depth] = self.threads;
        // SAFETY: the caller's promise.
        unsafe { kernel.function(width * height * depth) }
    }
}

/// The parts of a grid: the whole threadgroups, and the smaller ones at its edges, up to eight together unless there are more
/// threadgroups than one launch can have. A kernel sees the same as if there were one.
pub(super) fn parts(grid: &GridSize) -> impl Iterator<Item = Part> + use<> {
    let [x, y, z] = std::array::from_fn(|i| {
        runs(
            grid.threads[i],
            grid.threads_per_threadgroup[i],
            MAX_BLOCKS[i],
        )
    });
    z.flat_map(move |z| {
        let x = x.clone();
        y.clone().flat_map(move |y| {
            x.clone().map(move |x| Part {
                origin: [x.origin, y.origin, z.origin],
                groups: [x.groups, y.groups, z.groups],
                threads: [x.threads, y.threads, z.threads],
            })
        })
    })
}

/// Threadgroups of one size beside each other in one direction.
#[derive(Clone, Copy)]
struct Run {
    origin: u32,
    groups: u32,
    threads: u32,
}

/// The threadgroups of a grid in one direction, at most so many in a run.
fn runs(threads: u32, group: u32, most: u32) -> impl Iterator<Item = Run> + Clone {
    let (whole, rest) = (threads / group, threads % group);
    let smaller = (rest > 0).then_some(Run {
        origin: whole,
        groups: 1,
        threads: rest,
    });
    (0..whole)
        .step_by(most as usize)
        .map(move |origin| Run {
            origin,
            groups: (whole - origin).min(most),
            threads: group,
        })
        .chain(smaller)
}

/// A launch as the driver takes it: one part of a grid.
pub(super) struct Ready<'a> {
    pub function: sys::CUfunction,
    pub blocks: [u32; 3],
    /// Threads of each block.
    pub threads: [u32; 3],
    /// Bytes of dynamic threadgroup memory.
    pub shared: u32,
    /// Where each parameter lies.
    pub parameters: &'a mut [*mut c_void],
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

/// The kernel of a launch.
///
/// # Safety
/// The launch is valid: its pipeline is a kernel of loaded code.
unsafe fn kernel(launch: &RawLaunch) -> &Kernel {
    // SAFETY: the caller's promise.
    unsafe { &*ptr::with_exposed_provenance(launch.pipeline.0 as usize) }
}

/// The function of each part of a launch.
///
/// # Safety
/// The launch is valid, and the context is current.
pub(super) unsafe fn functions(
    launch: &RawLaunch,
) -> impl Iterator<Item = Result<sys::CUfunction, String>> {
    // SAFETY: the caller's promise.
    let kernel = unsafe { kernel(launch) };
    // SAFETY: as above.
    parts(&launch.grid).map(|part| unsafe { part.function(kernel) })
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
    // SAFETY: the caller's promise.
    let kernel = unsafe { kernel(launch) };
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
    let mut dispatch = Dispatch {
        threads_per_grid: grid.threads,
        threadgroups_per_grid: grid.threadgroups,
        threads_per_threadgroup: grid.threads_per_threadgroup,
        origin: [0; 3],
    };
    let mut parameters = [ptr::null_mut(); MAX_PARAMETERS];
    for (parameter, &(kind, index)) in parameters[1..].iter_mut().zip(&kernel.parameters) {
        let index = index as usize;
        *parameter = match kind {
            Kind::Buffer { .. } => (&raw mut buffers[index]).cast(),
            // The driver reads as many bytes as the kernel declares.
            Kind::Value => values[index].as_ptr().cast_mut().cast(),
            Kind::ThreadgroupMemory => (&raw mut offsets[index]).cast(),
        };
    }
    for part in parts(grid) {
        dispatch.origin = part.origin;
        parameters[0] = (&raw mut dispatch).cast();
        take(&mut Ready {
            // SAFETY: the caller's promise.
            function: unsafe { part.function(kernel) }?,
            blocks: part.groups,
            threads: part.threads,
            shared,
            parameters: &mut parameters[..=kernel.parameters.len()],
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
            prop_assert!(parts(&grid).count() <= 8);
            for part in parts(&grid) {
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
        let groups: Vec<_> = parts(&size([32, 70_000, 3], [32, 1, 2]))
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

    #[test]
    fn whole_threadgroups_are_one_part() {
        let parts: Vec<_> = parts(&size([96, 4, 2], [32, 4, 1])).collect();
        let whole = Part {
            origin: [0; 3],
            groups: [3, 1, 2],
            threads: [32, 4, 1],
        };
        assert_eq!(parts, [whole]);
    }
}
