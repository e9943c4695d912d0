//! Launch bindings of `metal/mul_mm.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit, Format};

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
    /// `bool LARGE`, function constant 0.
    pub large: bool,
    /// `uint FUSED`, function constant 1.
    pub fused: u32,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY.with(0, self.large).with(1, self.fused)
    }
}

/// One of the kernels `mul_mm_*_f32`, by the format of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct F32Of(&'static str);

impl F32Of {
    /// The kernel for weights of a format; `None` where there is none.
    pub fn of(format: Format) -> Option<F32Of> {
        Some(F32Of(match format {
            Format::F32 => "mul_mm_f32_f32",
            Format::F16 => "mul_mm_f16_f32",
            Format::BF16 => "mul_mm_bf16_f32",
            Format::Q4_0 => "mul_mm_q4_0_f32",
            Format::Q4_1 => "mul_mm_q4_1_f32",
            Format::Q5_0 => "mul_mm_q5_0_f32",
            Format::Q5_1 => "mul_mm_q5_1_f32",
            Format::Q8_0 => "mul_mm_q8_0_f32",
            Format::Q2_K => "mul_mm_q2_K_f32",
            Format::Q3_K => "mul_mm_q3_K_f32",
            Format::Q4_K => "mul_mm_q4_K_f32",
            Format::Q5_K => "mul_mm_q5_K_f32",
            Format::Q6_K => "mul_mm_q6_K_f32",
            Format::IQ4_NL => "mul_mm_iq4_nl_f32",
            Format::IQ4_XS => "mul_mm_iq4_xs_f32",
            Format::TQ2_0 => "mul_mm_tq2_0_f32",
            Format::Q1_0 => "mul_mm_q1_0_f32",
            Format::TQ2_0_g128 => "mul_mm_tq2_0_g128_f32",
            Format::F8_E4M3 => "mul_mm_f8_e4m3_f32",
            Format::F8_E5M2 => "mul_mm_f8_e5m2_f32",
            Format::KHQ4 => "mul_mm_khq4_f32",
            Format::Q3 => "mul_mm_q3_f32",
            _ => return None,
        }))
    }

    /// Its host name.
    pub fn name(self) -> &'static str {
        self.0
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
    /// Which kernel.
    pub kernel: F32Of,
    /// `device const W* w`.
    pub w: &'a Buffer<u8>,
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
    /// `device const W* second`.
    pub second: &'a Buffer<u8>,
    /// `threadgroup ushort* tiles`: Its size in bytes.
    pub tiles: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        self.kernel.name()
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MUL_MM
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
pub struct F16F16<'a> {
    /// `device const half* w`.
    pub w: &'a Buffer<half::f16>,
    /// `device const ushort* x`.
    pub x: &'a Buffer<u16>,
    /// `device const float* scale`.
    pub scale: &'a Buffer<f32>,
    /// `device const uint* experts`.
    pub experts: &'a Buffer<u32>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// `device const half* second`.
    pub second: &'a Buffer<half::f16>,
    /// `threadgroup ushort* tiles`: Its size in bytes.
    pub tiles: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16F16<'_> {
    fn kernel(&self) -> &'static str {
        "mul_mm_f16_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::MUL_MM
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

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "mul_mm_f32_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["f32", "u16", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const float* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const float* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_f16_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["f16", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const half* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const half* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_bf16_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["bf16", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const bfloat* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const bfloat* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q4_0_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q4_0", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_0* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q4_0* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q4_1_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q4_1", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_1* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q4_1* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q5_0_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q5_0", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_0* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q5_0* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q5_1_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q5_1", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_1* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q5_1* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q8_0_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q8_0", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q8_0* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q8_0* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q2_K_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q2_K", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q2_K* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q2_K* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q3_K_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q3_K", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q3_K* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q3_K* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q4_K_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q4_K", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_K* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q4_K* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q5_K_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q5_K", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_K* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q5_K* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q6_K_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q6_K", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q6_K* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q6_K* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_iq4_nl_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["iq4_nl", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_iq4_nl* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(
                6,
                "second",
                "device const block_iq4_nl* second",
                Access::Read,
            ),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_iq4_xs_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["iq4_xs", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_iq4_xs* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(
                6,
                "second",
                "device const block_iq4_xs* second",
                Access::Read,
            ),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_tq2_0_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["tq2_0", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_tq2_0* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(
                6,
                "second",
                "device const block_tq2_0* second",
                Access::Read,
            ),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q1_0_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q1_0", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q1_0* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q1_0* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_tq2_0_g128_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["tq2_0_g128", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_tq2_0_g128* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(
                6,
                "second",
                "device const block_tq2_0_g128* second",
                Access::Read,
            ),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_f8_e4m3_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["f8_e4m3", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_f8_e4m3* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(
                6,
                "second",
                "device const block_f8_e4m3* second",
                Access::Read,
            ),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_f8_e5m2_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["f8_e5m2", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_f8_e5m2* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(
                6,
                "second",
                "device const block_f8_e5m2* second",
                Access::Read,
            ),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_khq4_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["khq4", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_khq4* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_khq4* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_q3_f32",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["q3", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const block_q3* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device float* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const block_q3* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
    catalogue::Kernel {
        name: "mul_mm_f16_f16",
        family: "mul_mm",
        file: "metal/mul_mm.metal",
        dtypes: &["f16", "u16", "f32", "u32"],
        arguments: &[
            Argument::new(0, "w", "device const half* w", Access::Read),
            Argument::new(1, "x", "device const ushort* x", Access::Read),
            Argument::new(2, "scale", "device const float* scale", Access::Read),
            Argument::new(3, "experts", "device const uint* experts", Access::Read),
            Argument::new(4, "out", "device half* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "second", "device const half* second", Access::Read),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["LARGE", "FUSED"],
    },
];
