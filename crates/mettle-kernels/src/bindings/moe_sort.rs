//! Launch bindings of `metal/moe_sort.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint pairs`: of a token and an expert
    pub pairs: u32,
    /// `uint slots`: experts of a token
    pub slots: u32,
    /// `uint experts`.
    pub experts: u32,
    /// `uint step`: rows of a piece
    pub step: u32,
    /// `uint pieces`: that there is room for
    pub pieces: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 20);
    assert!(std::mem::offset_of!(Params, pairs) == 0);
    assert!(std::mem::offset_of!(Params, slots) == 4);
    assert!(std::mem::offset_of!(Params, experts) == 8);
    assert!(std::mem::offset_of!(Params, step) == 12);
    assert!(std::mem::offset_of!(Params, pieces) == 16);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ALONE`, function constant 0.
    pub alone: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY.with(0, self.alone)
    }
}

/// Puts the pairs in the order of their experts, and those of an expert in their own. Each expert has whole pieces of `step` rows, so
/// that rows of a piece have one in common; experts without a token have none. ids is \[tokens, slots\], and one that there is not stands
/// for the last one; experts is \[pieces\], the expert of each piece; tokens is \[pieces \* step\], the token of each row; rows is \[tokens, slots\],
/// the row of each pair. Rows and pieces that are left over are of NONE.
///
/// A grid of one thread, or of one threadgroup of whole SIMD groups, of which each counts a part of the pairs. `memory` has a value for each
/// expert, and of each SIMD group.
pub struct U32<'a> {
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device uint* experts`.
    pub experts: &'a mut Buffer<u32>,
    /// `device uint* tokens`.
    pub tokens: &'a mut Buffer<u32>,
    /// `device uint* rows`.
    pub rows: &'a mut Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `threadgroup uint* memory`: Its size in bytes.
    pub memory: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for U32<'_> {
    fn kernel(&self) -> &'static str {
        "moe_sort_u32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MOE_SORT
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "ids", self.ids);
        args.write(1, "experts", self.experts);
        args.write(2, "tokens", self.tokens);
        args.write(3, "rows", self.rows);
        args.value(4, "params", &self.params);
        args.threadgroup_memory(0, "memory", self.memory);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "moe_sort_u32",
    family: "moe_sort",
    file: "metal/moe_sort.metal",
    dtypes: &["u32"],
    arguments: &[
        Argument::new(0, "ids", "device const uint* ids", Access::Read),
        Argument::new(1, "experts", "device uint* experts", Access::ReadWrite),
        Argument::new(2, "tokens", "device uint* tokens", Access::ReadWrite),
        Argument::new(3, "rows", "device uint* rows", Access::ReadWrite),
        Argument::new(4, "params", "constant Params& params", Access::Value),
        Argument::new(
            0,
            "memory",
            "threadgroup uint* memory",
            Access::ThreadgroupMemory,
        ),
    ],
    constants: &["ALONE"],
}];
