//! Launch bindings of `metal/mul_panel.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit, Format};

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

/// One of the kernels `mul_panel_*_f32`, by the format of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct F32Of(&'static str);

impl F32Of {
    /// The kernel for weights of a format; `None` where there is none.
    pub fn of(format: Format) -> Option<F32Of> {
        Some(F32Of(match format {
            Format::F32 => "mul_panel_f32_f32",
            Format::F16 => "mul_panel_f16_f32",
            Format::BF16 => "mul_panel_bf16_f32",
            Format::Q4_0 => "mul_panel_q4_0_f32",
            Format::Q4_1 => "mul_panel_q4_1_f32",
            Format::Q5_0 => "mul_panel_q5_0_f32",
            Format::Q5_1 => "mul_panel_q5_1_f32",
            Format::Q8_0 => "mul_panel_q8_0_f32",
            Format::Q2_K => "mul_panel_q2_K_f32",
            Format::Q3_K => "mul_panel_q3_K_f32",
            Format::Q4_K => "mul_panel_q4_K_f32",
            Format::Q5_K => "mul_panel_q5_K_f32",
            Format::Q6_K => "mul_panel_q6_K_f32",
            Format::IQ4_NL => "mul_panel_iq4_nl_f32",
            Format::IQ4_XS => "mul_panel_iq4_xs_f32",
            Format::TQ2_0 => "mul_panel_tq2_0_f32",
            Format::Q1_0 => "mul_panel_q1_0_f32",
            Format::TQ2_0_g128 => "mul_panel_tq2_0_g128_f32",
            Format::F8_E4M3 => "mul_panel_f8_e4m3_f32",
            Format::F8_E5M2 => "mul_panel_f8_e5m2_f32",
            Format::KHQ4 => "mul_panel_khq4_f32",
            Format::Q3 => "mul_panel_q3_f32",
            _ => return None,
        }))
    }

    /// Its host name.
    pub fn name(self) -> &'static str {
        self.0
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
    /// Which kernel.
    pub kernel: F32Of,
    /// `device const W* w`.
    pub w: &'a Buffer<u8>,
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
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        self.kernel.name()
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MUL_PANEL
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
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

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "mul_panel_f32_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const float* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_f16_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["f16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const half* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_bf16_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["bf16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const bfloat* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q4_0_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q4_0", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_0* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q4_1_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q4_1", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_1* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q5_0_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q5_0", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_0* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q5_1_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q5_1", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_1* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q8_0_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q8_0", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q8_0* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q2_K_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q2_K", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q2_K* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q3_K_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q3_K", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q3_K* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q4_K_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q4_K", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_K* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q5_K_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q5_K", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_K* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q6_K_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q6_K", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q6_K* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_iq4_nl_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["iq4_nl", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_iq4_nl* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_iq4_xs_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["iq4_xs", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_iq4_xs* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_tq2_0_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["tq2_0", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_tq2_0* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q1_0_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q1_0", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q1_0* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_tq2_0_g128_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["tq2_0_g128", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_tq2_0_g128* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_f8_e4m3_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["f8_e4m3", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_f8_e4m3* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_f8_e5m2_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["f8_e5m2", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_f8_e5m2* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_khq4_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["khq4", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_khq4* w", Access::Read),
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
        constants: &[],
    },
    catalogue::Kernel {
        name: "mul_panel_q3_f32",
        family: "mul_panel",
        file: "metal/mul_panel.metal",
        dtypes: &["q3", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q3* w", Access::Read),
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
        constants: &[],
    },
];
