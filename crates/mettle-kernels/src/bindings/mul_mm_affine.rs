//! Launch bindings of `metal/mul_mm_affine.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint rows`: m, the rows of x that count, of each batch
    pub rows: u32,
    /// `uint padded`: the rows that x has
    pub padded: u32,
    /// `uint columns`: n, the rows of the weights
    pub columns: u32,
    /// `uint k`: the columns of the weights: whole blocks of a quantised format
    pub k: u32,
    /// `uint stride`: values from one row of x to the next: k, rounded up to a multiple of 32
    pub stride: u32,
    /// `uint aligned`: whether each row of weights starts at a multiple of sixteen bytes, of four with blocks of 32
    pub aligned: u32,
    /// `uint experts`: matrices that w consists of, where each piece of rows has one of its own; else 0
    pub experts: u32,
    /// `uint depth`: values of k that a threadgroup goes through, a multiple of DEPTH
    pub depth: u32,
    /// `uint splits`: threadgroups that share the k of a piece of results
    pub splits: u32,
    /// `uint stages`: steps whose tiles there is memory for: 2, or 4 where copies are asynchronous
    pub stages: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 40);
    assert!(std::mem::offset_of!(Params, rows) == 0);
    assert!(std::mem::offset_of!(Params, padded) == 4);
    assert!(std::mem::offset_of!(Params, columns) == 8);
    assert!(std::mem::offset_of!(Params, k) == 12);
    assert!(std::mem::offset_of!(Params, stride) == 16);
    assert!(std::mem::offset_of!(Params, aligned) == 20);
    assert!(std::mem::offset_of!(Params, experts) == 24);
    assert!(std::mem::offset_of!(Params, depth) == 28);
    assert!(std::mem::offset_of!(Params, splits) == 32);
    assert!(std::mem::offset_of!(Params, stages) == 36);
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
    /// `bool LARGE`, function constant 0.
    pub large: bool,
    /// `uint FUSED`, function constant 1.
    pub fused: u32,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(13, self.bits)
            .with(14, self.group)
            .with(15, self.bf16)
            .with(0, self.large)
            .with(1, self.fused)
    }
}

/// out\[b, r, c\] = scale\[b, r\] \* sum over i of x\[b, r, i\] \* w\[b, c, i\] for batches b; w is \[batches, columns, k\], out is \[batches, rows, columns\].
/// x is one or two planes of halves or bfloats, as round_rows.metal makes them, of `padded` rows; scale has one value a row of these.
///
/// Where threadgroups share k, out is \[batches, splits, rows, columns\] and has what each of them adds to a result.
///
/// With experts, w is \[experts, columns, k\], and the rows of piece i of the results are multiplied with matrix experts\[i\]; where there is none of
/// that number, these results are not written. Else experts is not read.
///
/// out is f32, or halves, to which results are rounded once. With ADD of FUSED results are added to what is in it. With GATE, `second` are as many
/// weights more, and out is silu(product with w) \* product with second; else second is not read. Threadgroups share no k then, and with halves.
///
/// Threadgroups of 128 threads: the grid is as many as there are pieces of a batch's results of the size that LARGE says, and that for each
/// split of each batch; the tiles have 64 bytes for each row and for each column of a piece, and each of `stages`.
pub struct F32<'a> {
    /// `device const uint* w`.
    pub w: &'a Buffer<u32>,
    /// `device const ushort* x`.
    pub x: &'a Buffer<u16>,
    /// `device const float* scale`.
    pub scale: &'a Buffer<f32>,
    /// `device const uint* experts`.
    pub experts: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `device const uint* second`.
    pub second: &'a Buffer<u32>,
    /// `threadgroup ushort* tiles`: Its size in bytes.
    pub tiles: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "mul_mm_affine_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MUL_MM_AFFINE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "w", self.w);
        args.read(1, "x", self.x);
        args.read(2, "scale", self.scale);
        args.read(3, "experts", self.experts);
        args.write(4, "out", self.out);
        args.value(5, "params", &self.params);
        args.read(6, "second", self.second);
        args.threadgroup_memory(0, "tiles", self.tiles);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "mul_mm_affine_f32",
    family: "mul_mm_affine",
    file: "metal/mul_mm_affine.metal",
    dtypes: &["u32", "u16", "f32"],
    arguments: &[
        Argument::new(0, "w", "device const uint* w", Access::Read),
        Argument::new(1, "x", "device const ushort* x", Access::Read),
        Argument::new(2, "scale", "device const float* scale", Access::Read),
        Argument::new(3, "experts", "device const uint* experts", Access::Read),
        Argument::new(4, "out", "device float* out", Access::ReadWrite),
        Argument::new(5, "params", "constant Params& params", Access::Value),
        Argument::new(6, "second", "device const uint* second", Access::Read),
        Argument::new(
            0,
            "tiles",
            "threadgroup ushort* tiles",
            Access::ThreadgroupMemory,
        ),
    ],
    constants: &["LARGE", "FUSED", "BITS", "GROUP", "BF16"],
}];
