//! Launch bindings of `metal/advance.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// positions\[i\] += 1; positions is \[n\]. Behind the largest number comes the smallest.
///
/// One thread for each.
pub struct I32<'a> {
    /// `device int* positions`.
    pub positions: &'a mut Buffer<i32>,
}

impl Binding for I32<'_> {
    fn kernel(&self) -> &'static str {
        "advance_i32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ADVANCE
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "positions", self.positions);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "advance_i32",
    family: "advance",
    file: "metal/advance.metal",
    dtypes: &["i32"],
    arguments: &[Argument::new(
        0,
        "positions",
        "device int* positions",
        Access::ReadWrite,
    )],
    constants: &[],
}];
