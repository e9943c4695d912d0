//! Launch bindings of `metal/rms_norm.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint columns`.
    pub columns: u32,
    /// `float eps`.
    pub eps: f32,
    /// `uint inner`.
    pub inner: u32,
    /// `uint outer_stride`.
    pub outer_stride: u32,
    /// `uint inner_stride`.
    pub inner_stride: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 20);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, eps) == 4);
    assert!(std::mem::offset_of!(Params, inner) == 8);
    assert!(std::mem::offset_of!(Params, outer_stride) == 12);
    assert!(std::mem::offset_of!(Params, inner_stride) == 16);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `uint WEIGHT`, function constant 1.
    pub weight: u32,
    /// `bool SILU`, function constant 2.
    pub silu: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.row_per_thread)
            .with(1, self.weight)
            .with(2, self.silu)
    }
}

/// rms_norm_f32 whose result goes to out, rows one behind the other, and rounded to `rounded`, where Params say: for those who go on with one or
/// the other.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct DualF32Bf16<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `device bfloat* rounded`.
    pub rounded: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for DualF32Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_dual_f32_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.write(2, "out", self.out);
        args.write(3, "rounded", self.rounded);
        args.value(4, "params", &self.params);
    }
}

/// out\[r, i\] = x\[r, i\] \* w\[i\] / sqrt(mean over i of x\[r, i\]^2 + eps); x and out are \[rows, columns\], weight is \[columns\], and w is
/// one, weight, or 1 + weight, as WEIGHT says.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct F32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// The same in place: x is \[rows, columns\]. The norm of each head of queries or keys is this on \[tokens \* heads, head_size\].
pub struct AssignF32<'a> {
    /// `device float* x`.
    pub x: &'a mut Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AssignF32<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_assign_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.value(2, "params", &self.params);
    }
}

/// out\[r, i\] = silu(z\[r, i\]) \* x\[r, i\] \* w\[i\] / sqrt(mean over i of x\[r, i\]^2 + eps), the norm behind linear attention, or without the silu; x, z
/// and out are \[rows, columns\], weight is \[columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct GatedF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device const float* z`.
    pub z: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for GatedF32<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_gated_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.read(2, "z", self.z);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

/// out\[r\] = sum over i of x\[r, i\]^2, in f32; x is \[rows, columns\], out is \[rows\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct SumSquaresF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for SumSquaresF32<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_sum_squares_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

/// out\[r, i\] = x\[r, i\] \* w\[i\] / sqrt(mean over i of x\[r, i\]^2 + eps); x and out are \[rows, columns\], weight is \[columns\], and w is
/// one, weight, or 1 + weight, as WEIGHT says.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct F16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device const half* weight`.
    pub weight: &'a Buffer<half::f16>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// The same in place: x is \[rows, columns\]. The norm of each head of queries or keys is this on \[tokens \* heads, head_size\].
pub struct AssignF16<'a> {
    /// `device half* x`.
    pub x: &'a mut Buffer<half::f16>,
    /// `device const half* weight`.
    pub weight: &'a Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AssignF16<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_assign_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.value(2, "params", &self.params);
    }
}

/// out\[r, i\] = silu(z\[r, i\]) \* x\[r, i\] \* w\[i\] / sqrt(mean over i of x\[r, i\]^2 + eps), the norm behind linear attention, or without the silu; x, z
/// and out are \[rows, columns\], weight is \[columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct GatedF16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device const half* weight`.
    pub weight: &'a Buffer<half::f16>,
    /// `device const half* z`.
    pub z: &'a Buffer<half::f16>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for GatedF16<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_gated_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.read(2, "z", self.z);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

/// out\[r\] = sum over i of x\[r, i\]^2, in f32; x is \[rows, columns\], out is \[rows\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct SumSquaresF16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for SumSquaresF16<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_sum_squares_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

/// out\[r, i\] = x\[r, i\] \* w\[i\] / sqrt(mean over i of x\[r, i\]^2 + eps); x and out are \[rows, columns\], weight is \[columns\], and w is
/// one, weight, or 1 + weight, as WEIGHT says.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct Bf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device const bfloat* weight`.
    pub weight: &'a Buffer<half::bf16>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// The same in place: x is \[rows, columns\]. The norm of each head of queries or keys is this on \[tokens \* heads, head_size\].
pub struct AssignBf16<'a> {
    /// `device bfloat* x`.
    pub x: &'a mut Buffer<half::bf16>,
    /// `device const bfloat* weight`.
    pub weight: &'a Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for AssignBf16<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_assign_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.value(2, "params", &self.params);
    }
}

/// out\[r, i\] = silu(z\[r, i\]) \* x\[r, i\] \* w\[i\] / sqrt(mean over i of x\[r, i\]^2 + eps), the norm behind linear attention, or without the silu; x, z
/// and out are \[rows, columns\], weight is \[columns\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct GatedBf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device const bfloat* weight`.
    pub weight: &'a Buffer<half::bf16>,
    /// `device const bfloat* z`.
    pub z: &'a Buffer<half::bf16>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for GatedBf16<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_gated_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.read(2, "z", self.z);
        args.write(3, "out", self.out);
        args.value(4, "params", &self.params);
    }
}

/// out\[r\] = sum over i of x\[r, i\]^2, in f32; x is \[rows, columns\], out is \[rows\].
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row.
pub struct SumSquaresBf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for SumSquaresBf16<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_sum_squares_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

/// Weights as they are in memory of a model of bf16.
pub struct F32Bf16<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const bfloat* weight`.
    pub weight: &'a Buffer<half::bf16>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "rms_norm_f32_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::RMS_NORM
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "weight", self.weight);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "rms_norm_dual_f32_bf16",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f32", "bf16"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "rounded", "device bfloat* rounded", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_f32",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_assign_f32",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device float* x", Access::ReadWrite),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_gated_f32",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(2, "z", "device const float* z", Access::Read),
            Argument::new(3, "out", "device float* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_sum_squares_f32",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "out", "device float* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_f16",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "weight", "device const half* weight", Access::Read),
            Argument::new(2, "out", "device half* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_assign_f16",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "x", "device half* x", Access::ReadWrite),
            Argument::new(1, "weight", "device const half* weight", Access::Read),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_gated_f16",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f16"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "weight", "device const half* weight", Access::Read),
            Argument::new(2, "z", "device const half* z", Access::Read),
            Argument::new(3, "out", "device half* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_sum_squares_f16",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f16", "f32"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "out", "device float* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_bf16",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "weight", "device const bfloat* weight", Access::Read),
            Argument::new(2, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_assign_bf16",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "x", "device bfloat* x", Access::ReadWrite),
            Argument::new(1, "weight", "device const bfloat* weight", Access::Read),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_gated_bf16",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["bf16"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "weight", "device const bfloat* weight", Access::Read),
            Argument::new(2, "z", "device const bfloat* z", Access::Read),
            Argument::new(3, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_sum_squares_bf16",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["bf16", "f32"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "out", "device float* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
    catalogue::Kernel {
        name: "rms_norm_f32_bf16",
        family: "rms_norm",
        file: "metal/rms_norm.metal",
        dtypes: &["f32", "bf16"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "weight", "device const bfloat* weight", Access::Read),
            Argument::new(2, "out", "device float* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "WEIGHT", "SILU"],
    },
];
