//! Recording launches: arguments bound and validated, barriers decided.

use std::sync::Arc;

use mettle_msl::{ArtefactArgument, ArtefactArgumentKind as Kind};

use crate::artefact::{argument, kind_name};
use crate::backend::RawArgument;
use crate::buffer::{Buffer, Element};
use crate::constants::ConstantSet;
use crate::device::Device;
use crate::error::{Error, LaunchError, Result};
use crate::grid::Grid;
use crate::library::EmbeddedUnit;
use crate::pipeline::{Pipeline, PipelineInner};
use crate::recording::{Access, Mark, Recording};
use crate::submission::Submission;

/// The alignment of dynamic threadgroup memory, in bytes, that its size is rounded up to.
const THREADGROUP_ALIGN: usize = 16;

/// The arguments of one kernel, with names and types. Generated from the kernel's signature.
pub trait Binding {
    /// The kernel's host name.
    const KERNEL: &'static str;

    /// The unit that holds the kernel.
    fn unit() -> &'static EmbeddedUnit;

    /// The values of the kernel's function constants.
    fn constants(&self) -> ConstantSet;

    /// Binds every argument.
    fn bind(&self, arguments: &mut Arguments<'_>);
}

/// Launches to run together: recorded here, run by [`Pass::submit`].
///
/// Launches behave as if they ran one after the other. Those that touch no common bytes, or only read them, may overlap.
pub struct Pass {
    device: Device,
    recording: Recording,
}

impl Pass {
    pub(crate) fn new(device: Device, recording: Recording) -> Self {
        Pass { device, recording }
    }

    /// The device it records for.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Asks for the time of each kernel: see [`Submission::wait_profile`]. Launches no longer overlap then.
    pub fn profile(&mut self, on: bool) {
        self.recording.profile = on;
    }

    /// The number of launches recorded.
    pub fn len(&self) -> usize {
        self.recording.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of the launches wait for those before them.
    pub fn barriers(&self) -> usize {
        self.recording.barriers()
    }

    /// Records a launch. A launch that is refused leaves the pass as it was.
    ///
    /// # Errors
    /// [`Error::Launch`] names the kernel and the argument at fault; errors of [`Library::pipeline`](crate::Library::pipeline) when the
    /// kernel cannot be loaded.
    pub fn dispatch<B: Binding>(&mut self, binding: B, grid: Grid) -> Result<()> {
        let registry = &self.device.inner().registry;
        let pipeline =
            registry.pipeline(&self.device, B::unit(), B::KERNEL, &binding.constants())?;
        self.record(pipeline, grid, |arguments| binding.bind(arguments))
    }

    /// Records a launch of a pipeline with arguments that `bind` binds.
    ///
    /// # Errors
    /// [`Error::Launch`]; [`Error::ForeignBuffer`] when the pipeline is of another device.
    pub fn dispatch_pipeline(
        &mut self,
        pipeline: &Pipeline,
        grid: Grid,
        bind: impl FnOnce(&mut Arguments<'_>),
    ) -> Result<()> {
        if !Arc::ptr_eq(pipeline.device.inner(), self.device.inner()) {
            return Err(Error::ForeignBuffer {
                device: self.device.name().to_owned(),
            });
        }
        self.record(pipeline.inner.clone(), grid, bind)
    }

    fn record(
        &mut self,
        pipeline: Arc<PipelineInner>,
        grid: Grid,
        bind: impl FnOnce(&mut Arguments<'_>),
    ) -> Result<()> {
        let mark = self.recording.mark_position();
        let mut arguments = Arguments {
            device: &self.device,
            pipeline: &pipeline,
            recording: &mut self.recording,
            buffers: 0,
            threadgroup_memory: 0,
            dynamic_bytes: 0,
            error: None,
        };
        bind(&mut arguments);
        let checked = arguments
            .check(mark)
            .and_then(|()| grid.resolve(self.device.limits()));
        match checked {
            Ok(grid) => {
                self.recording.push_launch(pipeline, grid, mark);
                Ok(())
            }
            Err(cause) => {
                self.recording.rewind(mark);
                Err(Error::Launch {
                    kernel: pipeline.kernel.name.clone(),
                    cause,
                })
            }
        }
    }

    /// Hands the launches to the device. The CPU device runs them before this returns.
    ///
    /// # Errors
    /// None of the CPU device's: failures of launches are reported by [`Submission::wait`].
    pub fn submit(self) -> Result<Submission> {
        Ok(self
            .device
            .inner()
            .timeline
            .submit(&self.device, self.recording))
    }
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pass")
            .field("device", &self.device)
            .field("launches", &self.len())
            .field("barriers", &self.barriers())
            .finish()
    }
}

/// The arguments of a launch while they are bound. The first mistake is kept and makes the launch fail.
pub struct Arguments<'a> {
    device: &'a Device,
    pipeline: &'a PipelineInner,
    recording: &'a mut Recording,
    /// Bit sets of the indices bound.
    buffers: u32,
    threadgroup_memory: u32,
    /// Bytes of dynamic threadgroup memory.
    dynamic_bytes: usize,
    error: Option<LaunchError>,
}

impl Arguments<'_> {
    /// Binds a buffer that the kernel reads.
    pub fn read<T: Element>(&mut self, index: u32, name: &'static str, buffer: &Buffer<T>) {
        self.buffer(index, name, buffer, Kind::Buffer { writable: false });
    }

    /// Binds a buffer that the kernel writes, or reads and writes.
    pub fn write<T: Element>(&mut self, index: u32, name: &'static str, buffer: &Buffer<T>) {
        self.buffer(index, name, buffer, Kind::Buffer { writable: true });
    }

    /// Binds a value, copied now.
    pub fn value<T: bytemuck::Pod>(&mut self, index: u32, name: &'static str, value: &T) {
        self.value_bytes(index, name, bytemuck::bytes_of(value));
    }

    /// Binds the bytes of a value, copied now.
    pub fn value_bytes(&mut self, index: u32, name: &'static str, bytes: &[u8]) {
        let Some(info) = self.declared(index, name, Kind::Value) else {
            return;
        };
        // Size and alignment 1 mean that the type is not known.
        if info.size != bytes.len() && (info.size, info.align) != (1, 1) {
            let expected = info.size;
            return self.refuse(LaunchError::ValueSize {
                argument: name,
                expected,
                actual: bytes.len(),
            });
        }
        let offset = self.recording.push_value(bytes);
        self.recording
            .arguments
            .push(RawArgument::Value { index, offset });
    }

    /// Binds dynamic threadgroup memory of this many bytes, rounded up to 16.
    pub fn threadgroup_memory(&mut self, index: u32, name: &'static str, bytes: usize) {
        if self
            .declared(index, name, Kind::ThreadgroupMemory)
            .is_none()
        {
            return;
        }
        let bytes = bytes.max(1).saturating_add(THREADGROUP_ALIGN - 1) & !(THREADGROUP_ALIGN - 1);
        self.dynamic_bytes = self.dynamic_bytes.saturating_add(bytes);
        self.recording
            .arguments
            .push(RawArgument::ThreadgroupMemory { index, bytes });
    }

    fn buffer<T: Element>(
        &mut self,
        index: u32,
        name: &'static str,
        buffer: &Buffer<T>,
        bound: Kind,
    ) {
        let Some(info) = self.declared(index, name, bound) else {
            return;
        };
        let needed = info.align;
        let storage = buffer.storage();
        let written = bound == Kind::Buffer { writable: true };
        if buffer.alignment() < needed {
            return self.refuse(LaunchError::Misaligned {
                argument: name,
                actual: buffer.alignment(),
                needed,
            });
        }
        if written && storage.is_read_only() {
            return self.refuse(LaunchError::ReadOnly { argument: name });
        }
        if !Arc::ptr_eq(&storage.device, self.device.inner()) {
            return self.refuse(LaunchError::ForeignBuffer { argument: name });
        }
        if let Some(error) = storage.poison() {
            return self.refuse(LaunchError::Poisoned {
                argument: name,
                fault: error.to_string(),
            });
        }
        self.recording.arguments.push(RawArgument::Buffer {
            index,
            buffer: storage.raw.handle,
            offset: buffer.byte_offset(),
        });
        self.recording.accesses.push(Access {
            storage: storage.clone(),
            start: buffer.byte_offset(),
            end: buffer.byte_offset() + buffer.byte_len(),
            written,
            argument: name,
        });
    }

    /// What the kernel declares at an index, when it may be bound as `bound` and is not bound yet.
    fn declared(
        &mut self,
        index: u32,
        name: &'static str,
        bound: Kind,
    ) -> Option<&ArtefactArgument> {
        let threadgroup = bound == Kind::ThreadgroupMemory;
        // Another index space has its own bit set.
        let set = if threadgroup {
            &mut self.threadgroup_memory
        } else {
            &mut self.buffers
        };
        let info = argument(&self.pipeline.kernel, index, threadgroup);
        let Some(info) = info.filter(|_| index < u32::BITS) else {
            self.refuse(LaunchError::UnknownArgument {
                argument: name,
                index,
            });
            return None;
        };
        let already = *set & (1 << index) != 0;
        *set |= 1 << index;
        if already {
            self.refuse(LaunchError::BoundTwice {
                argument: name,
                index,
            });
            return None;
        }
        if info.kind != bound {
            self.refuse(LaunchError::ArgumentKind {
                argument: name,
                expected: kind_name(info.kind),
                actual: kind_name(bound),
            });
            return None;
        }
        Some(info)
    }

    fn refuse(&mut self, error: LaunchError) {
        self.error.get_or_insert(error);
    }

    /// Everything about the arguments that can only be said once all are bound.
    fn check(self, mark: Mark) -> Result<(), LaunchError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let kernel = &self.pipeline.kernel;
        let bound = self.buffers.count_ones() + self.threadgroup_memory.count_ones();
        if bound as usize != kernel.arguments.len() {
            for argument in &kernel.arguments {
                let set = match argument.kind {
                    Kind::ThreadgroupMemory => self.threadgroup_memory,
                    _ => self.buffers,
                };
                if set & (1 << argument.index) == 0 {
                    return Err(LaunchError::MissingArgument {
                        argument: argument.name.clone(),
                        index: argument.index,
                    });
                }
            }
        }
        let limit = self.device.limits().max_threadgroup_memory;
        if kernel
            .static_threadgroup_memory
            .saturating_add(self.dynamic_bytes)
            > limit
        {
            return Err(LaunchError::ThreadgroupMemoryTooLarge {
                static_bytes: kernel.static_threadgroup_memory,
                dynamic_bytes: self.dynamic_bytes,
                limit,
            });
        }
        check_aliases(&self.recording.accesses[mark.accesses..])
    }
}

/// A buffer that a launch writes must not overlap any other argument of the launch.
fn check_aliases(accesses: &[Access]) -> Result<(), LaunchError> {
    for (i, first) in accesses.iter().enumerate() {
        for second in &accesses[i + 1..] {
            if first.touched().conflicts(&second.touched()) {
                let (written, other) = if first.written {
                    (first, second)
                } else {
                    (second, first)
                };
                return Err(LaunchError::Aliased {
                    written: written.argument,
                    other: other.argument,
                });
            }
        }
    }
    Ok(())
}
