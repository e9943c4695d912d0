//! Tensor type ids: ggml's and, behind them, OxiBonsai's.

use mettle_gpu::Format;

use super::type_42::TYPE_42;

/// What a type id of a tensor means.
pub(super) enum TensorType {
    /// Readable.
    Known(Format),
    /// [`TYPE_42`], whose meaning depends on the file.
    Type42,
    /// Not readable; the text names the type for an error message.
    Unsupported(String),
}

/// The formats that files hold.
const FORMATS: &[(u32, Format)] = &[
    (0, Format::F32),
    (1, Format::F16),
    (2, Format::Q4_0),
    (3, Format::Q4_1),
    (6, Format::Q5_0),
    (7, Format::Q5_1),
    (8, Format::Q8_0),
    (10, Format::Q2_K),
    (11, Format::Q3_K),
    (12, Format::Q4_K),
    (13, Format::Q5_K),
    (14, Format::Q6_K),
    (20, Format::IQ4_NL),
    (23, Format::IQ4_XS),
    (24, Format::I8),
    (26, Format::I32),
    (30, Format::BF16),
    (35, Format::TQ2_0),
    (41, Format::Q1_0),
    (TYPE_42, Format::TQ2_0_g128),
    (43, Format::F8_E4M3),
    (44, Format::F8_E5M2),
];

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
    if id == TYPE_42 {
        return TensorType::Type42;
    }
    if let Some((_, format)) = FORMATS.iter().find(|(known, _)| *known == id) {
        return TensorType::Known(*format);
    }
    let name = UNSUPPORTED.iter().find(|(known, _)| *known == id);
    TensorType::Unsupported(match name {
        Some((_, name)) => format!("{name} (type {id})"),
        None => format!("unknown type {id}"),
    })
}

/// The type id of a format; `None` for formats that GGUF files do not have.
pub(super) fn type_id(format: Format) -> Option<u32> {
    let found = FORMATS.iter().find(|(_, known)| *known == format);
    found.map(|(id, _)| *id)
}
