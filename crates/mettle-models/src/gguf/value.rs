//! Metadata values.

use std::fmt;

use super::{Problem, cursor::Cursor};

/// Arrays of arrays of ... that are read; the format sets no bound, the stack does.
const MAX_NESTING: usize = 8;

/// One metadata value, in the type the file stores it in.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the variants are their types
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// A metadata array; all elements are of one type.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the variants are their element types
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<Array>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

impl Value {
    /// Reads a value of type `id`, as it follows the type in the file.
    pub(super) fn read(cursor: &mut Cursor<'_>, key: &str, id: u32) -> Result<Self, Problem> {
        const WHAT: &str = "metadata value";
        Ok(match id {
            0 => Self::U8(u8::from_le_bytes(cursor.array(WHAT)?)),
            1 => Self::I8(i8::from_le_bytes(cursor.array(WHAT)?)),
            2 => Self::U16(u16::from_le_bytes(cursor.array(WHAT)?)),
            3 => Self::I16(i16::from_le_bytes(cursor.array(WHAT)?)),
            4 => Self::U32(u32::from_le_bytes(cursor.array(WHAT)?)),
            5 => Self::I32(i32::from_le_bytes(cursor.array(WHAT)?)),
            6 => Self::F32(f32::from_le_bytes(cursor.array(WHAT)?)),
            7 => Self::Bool(bool_of(key, u8::from_le_bytes(cursor.array(WHAT)?))?),
            8 => Self::String(cursor.string(WHAT)?.to_owned()),
            9 => Self::Array(Array::read(cursor, key, 1)?),
            10 => Self::U64(u64::from_le_bytes(cursor.array(WHAT)?)),
            11 => Self::I64(i64::from_le_bytes(cursor.array(WHAT)?)),
            12 => Self::F64(f64::from_le_bytes(cursor.array(WHAT)?)),
            id => {
                return Err(Problem::ValueType {
                    key: key.to_owned(),
                    id,
                });
            }
        })
    }

    /// Appends the type and the value, as [`Value::read`] and what precedes it in a file have them.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut scalar = |id: u32, bytes: &[u8]| {
            out.extend(id.to_le_bytes());
            out.extend(bytes);
        };
        match self {
            Self::U8(v) => scalar(0, &v.to_le_bytes()),
            Self::I8(v) => scalar(1, &v.to_le_bytes()),
            Self::U16(v) => scalar(2, &v.to_le_bytes()),
            Self::I16(v) => scalar(3, &v.to_le_bytes()),
            Self::U32(v) => scalar(4, &v.to_le_bytes()),
            Self::I32(v) => scalar(5, &v.to_le_bytes()),
            Self::F32(v) => scalar(6, &v.to_le_bytes()),
            Self::Bool(v) => scalar(7, &[u8::from(*v)]),
            Self::String(v) => {
                scalar(8, &[]);
                write_string(out, v);
            }
            Self::Array(v) => {
                scalar(9, &[]);
                v.write(out);
            }
            Self::U64(v) => scalar(10, &v.to_le_bytes()),
            Self::I64(v) => scalar(11, &v.to_le_bytes()),
            Self::F64(v) => scalar(12, &v.to_le_bytes()),
        }
    }

    /// The value as an integer, if it is of any integer type.
    fn as_integer(&self) -> Option<i128> {
        Some(match *self {
            Self::U8(v) => v.into(),
            Self::I8(v) => v.into(),
            Self::U16(v) => v.into(),
            Self::I16(v) => v.into(),
            Self::U32(v) => v.into(),
            Self::I32(v) => v.into(),
            Self::U64(v) => v.into(),
            Self::I64(v) => v.into(),
            _ => return None,
        })
    }
}

/// The type, and for scalars the value: what error messages say was found.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U8(v) => write!(f, "u8 {v}"),
            Self::I8(v) => write!(f, "i8 {v}"),
            Self::U16(v) => write!(f, "u16 {v}"),
            Self::I16(v) => write!(f, "i16 {v}"),
            Self::U32(v) => write!(f, "u32 {v}"),
            Self::I32(v) => write!(f, "i32 {v}"),
            Self::F32(v) => write!(f, "f32 {v}"),
            Self::Bool(v) => write!(f, "bool {v}"),
            Self::String(v) if v.len() <= 40 => write!(f, "string {v:?}"),
            Self::String(v) => write!(f, "string of {} bytes", v.len()),
            Self::Array(v) => write!(f, "array of {} {}", v.len(), v.element()),
            Self::U64(v) => write!(f, "u64 {v}"),
            Self::I64(v) => write!(f, "i64 {v}"),
            Self::F64(v) => write!(f, "f64 {v}"),
        }
    }
}

fn bool_of(key: &str, byte: u8) -> Result<bool, Problem> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(Problem::Bool {
            key: key.to_owned(),
            found,
        }),
    }
}

/// Appends a string: 64-bit length in bytes, then UTF-8 without terminator.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl Array {
    /// Reads element type, count and elements; `depth` is 1 for an array that is not in an array.
    fn read(cursor: &mut Cursor<'_>, key: &str, depth: usize) -> Result<Self, Problem> {
        if depth > MAX_NESTING {
            return Err(Problem::Nesting {
                key: key.to_owned(),
                limit: MAX_NESTING,
            });
        }
        let id = cursor.u32("array element type")?;
        macro_rules! scalars {
            ($ty:ty) => {{
                const SIZE: usize = size_of::<$ty>();
                let count = cursor.count("array length", SIZE)?;
                let bytes = cursor.take("array", (count * SIZE) as u64)?;
                bytes
                    .chunks_exact(SIZE)
                    .map(|b| <$ty>::from_le_bytes(std::array::from_fn(|i| b[i])))
                    .collect()
            }};
        }
        Ok(match id {
            0 => Self::U8(scalars!(u8)),
            1 => Self::I8(scalars!(i8)),
            2 => Self::U16(scalars!(u16)),
            3 => Self::I16(scalars!(i16)),
            4 => Self::U32(scalars!(u32)),
            5 => Self::I32(scalars!(i32)),
            6 => Self::F32(scalars!(f32)),
            7 => {
                let bytes: Vec<u8> = scalars!(u8);
                Self::Bool(
                    bytes
                        .iter()
                        .map(|&b| bool_of(key, b))
                        .collect::<Result<_, _>>()?,
                )
            }
            8 => {
                // A string takes at least the eight bytes of its length.
                let count = cursor.count("array length", 8)?;
                Self::String(
                    (0..count)
                        .map(|_| cursor.string("array string").map(str::to_owned))
                        .collect::<Result<_, _>>()?,
                )
            }
            9 => {
                // An array takes at least its element type and its length.
                let count = cursor.count("array length", 12)?;
                Self::Array(
                    (0..count)
                        .map(|_| Self::read(cursor, key, depth + 1))
                        .collect::<Result<_, _>>()?,
                )
            }
            10 => Self::U64(scalars!(u64)),
            11 => Self::I64(scalars!(i64)),
            12 => Self::F64(scalars!(f64)),
            id => {
                return Err(Problem::ValueType {
                    key: key.to_owned(),
                    id,
                });
            }
        })
    }

    /// Appends element type, count and elements.
    fn write(&self, out: &mut Vec<u8>) {
        macro_rules! scalars {
            ($id:literal, $elements:expr) => {{
                out.extend(u32::to_le_bytes($id));
                out.extend((self.len() as u64).to_le_bytes());
                out.extend($elements.iter().flat_map(|v| v.to_le_bytes()));
            }};
        }
        match self {
            Self::U8(v) => scalars!(0, v),
            Self::I8(v) => scalars!(1, v),
            Self::U16(v) => scalars!(2, v),
            Self::I16(v) => scalars!(3, v),
            Self::U32(v) => scalars!(4, v),
            Self::I32(v) => scalars!(5, v),
            Self::F32(v) => scalars!(6, v),
            Self::Bool(v) => {
                let bytes: Vec<u8> = v.iter().map(|&b| u8::from(b)).collect();
                scalars!(7, bytes);
            }
            Self::String(v) => {
                scalars!(8, [0u8; 0]);
                v.iter().for_each(|text| write_string(out, text));
            }
            Self::Array(v) => {
                scalars!(9, [0u8; 0]);
                v.iter().for_each(|array| array.write(out));
            }
            Self::U64(v) => scalars!(10, v),
            Self::I64(v) => scalars!(11, v),
            Self::F64(v) => scalars!(12, v),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::String(v) => v.len(),
            Self::Array(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the element type.
    pub fn element(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::I8(_) => "i8",
            Self::U16(_) => "u16",
            Self::I16(_) => "i16",
            Self::U32(_) => "u32",
            Self::I32(_) => "i32",
            Self::F32(_) => "f32",
            Self::Bool(_) => "bool",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::U64(_) => "u64",
            Self::I64(_) => "i64",
            Self::F64(_) => "f64",
        }
    }
}

/// A Rust type that metadata values can be read as.
///
/// Integers convert between widths when the value fits, floats between widths; nothing else converts.
pub trait FromValue<'a>: Sized {
    /// What the value must be, for error messages.
    const WANTED: &'static str;

    /// The value, or `None` when it is of another type or out of range.
    fn from_value(value: &'a Value) -> Option<Self>;
}

macro_rules! integers {
    ($($ty:ty => $name:literal),*) => {$(
        impl FromValue<'_> for $ty {
            const WANTED: &'static str = $name;
            fn from_value(value: &Value) -> Option<Self> {
                Self::try_from(value.as_integer()?).ok()
            }
        }
    )*};
}
integers!(u16 => "an integer (u16)", u32 => "an integer (u32)", u64 => "an integer (u64)", usize => "an integer of at least 0");

impl FromValue<'_> for f32 {
    const WANTED: &'static str = "a float";
    fn from_value(value: &Value) -> Option<Self> {
        match *value {
            Value::F32(v) => Some(v),
            Value::F64(v) => Some(v as f32),
            _ => None,
        }
    }
}

impl FromValue<'_> for bool {
    const WANTED: &'static str = "a bool";
    fn from_value(value: &Value) -> Option<Self> {
        match *value {
            Value::Bool(v) => Some(v),
            _ => None,
        }
    }
}

macro_rules! borrowed {
    ($($ty:ty => $name:literal, $pattern:pat => $result:expr;)*) => {$(
        impl<'a> FromValue<'a> for &'a $ty {
            const WANTED: &'static str = $name;
            fn from_value(value: &'a Value) -> Option<Self> {
                match value {
                    $pattern => Some($result),
                    _ => None,
                }
            }
        }
    )*};
}
borrowed! {
    str => "a string", Value::String(v) => v;
    Array => "an array", Value::Array(v) => v;
    [String] => "an array of strings", Value::Array(Array::String(v)) => v;
    [f32] => "an array of f32", Value::Array(Array::F32(v)) => v;
    [i32] => "an array of i32", Value::Array(Array::I32(v)) => v;
    [bool] => "an array of bools", Value::Array(Array::Bool(v)) => v;
}
