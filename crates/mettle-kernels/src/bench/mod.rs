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
//! let entries = bench::select("add_f32", "n4096");
//! let meter = Meter::new(&device, std::time::Duration::from_millis(2))?;
//! let measured = meter.measure(&entries[0])?;
//! assert!(measured.warm.median > 0.0);
//! # Ok::<(), mettle_kernels::Error>(())
//! ```

mod meter;
mod roofline;

pub use meter::{Measured, Meter, Spread};
pub use roofline::Roofline;

use crate::Result;
use crate::cases::{Rng, matches};
use mettle_gpu::{Device, Format, Pass, Shape, Tensor};
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

    /// What it moves and computes.
    pub fn work(&self) -> Work {
        self.work
    }

    /// Makes its tensors.
    ///
    /// # Errors
    /// Memory running out.
    fn prepare(&self, device: &Device) -> Result<Launch> {
        let rng = Rng::labelled(0, &[&self.kernel, &self.shape]);
        (self.prepare)(&mut Setup { device, rng })
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

/// What entries make their tensors with.
pub struct Setup<'a> {
    device: &'a Device,
    rng: Rng,
}

impl Setup<'_> {
    /// The device under test.
    pub fn device(&self) -> &Device {
        self.device
    }

    /// f32 values of a normal distribution; every 4099th repeats, so that large tensors are made quickly.
    ///
    /// # Errors
    /// Memory running out.
    pub fn values(&mut self, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let few = self.rng.normal(4099.min(shape.len()));
        let values: Vec<f32> = few.iter().copied().cycle().take(shape.len()).collect();
        Ok(Tensor::from_slice(self.device, &values, shape)?)
    }

    /// The same values rounded to a format of single values, such as F16.
    ///
    /// # Errors
    /// A format of blocks, or memory running out.
    pub fn rounded(&mut self, format: Format, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let few = self.rng.normal(4099.min(shape.len()));
        let mut bytes = vec![0; few.len() * format.block_bytes()];
        crate::formats::quantize(format, &few, &mut bytes)?;
        let total = shape.len() * format.block_bytes();
        let bytes: Vec<u8> = bytes.iter().copied().cycle().take(total).collect();
        let buffer = self.device.upload(&bytes)?;
        Ok(Tensor::from_buffer(buffer, format, shape)?)
    }

    /// Random weights of `format`; rows beyond 64 repeat.
    ///
    /// # Errors
    /// Columns that are not whole blocks, or memory running out.
    pub fn weights(&mut self, format: Format, rows: usize, columns: usize) -> Result<Tensor> {
        let some = rows.min(64);
        let mut bytes = crate::cases::blocks(&mut self.rng, format, some * columns)?.bytes;
        let row = bytes.len() / some;
        bytes = bytes.iter().copied().cycle().take(rows * row).collect();
        Ok(Tensor::quantized(
            self.device,
            format,
            &bytes,
            [rows, columns],
        )?)
    }

    /// A tensor with these values.
    ///
    /// # Errors
    /// Memory running out.
    pub fn of<T: mettle_gpu::Scalar>(&self, values: &[T]) -> Result<Tensor> {
        Ok(Tensor::from_slice(self.device, values, [values.len()])?)
    }

    /// A tensor to write to.
    ///
    /// # Errors
    /// Memory running out.
    pub fn output(&self, format: Format, shape: impl Into<Shape>) -> Result<Tensor> {
        Ok(Tensor::empty_as(self.device, format, shape.into())?)
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
