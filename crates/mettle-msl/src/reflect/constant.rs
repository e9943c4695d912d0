//! Function constants, their values, and the variants a source asks to be compiled.

use super::Scalar;
use crate::TargetClass;
use crate::diagnostic::Location;
use serde::{Deserialize, Serialize};

/// A program-scope constant whose value is given when a kernel is compiled or loaded: `constant T NAME [[function_constant(n)]];`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionConstant {
    /// Name.
    pub name: String,
    /// `n`.
    pub index: u32,
    /// Type.
    pub scalar: Scalar,
}

/// Value of a function constant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum ConstantValue {
    /// `bool`.
    Bool(bool),
    /// `char`.
    Char(i8),
    /// `uchar`.
    Uchar(u8),
    /// `short`.
    Short(i16),
    /// `ushort`.
    Ushort(u16),
    /// `int`.
    Int(i32),
    /// `uint`.
    Uint(u32),
    /// `long`.
    Long(i64),
    /// `ulong`.
    Ulong(u64),
    /// `float`; also `half` and `bfloat`, rounded to them.
    Float(f32),
}

impl ConstantValue {
    /// The value's own bits, zero-extended.
    pub fn bits(self) -> u64 {
        match self {
            Self::Bool(v) => u64::from(v),
            Self::Char(v) => u64::from(v as u8),
            Self::Uchar(v) => u64::from(v),
            Self::Short(v) => u64::from(v as u16),
            Self::Ushort(v) => u64::from(v),
            Self::Int(v) => u64::from(v as u32),
            Self::Uint(v) => u64::from(v),
            Self::Long(v) => v as u64,
            Self::Ulong(v) => v,
            Self::Float(v) => u64::from(v.to_bits()),
        }
    }

    /// The value of type `scalar` that has these bits, zero-extended; `None` if none has.
    pub fn from_bits(bits: u64, scalar: Scalar) -> Option<Self> {
        let narrow = |bits: u64| u32::try_from(bits).ok();
        Some(match scalar {
            Scalar::Bool => Self::Bool(match bits {
                0 => false,
                1 => true,
                _ => return None,
            }),
            Scalar::I8 => Self::Char(u8::try_from(bits).ok()? as i8),
            Scalar::U8 => Self::Uchar(bits.try_into().ok()?),
            Scalar::I16 => Self::Short(u16::try_from(bits).ok()? as i16),
            Scalar::U16 => Self::Ushort(bits.try_into().ok()?),
            Scalar::I32 => Self::Int(narrow(bits)? as i32),
            Scalar::U32 => Self::Uint(narrow(bits)?),
            Scalar::I64 => Self::Long(bits as i64),
            Scalar::U64 => Self::Ulong(bits),
            Scalar::F32 => Self::Float(f32::from_bits(narrow(bits)?)),
            Scalar::BF16 => Self::Float(f32::from_bits(u32::from(u16::try_from(bits).ok()?) << 16)),
            Scalar::F16 => Self::Float(half_to_f32(bits.try_into().ok()?)),
        })
    }

    /// Whether a constant of type `scalar` takes this value.
    pub fn fits(self, scalar: Scalar) -> bool {
        match self {
            Self::Bool(_) => scalar == Scalar::Bool,
            Self::Char(_) => scalar == Scalar::I8,
            Self::Uchar(_) => scalar == Scalar::U8,
            Self::Short(_) => scalar == Scalar::I16,
            Self::Ushort(_) => scalar == Scalar::U16,
            Self::Int(_) => scalar == Scalar::I32,
            Self::Uint(_) => scalar == Scalar::U32,
            Self::Long(_) => scalar == Scalar::I64,
            Self::Ulong(_) => scalar == Scalar::U64,
            Self::Float(_) => matches!(scalar, Scalar::F32 | Scalar::F16 | Scalar::BF16),
        }
    }

    /// An integer as a constant of type `scalar`; `None` if it is out of range.
    pub fn from_integer(value: i128, scalar: Scalar) -> Option<Self> {
        Some(match scalar {
            Scalar::Bool => Self::Bool(value != 0),
            Scalar::I8 => Self::Char(value.try_into().ok()?),
            Scalar::U8 => Self::Uchar(value.try_into().ok()?),
            Scalar::I16 => Self::Short(value.try_into().ok()?),
            Scalar::U16 => Self::Ushort(value.try_into().ok()?),
            Scalar::I32 => Self::Int(value.try_into().ok()?),
            Scalar::U32 => Self::Uint(value.try_into().ok()?),
            Scalar::I64 => Self::Long(value.try_into().ok()?),
            Scalar::U64 => Self::Ulong(value.try_into().ok()?),
            Scalar::F32 | Scalar::F16 | Scalar::BF16 => Self::Float(value as f32),
        })
    }

    /// A C++ constant expression of type `scalar`.
    pub(crate) fn cpp(self, scalar: Scalar) -> String {
        match self {
            Self::Bool(v) => v.to_string(),
            Self::Float(v) => {
                format!(
                    "{}(__builtin_bit_cast(float, 0x{:08x}u))",
                    scalar.msl_name(),
                    v.to_bits()
                )
            }
            // From its bits, as the smallest signed values have no literal.
            integer => format!("{}(0x{:x}ull)", scalar.msl_name(), integer.bits()),
        }
    }
}

/// The value of a half-precision number.
fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

/// One `#pragma mettle variant(pattern, NAME = value, ...)`: kernels to be compiled with these constants fixed. `cpu:` or `gpu:` in front of
/// the pattern limits it to targets of that class.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Host names of kernels, `*` standing for any run of characters.
    pub kernel_pattern: String,
    /// The targets it is meant for; `None` means all.
    pub class: Option<TargetClass>,
    /// Index and value of each constant named, by ascending index.
    pub constants: Vec<(u32, ConstantValue)>,
    /// Where the pragma stands.
    pub location: Location,
}

impl Variant {
    /// Whether the pattern covers this kernel.
    pub fn matches(&self, kernel: &str) -> bool {
        matches(&self.kernel_pattern, kernel)
    }
}

/// Whether a pattern, in which `*` stands for any run of characters, covers a name.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut rest) = name.strip_prefix(head) else {
        return false;
    };
    // The leftmost place for each middle part leaves the most room for the others; the last part is tied to the end.
    let mut parts: Vec<&str> = tail.split('*').collect();
    let last = parts.pop().unwrap_or("");
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("mul_mv_*", "mul_mv_q4_0_f32", true),
            ("mul_mv_*", "mul_mm_q4_0_f32", false),
            ("*", "", true),
            ("a", "ab", false),
            ("*_f32", "add_f32_f32", true),
            ("a*b*b", "ab", false),
            ("a*b*b", "axbxb", true),
            ("*x*", "axa", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn bits_read_back() {
        for (value, scalar) in [
            (ConstantValue::Bool(true), Scalar::Bool),
            (ConstantValue::Char(-3), Scalar::I8),
            (ConstantValue::Ushort(65535), Scalar::U16),
            (ConstantValue::Int(-1), Scalar::I32),
            (ConstantValue::Ulong(u64::MAX), Scalar::U64),
            (ConstantValue::Float(-0.375), Scalar::F32),
        ] {
            assert_eq!(ConstantValue::from_bits(value.bits(), scalar), Some(value));
        }
        assert_eq!(ConstantValue::from_bits(2, Scalar::Bool), None);
        assert_eq!(ConstantValue::from_bits(1 << 32, Scalar::F32), None);
        for value in [0.0, -1.5, 65504.0, 2f32.powi(-24), f32::INFINITY, 0.333] {
            let (half, brain) = (half::f16::from_f32(value), half::bf16::from_f32(value));
            for (bits, scalar, expected) in [
                (half.to_bits(), Scalar::F16, half.to_f32()),
                (brain.to_bits(), Scalar::BF16, brain.to_f32()),
            ] {
                assert_eq!(
                    ConstantValue::from_bits(bits.into(), scalar),
                    Some(ConstantValue::Float(expected))
                );
            }
        }
    }

    #[test]
    fn integers_are_checked_against_their_type() {
        assert_eq!(
            ConstantValue::from_integer(200, Scalar::U8),
            Some(ConstantValue::Uchar(200))
        );
        assert_eq!(ConstantValue::from_integer(256, Scalar::U8), None);
        assert_eq!(ConstantValue::from_integer(-1, Scalar::U32), None);
        assert_eq!(
            ConstantValue::from_integer(2, Scalar::Bool),
            Some(ConstantValue::Bool(true))
        );
        assert_eq!(ConstantValue::Char(-1).bits(), 0xff);
    }
}
