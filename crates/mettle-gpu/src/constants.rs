//! The values of a kernel's function constants, held inline.

use std::hash::{Hash, Hasher};

/// The values of function constants: pairs of index and bits, sorted by index, without allocation.
///
/// Bits are the value's own bit pattern, zero-extended to 64 bits (`true` is 1, `1.0f` is `0x3f800000`, `-1` as `int` is `0xffffffff`).
#[derive(Clone, Copy)]
pub struct ConstantSet {
    len: u8,
    overflow: bool,
    entries: [(u32, u64); ConstantSet::CAPACITY],
}

impl ConstantSet {
    /// How many constants fit. More make the launch fail with [`Error::Constant`](crate::Error::Constant).
    pub const CAPACITY: usize = 16;

    /// No constants.
    pub const EMPTY: ConstantSet = ConstantSet {
        len: 0,
        overflow: false,
        entries: [(0, 0); ConstantSet::CAPACITY],
    };

    /// Pairs of index and bits. Of two values of one index the later counts.
    pub fn new(entries: &[(u32, u64)]) -> Self {
        entries
            .iter()
            .fold(Self::EMPTY, |set, &(index, bits)| set.with(index, bits))
    }

    /// Adds a constant, or replaces the value it has.
    #[must_use]
    pub fn with(mut self, index: u32, value: impl ConstantBits) -> Self {
        let bits = value.constant_bits();
        let len = usize::from(self.len);
        match self.entries[..len].binary_search_by_key(&index, |entry| entry.0) {
            Ok(at) => self.entries[at].1 = bits,
            Err(_) if len == Self::CAPACITY => self.overflow = true,
            Err(at) => {
                self.entries.copy_within(at..len, at + 1);
                self.entries[at] = (index, bits);
                self.len += 1;
            }
        }
        self
    }

    /// The constants by index.
    pub fn entries(&self) -> &[(u32, u64)] {
        &self.entries[..usize::from(self.len)]
    }

    /// Whether more constants were added than fit.
    pub(crate) fn has_overflown(&self) -> bool {
        self.overflow
    }
}

impl Default for ConstantSet {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for ConstantSet {
    fn eq(&self, other: &Self) -> bool {
        self.entries() == other.entries() && self.overflow == other.overflow
    }
}

impl Eq for ConstantSet {}

impl Hash for ConstantSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for &(index, bits) in self.entries() {
            state.write_u32(index);
            state.write_u64(bits);
        }
    }
}

impl std::fmt::Debug for ConstantSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.entries().iter().copied())
            .finish()
    }
}

/// A type that a function constant can have.
pub trait ConstantBits: Copy {
    /// The bit pattern, zero-extended.
    fn constant_bits(self) -> u64;
}

macro_rules! constant_bits {
    ($($ty:ty => |$value:ident| $bits:expr;)*) => {
        $(impl ConstantBits for $ty {
            fn constant_bits(self) -> u64 {
                let $value = self;
                $bits
            }
        })*
    };
}

constant_bits! {
    bool => |value| u64::from(value);
    u8 => |value| u64::from(value);
    i8 => |value| u64::from(value as u8);
    u16 => |value| u64::from(value);
    i16 => |value| u64::from(value as u16);
    u32 => |value| u64::from(value);
    i32 => |value| u64::from(value as u32);
    u64 => |value| value;
    i64 => |value| value as u64;
    f32 => |value| u64::from(value.to_bits());
    half::f16 => |value| u64::from(value.to_bits());
    half::bf16 => |value| u64::from(value.to_bits());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_and_replaced() {
        let set = ConstantSet::EMPTY
            .with(7, 1u32)
            .with(2, true)
            .with(5, -1i32)
            .with(7, 1.0f32);
        assert_eq!(set.entries(), &[(2, 1), (5, 0xffff_ffff), (7, 0x3f80_0000)]);
        assert_eq!(
            set,
            ConstantSet::EMPTY
                .with(5, -1i32)
                .with(7, 1.0f32)
                .with(2, true)
        );
        assert_ne!(set, ConstantSet::EMPTY);
    }

    #[test]
    fn overflow_is_remembered() {
        let mut set = ConstantSet::EMPTY;
        for index in 0..ConstantSet::CAPACITY as u32 {
            set = set.with(index, index);
        }
        assert!(!set.has_overflown());
        assert!(!set.with(3, 4u32).has_overflown());
        assert!(set.with(99, 0u32).has_overflown());
    }
}
