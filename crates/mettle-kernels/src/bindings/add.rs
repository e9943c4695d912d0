//! Launch bindings of `metal/add.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// out\[i\] = a\[i\] + b\[i\]. All three hold as many elements as the grid has threads.
pub struct F32<'a> {
    /// `device const float* a`.
    pub a: &'a Buffer<f32>,
    /// `device const float* b`.
    pub b: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "add_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ADD
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "a", self.a);
        args.read(1, "b", self.b);
        args.write(2, "out", self.out);
    }
}

/// x\[i\] += y\[i\]. Both hold as many elements as the grid has threads.
pub struct AssignF32<'a> {
    /// `device float* x`.
    pub x: &'a mut Buffer<f32>,
    /// `device const float* y`.
    pub y: &'a Buffer<f32>,
}

impl Binding for AssignF32<'_> {
    fn kernel(&self) -> &'static str {
        "add_assign_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ADD
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.read(1, "y", self.y);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "add_f32",
        family: "add",
        file: "metal/add.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "a", "device const float* a", Access::Read),
            Argument::new(1, "b", "device const float* b", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "add_assign_f32",
        family: "add",
        file: "metal/add.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device float* x", Access::ReadWrite),
            Argument::new(1, "y", "device const float* y", Access::Read),
        ],
        constants: &[],
    },
];
