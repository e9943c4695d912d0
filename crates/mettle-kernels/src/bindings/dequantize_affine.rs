//! Launch bindings of `metal/dequantize_affine.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint columns`: whole blocks
    pub columns: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 4);
    assert!(std::mem::offset_of!(Params, columns) == 0);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `uint BITS`, function constant 13.
    pub bits: u32,
    /// `uint GROUP`, function constant 14.
    pub group: u32,
    /// `bool BF16`, function constant 15.
    pub bf16: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(13, self.bits)
            .with(14, self.group)
            .with(15, self.bf16)
    }
}

/// out\[r, c\] = w\[r, c\] rounded to half, beyond 65504 to infinity; both are \[rows, columns\], out is aligned to sixteen bytes.
///
/// A thread for sixteen columns of a row. The grid is \[rows, n\] threadgroups of whole SIMD groups, as many as have a thread for all columns.
pub struct Kernel<'a> {
    /// `device const uint* w`.
    pub w: &'a Buffer<u32>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        "dequantize_affine"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::DEQUANTIZE_AFFINE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "w", self.w);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "dequantize_affine",
    family: "dequantize_affine",
    file: "metal/dequantize_affine.metal",
    dtypes: &["u32", "f16"],
    arguments: &[
        Argument::new(0, "w", "device const uint* w", Access::Read),
        Argument::new(1, "out", "device half* out", Access::ReadWrite),
        Argument::new(2, "params", "constant Params& params", Access::Value),
    ],
    constants: &["BITS", "GROUP", "BF16"],
}];
