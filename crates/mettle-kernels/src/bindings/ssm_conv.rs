//! Launch bindings of `metal/ssm_conv.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint channels`.
    pub channels: u32,
    /// `uint tokens`.
    pub tokens: u32,
    /// `uint stride`: of the rows of x, in values
    pub stride: u32,
    /// `uint stretch`: tokens that a thread goes through, in ssm_conv
    pub stretch: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 16);
    assert!(std::mem::offset_of!(Params, channels) == 0);
    assert!(std::mem::offset_of!(Params, tokens) == 4);
    assert!(std::mem::offset_of!(Params, stride) == 8);
    assert!(std::mem::offset_of!(Params, stretch) == 12);
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

/// Many tokens; the state is left as it is, as other threads may still read it: ssm_conv_append renews it. x is \[tokens, channels\] with or
/// without gaps between its rows, weight is \[channels, 4\], state is \[3, channels\], out is \[tokens, channels\].
///
/// One thread for sixteen channels of a stretch of tokens: the grid is \[threads for the channels, stretches\].
pub struct F32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device const float* state`.
    pub state: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "ssm_conv_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SSM_CONV
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.read(2, "state", self.state);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

/// Makes the last three of the tokens before and those of x the state. Shapes are those of ssm_conv.
///
/// One thread for sixteen channels.
pub struct AppendF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device float* state`.
    pub state: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AppendF32<'_> {
    fn kernel(&self) -> &'static str {
        "ssm_conv_append_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SSM_CONV
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "state", self.state);
        args.value(2, "params", &self.params);
    }
}

/// One token, and the state with it. Shapes are those of ssm_conv.
///
/// One thread for sixteen channels.
pub struct StepF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device float* state`.
    pub state: &'a mut Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for StepF32<'_> {
    fn kernel(&self) -> &'static str {
        "ssm_conv_step_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SSM_CONV
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.write(2, "state", self.state);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

/// Many tokens; the state is left as it is, as other threads may still read it: ssm_conv_append renews it. x is \[tokens, channels\] with or
/// without gaps between its rows, weight is \[channels, 4\], state is \[3, channels\], out is \[tokens, channels\].
///
/// One thread for sixteen channels of a stretch of tokens: the grid is \[threads for the channels, stretches\].
pub struct F16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device const half* state`.
    pub state: &'a Buffer<half::f16>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "ssm_conv_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SSM_CONV
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.read(2, "state", self.state);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

/// Makes the last three of the tokens before and those of x the state. Shapes are those of ssm_conv.
///
/// One thread for sixteen channels.
pub struct AppendF16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device half* state`.
    pub state: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AppendF16<'_> {
    fn kernel(&self) -> &'static str {
        "ssm_conv_append_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SSM_CONV
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "state", self.state);
        args.value(2, "params", &self.params);
    }
}

/// One token, and the state with it. Shapes are those of ssm_conv.
///
/// One thread for sixteen channels.
pub struct StepF16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device half* state`.
    pub state: &'a mut Buffer<half::f16>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for StepF16<'_> {
    fn kernel(&self) -> &'static str {
        "ssm_conv_step_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SSM_CONV
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.write(2, "state", self.state);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

/// Many tokens; the state is left as it is, as other threads may still read it: ssm_conv_append renews it. x is \[tokens, channels\] with or
/// without gaps between its rows, weight is \[channels, 4\], state is \[3, channels\], out is \[tokens, channels\].
///
/// One thread for sixteen channels of a stretch of tokens: the grid is \[threads for the channels, stretches\].
pub struct Bf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device const bfloat* state`.
    pub state: &'a Buffer<half::bf16>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "ssm_conv_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SSM_CONV
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.read(2, "state", self.state);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

/// Makes the last three of the tokens before and those of x the state. Shapes are those of ssm_conv.
///
/// One thread for sixteen channels.
pub struct AppendBf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device bfloat* state`.
    pub state: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AppendBf16<'_> {
    fn kernel(&self) -> &'static str {
        "ssm_conv_append_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SSM_CONV
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "state", self.state);
        args.value(2, "params", &self.params);
    }
}

/// One token, and the state with it. Shapes are those of ssm_conv.
///
/// One thread for sixteen channels.
pub struct StepBf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device bfloat* state`.
    pub state: &'a mut Buffer<half::bf16>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for StepBf16<'_> {
    fn kernel(&self) -> &'static str {
        "ssm_conv_step_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SSM_CONV
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.write(2, "state", self.state);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "ssm_conv_f32",
        family: "ssm_conv",
        file: "metal/ssm_conv.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "state", "device const float* state", Access::Read),
            Argument::new(3, "out", "device float* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "ssm_conv_append_f32",
        family: "ssm_conv",
        file: "metal/ssm_conv.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "state", "device float* state", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "ssm_conv_step_f32",
        family: "ssm_conv",
        file: "metal/ssm_conv.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "state", "device float* state", Access::ReadWrite),
            Argument::new(3, "out", "device float* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "ssm_conv_f16",
        family: "ssm_conv",
        file: "metal/ssm_conv.metal",
        dtypes: &["f16", "f32"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "state", "device const half* state", Access::Read),
            Argument::new(3, "out", "device half* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "ssm_conv_append_f16",
        family: "ssm_conv",
        file: "metal/ssm_conv.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "state", "device half* state", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "ssm_conv_step_f16",
        family: "ssm_conv",
        file: "metal/ssm_conv.metal",
        dtypes: &["f16", "f32"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "state", "device half* state", Access::ReadWrite),
            Argument::new(3, "out", "device half* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "ssm_conv_bf16",
        family: "ssm_conv",
        file: "metal/ssm_conv.metal",
        dtypes: &["bf16", "f32"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "state", "device const bfloat* state", Access::Read),
            Argument::new(3, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "ssm_conv_append_bf16",
        family: "ssm_conv",
        file: "metal/ssm_conv.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "state", "device bfloat* state", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "ssm_conv_step_bf16",
        family: "ssm_conv",
        file: "metal/ssm_conv.metal",
        dtypes: &["bf16", "f32"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "state", "device bfloat* state", Access::ReadWrite),
            Argument::new(3, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
];
