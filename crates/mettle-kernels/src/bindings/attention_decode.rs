//! Launch bindings of `metal/attention_decode.metal`.
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
    /// `uint sequences`: if PAGED: how many page tables there are
    pub sequences: u32,
    /// `uint pages`: if PAGED: pages of a table
    pub pages: u32,
    /// `uint page_shift`: if PAGED: a page has 2^page_shift rows
    pub page_shift: u32,
    /// `uint splits`: of the keys of a token
    pub splits: u32,
    /// `uint sinks`: whether each head has one; with one split
    pub sinks: u32,
    /// `float scale`: of the scores, usually 1 / sqrt(HEAD_SIZE)
    pub scale: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 48);
    assert!(std::mem::offset_of!(Params, heads) == 0);
    assert!(std::mem::offset_of!(Params, kv_heads) == 4);
    assert!(std::mem::offset_of!(Params, group) == 8);
    assert!(std::mem::offset_of!(Params, capacity) == 12);
    assert!(std::mem::offset_of!(Params, ring) == 16);
    assert!(std::mem::offset_of!(Params, window) == 20);
    assert!(std::mem::offset_of!(Params, sequences) == 24);
    assert!(std::mem::offset_of!(Params, pages) == 28);
    assert!(std::mem::offset_of!(Params, page_shift) == 32);
    assert!(std::mem::offset_of!(Params, splits) == 36);
    assert!(std::mem::offset_of!(Params, sinks) == 40);
    assert!(std::mem::offset_of!(Params, scale) == 44);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool PAGED`, function constant 12.
    pub paged: bool,
    /// `uint HEAD_SIZE`, function constant 0.
    pub head_size: u32,
    /// `uint HEADS`, function constant 1.
    pub heads: u32,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(12, self.paged)
            .with(0, self.head_size)
            .with(1, self.heads)
    }
}

/// out\[t, h, :\] = sum over visible keys j of softmax_j(scale \* q\[t, h, :\] . k\[j, h', :\]) \* v\[j, h', :\] with
/// h' = h / group. Key j is visible to token t when 0 \<= positions\[t\] - j, and positions\[t\] - j \< window
/// unless the window is 0. With sinks, exp(sinks\[h\]) is added to the denominator of the softmax, as in attention.metal. q and out are \[tokens, heads, HEAD_SIZE\], k and v are \[capacity, kv_heads, HEAD_SIZE\], all
/// aligned to sixteen bytes. A token whose position lies outside the cache gets NaN. Keys and values may be in a ring, or lie in pages of a pool if PAGED, as in attention.metal.
/// Keys and values that the token sees are finite: infinite ones make NaN of all that it gets.
///
/// With one split `out` is written; with more it is attention_merge that writes it, and the result for each split goes to partial,
/// as attention_partials.h describes it.
///
/// The grid is \[kv_heads \* ceil(group / HEADS), tokens, splits\] threadgroups of SIMD_GROUPS SIMD groups.
///
/// Threads get as many registers as one SIMD group more would leave them: so the threadgroups of attention_merge find room beside these.
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
    /// `device const uint* tables`.
    pub tables: &'a Buffer<u32>,
    /// `device const uint* sequence_of`.
    pub sequence_of: &'a Buffer<u32>,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "attention_decode_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ATTENTION_DECODE
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
        args.read(8, "tables", self.tables);
        args.read(9, "sequence_of", self.sequence_of);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "attention_decode_f16",
    family: "attention_decode",
    file: "metal/attention_decode.metal",
    dtypes: &["f32", "f16", "i32", "u32"],
    arguments: &[
        Argument::new(0, "q", "device const float* q", Access::Read),
        Argument::new(1, "k", "device const half* k", Access::Read),
        Argument::new(2, "v", "device const half* v", Access::Read),
        Argument::new(3, "positions", "device const int* positions", Access::Read),
        Argument::new(4, "partial", "device float* partial", Access::ReadWrite),
        Argument::new(5, "out", "device float* out", Access::ReadWrite),
        Argument::new(6, "params", "constant Params& params", Access::Value),
        Argument::new(7, "sinks", "device const float* sinks", Access::Read),
        Argument::new(8, "tables", "device const uint* tables", Access::Read),
        Argument::new(
            9,
            "sequence_of",
            "device const uint* sequence_of",
            Access::Read,
        ),
    ],
    constants: &["HEAD_SIZE", "HEADS", "PAGED"],
}];
