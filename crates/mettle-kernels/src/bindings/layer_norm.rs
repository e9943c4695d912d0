//! Launch bindings of `metal/layer_norm.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint columns`.
    pub columns: u32,
    /// `float eps`.
    pub eps: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 8);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, eps) == 4);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `bool WEIGHT`, function constant 1.
    pub weight: bool,
    /// `bool BIAS`, function constant 2.
    pub bias: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.row_per_thread)
            .with(1, self.weight)
            .with(2, self.bias)
    }
}

/// out\[r, i\] = (x\[r, i\] - m) / sqrt(v + eps) \* weight\[i\] + bias\[i\], m being the mean and v the variance of x\[r, :\]; x and out are
/// \[rows, columns\], weight and bias are \[columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct F32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device const float* bias`.
    pub bias: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "layer_norm_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::LAYER_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.read(2, "bias", self.bias);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

/// out\[r, i\] = (x\[r, i\] - m) / sqrt(v + eps) \* weight\[i\] + bias\[i\], m being the mean and v the variance of x\[r, :\]; x and out are
/// \[rows, columns\], weight and bias are \[columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct F16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device const half* weight`.
    pub weight: &'a Buffer<half::f16>,
    /// `device const half* bias`.
    pub bias: &'a Buffer<half::f16>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "layer_norm_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::LAYER_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.read(2, "bias", self.bias);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

/// out\[r, i\] = (x\[r, i\] - m) / sqrt(v + eps) \* weight\[i\] + bias\[i\], m being the mean and v the variance of x\[r, :\]; x and out are
/// \[rows, columns\], weight and bias are \[columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct Bf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device const bfloat* weight`.
    pub weight: &'a Buffer<half::bf16>,
    /// `device const bfloat* bias`.
    pub bias: &'a Buffer<half::bf16>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "layer_norm_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::LAYER_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.read(2, "bias", self.bias);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "layer_norm_f32",
        family: "layer_norm",
        file: "metal/layer_norm.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "bias", "device const float* bias", Access::Read),
            Argument::new(3, "out", "device float* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "BIAS"],
    },
    catalogue::Kernel {
        name: "layer_norm_f16",
        family: "layer_norm",
        file: "metal/layer_norm.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "weight", "device const half* weight", Access::Read),
            Argument::new(2, "bias", "device const half* bias", Access::Read),
            Argument::new(3, "out", "device half* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "BIAS"],
    },
    catalogue::Kernel {
        name: "layer_norm_bf16",
        family: "layer_norm",
        file: "metal/layer_norm.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "weight", "device const bfloat* weight", Access::Read),
            Argument::new(2, "bias", "device const bfloat* bias", Access::Read),
            Argument::new(3, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "BIAS"],
    },
];
