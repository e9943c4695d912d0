//! Launch bindings of `metal/dequantize.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit, Format};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint columns`: whole blocks
    pub columns: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 4);
    assert!(std::mem::offset_of!(Params, columns) == 0);
};

/// One of the kernels `dequantize_*`, by the format of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelOf(&'static str);

impl KernelOf {
    /// The kernel for weights of a format; `None` where there is none.
    pub fn of(format: Format) -> Option<KernelOf> {
        Some(KernelOf(match format {
            Format::Q4_0 => "dequantize_q4_0",
            Format::Q4_1 => "dequantize_q4_1",
            Format::Q5_0 => "dequantize_q5_0",
            Format::Q5_1 => "dequantize_q5_1",
            Format::Q8_0 => "dequantize_q8_0",
            Format::Q2_K => "dequantize_q2_K",
            Format::Q3_K => "dequantize_q3_K",
            Format::Q4_K => "dequantize_q4_K",
            Format::Q5_K => "dequantize_q5_K",
            Format::Q6_K => "dequantize_q6_K",
            Format::IQ4_NL => "dequantize_iq4_nl",
            Format::IQ4_XS => "dequantize_iq4_xs",
            Format::TQ2_0 => "dequantize_tq2_0",
            Format::Q1_0 => "dequantize_q1_0",
            Format::TQ2_0_g128 => "dequantize_tq2_0_g128",
            Format::F8_E4M3 => "dequantize_f8_e4m3",
            Format::F8_E5M2 => "dequantize_f8_e5m2",
            Format::KHQ4 => "dequantize_khq4",
            Format::Q3 => "dequantize_q3",
            _ => return None,
        }))
    }

    /// Its host name.
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// out\[r, c\] = w\[r, c\] rounded to half, beyond 65504 to infinity; both are \[rows, columns\], out is aligned to sixteen bytes.
///
/// A thread for sixteen columns of a row. The grid is \[rows, n\] threadgroups of whole SIMD groups, as many as have a thread for all columns.
pub struct Kernel<'a> {
    /// Which kernel.
    pub kernel: KernelOf,
    /// `device const W* w`.
    pub w: &'a Buffer<u8>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        self.kernel.name()
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::DEQUANTIZE
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "w", self.w);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "dequantize_q4_0",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q4_0", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_0* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_q4_1",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q4_1", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_1* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_q5_0",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q5_0", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_0* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_q5_1",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q5_1", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_1* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_q8_0",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q8_0", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q8_0* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_q2_K",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q2_K", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q2_K* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_q3_K",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q3_K", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q3_K* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_q4_K",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q4_K", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q4_K* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_q5_K",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q5_K", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q5_K* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_q6_K",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q6_K", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q6_K* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_iq4_nl",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["iq4_nl", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_iq4_nl* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_iq4_xs",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["iq4_xs", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_iq4_xs* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_tq2_0",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["tq2_0", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_tq2_0* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_q1_0",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q1_0", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q1_0* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_tq2_0_g128",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["tq2_0_g128", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_tq2_0_g128* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_f8_e4m3",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["f8_e4m3", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_f8_e4m3* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_f8_e5m2",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["f8_e5m2", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_f8_e5m2* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_khq4",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["khq4", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_khq4* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "dequantize_q3",
        family: "dequantize",
        file: "metal/dequantize.metal",
        dtypes: &["q3", "f16"],
        arguments: &[
            Argument::new(0, "w", "device const block_q3* w", Access::Read),
            Argument::new(1, "out", "device half* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
];
