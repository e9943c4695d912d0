//! Launch bindings of `metal/attention_grouped_turbo.metal`.
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
    /// `uint tokens`.
    pub tokens: u32,
    /// `uint splits`: of the keys of a token
    pub splits: u32,
    /// `uint token_each`: whether each SIMD group has a token of its own; there is one split then
    pub token_each: u32,
    /// `float scale`: of the scores, usually 1 / sqrt(HEAD_SIZE)
    pub scale: f32,
    /// `float softcap`: that scores stay below, if SOFTCAP
    pub softcap: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 56);
    assert!(std::mem::offset_of!(Params, heads) == 0);
    assert!(std::mem::offset_of!(Params, kv_heads) == 4);
    assert!(std::mem::offset_of!(Params, group) == 8);
    assert!(std::mem::offset_of!(Params, capacity) == 12);
    assert!(std::mem::offset_of!(Params, ring) == 16);
    assert!(std::mem::offset_of!(Params, window) == 20);
    assert!(std::mem::offset_of!(Params, sequences) == 24);
    assert!(std::mem::offset_of!(Params, pages) == 28);
    assert!(std::mem::offset_of!(Params, page_shift) == 32);
    assert!(std::mem::offset_of!(Params, tokens) == 36);
    assert!(std::mem::offset_of!(Params, splits) == 40);
    assert!(std::mem::offset_of!(Params, token_each) == 44);
    assert!(std::mem::offset_of!(Params, scale) == 48);
    assert!(std::mem::offset_of!(Params, softcap) == 52);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool PAGED`, function constant 12.
    pub paged: bool,
    /// `uint TURBO_BITS`, function constant 13.
    pub turbo_bits: u32,
    /// `uint TURBO_VALUES`, function constant 14.
    pub turbo_values: u32,
    /// `uint HEAD_SIZE`, function constant 0.
    pub head_size: u32,
    /// `uint HEADS`, function constant 1.
    pub heads: u32,
    /// `bool SOFTCAP`, function constant 2.
    pub softcap: bool,
    /// `bool SINKS`, function constant 3.
    pub sinks: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(12, self.paged)
            .with(13, self.turbo_bits)
            .with(14, self.turbo_values)
            .with(0, self.head_size)
            .with(1, self.heads)
            .with(2, self.softcap)
            .with(3, self.sinks)
    }
}

/// out\[t, h, :\] = sum over visible keys j of softmax_j(capped(scale \* q\[t, h, :\] . k\[j, h', :\])) \* v\[j, h', :\] with
/// h' = h / group, and capped(x) = softcap \* tanh(x / softcap) if SOFTCAP, else x. Key j is visible to token t when 0 \<= positions\[t\] - j, and positions\[t\] - j \< window
/// unless the window is 0. If SINKS, exp(sinks\[h\]) is added to the denominator of the softmax, as in attention.metal. q and out are \[tokens, heads, HEAD_SIZE\], k and v are \[capacity, kv_heads, HEAD_SIZE\], all
/// aligned to sixteen bytes. A token whose position lies outside the cache gets NaN. Keys and values may be in a ring, or lie in pages of a pool if PAGED, as in attention.metal.
///
/// With one split `out` is written; with more it is attention_merge that writes it, and the result for each split goes to partial,
/// as attention_partials.h describes it.
///
/// The grid is \[kv_heads \* ceil(group / HEADS), tokens, splits\] threadgroups of 1 to MAX_SIMD_GROUPS SIMD groups;
/// with token_each a threadgroup takes as many tokens as it has SIMD groups.
///
/// Threads get as many registers as four times the largest threadgroup would leave them: so a compute unit has several.
pub struct Kernel<'a> {
    /// `device const float* q`.
    pub q: &'a Buffer<f32>,
    /// `device const uint* k`.
    pub k: &'a Buffer<u32>,
    /// `device const uint* v`.
    pub v: &'a Buffer<u32>,
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

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        "attention_grouped_turbo"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ATTENTION_GROUPED_TURBO
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
    name: "attention_grouped_turbo",
    family: "attention_grouped_turbo",
    file: "metal/attention_grouped_turbo.metal",
    dtypes: &["f32", "u32", "i32"],
    arguments: &[
        Argument::new(0, "q", "device const float* q", Access::Read),
        Argument::new(1, "k", "device const uint* k", Access::Read),
        Argument::new(2, "v", "device const uint* v", Access::Read),
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
    constants: &[
        "HEAD_SIZE",
        "HEADS",
        "SOFTCAP",
        "SINKS",
        "PAGED",
        "TURBO_BITS",
        "TURBO_VALUES",
    ],
}];
