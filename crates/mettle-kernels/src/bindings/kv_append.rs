//! Launch bindings of `metal/kv_append.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit, Format};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint capacity`: rows of each cache; if PAGED, those that a page table has room for
    pub capacity: u32,
    /// `uint ring`: rows of the ring that the caches are, all of them; 0: the token at a position has row position
    pub ring: u32,
    /// `uint columns`: values of a row: kv heads \* head size
    pub columns: u32,
    /// `uint sequences`: if PAGED: how many page tables there are
    pub sequences: u32,
    /// `uint pages`: if PAGED: pages of a table
    pub pages: u32,
    /// `uint page_shift`: if PAGED: a page has 2^page_shift rows
    pub page_shift: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 24);
    assert!(std::mem::offset_of!(Params, capacity) == 0);
    assert!(std::mem::offset_of!(Params, ring) == 4);
    assert!(std::mem::offset_of!(Params, columns) == 8);
    assert!(std::mem::offset_of!(Params, sequences) == 12);
    assert!(std::mem::offset_of!(Params, pages) == 16);
    assert!(std::mem::offset_of!(Params, page_shift) == 20);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `bool PAGED`, function constant 12.
    pub paged: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY.with(12, self.paged)
    }
}

/// One of the kernels `kv_append_*`, by the format of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelOf(&'static str);

impl KernelOf {
    /// The kernel for weights of a format; `None` where there is none.
    pub fn of(format: Format) -> Option<KernelOf> {
        Some(KernelOf(match format {
            Format::F32 => "kv_append_f32",
            Format::F16 => "kv_append_f16",
            Format::BF16 => "kv_append_bf16",
            Format::Q8_0 => "kv_append_q8_0",
            Format::Q4_0 => "kv_append_q4_0",
            _ => return None,
        }))
    }

    /// Its host name.
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// cache_k\[positions\[t\], :\] = k\[t, :\] and the same for v, converted to the format of the cache, for tokens t; k and v are
/// \[tokens, columns\], the caches \[capacity, columns\]. A token whose position lies outside the cache is not stored. In a ring it is
/// row positions\[t\] % capacity, and no position from 0 on is outside.
///
/// If PAGED, the caches are \[pages of the pool, 2^page_shift, columns\], and token t goes to the row for its position of sequence
/// sequence_of\[t\]: see pages.h. tables is \[sequences, pages\], with numbers of pages below those of the pool. A token at a position without a
/// page is not stored. No two tokens go to the same row.
///
/// One thread for sixteen columns of a token, or for a block: the grid is \[ceil(columns / 16), tokens\], or \[columns / 32, tokens\].
pub struct Kernel<'a> {
    /// Which kernel.
    pub kernel: KernelOf,
    /// `device const float* k`.
    pub k: &'a Buffer<f32>,
    /// `device const float* v`.
    pub v: &'a Buffer<f32>,
    /// `device W* cache_k`.
    pub cache_k: &'a mut Buffer<u8>,
    /// `device W* cache_v`.
    pub cache_v: &'a mut Buffer<u8>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `device const uint* tables`.
    pub tables: &'a Buffer<u32>,
    /// `device const uint* sequence_of`.
    pub sequence_of: &'a Buffer<u32>,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        self.kernel.name()
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::KV_APPEND
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "k", self.k);
        args.read(1, "v", self.v);
        args.write(2, "cache_k", self.cache_k);
        args.write(3, "cache_v", self.cache_v);
        args.read(4, "positions", self.positions);
        args.value(5, "params", &self.params);
        args.read(6, "tables", self.tables);
        args.read(7, "sequence_of", self.sequence_of);
    }
}

/// Names end in the format of keys and values where that is not f32.
pub struct F16F16<'a> {
    /// `device const half* k`.
    pub k: &'a Buffer<half::f16>,
    /// `device const half* v`.
    pub v: &'a Buffer<half::f16>,
    /// `device half* cache_k`.
    pub cache_k: &'a mut Buffer<half::f16>,
    /// `device half* cache_v`.
    pub cache_v: &'a mut Buffer<half::f16>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `device const uint* tables`.
    pub tables: &'a Buffer<u32>,
    /// `device const uint* sequence_of`.
    pub sequence_of: &'a Buffer<u32>,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F16F16<'_> {
    fn kernel(&self) -> &'static str {
        "kv_append_f16_f16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::KV_APPEND
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "k", self.k);
        args.read(1, "v", self.v);
        args.write(2, "cache_k", self.cache_k);
        args.write(3, "cache_v", self.cache_v);
        args.read(4, "positions", self.positions);
        args.value(5, "params", &self.params);
        args.read(6, "tables", self.tables);
        args.read(7, "sequence_of", self.sequence_of);
    }
}

/// cache_k\[positions\[t\], :\] = k\[t, :\] and the same for v, converted to the format of the cache, for tokens t; k and v are
/// \[tokens, columns\], the caches \[capacity, columns\]. A token whose position lies outside the cache is not stored. In a ring it is
/// row positions\[t\] % capacity, and no position from 0 on is outside.
///
/// If PAGED, the caches are \[pages of the pool, 2^page_shift, columns\], and token t goes to the row for its position of sequence
/// sequence_of\[t\]: see pages.h. tables is \[sequences, pages\], with numbers of pages below those of the pool. A token at a position without a
/// page is not stored. No two tokens go to the same row.
///
/// One thread for sixteen columns of a token, or for a block: the grid is \[ceil(columns / 16), tokens\], or \[columns / 32, tokens\].
pub struct F32Bf16<'a> {
    /// `device const bfloat* k`.
    pub k: &'a Buffer<half::bf16>,
    /// `device const bfloat* v`.
    pub v: &'a Buffer<half::bf16>,
    /// `device float* cache_k`.
    pub cache_k: &'a mut Buffer<f32>,
    /// `device float* cache_v`.
    pub cache_v: &'a mut Buffer<f32>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `device const uint* tables`.
    pub tables: &'a Buffer<u32>,
    /// `device const uint* sequence_of`.
    pub sequence_of: &'a Buffer<u32>,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for F32Bf16<'_> {
    fn kernel(&self) -> &'static str {
        "kv_append_f32_bf16"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::KV_APPEND
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "k", self.k);
        args.read(1, "v", self.v);
        args.write(2, "cache_k", self.cache_k);
        args.write(3, "cache_v", self.cache_v);
        args.read(4, "positions", self.positions);
        args.value(5, "params", &self.params);
        args.read(6, "tables", self.tables);
        args.read(7, "sequence_of", self.sequence_of);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "kv_append_f32",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["f32", "i32", "u32"],
        arguments: &[
            Argument::new(0, "k", "device const float* k", Access::Read),
            Argument::new(1, "v", "device const float* v", Access::Read),
            Argument::new(2, "cache_k", "device float* cache_k", Access::ReadWrite),
            Argument::new(3, "cache_v", "device float* cache_v", Access::ReadWrite),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "tables", "device const uint* tables", Access::Read),
            Argument::new(
                7,
                "sequence_of",
                "device const uint* sequence_of",
                Access::Read,
            ),
        ],
        constants: &["PAGED"],
    },
    catalogue::Kernel {
        name: "kv_append_f16",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["f32", "f16", "i32", "u32"],
        arguments: &[
            Argument::new(0, "k", "device const float* k", Access::Read),
            Argument::new(1, "v", "device const float* v", Access::Read),
            Argument::new(2, "cache_k", "device half* cache_k", Access::ReadWrite),
            Argument::new(3, "cache_v", "device half* cache_v", Access::ReadWrite),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "tables", "device const uint* tables", Access::Read),
            Argument::new(
                7,
                "sequence_of",
                "device const uint* sequence_of",
                Access::Read,
            ),
        ],
        constants: &["PAGED"],
    },
    catalogue::Kernel {
        name: "kv_append_bf16",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["f32", "bf16", "i32", "u32"],
        arguments: &[
            Argument::new(0, "k", "device const float* k", Access::Read),
            Argument::new(1, "v", "device const float* v", Access::Read),
            Argument::new(2, "cache_k", "device bfloat* cache_k", Access::ReadWrite),
            Argument::new(3, "cache_v", "device bfloat* cache_v", Access::ReadWrite),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "tables", "device const uint* tables", Access::Read),
            Argument::new(
                7,
                "sequence_of",
                "device const uint* sequence_of",
                Access::Read,
            ),
        ],
        constants: &["PAGED"],
    },
    catalogue::Kernel {
        name: "kv_append_q8_0",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["f32", "q8_0", "i32", "u32"],
        arguments: &[
            Argument::new(0, "k", "device const float* k", Access::Read),
            Argument::new(1, "v", "device const float* v", Access::Read),
            Argument::new(
                2,
                "cache_k",
                "device block_q8_0* cache_k",
                Access::ReadWrite,
            ),
            Argument::new(
                3,
                "cache_v",
                "device block_q8_0* cache_v",
                Access::ReadWrite,
            ),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "tables", "device const uint* tables", Access::Read),
            Argument::new(
                7,
                "sequence_of",
                "device const uint* sequence_of",
                Access::Read,
            ),
        ],
        constants: &["PAGED"],
    },
    catalogue::Kernel {
        name: "kv_append_q4_0",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["f32", "q4_0", "i32", "u32"],
        arguments: &[
            Argument::new(0, "k", "device const float* k", Access::Read),
            Argument::new(1, "v", "device const float* v", Access::Read),
            Argument::new(
                2,
                "cache_k",
                "device block_q4_0* cache_k",
                Access::ReadWrite,
            ),
            Argument::new(
                3,
                "cache_v",
                "device block_q4_0* cache_v",
                Access::ReadWrite,
            ),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "tables", "device const uint* tables", Access::Read),
            Argument::new(
                7,
                "sequence_of",
                "device const uint* sequence_of",
                Access::Read,
            ),
        ],
        constants: &["PAGED"],
    },
    catalogue::Kernel {
        name: "kv_append_f16_f16",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["f16", "i32", "u32"],
        arguments: &[
            Argument::new(0, "k", "device const half* k", Access::Read),
            Argument::new(1, "v", "device const half* v", Access::Read),
            Argument::new(2, "cache_k", "device half* cache_k", Access::ReadWrite),
            Argument::new(3, "cache_v", "device half* cache_v", Access::ReadWrite),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "tables", "device const uint* tables", Access::Read),
            Argument::new(
                7,
                "sequence_of",
                "device const uint* sequence_of",
                Access::Read,
            ),
        ],
        constants: &["PAGED"],
    },
    catalogue::Kernel {
        name: "kv_append_f32_bf16",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["bf16", "f32", "i32", "u32"],
        arguments: &[
            Argument::new(0, "k", "device const bfloat* k", Access::Read),
            Argument::new(1, "v", "device const bfloat* v", Access::Read),
            Argument::new(2, "cache_k", "device float* cache_k", Access::ReadWrite),
            Argument::new(3, "cache_v", "device float* cache_v", Access::ReadWrite),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(5, "params", "constant Params& params", Access::Value),
            Argument::new(6, "tables", "device const uint* tables", Access::Read),
            Argument::new(
                7,
                "sequence_of",
                "device const uint* sequence_of",
                Access::Read,
            ),
        ],
        constants: &["PAGED"],
    },
];
