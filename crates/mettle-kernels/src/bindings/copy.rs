//! Launch bindings of `metal/copy.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint4 shape`: of out, outermost dimension first
    pub shape: [u32; 4],
    /// `uint4 from`: values of x from one index of each of these dimensions to the next
    pub from: [u32; 4],
    /// `uint4 to`: values of out from one to the next, of which the innermost is not used: its values lie side by side
    pub to: [u32; 4],
}

const _: () = {
    assert!(size_of::<Params>() == 48);
    assert!(std::mem::offset_of!(Params, shape) == 0);
    assert!(std::mem::offset_of!(Params, from) == 16);
    assert!(std::mem::offset_of!(Params, to) == 32);
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

/// out\[i, j, k, l\] = x\[i \* from.x + j \* from.y + k \* from.z + l \* from.w\], converted: rounded to nearest where T has less bits.
///
/// One thread for sixteen elements of a row of out.
pub struct F32F32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32F32<'_> {
    fn kernel(&self) -> &'static str {
        "copy_f32_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::COPY
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

/// out\[i, j, k, l\] = x\[i \* from.x + j \* from.y + k \* from.z + l \* from.w\], converted: rounded to nearest where T has less bits.
///
/// One thread for sixteen elements of a row of out.
pub struct F32F16<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32F16<'_> {
    fn kernel(&self) -> &'static str {
        "copy_f32_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::COPY
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

/// out\[i, j, k, l\] = x\[i \* from.x + j \* from.y + k \* from.z + l \* from.w\], converted: rounded to nearest where T has less bits.
///
/// One thread for sixteen elements of a row of out.
pub struct F32Bf16<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "copy_f32_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::COPY
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

/// out\[i, j, k, l\] = x\[i \* from.x + j \* from.y + k \* from.z + l \* from.w\], converted: rounded to nearest where T has less bits.
///
/// One thread for sixteen elements of a row of out.
pub struct F16F32<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16F32<'_> {
    fn kernel(&self) -> &'static str {
        "copy_f16_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::COPY
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

/// out\[i, j, k, l\] = x\[i \* from.x + j \* from.y + k \* from.z + l \* from.w\], converted: rounded to nearest where T has less bits.
///
/// One thread for sixteen elements of a row of out.
pub struct F16F16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16F16<'_> {
    fn kernel(&self) -> &'static str {
        "copy_f16_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::COPY
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

/// out\[i, j, k, l\] = x\[i \* from.x + j \* from.y + k \* from.z + l \* from.w\], converted: rounded to nearest where T has less bits.
///
/// One thread for sixteen elements of a row of out.
pub struct F16Bf16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "copy_f16_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::COPY
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

/// out\[i, j, k, l\] = x\[i \* from.x + j \* from.y + k \* from.z + l \* from.w\], converted: rounded to nearest where T has less bits.
///
/// One thread for sixteen elements of a row of out.
pub struct Bf16F32<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16F32<'_> {
    fn kernel(&self) -> &'static str {
        "copy_bf16_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::COPY
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

/// out\[i, j, k, l\] = x\[i \* from.x + j \* from.y + k \* from.z + l \* from.w\], converted: rounded to nearest where T has less bits.
///
/// One thread for sixteen elements of a row of out.
pub struct Bf16F16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16F16<'_> {
    fn kernel(&self) -> &'static str {
        "copy_bf16_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::COPY
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

/// out\[i, j, k, l\] = x\[i \* from.x + j \* from.y + k \* from.z + l \* from.w\], converted: rounded to nearest where T has less bits.
///
/// One thread for sixteen elements of a row of out.
pub struct Bf16Bf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "copy_bf16_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::COPY
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

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "copy_f32_f32",
        family: "copy",
        file: "metal/copy.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "out", "device float* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "copy_f32_f16",
        family: "copy",
        file: "metal/copy.metal",
        dtypes: &["f32", "f16"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "copy_f32_bf16",
        family: "copy",
        file: "metal/copy.metal",
        dtypes: &["f32", "bf16"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "copy_f16_f32",
        family: "copy",
        file: "metal/copy.metal",
        dtypes: &["f16", "f32"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "out", "device float* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "copy_f16_f16",
        family: "copy",
        file: "metal/copy.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "copy_f16_bf16",
        family: "copy",
        file: "metal/copy.metal",
        dtypes: &["f16", "bf16"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "copy_bf16_f32",
        family: "copy",
        file: "metal/copy.metal",
        dtypes: &["bf16", "f32"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "out", "device float* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "copy_bf16_f16",
        family: "copy",
        file: "metal/copy.metal",
        dtypes: &["bf16", "f16"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "copy_bf16_bf16",
        family: "copy",
        file: "metal/copy.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
];
