//! Launch bindings of `metal/kv_read_turbo.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint capacity`: rows of the cache
    pub capacity: u32,
    /// `uint heads`: of a row
    pub heads: u32,
    /// `uint head_size`: whole blocks
    pub head_size: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 12);
    assert!(std::mem::offset_of!(Params, capacity) == 0);
    assert!(std::mem::offset_of!(Params, heads) == 4);
    assert!(std::mem::offset_of!(Params, head_size) == 8);
};

/// Function constants: each set of values is a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `uint TURBO_BITS`, function constant 13.
    pub turbo_bits: u32,
    /// `uint TURBO_VALUES`, function constant 14.
    pub turbo_values: u32,
}

impl Constants {
    fn set(&self) -> ConstantSet {
        ConstantSet::EMPTY
            .with(13, self.turbo_bits)
            .with(14, self.turbo_values)
    }
}

/// out\[t, h, :\] = cache\[positions\[t\], h, :\], decoded, for tokens t; the cache is \[capacity, heads, head_size\], out is \[tokens, heads, head_size\].
/// What was transformed by hadamard.metal still is. A token whose position lies outside the cache gets NaN.
///
/// One thread for sixteen values of a token: the grid is \[heads \* head_size / 16, tokens\].
pub struct Kernel<'a> {
    /// `device const uint* cache`.
    pub cache: &'a Buffer<u32>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device float* out`.
    pub out: &'a mut Buffer<f32>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        "kv_read_turbo"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::KV_READ_TURBO
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "cache", self.cache);
        args.read(1, "positions", self.positions);
        args.write(2, "out", self.out);
        args.value(3, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "kv_read_turbo",
    family: "kv_read_turbo",
    file: "metal/kv_read_turbo.metal",
    dtypes: &["u32", "i32", "f32"],
    arguments: &[
        Argument::new(0, "cache", "device const uint* cache", Access::Read),
        Argument::new(1, "positions", "device const int* positions", Access::Read),
        Argument::new(2, "out", "device float* out", Access::ReadWrite),
        Argument::new(3, "params", "constant Params& params", Access::Value),
    ],
    constants: &["TURBO_BITS", "TURBO_VALUES"],
}];
