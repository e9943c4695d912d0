//! Launch bindings of `metal/kv_to_half_turbo.metal`.
//!
//! Generated from it by `cargo run -p xtask -- bindings`: do not edit.

use crate::catalogue::{self, Access, Argument};
use mettle_gpu::{Arguments, Binding, Buffer, ConstantSet, EmbeddedUnit};

/// `struct Params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Params {
    /// `uint capacity`: rows of the caches
    pub capacity: u32,
    /// `uint ring`: rows of the ring that the caches are, all of them; 0: the token at a position has row position
    pub ring: u32,
    /// `uint window`: keys that a query sees, its own included; 0: all
    pub window: u32,
    /// `uint heads`: of a row
    pub heads: u32,
    /// `uint head_size`: a multiple of the values of a block
    pub head_size: u32,
    /// `uint tokens`.
    pub tokens: u32,
}

const _: () = {
    assert!(size_of::<Params>() == 24);
    assert!(std::mem::offset_of!(Params, capacity) == 0);
    assert!(std::mem::offset_of!(Params, ring) == 4);
    assert!(std::mem::offset_of!(Params, window) == 8);
    assert!(std::mem::offset_of!(Params, heads) == 12);
    assert!(std::mem::offset_of!(Params, head_size) == 16);
    assert!(std::mem::offset_of!(Params, tokens) == 20);
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

/// to\[j, :\] = from\[j, :\] rounded to half, of keys and of values, for the rows from the first to the last that any of the tokens sees; others are
/// not written. Caches and halves are \[capacity, heads, head_size\], of less than 2^32 vectors, the halves aligned to sixteen bytes.
///
/// The grid is \[ceil(capacity / ROWS), 2\] threadgroups of whole SIMD groups: keys, then values.
pub struct Kernel<'a> {
    /// `device const uint* k`.
    pub k: &'a Buffer<u32>,
    /// `device const uint* v`.
    pub v: &'a Buffer<u32>,
    /// `device const int* positions`.
    pub positions: &'a Buffer<i32>,
    /// `device half* to_k`.
    pub to_k: &'a mut Buffer<half::f16>,
    /// `device half* to_v`.
    pub to_v: &'a mut Buffer<half::f16>,
    /// `constant Params& params`.
    pub params: Params,
    /// Function constants.
    pub constants: Constants,
}

impl Binding for Kernel<'_> {
    fn kernel(&self) -> &'static str {
        "kv_to_half_turbo"
    }
    fn unit() -> &'static EmbeddedUnit {
        &crate::embedded::KV_TO_HALF_TURBO
    }
    fn constants(&self) -> ConstantSet {
        self.constants.set()
    }
    fn bind(&self, args: &mut Arguments<'_>) {
        args.read(0, "k", self.k);
        args.read(1, "v", self.v);
        args.read(2, "positions", self.positions);
        args.write(3, "to_k", self.to_k);
        args.write(4, "to_v", self.to_v);
        args.value(5, "params", &self.params);
    }
}

pub(super) const CATALOGUE: &[catalogue::Kernel] = &[catalogue::Kernel {
    name: "kv_to_half_turbo",
    family: "kv_to_half_turbo",
    file: "metal/kv_to_half_turbo.metal",
    dtypes: &["u32", "i32", "f16"],
    arguments: &[
        Argument::new(0, "k", "device const uint* k", Access::Read),
        Argument::new(1, "v", "device const uint* v", Access::Read),
        Argument::new(2, "positions", "device const int* positions", Access::Read),
        Argument::new(3, "to_k", "device half* to_k", Access::ReadWrite),
        Argument::new(4, "to_v", "device half* to_v", Access::ReadWrite),
        Argument::new(5, "params", "constant Params& params", Access::Value),
    ],
    constants: &["TURBO_BITS", "TURBO_VALUES"],
}];
