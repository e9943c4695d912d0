//! Launch bindings of `metal/head_norm_rope.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint query_heads`.
    pub query_heads: u32,
    /// `uint key_heads`.
    pub key_heads: u32,
    /// `uint head_size`.
    pub head_size: u32,
    /// `uint dims`: rotated dimensions of a head, even, none if zero; the rest are not rotated
    pub dims: u32,
    /// `uint interleaved`: 1: pairs are (2i, 2i + 1); 0: pairs are (i, i + dims / 2)
    pub interleaved: u32,
    /// `float scale`: of the rotated values: the attention factor of YaRN, else 1
    pub scale: f32,
    /// `float eps`: of the norms
    pub eps: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 28);
    assert!(std::mem::offset_of!(Params, query_heads) == 0);
    assert!(std::mem::offset_of!(Params, key_heads) == 4);
    assert!(std::mem::offset_of!(Params, head_size) == 8);
    assert!(std::mem::offset_of!(Params, dims) == 12);
    assert!(std::mem::offset_of!(Params, interleaved) == 16);
    assert!(std::mem::offset_of!(Params, scale) == 20);
    assert!(std::mem::offset_of!(Params, eps) == 24);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `bool NORM`, function constant 1.
    pub norm: bool,
    /// `uint WEIGHT`, function constant 2.
    pub weight: u32,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(0, self.row_per_thread)
            .with(1, self.norm)
            .with(2, self.weight)
    }
}

/// Each head h of a token t becomes rope(rms_norm(h) \* w): see rms_norm.metal and rope.metal. query is \[tokens, query_heads, head_size\], key is
/// \[tokens, key_heads, head_size\], their weights are \[head_size\] and not read without NORM and WEIGHT, positions is \[tokens\], frequencies is
/// \[dims / 2\].
///
/// One thread (ROW_PER_THREAD) or threadgroup of one SIMD group for each head: the grid is \[query_heads + key_heads, tokens\].
pub struct F32<'a> {
    /// `device float* query`.
    pub query: &'a mut Buffer<f32>,
    /// `device float* key`.
    pub key: &'a mut Buffer<f32>,
    /// `device const float* query_weight`.
    pub query_weight: &'a Buffer<f32>,
    /// `device const float* key_weight`.
    pub key_weight: &'a Buffer<f32>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device const float* frequencies`.
    pub frequencies: &'a Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "head_norm_rope_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::HEAD_NORM_ROPE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "query", self.query);
        args.write(1, "key", self.key);
        args.read(2, "query_weight", self.query_weight);
        args.read(3, "key_weight", self.key_weight);
        args.read(4, "positions", self.positions);
        args.read(5, "frequencies", self.frequencies);
        args.value(6, "params", &self.params);
    }
}

/// Each head h of a token t becomes rope(rms_norm(h) \* w): see rms_norm.metal and rope.metal. query is \[tokens, query_heads, head_size\], key is
/// \[tokens, key_heads, head_size\], their weights are \[head_size\] and not read without NORM and WEIGHT, positions is \[tokens\], frequencies is
/// \[dims / 2\].
///
/// One thread (ROW_PER_THREAD) or threadgroup of one SIMD group for each head: the grid is \[query_heads + key_heads, tokens\].
pub struct F16<'a> {
    /// `device half* query`.
    pub query: &'a mut Buffer<half::f16>,
    /// `device half* key`.
    pub key: &'a mut Buffer<half::f16>,
    /// `device const half* query_weight`.
    pub query_weight: &'a Buffer<half::f16>,
    /// `device const half* key_weight`.
    pub key_weight: &'a Buffer<half::f16>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device const float* frequencies`.
    pub frequencies: &'a Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "head_norm_rope_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::HEAD_NORM_ROPE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "query", self.query);
        args.write(1, "key", self.key);
        args.read(2, "query_weight", self.query_weight);
        args.read(3, "key_weight", self.key_weight);
        args.read(4, "positions", self.positions);
        args.read(5, "frequencies", self.frequencies);
        args.value(6, "params", &self.params);
    }
}

/// Each head h of a token t becomes rope(rms_norm(h) \* w): see rms_norm.metal and rope.metal. query is \[tokens, query_heads, head_size\], key is
/// \[tokens, key_heads, head_size\], their weights are \[head_size\] and not read without NORM and WEIGHT, positions is \[tokens\], frequencies is
/// \[dims / 2\].
///
/// One thread (ROW_PER_THREAD) or threadgroup of one SIMD group for each head: the grid is \[query_heads + key_heads, tokens\].
pub struct Bf16<'a> {
    /// `device bfloat* query`.
    pub query: &'a mut Buffer<half::bf16>,
    /// `device bfloat* key`.
    pub key: &'a mut Buffer<half::bf16>,
    /// `device const bfloat* query_weight`.
    pub query_weight: &'a Buffer<half::bf16>,
    /// `device const bfloat* key_weight`.
    pub key_weight: &'a Buffer<half::bf16>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device const float* frequencies`.
    pub frequencies: &'a Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "head_norm_rope_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::HEAD_NORM_ROPE
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "query", self.query);
        args.write(1, "key", self.key);
        args.read(2, "query_weight", self.query_weight);
        args.read(3, "key_weight", self.key_weight);
        args.read(4, "positions", self.positions);
        args.read(5, "frequencies", self.frequencies);
        args.value(6, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "head_norm_rope_f32",
        family: "head_norm_rope",
        file: "metal/head_norm_rope.metal",
        dtypes: &["f32", "i32"],
        arguments: &[
            Argument::new(0, "query", "device float* query", Access::ReadWrite),
            Argument::new(1, "key", "device float* key", Access::ReadWrite),
            Argument::new(
                2,
                "query_weight",
                "device const float* query_weight",
                Access::Read,
            ),
            Argument::new(
                3,
                "key_weight",
                "device const float* key_weight",
                Access::Read,
            ),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(
                5,
                "frequencies",
                "device const float* frequencies",
                Access::Read,
            ),
            Argument::new(6, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "NORM", "WEIGHT"],
    },
    catalogue::Kernel {
        name: "head_norm_rope_f16",
        family: "head_norm_rope",
        file: "metal/head_norm_rope.metal",
        dtypes: &["f16", "i32", "f32"],
        arguments: &[
            Argument::new(0, "query", "device half* query", Access::ReadWrite),
            Argument::new(1, "key", "device half* key", Access::ReadWrite),
            Argument::new(
                2,
                "query_weight",
                "device const half* query_weight",
                Access::Read,
            ),
            Argument::new(
                3,
                "key_weight",
                "device const half* key_weight",
                Access::Read,
            ),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(
                5,
                "frequencies",
                "device const float* frequencies",
                Access::Read,
            ),
            Argument::new(6, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "NORM", "WEIGHT"],
    },
    catalogue::Kernel {
        name: "head_norm_rope_bf16",
        family: "head_norm_rope",
        file: "metal/head_norm_rope.metal",
        dtypes: &["bf16", "i32", "f32"],
        arguments: &[
            Argument::new(0, "query", "device bfloat* query", Access::ReadWrite),
            Argument::new(1, "key", "device bfloat* key", Access::ReadWrite),
            Argument::new(
                2,
                "query_weight",
                "device const bfloat* query_weight",
                Access::Read,
            ),
            Argument::new(
                3,
                "key_weight",
                "device const bfloat* key_weight",
                Access::Read,
            ),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(
                5,
                "frequencies",
                "device const float* frequencies",
                Access::Read,
            ),
            Argument::new(6, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD", "NORM", "WEIGHT"],
    },
];
