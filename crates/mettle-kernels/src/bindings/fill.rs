//! Launch bindings of `metal/fill.metal`.
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
    /// `uint stride`: values from one row to the next
    pub stride: u32,
    /// `float value`.
    pub value: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 12);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, stride) == 4);
    assert!(std::mem::offset_of!(Params, value) == 8);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool INTERLEAVED`, function constant 0.
    pub interleaved: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY.with(0, self.interleaved)
    }
}

/// out\[r, :\] = value, rounded; out is \[rows, columns\], with or without gaps between its rows.
///
/// One thread for sixteen elements of a row.
pub struct F32<'a> {
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "fill_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::FILL
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "out", self.out);
        args.value(1, "params", &self.params);
    }
}

/// out\[r, :\] = value, rounded; out is \[rows, columns\], with or without gaps between its rows.
///
/// One thread for sixteen elements of a row.
pub struct F16<'a> {
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "fill_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::FILL
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "out", self.out);
        args.value(1, "params", &self.params);
    }
}

/// out\[r, :\] = value, rounded; out is \[rows, columns\], with or without gaps between its rows.
///
/// One thread for sixteen elements of a row.
pub struct Bf16<'a> {
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "fill_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::FILL
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "out", self.out);
        args.value(1, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "fill_f32",
        family: "fill",
        file: "metal/fill.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "out", "device float* out", Access::ReadWrite),
            Argument::new(1, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "fill_f16",
        family: "fill",
        file: "metal/fill.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "out", "device half* out", Access::ReadWrite),
            Argument::new(1, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "fill_bf16",
        family: "fill",
        file: "metal/fill.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(1, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
];
