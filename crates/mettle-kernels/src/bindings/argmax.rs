//! Launch bindings of `metal/argmax.metal`.
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
}

const _: () = {
    assert!(size_of::<Params>() == 4);
    assert!(std::mem::offset_of!(Params, columns) == 0);
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

/// out\[r\] = the lowest i at which x\[r, i\] is the largest of the row; x is \[rows, columns\], out is \[rows\]. NaN is never the
/// largest; a row of nothing but NaN gives `columns`, an index that no row has.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct F32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device uint* out`.
    pub out: &'a mut Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    const KERNEL: &'static str = "argmax_f32";
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGMAX
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "argmax_f32",
    family: "argmax",
    file: "metal/argmax.metal",
    dtypes: &["f32", "u32"],
    arguments: &[
        Argument::new(0, "x", "device const float* x", Access::Read),
        Argument::new(1, "out", "device uint* out", Access::ReadWrite),
        Argument::new(2, "params", "constant Params& params", Access::Value),
    ],
    constants: &["ROW_PER_THREAD"],
}];
