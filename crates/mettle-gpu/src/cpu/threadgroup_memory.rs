//! The dynamic threadgroup memory of a worker.

use std::ffi::c_void;
use std::ptr;

use mettle_msl::abi::MAX_ARGUMENTS;

use super::guarded::Guarded;
use crate::fault::{AccessKind, ArgumentSpace, BoundArgument, Fault, Origin};

/// Each argument starts at a multiple of this: a line of the cache.
const LINE: usize = 64;

/// Bytes of an argument at most: the limit of a launch.
const LIMIT: usize = 32768;

/// Inaccessible bytes around guarded memory.
const REACH: usize = 1 << 30;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// Memory for the arguments of one threadgroup at a time.
pub(super) struct ThreadgroupMemory {
    pointers: [*mut c_void; MAX_ARGUMENTS],
    memory: Memory,
}

enum Memory {
    /// All arguments behind each other, and how many lines they take.
    Plain { lines: Box<[Line]>, used: usize },
    /// Memory of its own for each argument, by index, and the indices in use.
    Guarded {
        arguments: Box<[Option<Guarded>; MAX_ARGUMENTS]>,
        used: u32,
    },
}

// SAFETY: the pointers lead into its own memory.
unsafe impl Send for ThreadgroupMemory {}

impl ThreadgroupMemory {
    pub fn new(guard: bool) -> Self {
        let memory = if guard {
            Memory::Guarded {
                arguments: Box::new([const { None }; MAX_ARGUMENTS]),
                used: 0,
            }
        } else {
            // The limit of a launch, and room to align each argument.
            let count = LIMIT / LINE + MAX_ARGUMENTS;
            Memory::Plain {
                lines: vec![Line([0; LINE]); count].into_boxed_slice(),
                used: 0,
            }
        };
        ThreadgroupMemory {
            pointers: [ptr::null_mut(); MAX_ARGUMENTS],
            memory,
        }
    }

    /// The address of each argument by its index.
    pub fn pointers(&self) -> *const *mut c_void {
        self.pointers.as_ptr()
    }

    /// Makes room for the arguments of a launch: pairs of index and bytes.
    #[inline]
    pub fn place(&mut self, sizes: &[(u32, usize)]) -> Result<(), Fault> {
        if sizes.is_empty() {
            self.release();
            return Ok(());
        }
        self.place_some(sizes)
    }

    /// No argument is in use.
    #[inline]
    fn release(&mut self) {
        match &mut self.memory {
            Memory::Plain { used, .. } => *used = 0,
            Memory::Guarded { used, .. } => *used = 0,
        }
    }

    fn place_some(&mut self, sizes: &[(u32, usize)]) -> Result<(), Fault> {
        match &mut self.memory {
            Memory::Plain { lines, used } => {
                let mut line = 0;
                for &(index, bytes) in sizes {
                    let count = bytes.div_ceil(LINE);
                    // The limit was checked when the launch was recorded.
                    if let (Some(memory), Some(pointer)) = (
                        lines.get_mut(line..line + count),
                        self.pointers.get_mut(index as usize),
                    ) {
                        *pointer = memory.as_mut_ptr().cast();
                    }
                    line += count;
                }
                *used = line.min(lines.len());
            }
            Memory::Guarded { arguments, used } => {
                *used = 0;
                for &(index, bytes) in sizes {
                    let Some(argument) = arguments.get_mut(index as usize) else {
                        continue;
                    };
                    if argument.is_none() {
                        *argument = Guarded::new(LIMIT, REACH);
                    }
                    let placed = argument.as_mut().is_some_and(|argument| {
                        argument.bytes() == bytes || bytes <= LIMIT && argument.place(bytes)
                    });
                    let Some(argument) = argument.as_ref().filter(|_| placed) else {
                        return Err(Fault::Host {
                            reason: format!(
                                "no memory for {bytes} bytes of guarded threadgroup memory"
                            ),
                        });
                    };
                    self.pointers[index as usize] = argument.start().as_ptr().cast();
                    *used |= 1 << index;
                }
            }
        }
        Ok(())
    }

    /// Sets every byte in use.
    pub fn fill(&mut self, value: u8) {
        match &mut self.memory {
            Memory::Plain { lines, used } => lines[..*used].fill(Line([value; LINE])),
            Memory::Guarded { arguments, used } => {
                for (_, argument) in in_use(&mut arguments[..], *used) {
                    argument.fill(value);
                }
            }
        }
    }

    /// Looks whether bytes beside an argument were written.
    #[inline]
    pub fn check(&mut self) -> Result<(), Fault> {
        let Memory::Guarded { arguments, used } = &mut self.memory else {
            return Ok(());
        };
        // All of them: what is found is forgotten.
        let mut found = Ok(());
        for (index, argument) in in_use(&mut arguments[..], *used) {
            if let Some(offset) = argument.check() {
                let length = argument.bytes();
                found = Err(out_of_bounds(
                    index,
                    AccessKind::Write,
                    offset,
                    length,
                    Origin::default(),
                ));
            }
        }
        found
    }

    /// The fault of an access to an address, if that is an argument's.
    pub fn attribute(
        &self,
        address: Option<usize>,
        access: AccessKind,
        origin: &Origin,
    ) -> Option<Fault> {
        let (Memory::Guarded { arguments, .. }, Some(address)) = (&self.memory, address) else {
            return None;
        };
        let (index, argument) = (0..)
            .zip(arguments.iter())
            .filter_map(|(index, argument)| Some((index, argument.as_ref()?)))
            .find(|(_, argument)| argument.covers(address))?;
        let (offset, length) = (argument.offset(address), argument.bytes());
        Some(out_of_bounds(index, access, offset, length, origin.clone()))
    }
}

fn in_use(
    arguments: &mut [Option<Guarded>],
    used: u32,
) -> impl Iterator<Item = (u32, &mut Guarded)> {
    (0..)
        .zip(arguments)
        .filter(move |(index, _)| used >> index & 1 != 0)
        .filter_map(|(index, argument)| Some((index, argument.as_mut()?)))
}

fn out_of_bounds(
    index: u32,
    access: AccessKind,
    offset: i64,
    length: usize,
    origin: Origin,
) -> Fault {
    Fault::OutOfBounds {
        argument: BoundArgument {
            name: String::new(),
            space: ArgumentSpace::Threadgroup,
            index,
        },
        access,
        offset,
        length: length as u64,
        element_size: 1,
        origin,
    }
}
