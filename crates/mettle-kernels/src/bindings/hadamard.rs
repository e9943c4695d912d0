//! Launch bindings of `metal/hadamard.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint heads`.
    pub heads: u32,
    /// `uint head_size`: 64, 128, 256 or 512
    pub head_size: u32,
    /// `uint inverse`: whether the inverse is asked for; without SIGNED they are the same
    pub inverse: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 12);
    assert!(std::mem::offset_of!(Params, heads) == 0);
    assert!(std::mem::offset_of!(Params, head_size) == 4);
    assert!(std::mem::offset_of!(Params, inverse) == 8);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `bool SIGNED`, function constant 1.
    pub signed: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.row_per_thread)
            .with(1, self.signed)
    }
}

/// x\[h, :\] = H (s \* x\[h, :\]) / sqrt(head_size) in place, with signs s and the Walsh-Hadamard transform H in natural order; or the inverse,
/// x\[h, :\] = s \* (H x\[h, :\]) / sqrt(head_size). Without SIGNED there is no s. x is \[heads, head_size\].
///
/// One thread (ROW_PER_THREAD) for each head, or a SIMD group: the grid is \[heads\] threads or \[ceil(heads / SIMD groups)\] threadgroups.
pub struct F32<'a> {
    /// `device float* x`.
    pub x: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "hadamard_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::HADAMARD
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.value(1, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "hadamard_f32",
    family: "hadamard",
    file: "metal/hadamard.metal",
    dtypes: &["f32"],
    arguments: &[
        Argument::new(0, "x", "device float* x", Access::ReadWrite),
        Argument::new(1, "params", "constant Params& params", Access::Value),
    ],
    constants: &["ROW_PER_THREAD", "SIGNED"],
}];
