//! Number formats of tensors: how many values a block holds and how many bytes it takes.

use crate::affine::Affine;
use crate::error::{Error, Result};
use crate::turbo::Turbo;

/// How the values of a tensor are stored.
///
/// Plain formats have blocks of one value. The block formats are those of ggml (GGUF) and those of other engines that
/// keep blocks in the same way; a row is a whole number of blocks. All are little-endian. The layouts inside a block are
/// the business of kernels.
#[allow(non_camel_case_types)] // the names of the formats as everyone writes them
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an IEEE single.
    BF16,
    /// 32-bit signed integers.
    I32,
    /// 32-bit unsigned integers.
    U32,
    /// 8-bit signed integers.
    I8,
    /// Bytes.
    U8,
    /// 4 bits, blocks of 32 with a scale.
    Q4_0,
    /// 4 bits, blocks of 32 with scale and minimum.
    Q4_1,
    /// 5 bits, blocks of 32 with a scale.
    Q5_0,
    /// 5 bits, blocks of 32 with scale and minimum.
    Q5_1,
    /// 8 bits, blocks of 32 with a scale.
    Q8_0,
    /// 2 bits, blocks of 256 with scaled sub-blocks.
    Q2_K,
    /// 3 bits, blocks of 256 with scaled sub-blocks.
    Q3_K,
    /// 4 bits, blocks of 256 with scaled sub-blocks.
    Q4_K,
    /// 5 bits, blocks of 256 with scaled sub-blocks.
    Q5_K,
    /// 6 bits, blocks of 256 with scaled sub-blocks.
    Q6_K,
    /// 4 bits through a table, blocks of 32.
    IQ4_NL,
    /// 4 bits through a table, blocks of 256 with scaled sub-blocks.
    IQ4_XS,
    /// Ternary, blocks of 256.
    TQ2_0,
    /// One bit, blocks of 128.
    Q1_0,
    /// Ternary, blocks of 128 with the scale behind the codes (OxiBonsai).
    TQ2_0_g128,
    /// OCP 8-bit floats of 4 exponent bits without infinities, blocks of 32 with a scale behind them (OxiBonsai).
    F8_E4M3,
    /// OCP 8-bit floats of 5 exponent bits, blocks of 32 with a scale behind them (OxiBonsai).
    F8_E5M2,
    /// 4 bits in sequential pairs, blocks of 32 with scale and bias (Lattice).
    KHQ4,
    /// 3 bits, blocks of 32 with scale and bias (Lattice).
    Q3,
    /// Few bits in groups with scale and bias (MLX), brought together in blocks.
    Affine(Affine),
    /// Few bits a value with a scale for each head (TurboQuant), in key-value caches.
    Turbo(Turbo),
}

/// Those without parameters.
const PLAIN: [Format; 26] = [
    Format::F32,
    Format::F16,
    Format::BF16,
    Format::I32,
    Format::U32,
    Format::I8,
    Format::U8,
    Format::Q4_0,
    Format::Q4_1,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q8_0,
    Format::Q2_K,
    Format::Q3_K,
    Format::Q4_K,
    Format::Q5_K,
    Format::Q6_K,
    Format::IQ4_NL,
    Format::IQ4_XS,
    Format::TQ2_0,
    Format::Q1_0,
    Format::TQ2_0_g128,
    Format::F8_E4M3,
    Format::F8_E5M2,
    Format::KHQ4,
    Format::Q3,
];

impl Format {
    /// Every format.
    pub const ALL: &'static [Format] = &{
        const TURBO: usize = PLAIN.len() + Affine::ALL.len();
        let mut all = [Format::F32; TURBO + Turbo::ALL.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = if i < PLAIN.len() {
                PLAIN[i]
            } else if i < TURBO {
                Format::Affine(Affine::ALL[i - PLAIN.len()])
            } else {
                Format::Turbo(Turbo::ALL[i - TURBO])
            };
            i += 1;
        }
        all
    };

    /// Name, values in a block, bytes of a block.
    const fn layout(self) -> (&'static str, usize, usize) {
        match self {
            Format::F32 => ("F32", 1, 4),
            Format::F16 => ("F16", 1, 2),
            Format::BF16 => ("BF16", 1, 2),
            Format::I32 => ("I32", 1, 4),
            Format::U32 => ("U32", 1, 4),
            Format::I8 => ("I8", 1, 1),
            Format::U8 => ("U8", 1, 1),
            Format::Q4_0 => ("Q4_0", 32, 18),
            Format::Q4_1 => ("Q4_1", 32, 20),
            Format::Q5_0 => ("Q5_0", 32, 22),
            Format::Q5_1 => ("Q5_1", 32, 24),
            Format::Q8_0 => ("Q8_0", 32, 34),
            Format::Q2_K => ("Q2_K", 256, 84),
            Format::Q3_K => ("Q3_K", 256, 110),
            Format::Q4_K => ("Q4_K", 256, 144),
            Format::Q5_K => ("Q5_K", 256, 176),
            Format::Q6_K => ("Q6_K", 256, 210),
            Format::IQ4_NL => ("IQ4_NL", 32, 18),
            Format::IQ4_XS => ("IQ4_XS", 256, 136),
            Format::TQ2_0 => ("TQ2_0", 256, 66),
            Format::Q1_0 => ("Q1_0", 128, 18),
            Format::TQ2_0_g128 => ("TQ2_0_g128", 128, 34),
            Format::F8_E4M3 => ("F8_E4M3", 32, 34),
            Format::F8_E5M2 => ("F8_E5M2", 32, 34),
            Format::KHQ4 => ("KHQ4", 32, 20),
            Format::Q3 => ("Q3", 32, 16),
            Format::Affine(affine) => (affine.name(), affine.group(), affine.block_bytes()),
            Format::Turbo(turbo) => (turbo.name(), turbo.values(), turbo.block_bytes()),
        }
    }

    /// The name as its engine writes it: `F32`, `Q4_K`.
    pub const fn name(self) -> &'static str {
        self.layout().0
    }

    /// The number of values in a block; one for plain formats.
    pub const fn block_len(self) -> usize {
        self.layout().1
    }

    /// The bytes of a block.
    pub const fn block_bytes(self) -> usize {
        self.layout().2
    }

    /// Whether a block holds more than one value.
    pub const fn is_quantised(self) -> bool {
        self.block_len() > 1
    }

    /// The bytes of a row of `columns` values.
    ///
    /// # Errors
    /// [`Error::Shape`] when the columns are not a whole number of blocks or the size does not fit `usize`.
    pub fn row_bytes(self, columns: usize) -> Result<usize> {
        let (name, len, bytes) = self.layout();
        let refuse = |reason: String| Error::Shape {
            what: name,
            shape: format!("[.., {columns}]"),
            reason,
        };
        if !columns.is_multiple_of(len) {
            return Err(refuse(format!(
                "has rows that are not whole blocks of {len}"
            )));
        }
        (columns / len)
            .checked_mul(bytes)
            .ok_or_else(|| refuse("is too large".to_owned()))
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Format {
    type Err = Error;

    /// Reads a name as [`Format::name`] writes it, in any case.
    fn from_str(name: &str) -> Result<Self> {
        Format::ALL
            .iter()
            .copied()
            .find(|format| format.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| Error::UnknownFormat {
                name: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for &format in Format::ALL {
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
            assert_eq!(
                format.name().to_lowercase().parse::<Format>().unwrap(),
                format
            );
        }
        assert!("Q9_9".parse::<Format>().is_err());
    }

    #[test]
    fn rows_are_whole_blocks() {
        assert_eq!(Format::Q4_0.row_bytes(64).unwrap(), 36);
        assert_eq!(Format::Q6_K.row_bytes(512).unwrap(), 420);
        assert_eq!(Format::F16.row_bytes(3).unwrap(), 6);
        assert!(Format::Q4_0.row_bytes(33).is_err());
        assert!(Format::Q4_K.row_bytes(128).is_err());
        assert!(Format::F32.row_bytes(usize::MAX / 2).is_err());
    }

    /// The bits a value takes, against the table of the GGUF specification and, behind it, the other engines' own.
    #[test]
    fn bits_per_value() {
        let bits = |format: Format| (format.block_bytes() * 8) as f64 / format.block_len() as f64;
        assert_eq!(bits(Format::Q4_0), 4.5);
        assert_eq!(bits(Format::Q4_1), 5.0);
        assert_eq!(bits(Format::Q5_0), 5.5);
        assert_eq!(bits(Format::Q5_1), 6.0);
        assert_eq!(bits(Format::Q8_0), 8.5);
        assert_eq!(bits(Format::Q2_K), 2.625);
        assert_eq!(bits(Format::Q3_K), 3.4375);
        assert_eq!(bits(Format::Q4_K), 4.5);
        assert_eq!(bits(Format::Q5_K), 5.5);
        assert_eq!(bits(Format::Q6_K), 6.5625);
        assert_eq!(bits(Format::IQ4_NL), 4.5);
        assert_eq!(bits(Format::IQ4_XS), 4.25);
        assert_eq!(bits(Format::TQ2_0), 2.0625);
        assert_eq!(bits(Format::Q1_0), 1.125);
        assert_eq!(bits(Format::TQ2_0_g128), 2.125);
        assert_eq!(bits(Format::F8_E4M3), 8.5);
        assert_eq!(bits(Format::F8_E5M2), 8.5);
        assert_eq!(bits(Format::KHQ4), 5.0);
        assert_eq!(bits(Format::Q3), 4.0);
    }
}
