//! The arguments of a launch: bound one by one, checked against what the compiled kernel declares.

use std::sync::Arc;

use mettle_msl::{ArtefactArgument, ArtefactArgumentKind as Kind, ArtefactKernel};

use crate::artefact::{argument, kind_name};
use crate::backend::RawArgument;
use crate::buffer::{Buffer, Element};
use crate::device::Device;
use crate::error::LaunchError;
use crate::pipeline::PipelineInner;
use crate::recording::{Access, Mark, Recording};

/// The alignment of dynamic threadgroup memory, in bytes, that its size is rounded up to.
const THREADGROUP_ALIGN: usize = 16;

/// The arguments of a launch while they are bound. The first mistake is kept and makes the launch fail.
///
/// Generated bindings know names and kinds, and bind with [`read`](Arguments::read), [`write`](Arguments::write),
/// [`value`](Arguments::value) and [`threadgroup_memory`](Arguments::threadgroup_memory). Kernels known only at run time are bound by
/// index alone, with the methods whose names end in `_at`: the compiled kernel says what stands at an index
/// ([`Pipeline::arguments`](crate::Pipeline::arguments)).
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

/// What a kernel declares at an index.
struct Declared<'a> {
    name: &'a str,
    info: &'a ArtefactArgument,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(
        device: &'a Device,
        pipeline: &'a PipelineInner,
        recording: &'a mut Recording,
    ) -> Self {
        Arguments {
            device,
            pipeline,
            recording,
            buffers: 0,
            threadgroup_memory: 0,
            dynamic_bytes: 0,
            error: None,
        }
    }

    /// Binds a buffer that the kernel reads.
    pub fn read<T: Element>(&mut self, index: u32, name: &str, buffer: &Buffer<T>) {
        if let Some(declared) = self.declared(index, name, Kind::Buffer { writable: false }) {
            self.bind_buffer(index, &declared, buffer, false);
        }
    }

    /// Binds a buffer that the kernel writes, or reads and writes.
    pub fn write<T: Element>(&mut self, index: u32, name: &str, buffer: &Buffer<T>) {
        if let Some(declared) = self.declared(index, name, Kind::Buffer { writable: true }) {
            self.bind_buffer(index, &declared, buffer, true);
        }
    }

    /// Binds a value, copied now.
    pub fn value<T: bytemuck::Pod>(&mut self, index: u32, name: &str, value: &T) {
        self.value_bytes(index, name, bytemuck::bytes_of(value));
    }

    /// Binds the bytes of a value, copied now.
    pub fn value_bytes(&mut self, index: u32, name: &str, bytes: &[u8]) {
        if let Some(declared) = self.declared(index, name, Kind::Value) {
            self.bind_value(index, &declared, bytes);
        }
    }

    /// Binds dynamic threadgroup memory of this many bytes, rounded up to 16.
    pub fn threadgroup_memory(&mut self, index: u32, name: &str, bytes: usize) {
        if self
            .declared(index, name, Kind::ThreadgroupMemory)
            .is_some()
        {
            self.bind_threadgroup_memory(index, bytes);
        }
    }

    /// Binds a buffer to whatever the kernel declares at an index: memory that it reads or writes, or a value that it reads from the
    /// buffer's first bytes.
    pub fn buffer_at<T: Element>(&mut self, index: u32, buffer: &Buffer<T>) {
        let Some(declared) = self.declared_at(index, Kind::Buffer { writable: true }) else {
            return;
        };
        if declared.info.kind == Kind::Value && declared.info.size > buffer.byte_len() {
            return self.refuse(LaunchError::ValueSize {
                argument: declared.name.to_owned(),
                expected: declared.info.size,
                actual: buffer.byte_len(),
            });
        }
        let written = declared.info.kind == Kind::Buffer { writable: true };
        self.bind_buffer(index, &declared, buffer, written);
    }

    /// Binds bytes, copied now, to a value of that size at an index, or to memory that the kernel only reads.
    pub fn value_at(&mut self, index: u32, bytes: &[u8]) {
        if let Some(declared) = self.declared_at(index, Kind::Value) {
            self.bind_value(index, &declared, bytes);
        }
    }

    /// Binds dynamic threadgroup memory of this many bytes, rounded up to 16, at an index.
    pub fn threadgroup_memory_at(&mut self, index: u32, bytes: usize) {
        if self.declared_at(index, Kind::ThreadgroupMemory).is_some() {
            self.bind_threadgroup_memory(index, bytes);
        }
    }

    /// Names a buffer that the kernel reaches through a pointer in another argument (Metal's `useResource`), and whether it may write it.
    ///
    /// `index` is what faults call it, and no index of an argument. The launch waits for those before it that touch the buffer, as
    /// for an argument.
    pub fn reach<T: Element>(&mut self, index: u32, buffer: &Buffer<T>, written: bool) {
        if let Some(info) = argument(&self.pipeline.kernel, index, false) {
            return self.refuse(LaunchError::BoundTwice {
                argument: info.name.clone(),
                index,
            });
        }
        let name = || format!("buffer({index})");
        if self.push_access(index, buffer, written, false, name) {
            self.recording.arguments.push(RawArgument::Reached {
                index,
                written,
                buffer: buffer.storage().raw.handle,
                offset: buffer.byte_offset(),
            });
        }
    }

    fn bind_value(&mut self, index: u32, declared: &Declared<'_>, bytes: &[u8]) {
        let info = declared.info;
        // Size and alignment 1 mean that the type is not known.
        let sized = info.kind == Kind::Value && (info.size, info.align) != (1, 1);
        if sized && info.size != bytes.len() {
            return self.refuse(LaunchError::ValueSize {
                argument: declared.name.to_owned(),
                expected: info.size,
                actual: bytes.len(),
            });
        }
        let offset = self.recording.push_value(bytes);
        self.recording.arguments.push(RawArgument::Value {
            index,
            offset,
            bytes: bytes.len(),
        });
    }

    fn bind_threadgroup_memory(&mut self, index: u32, bytes: usize) {
        let bytes = bytes.max(1).saturating_add(THREADGROUP_ALIGN - 1) & !(THREADGROUP_ALIGN - 1);
        self.dynamic_bytes = self.dynamic_bytes.saturating_add(bytes);
        self.recording
            .arguments
            .push(RawArgument::ThreadgroupMemory { index, bytes });
    }

    fn bind_buffer<T: Element>(
        &mut self,
        index: u32,
        declared: &Declared<'_>,
        buffer: &Buffer<T>,
        written: bool,
    ) {
        let name = || declared.name.to_owned();
        let needed = declared.info.align;
        if buffer.alignment() < needed {
            return self.refuse(LaunchError::Misaligned {
                argument: name(),
                actual: buffer.alignment(),
                needed,
            });
        }
        let early = declared.info.early;
        if self.push_access(index, buffer, written, early, name) {
            self.recording.arguments.push(RawArgument::Buffer {
                index,
                written,
                buffer: buffer.storage().raw.handle,
                offset: buffer.byte_offset(),
            });
        }
    }

    /// Records that the launch touches a buffer, unless it must not.
    fn push_access<T: Element>(
        &mut self,
        index: u32,
        buffer: &Buffer<T>,
        written: bool,
        early: bool,
        name: impl Fn() -> String,
    ) -> bool {
        let storage = buffer.storage();
        let refusal = if written && storage.is_read_only() {
            LaunchError::ReadOnly { argument: name() }
        } else if !Arc::ptr_eq(&storage.device, self.device.inner()) {
            LaunchError::ForeignBuffer { argument: name() }
        } else if let Some(error) = storage.poison() {
            LaunchError::Poisoned {
                argument: name(),
                fault: error.to_string(),
            }
        } else {
            self.recording.accesses.push(Access {
                storage: storage.clone(),
                start: buffer.byte_offset(),
                end: buffer.byte_offset() + buffer.byte_len(),
                written,
                early,
                index,
            });
            return true;
        };
        self.refuse(refusal);
        false
    }

    /// What the kernel declares at an index, when it may be bound as `bound` and is not bound yet.
    fn declared<'n>(&mut self, index: u32, name: &'n str, bound: Kind) -> Option<Declared<'n>>
    where
        'a: 'n,
    {
        let info = self.claim(index, Some(name), bound)?;
        if info.kind != bound {
            self.refuse_kind(name, info.kind, bound);
            return None;
        }
        Some(Declared { name, info })
    }

    /// As `declared`, by index alone: buffers and values may stand for each other where the kernel only reads.
    fn declared_at(&mut self, index: u32, bound: Kind) -> Option<Declared<'a>> {
        let info = self.claim(index, None, bound)?;
        let fits = match bound {
            Kind::Value => matches!(info.kind, Kind::Value | Kind::Buffer { writable: false }),
            Kind::Buffer { .. } => matches!(info.kind, Kind::Value | Kind::Buffer { .. }),
            Kind::ThreadgroupMemory => true,
        };
        if !fits {
            self.refuse_kind(&info.name, info.kind, bound);
            return None;
        }
        Some(Declared {
            name: &info.name,
            info,
        })
    }

    /// Notes that an index is bound, once.
    fn claim(
        &mut self,
        index: u32,
        name: Option<&str>,
        bound: Kind,
    ) -> Option<&'a ArtefactArgument> {
        let threadgroup = bound == Kind::ThreadgroupMemory;
        // Another index space has its own bit set.
        let set = if threadgroup {
            &mut self.threadgroup_memory
        } else {
            &mut self.buffers
        };
        let pipeline: &'a PipelineInner = self.pipeline;
        let info = argument(&pipeline.kernel, index, threadgroup);
        let Some(info) = info.filter(|_| index < u32::BITS) else {
            let space = if threadgroup { "threadgroup" } else { "buffer" };
            self.refuse(LaunchError::UnknownArgument {
                argument: name.map_or_else(|| format!("{space}({index})"), str::to_owned),
                index,
                known: known(&pipeline.kernel),
            });
            return None;
        };
        let already = *set & (1 << index) != 0;
        *set |= 1 << index;
        if already {
            self.refuse(LaunchError::BoundTwice {
                argument: name.unwrap_or(&info.name).to_owned(),
                index,
            });
            return None;
        }
        Some(info)
    }

    fn refuse_kind(&mut self, name: &str, expected: Kind, actual: Kind) {
        self.refuse(LaunchError::ArgumentKind {
            argument: name.to_owned(),
            expected: kind_name(expected),
            actual: kind_name(actual),
        });
    }

    fn refuse(&mut self, error: LaunchError) {
        self.error.get_or_insert(error);
    }

    /// Everything about the arguments that can only be said once all are bound.
    pub(crate) fn check(self, mark: Mark) -> Result<(), LaunchError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let kernel = &self.pipeline.kernel;
        let bound = self.buffers.count_ones() + self.threadgroup_memory.count_ones();
        if bound as usize != kernel.arguments.len() {
            for argument in kernel.arguments.iter().filter(|a| !a.optional) {
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
        check_aliases(kernel, &self.recording.accesses[mark.accesses..])
    }
}

/// A buffer that a launch writes must not overlap any other argument of the launch.
fn check_aliases(kernel: &ArtefactKernel, accesses: &[Access]) -> Result<(), LaunchError> {
    for (i, first) in accesses.iter().enumerate() {
        for second in &accesses[i + 1..] {
            if first.touched().conflicts(&second.touched()) {
                let (written, other) = if first.written {
                    (first, second)
                } else {
                    (second, first)
                };
                let name = |access: &Access| {
                    argument(kernel, access.index, false).map_or_else(
                        || format!("buffer({})", access.index),
                        |argument| argument.name.clone(),
                    )
                };
                return Err(LaunchError::Aliased {
                    written: name(written),
                    other: name(other),
                });
            }
        }
    }
    Ok(())
}

/// The arguments that a kernel has, in words.
fn known(kernel: &ArtefactKernel) -> String {
    if kernel.arguments.is_empty() {
        return "no arguments".to_owned();
    }
    let each = kernel.arguments.iter().map(|argument| {
        let space = match argument.kind {
            Kind::ThreadgroupMemory => "threadgroup",
            _ => "buffer",
        };
        format!("{} [[{space}({})]]", argument.name, argument.index)
    });
    each.collect::<Vec<_>>().join(", ")
}
