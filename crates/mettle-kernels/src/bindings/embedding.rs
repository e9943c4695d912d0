//! Launch bindings of `metal/embedding.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit, Format};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint rows`: of the table
    pub rows: u32,
    /// `uint columns`: of the table and of the output
    pub columns: u32,
    /// `float scale`: of what is decoded
    pub scale: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 12);
    assert!(std::mem::offset_of!(Params, rows) == 0);
    assert!(std::mem::offset_of!(Params, columns) == 4);
    assert!(std::mem::offset_of!(Params, scale) == 8);
};

/// One of the kernels `embedding_*`, by the format of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelOf(&'static str);

impl KernelOf {
    /// The kernel for weights of a format; `None` where there is none.
    pub fn of(format: Format) -> Option<KernelOf> {
        Some(KernelOf(match format {
            Format::F32 => "embedding_f32",
            Format::F16 => "embedding_f16",
            Format::BF16 => "embedding_bf16",
            Format::Q4_0 => "embedding_q4_0",
            Format::Q4_1 => "embedding_q4_1",
            Format::Q5_0 => "embedding_q5_0",
            Format::Q5_1 => "embedding_q5_1",
            Format::Q8_0 => "embedding_q8_0",
            Format::Q2_K => "embedding_q2_K",
            Format::Q3_K => "embedding_q3_K",
            Format::Q4_K => "embedding_q4_K",
            Format::Q5_K => "embedding_q5_K",
            Format::Q6_K => "embedding_q6_K",
            Format::IQ4_NL => "embedding_iq4_nl",
            Format::IQ4_XS => "embedding_iq4_xs",
            Format::TQ2_0 => "embedding_tq2_0",
            Format::Q1_0 => "embedding_q1_0",
            Format::TQ2_0_g128 => "embedding_tq2_0_g128",
            Format::F8_E4M3 => "embedding_f8_e4m3",
            Format::F8_E5M2 => "embedding_f8_e5m2",
            Format::KHQ4 => "embedding_khq4",
            Format::Q3 => "embedding_q3",
            _ => return None,
        }))
    }

    /// Its host name.
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// out\[t, :\] = scale \* table\[ids\[t\], :\] for tokens t; table is \[rows, columns\], ids is \[tokens\], out is \[tokens, columns\].
/// An id that is not below `rows` gives a row of NaN: nothing is read outside the table, and the mistake shows.
///
/// One thread for sixteen columns of a token: the grid is \[ceil(columns / 16), tokens\].
pub struct Kernel<'a> {
    /// Which kernel.
    pub kernel: KernelOf,
    /// `device const W* table`.
    pub table: &'a Buffer<u8>,
    /// `device const uint* ids`.
    pub ids: &'a Buffer<u32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        self.kernel.name()
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::EMBEDDING
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "table", self.table);
        args.read(1, "ids", self.ids);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "embedding_f32",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "table", "device const float* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_f16",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["f16", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const half* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_bf16",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["bf16", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const bfloat* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q4_0",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q4_0", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q4_0* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q4_1",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q4_1", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q4_1* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q5_0",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q5_0", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q5_0* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q5_1",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q5_1", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q5_1* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q8_0",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q8_0", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q8_0* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q2_K",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q2_K", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q2_K* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q3_K",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q3_K", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q3_K* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q4_K",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q4_K", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q4_K* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q5_K",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q5_K", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q5_K* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q6_K",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q6_K", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q6_K* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_iq4_nl",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["iq4_nl", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_iq4_nl* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_iq4_xs",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["iq4_xs", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_iq4_xs* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_tq2_0",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["tq2_0", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_tq2_0* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q1_0",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q1_0", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q1_0* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_tq2_0_g128",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["tq2_0_g128", "u32", "f32"],
        arguments: &[
            Argument::new(
                0,
                "table",
                "device const block_tq2_0_g128* table",
                Access::Read,
            ),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_f8_e4m3",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["f8_e4m3", "u32", "f32"],
        arguments: &[
            Argument::new(
                0,
                "table",
                "device const block_f8_e4m3* table",
                Access::Read,
            ),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_f8_e5m2",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["f8_e5m2", "u32", "f32"],
        arguments: &[
            Argument::new(
                0,
                "table",
                "device const block_f8_e5m2* table",
                Access::Read,
            ),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_khq4",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["khq4", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_khq4* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "embedding_q3",
        family: "embedding",
        file: "metal/embedding.metal",
        dtypes: &["q3", "u32", "f32"],
        arguments: &[
            Argument::new(0, "table", "device const block_q3* table", Access::Read),
            Argument::new(1, "ids", "device const uint* ids", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
];
