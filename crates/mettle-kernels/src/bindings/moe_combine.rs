//! Launch bindings of `metal/moe_combine.metal`.
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
    /// `uint slots`: experts of a token
    pub slots: u32,
    /// `float eps`: of the norm
    pub eps: f32,
    /// `float shared_eps`: of that of what is shared
    pub shared_eps: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 16);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, slots) == 4);
    assert!(std::mem::offset_of!(Params, eps) == 8);
    assert!(std::mem::offset_of!(Params, shared_eps) == 12);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `bool SORTED`, function constant 1.
    pub sorted: bool,
    /// `bool ADD`, function constant 2.
    pub add: bool,
    /// `uint SHARED`, function constant 3.
    pub shared: u32,
    /// `bool NORM`, function constant 4.
    pub norm: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.row_per_thread)
            .with(1, self.sorted)
            .with(2, self.add)
            .with(3, self.shared)
            .with(4, self.norm)
    }
}

/// out\[t, :\] = sum over s of weights\[t, s\] \* y\[row of (t, s), :\] + shared\[t, :\] \* sigmoid(gate\[t\]), the last term without the sigmoid or not at
/// all as SHARED says; its RMS norm with NORM, see rms_norm.metal; that of shared\[t, :\] added with SHARED == NORMALISED; added to what is in
/// out with ADD. y is \[any, columns\], weights and rows are \[tokens, slots\], shared and out are \[tokens, columns\], gate is \[tokens\], norm and
/// shared_norm are \[columns\]. What is not used is not read.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each token.
pub struct F32<'a> {
    /// `device const float* y`.
    pub y: &'a Buffer<f32>,
    /// `device const float* weights`.
    pub weights: &'a Buffer<f32>,
    /// `device const uint* rows`.
    pub rows: &'a Buffer<u32>,
    /// `device const float* shared`.
    pub shared: &'a Buffer<f32>,
    /// `device const float* gate`.
    pub gate: &'a Buffer<f32>,
    /// `device const float* norm`.
    pub norm: &'a Buffer<f32>,
    /// `device const float* shared_norm`.
    pub shared_norm: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "moe_combine_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MOE_COMBINE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "y", self.y);
        args.read(1, "weights", self.weights);
        args.read(2, "rows", self.rows);
        args.read(3, "shared", self.shared);
        args.read(4, "gate", self.gate);
        args.read(5, "norm", self.norm);
        args.read(6, "shared_norm", self.shared_norm);
        args.write(7, "out", self.out);
        args.value(8, "params", &self.params);
    }
}

/// out\[t, :\] = sum over s of weights\[t, s\] \* y\[row of (t, s), :\] + shared\[t, :\] \* sigmoid(gate\[t\]), the last term without the sigmoid or not at
/// all as SHARED says; its RMS norm with NORM, see rms_norm.metal; that of shared\[t, :\] added with SHARED == NORMALISED; added to what is in
/// out with ADD. y is \[any, columns\], weights and rows are \[tokens, slots\], shared and out are \[tokens, columns\], gate is \[tokens\], norm and
/// shared_norm are \[columns\]. What is not used is not read.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each token.
pub struct F16<'a> {
    /// `device const half* y`.
    pub y: &'a Buffer<half::f16>,
    /// `device const float* weights`.
    pub weights: &'a Buffer<f32>,
    /// `device const uint* rows`.
    pub rows: &'a Buffer<u32>,
    /// `device const half* shared`.
    pub shared: &'a Buffer<half::f16>,
    /// `device const float* gate`.
    pub gate: &'a Buffer<f32>,
    /// `device const half* norm`.
    pub norm: &'a Buffer<half::f16>,
    /// `device const half* shared_norm`.
    pub shared_norm: &'a Buffer<half::f16>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "moe_combine_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MOE_COMBINE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "y", self.y);
        args.read(1, "weights", self.weights);
        args.read(2, "rows", self.rows);
        args.read(3, "shared", self.shared);
        args.read(4, "gate", self.gate);
        args.read(5, "norm", self.norm);
        args.read(6, "shared_norm", self.shared_norm);
        args.write(7, "out", self.out);
        args.value(8, "params", &self.params);
    }
}

/// out\[t, :\] = sum over s of weights\[t, s\] \* y\[row of (t, s), :\] + shared\[t, :\] \* sigmoid(gate\[t\]), the last term without the sigmoid or not at
/// all as SHARED says; its RMS norm with NORM, see rms_norm.metal; that of shared\[t, :\] added with SHARED == NORMALISED; added to what is in
/// out with ADD. y is \[any, columns\], weights and rows are \[tokens, slots\], shared and out are \[tokens, columns\], gate is \[tokens\], norm and
/// shared_norm are \[columns\]. What is not used is not read.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each token.
pub struct Bf16<'a> {
    /// `device const bfloat* y`.
    pub y: &'a Buffer<half::bf16>,
    /// `device const float* weights`.
    pub weights: &'a Buffer<f32>,
    /// `device const uint* rows`.
    pub rows: &'a Buffer<u32>,
    /// `device const bfloat* shared`.
    pub shared: &'a Buffer<half::bf16>,
    /// `device const float* gate`.
    pub gate: &'a Buffer<f32>,
    /// `device const bfloat* norm`.
    pub norm: &'a Buffer<half::bf16>,
    /// `device const bfloat* shared_norm`.
    pub shared_norm: &'a Buffer<half::bf16>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "moe_combine_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MOE_COMBINE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "y", self.y);
        args.read(1, "weights", self.weights);
        args.read(2, "rows", self.rows);
        args.read(3, "shared", self.shared);
        args.read(4, "gate", self.gate);
        args.read(5, "norm", self.norm);
        args.read(6, "shared_norm", self.shared_norm);
        args.write(7, "out", self.out);
        args.value(8, "params", &self.params);
    }
}

/// out\[t, :\] = sum over s of weights\[t, s\] \* y\[row of (t, s), :\] + shared\[t, :\] \* sigmoid(gate\[t\]), the last term without the sigmoid or not at
/// all as SHARED says; its RMS norm with NORM, see rms_norm.metal; that of shared\[t, :\] added with SHARED == NORMALISED; added to what is in
/// out with ADD. y is \[any, columns\], weights and rows are \[tokens, slots\], shared and out are \[tokens, columns\], gate is \[tokens\], norm and
/// shared_norm are \[columns\]. What is not used is not read.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each token.
pub struct Bf16F32<'a> {
    /// `device const bfloat* y`.
    pub y: &'a Buffer<half::bf16>,
    /// `device const float* weights`.
    pub weights: &'a Buffer<f32>,
    /// `device const uint* rows`.
    pub rows: &'a Buffer<u32>,
    /// `device const float* shared`.
    pub shared: &'a Buffer<f32>,
    /// `device const float* gate`.
    pub gate: &'a Buffer<f32>,
    /// `device const float* norm`.
    pub norm: &'a Buffer<f32>,
    /// `device const float* shared_norm`.
    pub shared_norm: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16F32<'_> {
    fn kernel(&self) -> &'static str {
        "moe_combine_bf16_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MOE_COMBINE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "y", self.y);
        args.read(1, "weights", self.weights);
        args.read(2, "rows", self.rows);
        args.read(3, "shared", self.shared);
        args.read(4, "gate", self.gate);
        args.read(5, "norm", self.norm);
        args.read(6, "shared_norm", self.shared_norm);
        args.write(7, "out", self.out);
        args.value(8, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "moe_combine_f32",
        family: "moe_combine",
        file: "metal/moe_combine.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "y", "device const float* y", Access::Read),
            Argument::new(1, "weights", "device const float* weights", Access::Read),
            Argument::new(2, "rows", "device const uint* rows", Access::Read),
            Argument::new(3, "shared", "device const float* shared", Access::Read),
            Argument::new(4, "gate", "device const float* gate", Access::Read),
            Argument::new(5, "norm", "device const float* norm", Access::Read),
            Argument::new(
                6,
                "shared_norm",
                "device const float* shared_norm",
                Access::Read,
            ),
            Argument::new(7, "out", "device float* out", Access::ReadWrite),
            Argument::new(8, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "SORTED", "ADD", "SHARED", "NORM"],
    },
    catalogue::Kernel {
        name: "moe_combine_f16",
        family: "moe_combine",
        file: "metal/moe_combine.metal",
        dtypes: &["f16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "y", "device const half* y", Access::Read),
            Argument::new(1, "weights", "device const float* weights", Access::Read),
            Argument::new(2, "rows", "device const uint* rows", Access::Read),
            Argument::new(3, "shared", "device const half* shared", Access::Read),
            Argument::new(4, "gate", "device const float* gate", Access::Read),
            Argument::new(5, "norm", "device const half* norm", Access::Read),
            Argument::new(
                6,
                "shared_norm",
                "device const half* shared_norm",
                Access::Read,
            ),
            Argument::new(7, "out", "device half* out", Access::ReadWrite),
            Argument::new(8, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "SORTED", "ADD", "SHARED", "NORM"],
    },
    catalogue::Kernel {
        name: "moe_combine_bf16",
        family: "moe_combine",
        file: "metal/moe_combine.metal",
        dtypes: &["bf16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "y", "device const bfloat* y", Access::Read),
            Argument::new(1, "weights", "device const float* weights", Access::Read),
            Argument::new(2, "rows", "device const uint* rows", Access::Read),
            Argument::new(3, "shared", "device const bfloat* shared", Access::Read),
            Argument::new(4, "gate", "device const float* gate", Access::Read),
            Argument::new(5, "norm", "device const bfloat* norm", Access::Read),
            Argument::new(
                6,
                "shared_norm",
                "device const bfloat* shared_norm",
                Access::Read,
            ),
            Argument::new(7, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(8, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "SORTED", "ADD", "SHARED", "NORM"],
    },
    catalogue::Kernel {
        name: "moe_combine_bf16_f32",
        family: "moe_combine",
        file: "metal/moe_combine.metal",
        dtypes: &["bf16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "y", "device const bfloat* y", Access::Read),
            Argument::new(1, "weights", "device const float* weights", Access::Read),
            Argument::new(2, "rows", "device const uint* rows", Access::Read),
            Argument::new(3, "shared", "device const float* shared", Access::Read),
            Argument::new(4, "gate", "device const float* gate", Access::Read),
            Argument::new(5, "norm", "device const float* norm", Access::Read),
            Argument::new(
                6,
                "shared_norm",
                "device const float* shared_norm",
                Access::Read,
            ),
            Argument::new(7, "out", "device float* out", Access::ReadWrite),
            Argument::new(8, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "SORTED", "ADD", "SHARED", "NORM"],
    },
];
