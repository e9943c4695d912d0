//! TurboQuant's formats of heads in key-value caches.

/// Codes of few bits for the values of a head that has been through a randomised Hadamard transform, and their root mean square:
/// `root_mean_square * level[code]`, with the levels of the best scalar quantiser of normal numbers (Zandieh, Daliri, Hadian and Mirrokni, "TurboQuant", 2025).
///
/// A block is a head of 64, 128 or 256 values, or half of a head of 512: the root mean square as f32, then the codes, value i in bits
/// `bits * i` to `bits * (i + 1) - 1` of the bytes' little-endian bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Turbo {
    /// Places in [`Turbo::BITS`] and `VALUES`.
    bits: u8,
    values: u8,
}

const VALUES: [usize; 3] = [64, 128, 256];

macro_rules! names {
    ($($bits:literal)*) => {
        [$([concat!("TURBO", $bits, "_D64"), concat!("TURBO", $bits, "_D128"), concat!("TURBO", $bits, "_D256")]),*]
    };
}

/// By bits and values.
const NAMES: [[&str; VALUES.len()]; Turbo::BITS.len()] = names!(2 3 4 5 6 8);

impl Turbo {
    /// Bits of codes that there are.
    pub const BITS: [usize; 6] = [2, 3, 4, 5, 6, 8];

    /// Every one.
    pub const ALL: [Turbo; Turbo::BITS.len() * VALUES.len()] = {
        let mut all = [Turbo { bits: 0, values: 0 }; Turbo::BITS.len() * VALUES.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = Turbo {
                bits: (i / VALUES.len()) as u8,
                values: (i % VALUES.len()) as u8,
            };
            i += 1;
        }
        all
    };

    /// The format with codes of 2, 3, 4, 5, 6 or 8 bits for heads of 64, 128, 256 or 512 values; `None` for other numbers.
    pub fn new(bits: usize, head_size: usize) -> Option<Turbo> {
        let place = |known: &[usize], wanted| known.iter().position(|&n| n == wanted);
        let values = if head_size == 512 { 256 } else { head_size };
        Some(Turbo {
            bits: place(&Self::BITS, bits)? as u8,
            values: place(&VALUES, values)? as u8,
        })
    }

    /// Bits of a code.
    pub const fn bits(self) -> usize {
        Self::BITS[self.bits as usize]
    }

    /// Values of a block.
    pub const fn values(self) -> usize {
        VALUES[self.values as usize]
    }

    /// Bytes of a block.
    pub(crate) const fn block_bytes(self) -> usize {
        size_of::<f32>() + self.values() * self.bits() / 8
    }

    pub(crate) const fn name(self) -> &'static str {
        NAMES[self.bits as usize][self.values as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_format_is() {
        for turbo in Turbo::ALL {
            let (bits, values) = (turbo.bits(), turbo.values());
            assert_eq!(turbo.name(), format!("TURBO{bits}_D{values}"));
            assert_eq!(Turbo::new(bits, values), Some(turbo));
            assert_eq!(turbo.block_bytes(), 4 + values * bits / 8);
        }
        assert_eq!(Turbo::new(4, 512), Turbo::new(4, 256));
        assert_eq!(Turbo::new(7, 64), None);
        assert_eq!(Turbo::new(4, 80), None);
    }
}
