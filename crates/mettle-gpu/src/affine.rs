//! MLX's affine formats.

/// Codes of few bits with a scale and a bias for each group of values along a row: `scale * code + bias`.
///
/// MLX keeps codes, scales and biases in three tensors. In memory they come in blocks here, one a group: the scale and the bias of 16
/// bits each, then the codes, value i in bits `bits * i` to `bits * (i + 1) - 1` of the bytes' little-endian bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Affine {
    /// Places in `BITS` and `GROUPS`.
    bits: u8,
    group: u8,
    scales: AffineScales,
}

/// What scales and biases are stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AffineScales {
    /// The upper halves of IEEE singles.
    BF16,
    /// IEEE half precision.
    F16,
}

const BITS: [usize; 6] = [2, 3, 4, 5, 6, 8];
const GROUPS: [usize; 3] = [32, 64, 128];
const SCALES: [AffineScales; 2] = [AffineScales::BF16, AffineScales::F16];

macro_rules! names {
    ($($bits:literal)*) => {
        [$([
            [concat!("AFFINE", $bits, "_G32_BF16"), concat!("AFFINE", $bits, "_G32_F16")],
            [concat!("AFFINE", $bits, "_G64_BF16"), concat!("AFFINE", $bits, "_G64_F16")],
            [concat!("AFFINE", $bits, "_G128_BF16"), concat!("AFFINE", $bits, "_G128_F16")],
        ]),*]
    };
}

/// By bits, group and scales.
const NAMES: [[[&str; SCALES.len()]; GROUPS.len()]; BITS.len()] = names!(2 3 4 5 6 8);

impl Affine {
    /// Every one.
    pub const ALL: [Affine; BITS.len() * GROUPS.len() * SCALES.len()] = {
        let first = Affine {
            bits: 0,
            group: 0,
            scales: AffineScales::BF16,
        };
        let mut all = [first; BITS.len() * GROUPS.len() * SCALES.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = Affine {
                bits: (i / SCALES.len() / GROUPS.len()) as u8,
                group: (i / SCALES.len() % GROUPS.len()) as u8,
                scales: SCALES[i % SCALES.len()],
            };
            i += 1;
        }
        all
    };

    /// The format with codes of 2, 3, 4, 5, 6 or 8 bits and groups of 32, 64 or 128; `None` for other numbers, which MLX does not have.
    pub fn new(bits: usize, group: usize, scales: AffineScales) -> Option<Affine> {
        let place = |known: &[usize], wanted| known.iter().position(|&n| n == wanted);
        Some(Affine {
            bits: place(&BITS, bits)? as u8,
            group: place(&GROUPS, group)? as u8,
            scales,
        })
    }

    /// Bits of a code.
    pub const fn bits(self) -> usize {
        BITS[self.bits as usize]
    }

    /// Values of a group.
    pub const fn group(self) -> usize {
        GROUPS[self.group as usize]
    }

    /// What scale and bias are stored as.
    pub const fn scales(self) -> AffineScales {
        self.scales
    }

    /// Bytes of a group's codes.
    pub const fn code_bytes(self) -> usize {
        self.group() * self.bits() / 8
    }

    /// Bytes of a block.
    pub(crate) const fn block_bytes(self) -> usize {
        2 * size_of::<u16>() + self.code_bytes()
    }

    pub(crate) const fn name(self) -> &'static str {
        NAMES[self.bits as usize][self.group as usize][self.scales as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_format_is() {
        for affine in Affine::ALL {
            let (bits, group, scales) = (affine.bits(), affine.group(), affine.scales());
            assert_eq!(affine.name(), format!("AFFINE{bits}_G{group}_{scales:?}"));
            assert_eq!(Affine::new(bits, group, scales), Some(affine));
            assert_eq!(affine.block_bytes(), 4 + group * bits / 8);
        }
        assert_eq!(Affine::new(7, 64, AffineScales::F16), None);
        assert_eq!(Affine::new(4, 16, AffineScales::F16), None);
    }
}
