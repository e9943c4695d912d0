//! Writing of files, in one pass and without holding tensors.

use std::io::Write;

use mettle_gpu::Format;

use super::{
    Metadata, Value, header::alignment_of, type_42::MARK, types::type_id, value::write_string,
};
use crate::{Error, Result};

/// A tensor of a file to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTensor {
    /// Name, unique within the file.
    pub name: String,
    /// How its values are stored.
    pub format: Format,
    /// Shape, outermost dimension first.
    pub shape: Vec<usize>,
}

impl NewTensor {
    /// Its bytes in the file, padding not counted.
    ///
    /// # Errors
    /// [`Error::Write`] when rows are not whole blocks, a dimension is zero or there are none, or more than four, or the
    /// size does not fit memory.
    pub fn bytes(&self) -> Result<usize> {
        let refuse = |reason: String| Error::Write {
            reason: format!("tensor `{}` of shape {:?}: {reason}", self.name, self.shape),
        };
        let Some((&columns, rows)) = self.shape.split_last() else {
            return Err(refuse("it has no dimensions".to_owned()));
        };
        if self.shape.len() > 4 || self.shape.contains(&0) {
            return Err(refuse(
                "wanted one to four dimensions above zero".to_owned(),
            ));
        }
        let row = self.format.row_bytes(columns);
        let row = row.map_err(|error| refuse(error.to_string()))?;
        let size = rows.iter().try_fold(row, |size, &d| size.checked_mul(d));
        size.ok_or_else(|| refuse("it is too large".to_owned()))
    }
}

/// Writes a GGUF file of version 3: the header at once, then the tensors' bytes in order, in pieces of any size.
///
/// Offsets follow from the shapes, so nothing is written twice and `out` need not seek. Padding to
/// `general.alignment` (32 where the metadata have none) is added between tensors and behind the last one.
pub struct Writer<W> {
    out: W,
    alignment: usize,
    /// Bytes of each tensor that are still to come, the first one last.
    pending: Vec<usize>,
    /// Bytes of the tensor in work that have been written.
    written: usize,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// [`Error::Write`] for a tensor whose format GGUF has no type for, whose shape is impossible or whose name occurs
    /// twice, for an alignment that the reader would refuse, and for TQ2_0_g128 in a file whose
    /// `general.quantization_version` is not `"TQ2_0_G128"`, which is what tells it from others of its type;
    /// [`Error::Output`] when `out` fails.
    pub fn new(mut out: W, metadata: &Metadata, tensors: &[NewTensor]) -> Result<Self> {
        let refuse = |reason: String| Error::Write { reason };
        let alignment = alignment_of(metadata).map_err(|problem| refuse(problem.to_string()))?;
        let version = metadata.value("general.quantization_version");
        let marked =
            matches!(version, Some(Value::String(text)) if text.eq_ignore_ascii_case(MARK));
        let mut names = std::collections::HashSet::new();

        let mut header = b"GGUF".to_vec();
        header.extend(3u32.to_le_bytes());
        header.extend((tensors.len() as u64).to_le_bytes());
        header.extend((metadata.len() as u64).to_le_bytes());
        for (key, value) in metadata.iter() {
            write_string(&mut header, key);
            value.write(&mut header);
        }
        let mut offset = 0;
        let mut pending = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            let (name, format) = (&tensor.name, tensor.format);
            let id = type_id(format)
                .ok_or_else(|| refuse(format!("tensor `{name}`: GGUF has no type for {format}")))?;
            if format == Format::TQ2_0_g128 && !marked {
                return Err(refuse(format!(
                    "tensor `{name}`: {format} needs general.quantization_version = \"{MARK}\""
                )));
            }
            if !names.insert(name) {
                return Err(refuse(format!("tensor `{name}` occurs twice")));
            }
            let bytes = tensor.bytes()?;
            write_string(&mut header, name);
            header.extend((tensor.shape.len() as u32).to_le_bytes());
            for &dimension in tensor.shape.iter().rev() {
                header.extend((dimension as u64).to_le_bytes());
            }
            header.extend(id.to_le_bytes());
            header.extend((offset as u64).to_le_bytes());
            offset = bytes
                .checked_next_multiple_of(alignment)
                .and_then(|bytes| bytes.checked_add(offset))
                .ok_or_else(|| refuse("the tensors are too large together".to_owned()))?;
            pending.push(bytes);
        }
        header.resize(header.len().next_multiple_of(alignment), 0);
        out.write_all(&header).map_err(Error::Output)?;
        pending.reverse();
        Ok(Self {
            out,
            alignment,
            pending,
            written: 0,
        })
    }

    /// Writes the next bytes of the tensor in work; `bytes` ends with it or before.
    ///
    /// # Errors
    /// [`Error::Write`] for more bytes than the tensor has; [`Error::Output`] when the output fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let size = self.pending.last().copied().unwrap_or(0);
        if bytes.len() > size - self.written {
            return Err(Error::Write {
                reason: format!(
                    "{} bytes are more than the {} that the tensor in work lacks",
                    bytes.len(),
                    size - self.written
                ),
            });
        }
        self.out.write_all(bytes).map_err(Error::Output)?;
        self.written += bytes.len();
        if self.written == size {
            self.pending.pop();
            self.written = 0;
            let padding = vec![0; size.next_multiple_of(self.alignment) - size];
            self.out.write_all(&padding).map_err(Error::Output)?;
        }
        Ok(())
    }

    /// Flushes and returns the output.
    ///
    /// # Errors
    /// [`Error::Write`] when tensors lack bytes; [`Error::Output`] when the output fails.
    pub fn finish(mut self) -> Result<W> {
        if !self.pending.is_empty() {
            return Err(Error::Write {
                reason: format!(
                    "{} tensors are not written to their end",
                    self.pending.len()
                ),
            });
        }
        self.out.flush().map_err(Error::Output)?;
        Ok(self.out)
    }
}
