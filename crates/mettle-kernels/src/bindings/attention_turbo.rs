//! Launch bindings of `metal/attention_turbo.metal`.
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
    /// `uint capacity`: rows of the caches
    pub capacity: u32,
    /// `uint window`: keys that a query sees, its own included; 0: all
    pub window: u32,
    /// `float scale`: of the scores, usually 1 / sqrt(HEAD_SIZE)
    pub scale: f32,
    /// `float softcap`: that scores stay below, if SOFTCAP
    pub softcap: f32,
}

const _: () = {
    assert!(size_of::<Params>() == 24);
    assert!(std::mem::offset_of!(Params, heads) == 0);
    assert!(std::mem::offset_of!(Params, kv_heads) == 4);
    assert!(std::mem::offset_of!(Params, capacity) == 8);
    assert!(std::mem::offset_of!(Params, window) == 12);
    assert!(std::mem::offset_of!(Params, scale) == 16);
    assert!(std::mem::offset_of!(Params, softcap) == 20);
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
    /// `uint HEAD_SIZE`, function constant 1.
    pub head_size: u32,
    /// `bool SOFTCAP`, function constant 2.
    pub softcap: bool,
    /// `bool SINKS`, function constant 3.
    pub sinks: bool,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(13, self.turbo_bits)
            .with(14, self.turbo_values)
            .with(0, self.row_per_thread)
            .with(1, self.head_size)
            .with(2, self.softcap)
            .with(3, self.sinks)
    }
}

/// out\[t, h, :\] = sum over visible keys j of softmax_j(capped(scale \* q\[t, h, :\] . k\[j, h', :\])) \* v\[j, h', :\] with
/// h' = h / (heads / kv_heads), and capped(x) = softcap \* tanh(x / softcap) if SOFTCAP, else x. Key j is visible to token t when 0 \<= positions\[t\] - j, and positions\[t\] - j \< window
/// unless the window is 0. If SINKS, exp(sinks\[h\]) is added to the denominator of the softmax: so a head may attend to nothing, and
/// gives zeros where all scores are minus infinity. sinks is \[heads\], finite or minus infinity. q and out are \[tokens, heads, HEAD_SIZE\], k and v are \[capacity, kv_heads, HEAD_SIZE\]. A token
/// whose position lies outside the cache gets NaN.
///
/// One thread (ROW_PER_THREAD) or threadgroup of 1 to MAX_SIMD_GROUPS SIMD groups for each head and token: the grid is
/// \[heads, tokens\]. Decoding wants several SIMD groups a head, a long prompt wants one.
pub struct Kernel<'a> {
    /// `device const float* q`.
    pub q: &'a Buffer<f32>,
    /// `device const uint* k`.
    pub k: &'a Buffer<u32>,
    /// `device const uint* v`.
    pub v: &'a Buffer<u32>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// `device const float* sinks`.
    pub sinks: &'a Buffer<f32>,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        "attention_turbo"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::ATTENTION_TURBO
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
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "attention_turbo",
    family: "attention_turbo",
    file: "metal/attention_turbo.metal",
    dtypes: &["f32", "u32", "i32"],
    arguments: &[
        Argument::new(0, "q", "device const float* q", Access::Read),
        Argument::new(1, "k", "device const uint* k", Access::Read),
        Argument::new(2, "v", "device const uint* v", Access::Read),
        Argument::new(3, "positions", "device const int* positions", Access::Read),
        Argument::new(4, "out", "device float* out", Access::ReadWrite),
        Argument::new(5, "params", "constant Params& params", Access::Value),
        Argument::new(6, "sinks", "device const float* sinks", Access::Read),
    ],
    constants: &[
        "ROW_PER_THREAD",
        "HEAD_SIZE",
        "SOFTCAP",
        "SINKS",
        "TURBO_BITS",
        "TURBO_VALUES",
    ],
}];
