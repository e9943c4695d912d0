//! Launch bindings of `metal/backward.metal`.
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
    /// `uint rows`.
    pub rows: u32,
    /// `float scale`: of scores, or of the gradients of the loss
    pub scale: f32,
    /// `float eps`: of the norm
    pub eps: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 16);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, rows) == 4);
    assert!(std::mem::offset_of!(Params, scale) == 8);
    assert!(std::mem::offset_of!(Params, eps) == 12);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY.with(0, self.row_per_thread)
    }
}

/// dx\[r, i\] = dy\[r, i\] s (1 + x\[r, i\] (1 - s)), s being the sigmoid of x\[r, i\]: of y = silu(x). All are \[rows, columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct SiluF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* dy`.
    pub dy: &'a Buffer<f32>,
    /// `device float* dx`.
    pub dx: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for SiluF32<'_> {
    fn kernel(&self) -> &'static str {
        "backward_silu_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::BACKWARD
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "dy", self.dy);
        args.write(2, "dx", self.dx);
        args.value(3, "params", &self.params);
    }
}

/// With y\[r, i\] = x\[r, i\] w\[i\] f\[r\] and f\[r\] = 1 / sqrt(mean of squares of x\[r, :\] + eps),
/// dx\[r, i\] = f\[r\] (w\[i\] dy\[r, i\] - x\[r, i\] f\[r\]^2 mean over j of w\[j\] dy\[r, j\] x\[r, j\]). x, dy and dx are \[rows, columns\], weight is
/// \[columns\], factors, which becomes f, is \[rows\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct RmsNormF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device const float* dy`.
    pub dy: &'a Buffer<f32>,
    /// `device float* dx`.
    pub dx: &'a mut Buffer<f32>,
    /// `device float* factors`.
    pub factors: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for RmsNormF32<'_> {
    fn kernel(&self) -> &'static str {
        "backward_rms_norm_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::BACKWARD
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.read(2, "dy", self.dy);
        args.write(3, "dx", self.dx);
        args.write(4, "factors", self.factors);
        args.value(5, "params", &self.params);
    }
}

/// dw\[i\] = sum over r of dy\[r, i\] x\[r, i\] f\[r\], with what backward_rms_norm_f32 leaves in factors; dw is \[columns\].
///
/// One thread for sixteen columns, which goes through all rows: so sums have one order.
pub struct RmsNormWeightF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* dy`.
    pub dy: &'a Buffer<f32>,
    /// `device const float* factors`.
    pub factors: &'a Buffer<f32>,
    /// `device float* dw`.
    pub dw: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for RmsNormWeightF32<'_> {
    fn kernel(&self) -> &'static str {
        "backward_rms_norm_weight_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::BACKWARD
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "dy", self.dy);
        args.read(2, "factors", self.factors);
        args.write(3, "dw", self.dw);
        args.value(4, "params", &self.params);
    }
}

/// dx\[r, i\] = scale y\[r, i\] (dy\[r, i\] - sum over j of y\[r, j\] dy\[r, j\]): of y = softmax(scale x). All are \[rows, columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct SoftmaxF32<'a> {
    /// `device const float* y`.
    pub y: &'a Buffer<f32>,
    /// `device const float* dy`.
    pub dy: &'a Buffer<f32>,
    /// `device float* dx`.
    pub dx: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for SoftmaxF32<'_> {
    fn kernel(&self) -> &'static str {
        "backward_softmax_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::BACKWARD
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "y", self.y);
        args.read(1, "dy", self.dy);
        args.write(2, "dx", self.dx);
        args.value(3, "params", &self.params);
    }
}

/// loss\[r\] = log(sum over i of exp(x\[r, i\])) - x\[r, targets\[r\]\], the cross entropy of softmax(x\[r, :\]), and
/// dx\[r, i\] = scale (softmax(x\[r, :\])\[i\] - (1 if i is the target)). A row whose target is not below `columns` counts nothing: its loss and
/// gradients are zero. x and dx are \[rows, columns\], targets and loss are \[rows\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct CrossEntropyF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const uint* targets`.
    pub targets: &'a Buffer<u32>,
    /// `device float* loss`.
    pub loss: &'a mut Buffer<f32>,
    /// `device float* dx`.
    pub dx: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for CrossEntropyF32<'_> {
    fn kernel(&self) -> &'static str {
        "backward_cross_entropy_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::BACKWARD
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "targets", self.targets);
        args.write(2, "loss", self.loss);
        args.write(3, "dx", self.dx);
        args.value(4, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "backward_silu_f32",
        family: "backward",
        file: "metal/backward.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "dy", "device const float* dy", Access::Read),
            Argument::new(2, "dx", "device float* dx", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
    catalogue::Kernel {
        name: "backward_rms_norm_f32",
        family: "backward",
        file: "metal/backward.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "dy", "device const float* dy", Access::Read),
            Argument::new(3, "dx", "device float* dx", Access::ReadWrite),
            Argument::new(4, "factors", "device float* factors", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
    catalogue::Kernel {
        name: "backward_rms_norm_weight_f32",
        family: "backward",
        file: "metal/backward.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "dy", "device const float* dy", Access::Read),
            Argument::new(2, "factors", "device const float* factors", Access::Read),
            Argument::new(3, "dw", "device float* dw", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
    catalogue::Kernel {
        name: "backward_softmax_f32",
        family: "backward",
        file: "metal/backward.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "y", "device const float* y", Access::Read),
            Argument::new(1, "dy", "device const float* dy", Access::Read),
            Argument::new(2, "dx", "device float* dx", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
    catalogue::Kernel {
        name: "backward_cross_entropy_f32",
        family: "backward",
        file: "metal/backward.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "targets", "device const uint* targets", Access::Read),
            Argument::new(2, "loss", "device float* loss", Access::ReadWrite),
            Argument::new(3, "dx", "device float* dx", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
];
