//! Launch bindings of `metal/binary.metal`.
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
    /// `uint x_stride`: values of x from one row to the next
    pub x_stride: u32,
    /// `uint y_stride`: of y: zero where one row serves all
    pub y_stride: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 12);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, x_stride) == 4);
    assert!(std::mem::offset_of!(Params, y_stride) == 8);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `uint FUNCTION`, function constant 0.
    pub function: u32,
    /// `bool INTERLEAVED`, function constant 1.
    pub interleaved: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.function)
            .with(1, self.interleaved)
    }
}

/// out\[r, i\] = f(x\[r, i\], y\[r, i\]), f being FUNCTION; x and out are \[rows, columns\], y too, or \[columns\]. Rows of x and y may have gaps
/// between them: gates and what they gate can be the halves of the rows of one tensor.
///
/// One thread for sixteen elements of a row.
pub struct F32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* y`.
    pub y: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "binary_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::BINARY
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "y", self.y);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// x\[r, i\] = f(x\[r, i\], y\[r, i\]), the same in place.
pub struct AssignF32<'a> {
    /// `device float* x`.
    pub x: &'a mut Buffer<f32>,
    /// `device const float* y`.
    pub y: &'a Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AssignF32<'_> {
    fn kernel(&self) -> &'static str {
        "binary_assign_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::BINARY
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.read(1, "y", self.y);
        args.value(2, "params", &self.params);
    }
}

/// out\[r, i\] = f(x\[r, i\], y\[r, i\]), f being FUNCTION; x and out are \[rows, columns\], y too, or \[columns\]. Rows of x and y may have gaps
/// between them: gates and what they gate can be the halves of the rows of one tensor.
///
/// One thread for sixteen elements of a row.
pub struct F16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device const half* y`.
    pub y: &'a Buffer<half::f16>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "binary_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::BINARY
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "y", self.y);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// x\[r, i\] = f(x\[r, i\], y\[r, i\]), the same in place.
pub struct AssignF16<'a> {
    /// `device half* x`.
    pub x: &'a mut Buffer<half::f16>,
    /// `device const half* y`.
    pub y: &'a Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AssignF16<'_> {
    fn kernel(&self) -> &'static str {
        "binary_assign_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::BINARY
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.read(1, "y", self.y);
        args.value(2, "params", &self.params);
    }
}

/// out\[r, i\] = f(x\[r, i\], y\[r, i\]), f being FUNCTION; x and out are \[rows, columns\], y too, or \[columns\]. Rows of x and y may have gaps
/// between them: gates and what they gate can be the halves of the rows of one tensor.
///
/// One thread for sixteen elements of a row.
pub struct Bf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device const bfloat* y`.
    pub y: &'a Buffer<half::bf16>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "binary_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::BINARY
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "y", self.y);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// x\[r, i\] = f(x\[r, i\], y\[r, i\]), the same in place.
pub struct AssignBf16<'a> {
    /// `device bfloat* x`.
    pub x: &'a mut Buffer<half::bf16>,
    /// `device const bfloat* y`.
    pub y: &'a Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AssignBf16<'_> {
    fn kernel(&self) -> &'static str {
        "binary_assign_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::BINARY
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.read(1, "y", self.y);
        args.value(2, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "binary_f32",
        family: "binary",
        file: "metal/binary.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "y", "device const float* y", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "binary_assign_f32",
        family: "binary",
        file: "metal/binary.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device float* x", Access::ReadWrite),
            Argument::new(1, "y", "device const float* y", Access::Read),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "binary_f16",
        family: "binary",
        file: "metal/binary.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "y", "device const half* y", Access::Read),
            Argument::new(2, "out", "device half* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "binary_assign_f16",
        family: "binary",
        file: "metal/binary.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "x", "device half* x", Access::ReadWrite),
            Argument::new(1, "y", "device const half* y", Access::Read),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "binary_bf16",
        family: "binary",
        file: "metal/binary.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "y", "device const bfloat* y", Access::Read),
            Argument::new(2, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "binary_assign_bf16",
        family: "binary",
        file: "metal/binary.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "x", "device bfloat* x", Access::ReadWrite),
            Argument::new(1, "y", "device const bfloat* y", Access::Read),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
];
