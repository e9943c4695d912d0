//! Types of elements as the command line names them, and their bytes.

use std::str::FromStr;

use anyhow::{Result, anyhow, bail};
use half::{bf16, f16};
use mettle_msl::{ConstantValue, Scalar, Type};

/// A scalar type, by the name Rust gives it: `f32`, `u8`, ...; MSL's names (`float`, `uchar`) are understood as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtype(pub Scalar);

const NAMES: [(&str, Scalar); 12] = [
    ("bool", Scalar::Bool),
    ("i8", Scalar::I8),
    ("u8", Scalar::U8),
    ("i16", Scalar::I16),
    ("u16", Scalar::U16),
    ("i32", Scalar::I32),
    ("u32", Scalar::U32),
    ("i64", Scalar::I64),
    ("u64", Scalar::U64),
    ("f16", Scalar::F16),
    ("bf16", Scalar::BF16),
    ("f32", Scalar::F32),
];

impl FromStr for Dtype {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = NAMES.iter().find(|(n, _)| *n == name).map(|(_, s)| *s);
        known
            .or_else(|| Scalar::from_msl(name))
            .map(Self)
            .ok_or_else(|| {
                let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                anyhow!("{name:?} is not a type; the types are {}", names.join(", "))
            })
    }
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = NAMES.iter().find(|(_, s)| *s == self.0);
        f.write_str(name.map_or("?", |(name, _)| name))
    }
}

impl Dtype {
    /// Bytes of an element.
    pub fn size(self) -> usize {
        self.0.size()
    }

    /// Whether its values have fractions.
    pub fn is_float(self) -> bool {
        matches!(self.0, Scalar::F16 | Scalar::BF16 | Scalar::F32)
    }

    /// The scalar that memory of a type is made of; none for structs and the like.
    pub fn of(ty: &Type) -> Option<Self> {
        match ty {
            Type::Scalar(s) | Type::Vector(s, _) | Type::PackedVector(s, _) | Type::Atomic(s) => {
                Some(Self(*s))
            }
            Type::Matrix { scalar, .. } => Some(Self(*scalar)),
            Type::Array(element, _) => Self::of(element),
            Type::Struct(_) | Type::Other(_) => None,
        }
    }

    /// Appends the bytes of a value written as text: `1.5`, `-3`, `0x1f`, `true`, `inf`, `nan`.
    pub fn encode(self, text: &str, bytes: &mut Vec<u8>) -> Result<()> {
        if self.is_float() {
            let value: f64 = text
                .parse()
                .map_err(|_| anyhow!("{text:?} is not a number"))?;
            self.encode_float(value, bytes);
            return Ok(());
        }
        let value = match (self.0, text) {
            (Scalar::Bool, "true") => 1,
            (Scalar::Bool, "false") => 0,
            _ => integer(text)?,
        };
        match ConstantValue::from_integer(value, self.0) {
            Some(value) => bytes.extend_from_slice(&value.bits().to_le_bytes()[..self.size()]),
            None => bail!("{text} is out of the range of {self}"),
        }
        Ok(())
    }

    /// Appends the bytes of a floating-point value, rounded to this type, which is one of them.
    pub fn encode_float(self, value: f64, bytes: &mut Vec<u8>) {
        match self.0 {
            Scalar::F16 => bytes.extend_from_slice(&f16::from_f64(value).to_le_bytes()),
            Scalar::BF16 => bytes.extend_from_slice(&bf16::from_f64(value).to_le_bytes()),
            _ => bytes.extend_from_slice(&(value as f32).to_le_bytes()),
        }
    }

    /// The low bytes of an integer, as this type stores it.
    pub fn encode_bits(self, bits: u64, bytes: &mut Vec<u8>) {
        let bits = if self.0 == Scalar::Bool {
            bits & 1
        } else {
            bits
        };
        bytes.extend_from_slice(&bits.to_le_bytes()[..self.size()]);
    }

    /// An element as a number; integers of more than 53 bits are rounded.
    pub fn decode(self, bytes: &[u8]) -> f64 {
        match (self.0, bytes) {
            (Scalar::Bool | Scalar::U8, [a, ..]) => f64::from(*a),
            (Scalar::I8, [a, ..]) => f64::from(*a as i8),
            (Scalar::U16, [a, b, ..]) => f64::from(u16::from_le_bytes([*a, *b])),
            (Scalar::I16, [a, b, ..]) => f64::from(i16::from_le_bytes([*a, *b])),
            (Scalar::F16, [a, b, ..]) => f16::from_le_bytes([*a, *b]).to_f64(),
            (Scalar::BF16, [a, b, ..]) => bf16::from_le_bytes([*a, *b]).to_f64(),
            (Scalar::U32, [a, b, c, d, ..]) => f64::from(u32::from_le_bytes([*a, *b, *c, *d])),
            (Scalar::I32, [a, b, c, d, ..]) => f64::from(i32::from_le_bytes([*a, *b, *c, *d])),
            (Scalar::F32, [a, b, c, d, ..]) => f64::from(f32::from_le_bytes([*a, *b, *c, *d])),
            (Scalar::U64, _) => long(bytes) as f64,
            (Scalar::I64, _) => long(bytes) as i64 as f64,
            _ => f64::NAN,
        }
    }

    /// An element as text, exactly.
    pub fn show(self, bytes: &[u8]) -> String {
        match self.0 {
            Scalar::Bool => (bytes.first() != Some(&0)).to_string(),
            Scalar::U64 => long(bytes).to_string(),
            Scalar::I64 => (long(bytes) as i64).to_string(),
            Scalar::F32 => (self.decode(bytes) as f32).to_string(),
            _ => self.decode(bytes).to_string(),
        }
    }

    /// A function constant of this type.
    pub fn constant(self, text: &str) -> Result<ConstantValue> {
        let mut bytes = Vec::new();
        self.encode(text, &mut bytes)?;
        if self.is_float() {
            return Ok(ConstantValue::Float(self.decode(&bytes) as f32));
        }
        bytes.resize(8, 0);
        let bits = i128::from(long(&bytes));
        // Signed values were stored in their own width.
        let width = 8 * self.size();
        let signed = matches!(self.0, Scalar::I8 | Scalar::I16 | Scalar::I32 | Scalar::I64);
        let value = if signed && bits >> (width - 1) & 1 == 1 {
            bits - (1 << width)
        } else {
            bits
        };
        ConstantValue::from_integer(value, self.0)
            .ok_or_else(|| anyhow!("{text} does not fit {self}"))
    }
}

fn long(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// A decimal or hexadecimal integer.
fn integer(text: &str) -> Result<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    match value {
        Ok(value) if !digits.starts_with(['-', '+']) => Ok(if negative { -value } else { value }),
        _ => bail!("{text:?} is not an integer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back() {
        for (name, text, shown) in [
            ("f32", "0.1", "0.1"),
            ("float", "-inf", "-inf"),
            ("f16", "65504", "65504"),
            ("bf16", "1.5", "1.5"),
            ("i8", "-128", "-128"),
            ("u8", "0xff", "255"),
            ("i64", "-9223372036854775808", "-9223372036854775808"),
            ("ulong", "18446744073709551615", "18446744073709551615"),
            ("bool", "true", "true"),
        ] {
            let dtype: Dtype = name.parse().unwrap();
            let mut bytes = Vec::new();
            dtype.encode(text, &mut bytes).unwrap();
            assert_eq!(bytes.len(), dtype.size());
            assert_eq!(dtype.show(&bytes), shown, "{name}");
        }
        assert!("double".parse::<Dtype>().is_err());
        for (name, text) in [
            ("u8", "256"),
            ("i32", "1.5"),
            ("u32", "-1"),
            ("f32", "x"),
            ("i8", "--1"),
        ] {
            let dtype: Dtype = name.parse().unwrap();
            assert!(
                dtype.encode(text, &mut Vec::new()).is_err(),
                "{name} {text}"
            );
        }
    }

    #[test]
    fn constants_keep_their_type() {
        let of = |name: &str, text| name.parse::<Dtype>().unwrap().constant(text).unwrap();
        assert_eq!(of("i16", "-2"), ConstantValue::Short(-2));
        assert_eq!(of("bool", "true"), ConstantValue::Bool(true));
        assert_eq!(of("i64", "-1"), ConstantValue::Long(-1));
        assert_eq!(
            of("u64", "18446744073709551615"),
            ConstantValue::Ulong(u64::MAX)
        );
        assert_eq!(of("f16", "0.5"), ConstantValue::Float(0.5));
    }
}
