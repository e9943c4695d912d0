//! Launch bindings of `metal/argsort.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint columns`: of x
    pub columns: u32,
    /// `uint keep`: values wanted of each row
    pub keep: u32,
    /// `uint length`: of the stretches: those that are sorted, or each of the two that are merged
    pub length: u32,
    /// `uint stride`: of the output, from one row to the next
    pub stride: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 16);
    assert!(std::mem::offset_of!(Params, columns) == 0);
    assert!(std::mem::offset_of!(Params, keep) == 4);
    assert!(std::mem::offset_of!(Params, length) == 8);
    assert!(std::mem::offset_of!(Params, stride) == 12);
};

/// Sorts stretches of `length`: out\[r, first + n\] = the column of the n-th value of the stretch of row r that begins at `first`, for n
/// below `keep`. Among equal values the lowest column comes first. x is \[rows, columns\], out is \[rows, stride\].
///
/// One thread a value: the grid is \[columns, rows\].
pub struct F32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device uint* out`.
    pub out: &'a mut Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "argsort_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGSORT
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

/// Merges each two neighbouring stretches of `length` in `order`, as argsort_\* and this kernel write them with the row stride `columns`,
/// to one in out, of which again `keep` are kept. x is \[rows, columns\], order is \[rows, columns\], out is \[rows, stride\].
///
/// One thread a value: the grid is \[columns, rows\].
pub struct MergeF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const uint* order`.
    pub order: &'a Buffer<u32>,
    /// `device uint* out`.
    pub out: &'a mut Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for MergeF32<'_> {
    fn kernel(&self) -> &'static str {
        "argsort_merge_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGSORT
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "order", self.order);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// values\[r, i\] = x\[r, order\[r, i\]\]; x is \[rows, columns\], order and values are \[rows, keep\].
///
/// One thread a value: the grid is \[keep, rows\].
pub struct ValuesF32<'a> {
    /// `device const float* x`.
    pub x: &'a Buffer<f32>,
    /// `device const uint* order`.
    pub order: &'a Buffer<u32>,
    /// `device float* values`.
    pub values: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for ValuesF32<'_> {
    fn kernel(&self) -> &'static str {
        "argsort_values_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGSORT
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "order", self.order);
        args.write(2, "values", self.values);
        args.value(3, "params", &self.params);
    }
}

/// Sorts stretches of `length`: out\[r, first + n\] = the column of the n-th value of the stretch of row r that begins at `first`, for n
/// below `keep`. Among equal values the lowest column comes first. x is \[rows, columns\], out is \[rows, stride\].
///
/// One thread a value: the grid is \[columns, rows\].
pub struct F16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device uint* out`.
    pub out: &'a mut Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "argsort_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGSORT
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

/// Merges each two neighbouring stretches of `length` in `order`, as argsort_\* and this kernel write them with the row stride `columns`,
/// to one in out, of which again `keep` are kept. x is \[rows, columns\], order is \[rows, columns\], out is \[rows, stride\].
///
/// One thread a value: the grid is \[columns, rows\].
pub struct MergeF16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device const uint* order`.
    pub order: &'a Buffer<u32>,
    /// `device uint* out`.
    pub out: &'a mut Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for MergeF16<'_> {
    fn kernel(&self) -> &'static str {
        "argsort_merge_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGSORT
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "order", self.order);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// values\[r, i\] = x\[r, order\[r, i\]\]; x is \[rows, columns\], order and values are \[rows, keep\].
///
/// One thread a value: the grid is \[keep, rows\].
pub struct ValuesF16<'a> {
    /// `device const half* x`.
    pub x: &'a Buffer<half::f16>,
    /// `device const uint* order`.
    pub order: &'a Buffer<u32>,
    /// `device half* values`.
    pub values: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for ValuesF16<'_> {
    fn kernel(&self) -> &'static str {
        "argsort_values_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGSORT
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "order", self.order);
        args.write(2, "values", self.values);
        args.value(3, "params", &self.params);
    }
}

/// Sorts stretches of `length`: out\[r, first + n\] = the column of the n-th value of the stretch of row r that begins at `first`, for n
/// below `keep`. Among equal values the lowest column comes first. x is \[rows, columns\], out is \[rows, stride\].
///
/// One thread a value: the grid is \[columns, rows\].
pub struct Bf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device uint* out`.
    pub out: &'a mut Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "argsort_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGSORT
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.write(1, "out", self.out);
        args.value(2, "params", &self.params);
    }
}

/// Merges each two neighbouring stretches of `length` in `order`, as argsort_\* and this kernel write them with the row stride `columns`,
/// to one in out, of which again `keep` are kept. x is \[rows, columns\], order is \[rows, columns\], out is \[rows, stride\].
///
/// One thread a value: the grid is \[columns, rows\].
pub struct MergeBf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device const uint* order`.
    pub order: &'a Buffer<u32>,
    /// `device uint* out`.
    pub out: &'a mut Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for MergeBf16<'_> {
    fn kernel(&self) -> &'static str {
        "argsort_merge_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGSORT
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "order", self.order);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

/// values\[r, i\] = x\[r, order\[r, i\]\]; x is \[rows, columns\], order and values are \[rows, keep\].
///
/// One thread a value: the grid is \[keep, rows\].
pub struct ValuesBf16<'a> {
    /// `device const bfloat* x`.
    pub x: &'a Buffer<half::bf16>,
    /// `device const uint* order`.
    pub order: &'a Buffer<u32>,
    /// `device bfloat* values`.
    pub values: &'a mut Buffer<half::bf16>,
    /// `constant Params& params`.
    pub params: Params,
}

impl Binding for ValuesBf16<'_> {
    fn kernel(&self) -> &'static str {
        "argsort_values_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ARGSORT
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "x", self.x);
        args.read(1, "order", self.order);
        args.write(2, "values", self.values);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "argsort_f32",
        family: "argsort",
        file: "metal/argsort.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "out", "device uint* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "argsort_merge_f32",
        family: "argsort",
        file: "metal/argsort.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "order", "device const uint* order", Access::Read),
            Argument::new(2, "out", "device uint* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "argsort_values_f32",
        family: "argsort",
        file: "metal/argsort.metal",
        dtypes: &["f32", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const float* x", Access::Read),
            Argument::new(1, "order", "device const uint* order", Access::Read),
            Argument::new(2, "values", "device float* values", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "argsort_f16",
        family: "argsort",
        file: "metal/argsort.metal",
        dtypes: &["f16", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "out", "device uint* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "argsort_merge_f16",
        family: "argsort",
        file: "metal/argsort.metal",
        dtypes: &["f16", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "order", "device const uint* order", Access::Read),
            Argument::new(2, "out", "device uint* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "argsort_values_f16",
        family: "argsort",
        file: "metal/argsort.metal",
        dtypes: &["f16", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const half* x", Access::Read),
            Argument::new(1, "order", "device const uint* order", Access::Read),
            Argument::new(2, "values", "device half* values", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "argsort_bf16",
        family: "argsort",
        file: "metal/argsort.metal",
        dtypes: &["bf16", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "out", "device uint* out", Access::ReadWrite),
            Argument::new(2, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "argsort_merge_bf16",
        family: "argsort",
        file: "metal/argsort.metal",
        dtypes: &["bf16", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "order", "device const uint* order", Access::Read),
            Argument::new(2, "out", "device uint* out", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "argsort_values_bf16",
        family: "argsort",
        file: "metal/argsort.metal",
        dtypes: &["bf16", "u32"],
        arguments: &[
            Argument::new(0, "x", "device const bfloat* x", Access::Read),
            Argument::new(1, "order", "device const uint* order", Access::Read),
            Argument::new(2, "values", "device bfloat* values", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
];
