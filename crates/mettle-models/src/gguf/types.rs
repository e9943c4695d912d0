//! ggml's tensor type ids.

use mettle_gpu::Format;

/// What a type id of a tensor means.
pub(super) enum TensorType {
    /// Readable.
    Known(Format),
    /// Not readable; the text names the type for an error message.
    Unsupported(String),
}

/// Type ids of ggml that have a name there but no format here.
const UNSUPPORTED: &[(u32, &str)] = &[
    (9, "Q8_1"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (25, "I16"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
];

/// Meaning of the type id stored in a file.
pub(super) fn tensor_type(id: u32) -> TensorType {
    TensorType::Known(match id {
        0 => Format::F32,
        1 => Format::F16,
        2 => Format::Q4_0,
        3 => Format::Q4_1,
        6 => Format::Q5_0,
        7 => Format::Q5_1,
        8 => Format::Q8_0,
        10 => Format::Q2_K,
        11 => Format::Q3_K,
        12 => Format::Q4_K,
        13 => Format::Q5_K,
        14 => Format::Q6_K,
        20 => Format::IQ4_NL,
        23 => Format::IQ4_XS,
        24 => Format::I8,
        26 => Format::I32,
        30 => Format::BF16,
        35 => Format::TQ2_0,
        41 => Format::Q1_0,
        // Three layouts in the wild share this id: ggml's Q2_0 in groups of 64, an older one in groups of 128, and a
        // ternary one with the scale behind the codes.
        42 => {
            return TensorType::Unsupported(
                "type 42, which is ambiguous (Q2_0 in groups of 64 or 128, or TQ2_0_g128)"
                    .to_owned(),
            );
        }
        id => {
            let name = UNSUPPORTED.iter().find(|(known, _)| *known == id);
            return TensorType::Unsupported(match name {
                Some((_, name)) => format!("{name} (type {id})"),
                None => format!("unknown type {id}"),
            });
        }
    })
}
