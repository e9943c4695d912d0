//! Structs of headers that kernels have as arguments.
//!
//! Generated from `metal/include` by `cargo run -p xtask -- bindings`: do not edit.

/// `struct DeltaNetParams`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct DeltaNetParams {
    /// `uint key_heads`.
    pub key_heads: u32,
    /// `uint value_heads`.
    pub value_heads: u32,
    /// `uint key_size`: of a head of queries or keys
    pub key_size: u32,
    /// `uint value_size`: of a head of values
    pub value_size: u32,
    /// `uint tokens`.
    pub tokens: u32,
    /// `uint query_stride`.
    pub query_stride: u32,
    /// `uint key_stride`.
    pub key_stride: u32,
    /// `uint value_stride`.
    pub value_stride: u32,
    /// `float eps`: added to the squares of the L2 norms
    pub eps: f32,
}

const _: () = {
    assert!(size_of::<DeltaNetParams>() == 36);
    assert!(std::mem::offset_of!(DeltaNetParams, key_heads) == 0);
    assert!(std::mem::offset_of!(DeltaNetParams, value_heads) == 4);
    assert!(std::mem::offset_of!(DeltaNetParams, key_size) == 8);
    assert!(std::mem::offset_of!(DeltaNetParams, value_size) == 12);
    assert!(std::mem::offset_of!(DeltaNetParams, tokens) == 16);
    assert!(std::mem::offset_of!(DeltaNetParams, query_stride) == 20);
    assert!(std::mem::offset_of!(DeltaNetParams, key_stride) == 24);
    assert!(std::mem::offset_of!(DeltaNetParams, value_stride) == 28);
    assert!(std::mem::offset_of!(DeltaNetParams, eps) == 32);
};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint rows`: n, the rows of the weights
    pub rows: u32,
    /// `uint rows_of_others`: THREE: the rows of the second matrix, and of the third
    pub rows_of_others: u32,
    /// `uint k`: the columns of the weights: whole blocks of a quantised format
    pub k: u32,
    /// `uint aligned`: whether x, norm and dense weights may be read sixteen bytes at a time, from row starts on; always with STAGED
    pub aligned: u32,
    /// `float eps`: of the norm
    pub eps: f32,
    /// `uint chunks`: STAGED: chunks of x whose digits there is room for, a multiple of `slices` if not all
    pub chunks: u32,
    /// `uint count`: rows of a threadgroup, with STAGED of a unit, or of a thread by itself
    pub count: u32,
    /// `uint slices`: STAGED: SIMD groups that share a unit
    pub slices: u32,
    /// `uint experts`: matrices that w consists of, and `second` with a gate, where each column has one of its own; else 0
    pub experts: u32,
    /// `uint sharers`: with experts: how many columns in a row have the same row of x
    pub sharers: u32,
    /// `uint columns`: of a step, up to COLUMNS
    pub columns: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 44);
    assert!(std::mem::offset_of!(Params, rows) == 0);
    assert!(std::mem::offset_of!(Params, rows_of_others) == 4);
    assert!(std::mem::offset_of!(Params, k) == 8);
    assert!(std::mem::offset_of!(Params, aligned) == 12);
    assert!(std::mem::offset_of!(Params, eps) == 16);
    assert!(std::mem::offset_of!(Params, chunks) == 20);
    assert!(std::mem::offset_of!(Params, count) == 24);
    assert!(std::mem::offset_of!(Params, slices) == 28);
    assert!(std::mem::offset_of!(Params, experts) == 32);
    assert!(std::mem::offset_of!(Params, sharers) == 36);
    assert!(std::mem::offset_of!(Params, columns) == 40);
};
