//! Launch bindings of `metal/sample.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `ulong seed`.
    pub seed: u64,
    /// `ulong position`: of the token in its text: the counter of the random generator
    pub position: u64,
    /// `uint count`: of logits, at most 2^24, so that f32 counts them exactly
    pub count: u32,
    /// `uint top_k`: candidates that the first filter keeps; 0: all
    pub top_k: u32,
    /// `float top_p`: share of the probability that the second filter keeps at least; 1: all
    pub top_p: f32,
    /// `float min_p`: least probability, relative to the best candidate's, that the third filter keeps; 0: all
    pub min_p: f32,
    /// `float temperature`: 0: the best candidate, without a draw
    pub temperature: f32,
    /// `uint block_size`: logits of a block, whole sixteens: the maxima of blocks tell where candidates are
    pub block_size: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 40);
    assert!(std::mem::offset_of!(Params, seed) == 0);
    assert!(std::mem::offset_of!(Params, position) == 8);
    assert!(std::mem::offset_of!(Params, count) == 16);
    assert!(std::mem::offset_of!(Params, top_k) == 20);
    assert!(std::mem::offset_of!(Params, top_p) == 24);
    assert!(std::mem::offset_of!(Params, min_p) == 28);
    assert!(std::mem::offset_of!(Params, temperature) == 32);
    assert!(std::mem::offset_of!(Params, block_size) == 36);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ONE_THREAD`, function constant 0.
    pub one_thread: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY.with(0, self.one_thread)
    }
}

/// maxima\[block\] = the largest of the logits of a block that are numbers; minus infinity where there is none. One thread for each block.
pub struct MaximaF32<'a> {
    /// `device const float* logits`.
    pub logits: &'a Buffer<f32>,
    /// `device float* maxima`.
    pub maxima: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for MaximaF32<'_> {
    fn kernel(&self) -> &'static str {
        "sample_maxima_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SAMPLE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "logits", self.logits);
        args.write(1, "maxima", self.maxima);
        args.value(2, "params", &self.params);
    }
}

/// out\[0\] = the token drawn from softmax(logits / temperature) among those that the filters keep, with the random number
/// that belongs to (seed, position): the same on every device, up to rounding. NaN and minus infinity are never drawn;
/// where nothing else is left, or where plus infinity leaves no probabilities, the result is `count`, which is no token.
///
/// logits is \[count\], maxima is \[blocks\], made by `sample_maxima`. The rest is scratch: candidate_logits and candidate_ids of \[count\].
/// One thread (ONE_THREAD) or one threadgroup.
pub struct F32<'a> {
    /// `device const float* logits`.
    pub logits: &'a Buffer<f32>,
    /// `device uint* out`.
    pub out: &'a mut Buffer<u32>,
    /// `device float* candidate_logits`.
    pub candidate_logits: &'a mut Buffer<f32>,
    /// `device uint* candidate_ids`.
    pub candidate_ids: &'a mut Buffer<u32>,
    /// `device float* maxima`.
    pub maxima: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "sample_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::SAMPLE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "logits", self.logits);
        args.write(1, "out", self.out);
        args.write(2, "candidate_logits", self.candidate_logits);
        args.write(3, "candidate_ids", self.candidate_ids);
        args.write(4, "maxima", self.maxima);
        args.value(5, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "sample_maxima_f32",
        family: "sample",
        file: "metal/sample.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "logits", "device const float* logits", Access::Read),
            Argument::new(1, "maxima", "device float* maxima", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ONE_THREAD"],
    },
    catalogue::Kernel {
        name: "sample_f32",
        family: "sample",
        file: "metal/sample.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "logits", "device const float* logits", Access::Read),
            Argument::new(1, "out", "device uint* out", Access::ReadWrite),
            Argument::new(
                2,
                "candidate_logits",
                "device float* candidate_logits",
                Access::ReadWrite,
            ),
            Argument::new(
                3,
                "candidate_ids",
                "device uint* candidate_ids",
                Access::ReadWrite,
            ),
            Argument::new(4, "maxima", "device float* maxima", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ONE_THREAD"],
    },
];
