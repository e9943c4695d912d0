//! Tensors: a buffer with a format, a shape and strides.

use std::any::{TypeId, type_name};
use std::mem::size_of;
use std::ops::Range;

use crate::buffer::{Buffer, Element};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::shape::Shape;

/// Memory with a [`Format`], a [`Shape`] and strides. Cheap to clone; clones and views share memory.
///
/// The innermost dimension is always dense: a row is consecutive values (or blocks). Outer dimensions have strides in bytes, so
/// a tensor can be a band of columns of a wider one. Most operations want dense tensors: [`Tensor::is_dense`].
#[derive(Clone)]
pub struct Tensor {
    /// From the first byte of the first row to the last byte of the last row.
    bytes: Buffer<u8>,
    format: Format,
    shape: Shape,
    /// In bytes, for each dimension but the innermost, whose entry is unused.
    strides: [usize; Shape::MAX_RANK],
}

impl Tensor {
    /// Values in a block format (or a plain one), as stored: a copy of the bytes.
    ///
    /// # Errors
    /// [`Error::Shape`] when the bytes are not exactly those of the shape; errors of [`Device::buffer`].
    pub fn quantized(
        device: &Device,
        format: Format,
        bytes: &[u8],
        shape: impl Into<Shape>,
    ) -> Result<Tensor> {
        let shape = shape.into();
        check_size("the data of a tensor", format, shape, bytes.len())?;
        Tensor::from_buffer(device.upload(bytes)?, format, shape)
    }

    /// A tensor over the bytes of a buffer, dense.
    ///
    /// # Errors
    /// [`Error::Shape`] when the buffer does not have exactly the bytes of the shape.
    pub fn from_buffer(
        bytes: Buffer<u8>,
        format: Format,
        shape: impl Into<Shape>,
    ) -> Result<Tensor> {
        let shape = shape.into();
        check_size("the buffer of a tensor", format, shape, bytes.len())?;
        Ok(Tensor {
            strides: dense_strides(format, shape)?,
            bytes,
            format,
            shape,
        })
    }

    /// A tensor with a copy of the values.
    ///
    /// # Errors
    /// [`Error::Shape`] when their number is not that of the shape; errors of [`Device::buffer`].
    pub fn from_slice<T: Scalar>(
        device: &Device,
        values: &[T],
        shape: impl Into<Shape>,
    ) -> Result<Tensor> {
        Tensor::quantized(device, T::FORMAT, bytemuck::cast_slice(values), shape)
    }

    /// A tensor of zeros.
    ///
    /// # Errors
    /// Errors of [`Device::zeros`].
    pub fn zeros<T: Scalar>(device: &Device, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        Tensor::from_buffer(device.zeros(byte_len(T::FORMAT, shape)?)?, T::FORMAT, shape)
    }

    /// A tensor with unspecified contents.
    ///
    /// # Errors
    /// Errors of [`Device::buffer`].
    pub fn empty<T: Scalar>(device: &Device, shape: impl Into<Shape>) -> Result<Tensor> {
        Tensor::empty_as(device, T::FORMAT, shape)
    }

    /// A tensor of any format with unspecified contents.
    ///
    /// # Errors
    /// [`Error::Shape`] when rows are not whole blocks; errors of [`Device::buffer`].
    pub fn empty_as(device: &Device, format: Format, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        Tensor::from_buffer(device.buffer(byte_len(format, shape)?)?, format, shape)
    }

    /// Says what it is for, as [`Buffer::label`] does.
    #[must_use]
    pub fn labelled(self, purpose: &str) -> Tensor {
        self.bytes.label(purpose);
        self
    }

    /// The dimensions, outermost first.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The product of all dimensions but the innermost.
    pub fn rows(&self) -> usize {
        self.shape.rows()
    }

    /// The innermost dimension.
    pub fn columns(&self) -> usize {
        self.shape.columns()
    }

    /// How its values are stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.shape.len()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.shape.is_empty()
    }

    /// Bytes from the first to the last value, gaps between rows included.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.shape.columns() / self.format.block_len() * self.format.block_bytes()
    }

    /// Bytes from one index of a dimension to the next.
    ///
    /// For the innermost dimension: the bytes of a block.
    pub fn stride_bytes(&self, dimension: usize) -> usize {
        if dimension + 1 >= self.shape.rank() {
            return self.format.block_bytes();
        }
        self.strides[dimension]
    }

    /// Whether rows follow each other without gaps.
    pub fn is_dense(&self) -> bool {
        let rank = self.shape.rank();
        let mut expected = self.row_bytes();
        for dimension in (0..rank - 1).rev() {
            if self.shape[dimension] > 1 && self.strides[dimension] != expected {
                return false;
            }
            expected = expected.saturating_mul(self.shape[dimension]);
        }
        true
    }

    /// The same values under another shape of the same number of values; rows of block formats stay whole blocks.
    ///
    /// # Errors
    /// [`Error::Shape`] when the numbers differ or the tensor is not dense.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if shape.len() != self.len() || !self.is_dense() {
            return Err(Error::Shape {
                what: "reshape",
                shape: shape.to_string(),
                reason: format!(
                    "does not fit a {}tensor of shape {}",
                    if self.is_dense() { "" } else { "strided " },
                    self.shape
                ),
            });
        }
        Tensor::from_buffer(self.bytes.clone(), self.format, shape)
    }

    /// The given range of the outermost dimension: some rows of a matrix, some tokens of activations.
    ///
    /// # Errors
    /// [`Error::Range`].
    pub fn rows_range(&self, range: Range<usize>) -> Result<Tensor> {
        let outer = self.shape[0];
        if range.start > range.end || range.end > outer {
            return Err(Error::Range {
                what: "the outermost dimension of a tensor",
                range,
                len: outer,
            });
        }
        if self.shape.rank() == 1 {
            return self.columns_range(range);
        }
        let mut dims = self.dims_array();
        dims[0] = range.len();
        let start = if range.is_empty() {
            0
        } else {
            range.start * self.strides[0]
        };
        self.view(start, Shape::new(&dims[..self.shape.rank()])?, self.strides)
    }

    /// Ranges of the outermost dimension that follow each other from its start on, of so many entries each.
    ///
    /// # Errors
    /// [`Error::Range`] when there are fewer entries.
    pub fn split_rows<const N: usize>(&self, rows: [usize; N]) -> Result<[Tensor; N]> {
        let mut parts = rows.map(|_| self.clone());
        let mut first = 0;
        for (part, rows) in parts.iter_mut().zip(rows) {
            *part = self.rows_range(first..first + rows)?;
            first += rows;
        }
        Ok(parts)
    }

    /// One entry of the outermost dimension: the tensor at `index` of a batch, of one dimension less.
    ///
    /// # Errors
    /// [`Error::Range`]; [`Error::Shape`] for a tensor of one dimension.
    pub fn batch(&self, index: usize) -> Result<Tensor> {
        if self.shape.rank() == 1 {
            return Err(Error::Shape {
                what: "batch",
                shape: self.shape.to_string(),
                reason: "has no outer dimension".to_owned(),
            });
        }
        let one = self.rows_range(index..index.saturating_add(1))?;
        let rank = self.shape.rank();
        let mut strides = [0; Shape::MAX_RANK];
        strides[..rank - 1].copy_from_slice(&self.strides[1..rank]);
        Ok(Tensor {
            shape: Shape::new(&self.shape.dims()[1..])?,
            strides,
            ..one
        })
    }

    /// A band of columns, sharing memory: the result has gaps between its rows unless there is only one.
    ///
    /// # Errors
    /// [`Error::Range`]; [`Error::Shape`] when the band does not begin and end at blocks.
    pub fn columns_range(&self, range: Range<usize>) -> Result<Tensor> {
        let columns = self.columns();
        if range.start > range.end || range.end > columns {
            return Err(Error::Range {
                what: "the columns of a tensor",
                range,
                len: columns,
            });
        }
        let start = self.format.row_bytes(range.start)?;
        self.format.row_bytes(range.len())?;
        let mut dims = self.dims_array();
        let rank = self.shape.rank();
        dims[rank - 1] = range.len();
        self.view(start, Shape::new(&dims[..rank])?, self.strides)
    }

    /// The values of dense tensors of one format whose memory lies one after the other, in one dimension. `None` where it does not.
    pub fn joined(parts: &[&Tensor]) -> Option<Tensor> {
        let format = parts.first()?.format;
        let mut bytes = parts.first()?.bytes.clone();
        for part in &parts[1..] {
            bytes = bytes.followed_by(&part.bytes)?;
        }
        let fit = |part: &&Tensor| part.format == format && part.is_dense();
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let joined = || Tensor::from_buffer(bytes, format, [len]).ok();
        parts.iter().all(fit).then(joined).flatten()
    }

    fn dims_array(&self) -> [usize; Shape::MAX_RANK] {
        let mut dims = [1; Shape::MAX_RANK];
        dims[..self.shape.rank()].copy_from_slice(self.shape.dims());
        dims
    }

    /// A tensor whose first row starts at an offset in bytes, cut behind its last row.
    fn view(
        &self,
        start: usize,
        shape: Shape,
        strides: [usize; Shape::MAX_RANK],
    ) -> Result<Tensor> {
        let bytes = if shape.is_empty() {
            0
        } else {
            let before_last_row: usize = (0..shape.rank() - 1)
                .map(|dimension| (shape[dimension] - 1) * strides[dimension])
                .sum();
            before_last_row + self.format.row_bytes(shape.columns())?
        };
        Ok(Tensor {
            bytes: self.bytes.slice(start..start + bytes)?,
            format: self.format,
            shape,
            strides,
        })
    }

    /// Copies the values to the host, row after row. Waits for submissions in flight that write the memory.
    ///
    /// # Errors
    /// [`Error::Format`] when the format does not store `T`; the failure of a submission that wrote the memory.
    pub fn to_vec<T: Scalar>(&self) -> Result<Vec<T>> {
        if T::FORMAT != self.format {
            return Err(self.wrong_format::<T>("to_vec"));
        }
        let bytes = self.to_bytes()?;
        let mut values = vec![T::zeroed(); self.len()];
        bytemuck::cast_slice_mut(&mut values).copy_from_slice(&bytes);
        Ok(values)
    }

    /// Copies the rows to the host as stored, without gaps. Waits as [`Tensor::to_vec`] does.
    ///
    /// # Errors
    /// The failure of a submission that wrote the memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let all = self.bytes.read()?;
        if self.is_dense() {
            return Ok(all);
        }
        let mut packed = Vec::with_capacity(self.rows() * self.row_bytes());
        for row in 0..self.rows() {
            let start = self.row_start(row);
            packed.extend_from_slice(&all[start..start + self.row_bytes()]);
        }
        Ok(packed)
    }

    /// The offset of a row in bytes, rows counted over all outer dimensions.
    fn row_start(&self, row: usize) -> usize {
        let mut rest = row;
        let mut start = 0;
        for dimension in (0..self.shape.rank() - 1).rev() {
            start += rest % self.shape[dimension] * self.strides[dimension];
            rest /= self.shape[dimension];
        }
        start
    }

    /// Copies values to the device, for a dense tensor of exactly as many. Waits for submissions in flight that use the memory.
    ///
    /// # Errors
    /// [`Error::Format`]; [`Error::Length`]; [`Error::Shape`] when the tensor is strided; [`Error::ReadOnly`].
    pub fn write<T: Scalar>(&mut self, values: &[T]) -> Result<()> {
        if T::FORMAT != self.format {
            return Err(self.wrong_format::<T>("write"));
        }
        if values.len() != self.len() {
            return Err(Error::Length {
                what: "the values to write",
                expected: self.len(),
                actual: values.len(),
            });
        }
        self.require_dense("write")?;
        self.bytes.write(bytemuck::cast_slice(values))
    }

    /// The memory as elements of type `T`, for bindings: the plain type of the format, a vector of it (`[f32; 4]`), or a struct
    /// of the size of a block. Covers gaps between rows of a strided tensor.
    ///
    /// # Errors
    /// [`Error::Format`] when the format does not store `T`; [`Error::Cast`] when the bytes are no whole number of elements or not
    /// aligned.
    pub fn buffer<T: Element>(&self) -> Result<Buffer<T>> {
        let fits = match plain_format::<T>() {
            Some(format) => format == self.format,
            None if self.format.is_quantised() => size_of::<T>() == self.format.block_bytes(),
            None => size_of::<T>().is_multiple_of(self.format.block_bytes()),
        };
        if !fits {
            return Err(self.wrong_format::<T>("a typed buffer"));
        }
        self.bytes.cast()
    }

    /// The memory as bytes.
    pub fn bytes(&self) -> &Buffer<u8> {
        &self.bytes
    }

    /// Fails when rows have gaps between them.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn require_dense(&self, what: &'static str) -> Result<()> {
        if self.is_dense() {
            return Ok(());
        }
        Err(Error::Shape {
            what,
            shape: self.shape.to_string(),
            reason: "has gaps between its rows".to_owned(),
        })
    }

    fn wrong_format<T>(&self, what: &'static str) -> Error {
        Error::Format {
            what,
            expected: type_name::<T>().to_owned(),
            actual: self.format.name(),
        }
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tensor")
            .field("format", &self.format)
            .field("shape", &self.shape)
            .field("dense", &self.is_dense())
            .finish()
    }
}

/// The types of single values: those that a plain format stores.
pub trait Scalar: Element {
    /// The format that stores them.
    const FORMAT: Format;
}

macro_rules! values {
    ($($ty:ty: $format:ident),* $(,)?) => {
        $(impl Scalar for $ty {
            const FORMAT: Format = Format::$format;
        })*

        /// The format of a single value's type; `None` for types that are not a single value.
        fn plain_format<T: 'static>() -> Option<Format> {
            let id = TypeId::of::<T>();
            $(if id == TypeId::of::<$ty>() {
                return Some(Format::$format);
            })*
            None
        }
    };
}

values! {
    f32: F32,
    half::f16: F16,
    half::bf16: BF16,
    i32: I32,
    u32: U32,
    i8: I8,
    u8: U8,
}

/// The bytes of a dense tensor.
fn byte_len(format: Format, shape: Shape) -> Result<usize> {
    format
        .row_bytes(shape.columns())?
        .checked_mul(shape.rows())
        .ok_or_else(|| Error::Shape {
            what: "a tensor",
            shape: shape.to_string(),
            reason: "is too large".to_owned(),
        })
}

fn check_size(what: &'static str, format: Format, shape: Shape, bytes: usize) -> Result<()> {
    let needed = byte_len(format, shape)?;
    if needed == bytes {
        return Ok(());
    }
    Err(Error::Shape {
        what,
        shape: shape.to_string(),
        reason: format!("in {format} takes {needed} bytes, there are {bytes}"),
    })
}

fn dense_strides(format: Format, shape: Shape) -> Result<[usize; Shape::MAX_RANK]> {
    let mut strides = [0; Shape::MAX_RANK];
    let mut stride = format.row_bytes(shape.columns())?;
    for dimension in (0..shape.rank() - 1).rev() {
        strides[dimension] = stride;
        // An empty tensor may have any outer dimension; its strides are never used.
        stride = stride.saturating_mul(shape[dimension]);
    }
    Ok(strides)
}
