//! Launch bindings of `metal/kv_append.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit, Format};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint capacity`: rows of each cache
    pub capacity: u32,
    /// `uint columns`: values of a row: kv heads \* head size
    pub columns: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 8);
    assert!(std::mem::offset_of!(Params, capacity) == 0);
    assert!(std::mem::offset_of!(Params, columns) == 4);
};

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
/// \[tokens, columns\], the caches \[capacity, columns\]. A token whose position lies outside the cache is not stored.
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
}

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        self.kernel.name()
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::KV_APPEND
    }
    fn constants(&self) -> ConstantSet {
        ConstantSet::EMPTY
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "k", self.k);
        args.read(1, "v", self.v);
        args.write(2, "cache_k", self.cache_k);
        args.write(3, "cache_v", self.cache_v);
        args.read(4, "positions", self.positions);
        args.value(5, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[
    catalogue::Kernel {
        name: "kv_append_f32",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["f32", "i32"],
        arguments: &[
            Argument::new(0, "k", "device const float* k", Access::Read),
            Argument::new(1, "v", "device const float* v", Access::Read),
            Argument::new(2, "cache_k", "device float* cache_k", Access::ReadWrite),
            Argument::new(3, "cache_v", "device float* cache_v", Access::ReadWrite),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(5, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "kv_append_f16",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["f32", "f16", "i32"],
        arguments: &[
            Argument::new(0, "k", "device const float* k", Access::Read),
            Argument::new(1, "v", "device const float* v", Access::Read),
            Argument::new(2, "cache_k", "device half* cache_k", Access::ReadWrite),
            Argument::new(3, "cache_v", "device half* cache_v", Access::ReadWrite),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(5, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "kv_append_bf16",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["f32", "bf16", "i32"],
        arguments: &[
            Argument::new(0, "k", "device const float* k", Access::Read),
            Argument::new(1, "v", "device const float* v", Access::Read),
            Argument::new(2, "cache_k", "device bfloat* cache_k", Access::ReadWrite),
            Argument::new(3, "cache_v", "device bfloat* cache_v", Access::ReadWrite),
            Argument::new(4, "positions", "device const int* positions", Access::Read),
            Argument::new(5, "params", "constant Params& params", Access::Value),
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "kv_append_q8_0",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["f32", "q8_0", "i32"],
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
        ],
        constants: &[],
    },
    catalogue::Kernel {
        name: "kv_append_q4_0",
        family: "kv_append",
        file: "metal/kv_append.metal",
        dtypes: &["f32", "q4_0", "i32"],
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
        ],
        constants: &[],
    },
];
