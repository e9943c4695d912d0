//! Launch bindings of `metal/sum_parts.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint count`: values of a part
    pub count: u32,
    /// `uint parts`: of each sum
    pub parts: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 8);
    assert!(std::mem::offset_of!(Params, count) == 0);
    assert!(std::mem::offset_of!(Params, parts) == 4);
};

/// out\[b, i\] = sum over p of parts\[b, p, i\], in order; parts is \[batches, parts, count\], out is \[batches, count\].
///
/// One thread a sum: the grid is \[count, batches\].
pub struct F32<'a> {
    /// `device const float* parts`.
    pub parts: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "sum_parts_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SUM_PARTS
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "parts", self.parts);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "sum_parts_f32",
    family: "sum_parts",
    file: "metal/sum_parts.metal",
    dtypes: &["f32"],
    arguments: &[
        Argument::new(0, "parts", "device const float* parts", Access::Read),
        Argument::new(1, "out", "device float* out", Access::ReadWrite),
        Argument::new(2, "params", "constant Params& params", Access::Value),
    ],
    constants: &[],
}];
