//! Launch bindings of `metal/mul_mv_affine.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

pub use super::types::Params;

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `uint BITS`, function constant 13.
    pub bits: u32,
    /// `uint GROUP`, function constant 14.
    pub group: u32,
    /// `bool BF16`, function constant 15.
    pub bf16: bool,
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `uint COLUMNS`, function constant 1.
    pub columns: u32,
    /// `bool STAGED`, function constant 2.
    pub staged: bool,
    /// `uint FUSED`, function constant 3.
    pub fused: u32,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(13, self.bits)
            .with(14, self.group)
            .with(15, self.bf16)
            .with(0, self.row_per_thread)
            .with(1, self.columns)
            .with(2, self.staged)
            .with(3, self.fused)
    }
}

/// out\[c, row\] = sum over i of w\[row, i\] \* x\[c, i\], in f32; w is \[rows, k\], x is \[m, k\], out is \[m, rows\]. x and out are f32, or of
/// sixteen bits: then results are rounded once, and products are neither STAGED nor by digits. A launch takes the m columns in steps
/// of params.columns, which divides m. What FUSED says is done beside: x is normalised with `norm`, \[k\]; with a gate `second` are
/// more weights, \[rows, k\]; with three matrices it and `third` are \[rows_of_others, k\], and out is \[rows + 2 \* rows_of_others\]. What
/// they are without it is not read.
///
/// With experts, w is \[experts, rows, k\], as is `second`, and column c is multiplied with matrix ids\[c\], the last one beyond it; x is
/// \[m / sharers, k\]. For COLUMNS = 1, and not with THREE. Else ids are not read.
///
/// One thread (ROW_PER_THREAD) for each step and row: the grid is \[m / columns, rows\] threads. With one column and a format that
/// is multiplied by digits, a threadgroup of one thread for `count` rows, up to ROWS_OF_THREAD; else it is 1. Or one threadgroup of
/// whole SIMD groups for each step and a few rows of weights: \[m / columns, ceil(rows / count)\] threadgroups, where `count` is
/// `rows_of_matrix`. Steps come first, so that the columns are done while the weights of a threadgroup's rows are at hand.
/// With STAGED (blocks) there are as many threadgroups as one likes, \[m / columns, groups\], among which all units are divided:
/// `count` is `rows_of_turn` of `Chunk`.
///
/// `memory` of a thread that multiplies by digits holds `most_groups` times `words_of_group` of `ByDigits`; that of others of
/// ROW_PER_THREAD nothing. `memory` of threadgroups holds SUMS + 1 floats of each SIMD group or, with STAGED, 2 \* MAX_SIMD_GROUPS
/// floats, `chunks` chunks of digits of each column, STAGES batches of rows of each SIMD group, both as `Chunk` lays them out,
/// and `slices` floats for each row, with a gate twice as many, of all columns and of each unit of a threadgroup.
///
/// Registers for 512 threads leave room for several threadgroups on a compute unit.
pub struct F32<'a> {
    /// `device const uint* w`.
    pub w: &'a Buffer<u32>,
    /// `device const uint* second`.
    pub second: &'a Buffer<u32>,
    /// `device const uint* third`.
    pub third: &'a Buffer<u32>,
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* norm`.
    pub norm: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `threadgroup float* memory`: Its size in bytes.
    pub memory: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "mul_mv_affine_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MUL_MV_AFFINE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "w", self.w);
        args.read(1, "second", self.second);
        args.read(2, "third", self.third);
        args.read(3, "x", self.x);
        args.read(4, "norm", self.norm);
        args.write(5, "out", self.out);
        args.read(6, "ids", self.ids);
        args.value(7, "params", &self.params);
        args.threadgroup_memory(0, "memory", self.memory);
    }
}

/// out\[c, row\] = sum over i of w\[row, i\] \* x\[c, i\], in f32; w is \[rows, k\], x is \[m, k\], out is \[m, rows\]. x and out are f32, or of
/// sixteen bits: then results are rounded once, and products are neither STAGED nor by digits. A launch takes the m columns in steps
/// of params.columns, which divides m. What FUSED says is done beside: x is normalised with `norm`, \[k\]; with a gate `second` are
/// more weights, \[rows, k\]; with three matrices it and `third` are \[rows_of_others, k\], and out is \[rows + 2 \* rows_of_others\]. What
/// they are without it is not read.
///
/// With experts, w is \[experts, rows, k\], as is `second`, and column c is multiplied with matrix ids\[c\], the last one beyond it; x is
/// \[m / sharers, k\]. For COLUMNS = 1, and not with THREE. Else ids are not read.
///
/// One thread (ROW_PER_THREAD) for each step and row: the grid is \[m / columns, rows\] threads. With one column and a format that
/// is multiplied by digits, a threadgroup of one thread for `count` rows, up to ROWS_OF_THREAD; else it is 1. Or one threadgroup of
/// whole SIMD groups for each step and a few rows of weights: \[m / columns, ceil(rows / count)\] threadgroups, where `count` is
/// `rows_of_matrix`. Steps come first, so that the columns are done while the weights of a threadgroup's rows are at hand.
/// With STAGED (blocks) there are as many threadgroups as one likes, \[m / columns, groups\], among which all units are divided:
/// `count` is `rows_of_turn` of `Chunk`.
///
/// `memory` of a thread that multiplies by digits holds `most_groups` times `words_of_group` of `ByDigits`; that of others of
/// ROW_PER_THREAD nothing. `memory` of threadgroups holds SUMS + 1 floats of each SIMD group or, with STAGED, 2 \* MAX_SIMD_GROUPS
/// floats, `chunks` chunks of digits of each column, STAGES batches of rows of each SIMD group, both as `Chunk` lays them out,
/// and `slices` floats for each row, with a gate twice as many, of all columns and of each unit of a threadgroup.
///
/// Registers for 512 threads leave room for several threadgroups on a compute unit.
pub struct Bf16<'a> {
    /// `device const uint* w`.
    pub w: &'a Buffer<u32>,
    /// `device const uint* second`.
    pub second: &'a Buffer<u32>,
    /// `device const uint* third`.
    pub third: &'a Buffer<u32>,
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device const float* norm`.
    pub norm: &'a Buffer<f32>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `threadgroup float* memory`: Its size in bytes.
    pub memory: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "mul_mv_affine_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MUL_MV_AFFINE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "w", self.w);
        args.read(1, "second", self.second);
        args.read(2, "third", self.third);
        args.read(3, "x", self.x);
        args.read(4, "norm", self.norm);
        args.write(5, "out", self.out);
        args.read(6, "ids", self.ids);
        args.value(7, "params", &self.params);
        args.threadgroup_memory(0, "memory", self.memory);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "mul_mv_affine_f32",
        family: "mul_mv_affine",
        file: "metal/mul_mv_affine.metal",
        dtypes: &["u32", "f32"],
        arguments: &[
            Argument::new(0, "w", "device const uint* w", Access::Read),
            Argument::new(1, "second", "device const uint* second", Access::Read),
            Argument::new(2, "third", "device const uint* third", Access::Read),
            Argument::new(3, "x", "device const float* x", Access::Read),
            Argument::new(4, "norm", "device const float* norm", Access::Read),
            Argument::new(5, "out", "device float* out", Access::ReadWrite),
            Argument::new(6, "ids", "device const uint* ids", Access::Read),
            Argument::new(7, "params", "constant Params& params", Access::Value),
            Argument::new(
                0,
                "memory",
                "threadgroup float* memory",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &[
            "ROW_PER_THREAD",
            "COLUMNS",
            "STAGED",
            "FUSED",
            "BITS",
            "GROUP",
            "BF16",
        ],
    },
    catalogue::Kernel {
        name: "mul_mv_affine_bf16",
        family: "mul_mv_affine",
        file: "metal/mul_mv_affine.metal",
        dtypes: &["u32", "bf16", "f32"],
        arguments: &[
            Argument::new(0, "w", "device const uint* w", Access::Read),
            Argument::new(1, "second", "device const uint* second", Access::Read),
            Argument::new(2, "third", "device const uint* third", Access::Read),
            Argument::new(3, "x", "device const bfloat* x", Access::Read),
            Argument::new(4, "norm", "device const float* norm", Access::Read),
            Argument::new(5, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(6, "ids", "device const uint* ids", Access::Read),
            Argument::new(7, "params", "constant Params& params", Access::Value),
            Argument::new(
                0,
                "memory",
                "threadgroup float* memory",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &[
            "ROW_PER_THREAD",
            "COLUMNS",
            "STAGED",
            "FUSED",
            "BITS",
            "GROUP",
            "BF16",
        ],
    },
];
