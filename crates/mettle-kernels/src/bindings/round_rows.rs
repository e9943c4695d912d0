//! Launch bindings of `metal/round_rows.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint rows`: of x
    pub rows: u32,
    /// `uint padded`: rows of the output
    pub padded: u32,
    /// `uint columns`: of x
    pub columns: u32,
    /// `uint stride`: values of a padded row of the output
    pub stride: u32,
    /// `uint step`: values from one row of x to the next
    pub step: u32,
    /// `uint aligned`: whether four values of x may be read at once, from row starts on
    pub aligned: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 24);
    assert!(std::mem::offset_of!(Params, rows) == 0);
    assert!(std::mem::offset_of!(Params, padded) == 4);
    assert!(std::mem::offset_of!(Params, columns) == 8);
    assert!(std::mem::offset_of!(Params, stride) == 12);
    assert!(std::mem::offset_of!(Params, step) == 16);
    assert!(std::mem::offset_of!(Params, aligned) == 20);
};

/// out\[r, i\] = x\[r, i\] / scale\[r\] rounded to half, where scale\[r\] is a power of two such that the largest of x\[r, :\] fits.
/// The grid is one threadgroup a padded row; beyond the rows and columns of x there are zeros. A row with an infinity or NaN
/// is not scaled: it stays one with an infinity or NaN.
pub struct F16<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `device float* scale`.
    pub scale: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "round_rows_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ROUND_ROWS
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "out", self.out);
        args.write(2, "scale", self.scale);
        args.value(3, "params", &self.params);
    }
}

/// Names end in the format of x where that is not f32.
pub struct F16F16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `device float* scale`.
    pub scale: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for F16F16<'_> {
    fn kernel(&self) -> &'static str {
        "round_rows_f16_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ROUND_ROWS
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "out", self.out);
        args.write(2, "scale", self.scale);
        args.value(3, "params", &self.params);
    }
}

/// out\[0, r, i\] + out\[1, r, i\] = x\[r, i\]: x rounded to bfloat, and what that leaves out, rounded too. scale\[r\] = 1. Grid and
/// padding are those of `round_rows_f16`.
pub struct Bf16<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `device float* scale`.
    pub scale: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "round_rows_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ROUND_ROWS
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "out", self.out);
        args.write(2, "scale", self.scale);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "round_rows_f16",
        family: "round_rows",
        file: "metal/round_rows.metal",
        dtypes: &["f32", "f16"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "scale", "device float* scale", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "round_rows_f16_f16",
        family: "round_rows",
        file: "metal/round_rows.metal",
        dtypes: &["f16", "f32"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "scale", "device float* scale", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "round_rows_bf16",
        family: "round_rows",
        file: "metal/round_rows.metal",
        dtypes: &["f32", "bf16"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(2, "scale", "device float* scale", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
];
