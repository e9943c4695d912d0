//! Launch bindings of `metal/training.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint columns`: of a row of what is written, or all values of a step
    pub columns: u32,
    /// `uint rows`: of x of an outer product, or of the table
    pub rows: u32,
    /// `uint tokens`.
    pub tokens: u32,
    /// `float rate`: of a step
    pub rate: f32,
    /// `float beta1`: of the mean of gradients
    pub beta1: f32,
    /// `float beta2`: of the mean of their squares
    pub beta2: f32,
    /// `float correction1`: 1 / (1 - beta1^t) in step t
    pub correction1: f32,
    /// `float correction2`: 1 / (1 - beta2^t)
    pub correction2: f32,
    /// `float eps`.
    pub eps: f32,
    /// `float decay`: of weights, besides
    pub decay: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 40);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, rows) == 4);
    assert!(std::mem::offset_of!(Params, tokens) == 8);
    assert!(std::mem::offset_of!(Params, rate) == 12);
    assert!(std::mem::offset_of!(Params, beta1) == 16);
    assert!(std::mem::offset_of!(Params, beta2) == 20);
    assert!(std::mem::offset_of!(Params, correction1) == 24);
    assert!(std::mem::offset_of!(Params, correction2) == 28);
    assert!(std::mem::offset_of!(Params, eps) == 32);
    assert!(std::mem::offset_of!(Params, decay) == 36);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool INTERLEAVED`, function constant 0.
    pub interleaved: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY.with(0, self.interleaved)
    }
}

/// dw\[i, j\] += sum over t of x\[t, i\] y\[t, j\]: for one token an outer product, for more the gradient of weights whose outputs have the gradients
/// x and whose inputs were y. x is \[tokens, rows\], y is \[tokens, columns\], dw is \[rows, columns\].
///
/// One thread for sixteen columns of a row, which goes through all tokens: so sums have one order.
pub struct OuterF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* y`.
    pub y: &'a Buffer<f32>,
    /// `device float* dw`.
    pub dw: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for OuterF32<'_> {
    fn kernel(&self) -> &'static str {
        "training_outer_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::TRAINING
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "y", self.y);
        args.write(2, "dw", self.dw);
        args.value(3, "params", &self.params);
    }
}

/// dtable\[ids\[t\], :\] += dy\[t, :\] for all tokens t: of rows that tokens have chosen of a table. dy is \[tokens, columns\], ids is \[tokens\], dtable is
/// \[rows, columns\]. Tokens whose id is not below `rows` are left out.
///
/// One thread for sixteen columns of a token. The first token with an id adds up those of all: so no row has two that write, and sums have one
/// order.
pub struct ScatterAddF32<'a> {
    /// `device const float* dy`.
    pub dy: &'a Buffer<f32>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* dtable`.
    pub dtable: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for ScatterAddF32<'_> {
    fn kernel(&self) -> &'static str {
        "training_scatter_add_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::TRAINING
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "dy", self.dy);
        args.read(1, "ids", self.ids);
        args.write(2, "dtable", self.dtable);
        args.value(3, "params", &self.params);
    }
}

/// A step of Adam (Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015) with weight decay of its own (Loshchilov and Hutter,
/// "Decoupled Weight Decay Regularization", 2019):
/// m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
/// w -= rate (correction1 m / (sqrt(correction2 v) + eps) + decay w).
/// All have `columns` values.
///
/// One thread for sixteen values.
pub struct AdamF32<'a> {
    /// `device float* w`.
    pub w: &'a mut Buffer<f32>,
    /// `device float* m`.
    pub m: &'a mut Buffer<f32>,
    /// `device float* v`.
    pub v: &'a mut Buffer<f32>,
    /// `device const float* g`.
    pub g: &'a Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AdamF32<'_> {
    fn kernel(&self) -> &'static str {
        "training_adam_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::TRAINING
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "w", self.w);
        args.write(1, "m", self.m);
        args.write(2, "v", self.v);
        args.read(3, "g", self.g);
        args.value(4, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "training_outer_f32",
        family: "training",
        file: "metal/training.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "y", "device const float* y", Access::Read),
            Argument::new(2, "dw", "device float* dw", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "training_scatter_add_f32",
        family: "training",
        file: "metal/training.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "dy", "device const float* dy", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "dtable", "device float* dtable", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "training_adam_f32",
        family: "training",
        file: "metal/training.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "w", "device float* w", Access::ReadWrite),
            Argument::new(1, "m", "device float* m", Access::ReadWrite),
            Argument::new(2, "v", "device float* v", Access::ReadWrite),
            Argument::new(3, "g", "device const float* g", Access::Read),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
];
