//! Launch bindings of `metal/mul_panel_affine.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint rows`: of the weights
    pub rows: u32,
    /// `uint k`: the columns of the weights: whole blocks of a quantised format
    pub k: u32,
    /// `uint columns`: of the output; with experts whole steps of STEP rows of x
    pub columns: u32,
    /// `uint experts`: matrices that w consists of, where each step has one of its own; else 0
    pub experts: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 16);
    assert!(std::mem::offset_of!(Params, rows) == 0);
    assert!(std::mem::offset_of!(Params, k) == 4);
    assert!(std::mem::offset_of!(Params, columns) == 8);
    assert!(std::mem::offset_of!(Params, experts) == 12);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `uint BITS`, function constant 13.
    pub bits: u32,
    /// `uint GROUP`, function constant 14.
    pub group: u32,
    /// `bool BF16`, function constant 15.
    pub bf16: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(13, self.bits)
            .with(14, self.group)
            .with(15, self.bf16)
    }
}

/// out\[c, row\] = sum over i of w\[row, i\] \* x\[c, i\], in f32; w is \[rows, k\], x is \[ceil(columns / STEP), k, STEP\] as
/// pack_columns.metal makes it, so that what is read together is in a cache together; out is \[columns, rows\]. One thread
/// has PANEL_ROWS rows and COLUMNS_OF_THREAD columns and is a threadgroup of its own: the grid is \[ceil(columns /
/// COLUMNS_OF_THREAD), ceil(rows / PANEL_ROWS)\] threads. `memory` holds PANEL_DEPTH values of each of its rows.
///
/// With experts, w is \[experts, rows, k\], and the columns of step i are multiplied with matrix experts\[i\]; where there is none of that
/// number, their results are not written. The grid is \[columns / STEP, ceil(rows / PANEL_ROWS)\] threads, of which the first of a row of
/// steps with the same expert has them all. Else experts is not read.
pub struct F32<'a> {
    /// `device const uint* w`.
    pub w: &'a Buffer<u32>,
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const uint* experts`.
    pub experts: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `threadgroup float* memory`: Its size in bytes.
    pub memory: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "mul_panel_affine_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MUL_PANEL_AFFINE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "w", self.w);
        args.read(1, "x", self.x);
        args.read(2, "experts", self.experts);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
        args.threadgroup_memory(0, "memory", self.memory);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "mul_panel_affine_f32",
    family: "mul_panel_affine",
    file: "metal/mul_panel_affine.metal",
    dtypes: &["u32", "f32"],
    arguments: &[
        Argument::new(0, "w", "device const uint* w", Access::Read),
        Argument::new(1, "x", "device const float* x", Access::Read),
        Argument::new(2, "experts", "device const uint* experts", Access::Read),
        Argument::new(3, "out", "device float* out", Access::ReadWrite),
        Argument::new(4, "params", "constant Params& params", Access::Value),
        Argument::new(
            0,
            "memory",
            "threadgroup float* memory",
            Access::ThreadgroupMemory,
        ),
    ],
    constants: &["BITS", "GROUP", "BF16"],
}];
