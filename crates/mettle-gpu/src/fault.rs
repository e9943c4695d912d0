//! What can stop a running kernel, and where it was.

use std::time::Duration;

/// What stopped a running launch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Some threads wait at a barrier that others will never reach, because they have returned.
    #[error(
        "divergent barrier: {waiting} threads wait at the threadgroup_barrier at {site}, {finished} threads have returned"
    )]
    BarrierAfterReturn {
        /// The barrier's place in the source.
        site: Site,
        /// Threads that wait there.
        waiting: u32,
        /// Threads that have returned.
        finished: u32,
    },
    /// Threads of one threadgroup wait at different barriers.
    #[error(
        "divergent barrier: {first_threads} threads wait at the threadgroup_barrier at {first}, {second_threads} at the one at {second}{}",
        returned(*.finished)
    )]
    BarrierSites {
        /// The place of the first barrier.
        first: Site,
        /// Threads that wait there.
        first_threads: u32,
        /// The place of another barrier.
        second: Site,
        /// Threads that wait there.
        second_threads: u32,
        /// Threads that have returned.
        finished: u32,
    },
    /// A kernel synchronised although its artefact says that it never does.
    #[error("the kernel synchronises at {site}, but its artefact says that it does not")]
    UnexpectedSynchronisation {
        /// The place in the source.
        site: Site,
    },
    /// A GPU's driver could not run the launch, or stopped it.
    #[error("the driver stopped it: {reason}")]
    Driver {
        /// The driver's words.
        reason: String,
    },
    /// The host could not provide what running the kernel needs.
    #[error("the host failed to run the kernel: {reason}")]
    Host {
        /// What failed.
        reason: String,
    },
    /// The kernel accessed memory beside that of an argument. Found always when a device is opened with
    /// [`DeviceOptions::guard`](crate::DeviceOptions::guard).
    #[error("out of bounds: {access} at byte {offset} of {argument}, which has {length} bytes{}{origin}", elements(*.offset, *.length, *.element_size))]
    OutOfBounds {
        /// The argument.
        argument: BoundArgument,
        /// What was done.
        access: AccessKind,
        /// Where, in bytes from the start of what is bound.
        offset: i64,
        /// Bytes bound.
        length: u64,
        /// Bytes of one element of the argument; 1 when they are not known.
        element_size: u64,
        /// Which thread it was, and where in the source.
        origin: Origin,
    },
    /// The kernel wrote memory that it declares to be constant. Found when a device is opened with
    /// [`DeviceOptions::guard`](crate::DeviceOptions::guard), and always in memory that is mapped from files.
    #[error(
        "write to constant memory: at byte {offset} of {argument}, which has {length} bytes{origin}"
    )]
    ConstantWritten {
        /// The argument.
        argument: BoundArgument,
        /// Where, in bytes from the start of what is bound.
        offset: i64,
        /// Bytes bound.
        length: u64,
        /// Which thread it was, and where in the source.
        origin: Origin,
    },
    /// The kernel accessed memory that is not accessible and is not beside that of an argument.
    #[error("invalid memory access: {access}{}{}{origin}", at_address(.address), nearest(.near))]
    Access {
        /// The address; not known when it is none that the processor can have.
        address: Option<u64>,
        /// What was done.
        access: AccessKind,
        /// The argument that begins or ends nearest, if one is near.
        near: Option<Near>,
        /// Which thread it was, and where in the source.
        origin: Origin,
    },
    /// A thread used up its stack: variables that are too large, or recursion without end.
    #[error("stack overflow: a thread has too large variables or calls itself too often{origin}")]
    StackOverflow {
        /// Which thread it was, and where in the source.
        origin: Origin,
    },
    /// An integer was divided by zero, or the smallest integer by minus one.
    #[error("integer division by zero, or of the smallest integer by -1{origin}")]
    Division {
        /// Which thread it was, and where in the source.
        origin: Origin,
    },
    /// The index of an array of fixed size was not below its size. Found in code that is compiled with checks
    /// ([`mettle_msl::Instrumentation::Full`]).
    #[error("an index outside of an array of fixed size{origin}")]
    ArrayIndex {
        /// Which thread it was, and where in the source.
        origin: Origin,
    },
    /// The kernel came to an instruction that no sound program comes to.
    #[error(
        "the kernel does what has no defined result (such as reaching code that cannot be reached){origin}"
    )]
    Undefined {
        /// Which thread it was, and where in the source.
        origin: Origin,
    },
    /// The submission ran longer than [`DeviceOptions::budget`](crate::DeviceOptions::budget).
    #[error(
        "stopped after {limit:?}, with {finished} of {threadgroups} threadgroups done: an endless loop, or a budget too small{origin}"
    )]
    Budget {
        /// The budget.
        limit: Duration,
        /// Threadgroups of the launch that were done.
        finished: u64,
        /// Threadgroups of the launch.
        threadgroups: u64,
        /// Where one of its threads was.
        origin: Origin,
    },
}

impl Fault {
    /// A submission was stopped; how long it had and what it had done is not filled in yet.
    pub(crate) fn out_of_time() -> Fault {
        Fault::Budget {
            limit: Duration::ZERO,
            finished: 0,
            threadgroups: 0,
            origin: Origin::default(),
        }
    }

    /// The places in the source that it names.
    pub(crate) fn sites_mut(&mut self) -> Vec<&mut Site> {
        match self {
            Fault::BarrierAfterReturn { site, .. } | Fault::UnexpectedSynchronisation { site } => {
                vec![site]
            }
            Fault::BarrierSites { first, second, .. } => vec![first, second],
            Fault::Host { .. } | Fault::Driver { .. } => Vec::new(),
            _ => self
                .origin_mut()
                .and_then(|origin| origin.site.as_mut())
                .into_iter()
                .collect(),
        }
    }

    /// Which thread it is of, and where, for faults of single threads.
    pub(crate) fn origin_mut(&mut self) -> Option<&mut Origin> {
        match self {
            Fault::OutOfBounds { origin, .. }
            | Fault::ConstantWritten { origin, .. }
            | Fault::Access { origin, .. }
            | Fault::StackOverflow { origin }
            | Fault::Division { origin }
            | Fault::ArrayIndex { origin }
            | Fault::Undefined { origin }
            | Fault::Budget { origin, .. } => Some(origin),
            Fault::BarrierAfterReturn { .. }
            | Fault::BarrierSites { .. }
            | Fault::UnexpectedSynchronisation { .. }
            | Fault::Host { .. }
            | Fault::Driver { .. } => None,
        }
    }
}

/// An argument of a launch that a fault is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundArgument {
    /// Its name in the kernel's signature.
    pub name: String,
    /// What its index counts.
    pub space: ArgumentSpace,
    /// Its index.
    pub index: u32,
}

/// The two spaces of indices that arguments have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentSpace {
    /// Buffers and values, `[[buffer(i)]]`.
    Buffer,
    /// Dynamic threadgroup memory, `[[threadgroup(i)]]`.
    Threadgroup,
}

impl std::fmt::Display for BoundArgument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let space = match self.space {
            ArgumentSpace::Buffer => "buffer",
            ArgumentSpace::Threadgroup => "threadgroup",
        };
        let separator = if self.name.is_empty() { "" } else { " " };
        write!(f, "{}{separator}[[{space}({})]]", self.name, self.index)
    }
}

/// What was done to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessKind {
    /// It was read.
    Read,
    /// It was written, or read and written at once.
    Write,
    /// It was jumped to.
    Execute,
    /// The processor does not say.
    Unknown,
}

impl std::fmt::Display for AccessKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AccessKind::Read => "read",
            AccessKind::Write => "write",
            AccessKind::Execute => "jump",
            AccessKind::Unknown => "access",
        })
    }
}

/// Which thread of a kernel a fault is of, and where in its source, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The thread's position in the grid.
    pub thread: Option<[u32; 3]>,
    /// The place in the source.
    pub site: Option<Site>,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some([x, y, z]) = self.thread {
            write!(f, ", by thread ({x}, {y}, {z})")?;
        }
        if let Some(site) = &self.site {
            write!(f, ", at {site}")?;
        }
        Ok(())
    }
}

/// An argument that an invalid access was near.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The argument.
    pub argument: BoundArgument,
    /// Where the access was, in bytes from the start of what is bound.
    pub offset: i64,
    /// Bytes bound.
    pub length: u64,
}

fn returned(threads: u32) -> String {
    match threads {
        0 => String::new(),
        threads => format!(", {threads} have returned"),
    }
}

fn elements(offset: i64, length: u64, size: u64) -> String {
    if size < 2 {
        return String::new();
    }
    let element = offset.div_euclid(size as i64);
    format!(" (element {element} of {})", length / size)
}

fn at_address(address: &Option<u64>) -> String {
    match address {
        Some(address) => format!(" at address {address:#x}"),
        None => " at an address that cannot be".to_owned(),
    }
}

fn nearest(near: &Option<Near>) -> String {
    match near {
        Some(near) => format!(
            ", nearest to {}: byte {} of {}",
            near.argument, near.offset, near.length
        ),
        None => ", near no argument".to_owned(),
    }
}

/// A place in a kernel's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    tag: u64,
    file: String,
    line: u32,
}

impl Site {
    /// The place that compiled code names by a tag, not traced to a file yet.
    pub(crate) fn new(tag: u64) -> Self {
        Site {
            tag,
            file: String::new(),
            line: mettle_msl::abi::site_line_column(tag).0,
        }
    }

    pub(crate) fn tag(&self) -> u64 {
        self.tag
    }

    pub(crate) fn set_place(&mut self, file: &str, line: u32) {
        file.clone_into(&mut self.file);
        self.line = line;
    }

    /// The file's name without its folder; empty when it is not known.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line in the file, from 1; of the compiled text when the file is not known.
    pub fn line(&self) -> u32 {
        self.line
    }
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.file.is_empty() {
            return write!(f, "line {} of the compiled text", self.line);
        }
        write!(f, "{}:{}", self.file, self.line)
    }
}
