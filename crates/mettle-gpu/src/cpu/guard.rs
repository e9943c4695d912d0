//! The guarded memory of a device: its buffers, and copies of the values of the submission that runs.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::guarded::{ALIGNMENT, Guarded};
use super::prepare::Plan;
use crate::backend::{Commands, Extent, RawArgument, RawBuffer};
use crate::fault::{AccessKind, ArgumentSpace, BoundArgument, Fault, Origin};

/// Inaccessible bytes around a value: there may be many.
const VALUE_REACH: usize = 16 << 20;

/// The guarded memory of a device.
#[derive(Default)]
pub(super) struct Guard {
    /// By handle.
    buffers: Mutex<HashMap<u64, Guarded>>,
    /// Kept from one submission to the next.
    values: Mutex<Vec<Guarded>>,
}

/// The guarded memory of a submission that runs.
pub(super) struct Guarding<'a> {
    commands: &'a Commands<'a>,
    buffers: MutexGuard<'a, HashMap<u64, Guarded>>,
    values: MutexGuard<'a, Vec<Guarded>>,
    /// For each value that is used: its launch and index.
    placed: Vec<(usize, u32)>,
}

impl Guard {
    /// Memory for a buffer of exactly `bytes` bytes.
    pub fn allocate(&self, bytes: usize) -> Option<RawBuffer> {
        let guarded = Guarded::new(bytes, usize::MAX)?;
        let handle = guarded.start().as_ptr().expose_provenance() as u64;
        self.buffers().insert(handle, guarded);
        Some(RawBuffer {
            handle,
            bytes,
            alignment: ALIGNMENT,
            zeroed: true,
        })
    }

    /// Gives a buffer back that nobody uses.
    pub fn free(&self, buffer: RawBuffer) {
        self.buffers().remove(&buffer.handle);
    }

    /// Inaccessible bytes around a buffer.
    pub fn extent(&self, buffer: RawBuffer) -> Option<Extent> {
        self.buffers().get(&buffer.handle).map(|guarded| Extent {
            address: buffer.handle,
            reach: guarded.reach() as u64,
        })
    }

    /// Guards a submission whose plan is made: its values move to guarded memory.
    pub fn begin<'a>(
        &'a self,
        commands: &'a Commands<'a>,
        plan: &mut Plan,
    ) -> Result<Guarding<'a>, Fault> {
        let mut guarding = Guarding {
            commands,
            buffers: self.buffers(),
            values: self.values.lock().unwrap_or_else(PoisonError::into_inner),
            placed: Vec::new(),
        };
        for (launch, prepared) in plan.launches.iter().enumerate() {
            for argument in guarding.arguments(launch) {
                let RawArgument::Value {
                    index,
                    offset,
                    bytes,
                } = *argument
                else {
                    continue;
                };
                let value = guarding.place(&commands.values[offset..offset + bytes])?;
                plan.pointers[prepared.buffers + index as usize] = value.cast();
                guarding.placed.push((launch, index));
            }
        }
        Ok(guarding)
    }

    fn buffers(&self) -> MutexGuard<'_, HashMap<u64, Guarded>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Guarding<'a> {
    fn arguments(&self, launch: usize) -> &'a [RawArgument] {
        let range = &self.commands.launches[launch].arguments;
        &self.commands.arguments[range.start as usize..range.end as usize]
    }

    /// Copies a value to the next guarded memory; returns where it is.
    fn place(&mut self, value: &[u8]) -> Result<*mut u8, Fault> {
        let slot = self.placed.len();
        let fits = |memory: &mut Guarded| {
            memory.set_read_only(false);
            memory.capacity() >= value.len() && memory.place(value.len())
        };
        if !self.values.get_mut(slot).is_some_and(fits) {
            let memory = Guarded::new(value.len(), VALUE_REACH).ok_or_else(|| Fault::Host {
                reason: format!("no memory for {} bytes of a guarded value", value.len()),
            })?;
            match self.values.get_mut(slot) {
                Some(old) => *old = memory,
                None => self.values.push(memory),
            }
        }
        let memory = &mut self.values[slot];
        let start = memory.start().as_ptr();
        // SAFETY: the memory is as large as the value, and nobody uses it yet.
        unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), start, value.len()) };
        memory.set_read_only(true);
        Ok(start)
    }

    /// Before a launch: what it may only read becomes read-only.
    pub fn before(&mut self, launch: usize) {
        self.set_read_only(launch, true);
    }

    /// After a launch: the bytes around its buffers must be as they were.
    pub fn after(&mut self, launch: usize) -> Result<(), Fault> {
        self.set_read_only(launch, false);
        // All of them: what is found is forgotten.
        let mut found = Ok(());
        for argument in self.arguments(launch) {
            let Some((index, buffer, offset, _)) = memory_of(argument) else {
                continue;
            };
            let Some(memory) = self.buffers.get_mut(&buffer) else {
                continue;
            };
            if let Some(at) = memory.check() {
                let length = memory.bytes() - offset;
                found = Err(out_of_bounds(
                    index,
                    AccessKind::Write,
                    at - offset as i64,
                    length,
                    Origin::default(),
                ));
            }
        }
        found
    }

    fn set_read_only(&mut self, launch: usize, read_only: bool) {
        let arguments = self.arguments(launch);
        let written = |handle: u64| {
            let mut memory = arguments.iter().filter_map(memory_of);
            memory.any(|(_, buffer, _, written)| written && buffer == handle)
        };
        for argument in arguments {
            if let Some((_, buffer, ..)) = memory_of(argument)
                && !written(buffer)
                && let Some(memory) = self.buffers.get_mut(&buffer)
            {
                memory.set_read_only(read_only);
            }
        }
    }

    /// The fault of an access of a launch, if it was to one of its values.
    pub fn attribute(&self, launch: usize, fault: Fault) -> Fault {
        let Fault::Access {
            address: Some(address),
            access,
            origin,
            ..
        } = &fault
        else {
            return fault;
        };
        let address = *address as usize;
        let mut values = self.placed.iter().zip(&*self.values);
        let Some((&(_, index), memory)) =
            values.find(|(placed, memory)| placed.0 == launch && memory.covers(address))
        else {
            return fault;
        };
        let (offset, length) = (memory.offset(address), memory.bytes());
        if (0..length as i64).contains(&offset) {
            return Fault::ConstantWritten {
                argument: bound(index),
                offset,
                length: length as u64,
                origin: origin.clone(),
            };
        }
        out_of_bounds(index, *access, offset, length, origin.clone())
    }
}

/// Index, handle, offset and whether it may be written, of an argument that is memory of the device.
fn memory_of(argument: &RawArgument) -> Option<(u32, u64, usize, bool)> {
    match *argument {
        RawArgument::Buffer {
            index,
            written,
            buffer,
            offset,
        }
        | RawArgument::Reached {
            index,
            written,
            buffer,
            offset,
        } => Some((index, buffer, offset, written)),
        RawArgument::Value { .. } | RawArgument::ThreadgroupMemory { .. } => None,
    }
}

fn bound(index: u32) -> BoundArgument {
    BoundArgument {
        name: String::new(),
        space: ArgumentSpace::Buffer,
        index,
    }
}

fn out_of_bounds(
    index: u32,
    access: AccessKind,
    offset: i64,
    length: usize,
    origin: Origin,
) -> Fault {
    Fault::OutOfBounds {
        argument: bound(index),
        access,
        offset,
        length: length as u64,
        element_size: 1,
        origin,
    }
}
