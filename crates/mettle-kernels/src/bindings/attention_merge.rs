//! Launch bindings of `metal/attention_merge.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint heads`: of the queries
    pub heads: u32,
    /// `uint splits`: of the keys of a token
    pub splits: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 8);
    assert!(std::mem::offset_of!(Params, heads) == 0);
    assert!(std::mem::offset_of!(Params, splits) == 4);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `uint HEAD_SIZE`, function constant 0.
    pub head_size: u32,
    /// `bool SINKS`, function constant 1.
    pub sinks: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.head_size)
            .with(1, self.sinks)
    }
}

/// out\[t, h, :\] from partial, which attention_partials.h describes. A token whose splits all are without keys gets NaN. sinks is \[heads\].
///
/// A threadgroup of whole SIMD groups, with a thread for every value of a head at least, for each head and token: the
/// grid is \[heads, tokens\]. With more threads, splits are shared out among rows of them.
pub struct Kernel<'a> {
    /// `device const float* partial`.
    pub partial: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `device const float* sinks`.
    pub sinks: &'a Buffer<f32>,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        "attention_merge"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ATTENTION_MERGE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "partial", self.partial);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
        args.read(3, "sinks", self.sinks);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "attention_merge",
    family: "attention_merge",
    file: "metal/attention_merge.metal",
    dtypes: &["f32"],
    arguments: &[
        Argument::new(0, "partial", "device const float* partial", Access::Read),
        Argument::new(1, "out", "device float* out", Access::ReadWrite),
        Argument::new(2, "params", "constant Params& params", Access::Value),
        Argument::new(3, "sinks", "device const float* sinks", Access::Read),
    ],
    constants: &["HEAD_SIZE", "SINKS"],
}];
