//! Launch bindings of `metal/gather.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint rows`: of x
    pub rows: u32,
    /// `uint words`: of a row
    pub words: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 8);
    assert!(std::mem::offset_of!(Params, rows) == 0);
    assert!(std::mem::offset_of!(Params, words) == 4);
};

/// out\[t, :\] = x\[ids\[t\], :\]; x is \[rows, words\], ids is \[n\], out is \[n, words\]. An id that is not below `rows` gives a row of words with
/// every bit set, which is NaN in formats of floating-point numbers: nothing is read outside x, and the mistake shows.
///
/// One thread a word: the grid is \[words, n\].
pub struct U32x4<'a> {
    /// `device const uint4* x`.
    pub x: &'a Buffer<[u32; 4]>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device uint4* out`.
    pub out: &'a mut Buffer<[u32; 4]>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for U32x4<'_> {
    fn kernel(&self) -> &'static str {
        "gather_u32x4"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATHER
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = x\[ids\[t\], :\]; x is \[rows, words\], ids is \[n\], out is \[n, words\]. An id that is not below `rows` gives a row of words with
/// every bit set, which is NaN in formats of floating-point numbers: nothing is read outside x, and the mistake shows.
///
/// One thread a word: the grid is \[words, n\].
pub struct U32<'a> {
    /// `device const uint* x`.
    pub x: &'a Buffer<u32>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device uint* out`.
    pub out: &'a mut Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for U32<'_> {
    fn kernel(&self) -> &'static str {
        "gather_u32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATHER
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = x\[ids\[t\], :\]; x is \[rows, words\], ids is \[n\], out is \[n, words\]. An id that is not below `rows` gives a row of words with
/// every bit set, which is NaN in formats of floating-point numbers: nothing is read outside x, and the mistake shows.
///
/// One thread a word: the grid is \[words, n\].
pub struct U16<'a> {
    /// `device const ushort* x`.
    pub x: &'a Buffer<u16>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device ushort* out`.
    pub out: &'a mut Buffer<u16>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for U16<'_> {
    fn kernel(&self) -> &'static str {
        "gather_u16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATHER
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[t, :\] = x\[ids\[t\], :\]; x is \[rows, words\], ids is \[n\], out is \[n, words\]. An id that is not below `rows` gives a row of words with
/// every bit set, which is NaN in formats of floating-point numbers: nothing is read outside x, and the mistake shows.
///
/// One thread a word: the grid is \[words, n\].
pub struct U8<'a> {
    /// `device const uchar* x`.
    pub x: &'a Buffer<u8>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device uchar* out`.
    pub out: &'a mut Buffer<u8>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for U8<'_> {
    fn kernel(&self) -> &'static str {
        "gather_u8"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::GATHER
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "gather_u32x4",
        family: "gather",
        file: "metal/gather.metal",
        dtypes: &["u32"],
        arguments: &[
            Argument::new(0, "x", "device const uint4* x", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device uint4* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "gather_u32",
        family: "gather",
        file: "metal/gather.metal",
        dtypes: &["u32"],
        arguments: &[
            Argument::new(0, "x", "device const uint* x", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device uint* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "gather_u16",
        family: "gather",
        file: "metal/gather.metal",
        dtypes: &["u16", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const ushort* x", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device ushort* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "gather_u8",
        family: "gather",
        file: "metal/gather.metal",
        dtypes: &["u8", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const uchar* x", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device uchar* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
];
