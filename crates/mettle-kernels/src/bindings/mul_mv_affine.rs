//! Launch bindings of `metal/mul_mv_affine.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint rows`: n, the rows of the weights
    pub rows: u32,
    /// `uint k`: the columns of the weights, whole groups
    pub k: u32,
    /// `uint columns`: of a step, 1 to MAX_COLUMNS
    pub columns: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 12);
    assert!(std::mem::offset_of!(Params, rows) == 0);
    assert!(std::mem::offset_of!(Params, k) == 4);
    assert!(std::mem::offset_of!(Params, columns) == 8);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `uint BITS`, function constant 0.
    pub bits: u32,
    /// `uint GROUP`, function constant 1.
    pub group: u32,
    /// `bool BF16`, function constant 2.
    pub bf16: bool,
    /// `bool ROW_PER_THREAD`, function constant 3.
    pub row_per_thread: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.bits)
            .with(1, self.group)
            .with(2, self.bf16)
            .with(3, self.row_per_thread)
    }
}

/// out\[c, r\] = sum over i of w\[r, i\] \* x\[c, i\], for steps of `columns` columns c; w is \[n, k\], x \[steps \* columns, k\], out \[steps \* columns, n\].
///
/// With ROW_PER_THREAD the grid is \[steps, n\] threads, else \[steps, ceil(n / (ROWS \* SIMD groups))\] threadgroups of whole SIMD groups.
pub struct F32<'a> {
    /// `device const uchar* w`.
    pub w: &'a Buffer<u8>,
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
        "mul_mv_affine_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MUL_MV_AFFINE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "w", self.w);
        args.read(1, "x", self.x);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "mul_mv_affine_f32",
    family: "mul_mv_affine",
    file: "metal/mul_mv_affine.metal",
    dtypes: &["u8", "f32"],
    arguments: &[
        Argument::new(0, "w", "device const uchar* w", Access::Read),
        Argument::new(1, "x", "device const float* x", Access::Read),
        Argument::new(2, "out", "device float* out", Access::ReadWrite),
        Argument::new(3, "params", "constant Params& params", Access::Value),
    ],
    constants: &["BITS", "GROUP", "BF16", "ROW_PER_THREAD"],
}];
