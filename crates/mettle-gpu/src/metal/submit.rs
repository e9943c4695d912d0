//! Encoding and running submissions.

use super::MetalBackend;
use super::api::{
    Api, ApiError, Buffer as _, CommandBuffer as _, Device as _, Encoder as _, EncoderState,
    NO_TIMESTAMP, Queue as _, Sampling, Storage, Timestamps as _,
};
use super::code::State;
use super::memory::Memory;
use crate::GpuTime;
use crate::backend::{Commands, Completion, RawArgument, RawFault, RawLaunch, Submitted};
use crate::fault::Fault;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Command buffers of one submission that run or wait to at once, when it has several.
const IN_FLIGHT: usize = 3;

/// Launches whose times one command buffer records: a buffer of samples has 32 KiB.
const MOST_TIMED: usize = 2048;

/// Kernels that the label of an encoder names.
const NAMED: usize = 4;

/// Bytes that `setBytes` takes.
const LONGEST_VALUE: usize = 4096;

/// What `setThreadgroupMemoryLength` rounds to.
const THREADGROUP_GRANULE: usize = 16;

/// Launches on their way to the GPU.
struct Flight<A: Api> {
    commands: A::CommandBuffer,
    launches: Range<usize>,
    times: Option<Times<A>>,
    /// Values too long for the encoder, which the command buffer does not retain.
    _values: Vec<A::Buffer>,
}

/// When each launch begins and ends, in ticks.
struct Times<A: Api> {
    samples: A::Timestamps,
    nanoseconds_per_tick: f64,
}

/// Where an encoder records the times of its launches: two of each.
struct Samples<'a, A: Api> {
    timestamps: &'a A::Timestamps,
    /// The index of the first.
    first: usize,
}

impl<A: Api> MetalBackend<A> {
    /// Runs a submission, or begins to.
    ///
    /// # Safety
    /// As for [`Backend::submit`](crate::backend::Backend::submit).
    pub(super) unsafe fn run(&self, commands: &Commands<'_>) -> Submitted {
        let mut completion = Completion::default();
        let count = commands.launches.len();
        let step = match (commands.profile, self.clock) {
            (false, _) => count.max(1),
            (true, Some(_)) => MOST_TIMED,
            (true, None) => 1,
        };
        let mut flying = VecDeque::new();
        for start in (0..count).step_by(step) {
            if flying.len() == IN_FLIGHT {
                land_oldest(&mut flying, commands, &mut completion);
            }
            if completion.fault.is_some() {
                break;
            }
            // SAFETY: the caller's promise.
            match unsafe { self.start(commands, start..count.min(start + step)) } {
                Ok(flight) => flying.push_back(flight),
                Err(reason) => completion.fault = Some(fault(start, reason)),
            }
        }
        if step >= count
            && let Some(flight) = flying.pop_front()
        {
            return Submitted::Running(Box::new(flight));
        }
        // Also after a failure: what is in flight uses the caller's memory.
        while !flying.is_empty() {
            land_oldest(&mut flying, commands, &mut completion);
        }
        Submitted::Complete(completion)
    }

    /// Encodes launches and hands them to the GPU.
    ///
    /// # Safety
    /// As for [`Backend::submit`](crate::backend::Backend::submit).
    unsafe fn start(
        &self,
        commands: &Commands<'_>,
        launches: Range<usize>,
    ) -> Result<Flight<A>, String> {
        let times = match self.clock.filter(|_| commands.profile) {
            None => None,
            Some(clock) => Some(Times {
                samples: self
                    .device
                    .new_timestamps(2 * launches.len(), "times of launches")
                    .map_err(|error| format!("Metal cannot record times: {}", error.description))?,
                nanoseconds_per_tick: clock.nanoseconds_per_tick(self.device.gpu_timestamp()),
            }),
        };
        let number = self.submissions.fetch_add(1, Ordering::Relaxed) + 1;
        let buffer = self
            .queue
            .command_buffer(&format!("submission {number}, {} launches", launches.len()))
            .ok_or("Metal gives no command buffer")?;
        let mut values = Vec::new();
        // Launches that are encoded together.
        let together = match self.sampling {
            Sampling::AtStageBoundary if times.is_some() => 1,
            _ => launches.len().max(1),
        };
        for start in launches.clone().step_by(together) {
            let part = start..launches.end.min(start + together);
            let samples = times.as_ref().map(|times| Samples {
                timestamps: &times.samples,
                first: 2 * (start - launches.start),
            });
            // SAFETY: the caller's promise.
            unsafe { self.encode(&buffer, commands, part, samples, &mut values) }?;
        }
        buffer.commit();
        Ok(Flight {
            commands: buffer,
            launches,
            times,
            _values: values,
        })
    }

    /// Encodes launches with one encoder.
    ///
    /// # Safety
    /// As for [`Backend::submit`](crate::backend::Backend::submit).
    unsafe fn encode(
        &self,
        buffer: &A::CommandBuffer,
        commands: &Commands<'_>,
        launches: Range<usize>,
        samples: Option<Samples<'_, A>>,
        values: &mut Vec<A::Buffer>,
    ) -> Result<(), &'static str> {
        let of_encoder = samples
            .as_ref()
            .filter(|_| self.sampling == Sampling::AtStageBoundary);
        let between = samples
            .as_ref()
            .filter(|_| self.sampling == Sampling::AtDispatchBoundary);
        let launches = &commands.launches[launches];
        let encoder = buffer
            .compute_command_encoder(
                &label::<A>(launches),
                of_encoder.map(|samples| (samples.timestamps, samples.first)),
            )
            .ok_or("Metal gives no compute encoder")?;
        let mut current = None;
        let mut lent = 0;
        let mut outcome = Ok(());
        for (at, launch) in launches.iter().enumerate() {
            // The first launch of an encoder waits for those before it anyway.
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
            outcome = unsafe { self.bind(&encoder, commands, launch, &mut lent, values) };
            if outcome.is_err() {
                break;
            }
            if let Some(samples) = between {
                encoder.sample_counters(samples.timestamps, samples.first + 2 * at);
            }
            dispatch(&encoder, launch);
            if let Some(samples) = between {
                encoder.sample_counters(samples.timestamps, samples.first + 2 * at + 1);
            }
        }
        // An encoder must be ended before it is released, whatever happened.
        encoder.end_encoding();
        outcome
    }

    /// Sets the arguments of a launch. `lent` has a bit for each index that there is threadgroup memory at: lengths stay as they are set, and those of launches
    /// before would count against what one may have.
    ///
    /// # Safety
    /// As for [`Backend::submit`](crate::backend::Backend::submit).
    unsafe fn bind(
        &self,
        encoder: &A::Encoder,
        commands: &Commands<'_>,
        launch: &RawLaunch,
        lent: &mut u32,
        values: &mut Vec<A::Buffer>,
    ) -> Result<(), &'static str> {
        let mut taken = 0;
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
                        .new_buffer(bytes, Storage::Shared, "long value argument")
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
                RawArgument::Reached {
                    buffer, written, ..
                } => {
                    // SAFETY: the caller's promise: the buffer lives until the submission is complete.
                    unsafe {
                        let memory = Memory::<A>::of(buffer);
                        encoder.use_resource(&memory.buffer, written);
                    }
                }
                RawArgument::ThreadgroupMemory { index, bytes } => {
                    let length = bytes.next_multiple_of(THREADGROUP_GRANULE);
                    encoder.set_threadgroup_memory_length(length, index);
                    taken |= 1 << index;
                }
            }
        }
        let left = *lent & !taken;
        for index in (0..u32::BITS).filter(|index| left >> index & 1 == 1) {
            encoder.set_threadgroup_memory_length(0, index);
        }
        *lent = taken;
        Ok(())
    }
}

impl<A: Api> crate::backend::Flight for Flight<A> {
    fn finish(self: Box<Self>, commands: Commands<'_>) -> Completion {
        let mut completion = Completion::default();
        A::autoreleasepool(|| self.land(&commands, &mut completion));
        completion
    }
}

fn land_oldest<A: Api>(
    flying: &mut VecDeque<Flight<A>>,
    commands: &Commands<'_>,
    completion: &mut Completion,
) {
    if let Some(flight) = flying.pop_front() {
        flight.land(commands, completion);
    }
}

impl<A: Api> Flight<A> {
    /// Waits for the end.
    fn land(self, commands: &Commands<'_>, completion: &mut Completion) {
        self.commands.wait_until_completed();
        if let Some(error) = self.commands.error() {
            // What ran after a failure read what the failure left.
            if completion.fault.is_none() {
                let names = self.launches.clone().map(|launch| {
                    // SAFETY: pipelines live until the submission is complete.
                    let state = unsafe { State::<A>::of(commands.launches[launch].pipeline) };
                    state.name.as_str()
                });
                let names: Vec<&str> = names.collect();
                let (launch, reason) = blame(&error, &names);
                completion.fault = Some(fault(self.launches.start + launch, reason));
            }
            return;
        }
        // One that is not a number becomes zero.
        let time = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let ran = GpuTime {
            start: time(self.commands.gpu_start_time()),
            end: time(self.commands.gpu_end_time()),
        };
        tracing::debug!(
            elapsed = ?ran.elapsed(),
            launches = self.launches.len(),
            "the GPU ran a pass"
        );
        let whole = completion.gpu_time.take().map_or(ran, |time| time.and(ran));
        completion.gpu_time = Some(Box::new(whole));
        match &self.times {
            Some(times) => completion
                .nanoseconds
                .extend(times.nanoseconds(self.launches.len())),
            None if commands.profile => {
                completion.nanoseconds.push(ran.elapsed().as_nanos() as u64)
            }
            None => {}
        }
    }
}

impl<A: Api> Times<A> {
    /// Nanoseconds of each launch; zero where the GPU could not tell.
    fn nanoseconds(&self, launches: usize) -> Vec<u64> {
        let ticks = self.samples.resolve(2 * launches).unwrap_or_default();
        let (pairs, _) = ticks.as_chunks();
        let mut nanoseconds: Vec<u64> = pairs
            .iter()
            .map(|&[begin, end]| {
                if begin == NO_TIMESTAMP || end == NO_TIMESTAMP {
                    return 0;
                }
                (end.saturating_sub(begin) as f64 * self.nanoseconds_per_tick) as u64
            })
            .collect();
        nanoseconds.resize(launches, 0);
        nanoseconds
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

/// An encoder's name: the kernels that it launches, a few of them.
fn label<A: Api>(launches: &[RawLaunch]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for launch in launches {
        // SAFETY: pipelines live until the submission is complete.
        let name = unsafe { State::<A>::of(launch.pipeline) }.name.as_str();
        if names.contains(&name) {
            continue;
        }
        if names.len() == NAMED {
            names.push("...");
            break;
        }
        names.push(name);
    }
    match names.is_empty() {
        true => "nothing".to_owned(),
        false => names.join(", "),
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

/// The launch of a failed command buffer that its encoders lead to, and the failure in words. Where each launch has an encoder, it is the one
/// that failed. Of one encoder, Metal records the signposts that the GPU has passed; where it records none, or all of them though there are
/// several, the failure is any launch's.
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
    if names.len() == 1 {
        return (0, format!("{what} ({description})"));
    }
    let in_state = |state| error.encoders.iter().position(|e| e.state == state);
    let failed = in_state(EncoderState::Faulted).or(in_state(EncoderState::Affected));
    let launch = failed.and_then(|encoder| {
        if error.encoders.len() == names.len() {
            return Some(encoder);
        }
        let passed = error.encoders[encoder].signposts.len();
        (1..names.len()).contains(&passed).then(|| passed - 1)
    });
    if let Some(launch) = launch {
        let reason = format!(
            "{what} ({description}), in launch {} of {}",
            launch + 1,
            names.len()
        );
        return (launch, reason);
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

    fn error(encoders: &[(EncoderState, usize)]) -> ApiError {
        let encoders = encoders.iter().map(|&(state, signposts)| EncoderInfo {
            state,
            signposts: vec![String::new(); signposts],
        });
        ApiError {
            description: "Caused GPU Address Fault Error".to_owned(),
            code: 3,
            encoders: encoders.collect(),
        }
    }

    #[test]
    fn signposts_lead_to_the_launch() {
        let (launch, reason) = blame(&error(&[(EncoderState::Faulted, 2)]), &["a", "b", "c"]);
        assert_eq!(launch, 1);
        assert!(reason.contains("outside of its buffers") && reason.contains("launch 2 of 3"));
    }

    #[test]
    fn an_encoder_of_its_own_leads_to_the_launch() {
        use EncoderState::{Affected, Faulted, Other};
        for (states, expected) in [
            ([Other, Affected, Faulted], 2),
            ([Other, Affected, Affected], 1),
            ([Faulted, Affected, Affected], 0),
        ] {
            let (launch, reason) = blame(&error(&states.map(|s| (s, 1))), &["a", "b", "a"]);
            assert_eq!(launch, expected);
            assert!(
                reason.ends_with(&format!("in launch {} of 3", launch + 1)),
                "{reason}"
            );
        }
    }

    #[test]
    fn without_signposts_every_kernel_is_named() {
        use EncoderState::{Faulted, Other};
        for encoders in [[(Faulted, 3)], [(Other, 1)], [(Faulted, 0)]] {
            let error = error(&encoders);
            let (launch, reason) = blame(&error, &["b", "a", "b"]);
            assert_eq!(launch, 0);
            assert!(reason.ends_with("one of 3 launches of: a, b"), "{reason}");
        }
    }
}
