//! Types of kernel arguments and their memory layout.
//!
//! Sizes and alignments follow the tables of chapter 2 of the Metal Shading Language Specification.

use crate::diagnostic::Location;
use std::fmt;

/// A scalar type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// `bool`, one byte, 0 or 1.
    Bool,
    /// `char`.
    I8,
    /// `uchar`.
    U8,
    /// `short`.
    I16,
    /// `ushort`.
    U16,
    /// `int`.
    I32,
    /// `uint`.
    U32,
    /// `long`.
    I64,
    /// `ulong` and `size_t`.
    U64,
    /// `half`.
    F16,
    /// `bfloat`.
    BF16,
    /// `float`.
    F32,
}

impl Scalar {
    /// Every scalar type.
    pub const ALL: [Self; 12] = [
        Self::Bool,
        Self::I8,
        Self::U8,
        Self::I16,
        Self::U16,
        Self::I32,
        Self::U32,
        Self::I64,
        Self::U64,
        Self::F16,
        Self::BF16,
        Self::F32,
    ];

    /// Bytes; the alignment is the same.
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 => 8,
        }
    }

    /// The name in MSL.
    pub const fn msl_name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "char",
            Self::U8 => "uchar",
            Self::I16 => "short",
            Self::U16 => "ushort",
            Self::I32 => "int",
            Self::U32 => "uint",
            Self::I64 => "long",
            Self::U64 => "ulong",
            Self::F16 => "half",
            Self::BF16 => "bfloat",
            Self::F32 => "float",
        }
    }

    /// The scalar of an MSL type name of one word, fixed-width names included.
    pub fn from_msl(name: &str) -> Option<Self> {
        Some(match name {
            "int8_t" => Self::I8,
            "uint8_t" => Self::U8,
            "int16_t" => Self::I16,
            "uint16_t" => Self::U16,
            "int32_t" => Self::I32,
            "uint32_t" | "unsigned" => Self::U32,
            "int64_t" | "ptrdiff_t" => Self::I64,
            "uint64_t" | "size_t" => Self::U64,
            _ => return Self::ALL.into_iter().find(|s| s.msl_name() == name),
        })
    }
}

/// Size and alignment in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes from one array element to the next.
    pub size: usize,
    /// Addresses are multiples of this.
    pub align: usize,
}

/// A type as it lies in device memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// One value.
    Scalar(Scalar),
    /// `float4`, `vec<half, 2>`: 2 to 4 elements, aligned to its size; 3 elements take the room of 4.
    Vector(Scalar, u8),
    /// `packed_float3`: 2 to 4 elements, aligned like one.
    PackedVector(Scalar, u8),
    /// `float4x2`: 4 columns, each a vector of 2.
    Matrix {
        /// Element type.
        scalar: Scalar,
        /// Number of columns, the first figure of the name.
        columns: u8,
        /// Length of a column.
        rows: u8,
    },
    /// `T name[n]` or `array<T, n>`.
    Array(Box<Type>, usize),
    /// A struct of the unit, by its qualified name.
    Struct(String),
    /// `atomic_uint`, `atomic<float>`.
    Atomic(Scalar),
    /// A type whose layout this crate does not work out (templates, unions, classes with bases): its text.
    Other(String),
}

impl Type {
    /// Size and alignment; `None` if the type or a part of it is [`Type::Other`] or is not among `structs`.
    pub fn layout(&self, structs: &[Struct]) -> Option<Layout> {
        let vector = |scalar: &Scalar, n: u8| {
            let size = scalar.size() * usize::from(if n == 3 { 4 } else { n });
            Layout { size, align: size }
        };
        Some(match self {
            Self::Scalar(s) | Self::Atomic(s) => Layout {
                size: s.size(),
                align: s.size(),
            },
            Self::Vector(s, n) => vector(s, *n),
            Self::PackedVector(s, n) => Layout {
                size: s.size() * usize::from(*n),
                align: s.size(),
            },
            Self::Matrix {
                scalar,
                columns,
                rows,
            } => {
                let column = vector(scalar, *rows);
                Layout {
                    size: column.size * usize::from(*columns),
                    align: column.align,
                }
            }
            Self::Array(element, n) => {
                let element = element.layout(structs)?;
                Layout {
                    size: element.size.checked_mul(*n)?,
                    align: element.align,
                }
            }
            Self::Struct(name) => {
                let found = structs.iter().find(|s| s.name == *name)?;
                Layout {
                    size: found.size,
                    align: found.align,
                }
            }
            Self::Other(_) => return None,
        })
    }
}

impl fmt::Display for Type {
    /// As MSL writes it (arrays as `array<T, n>`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(s) => f.write_str(s.msl_name()),
            Self::Vector(s, n) => write!(f, "{}{n}", s.msl_name()),
            Self::PackedVector(s, n) => write!(f, "packed_{}{n}", s.msl_name()),
            Self::Matrix {
                scalar,
                columns,
                rows,
            } => write!(f, "{}{columns}x{rows}", scalar.msl_name()),
            Self::Array(element, n) => write!(f, "array<{element}, {n}>"),
            Self::Struct(name) | Self::Other(name) => f.write_str(name),
            Self::Atomic(s) => write!(f, "atomic_{}", s.msl_name()),
        }
    }
}

/// A member of a [`Struct`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Type, arrays included.
    pub ty: Type,
    /// Bytes from the start of the struct.
    pub offset: usize,
    /// The comment at the end of its line.
    pub docs: String,
}

/// A struct of plain data, its layout as Metal and C++ lay it out. The compiled unit asserts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struct {
    /// Name, qualified by its namespaces (`a::b`).
    pub name: String,
    /// Fields in order.
    pub fields: Vec<Field>,
    /// Bytes, padding at the end included.
    pub size: usize,
    /// Alignment in bytes.
    pub align: usize,
    /// Where it is defined.
    pub location: Location,
    /// The comment right above it.
    pub docs: String,
}

impl Struct {
    /// Lays out the fields one after the other, whatever offsets they have, and sets size and alignment (at least what `align` is now).
    /// `None` if a type has no known layout.
    pub(crate) fn lay_out(mut self, structs: &[Self]) -> Option<Self> {
        let (mut size, mut align) = (0usize, self.align.max(1));
        for field in &mut self.fields {
            let layout = field.ty.layout(structs)?;
            field.offset = size.checked_next_multiple_of(layout.align)?;
            size = field.offset.checked_add(layout.size)?;
            align = align.max(layout.align);
        }
        // An empty struct has one byte in C++.
        self.size = size.max(1).checked_next_multiple_of(align)?;
        self.align = align;
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_names_read_back() {
        for scalar in Scalar::ALL {
            assert_eq!(Scalar::from_msl(scalar.msl_name()), Some(scalar));
        }
        assert_eq!(Scalar::from_msl("uint8_t"), Some(Scalar::U8));
        assert_eq!(Scalar::from_msl("double"), None);
    }

    #[test]
    fn vectors_of_three_take_four() {
        assert_eq!(
            Type::Vector(Scalar::F32, 3).layout(&[]),
            Some(Layout {
                size: 16,
                align: 16
            })
        );
        assert_eq!(
            Type::PackedVector(Scalar::F32, 3).layout(&[]),
            Some(Layout { size: 12, align: 4 })
        );
        let matrix = Type::Matrix {
            scalar: Scalar::F16,
            columns: 4,
            rows: 3,
        };
        assert_eq!(matrix.layout(&[]), Some(Layout { size: 32, align: 8 }));
    }

    #[test]
    fn fields_are_padded() {
        let field = |name: &str, ty| Field {
            name: name.into(),
            ty,
            offset: 0,
            docs: String::new(),
        };
        let fields = vec![
            field("d", Type::Scalar(Scalar::F16)),
            field("v", Type::Vector(Scalar::F32, 3)),
            field("q", Type::Array(Box::new(Type::Scalar(Scalar::U8)), 5)),
        ];
        let location = Location {
            file: "u".into(),
            line: 1,
            column: 1,
        };
        let laid = Struct {
            name: "S".into(),
            fields,
            size: 0,
            align: 1,
            location,
            docs: String::new(),
        };
        let laid = laid.lay_out(&[]).unwrap();
        assert_eq!(
            laid.fields.iter().map(|f| f.offset).collect::<Vec<_>>(),
            [0, 16, 32]
        );
        assert_eq!((laid.size, laid.align), (48, 16));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let huge = Type::Array(Box::new(Type::Scalar(Scalar::U64)), usize::MAX / 2);
        assert_eq!(huge.layout(&[]), None);
    }
}
