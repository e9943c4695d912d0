//! Launch bindings of `metal/residual_norm.metal`.
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
    /// `float eps`: of all norms
    pub eps: f32,
    /// `float scale`: of the sum
    pub scale: f32,
    /// `float out_scale`: of the normalised outputs
    pub out_scale: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 16);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, eps) == 4);
    assert!(std::mem::offset_of!(Params, scale) == 8);
    assert!(std::mem::offset_of!(Params, out_scale) == 12);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `uint ADDED`, function constant 1.
    pub added: u32,
    /// `uint OUTPUTS`, function constant 2.
    pub outputs: u32,
    /// `uint WEIGHT`, function constant 3.
    pub weight: u32,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.row_per_thread)
            .with(1, self.added)
            .with(2, self.outputs)
            .with(3, self.weight)
    }
}

/// stream\[r, :\] = (stream\[r, :\] + a\[r, :\]) \* scale, a being y, or rms_norm(y\[r, :\], y_weight), or zero, as ADDED says; then
/// out_k\[r, :\] = rms_norm(stream\[r, :\], weight_k) \* out_scale of that sum before it is rounded to T, for k below OUTPUTS: see rms_norm.metal. stream,
/// y and each out_k are \[rows, columns\], weights are \[columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct F32<'a> {
    /// `device float* stream`.
    pub stream: &'a mut Buffer<f32>,
    /// `device const float* y`.
    pub y: &'a Buffer<f32>,
    /// `device const float* y_weight`.
    pub y_weight: &'a Buffer<f32>,
    /// `device const float* weight_0`.
    pub weight_0: &'a Buffer<f32>,
    /// `device const float* weight_1`.
    pub weight_1: &'a Buffer<f32>,
    /// `device const float* weight_2`.
    pub weight_2: &'a Buffer<f32>,
    /// `device float* out_0`.
    pub out_0: &'a mut Buffer<f32>,
    /// `device float* out_1`.
    pub out_1: &'a mut Buffer<f32>,
    /// `device float* out_2`.
    pub out_2: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "residual_norm_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RESIDUAL_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "stream", self.stream);
        args.read(1, "y", self.y);
        args.read(2, "y_weight", self.y_weight);
        args.read(3, "weight_0", self.weight_0);
        args.read(4, "weight_1", self.weight_1);
        args.read(5, "weight_2", self.weight_2);
        args.write(6, "out_0", self.out_0);
        args.write(7, "out_1", self.out_1);
        args.write(8, "out_2", self.out_2);
        args.value(9, "params", &self.params);
    }
}

/// stream\[r, :\] = (stream\[r, :\] + a\[r, :\]) \* scale, a being y, or rms_norm(y\[r, :\], y_weight), or zero, as ADDED says; then
/// out_k\[r, :\] = rms_norm(stream\[r, :\], weight_k) \* out_scale of that sum before it is rounded to T, for k below OUTPUTS: see rms_norm.metal. stream,
/// y and each out_k are \[rows, columns\], weights are \[columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct F16<'a> {
    /// `device half* stream`.
    pub stream: &'a mut Buffer<half::f16>,
    /// `device const half* y`.
    pub y: &'a Buffer<half::f16>,
    /// `device const half* y_weight`.
    pub y_weight: &'a Buffer<half::f16>,
    /// `device const half* weight_0`.
    pub weight_0: &'a Buffer<half::f16>,
    /// `device const half* weight_1`.
    pub weight_1: &'a Buffer<half::f16>,
    /// `device const half* weight_2`.
    pub weight_2: &'a Buffer<half::f16>,
    /// `device half* out_0`.
    pub out_0: &'a mut Buffer<half::f16>,
    /// `device half* out_1`.
    pub out_1: &'a mut Buffer<half::f16>,
    /// `device half* out_2`.
    pub out_2: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "residual_norm_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RESIDUAL_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "stream", self.stream);
        args.read(1, "y", self.y);
        args.read(2, "y_weight", self.y_weight);
        args.read(3, "weight_0", self.weight_0);
        args.read(4, "weight_1", self.weight_1);
        args.read(5, "weight_2", self.weight_2);
        args.write(6, "out_0", self.out_0);
        args.write(7, "out_1", self.out_1);
        args.write(8, "out_2", self.out_2);
        args.value(9, "params", &self.params);
    }
}

/// stream\[r, :\] = (stream\[r, :\] + a\[r, :\]) \* scale, a being y, or rms_norm(y\[r, :\], y_weight), or zero, as ADDED says; then
/// out_k\[r, :\] = rms_norm(stream\[r, :\], weight_k) \* out_scale of that sum before it is rounded to T, for k below OUTPUTS: see rms_norm.metal. stream,
/// y and each out_k are \[rows, columns\], weights are \[columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct Bf16<'a> {
    /// `device bfloat* stream`.
    pub stream: &'a mut Buffer<half::bf16>,
    /// `device const bfloat* y`.
    pub y: &'a Buffer<half::bf16>,
    /// `device const bfloat* y_weight`.
    pub y_weight: &'a Buffer<half::bf16>,
    /// `device const bfloat* weight_0`.
    pub weight_0: &'a Buffer<half::bf16>,
    /// `device const bfloat* weight_1`.
    pub weight_1: &'a Buffer<half::bf16>,
    /// `device const bfloat* weight_2`.
    pub weight_2: &'a Buffer<half::bf16>,
    /// `device bfloat* out_0`.
    pub out_0: &'a mut Buffer<half::bf16>,
    /// `device bfloat* out_1`.
    pub out_1: &'a mut Buffer<half::bf16>,
    /// `device bfloat* out_2`.
    pub out_2: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "residual_norm_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RESIDUAL_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "stream", self.stream);
        args.read(1, "y", self.y);
        args.read(2, "y_weight", self.y_weight);
        args.read(3, "weight_0", self.weight_0);
        args.read(4, "weight_1", self.weight_1);
        args.read(5, "weight_2", self.weight_2);
        args.write(6, "out_0", self.out_0);
        args.write(7, "out_1", self.out_1);
        args.write(8, "out_2", self.out_2);
        args.value(9, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "residual_norm_f32",
        family: "residual_norm",
        file: "metal/residual_norm.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "stream", "device float* stream", Access::ReadWrite),
            Argument::new(1, "y", "device const float* y", Access::Read),
            Argument::new(2, "y_weight", "device const float* y_weight", Access::Read),
            Argument::new(3, "weight_0", "device const float* weight_0", Access::Read),
            Argument::new(4, "weight_1", "device const float* weight_1", Access::Read),
            Argument::new(5, "weight_2", "device const float* weight_2", Access::Read),
            Argument::new(6, "out_0", "device float* out_0", Access::ReadWrite),
            Argument::new(7, "out_1", "device float* out_1", Access::ReadWrite),
            Argument::new(8, "out_2", "device float* out_2", Access::ReadWrite),
            Argument::new(9, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "ADDED", "OUTPUTS", "WEIGHT"],
    },
    catalogue::Kernel {
        name: "residual_norm_f16",
        family: "residual_norm",
        file: "metal/residual_norm.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "stream", "device half* stream", Access::ReadWrite),
            Argument::new(1, "y", "device const half* y", Access::Read),
            Argument::new(2, "y_weight", "device const half* y_weight", Access::Read),
            Argument::new(3, "weight_0", "device const half* weight_0", Access::Read),
            Argument::new(4, "weight_1", "device const half* weight_1", Access::Read),
            Argument::new(5, "weight_2", "device const half* weight_2", Access::Read),
            Argument::new(6, "out_0", "device half* out_0", Access::ReadWrite),
            Argument::new(7, "out_1", "device half* out_1", Access::ReadWrite),
            Argument::new(8, "out_2", "device half* out_2", Access::ReadWrite),
            Argument::new(9, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "ADDED", "OUTPUTS", "WEIGHT"],
    },
    catalogue::Kernel {
        name: "residual_norm_bf16",
        family: "residual_norm",
        file: "metal/residual_norm.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "stream", "device bfloat* stream", Access::ReadWrite),
            Argument::new(1, "y", "device const bfloat* y", Access::Read),
            Argument::new(2, "y_weight", "device const bfloat* y_weight", Access::Read),
            Argument::new(3, "weight_0", "device const bfloat* weight_0", Access::Read),
            Argument::new(4, "weight_1", "device const bfloat* weight_1", Access::Read),
            Argument::new(5, "weight_2", "device const bfloat* weight_2", Access::Read),
            Argument::new(6, "out_0", "device bfloat* out_0", Access::ReadWrite),
            Argument::new(7, "out_1", "device bfloat* out_1", Access::ReadWrite),
            Argument::new(8, "out_2", "device bfloat* out_2", Access::ReadWrite),
            Argument::new(9, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "ADDED", "OUTPUTS", "WEIGHT"],
    },
];
