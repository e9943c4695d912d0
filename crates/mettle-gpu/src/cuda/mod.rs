//! NVIDIA GPUs through the driver alone, which is found at run time: no CUDA toolkit is needed to build or to run.
//!
//! A SIMD group is a warp, a threadgroup a block. Launches go to one stream, in order or as a graph, which keeps their hazards.

mod clock;
mod code;
mod driver;
mod given;
mod graph;
mod launch;
mod ptx;
mod staging;

use std::ptr;
use std::sync::Arc;
use std::time::Instant;

use self::clock::{Clock, Event};
use self::code::Code;
use self::driver::{Failure, Gpu};
use self::graph::Graphs;
use self::staging::{Staging, WORTHWHILE};
use crate::GpuTime;
use crate::backend::{
    Backend, Commands, Completion, Flight, LoadError, RawBuffer, RawCode, RawFault, RawKernel,
    RawLibrary, RawPipeline, Submitted,
};
use crate::device::{DeviceKind, Limits, MemoryInfo};
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::options::DeviceOptions;

/// An NVIDIA GPU as a device.
pub(crate) struct CudaBackend {
    gpu: Arc<Gpu>,
    targets: &'static [&'static str],
    limits: Limits,
    graphs: Graphs,
    clock: Clock,
    staging: Staging,
    /// Waits for each launch, so that a failure is that of the launch.
    one_by_one: bool,
    /// What times of submissions count from.
    opened: Instant,
}

impl CudaBackend {
    /// Opens the GPU of an index.
    ///
    /// # Errors
    /// Why it cannot be used, in words.
    pub fn new(index: usize, options: &DeviceOptions) -> Result<Self, String> {
        let gpu = Gpu::open(index)?;
        let targets: &[&str] = match gpu.capability {
            90 => &["ptx-sm90a", "ptx-sm80"],
            _ => &["ptx-sm80"],
        };
        let limits = Limits {
            max_threads_in_direction: [1024, 1024, 64],
            compute_units: gpu.multiprocessors,
            max_threadgroup_memory: gpu.shared_memory_of_block,
            resident_threadgroup_memory: gpu.shared_memory,
            ..Limits::default()
        };
        Ok(CudaBackend {
            gpu: Arc::new(gpu),
            targets,
            limits,
            graphs: Graphs::default(),
            clock: Clock::default(),
            staging: Staging::default(),
            one_by_one: options.guard,
            opened: Instant::now(),
        })
    }

    fn error(&self, action: &'static str) -> impl FnOnce(Failure) -> Error {
        move |failure| Error::Device {
            device: self.gpu.name.clone(),
            action,
            reason: failure.to_string(),
        }
    }

    /// Puts launches on the stream one after the other, and events around each when its time is asked for.
    ///
    /// # Safety
    /// As for `Backend::submit`.
    unsafe fn launch_each(
        &self,
        commands: &Commands<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), (usize, String)> {
        let at = |launch: usize| move |failure: Failure| (launch, failure.to_string());
        if commands.profile {
            if !self.one_by_one {
                self.clock.hold(&self.gpu, commands.launches.len());
            }
            events.push(Event::next(&self.gpu).map_err(at(0))?);
        }
        for (index, launch) in commands.launches.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { launch::each_part(commands, launch, |part| part.run(&self.gpu)) }
                .map_err(|reason| (index, reason))?;
            if commands.profile {
                events.push(Event::next(&self.gpu).map_err(at(index))?);
            }
            if self.one_by_one {
                self.gpu.finish().map_err(at(index))?;
            }
        }
        Ok(())
    }

    /// Starts launches as a graph, or runs them one after the other. On failure the index of the launch and the reason.
    ///
    /// # Safety
    /// As for `Backend::submit`.
    unsafe fn run(&self, commands: &Commands<'_>) -> Result<Submitted, (usize, String)> {
        let last = commands.launches.len().saturating_sub(1);
        let at = |launch: usize| move |failure: Failure| (launch, failure.to_string());
        self.gpu.enter().map_err(at(0))?;
        if !self.one_by_one && !commands.profile {
            // SAFETY: the caller's promise.
            if let Some(started) = unsafe { self.graphs.start(&self.gpu, commands) } {
                let [start, end] = started?;
                return Ok(Submitted::Running(Box::new(GraphFlight {
                    start,
                    end,
                    opened: self.opened,
                    gpu: self.gpu.clone(),
                })));
            }
        }
        // For a few launches, more events would take too large a part of the time.
        let mut events = Vec::new();
        // SAFETY: the caller's promise.
        unsafe { self.launch_each(commands, &mut events) }?;
        self.gpu
            .finish()
            .map_err(|failure| (last, one_of(last, failure)))?;
        let mut nanoseconds = Vec::new();
        for (index, pair) in events.windows(2).enumerate() {
            let elapsed = pair[1].since(&pair[0]).map_err(at(index))?;
            nanoseconds.push(elapsed.as_nanos() as u64);
        }
        let gpu_time = match &events[..] {
            [first, .., end] => Some(gpu_time(self.opened, first, end).map_err(at(last))?),
            _ => None,
        };
        Ok(Submitted::Complete(Completion {
            fault: None,
            nanoseconds,
            gpu_time,
        }))
    }
}

/// What a failure says that may be of any of `last` + 1 launches.
fn one_of(last: usize, failure: Failure) -> String {
    match last {
        0 => failure.to_string(),
        // The driver does not say which launch it was.
        _ => format!(
            "{failure}; it was this launch or one of the {last} before it in the same submission: open the device with DeviceOptions::guard to know"
        ),
    }
}

/// When the GPU went from one event to another, as if it had just come to that: the host has learned of it now.
fn gpu_time(opened: Instant, start: &Event, end: &Event) -> Result<Box<GpuTime>, Failure> {
    let elapsed = end.since(start)?;
    let end = opened.elapsed();
    let start = end.saturating_sub(elapsed);
    Ok(Box::new(GpuTime { start, end }))
}

/// A completion with a fault.
fn failed((launch, reason): (usize, String)) -> Completion {
    Completion {
        fault: Some(RawFault {
            launch,
            threadgroup: None,
            fault: Fault::Driver { reason },
            code_address: None,
        }),
        ..Completion::default()
    }
}

/// A graph that the GPU runs.
struct GraphFlight {
    start: Event,
    end: Event,
    opened: Instant,
    /// The last to go: the events need its context.
    gpu: Arc<Gpu>,
}

impl Flight for GraphFlight {
    fn finish(self: Box<Self>, commands: Commands<'_>) -> Completion {
        let waited = self.gpu.enter().and_then(|()| self.end.wait());
        let timed = waited.and_then(|()| gpu_time(self.opened, &self.start, &self.end));
        match timed {
            Ok(time) => Completion {
                gpu_time: Some(time),
                ..Completion::default()
            },
            Err(failure) => {
                let last = commands.launches.len().saturating_sub(1);
                failed((last, one_of(last, failure)))
            }
        }
    }
}

// SAFETY: memory is the driver's, of the size asked for and aligned to 256 bytes; any bytes in it are valid to read. One stream
// runs what is submitted in order.
unsafe impl Backend for CudaBackend {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Cuda
    }

    fn name(&self) -> &str {
        &self.gpu.name
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn memory(&self) -> MemoryInfo {
        // A device that does not answer has no memory to offer.
        let (available, total) = self.gpu.memory().unwrap_or((0, 0));
        MemoryInfo { total, available }
    }

    fn targets(&self) -> &[&'static str] {
        self.targets
    }

    fn allocate(&self, bytes: usize) -> Result<RawBuffer> {
        let address = self.gpu.allocate(bytes).map_err(|failure| {
            if failure.is_out_of_memory() {
                Error::OutOfMemory {
                    device: self.gpu.name.clone(),
                    needed: bytes as u64,
                    available: self.memory().available,
                }
            } else {
                self.error("allocate memory")(failure)
            }
        })?;
        Ok(RawBuffer {
            handle: address,
            bytes,
            alignment: 1 << address.trailing_zeros().min(12),
            zeroed: false,
        })
    }

    unsafe fn address(&self, buffer: RawBuffer) -> Option<u64> {
        Some(buffer.handle)
    }

    unsafe fn free(&self, buffer: RawBuffer) {
        // SAFETY: the caller's promise.
        if let Err(failure) = unsafe { self.gpu.free(buffer.handle) } {
            tracing::warn!(device = self.gpu.name, %failure, "memory was not given back");
        }
    }

    unsafe fn map_host(&self, _bytes: &[u8]) -> Option<RawBuffer> {
        None
    }

    unsafe fn unmap_host(&self, _buffer: RawBuffer) {}

    unsafe fn read(&self, buffer: RawBuffer, offset: usize, into: &mut [u8]) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.gpu.read(buffer.handle + offset as u64, into) }
            .map_err(self.error("copy from the device"))
    }

    unsafe fn write(&self, buffer: RawBuffer, offset: usize, from: &[u8]) -> Result<()> {
        let address = buffer.handle + offset as u64;
        let written = if from.len() >= WORTHWHILE {
            // SAFETY: the caller's promise.
            unsafe { self.staging.write(&self.gpu, address, from) }
        } else {
            // SAFETY: as above.
            unsafe { self.gpu.write(address, from) }
        };
        written.map_err(self.error("copy to the device"))
    }

    unsafe fn fill(&self, buffer: RawBuffer, offset: usize, bytes: usize, value: u8) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.gpu.fill(buffer.handle + offset as u64, bytes, value) }
            .map_err(self.error("fill memory"))
    }

    unsafe fn load(&self, code: RawCode<'_>) -> Result<RawLibrary, LoadError> {
        // SAFETY: the caller's promise.
        let code = Box::new(unsafe { Code::load(&self.gpu, code.bytes, code.constants) }?);
        Ok(RawLibrary(Box::into_raw(code).expose_provenance() as u64))
    }

    unsafe fn unload(&self, library: RawLibrary) {
        self.graphs.clear();
        let code: *mut Code = ptr::with_exposed_provenance_mut(library.0 as usize);
        // SAFETY: the caller's promise: it is from `load`, and nobody uses it.
        drop(unsafe { Box::from_raw(code) });
    }

    unsafe fn pipeline(
        &self,
        library: RawLibrary,
        kernel: RawKernel<'_>,
    ) -> Result<RawPipeline, String> {
        let code: *const Code = ptr::with_exposed_provenance(library.0 as usize);
        // SAFETY: the caller's promise: it is from `load` and not unloaded.
        let kernel = unsafe { &*code }.kernel(kernel)?;
        Ok(RawPipeline(kernel.expose_provenance() as u64))
    }

    unsafe fn submit(&self, commands: Commands<'_>) -> Submitted {
        // SAFETY: the caller's promise.
        unsafe { self.run(&commands) }
            .unwrap_or_else(|failure| Submitted::Complete(failed(failure)))
    }

    fn set_order_seed(&self, seed: Option<u64>) -> Result<()> {
        match seed {
            None => Ok(()),
            Some(_) => Err(Error::Unsupported {
                device: self.gpu.name.clone(),
                what: "a chosen order of threads",
            }),
        }
    }
}
