//! Launch bindings of `metal/attention_tiles.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint heads`: of the queries
    pub heads: u32,
    /// `uint kv_heads`: query head h reads key and value head h / group
    pub kv_heads: u32,
    /// `uint group`: heads / kv_heads, which is whole
    pub group: u32,
    /// `uint capacity`: rows of the caches; if PAGED, those that a page table has room for
    pub capacity: u32,
    /// `uint ring`: rows of the ring that the caches are, all of them, behind a window; 0: the token at a position has row position
    pub ring: u32,
    /// `uint window`: keys that a query sees, its own included; 0: all
    pub window: u32,
    /// `uint mask`: what it consists of, if MASKED: one of the kinds of mask.h
    pub mask: u32,
    /// `uint mask_step`: if MASKED: rows of the mask from one head to the next, 0 where all have the same
    pub mask_step: u32,
    /// `uint sequences`: if PAGED: how many page tables there are
    pub sequences: u32,
    /// `uint pages`: if PAGED: pages of a table
    pub pages: u32,
    /// `uint page_shift`: if PAGED: a page has 2^page_shift rows
    pub page_shift: u32,
    /// `uint tokens`: times `group` less than 2^32
    pub tokens: u32,
    /// `uint splits`: threadgroups that share the keys of a row
    pub splits: u32,
    /// `uint sinks`: whether each head has one; with one split
    pub sinks: u32,
    /// `float scale`: of the scores, usually 1 / sqrt(HEAD_SIZE)
    pub scale: f32,
    /// `float softcap`: that scores stay below, if SOFTCAP
    pub softcap: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 64);
    assert!(std::mem::offset_of!(Params, heads) == 0);
    assert!(std::mem::offset_of!(Params, kv_heads) == 4);
    assert!(std::mem::offset_of!(Params, group) == 8);
    assert!(std::mem::offset_of!(Params, capacity) == 12);
    assert!(std::mem::offset_of!(Params, ring) == 16);
    assert!(std::mem::offset_of!(Params, window) == 20);
    assert!(std::mem::offset_of!(Params, mask) == 24);
    assert!(std::mem::offset_of!(Params, mask_step) == 28);
    assert!(std::mem::offset_of!(Params, sequences) == 32);
    assert!(std::mem::offset_of!(Params, pages) == 36);
    assert!(std::mem::offset_of!(Params, page_shift) == 40);
    assert!(std::mem::offset_of!(Params, tokens) == 44);
    assert!(std::mem::offset_of!(Params, splits) == 48);
    assert!(std::mem::offset_of!(Params, sinks) == 52);
    assert!(std::mem::offset_of!(Params, scale) == 56);
    assert!(std::mem::offset_of!(Params, softcap) == 60);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool PAGED`, function constant 12.
    pub paged: bool,
    /// `uint HEAD_SIZE`, function constant 0.
    pub head_size: u32,
    /// `uint BLOCK`, function constant 1.
    pub block: u32,
    /// `bool KEEP`, function constant 2.
    pub keep: bool,
    /// `bool SOFTCAP`, function constant 3.
    pub softcap: bool,
    /// `bool MASKED`, function constant 4.
    pub masked: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(12, self.paged)
            .with(0, self.head_size)
            .with(1, self.block)
            .with(2, self.keep)
            .with(3, self.softcap)
            .with(4, self.masked)
    }
}

/// out\[t, h, :\] = sum over visible keys j of softmax_j(capped(scale \* q\[t, h, :\] . k\[j, h', :\])) \* v\[j, h', :\] with
/// h' = h / group, and capped(x) = softcap \* tanh(x / softcap) if SOFTCAP, else x. Key j is visible to token t when 0 \<= positions\[t\] - j, and positions\[t\] - j \< window
/// unless the window is 0. With sinks, exp(sinks\[h\]) is added to the denominator of the softmax, as in attention.metal. q and out are \[tokens, heads, HEAD_SIZE\], k and v are \[capacity, kv_heads, HEAD_SIZE\], all
/// aligned to sixteen bytes. A token whose position lies outside the cache gets NaN. Keys and values may be in a ring, or lie in pages of a pool if PAGED, as in attention.metal.
///
/// If MASKED, row h \* mask_step + t of mask, \[rows, capacity\], is added to the capped scores, and where it leaves no key, out is zero.
///
/// Keys and values that no token of a threadgroup sees may be anything. Others are finite: infinite ones, and values that are NaN, make NaN of
/// what tokens of their threadgroup get, whether these see them or not.
///
/// With one split `out` is written; with more, the result for each split goes to partial, as attention_partials.h describes it, for
/// attention_merge to write out. A row gets the same bits whatever other rows there are: blocks begin at multiples of BLOCK.
///
/// The grid is \[kv_heads, ceil(tokens \* group / ROWS), splits\] threadgroups of 4 SIMD groups; tiles are 4 \* BLOCK \* HEAD_SIZE bytes, with HEAD_SIZE
/// rounded up to a multiple of TILE_DEPTH.
pub struct F16<'a> {
    /// `device const float* q`.
    pub q: &'a Buffer<f32>,
    /// `device const half* k`.
    pub k: &'a Buffer<half::f16>,
    /// `device const half* v`.
    pub v: &'a Buffer<half::f16>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device float* partial`.
    pub partial: &'a mut Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `device const float* sinks`.
    pub sinks: &'a Buffer<f32>,
    /// `device const uchar* mask`.
    pub mask: &'a Buffer<u8>,
    /// `device const uint* tables`.
    pub tables: &'a Buffer<u32>,
    /// `device const uint* sequence_of`.
    pub sequence_of: &'a Buffer<u32>,
    /// `threadgroup ushort* tiles`: Its size in bytes.
    pub tiles: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "attention_tiles_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ATTENTION_TILES
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "q", self.q);
        args.read(1, "k", self.k);
        args.read(2, "v", self.v);
        args.read(3, "positions", self.positions);
        args.write(4, "partial", self.partial);
        args.write(5, "out", self.out);
        args.value(6, "params", &self.params);
        args.read(7, "sinks", self.sinks);
        args.read(8, "mask", self.mask);
        args.read(9, "tables", self.tables);
        args.read(10, "sequence_of", self.sequence_of);
        args.threadgroup_memory(0, "tiles", self.tiles);
    }
}

/// out\[t, h, :\] = sum over visible keys j of softmax_j(capped(scale \* q\[t, h, :\] . k\[j, h', :\])) \* v\[j, h', :\] with
/// h' = h / group, and capped(x) = softcap \* tanh(x / softcap) if SOFTCAP, else x. Key j is visible to token t when 0 \<= positions\[t\] - j, and positions\[t\] - j \< window
/// unless the window is 0. With sinks, exp(sinks\[h\]) is added to the denominator of the softmax, as in attention.metal. q and out are \[tokens, heads, HEAD_SIZE\], k and v are \[capacity, kv_heads, HEAD_SIZE\], all
/// aligned to sixteen bytes. A token whose position lies outside the cache gets NaN. Keys and values may be in a ring, or lie in pages of a pool if PAGED, as in attention.metal.
///
/// If MASKED, row h \* mask_step + t of mask, \[rows, capacity\], is added to the capped scores, and where it leaves no key, out is zero.
///
/// Keys and values that no token of a threadgroup sees may be anything. Others are finite: infinite ones, and values that are NaN, make NaN of
/// what tokens of their threadgroup get, whether these see them or not.
///
/// With one split `out` is written; with more, the result for each split goes to partial, as attention_partials.h describes it, for
/// attention_merge to write out. A row gets the same bits whatever other rows there are: blocks begin at multiples of BLOCK.
///
/// The grid is \[kv_heads, ceil(tokens \* group / ROWS), splits\] threadgroups of 4 SIMD groups; tiles are 4 \* BLOCK \* HEAD_SIZE bytes, with HEAD_SIZE
/// rounded up to a multiple of TILE_DEPTH.
pub struct Bf16<'a> {
    /// `device const float* q`.
    pub q: &'a Buffer<f32>,
    /// `device const bfloat* k`.
    pub k: &'a Buffer<half::bf16>,
    /// `device const bfloat* v`.
    pub v: &'a Buffer<half::bf16>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device float* partial`.
    pub partial: &'a mut Buffer<f32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `device const float* sinks`.
    pub sinks: &'a Buffer<f32>,
    /// `device const uchar* mask`.
    pub mask: &'a Buffer<u8>,
    /// `device const uint* tables`.
    pub tables: &'a Buffer<u32>,
    /// `device const uint* sequence_of`.
    pub sequence_of: &'a Buffer<u32>,
    /// `threadgroup ushort* tiles`: Its size in bytes.
    pub tiles: usize,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "attention_tiles_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ATTENTION_TILES
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "q", self.q);
        args.read(1, "k", self.k);
        args.read(2, "v", self.v);
        args.read(3, "positions", self.positions);
        args.write(4, "partial", self.partial);
        args.write(5, "out", self.out);
        args.value(6, "params", &self.params);
        args.read(7, "sinks", self.sinks);
        args.read(8, "mask", self.mask);
        args.read(9, "tables", self.tables);
        args.read(10, "sequence_of", self.sequence_of);
        args.threadgroup_memory(0, "tiles", self.tiles);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "attention_tiles_f16",
        family: "attention_tiles",
        file: "metal/attention_tiles.metal",
        dtypes: &["f32", "f16", "i32", "u8", "u32"],
        arguments: &[
            Argument::new(0, "q", "device const float* q", Access::Read),
            Argument::new(1, "k", "device const half* k", Access::Read),
            Argument::new(2, "v", "device const half* v", Access::Read),
            Argument::new(3, "positions", "device const int* positions", Access::Read),
            Argument::new(4, "partial", "device float* partial", Access::ReadWrite),
            Argument::new(5, "out", "device float* out", Access::ReadWrite),
            Argument::new(6, "params", "constant Params& params", Access::Value),
            Argument::new(7, "sinks", "device const float* sinks", Access::Read),
            Argument::new(8, "mask", "device const uchar* mask", Access::Read),
            Argument::new(9, "tables", "device const uint* tables", Access::Read),
            Argument::new(
                10,
                "sequence_of",
                "device const uint* sequence_of",
                Access::Read,
            ),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["HEAD_SIZE", "BLOCK", "KEEP", "SOFTCAP", "MASKED", "PAGED"],
    },
    catalogue::Kernel {
        name: "attention_tiles_bf16",
        family: "attention_tiles",
        file: "metal/attention_tiles.metal",
        dtypes: &["f32", "bf16", "i32", "u8", "u32"],
        arguments: &[
            Argument::new(0, "q", "device const float* q", Access::Read),
            Argument::new(1, "k", "device const bfloat* k", Access::Read),
            Argument::new(2, "v", "device const bfloat* v", Access::Read),
            Argument::new(3, "positions", "device const int* positions", Access::Read),
            Argument::new(4, "partial", "device float* partial", Access::ReadWrite),
            Argument::new(5, "out", "device float* out", Access::ReadWrite),
            Argument::new(6, "params", "constant Params& params", Access::Value),
            Argument::new(7, "sinks", "device const float* sinks", Access::Read),
            Argument::new(8, "mask", "device const uchar* mask", Access::Read),
            Argument::new(9, "tables", "device const uint* tables", Access::Read),
            Argument::new(
                10,
                "sequence_of",
                "device const uint* sequence_of",
                Access::Read,
            ),
            Argument::new(
                0,
                "tiles",
                "threadgroup ushort* tiles",
                Access::ThreadgroupMemory,
            ),
        ],
        constants: &["HEAD_SIZE", "BLOCK", "KEEP", "SOFTCAP", "MASKED", "PAGED"],
    },
];
