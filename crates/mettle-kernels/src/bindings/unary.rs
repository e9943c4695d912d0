//! Launch bindings of `metal/unary.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint count`.
    pub count: u32,
    /// `float factor`: of SOFTCAP and SCALE
    pub factor: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 8);
    assert!(std::mem::offset_of!(Params, count) == 0);
    assert!(std::mem::offset_of!(Params, factor) == 4);
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

/// out\[i\] = f(x\[i\]), f being FUNCTION; `count` elements each.
///
/// One thread for sixteen elements.
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
        "unary_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::UNARY
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

/// The same in place.
pub struct AssignF32<'a> {
    /// `device float* x`.
    pub x: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AssignF32<'_> {
    fn kernel(&self) -> &'static str {
        "unary_assign_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::UNARY
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.value(1, "params", &self.params);
    }
}

/// out\[i\] = f(x\[i\]), f being FUNCTION; `count` elements each.
///
/// One thread for sixteen elements.
pub struct F16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "unary_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::UNARY
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

/// The same in place.
pub struct AssignF16<'a> {
    /// `device half* x`.
    pub x: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AssignF16<'_> {
    fn kernel(&self) -> &'static str {
        "unary_assign_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::UNARY
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.value(1, "params", &self.params);
    }
}

/// out\[i\] = f(x\[i\]), f being FUNCTION; `count` elements each.
///
/// One thread for sixteen elements.
pub struct Bf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "unary_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::UNARY
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

/// The same in place.
pub struct AssignBf16<'a> {
    /// `device bfloat* x`.
    pub x: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AssignBf16<'_> {
    fn kernel(&self) -> &'static str {
        "unary_assign_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::UNARY
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.value(1, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "unary_f32",
        family: "unary",
        file: "metal/unary.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "out", "device float* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "unary_assign_f32",
        family: "unary",
        file: "metal/unary.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device float* x", Access::ReadWrite),
            Argument::new(1, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "unary_f16",
        family: "unary",
        file: "metal/unary.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "unary_assign_f16",
        family: "unary",
        file: "metal/unary.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "x", "device half* x", Access::ReadWrite),
            Argument::new(1, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "unary_bf16",
        family: "unary",
        file: "metal/unary.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "unary_assign_bf16",
        family: "unary",
        file: "metal/unary.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "x", "device bfloat* x", Access::ReadWrite),
            Argument::new(1, "params", "constant Params& params", Access::Value),
        ],
        constants: &["FUNCTION", "INTERLEAVED"],
    },
];
