//! Launch bindings of `metal/moe_route.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint experts`.
    pub experts: u32,
    /// `uint slots`: experts of a token
    pub slots: u32,
    /// `uint groups`: equal ones that the experts are in, side by side; 1 for no limit
    pub groups: u32,
    /// `uint groups_kept`: of which the best so many have the experts that are chosen from
    pub groups_kept: u32,
    /// `uint best_of_group`: 1 or 2: a group is as good as the best so many of its experts together
    pub best_of_group: u32,
    /// `uint renormalise`: whether the weights of a token are divided by their sum
    pub renormalise: u32,
    /// `float scale`: of the weights
    pub scale: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 28);
    assert!(std::mem::offset_of!(Params, experts) == 0);
    assert!(std::mem::offset_of!(Params, slots) == 4);
    assert!(std::mem::offset_of!(Params, groups) == 8);
    assert!(std::mem::offset_of!(Params, groups_kept) == 12);
    assert!(std::mem::offset_of!(Params, best_of_group) == 16);
    assert!(std::mem::offset_of!(Params, renormalise) == 20);
    assert!(std::mem::offset_of!(Params, scale) == 24);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `bool SIGMOID`, function constant 1.
    pub sigmoid: bool,
    /// `bool BIASED`, function constant 2.
    pub biased: bool,
    /// `uint SCALES`, function constant 3.
    pub scales: u32,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.row_per_thread)
            .with(1, self.sigmoid)
            .with(2, self.biased)
            .with(3, self.scales)
    }
}

/// For each token t, the experts ids\[t, :\] in falling order of their choice, the lowest id among equals, and weights\[t, :\], their scores
/// times `scale` and, with SCALES, those of the experts. logits is \[tokens, experts\], bias and scales are \[experts\] and not read without BIASED
/// and SCALES, ids and weights are \[tokens, slots\].
///
/// One thread (ROW_PER_THREAD) or threadgroup of one SIMD group for each token; `keys` holds one for each expert and group.
pub struct F32<'a> {
    /// `device const float* logits`.
    pub logits: &'a Buffer<f32>,
    /// `device const float* bias`.
    pub bias: &'a Buffer<f32>,
    /// `device uint* ids`.
    pub ids: &'a mut Buffer<u32>,
    /// `device float* weights`.
    pub weights: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `device const float* scales`.
    pub scales: &'a Buffer<f32>,
    /// `threadgroup uint* keys`: Its size in bytes.
    pub keys: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "moe_route_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MOE_ROUTE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "logits", self.logits);
        args.read(1, "bias", self.bias);
        args.write(2, "ids", self.ids);
        args.write(3, "weights", self.weights);
        args.value(4, "params", &self.params);
        args.read(5, "scales", self.scales);
        args.threadgroup_memory(0, "keys", self.keys);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "moe_route_f32",
    family: "moe_route",
    file: "metal/moe_route.metal",
    dtypes: &["f32", "u32"],
    arguments: &[
        Argument::new(0, "logits", "device const float* logits", Access::Read),
        Argument::new(1, "bias", "device const float* bias", Access::Read),
        Argument::new(2, "ids", "device uint* ids", Access::ReadWrite),
        Argument::new(3, "weights", "device float* weights", Access::ReadWrite),
        Argument::new(4, "params", "constant Params& params", Access::Value),
        Argument::new(5, "scales", "device const float* scales", Access::Read),
        Argument::new(
            0,
            "keys",
            "threadgroup uint* keys",
            Access::ThreadgroupMemory,
        ),
    ],
    constants: &["ROW_PER_THREAD", "SIGMOID", "BIASED", "SCALES"],
}];
