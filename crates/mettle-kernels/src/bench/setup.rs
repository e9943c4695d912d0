//! The tensors of bench entries.

use crate::Result;
use crate::cases::Rng;
use crate::cases::Scales;
use mettle_gpu::{Device, Format, Shape, Tensor};

/// What repetitions of an entry in one pass hand to each other: activations and results, in the order in which they are made.
#[derive(Default)]
pub(super) struct Handed(Vec<Tensor>);

/// What entries make their tensors with.
///
/// Activations and results are made once for all repetitions of an entry in a pass, as the operations of a step find in the caches what those
/// before them wrote. Weights and caches of keys and values are each repetition's own.
pub struct Setup<'a> {
    device: &'a Device,
    rng: Rng,
    handed: &'a mut Handed,
    /// How many of them this repetition has taken.
    taken: usize,
    own_bytes: usize,
}

impl<'a> Setup<'a> {
    /// For one repetition of the entry with this label.
    pub(super) fn new(device: &'a Device, label: &[&str], handed: &'a mut Handed) -> Setup<'a> {
        Setup {
            device,
            rng: Rng::labelled(0, label),
            handed,
            taken: 0,
            own_bytes: 0,
        }
    }

    /// Bytes of weights and caches made so far.
    pub(super) fn own_bytes(&self) -> usize {
        self.own_bytes
    }

    /// The device under test.
    pub fn device(&self) -> &Device {
        self.device
    }

    /// Activations: f32 values of a normal distribution; every 4099th repeats, so that large tensors are made quickly.
    ///
    /// # Errors
    /// Memory running out.
    pub fn values(&mut self, shape: impl Into<Shape>) -> Result<Tensor> {
        self.values_as(Format::F32, shape)
    }

    /// [`Setup::values`] rounded to a format.
    ///
    /// # Errors
    /// Values that are not whole blocks, or memory running out.
    pub fn values_as(&mut self, format: Format, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let bytes = self.normal(format, shape.len())?;
        let device = self.device;
        self.hand(|| Ok(Tensor::quantized(device, format, &bytes, shape)?))
    }

    /// The bytes of `len` such values.
    fn normal(&mut self, format: Format, len: usize) -> Result<Vec<u8>> {
        let whole = format.block_len();
        let few = self.rng.normal((4099 / whole * whole).min(len));
        let mut bytes = vec![0; few.len() / whole * format.block_bytes()];
        crate::formats::quantize(format, &few, &mut bytes)?;
        Ok(repeated(&bytes, len / whole * format.block_bytes()))
    }

    /// A cache of such values, rounded to a format.
    ///
    /// # Errors
    /// Values that are not whole blocks, or memory running out.
    pub fn rounded(&mut self, format: Format, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        let bytes = self.normal(format, shape.len())?;
        self.own_bytes += bytes.len();
        let buffer = self.device.upload(&bytes)?;
        Ok(Tensor::from_buffer(buffer, format, shape)?)
    }

    /// Random weights of `format`; rows beyond 64 repeat.
    ///
    /// # Errors
    /// Columns that are not whole blocks, or memory running out.
    pub fn weights(&mut self, format: Format, rows: usize, columns: usize) -> Result<Tensor> {
        let some = rows.min(64);
        let few =
            crate::cases::blocks(&mut self.rng, format, some * columns, Scales::Typical)?.bytes;
        let bytes = repeated(&few, rows * (few.len() / some));
        self.own_bytes += bytes.len();
        Ok(Tensor::quantized(
            self.device,
            format,
            &bytes,
            [rows, columns],
        )?)
    }

    /// A tensor with these values, such as positions.
    ///
    /// # Errors
    /// Memory running out.
    pub fn of<T: mettle_gpu::Scalar>(&mut self, values: &[T]) -> Result<Tensor> {
        let device = self.device;
        self.hand(|| Ok(Tensor::from_slice(device, values, [values.len()])?))
    }

    /// A tensor to write to.
    ///
    /// # Errors
    /// Memory running out.
    pub fn output(&mut self, format: Format, shape: impl Into<Shape>) -> Result<Tensor> {
        let device = self.device;
        self.hand(|| Ok(Tensor::empty_as(device, format, shape.into())?))
    }

    /// The next tensor that repetitions share, made by the first of them.
    fn hand(&mut self, make: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        if self.taken == self.handed.0.len() {
            self.handed.0.push(make()?);
        }
        let tensor = self.handed.0[self.taken].clone();
        self.taken += 1;
        Ok(tensor)
    }
}

/// `few` again and again, `len` values in all.
fn repeated<T: Copy>(few: &[T], len: usize) -> Vec<T> {
    let mut all = few.repeat(len.div_ceil(few.len().max(1)));
    all.truncate(len);
    all
}
