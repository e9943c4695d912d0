//! Launch bindings of `metal/mul_mv.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit, Format};

pub use super::types::Params;

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
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
            .with(0, self.row_per_thread)
            .with(1, self.columns)
            .with(2, self.staged)
            .with(3, self.fused)
    }
}

/// One of the kernels `mul_mv_*_f32`, by the format of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct F32Of(&'static str);

impl F32Of {
    /// The kernel for weights of a format; `None` where there is none.
    pub fn of(format: Format) -> Option<F32Of> {
        Some(F32Of(match format {
            Format::F32 => "mul_mv_f32_f32",
            Format::F16 => "mul_mv_f16_f32",
            Format::BF16 => "mul_mv_bf16_f32",
            Format::Q4_0 => "mul_mv_q4_0_f32",
            Format::Q4_1 => "mul_mv_q4_1_f32",
            Format::Q5_0 => "mul_mv_q5_0_f32",
            Format::Q5_1 => "mul_mv_q5_1_f32",
            Format::Q8_0 => "mul_mv_q8_0_f32",
            Format::Q2_K => "mul_mv_q2_K_f32",
            Format::Q3_K => "mul_mv_q3_K_f32",
            Format::Q4_K => "mul_mv_q4_K_f32",
            Format::Q5_K => "mul_mv_q5_K_f32",
            Format::Q6_K => "mul_mv_q6_K_f32",
            Format::IQ4_NL => "mul_mv_iq4_nl_f32",
            Format::IQ4_XS => "mul_mv_iq4_xs_f32",
            Format::TQ2_0 => "mul_mv_tq2_0_f32",
            Format::Q1_0 => "mul_mv_q1_0_f32",
            Format::TQ2_0_g128 => "mul_mv_tq2_0_g128_f32",
            Format::F8_E4M3 => "mul_mv_f8_e4m3_f32",
            Format::F8_E5M2 => "mul_mv_f8_e5m2_f32",
            Format::KHQ4 => "mul_mv_khq4_f32",
            Format::Q3 => "mul_mv_q3_f32",
            _ => return None,
        }))
    }

    /// Its host name.
    pub fn name(self) -> &'static str {
        self.0
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
    /// Which kernel.
    pub kernel: F32Of,
    /// `device const W* w`.
    pub w: &'a Buffer<u8>,
    /// `device const W* second`.
    pub second: &'a Buffer<u8>,
    /// `device const W* third`.
    pub third: &'a Buffer<u8>,
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
        self.kernel.name()
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MUL_MV
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
pub struct F16F16<'a> {
    /// `device const half* w`.
    pub w: &'a Buffer<half::f16>,
    /// `device const half* second`.
    pub second: &'a Buffer<half::f16>,
    /// `device const half* third`.
    pub third: &'a Buffer<half::f16>,
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device const float* norm`.
    pub norm: &'a Buffer<f32>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `threadgroup float* memory`: Its size in bytes.
    pub memory: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16F16<'_> {
    fn kernel(&self) -> &'static str {
        "mul_mv_f16_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MUL_MV
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
        name: "mul_mv_f32_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const float* w", Access::Read),
            Argument::new(1, "second", "device const float* second", Access::Read),
            Argument::new(2, "third", "device const float* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_f16_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["f16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const half* w", Access::Read),
            Argument::new(1, "second", "device const half* second", Access::Read),
            Argument::new(2, "third", "device const half* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_bf16_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["bf16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const bfloat* w", Access::Read),
            Argument::new(1, "second", "device const bfloat* second", Access::Read),
            Argument::new(2, "third", "device const bfloat* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q4_0_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q4_0", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_0* w", Access::Read),
            Argument::new(1, "second", "device const block_q4_0* second", Access::Read),
            Argument::new(2, "third", "device const block_q4_0* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q4_1_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q4_1", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_1* w", Access::Read),
            Argument::new(1, "second", "device const block_q4_1* second", Access::Read),
            Argument::new(2, "third", "device const block_q4_1* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q5_0_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q5_0", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_0* w", Access::Read),
            Argument::new(1, "second", "device const block_q5_0* second", Access::Read),
            Argument::new(2, "third", "device const block_q5_0* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q5_1_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q5_1", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_1* w", Access::Read),
            Argument::new(1, "second", "device const block_q5_1* second", Access::Read),
            Argument::new(2, "third", "device const block_q5_1* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q8_0_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q8_0", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q8_0* w", Access::Read),
            Argument::new(1, "second", "device const block_q8_0* second", Access::Read),
            Argument::new(2, "third", "device const block_q8_0* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q2_K_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q2_K", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q2_K* w", Access::Read),
            Argument::new(1, "second", "device const block_q2_K* second", Access::Read),
            Argument::new(2, "third", "device const block_q2_K* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q3_K_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q3_K", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q3_K* w", Access::Read),
            Argument::new(1, "second", "device const block_q3_K* second", Access::Read),
            Argument::new(2, "third", "device const block_q3_K* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q4_K_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q4_K", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_K* w", Access::Read),
            Argument::new(1, "second", "device const block_q4_K* second", Access::Read),
            Argument::new(2, "third", "device const block_q4_K* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q5_K_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q5_K", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_K* w", Access::Read),
            Argument::new(1, "second", "device const block_q5_K* second", Access::Read),
            Argument::new(2, "third", "device const block_q5_K* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q6_K_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q6_K", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q6_K* w", Access::Read),
            Argument::new(1, "second", "device const block_q6_K* second", Access::Read),
            Argument::new(2, "third", "device const block_q6_K* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_iq4_nl_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["iq4_nl", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_iq4_nl* w", Access::Read),
            Argument::new(
                1,
                "second",
                "device const block_iq4_nl* second",
                Access::Read,
            ),
            Argument::new(2, "third", "device const block_iq4_nl* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_iq4_xs_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["iq4_xs", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_iq4_xs* w", Access::Read),
            Argument::new(
                1,
                "second",
                "device const block_iq4_xs* second",
                Access::Read,
            ),
            Argument::new(2, "third", "device const block_iq4_xs* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_tq2_0_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["tq2_0", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_tq2_0* w", Access::Read),
            Argument::new(
                1,
                "second",
                "device const block_tq2_0* second",
                Access::Read,
            ),
            Argument::new(2, "third", "device const block_tq2_0* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q1_0_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q1_0", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q1_0* w", Access::Read),
            Argument::new(1, "second", "device const block_q1_0* second", Access::Read),
            Argument::new(2, "third", "device const block_q1_0* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_tq2_0_g128_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["tq2_0_g128", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_tq2_0_g128* w", Access::Read),
            Argument::new(
                1,
                "second",
                "device const block_tq2_0_g128* second",
                Access::Read,
            ),
            Argument::new(
                2,
                "third",
                "device const block_tq2_0_g128* third",
                Access::Read,
            ),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_f8_e4m3_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["f8_e4m3", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_f8_e4m3* w", Access::Read),
            Argument::new(
                1,
                "second",
                "device const block_f8_e4m3* second",
                Access::Read,
            ),
            Argument::new(
                2,
                "third",
                "device const block_f8_e4m3* third",
                Access::Read,
            ),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_f8_e5m2_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["f8_e5m2", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_f8_e5m2* w", Access::Read),
            Argument::new(
                1,
                "second",
                "device const block_f8_e5m2* second",
                Access::Read,
            ),
            Argument::new(
                2,
                "third",
                "device const block_f8_e5m2* third",
                Access::Read,
            ),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_khq4_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["khq4", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_khq4* w", Access::Read),
            Argument::new(1, "second", "device const block_khq4* second", Access::Read),
            Argument::new(2, "third", "device const block_khq4* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_q3_f32",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["q3", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q3* w", Access::Read),
            Argument::new(1, "second", "device const block_q3* second", Access::Read),
            Argument::new(2, "third", "device const block_q3* third", Access::Read),
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
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mv_f16_f16",
        family: "mul_mv",
        file: "metal/mul_mv.metal",
        dtypes: &["f16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const half* w", Access::Read),
            Argument::new(1, "second", "device const half* second", Access::Read),
            Argument::new(2, "third", "device const half* third", Access::Read),
            Argument::new(3, "x", "device const half* x", Access::Read),
            Argument::new(4, "norm", "device const float* norm", Access::Read),
            Argument::new(5, "out", "device half* out", Access::ReadWrite),
            Argument::new(6, "ids", "device const uint* ids", Access::Read),
            Argument::new(7, "params", "constant Params& params", Access::Value),
            Argument::new(
                0,
                "memory",
                "threadgroup float* memory",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["ROW_PER_THREAD", "COLUMNS", "STAGED", "FUSED"],
    },
];
