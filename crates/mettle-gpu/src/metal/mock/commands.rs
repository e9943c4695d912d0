//! Command buffers: they record what they are told, check it, and run it on the CPU when the host waits.

use super::encoder::EncoderObject;
use super::memory::{BufferObject, HostCopy, Transfer};
use super::timestamps::TimestampsObject;
use super::{Mock, World, autoreleased, lock};
use crate::backend::{Backend as _, Commands, RawArgument, RawLaunch, Submitted};
use crate::metal::api::{
    ApiError, Buffer as _, CommandBuffer, EncoderInfo, EncoderState, Sampling,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What the starts and lengths of copies between buffers are multiples of.
const COPY_GRANULE: usize = 4;

/// What a command buffer runs.
#[derive(Default)]
pub(super) struct Work {
    pub launches: Vec<RawLaunch>,
    pub arguments: Vec<RawArgument>,
    /// Bytes of values, each at a multiple of 16.
    pub values: Vec<u128>,
    /// Copies, after the launches.
    copies: Vec<Transfer>,
    /// Copies of managed buffers to the host, after those.
    to_host: Vec<HostCopy>,
    /// Objects that must live until it is complete.
    pub uses: Vec<u64>,
    pub encoders: Vec<Encoded>,
}

/// What one compute encoder encoded.
#[derive(Default)]
pub(super) struct Encoded {
    /// One a launch.
    pub signposts: Vec<String>,
    pub times: Option<(TimestampsObject, usize)>,
    /// Where between its launches times are recorded: after how many, and at which index.
    pub samples: Vec<(usize, TimestampsObject, usize)>,
}

impl Work {
    /// An object is used until the command buffer is complete.
    pub fn use_object(&mut self, world: &World, object: u64) {
        world.begin_use(object);
        self.uses.push(object);
    }
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
    work: Arc<Mutex<Work>>,
    /// An encoder has begun and not ended.
    encoding: Arc<AtomicBool>,
    job: Mutex<Option<Arc<Job>>>,
}

impl CommandBufferObject {
    pub(super) fn new(world: Arc<World>) -> Self {
        CommandBufferObject {
            world,
            work: Arc::default(),
            encoding: Arc::default(),
            job: Mutex::default(),
        }
    }

    fn job(&self) -> Option<Arc<Job>> {
        lock(&self.job).clone()
    }

    fn begin_encoder(&self) {
        autoreleased();
        assert!(self.job().is_none(), "encoding after the commit");
        assert!(
            !self.encoding.load(Ordering::Relaxed),
            "a second encoder before the first has ended"
        );
    }

    #[track_caller]
    fn outcome(&self) -> Outcome {
        let job = self.job();
        let job = job.expect("a command buffer is asked before its commit");
        let outcome = lock(&job.outcome).clone();
        outcome.expect("a command buffer is asked before it is complete")
    }
}

impl CommandBuffer<Mock> for CommandBufferObject {
    fn compute_command_encoder(
        &self,
        label: &str,
        timestamps: Option<(&TimestampsObject, usize)>,
    ) -> Option<EncoderObject> {
        self.begin_encoder();
        assert!(!label.is_empty(), "an encoder has a label");
        if let Some((samples, index)) = timestamps {
            assert!(
                self.world.sampling == Sampling::AtStageBoundary,
                "encoders record no times on this GPU"
            );
            assert!(
                index + 1 < samples.count(),
                "timestamps {index} and {} of {}",
                index + 1,
                samples.count()
            );
            lock(&self.work).use_object(&self.world, samples.object());
        }
        self.encoding.store(true, Ordering::Relaxed);
        lock(&self.work).encoders.push(Encoded {
            times: timestamps.map(|(samples, index)| (samples.clone_handle(), index)),
            ..Encoded::default()
        });
        Some(EncoderObject::new(
            self.world.clone(),
            self.work.clone(),
            self.encoding.clone(),
        ))
    }

    fn synchronize(&self, label: &str, buffer: &BufferObject) {
        self.begin_encoder();
        assert!(!label.is_empty(), "an encoder has a label");
        buffer.check_device(&self.world);
        let mut work = lock(&self.work);
        work.to_host.push(buffer.host_copy());
        work.use_object(&self.world, buffer.object());
    }

    unsafe fn copy(
        &self,
        label: &str,
        (from, from_offset): (&BufferObject, usize),
        (to, to_offset): (&BufferObject, usize),
        length: usize,
    ) {
        self.begin_encoder();
        assert!(!label.is_empty(), "an encoder has a label");
        for (buffer, offset) in [(from, from_offset), (to, to_offset)] {
            buffer.check_device(&self.world);
            assert!(
                offset + length <= buffer.length(),
                "a copy of {length} bytes at {offset} is outside of a buffer of {} bytes",
                buffer.length()
            );
            assert!(
                offset.is_multiple_of(COPY_GRANULE) && length.is_multiple_of(COPY_GRANULE),
                "a copy of {length} bytes at {offset} is not of whole words"
            );
        }
        let mut work = lock(&self.work);
        work.copies.push(Transfer {
            from: from.gpu_address() + from_offset as u64,
            to: to.gpu_address() + to_offset as u64,
            length,
        });
        for buffer in [from, to] {
            work.use_object(&self.world, buffer.object());
        }
    }

    fn commit(&self) {
        assert!(
            !self.encoding.load(Ordering::Relaxed),
            "the commit of a command buffer with an open encoder"
        );
        let job = Arc::new(Job {
            work: Mutex::new(std::mem::take(&mut *lock(&self.work))),
            outcome: Mutex::default(),
        });
        let before = lock(&self.job).replace(job.clone());
        assert!(before.is_none(), "a command buffer is committed twice");
        self.world.enqueue(job);
    }

    fn wait_until_completed(&self) {
        let job = self
            .job()
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
        match self.job() {
            None => self.world.end_use(&lock(&self.work).uses),
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
        let timed = |encoder: &Encoded| encoder.times.is_some() || !encoder.samples.is_empty();
        let timed = work.encoders.iter().any(timed);
        let start = world.began.elapsed().as_secs_f64();
        // SAFETY: the encoder has checked the launches, and objects that they use are checked to live; the queue's lock is held.
        let submitted = unsafe {
            world.cpu.submit(Commands {
                launches: &work.launches,
                arguments: &work.arguments,
                values: bytemuck::cast_slice(&work.values),
                profile: timed,
            })
        };
        let Submitted::Complete(completion) = submitted else {
            panic!("the CPU device runs a submission when it takes it");
        };
        for copy in &work.copies {
            // SAFETY: the ranges were checked; the buffers live until the command buffer is complete, and only this uses them.
            unsafe { copy.run() };
        }
        for copy in &work.to_host {
            // SAFETY: the buffer lives until the command buffer is complete, and only this uses it.
            unsafe { copy.run() };
        }
        record_times(&work, &completion.nanoseconds, world);
        let error = completion
            .fault
            .map(|fault| error(&work, fault.launch, fault.fault.to_string()));
        world.end_use(&work.uses);
        *lock(&self.outcome) = Some(Outcome {
            error,
            start,
            end: world.began.elapsed().as_secs_f64(),
        });
    }
}

/// Lets encoders follow each other with the times that their launches took.
fn record_times(work: &Work, nanoseconds: &[u64], world: &World) {
    let mut now = world.gpu_ticks();
    let mut launches = nanoseconds.iter();
    for encoder in &work.encoders {
        let begin = now;
        let mut samples = encoder.samples.iter().peekable();
        for done in 0..=encoder.signposts.len() {
            while let Some((_, timestamps, index)) = samples.next_if(|sample| sample.0 == done) {
                timestamps.record(*index, now);
            }
            if done < encoder.signposts.len() {
                now += World::ticks(launches.next().copied().unwrap_or_default());
            }
        }
        if let Some((timestamps, index)) = &encoder.times {
            timestamps.record(*index, begin);
            timestamps.record(index + 1, now);
        }
    }
}

/// What Metal says when a launch fails.
fn error(work: &Work, launch: usize, description: String) -> ApiError {
    let mut left = launch + 1;
    let encoders = work.encoders.iter().map(|encoder| {
        let own = encoder.signposts.len();
        let (state, passed) = match left {
            0 => (EncoderState::Affected, 0),
            _ if left > own => (EncoderState::Other, own),
            _ => (EncoderState::Faulted, left),
        };
        left = left.saturating_sub(own);
        EncoderInfo {
            state,
            signposts: encoder.signposts[..passed].to_vec(),
        }
    });
    ApiError {
        encoders: encoders.collect(),
        description,
        code: 1,
    }
}
