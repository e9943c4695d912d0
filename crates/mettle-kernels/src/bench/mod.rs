//! Bench entries: launches whose bytes and operations are known, to be held against what the device can do at most.
//!
//! Every family lists its entries beside its cases ([`Family::benches`](crate::cases::Family::benches)). An entry prepares
//! its tensors once and is then launched as often as a measurement needs:
//!
//! ```
//! use mettle_gpu::{Device, Preference};
//! use mettle_kernels::bench::{self, Meter};
//!
//! let device = Device::open(Preference::Cpu)?;
//! let entries = bench::select("binary_f32", "n4096");
//! let meter = Meter::new(&device, std::time::Duration::from_millis(2))?;
//! let measured = meter.measure(&entries[0])?;
//! assert!(measured.warm.median > 0.0);
//! # Ok::<(), mettle_kernels::Error>(())
//! ```

mod meter;
mod roofline;
mod setup;
mod step;

pub use meter::{Measured, Meter, Spread};
pub use roofline::Roofline;
pub use setup::Setup;

use crate::Result;
use crate::cases::matches;
use mettle_gpu::{Device, Pass};
use setup::Handed;
use std::borrow::Cow;

/// What a launch moves and computes at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Bytes read and written, each counted once however often the kernel touches it.
    pub bytes: u64,
    /// Floating-point operations; a multiply-add is two.
    pub operations: u64,
}

impl Work {
    /// From counts.
    pub fn new(bytes: usize, operations: usize) -> Work {
        Work {
            bytes: bytes as u64,
            operations: operations as u64,
        }
    }
}

/// Records the launches of one entry.
pub type Launch = Box<dyn FnMut(&mut Pass) -> Result<()>>;

type Prepare = dyn Fn(&mut Setup<'_>) -> Result<Launch> + Send + Sync;

/// A kernel at one shape.
pub struct Bench {
    family: &'static str,
    kernel: Cow<'static, str>,
    shape: String,
    work: Work,
    prepare: Box<Prepare>,
}

impl Bench {
    /// The family, as in [`Family::name`](crate::cases::Family::name).
    pub fn family(&self) -> &'static str {
        self.family
    }

    /// The host name of the kernel that does the work.
    pub fn kernel(&self) -> &str {
        &self.kernel
    }

    /// What tells the entry from the kernel's other entries.
    pub fn shape(&self) -> &str {
        &self.shape
    }

    /// Whether its kernel is for a device: see [`catalogue::is_for`](crate::catalogue::is_for).
    pub fn is_for(&self, device: &Device) -> bool {
        crate::catalogue::is_for(self.family, device)
    }

    /// What it moves and computes.
    pub fn work(&self) -> Work {
        self.work
    }

    /// Makes its tensors, but for those that repetitions of it hand to each other and have been made. Also says how many bytes are
    /// this repetition's own.
    ///
    /// # Errors
    /// Memory running out.
    fn prepare(&self, device: &Device, handed: &mut Handed) -> Result<(Launch, usize)> {
        let mut setup = Setup::new(device, &[&self.kernel, &self.shape], handed);
        let launch = (self.prepare)(&mut setup)?;
        Ok((launch, setup.own_bytes()))
    }
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kernel, self.shape)
    }
}

/// Collects the entries of a family.
pub struct Benches {
    family: &'static str,
    list: Vec<Bench>,
}

impl Benches {
    pub(crate) fn new(family: &'static str) -> Benches {
        Benches {
            family,
            list: Vec::new(),
        }
    }

    pub(crate) fn into_list(self) -> Vec<Bench> {
        self.list
    }

    /// Adds an entry of `kernel`, the host name of the kernel that does the work.
    pub fn add(
        &mut self,
        kernel: impl Into<Cow<'static, str>>,
        shape: impl Into<String>,
        work: Work,
        prepare: impl Fn(&mut Setup<'_>) -> Result<Launch> + Send + Sync + 'static,
    ) {
        self.list.push(Bench {
            family: self.family,
            kernel: kernel.into(),
            shape: shape.into(),
            work,
            prepare: Box::new(prepare),
        });
    }
}

/// The entries of every family whose kernel and shape match the globs.
pub fn select(kernel: &str, shape: &str) -> Vec<Bench> {
    crate::ops::families()
        .iter()
        .flat_map(|family| family.entries())
        .filter(|entry| matches(kernel, entry.kernel()) && matches(shape, entry.shape()))
        .collect()
}
