//! Launch bindings of `metal/attention_16bit.metal`.
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
    /// `uint kv_heads`: divides heads: query head h reads key and value head h / (heads / kv_heads)
    pub kv_heads: u32,
    /// `uint capacity`: rows of the caches; if PAGED, those that a page table has room for
    pub capacity: u32,
    /// `uint ring`: rows of the ring that the caches are, all of them, behind a window; 0: the token at a position has row position
    pub ring: u32,
    /// `uint window`: keys that a query sees, its own included; 0: all
    pub window: u32,
    /// `uint mask_step`: if MASK: rows of the mask from one head to the next, 0 where all have the same
    pub mask_step: u32,
    /// `uint sequences`: if PAGED: how many page tables there are
    pub sequences: u32,
    /// `uint pages`: if PAGED: pages of a table
    pub pages: u32,
    /// `uint page_shift`: if PAGED: a page has 2^page_shift rows
    pub page_shift: u32,
    /// `float scale`: of the scores, usually 1 / sqrt(HEAD_SIZE)
    pub scale: f32,
    /// `float softcap`: that scores stay below, if SOFTCAP
    pub softcap: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 44);
    assert!(std::mem::offset_of!(Params, heads) == 0);
    assert!(std::mem::offset_of!(Params, kv_heads) == 4);
    assert!(std::mem::offset_of!(Params, capacity) == 8);
    assert!(std::mem::offset_of!(Params, ring) == 12);
    assert!(std::mem::offset_of!(Params, window) == 16);
    assert!(std::mem::offset_of!(Params, mask_step) == 20);
    assert!(std::mem::offset_of!(Params, sequences) == 24);
    assert!(std::mem::offset_of!(Params, pages) == 28);
    assert!(std::mem::offset_of!(Params, page_shift) == 32);
    assert!(std::mem::offset_of!(Params, scale) == 36);
    assert!(std::mem::offset_of!(Params, softcap) == 40);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool PAGED`, function constant 12.
    pub paged: bool,
    /// `bool ROW_PER_THREAD`, function constant 0.
    pub row_per_thread: bool,
    /// `uint HEAD_SIZE`, function constant 1.
    pub head_size: u32,
    /// `bool SOFTCAP`, function constant 2.
    pub softcap: bool,
    /// `bool SINKS`, function constant 3.
    pub sinks: bool,
    /// `uint MASK`, function constant 4.
    pub mask: u32,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(12, self.paged)
            .with(0, self.row_per_thread)
            .with(1, self.head_size)
            .with(2, self.softcap)
            .with(3, self.sinks)
            .with(4, self.mask)
    }
}

/// out\[t, h, :\] = sum over visible keys j of softmax_j(capped(scale \* q\[t, h, :\] . k\[j, h', :\])) \* v\[j, h', :\] with
/// h' = h / (heads / kv_heads), and capped(x) = softcap \* tanh(x / softcap) if SOFTCAP, else x. Key j is visible to token t when 0 \<= positions\[t\] - j, and positions\[t\] - j \< window
/// unless the window is 0. If SINKS, exp(sinks\[h\]) is added to the denominator of the softmax: so a head may attend to nothing, and
/// gives zeros where all scores are minus infinity. sinks is \[heads\], finite or minus infinity. q and out are \[tokens, heads, HEAD_SIZE\], k and v are \[capacity, kv_heads, HEAD_SIZE\]. A token
/// whose position lies outside the cache gets NaN. In a ring, which needs a window, key j is in row j % capacity, and no position from 0 on is outside.
///
/// With a MASK, row h \* mask_step + t of mask, \[rows, capacity\], is added to the capped scores; keys to which it adds minus infinity are not
/// read, and where it leaves no key, out is zero. A ring has none.
///
/// If PAGED, k and v are \[pages of the pool, 2^page_shift, kv_heads, HEAD_SIZE\], and key j is row j of sequence sequence_of\[t\]: see pages.h. tables
/// is \[sequences, pages\], with numbers of pages below those of the pool. A token at a position without a page gets NaN.
///
/// One thread (ROW_PER_THREAD) or threadgroup of 1 to MAX_SHARERS SIMD groups for each head and token: the grid is
/// \[heads, tokens\]. Decoding wants several SIMD groups a head, a long prompt wants one.
pub struct F16<'a> {
    /// `device const half* q`.
    pub q: &'a Buffer<half::f16>,
    /// `device const half* k`.
    pub k: &'a Buffer<half::f16>,
    /// `device const half* v`.
    pub v: &'a Buffer<half::f16>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device half* out`.
    pub out: &'a mut Buffer<half::f16>,
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
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16<'_> {
    fn kernel(&self) -> &'static str {
        "attention_16bit_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ATTENTION_16BIT
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "q", self.q);
        args.read(1, "k", self.k);
        args.read(2, "v", self.v);
        args.read(3, "positions", self.positions);
        args.write(4, "out", self.out);
        args.value(5, "params", &self.params);
        args.read(6, "sinks", self.sinks);
        args.read(7, "mask", self.mask);
        args.read(8, "tables", self.tables);
        args.read(9, "sequence_of", self.sequence_of);
    }
}

/// out\[t, h, :\] = sum over visible keys j of softmax_j(capped(scale \* q\[t, h, :\] . k\[j, h', :\])) \* v\[j, h', :\] with
/// h' = h / (heads / kv_heads), and capped(x) = softcap \* tanh(x / softcap) if SOFTCAP, else x. Key j is visible to token t when 0 \<= positions\[t\] - j, and positions\[t\] - j \< window
/// unless the window is 0. If SINKS, exp(sinks\[h\]) is added to the denominator of the softmax: so a head may attend to nothing, and
/// gives zeros where all scores are minus infinity. sinks is \[heads\], finite or minus infinity. q and out are \[tokens, heads, HEAD_SIZE\], k and v are \[capacity, kv_heads, HEAD_SIZE\]. A token
/// whose position lies outside the cache gets NaN. In a ring, which needs a window, key j is in row j % capacity, and no position from 0 on is outside.
///
/// With a MASK, row h \* mask_step + t of mask, \[rows, capacity\], is added to the capped scores; keys to which it adds minus infinity are not
/// read, and where it leaves no key, out is zero. A ring has none.
///
/// If PAGED, k and v are \[pages of the pool, 2^page_shift, kv_heads, HEAD_SIZE\], and key j is row j of sequence sequence_of\[t\]: see pages.h. tables
/// is \[sequences, pages\], with numbers of pages below those of the pool. A token at a position without a page gets NaN.
///
/// One thread (ROW_PER_THREAD) or threadgroup of 1 to MAX_SHARERS SIMD groups for each head and token: the grid is
/// \[heads, tokens\]. Decoding wants several SIMD groups a head, a long prompt wants one.
pub struct Bf16<'a> {
    /// `device const bfloat* q`.
    pub q: &'a Buffer<half::bf16>,
    /// `device const bfloat* k`.
    pub k: &'a Buffer<half::bf16>,
    /// `device const bfloat* v`.
    pub v: &'a Buffer<half::bf16>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device bfloat* out`.
    pub out: &'a mut Buffer<half::bf16>,
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
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "attention_16bit_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ATTENTION_16BIT
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "q", self.q);
        args.read(1, "k", self.k);
        args.read(2, "v", self.v);
        args.read(3, "positions", self.positions);
        args.write(4, "out", self.out);
        args.value(5, "params", &self.params);
        args.read(6, "sinks", self.sinks);
        args.read(7, "mask", self.mask);
        args.read(8, "tables", self.tables);
        args.read(9, "sequence_of", self.sequence_of);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "attention_16bit_f16",
        family: "attention_16bit",
        file: "metal/attention_16bit.metal",
        dtypes: &["f16", "i32", "f32", "u8", "u32"],
        arguments: &[
            Argument::new(0, "q", "device const half* q", Access::Read),
            Argument::new(1, "k", "device const half* k", Access::Read),
            Argument::new(2, "v", "device const half* v", Access::Read),
            Argument::new(3, "positions", "device const int* positions", Access::Read),
            Argument::new(4, "out", "device half* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "sinks", "device const float* sinks", Access::Read),
            Argument::new(7, "mask", "device const uchar* mask", Access::Read),
            Argument::new(8, "tables", "device const uint* tables", Access::Read),
            Argument::new(
                9,
                "sequence_of",
                "device const uint* sequence_of",
                Access::Read,
            ),
        ],
        constants: &[
            "ROW_PER_THREAD",
            "HEAD_SIZE",
            "SOFTCAP",
            "SINKS",
            "MASK",
            "PAGED",
        ],
    },
    catalogue::Kernel {
        name: "attention_16bit_bf16",
        family: "attention_16bit",
        file: "metal/attention_16bit.metal",
        dtypes: &["bf16", "i32", "f32", "u8", "u32"],
        arguments: &[
            Argument::new(0, "q", "device const bfloat* q", Access::Read),
            Argument::new(1, "k", "device const bfloat* k", Access::Read),
            Argument::new(2, "v", "device const bfloat* v", Access::Read),
            Argument::new(3, "positions", "device const int* positions", Access::Read),
            Argument::new(4, "out", "device bfloat* out", Access::ReadWrite),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "sinks", "device const float* sinks", Access::Read),
            Argument::new(7, "mask", "device const uchar* mask", Access::Read),
            Argument::new(8, "tables", "device const uint* tables", Access::Read),
            Argument::new(
                9,
                "sequence_of",
                "device const uint* sequence_of",
                Access::Read,
            ),
        ],
        constants: &[
            "ROW_PER_THREAD",
            "HEAD_SIZE",
            "SOFTCAP",
            "SINKS",
            "MASK",
            "PAGED",
        ],
    },
];
