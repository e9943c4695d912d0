//! Encoding and running submissions.

use super::MetalBackend;
use super::api::{
    Api, ApiError, Buffer as _, CommandBuffer as _, Device as _, Encoder as _, Queue as _, Storage,
};
use super::code::State;
use super::memory::Memory;
use crate::backend::{Commands, Completion, RawArgument, RawFault, RawLaunch};
use crate::fault::Fault;
use std::collections::VecDeque;
use std::ops::Range;

/// Command buffers that run or wait to at once, when each launch has its own.
const IN_FLIGHT: usize = 3;

/// Bytes that `setBytes` takes.
const LONGEST_VALUE: usize = 4096;

/// What `setThreadgroupMemoryLength` rounds to.
const THREADGROUP_GRANULE: usize = 16;

/// Launches on their way to the GPU.
struct Flight<A: Api> {
    commands: A::CommandBuffer,
    launches: Range<usize>,
    /// Values too long for the encoder, which the command buffer does not retain.
    _values: Vec<A::Buffer>,
}

impl<A: Api> MetalBackend<A> {
    /// Runs a submission to its end.
    ///
    /// # Safety
    /// As for [`Backend::submit`](crate::backend::Backend::submit).
    pub(super) unsafe fn run(&self, commands: &Commands<'_>) -> Completion {
        let mut completion = Completion::default();
        let count = commands.launches.len();
        let step = if commands.profile { 1 } else { count.max(1) };
        let mut flying = VecDeque::new();
        for start in (0..count).step_by(step) {
            if flying.len() == IN_FLIGHT {
                self.land(&mut flying, commands, &mut completion);
            }
            if completion.fault.is_some() {
                break;
            }
            // SAFETY: the caller's promise.
            match unsafe { self.start(commands, start..count.min(start + step)) } {
                Ok(flight) => flying.push_back(flight),
                Err(reason) => completion.fault = Some(fault(start, reason.to_owned())),
            }
        }
        // Also after a failure: what is in flight uses the caller's memory.
        while !flying.is_empty() {
            self.land(&mut flying, commands, &mut completion);
        }
        completion
    }

    /// Encodes launches and hands them to the GPU.
    ///
    /// # Safety
    /// As for [`Backend::submit`](crate::backend::Backend::submit).
    unsafe fn start(
        &self,
        commands: &Commands<'_>,
        launches: Range<usize>,
    ) -> Result<Flight<A>, &'static str> {
        let buffer = self
            .queue
            .command_buffer("mettle pass")
            .ok_or("Metal gives no command buffer")?;
        let encoder = buffer
            .compute_command_encoder("mettle pass")
            .ok_or("Metal gives no compute encoder")?;
        let mut values = Vec::new();
        let mut current = None;
        let mut outcome = Ok(());
        for launch in &commands.launches[launches.clone()] {
            // The first launch of a command buffer waits for those before it anyway.
            if launch.barrier_before && current.is_some() {
                encoder.memory_barrier();
            }
            // SAFETY: the caller's promise: the pipeline is loaded until the submission is complete.
            let state = unsafe { State::<A>::of(launch.pipeline) };
            if current != Some(launch.pipeline.0) {
                encoder.set_compute_pipeline_state(&state.pipeline);
                current = Some(launch.pipeline.0);
            }
            encoder.insert_debug_signpost(&state.name);
            // SAFETY: the caller's promise.
            outcome = unsafe { self.bind(&encoder, commands, launch, &mut values) };
            if outcome.is_err() {
                break;
            }
            dispatch(&encoder, launch);
        }
        // An encoder must be ended before it is released, whatever happened.
        encoder.end_encoding();
        outcome?;
        buffer.commit();
        Ok(Flight {
            commands: buffer,
            launches,
            _values: values,
        })
    }

    /// Sets the arguments of a launch.
    ///
    /// # Safety
    /// As for [`Backend::submit`](crate::backend::Backend::submit).
    unsafe fn bind(
        &self,
        encoder: &A::Encoder,
        commands: &Commands<'_>,
        launch: &RawLaunch,
        values: &mut Vec<A::Buffer>,
    ) -> Result<(), &'static str> {
        let range = launch.arguments.start as usize..launch.arguments.end as usize;
        for argument in &commands.arguments[range] {
            match *argument {
                RawArgument::Buffer {
                    index,
                    buffer,
                    offset,
                    ..
                } => {
                    // SAFETY: the caller's promise: the buffer lives until the submission is complete, and the offset lies in it.
                    unsafe {
                        let memory = Memory::<A>::of(buffer);
                        encoder.set_buffer(&memory.buffer, memory.base + offset, index);
                    }
                }
                RawArgument::Value {
                    index,
                    offset,
                    bytes,
                } => {
                    let value = &commands.values[offset..offset + bytes];
                    if bytes <= LONGEST_VALUE {
                        encoder.set_bytes(value, index);
                        continue;
                    }
                    let buffer = self
                        .device
                        .new_buffer(bytes, Storage::Shared)
                        .ok_or("there is no memory for a value argument")?;
                    // SAFETY: the buffer is new and of this length, and it is kept until the command buffer is complete.
                    unsafe {
                        std::ptr::copy_nonoverlapping(
                            value.as_ptr(),
                            buffer.contents().as_ptr(),
                            bytes,
                        );
                        encoder.set_buffer(&buffer, 0, index);
                    }
                    values.push(buffer);
                }
                // Buffers of this device have no address that a kernel could be given.
                RawArgument::Reached { .. } => {}
                RawArgument::ThreadgroupMemory { index, bytes } => {
                    let length = bytes.next_multiple_of(THREADGROUP_GRANULE);
                    encoder.set_threadgroup_memory_length(length, index);
                }
            }
        }
        Ok(())
    }

    /// Waits for the oldest flight.
    fn land(
        &self,
        flying: &mut VecDeque<Flight<A>>,
        commands: &Commands<'_>,
        completion: &mut Completion,
    ) {
        let Some(flight) = flying.pop_front() else {
            return;
        };
        flight.commands.wait_until_completed();
        if let Some(error) = flight.commands.error() {
            // What ran after a failure read what the failure left.
            if completion.fault.is_none() {
                let names = flight.launches.clone().map(|launch| {
                    // SAFETY: pipelines live until the submission is complete.
                    let state = unsafe { State::<A>::of(commands.launches[launch].pipeline) };
                    state.name.as_str()
                });
                let names: Vec<&str> = names.collect();
                let (launch, reason) = blame(&error, &names);
                completion.fault = Some(fault(flight.launches.start + launch, reason));
            }
            return;
        }
        let seconds = flight.commands.gpu_end_time() - flight.commands.gpu_start_time();
        tracing::trace!(
            seconds,
            launches = flight.launches.len(),
            "the GPU ran a pass"
        );
        if commands.profile {
            // As casts of floats do, one that is not a number becomes zero.
            completion.nanoseconds.push((seconds * 1e9) as u64);
        }
    }
}

fn dispatch<A: Api>(encoder: &impl super::api::Encoder<A>, launch: &RawLaunch) {
    let grid = &launch.grid;
    let whole = (0..3).all(|i| grid.threads[i].is_multiple_of(grid.threads_per_threadgroup[i]));
    if whole {
        encoder.dispatch_threadgroups(grid.threadgroups, grid.threads_per_threadgroup);
    } else {
        encoder.dispatch_threads(grid.threads, grid.threads_per_threadgroup);
    }
}

fn fault(launch: usize, reason: String) -> RawFault {
    RawFault {
        launch,
        // Metal does not say.
        threadgroup: None,
        fault: Fault::Host { reason },
        code_address: None,
    }
}

/// The launch of a failed command buffer that its encoder's signposts lead to, and the failure in words. Metal records the signposts that the
/// GPU has passed; where it records none, or all of them though there are several, the failure is any launch's.
fn blame(error: &ApiError, names: &[&str]) -> (usize, String) {
    let what = match error.code {
        1 => "an internal error of the driver",
        2 => "it ran too long and was stopped by the system",
        3 => "it accessed memory outside of its buffers",
        4 | 7 => "the system refuses this process the GPU",
        8 => "there is not enough memory to run it",
        9 => "it uses a buffer that is not alive",
        11 => "the GPU was removed",
        12 => "its stack overflowed",
        _ => "the command buffer failed",
    };
    let description = &error.description;
    let passed = error
        .encoders
        .iter()
        .filter(|encoder| encoder.failed)
        .map(|encoder| encoder.signposts.len())
        .max()
        .unwrap_or(0);
    if names.len() == 1 {
        return (0, format!("{what} ({description})"));
    }
    if (1..names.len()).contains(&passed) {
        let reason = format!(
            "{what} ({description}), in launch {passed} of {}",
            names.len()
        );
        return (passed - 1, reason);
    }
    let mut distinct = names.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let kernels = distinct.join(", ");
    (
        0,
        format!(
            "{what} ({description}), in one of {} launches of: {kernels}",
            names.len()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metal::api::EncoderInfo;

    fn error(failed: bool, signposts: usize) -> ApiError {
        ApiError {
            description: "Caused GPU Address Fault Error".to_owned(),
            code: 3,
            encoders: vec![EncoderInfo {
                failed,
                signposts: vec![String::new(); signposts],
            }],
        }
    }

    #[test]
    fn signposts_lead_to_the_launch() {
        let (launch, reason) = blame(&error(true, 2), &["a", "b", "c"]);
        assert_eq!(launch, 1);
        assert!(reason.contains("outside of its buffers") && reason.contains("launch 2 of 3"));
    }

    #[test]
    fn without_signposts_every_kernel_is_named() {
        for error in [error(true, 3), error(false, 1), error(true, 0)] {
            let (launch, reason) = blame(&error, &["b", "a", "b"]);
            assert_eq!(launch, 0);
            assert!(reason.ends_with("one of 3 launches of: a, b"), "{reason}");
        }
    }
}
