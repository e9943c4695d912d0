//! Launch bindings of `metal/softmax.metal`.
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

/// out\[r, i\] = exp(x\[r, i\] - m) / sum over j of exp(x\[r, j\] - m), m the largest of x\[r, :\]; x and out are
/// \[rows, columns\], rows of any length. Entries of minus infinity get zero; a row of nothing else gets NaN, as the
/// formula says.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct F32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "softmax_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SOFTMAX
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
    name: "softmax_f32",
    family: "softmax",
    file: "metal/softmax.metal",
    dtypes: &["f32"],
    arguments: &[
        Argument::new(0, "x", "device const float* x", Access::Read),
        Argument::new(1, "out", "device float* out", Access::ReadWrite),
        Argument::new(2, "params", "constant Params& params", Access::Value),
    ],
    constants: &["ROW_PER_THREAD"],
}];
