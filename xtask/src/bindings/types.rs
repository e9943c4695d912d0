//! MSL types as Rust types of the same size.

use super::names;
use mettle_msl::{Scalar, Struct, Type};

/// The Rust type of an MSL type: vectors as arrays, structs by their camel-case name. `None` for types whose layout is
/// not known.
pub fn rust_type(ty: &Type, structs: &[Struct]) -> Option<String> {
    Some(match ty {
        Type::Scalar(scalar) => scalar_type(*scalar).to_owned(),
        // Reads and writes of the host are ordered with the launch, so no atomic type is needed there.
        Type::Atomic(scalar) => scalar_type(*scalar).to_owned(),
        Type::Vector(scalar, width) => vector(*scalar, if *width == 3 { 4 } else { *width }),
        Type::PackedVector(scalar, width) => vector(*scalar, *width),
        Type::Matrix {
            scalar,
            columns,
            rows,
        } => {
            let column = vector(*scalar, if *rows == 3 { 4 } else { *rows });
            format!("[{column}; {columns}]")
        }
        Type::Array(element, len) => format!("[{}; {len}]", rust_type(element, structs)?),
        Type::Struct(name) => {
            structs.iter().find(|known| known.name == *name)?;
            names::camel_case(name)
        }
        Type::Other(_) => return None,
    })
}

/// The alignment of [`rust_type`] without attributes, which may be smaller than that of the MSL type.
pub fn rust_align(ty: &Type, structs: &[Struct]) -> usize {
    match ty {
        Type::Scalar(scalar)
        | Type::Atomic(scalar)
        | Type::Vector(scalar, _)
        | Type::PackedVector(scalar, _) => scalar.size(),
        Type::Matrix { scalar, .. } => scalar.size(),
        Type::Array(element, _) => rust_align(element, structs),
        Type::Struct(name) => structs
            .iter()
            .find(|known| known.name == *name)
            .map_or(1, |known| known.align),
        Type::Other(_) => 1,
    }
}

/// Every struct that `ty` contains, itself included.
pub fn structs_of<'a>(ty: &Type, structs: &'a [Struct], found: &mut Vec<&'a Struct>) {
    match ty {
        Type::Array(element, _) => structs_of(element, structs, found),
        Type::Struct(name) => {
            let Some(known) = structs.iter().find(|known| known.name == *name) else {
                return;
            };
            if found.iter().any(|seen| seen.name == known.name) {
                return;
            }
            for field in &known.fields {
                structs_of(&field.ty, structs, found);
            }
            found.push(known);
        }
        _ => {}
    }
}

/// `half::f16` for `half`; `bool` is a byte of 0 or 1.
pub fn scalar_type(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool | Scalar::U8 => "u8",
        Scalar::I8 => "i8",
        Scalar::I16 => "i16",
        Scalar::U16 => "u16",
        Scalar::I32 => "i32",
        Scalar::U32 => "u32",
        Scalar::I64 => "i64",
        Scalar::U64 => "u64",
        Scalar::F16 => "half::f16",
        Scalar::BF16 => "half::bf16",
        Scalar::F32 => "f32",
    }
}

fn vector(scalar: Scalar, width: u8) -> String {
    format!("[{}; {width}]", scalar_type(scalar))
}
