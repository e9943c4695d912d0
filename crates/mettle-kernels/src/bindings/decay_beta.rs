//! Launch bindings of `metal/decay_beta.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint heads`.
    pub heads: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 4);
    assert!(std::mem::offset_of!(Params, heads) == 0);
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

/// log_decay\[t, h\] = rate\[h\] \* softplus(a\[t, h\] + bias\[h\]), rate being -exp(A_log), and beta\[t, h\] = sigmoid(b\[t, h\]). All are
/// \[tokens, heads\] but rate and bias, which are \[heads\]. Heads are those of values.
///
/// One thread for sixteen heads of a token: the grid is \[threads for the heads, tokens\].
pub struct F32<'a> {
    /// `device const float* a`.
    pub a: &'a Buffer<f32>,
    /// `device const float* b`.
    pub b: &'a Buffer<f32>,
    /// `device const float* bias`.
    pub bias: &'a Buffer<f32>,
    /// `device const float* rate`.
    pub rate: &'a Buffer<f32>,
    /// `device float* log_decay`.
    pub log_decay: &'a mut Buffer<f32>,
    /// `device float* beta`.
    pub beta: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "decay_beta_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::DECAY_BETA
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "a", self.a);
        args.read(1, "b", self.b);
        args.read(2, "bias", self.bias);
        args.read(3, "rate", self.rate);
        args.write(4, "log_decay", self.log_decay);
        args.write(5, "beta", self.beta);
        args.value(6, "params", &self.params);
    }
}

/// log_decay\[t, h\] = rate\[h\] \* softplus(a\[t, h\] + bias\[h\]), rate being -exp(A_log), and beta\[t, h\] = sigmoid(b\[t, h\]). All are
/// \[tokens, heads\] but rate and bias, which are \[heads\]. Heads are those of values.
///
/// One thread for sixteen heads of a token: the grid is \[threads for the heads, tokens\].
pub struct F16<'a> {
    /// `device const half* a`.
    pub a: &'a Buffer<half::f16>,
    /// `device const half* b`.
    pub b: &'a Buffer<half::f16>,
    /// `device const float* bias`.
    pub bias: &'a Buffer<f32>,
    /// `device const float* rate`.
    pub rate: &'a Buffer<f32>,
    /// `device float* log_decay`.
    pub log_decay: &'a mut Buffer<f32>,
    /// `device float* beta`.
    pub beta: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "decay_beta_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::DECAY_BETA
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "a", self.a);
        args.read(1, "b", self.b);
        args.read(2, "bias", self.bias);
        args.read(3, "rate", self.rate);
        args.write(4, "log_decay", self.log_decay);
        args.write(5, "beta", self.beta);
        args.value(6, "params", &self.params);
    }
}

/// log_decay\[t, h\] = rate\[h\] \* softplus(a\[t, h\] + bias\[h\]), rate being -exp(A_log), and beta\[t, h\] = sigmoid(b\[t, h\]). All are
/// \[tokens, heads\] but rate and bias, which are \[heads\]. Heads are those of values.
///
/// One thread for sixteen heads of a token: the grid is \[threads for the heads, tokens\].
pub struct Bf16<'a> {
    /// `device const bfloat* a`.
    pub a: &'a Buffer<half::bf16>,
    /// `device const bfloat* b`.
    pub b: &'a Buffer<half::bf16>,
    /// `device const float* bias`.
    pub bias: &'a Buffer<f32>,
    /// `device const float* rate`.
    pub rate: &'a Buffer<f32>,
    /// `device float* log_decay`.
    pub log_decay: &'a mut Buffer<f32>,
    /// `device float* beta`.
    pub beta: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "decay_beta_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::DECAY_BETA
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "a", self.a);
        args.read(1, "b", self.b);
        args.read(2, "bias", self.bias);
        args.read(3, "rate", self.rate);
        args.write(4, "log_decay", self.log_decay);
        args.write(5, "beta", self.beta);
        args.value(6, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "decay_beta_f32",
        family: "decay_beta",
        file: "metal/decay_beta.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "a", "device const float* a", Access::Read),
            Argument::new(1, "b", "device const float* b", Access::Read),
            Argument::new(2, "bias", "device const float* bias", Access::Read),
            Argument::new(3, "rate", "device const float* rate", Access::Read),
            Argument::new(4, "log_decay", "device float* log_decay", Access::ReadWrite),
            Argument::new(5, "beta", "device float* beta", Access::ReadWrite),
            Argument::new(6, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "decay_beta_f16",
        family: "decay_beta",
        file: "metal/decay_beta.metal",
        dtypes: &["f16", "f32"],
        arguments: &[
            Argument::new(0, "a", "device const half* a", Access::Read),
            Argument::new(1, "b", "device const half* b", Access::Read),
            Argument::new(2, "bias", "device const float* bias", Access::Read),
            Argument::new(3, "rate", "device const float* rate", Access::Read),
            Argument::new(4, "log_decay", "device float* log_decay", Access::ReadWrite),
            Argument::new(5, "beta", "device float* beta", Access::ReadWrite),
            Argument::new(6, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "decay_beta_bf16",
        family: "decay_beta",
        file: "metal/decay_beta.metal",
        dtypes: &["bf16", "f32"],
        arguments: &[
            Argument::new(0, "a", "device const bfloat* a", Access::Read),
            Argument::new(1, "b", "device const bfloat* b", Access::Read),
            Argument::new(2, "bias", "device const float* bias", Access::Read),
            Argument::new(3, "rate", "device const float* rate", Access::Read),
            Argument::new(4, "log_decay", "device float* log_decay", Access::ReadWrite),
            Argument::new(5, "beta", "device float* beta", Access::ReadWrite),
            Argument::new(6, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
];
