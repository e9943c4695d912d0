//! What every op checks about its arguments before it launches anything.

use crate::bindings::{CACHE_FORMATS, FORMATS};
use crate::{Error, Result};
use mettle_gpu::{Buffer, Format, Scalar, Tensor, Turbo};

/// The name of an op, as its errors show it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op(pub &'static str);

impl Op {
    /// The error for an argument that the op does not accept.
    pub fn refuse(self, argument: &'static str, reason: impl Into<String>) -> Error {
        Error::Argument {
            op: self.0,
            argument,
            reason: reason.into(),
        }
    }

    /// The values of a tensor of `rows` x `columns`, outer dimensions counted as rows: it must store `T`, without gaps.
    pub fn matrix<T: Scalar>(
        self,
        argument: &'static str,
        tensor: &Tensor,
        rows: usize,
        columns: usize,
    ) -> Result<Buffer<T>> {
        self.of_size(argument, tensor, rows, columns)?;
        self.values(argument, tensor)
    }

    /// The dimensions of a tensor of as many matrices as there are batches, none of them zero.
    pub fn batches(self, argument: &'static str, tensor: &Tensor) -> Result<[usize; 3]> {
        self.filled(argument, tensor)?;
        let shape = tensor.shape();
        match shape.rank() {
            3 => Ok([shape[0], shape[1], shape[2]]),
            _ => Err(self.refuse(
                argument,
                format!("has shape {shape}, must have as many matrices as there are batches"),
            )),
        }
    }

    /// The bytes of a tensor of `rows` x `columns`, outer dimensions counted as rows: it must have a format, without gaps.
    pub fn matrix_of(
        self,
        argument: &'static str,
        tensor: &Tensor,
        format: Format,
        rows: usize,
        columns: usize,
    ) -> Result<Buffer<u8>> {
        self.of_size(argument, tensor, rows, columns)?;
        self.of_format(argument, tensor, format)?;
        self.dense(argument, tensor)?;
        Ok(tensor.bytes().clone())
    }

    fn of_size(
        self,
        argument: &'static str,
        tensor: &Tensor,
        rows: usize,
        columns: usize,
    ) -> Result<()> {
        if (tensor.rows(), tensor.columns()) == (rows, columns) {
            return Ok(());
        }
        let shape = tensor.shape();
        Err(self.refuse(
            argument,
            format!("has shape {shape}, must have {rows} rows of {columns}"),
        ))
    }

    fn of_format(self, argument: &'static str, tensor: &Tensor, format: Format) -> Result<()> {
        if tensor.format() == format {
            return Ok(());
        }
        let (expected, actual) = (format.name(), tensor.format().name());
        Err(self.refuse(
            argument,
            format!("has format {actual}, must have {expected}"),
        ))
    }

    fn filled(self, argument: &'static str, tensor: &Tensor) -> Result<()> {
        if tensor.is_empty() {
            return Err(self.refuse(
                argument,
                format!("has shape {}, must not be empty", tensor.shape()),
            ));
        }
        Ok(())
    }

    /// The values of a tensor of `n` values of whatever shape: it must store `T`, without gaps.
    pub fn vector<T: Scalar>(
        self,
        argument: &'static str,
        tensor: &Tensor,
        n: usize,
    ) -> Result<Buffer<T>> {
        if tensor.len() != n {
            let shape = tensor.shape();
            return Err(self.refuse(argument, format!("has shape {shape}, must have {n} values")));
        }
        self.values(argument, tensor)
    }

    /// The values of a tensor that stores `T`, without gaps.
    pub fn values<T: Scalar>(self, argument: &'static str, tensor: &Tensor) -> Result<Buffer<T>> {
        self.of_format(argument, tensor, T::FORMAT)?;
        self.dense(argument, tensor)?;
        Ok(tensor.buffer()?)
    }

    /// The memory of a tensor of `rows` x `columns` that stores `T` and may have gaps between its rows.
    pub fn strided<T: Scalar>(
        self,
        argument: &'static str,
        tensor: &Tensor,
        rows: usize,
        columns: usize,
    ) -> Result<Buffer<T>> {
        self.of_size(argument, tensor, rows, columns)?;
        self.of_format(argument, tensor, T::FORMAT)?;
        self.filled(argument, tensor)?;
        Ok(tensor.buffer()?)
    }

    /// Values from the beginning of one row to that of the next, for a tensor that has gaps in two dimensions at most.
    pub fn row_stride(self, argument: &'static str, tensor: &Tensor) -> Result<u32> {
        if tensor.is_dense() {
            return self.size(argument, tensor.columns());
        }
        if tensor.shape().rank() > 2 {
            return Err(self.refuse(argument, "has gaps in more than two dimensions"));
        }
        let stride = tensor.stride_bytes(0) / tensor.format().block_bytes();
        self.size(argument, stride)
    }

    /// Checks that a tensor has no gaps between its rows, and has any.
    pub fn dense(self, argument: &'static str, tensor: &Tensor) -> Result<()> {
        self.filled(argument, tensor)?;
        if !tensor.is_dense() {
            return Err(self.refuse(argument, "has gaps between its rows, must be dense"));
        }
        Ok(())
    }

    /// The error for weights of a format that there are no kernels for.
    pub fn no_kernel_for(self, weights: Format) -> Error {
        Error::Unsupported {
            op: self.0,
            reason: format!("weights of {weights}; there are {FORMATS:?}"),
        }
    }

    /// The memory of a cache of `n` values of a format, without gaps.
    pub fn cache(
        self,
        argument: &'static str,
        cache: &Tensor,
        format: Format,
        n: usize,
    ) -> Result<Buffer<u8>> {
        if cache.len() != n {
            let shape = cache.shape();
            return Err(self.refuse(argument, format!("has shape {shape}, must have {n} values")));
        }
        self.of_format(argument, cache, format)?;
        self.dense(argument, cache)?;
        Ok(cache.bytes().clone())
    }

    /// Fails for a cache of a format that there are no kernels for, or whose blocks are not made for heads of that size.
    pub fn known_cache(self, format: Format, head_size: usize) -> Result<()> {
        match format {
            Format::Turbo(turbo) if Turbo::new(turbo.bits(), head_size) == Some(turbo) => Ok(()),
            Format::Turbo(turbo) => Err(self.refuse(
                "cache_k",
                format!(
                    "has heads of {head_size}, its format has blocks of {} values",
                    turbo.values()
                ),
            )),
            _ if CACHE_FORMATS.contains(&format) => Ok(()),
            _ => Err(self.no_kernel_for_cache(format)),
        }
    }

    /// The error for a cache of a format that there are no kernels for.
    pub fn no_kernel_for_cache(self, format: Format) -> Error {
        Error::Unsupported {
            op: self.0,
            reason: format!(
                "a cache of {format}; there are {CACHE_FORMATS:?} and those of TurboQuant"
            ),
        }
    }

    /// The error for values of a format that there are no kernels for, in families over single values.
    pub fn no_kernel_over(self, argument: &'static str, format: Format) -> Error {
        Error::Unsupported {
            op: self.0,
            reason: format!("{argument} of {format}; there are F32, F16 and BF16"),
        }
    }

    /// A size as the 32-bit number that kernels take.
    pub fn size(self, argument: &'static str, size: usize) -> Result<u32> {
        // Kernels step by up to 2^20 beyond the end of a row before they compare.
        let most = u32::MAX - (1 << 20);
        match u32::try_from(size) {
            Ok(size) if size <= most => Ok(size),
            _ => Err(self.refuse(
                argument,
                format!("has a dimension of {size}, must be at most {most}"),
            )),
        }
    }

    /// The constant that a norm adds to a mean square.
    pub fn eps(self, eps: f32) -> Result<f32> {
        if eps >= 0.0 && eps.is_finite() {
            return Ok(eps);
        }
        Err(self.refuse(
            "eps",
            format!("is {eps}, must be a number that is not negative"),
        ))
    }
}

/// The formats of families over single values, and how the names of their kernels end.
pub(super) const FLOATS: [(Format, &str); 3] = [
    (Format::F32, "f32"),
    (Format::F16, "f16"),
    (Format::BF16, "bf16"),
];

/// Evaluates a block for the one of three bindings of a family that is of a format: `by_float_format!(OP, "x", x.format(), Kernel in
/// unary::{F32, F16, Bf16} => { ... })`, where the block, a result, names the binding `Kernel`.
macro_rules! by_float_format {
    ($op:expr, $argument:literal, $format:expr, $kernel:ident in $family:ident::{$f32:ident, $f16:ident, $bf16:ident} => $body:block) => {
        match $format {
            mettle_gpu::Format::F32 => {
                use crate::bindings::$family::$f32 as $kernel;
                $body
            }
            mettle_gpu::Format::F16 => {
                use crate::bindings::$family::$f16 as $kernel;
                $body
            }
            mettle_gpu::Format::BF16 => {
                use crate::bindings::$family::$bf16 as $kernel;
                $body
            }
            format => Err($op.no_kernel_over($argument, format)),
        }
    };
}
pub(super) use by_float_format;
