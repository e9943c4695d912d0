//! Launch bindings of `metal/embedding_affine.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint rows`: of the table
    pub rows: u32,
    /// `uint columns`: of the table and of the output
    pub columns: u32,
    /// `float scale`: of what is decoded
    pub scale: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 12);
    assert!(std::mem::offset_of!(Params, rows) == 0);
    assert!(std::mem::offset_of!(Params, columns) == 4);
    assert!(std::mem::offset_of!(Params, scale) == 8);
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

/// out\[t, :\] = scale \* table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct Kernel<'a> {
    /// `device const uint* table`.
    pub table: &'a Buffer<u32>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        "embedding_affine"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING_AFFINE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "embedding_affine",
    family: "embedding_affine",
    file: "metal/embedding_affine.metal",
    dtypes: &["u32", "f32"],
    arguments: &[
        Argument::new(0, "table", "device const uint* table", Access::Read),
        Argument::new(1, "ids", "device const uint* ids", Access::Read),
        Argument::new(2, "out", "device float* out", Access::ReadWrite),
        Argument::new(3, "params", "constant Params& params", Access::Value),
    ],
    constants: &["BITS", "GROUP", "BF16"],
}];
