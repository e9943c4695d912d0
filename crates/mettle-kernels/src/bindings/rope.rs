//! Launch bindings of `metal/rope.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint tokens`.
    pub tokens: u32,
    /// `uint heads`.
    pub heads: u32,
    /// `uint head_size`.
    pub head_size: u32,
    /// `uint dims`: rotated dimensions of a head, even; the rest stay as they are
    pub dims: u32,
    /// `uint interleaved`: 1: pairs are (2i, 2i + 1); 0: pairs are (i, i + dims / 2)
    pub interleaved: u32,
    /// `float scale`: of the rotated values: the attention factor of YaRN, else 1
    pub scale: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 24);
    assert!(std::mem::offset_of!(Params, tokens) == 0);
    assert!(std::mem::offset_of!(Params, heads) == 4);
    assert!(std::mem::offset_of!(Params, head_size) == 8);
    assert!(std::mem::offset_of!(Params, dims) == 12);
    assert!(std::mem::offset_of!(Params, interleaved) == 16);
    assert!(std::mem::offset_of!(Params, scale) == 20);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool MULTI`, function constant 0.
    pub multi: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY.with(0, self.multi)
    }
}

/// In place, for every token t, head h and pair i \< dims / 2 with elements a and b:
/// a' = scale \* (a cos(angle) - b sin(angle)),  b' = scale \* (a sin(angle) + b cos(angle))
/// where angle = positions\[t\] \* frequencies\[i\], or positions\[streams\[i\], t\] \* frequencies\[i\] with MULTI. x is \[tokens, heads, head_size\],
/// positions is \[tokens\], or \[any, tokens\] with MULTI, frequencies is \[dims / 2\]: base^(-2i / dims), with any scaling of the context folded
/// in; streams is \[dims / 2\] and not read without MULTI.
///
/// Threads \[pair, token, z\] rotate heads z, z + Z, ... of the grid \[dims / 2, tokens, Z\]: on a GPU Z = heads; on a CPU
/// Z = 1, where the sine and cosine cost more than what they are used for.
pub struct F32<'a> {
    /// `device float* x`.
    pub x: &'a mut Buffer<f32>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device const float* frequencies`.
    pub frequencies: &'a Buffer<f32>,
    /// `device const uint* streams`.
    pub streams: &'a Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "rope_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ROPE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.read(1, "positions", self.positions);
        args.read(2, "frequencies", self.frequencies);
        args.read(3, "streams", self.streams);
        args.value(4, "params", &self.params);
    }
}

/// In place, for every token t, head h and pair i \< dims / 2 with elements a and b:
/// a' = scale \* (a cos(angle) - b sin(angle)),  b' = scale \* (a sin(angle) + b cos(angle))
/// where angle = positions\[t\] \* frequencies\[i\], or positions\[streams\[i\], t\] \* frequencies\[i\] with MULTI. x is \[tokens, heads, head_size\],
/// positions is \[tokens\], or \[any, tokens\] with MULTI, frequencies is \[dims / 2\]: base^(-2i / dims), with any scaling of the context folded
/// in; streams is \[dims / 2\] and not read without MULTI.
///
/// Threads \[pair, token, z\] rotate heads z, z + Z, ... of the grid \[dims / 2, tokens, Z\]: on a GPU Z = heads; on a CPU
/// Z = 1, where the sine and cosine cost more than what they are used for.
pub struct F16<'a> {
    /// `device half* x`.
    pub x: &'a mut Buffer<half::f16>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device const float* frequencies`.
    pub frequencies: &'a Buffer<f32>,
    /// `device const uint* streams`.
    pub streams: &'a Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "rope_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ROPE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.read(1, "positions", self.positions);
        args.read(2, "frequencies", self.frequencies);
        args.read(3, "streams", self.streams);
        args.value(4, "params", &self.params);
    }
}

/// In place, for every token t, head h and pair i \< dims / 2 with elements a and b:
/// a' = scale \* (a cos(angle) - b sin(angle)),  b' = scale \* (a sin(angle) + b cos(angle))
/// where angle = positions\[t\] \* frequencies\[i\], or positions\[streams\[i\], t\] \* frequencies\[i\] with MULTI. x is \[tokens, heads, head_size\],
/// positions is \[tokens\], or \[any, tokens\] with MULTI, frequencies is \[dims / 2\]: base^(-2i / dims), with any scaling of the context folded
/// in; streams is \[dims / 2\] and not read without MULTI.
///
/// Threads \[pair, token, z\] rotate heads z, z + Z, ... of the grid \[dims / 2, tokens, Z\]: on a GPU Z = heads; on a CPU
/// Z = 1, where the sine and cosine cost more than what they are used for.
pub struct Bf16<'a> {
    /// `device bfloat* x`.
    pub x: &'a mut Buffer<half::bf16>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device const float* frequencies`.
    pub frequencies: &'a Buffer<f32>,
    /// `device const uint* streams`.
    pub streams: &'a Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "rope_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ROPE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "x", self.x);
        args.read(1, "positions", self.positions);
        args.read(2, "frequencies", self.frequencies);
        args.read(3, "streams", self.streams);
        args.value(4, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "rope_f32",
        family: "rope",
        file: "metal/rope.metal",
        dtypes: &["f32", "i32", "u32"],
        arguments: &[
            Argument::new(0, "x", "device float* x", Access::ReadWrite),
            Argument::new(1, "positions", "device const int* positions", Access::Read),
            Argument::new(
                2,
                "frequencies",
                "device const float* frequencies",
                Access::Read,
            ),
            Argument::new(3, "streams", "device const uint* streams", Access::Read),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["MULTI"],
    },
    catalogue::Kernel {
        name: "rope_f16",
        family: "rope",
        file: "metal/rope.metal",
        dtypes: &["f16", "i32", "f32", "u32"],
        arguments: &[
            Argument::new(0, "x", "device half* x", Access::ReadWrite),
            Argument::new(1, "positions", "device const int* positions", Access::Read),
            Argument::new(
                2,
                "frequencies",
                "device const float* frequencies",
                Access::Read,
            ),
            Argument::new(3, "streams", "device const uint* streams", Access::Read),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["MULTI"],
    },
    catalogue::Kernel {
        name: "rope_bf16",
        family: "rope",
        file: "metal/rope.metal",
        dtypes: &["bf16", "i32", "f32", "u32"],
        arguments: &[
            Argument::new(0, "x", "device bfloat* x", Access::ReadWrite),
            Argument::new(1, "positions", "device const int* positions", Access::Read),
            Argument::new(
                2,
                "frequencies",
                "device const float* frequencies",
                Access::Read,
            ),
            Argument::new(3, "streams", "device const uint* streams", Access::Read),
            Argument::new(4, "params", "constant Params& params", Access::Value),
        ],
        constants: &["MULTI"],
    },
];
