//! Launch bindings of `metal/pack_columns.metal`.
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
    /// `uint k`: values of a column
    pub k: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 8);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, k) == 4);
};

/// out\[s, i, c\] = x\[STEP \* s + c, i\]; x is \[columns, k\], out is \[ceil(columns / STEP), k, STEP\]. Beyond the last column it is taken again.
///
/// One thread for sixteen values of STEP columns: the grid is \[ceil(k / 16), ceil(columns / STEP)\].
pub struct F32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "pack_columns_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::PACK_COLUMNS
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "pack_columns_f32",
    family: "pack_columns",
    file: "metal/pack_columns.metal",
    dtypes: &["f32"],
    arguments: &[
        Argument::new(0, "x", "device const float* x", Access::Read),
        Argument::new(1, "out", "device float* out", Access::ReadWrite),
        Argument::new(2, "params", "constant Params& params", Access::Value),
    ],
    constants: &[],
}];
