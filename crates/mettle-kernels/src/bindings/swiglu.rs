//! Launch bindings of `metal/swiglu.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint count`.
    pub count: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 4);
    assert!(std::mem::offset_of!(Params, count) == 0);
};

/// out\[i\] = silu(gate\[i\]) \* up\[i\] with silu(x) = x / (1 + exp(-x)); `count` elements each.
///
/// One thread for sixteen elements: the grid is ceil(count / 16) threads.
pub struct F32<'a> {
    /// `device const float* gate`.
    pub gate: &'a Buffer<f32>,
    /// `device const float* up`.
    pub up: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "swiglu_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SWIGLU
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "gate", self.gate);
        args.read(1, "up", self.up);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "swiglu_f32",
    family: "swiglu",
    file: "metal/swiglu.metal",
    dtypes: &["f32"],
    arguments: &[
        Argument::new(0, "gate", "device const float* gate", Access::Read),
        Argument::new(1, "up", "device const float* up", Access::Read),
        Argument::new(2, "out", "device float* out", Access::ReadWrite),
        Argument::new(3, "params", "constant Params& params", Access::Value),
    ],
    constants: &[],
}];
