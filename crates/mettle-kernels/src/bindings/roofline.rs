//! Launch bindings of `metal/roofline.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// How the arithmetic rate is measured.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint steps`: rounds of the loop
    pub steps: u32,
    /// `float factor`.
    pub factor: f32,
    /// `float addend`.
    pub addend: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 12);
    assert!(std::mem::offset_of!(Params, steps) == 0);
    assert!(std::mem::offset_of!(Params, factor) == 4);
    assert!(std::mem::offset_of!(Params, addend) == 8);
};

/// to\[i\] = from\[i\]. One thread for four values; both hold four values for each thread of the grid.
pub struct CopyF32<'a> {
    /// `device const float4* from`.
    pub from: &'a Buffer<[f32; 4]>,
    /// `device float4* to`.
    pub to: &'a mut Buffer<[f32; 4]>,
}

impl Binding for CopyF32<'_> {
    fn kernel(&self) -> &'static str {
        "roofline_copy_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ROOFLINE
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "from", self.from);
        args.write(1, "to", self.to);
    }
}

/// sums\[i\] = the sum of the vectors i, i + threads, i + 2 threads, ... of `from`, which holds READ for each thread of the
/// grid: as little besides reading as there can be.
pub struct ReadF32<'a> {
    /// `device const float4* from`.
    pub from: &'a Buffer<[f32; 4]>,
    /// `device float* sums`.
    pub sums: &'a mut Buffer<f32>,
}

impl Binding for ReadF32<'_> {
    fn kernel(&self) -> &'static str {
        "roofline_read_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ROOFLINE
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "from", self.from);
        args.write(1, "sums", self.sums);
    }
}

/// out\[i\] = s after `steps` times s = s \* factor + addend, from the s that i mod 8 gives. Eight sums of sixteen values go
/// side by side, so that the rate is bound by the number of multipliers and not by the time that one takes. Each thread does
/// 256 operations a step and writes 128 values.
pub struct FmaF32<'a> {
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for FmaF32<'_> {
    fn kernel(&self) -> &'static str {
        "roofline_fma_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ROOFLINE
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "out", self.out);
        args.value(1, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "roofline_copy_f32",
        family: "roofline",
        file: "metal/roofline.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "from", "device const float4* from", Access::Read),
            Argument::new(1, "to", "device float4* to", Access::ReadWrite),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "roofline_read_f32",
        family: "roofline",
        file: "metal/roofline.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "from", "device const float4* from", Access::Read),
            Argument::new(1, "sums", "device float* sums", Access::ReadWrite),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "roofline_fma_f32",
        family: "roofline",
        file: "metal/roofline.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "out", "device float* out", Access::ReadWrite),
            Argument::new(1, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
];
