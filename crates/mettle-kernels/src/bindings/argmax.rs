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
    /// `uint length`: of a segment: a multiple of four, or that of the row
    pub length: u32,
    /// `uint segments`: of a row
    pub segments: u32,
    /// `uint aligned`: whether x begins at a multiple of sixteen bytes
    pub aligned: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 16);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, length) == 4);
    assert!(std::mem::offset_of!(Params, segments) == 8);
    assert!(std::mem::offset_of!(Params, aligned) == 12);
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
    fn kernel(&self) -> &'static str {
        "argmax_f32"
    }
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

/// The first launch for long rows: partial\[r, s\] = the bits of the largest value of segment s of row r, then the lowest index
/// where it is, in the row; minus infinity and `columns` for nothing but NaN. partial is \[rows, segments\].
///
/// A threadgroup for each segment of each row, those of a row one after the other.
pub struct SegmentsF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device uint2* partial`.
    pub partial: &'a mut Buffer<[u32; 2]>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for SegmentsF32<'_> {
    fn kernel(&self) -> &'static str {
        "argmax_segments_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGMAX
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "partial", self.partial);
        args.value(2, "params", &self.params);
    }
}

/// The second launch: out\[r\] from what argmax_segments_\* wrote to partial, with the same parameters.
///
/// A threadgroup for each row.
pub struct Merge<'a> {
    /// `device const uint2* partial`.
    pub partial: &'a Buffer<[u32; 2]>,
    /// `device uint* out`.
    pub out: &'a mut Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Merge<'_> {
    fn kernel(&self) -> &'static str {
        "argmax_merge"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGMAX
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "partial", self.partial);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
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
    },
    catalogue::Kernel {
        name: "argmax_segments_f32",
        family: "argmax",
        file: "metal/argmax.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "partial", "device uint2* partial", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
    catalogue::Kernel {
        name: "argmax_merge",
        family: "argmax",
        file: "metal/argmax.metal",
        dtypes: &["u32"],
        arguments: &[
            Argument::new(0, "partial", "device const uint2* partial", Access::Read),
            Argument::new(1, "out", "device uint* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
];
