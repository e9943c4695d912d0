//! Which of the three layouts that share tensor type id 42 a file means.
//!
//! | layout | values | bytes | |
//! |---|---|---|---|
//! | ggml's Q2_0 | 64 | 18 | scale first |
//! | Q2_0 of an older fork | 128 | 34 | scale first |
//! | OxiBonsai's TQ2_0_g128 | 128 | 34 | scale last |
//!
//! The room that the offsets leave for a tensor tells the first from the others, and these are told apart by
//! `general.quantization_version`: files with TQ2_0_g128 have the string [`MARK`] there, others a number. All
//! tensors of a file mean the same.

use mettle_gpu::Format;

use super::{Metadata, Problem, Value};

/// The id.
pub(super) const TYPE_42: u32 = 42;

/// What `general.quantization_version` is in files with TQ2_0_g128, in capitals or not.
pub(super) const MARK: &str = "TQ2_0_G128";

/// A tensor of this type.
pub(super) struct Extent<'a> {
    pub(super) name: &'a str,
    /// Innermost dimension first.
    pub(super) shape: &'a [u64],
    /// Bytes to the next tensor or, behind the last one, to the end of the file.
    pub(super) room: u64,
}

impl Extent<'_> {
    /// Whether the room is what the tensor takes in such blocks, with or without padding.
    fn fits(&self, block_len: u64, block_bytes: u64, alignment: usize) -> bool {
        let columns = self.shape.first().copied().unwrap_or(1);
        let rows = self.shape.iter().skip(1).copied().map(Some);
        let size = rows.fold(
            (columns / block_len).checked_mul(block_bytes),
            |size, rows| size?.checked_mul(rows?),
        );
        columns.is_multiple_of(block_len)
            && size.is_some_and(|size| size <= self.room && self.room - size < alignment as u64)
    }
}

/// The format of all `tensors`, which are of type 42.
pub(super) fn resolve(
    tensors: &[Extent],
    alignment: usize,
    metadata: &Metadata,
) -> Result<Format, Problem> {
    let all = |block_len, block_bytes| {
        let misfit = |tensor: &&Extent| !tensor.fits(block_len, block_bytes, alignment);
        tensors.iter().find(misfit).is_none()
    };
    let version = metadata.value("general.quantization_version");
    let marked = matches!(version, Some(Value::String(text)) if text.eq_ignore_ascii_case(MARK));
    let reason = match (all(64, 18), all(128, 34)) {
        (_, true) if marked => return Ok(Format::TQ2_0_g128),
        (true, false) => {
            "the sizes are those of Q2_0 in groups of 64, which is not supported".to_owned()
        }
        (false, true) => match version {
            Some(version) => format!(
                "the sizes are those of groups of 128 and general.quantization_version is {version}, not \"{MARK}\": this is the Q2_0 of an older fork, with the scale first, which is not supported"
            ),
            None => format!(
                "the sizes are those of groups of 128, and without general.quantization_version (\"{MARK}\" for TQ2_0_g128) nothing tells where the scales are"
            ),
        },
        (true, true) => format!(
            "the tensors are too small for their sizes to tell groups of 64 from groups of 128, and general.quantization_version is not \"{MARK}\""
        ),
        (false, false) => {
            "the room for its tensors is neither that of groups of 64 nor of 128".to_owned()
        }
    };
    Err(Problem::Type42 {
        name: tensors.first().map_or("", |tensor| tensor.name).to_owned(),
        reason,
    })
}
