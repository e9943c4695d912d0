//! Launch bindings of `metal/qk_norm_rope_append_turbo.metal`.
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
    /// `uint query_tokens`: the last of the tokens, which have queries
    pub query_tokens: u32,
    /// `uint query_heads`.
    pub query_heads: u32,
    /// `uint kv_heads`.
    pub kv_heads: u32,
    /// `uint head_size`.
    pub head_size: u32,
    /// `uint dims`: rotated dimensions of a head, even; the rest are not rotated
    pub dims: u32,
    /// `uint capacity`: rows of each cache
    pub capacity: u32,
    /// `uint ring`: rows of the ring that the caches are, all of them; 0: the token at a position has row position
    pub ring: u32,
    /// `uint interleaved`: 1: pairs are (2i, 2i + 1); 0: pairs are (i, i + dims / 2)
    pub interleaved: u32,
    /// `uint normed`: whether heads are normalised
    pub normed: u32,
    /// `float scale`: of the rotated values: the attention factor of YaRN, else 1
    pub scale: f32,
    /// `float eps`: of the norms
    pub eps: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 48);
    assert!(std::mem::offset_of!(Params, tokens) == 0);
    assert!(std::mem::offset_of!(Params, query_tokens) == 4);
    assert!(std::mem::offset_of!(Params, query_heads) == 8);
    assert!(std::mem::offset_of!(Params, kv_heads) == 12);
    assert!(std::mem::offset_of!(Params, head_size) == 16);
    assert!(std::mem::offset_of!(Params, dims) == 20);
    assert!(std::mem::offset_of!(Params, capacity) == 24);
    assert!(std::mem::offset_of!(Params, ring) == 28);
    assert!(std::mem::offset_of!(Params, interleaved) == 32);
    assert!(std::mem::offset_of!(Params, normed) == 36);
    assert!(std::mem::offset_of!(Params, scale) == 40);
    assert!(std::mem::offset_of!(Params, eps) == 44);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `uint TURBO_BITS`, function constant 13.
    pub turbo_bits: u32,
    /// `uint TURBO_VALUES`, function constant 14.
    pub turbo_values: u32,
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `bool BIASED`, function constant 1.
    pub biased: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(13, self.turbo_bits)
            .with(14, self.turbo_values)
            .with(0, self.row_per_thread)
            .with(1, self.biased)
    }
}

/// For every token t and its heads x of query, key and value, each of head_size values:
/// query = rotated(normed(biased(query))),  cache_k\[positions\[t\]\] = rotated(normed(biased(key))),
/// cache_v\[positions\[t\]\] = biased(value)
/// where biased(x) = x + bias if BIASED, else x, with query_bias, key_bias or value_bias; normed(x) = x \* weight / sqrt(mean(x^2) + eps), as in rms_norm, with the weights query_norm or key_norm, and rotated(x)
/// turns pairs of its first dims values by positions\[t\] \* frequencies, as in rope. A token whose position lies outside the cache
/// is not stored; a ring takes every position from 0 on, as in kv_append.metal. In caches of blocks, key and value are changed. They are \[tokens, kv_heads, head_size\], the caches \[capacity, kv_heads, head_size\], query is
/// \[query_tokens, query_heads, head_size\], positions \[tokens\], frequencies \[dims / 2\], query_bias \[query_heads, head_size\], the other
/// biases \[kv_heads, head_size\]. Without norms their weights are not read, and biases only if BIASED.
///
/// Over caches of TurboQuant heads are transformed at last, as hadamard.metal does it, those of queries too.
///
/// A SIMD group a head, those of queries first, then of keys and values: the grid is \[ceil(heads / simd groups), tokens\]
/// threadgroups of 1 to MAX_SIMD_GROUPS SIMD groups. Or a thread (ROW_PER_THREAD) for up to HEADS heads of queries, keys or values: \[their number, tokens\] threads.
pub struct Kernel<'a> {
    /// `device float* query`.
    pub query: &'a mut Buffer<f32>,
    /// `device float* key`.
    pub key: &'a mut Buffer<f32>,
    /// `device float* value`.
    pub value: &'a mut Buffer<f32>,
    /// `device const float* query_bias`.
    pub query_bias: &'a Buffer<f32>,
    /// `device const float* key_bias`.
    pub key_bias: &'a Buffer<f32>,
    /// `device const float* value_bias`.
    pub value_bias: &'a Buffer<f32>,
    /// `device const float* query_norm`.
    pub query_norm: &'a Buffer<f32>,
    /// `device const float* key_norm`.
    pub key_norm: &'a Buffer<f32>,
    /// `device const float* frequencies`.
    pub frequencies: &'a Buffer<f32>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device uint* cache_k`.
    pub cache_k: &'a mut Buffer<u32>,
    /// `device uint* cache_v`.
    pub cache_v: &'a mut Buffer<u32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        "qk_norm_rope_append_turbo"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::QK_NORM_ROPE_APPEND_TURBO
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.write(0, "query", self.query);
        args.write(1, "key", self.key);
        args.write(2, "value", self.value);
        args.read(3, "query_bias", self.query_bias);
        args.read(4, "key_bias", self.key_bias);
        args.read(5, "value_bias", self.value_bias);
        args.read(6, "query_norm", self.query_norm);
        args.read(7, "key_norm", self.key_norm);
        args.read(8, "frequencies", self.frequencies);
        args.read(9, "positions", self.positions);
        args.write(10, "cache_k", self.cache_k);
        args.write(11, "cache_v", self.cache_v);
        args.value(12, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "qk_norm_rope_append_turbo",
    family: "qk_norm_rope_append_turbo",
    file: "metal/qk_norm_rope_append_turbo.metal",
    dtypes: &["f32", "i32", "u32"],
    arguments: &[
        Argument::new(0, "query", "device float* query", Access::ReadWrite),
        Argument::new(1, "key", "device float* key", Access::ReadWrite),
        Argument::new(2, "value", "device float* value", Access::ReadWrite),
        Argument::new(
            3,
            "query_bias",
            "device const float* query_bias",
            Access::Read,
        ),
        Argument::new(4, "key_bias", "device const float* key_bias", Access::Read),
        Argument::new(
            5,
            "value_bias",
            "device const float* value_bias",
            Access::Read,
        ),
        Argument::new(
            6,
            "query_norm",
            "device const float* query_norm",
            Access::Read,
        ),
        Argument::new(7, "key_norm", "device const float* key_norm", Access::Read),
        Argument::new(
            8,
            "frequencies",
            "device const float* frequencies",
            Access::Read,
        ),
        Argument::new(9, "positions", "device const int* positions", Access::Read),
        Argument::new(10, "cache_k", "device uint* cache_k", Access::ReadWrite),
        Argument::new(11, "cache_v", "device uint* cache_v", Access::ReadWrite),
        Argument::new(12, "params", "constant Params& params", Access::Value),
    ],
    constants: &["ROW_PER_THREAD", "BIASED", "TURBO_BITS", "TURBO_VALUES"],
}];
