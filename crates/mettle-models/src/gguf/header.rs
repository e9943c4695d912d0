//! The part of a file before its tensor data.

use std::{collections::HashSet, ops::Range};

use mettle_gpu::Format;

use super::{
    Metadata, Problem, Value,
    cursor::Cursor,
    type_42::{self, Extent, TYPE_42},
    types::{TensorType, tensor_type},
};

const DEFAULT_ALIGNMENT: usize = 32;

/// Everything that comes before the tensor data, checked against the length of the file.
#[derive(Debug)]
pub struct Header {
    /// Version of the format, 2 or 3.
    pub version: u32,
    /// The key-value pairs.
    pub metadata: Metadata,
    /// The tensors, in the order of the file.
    pub tensors: Vec<TensorInfo>,
    /// Tensor offsets are multiples of this many bytes.
    pub alignment: usize,
}

/// Name, format, shape and place of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Name, unique within the model.
    pub name: String,
    /// How its values are stored.
    pub format: Format,
    /// Shape, outermost dimension first: `[rows, columns]` for a matrix.
    pub shape: Vec<usize>,
    /// Its bytes within the file.
    pub range: Range<usize>,
}

impl Header {
    /// Reads the header of a file whose whole contents are `bytes`.
    ///
    /// # Errors
    /// A [`Problem`] for anything that is not a well-formed GGUF file of version 2 or 3 whose tensors lie within `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let mut cursor = Cursor::new(bytes);
        let version = read_version(bytes, &mut cursor)?;
        // A tensor takes at least a name length, a dimension count, a type and an offset.
        let tensor_count = cursor.count("tensor count", 24)?;
        // A pair takes at least a key length, a type and one byte.
        let pair_count = cursor.count("metadata count", 13)?;
        let mut metadata = Metadata::default();
        for _ in 0..pair_count {
            let key = cursor.string("metadata key")?.to_owned();
            let id = cursor.u32("metadata type")?;
            let value = Value::read(&mut cursor, &key, id)?;
            metadata.insert(key, value)?;
        }
        let alignment = alignment_of(&metadata)?;

        let mut stored = Vec::new();
        let mut names = HashSet::new();
        for _ in 0..tensor_count {
            let tensor = StoredTensor::read(&mut cursor)?;
            if !names.insert(tensor.name) {
                return Err(Problem::DuplicateTensor(tensor.name.to_owned()));
            }
            stored.push(tensor);
        }
        let data = cursor.offset().next_multiple_of(alignment);
        let type_42 = meaning_of_type_42(
            &stored,
            bytes.len() - data.min(bytes.len()),
            alignment,
            &metadata,
        )?;
        let tensors = stored
            .iter()
            .map(|tensor| tensor.place(data, alignment, bytes.len(), type_42))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            version,
            metadata,
            tensors,
            alignment,
        })
    }
}

/// Checks magic and version; leaves the cursor behind them.
fn read_version(bytes: &[u8], cursor: &mut Cursor<'_>) -> Result<u32, Problem> {
    const MAGIC: &[u8] = b"GGUF";
    let start = &bytes[..bytes.len().min(4)];
    if start == b"FUGG" {
        return Err(Problem::BigEndian);
    }
    // A file cut off within the magic is not known to be one.
    if start != MAGIC {
        return Err(Problem::Magic {
            found: format!("\"{}\"", start.escape_ascii()),
        });
    }
    cursor.take("magic", 4)?;
    let version = cursor.u32("version")?;
    match version {
        2 | 3 => Ok(version),
        // Versions are small: the low half is empty only when the bytes are in the other order.
        v if v != 0 && v & 0xffff == 0 => Err(Problem::BigEndian),
        v => Err(Problem::Version(v)),
    }
}

/// What tensor offsets are multiples of.
pub(super) fn alignment_of(metadata: &Metadata) -> Result<usize, Problem> {
    match metadata.value("general.alignment") {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(&Value::U32(v)) if v >= 8 && v.is_power_of_two() => Ok(v as usize),
        Some(other) => Err(Problem::Alignment(other.to_string())),
    }
}

/// What type 42 means in this file, whose data section has `len` bytes; `None` where it does not occur.
fn meaning_of_type_42(
    stored: &[StoredTensor<'_>],
    len: usize,
    alignment: usize,
    metadata: &Metadata,
) -> Result<Option<Format>, Problem> {
    if !stored.iter().any(|tensor| tensor.type_id == TYPE_42) {
        return Ok(None);
    }
    let mut ends: Vec<u64> = stored.iter().map(|tensor| tensor.offset).collect();
    ends.push(len as u64);
    ends.sort_unstable();
    let extents: Vec<Extent> = stored
        .iter()
        .filter(|tensor| tensor.type_id == TYPE_42)
        .map(|tensor| {
            let next = ends.partition_point(|&end| end <= tensor.offset);
            let end = ends.get(next).copied().unwrap_or(tensor.offset);
            Extent {
                name: tensor.name,
                shape: &tensor.shape,
                room: end - tensor.offset,
            }
        })
        .collect();
    type_42::resolve(&extents, alignment, metadata).map(Some)
}

/// A tensor as the file describes it.
struct StoredTensor<'a> {
    name: &'a str,
    /// Innermost dimension first.
    shape: Vec<u64>,
    type_id: u32,
    /// From the start of the data section.
    offset: u64,
}

impl<'a> StoredTensor<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, Problem> {
        let name = cursor.string("tensor name")?;
        let dimensions = cursor.u32("tensor dimension count")?;
        if dimensions > 4 {
            return Err(Problem::Dimensions {
                name: name.to_owned(),
                found: dimensions,
            });
        }
        let shape = (0..dimensions)
            .map(|_| cursor.u64("tensor dimension"))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name,
            shape,
            type_id: cursor.u32("tensor type")?,
            offset: cursor.u64("tensor offset")?,
        })
    }

    /// Checks type, shape and range; `data` is where the data section starts, `len` the length of the file.
    fn place(
        &self,
        data: usize,
        alignment: usize,
        len: usize,
        type_42: Option<Format>,
    ) -> Result<TensorInfo, Problem> {
        let name = || self.name.to_owned();
        let unsupported = |found| Problem::TensorType {
            name: name(),
            found,
        };
        let format = match tensor_type(self.type_id) {
            TensorType::Known(format) => format,
            TensorType::Type42 => type_42.ok_or_else(|| unsupported("type 42".to_owned()))?,
            TensorType::Unsupported(found) => return Err(unsupported(found)),
        };
        let impossible = || Problem::Shape {
            name: name(),
            shape: self.shape.clone(),
        };
        let mut shape = Vec::with_capacity(self.shape.len().max(1));
        for &dimension in self.shape.iter().rev() {
            match usize::try_from(dimension) {
                Ok(d) if d > 0 => shape.push(d),
                _ => return Err(impossible()),
            }
        }
        if shape.is_empty() {
            shape.push(1);
        }
        let columns = shape[shape.len() - 1];
        if !columns.is_multiple_of(format.block_len()) {
            return Err(Problem::Row {
                name: name(),
                columns,
                block: format.block_len(),
                format: format.name(),
            });
        }
        let size = shape[..shape.len() - 1]
            .iter()
            .try_fold(columns / format.block_len(), |product, &d| {
                product.checked_mul(d)
            })
            .and_then(|blocks| blocks.checked_mul(format.block_bytes()))
            .ok_or_else(impossible)?;
        if !self.offset.is_multiple_of(alignment as u64) {
            return Err(Problem::TensorOffset {
                name: name(),
                offset: self.offset,
                alignment,
            });
        }
        let start = (data as u64).saturating_add(self.offset);
        let end = start.saturating_add(size as u64);
        if end > len as u64 {
            return Err(Problem::TensorRange {
                name: name(),
                start,
                end,
                len,
            });
        }
        Ok(TensorInfo {
            name: name(),
            format,
            shape,
            range: start as usize..end as usize,
        })
    }
}
