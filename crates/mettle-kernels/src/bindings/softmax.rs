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
    /// `uint mask_rows`: row r of x has row r % mask_rows of the mask
    pub mask_rows: u32,
    /// `float scale`: of x, above zero
    pub scale: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 12);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, mask_rows) == 4);
    assert!(std::mem::offset_of!(Params, scale) == 8);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `uint MASK`, function constant 1.
    pub mask: u32,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.row_per_thread)
            .with(1, self.mask)
    }
}

/// out\[r, i\] = exp(s\[i\] - m) / sum over j of exp(s\[j\] - m), m the largest of s = scale \* x\[r, :\] + mask\[r % mask_rows, :\]; x and out are
/// \[rows, columns\], rows of any length, mask is \[mask_rows, columns\] and not read without MASK. Scores of minus infinity get zero; a row of
/// nothing else gets NaN, as the formula says.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct F32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const uchar* mask`.
    pub mask: &'a Buffer<u8>,
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
        args.read(1, "mask", self.mask);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[r, i\] = exp(s\[i\] - m) / sum over j of exp(s\[j\] - m), m the largest of s = scale \* x\[r, :\] + mask\[r % mask_rows, :\]; x and out are
/// \[rows, columns\], rows of any length, mask is \[mask_rows, columns\] and not read without MASK. Scores of minus infinity get zero; a row of
/// nothing else gets NaN, as the formula says.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct F16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device const uchar* mask`.
    pub mask: &'a Buffer<u8>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "softmax_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SOFTMAX
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "mask", self.mask);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// out\[r, i\] = exp(s\[i\] - m) / sum over j of exp(s\[j\] - m), m the largest of s = scale \* x\[r, :\] + mask\[r % mask_rows, :\]; x and out are
/// \[rows, columns\], rows of any length, mask is \[mask_rows, columns\] and not read without MASK. Scores of minus infinity get zero; a row of
/// nothing else gets NaN, as the formula says.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct Bf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device const uchar* mask`.
    pub mask: &'a Buffer<u8>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "softmax_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SOFTMAX
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "mask", self.mask);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "softmax_f32",
        family: "softmax",
        file: "metal/softmax.metal",
        dtypes: &["f32", "u8"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "mask", "device const uchar* mask", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "MASK"],
    },
    catalogue::Kernel {
        name: "softmax_f16",
        family: "softmax",
        file: "metal/softmax.metal",
        dtypes: &["f16", "u8"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "mask", "device const uchar* mask", Access::Read),
            Argument::new(2, "out", "device half* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "MASK"],
    },
    catalogue::Kernel {
        name: "softmax_bf16",
        family: "softmax",
        file: "metal/softmax.metal",
        dtypes: &["bf16", "u8"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "mask", "device const uchar* mask", Access::Read),
            Argument::new(2, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "MASK"],
    },
];
