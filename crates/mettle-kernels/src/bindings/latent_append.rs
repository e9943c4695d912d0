//! Launch bindings of `metal/latent_append.metal`.
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
    /// `uint query_tokens`: that have queries: the last ones
    pub query_tokens: u32,
    /// `uint heads`: of the queries
    pub heads: u32,
    /// `uint rank`: values of the first part
    pub rank: u32,
    /// `uint dims`: of the rotated one, even
    pub dims: u32,
    /// `uint capacity`: rows of the cache
    pub capacity: u32,
    /// `uint interleaved`: as in rope.metal
    pub interleaved: u32,
    /// `float scale`: of the rotated values
    pub scale: f32,
    /// `float eps`.
    pub eps: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 36);
    assert!(std::mem::offset_of!(Params, tokens) == 0);
    assert!(std::mem::offset_of!(Params, query_tokens) == 4);
    assert!(std::mem::offset_of!(Params, heads) == 8);
    assert!(std::mem::offset_of!(Params, rank) == 12);
    assert!(std::mem::offset_of!(Params, dims) == 16);
    assert!(std::mem::offset_of!(Params, capacity) == 20);
    assert!(std::mem::offset_of!(Params, interleaved) == 24);
    assert!(std::mem::offset_of!(Params, scale) == 28);
    assert!(std::mem::offset_of!(Params, eps) == 32);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY.with(0, self.row_per_thread)
    }
}

/// cache\[positions\[t\], :\] = \[latent\[t, :\] \* weight / sqrt(mean of latent\[t, :\]^2 + eps), turned(rotary_key\[t, :\])\] for every token, converted
/// to the type of the cache, and query\[n, h, :\] = \[absorbed\[n, h, :\], turned(rotary_query\[n, h, :\])\] for every head of query token n, the token
/// tokens - query_tokens + n. latent is \[tokens, rank\], rotary_key is \[tokens, dims\], absorbed is \[query_tokens, heads, rank\], rotary_query is
/// \[query_tokens, heads, dims\], frequencies is \[dims / 2\] as in rope.metal, cache is \[capacity, rank + dims\], query is
/// \[query_tokens, heads, rank + dims\]. A token whose position lies outside the cache is not stored.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row: those of keys, then those of queries.
pub struct F32<'a> {
    /// `device const float* latent`.
    pub latent: &'a Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device const float* rotary_key`.
    pub rotary_key: &'a Buffer<f32>,
    /// `device const float* absorbed`.
    pub absorbed: &'a Buffer<f32>,
    /// `device const float* rotary_query`.
    pub rotary_query: &'a Buffer<f32>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device const float* frequencies`.
    pub frequencies: &'a Buffer<f32>,
    /// `device float* cache`.
    pub cache: &'a mut Buffer<f32>,
    /// `device float* query`.
    pub query: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32<'_> {
    fn kernel(&self) -> &'static str {
        "latent_append_f32"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::LATENT_APPEND
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "latent", self.latent);
        args.read(1, "weight", self.weight);
        args.read(2, "rotary_key", self.rotary_key);
        args.read(3, "absorbed", self.absorbed);
        args.read(4, "rotary_query", self.rotary_query);
        args.read(5, "positions", self.positions);
        args.read(6, "frequencies", self.frequencies);
        args.write(7, "cache", self.cache);
        args.write(8, "query", self.query);
        args.value(9, "params", &self.params);
    }
}

/// cache\[positions\[t\], :\] = \[latent\[t, :\] \* weight / sqrt(mean of latent\[t, :\]^2 + eps), turned(rotary_key\[t, :\])\] for every token, converted
/// to the type of the cache, and query\[n, h, :\] = \[absorbed\[n, h, :\], turned(rotary_query\[n, h, :\])\] for every head of query token n, the token
/// tokens - query_tokens + n. latent is \[tokens, rank\], rotary_key is \[tokens, dims\], absorbed is \[query_tokens, heads, rank\], rotary_query is
/// \[query_tokens, heads, dims\], frequencies is \[dims / 2\] as in rope.metal, cache is \[capacity, rank + dims\], query is
/// \[query_tokens, heads, rank + dims\]. A token whose position lies outside the cache is not stored.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row: those of keys, then those of queries.
pub struct F16<'a> {
    /// `device const float* latent`.
    pub latent: &'a Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device const float* rotary_key`.
    pub rotary_key: &'a Buffer<f32>,
    /// `device const float* absorbed`.
    pub absorbed: &'a Buffer<f32>,
    /// `device const float* rotary_query`.
    pub rotary_query: &'a Buffer<f32>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device const float* frequencies`.
    pub frequencies: &'a Buffer<f32>,
    /// `device half* cache`.
    pub cache: &'a mut Buffer<half::f16>,
    /// `device float* query`.
    pub query: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "latent_append_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::LATENT_APPEND
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "latent", self.latent);
        args.read(1, "weight", self.weight);
        args.read(2, "rotary_key", self.rotary_key);
        args.read(3, "absorbed", self.absorbed);
        args.read(4, "rotary_query", self.rotary_query);
        args.read(5, "positions", self.positions);
        args.read(6, "frequencies", self.frequencies);
        args.write(7, "cache", self.cache);
        args.write(8, "query", self.query);
        args.value(9, "params", &self.params);
    }
}

/// cache\[positions\[t\], :\] = \[latent\[t, :\] \* weight / sqrt(mean of latent\[t, :\]^2 + eps), turned(rotary_key\[t, :\])\] for every token, converted
/// to the type of the cache, and query\[n, h, :\] = \[absorbed\[n, h, :\], turned(rotary_query\[n, h, :\])\] for every head of query token n, the token
/// tokens - query_tokens + n. latent is \[tokens, rank\], rotary_key is \[tokens, dims\], absorbed is \[query_tokens, heads, rank\], rotary_query is
/// \[query_tokens, heads, dims\], frequencies is \[dims / 2\] as in rope.metal, cache is \[capacity, rank + dims\], query is
/// \[query_tokens, heads, rank + dims\]. A token whose position lies outside the cache is not stored.
///
/// One thread (ROW_PER_THREAD) or threadgroup for each row: those of keys, then those of queries.
pub struct Bf16<'a> {
    /// `device const float* latent`.
    pub latent: &'a Buffer<f32>,
    /// `device const float* weight`.
    pub weight: &'a Buffer<f32>,
    /// `device const float* rotary_key`.
    pub rotary_key: &'a Buffer<f32>,
    /// `device const float* absorbed`.
    pub absorbed: &'a Buffer<f32>,
    /// `device const float* rotary_query`.
    pub rotary_query: &'a Buffer<f32>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device const float* frequencies`.
    pub frequencies: &'a Buffer<f32>,
    /// `device bfloat* cache`.
    pub cache: &'a mut Buffer<half::bf16>,
    /// `device float* query`.
    pub query: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "latent_append_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::LATENT_APPEND
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "latent", self.latent);
        args.read(1, "weight", self.weight);
        args.read(2, "rotary_key", self.rotary_key);
        args.read(3, "absorbed", self.absorbed);
        args.read(4, "rotary_query", self.rotary_query);
        args.read(5, "positions", self.positions);
        args.read(6, "frequencies", self.frequencies);
        args.write(7, "cache", self.cache);
        args.write(8, "query", self.query);
        args.value(9, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "latent_append_f32",
        family: "latent_append",
        file: "metal/latent_append.metal",
        dtypes: &["f32", "i32"],
        arguments: &[
            Argument::new(0, "latent", "device const float* latent", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(
                2,
                "rotary_key",
                "device const float* rotary_key",
                Access::Read,
            ),
            Argument::new(3, "absorbed", "device const float* absorbed", Access::Read),
            Argument::new(
                4,
                "rotary_query",
                "device const float* rotary_query",
                Access::Read,
            ),
            Argument::new(5, "positions", "device const int* positions", Access::Read),
            Argument::new(
                6,
                "frequencies",
                "device const float* frequencies",
                Access::Read,
            ),
            Argument::new(7, "cache", "device float* cache", Access::ReadWrite),
            Argument::new(8, "query", "device float* query", Access::ReadWrite),
            Argument::new(9, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
    catalogue::Kernel {
        name: "latent_append_f16",
        family: "latent_append",
        file: "metal/latent_append.metal",
        dtypes: &["f32", "i32", "f16"],
        arguments: &[
            Argument::new(0, "latent", "device const float* latent", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(
                2,
                "rotary_key",
                "device const float* rotary_key",
                Access::Read,
            ),
            Argument::new(3, "absorbed", "device const float* absorbed", Access::Read),
            Argument::new(
                4,
                "rotary_query",
                "device const float* rotary_query",
                Access::Read,
            ),
            Argument::new(5, "positions", "device const int* positions", Access::Read),
            Argument::new(
                6,
                "frequencies",
                "device const float* frequencies",
                Access::Read,
            ),
            Argument::new(7, "cache", "device half* cache", Access::ReadWrite),
            Argument::new(8, "query", "device float* query", Access::ReadWrite),
            Argument::new(9, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
    catalogue::Kernel {
        name: "latent_append_bf16",
        family: "latent_append",
        file: "metal/latent_append.metal",
        dtypes: &["f32", "i32", "bf16"],
        arguments: &[
            Argument::new(0, "latent", "device const float* latent", Access::Read),
            Argument::new(1, "weight", "device const float* weight", Access::Read),
            Argument::new(
                2,
                "rotary_key",
                "device const float* rotary_key",
                Access::Read,
            ),
            Argument::new(3, "absorbed", "device const float* absorbed", Access::Read),
            Argument::new(
                4,
                "rotary_query",
                "device const float* rotary_query",
                Access::Read,
            ),
            Argument::new(5, "positions", "device const int* positions", Access::Read),
            Argument::new(
                6,
                "frequencies",
                "device const float* frequencies",
                Access::Read,
            ),
            Argument::new(7, "cache", "device bfloat* cache", Access::ReadWrite),
            Argument::new(8, "query", "device float* query", Access::ReadWrite),
            Argument::new(9, "params", "constant Params& params", Access::Value),
        ],
        constants: &["ROW_PER_THREAD"],
    },
];
