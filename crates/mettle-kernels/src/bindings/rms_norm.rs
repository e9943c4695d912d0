//! Launch bindings of `metal/rms_norm.metal`.
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
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY.with(0, self.row_per_thread)
    }
}

/// out\[r, i\] = x\[r, i\] \* weight\[i\] / sqrt(mean over i of x\[r, i\]^2 + eps); x and out are \[rows, columns\], weight is
/// \[columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct F32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// The same in place: x is \[rows, columns\]. The norm of each head of queries or keys is this on \[tokens \* heads, head_size\].
pub struct AssignF32<'a> {
    /// `device float* x`.
    pub x: &'a mut Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AssignF32<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_assign_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.value(2, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "rms_norm_f32",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
    catalogue::Kernel {
        name: "rms_norm_assign_f32",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device float* x", Access::ReadWrite),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
];
