//! Launch bindings of `metal/tri_solve.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint n`: rows and columns of a matrix
    pub n: u32,
    /// `uint columns`: right-hand sides of a matrix
    pub columns: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 8);
    assert!(std::mem::offset_of!(Params, n) == 0);
    assert!(std::mem::offset_of!(Params, columns) == 4);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool INTERLEAVED`, function constant 0.
    pub interleaved: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY.with(0, self.interleaved)
    }
}

/// L x = b for each matrix of a batch, by forward substitution: x\[i, :\] = b\[i, :\] - sum over j \< i of l\[i, j\] x\[j, :\]. What l has on its
/// diagonal and above is not read. l is \[batch, n, n\], b and x are \[batch, n, columns\].
///
/// One thread for sixteen columns of a matrix: the grid is \[threads for the columns, batch\].
pub struct F32<'a> {
    /// `device const float* l`.
    pub l: &'a Buffer<f32>,
    /// `device const float* b`.
    pub b: &'a Buffer<f32>,
    /// `device float* x`.
    pub x: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "tri_solve_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::TRI_SOLVE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "l", self.l);
        args.read(1, "b", self.b);
        args.write(2, "x", self.x);
        args.value(3, "params", &self.params);
    }
}

/// L x = b for each matrix of a batch, by forward substitution: x\[i, :\] = b\[i, :\] - sum over j \< i of l\[i, j\] x\[j, :\]. What l has on its
/// diagonal and above is not read. l is \[batch, n, n\], b and x are \[batch, n, columns\].
///
/// One thread for sixteen columns of a matrix: the grid is \[threads for the columns, batch\].
pub struct F16<'a> {
    /// `device const half* l`.
    pub l: &'a Buffer<half::f16>,
    /// `device const half* b`.
    pub b: &'a Buffer<half::f16>,
    /// `device float* x`.
    pub x: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "tri_solve_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::TRI_SOLVE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "l", self.l);
        args.read(1, "b", self.b);
        args.write(2, "x", self.x);
        args.value(3, "params", &self.params);
    }
}

/// L x = b for each matrix of a batch, by forward substitution: x\[i, :\] = b\[i, :\] - sum over j \< i of l\[i, j\] x\[j, :\]. What l has on its
/// diagonal and above is not read. l is \[batch, n, n\], b and x are \[batch, n, columns\].
///
/// One thread for sixteen columns of a matrix: the grid is \[threads for the columns, batch\].
pub struct Bf16<'a> {
    /// `device const bfloat* l`.
    pub l: &'a Buffer<half::bf16>,
    /// `device const bfloat* b`.
    pub b: &'a Buffer<half::bf16>,
    /// `device float* x`.
    pub x: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "tri_solve_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::TRI_SOLVE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "l", self.l);
        args.read(1, "b", self.b);
        args.write(2, "x", self.x);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "tri_solve_f32",
        family: "tri_solve",
        file: "metal/tri_solve.metal",
        dtypes: &["f32"],
        arguments: &[
            Argument::new(0, "l", "device const float* l", Access::Read),
            Argument::new(1, "b", "device const float* b", Access::Read),
            Argument::new(2, "x", "device float* x", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "tri_solve_f16",
        family: "tri_solve",
        file: "metal/tri_solve.metal",
        dtypes: &["f16", "f32"],
        arguments: &[
            Argument::new(0, "l", "device const half* l", Access::Read),
            Argument::new(1, "b", "device const half* b", Access::Read),
            Argument::new(2, "x", "device float* x", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
    catalogue::Kernel {
        name: "tri_solve_bf16",
        family: "tri_solve",
        file: "metal/tri_solve.metal",
        dtypes: &["bf16", "f32"],
        arguments: &[
            Argument::new(0, "l", "device const bfloat* l", Access::Read),
            Argument::new(1, "b", "device const bfloat* b", Access::Read),
            Argument::new(2, "x", "device float* x", Access::ReadWrite),
            Argument::new(3, "params", "constant Params& params", Access::Value),
        ],
        constants: &["INTERLEAVED"],
    },
];
