//! Reads little-endian fields from a header, one bounds check each.

use super::Problem;

/// A position in the bytes of a header.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Position from the start of the file, in bytes.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, what: &'static str, len: u64) -> Result<&'a [u8], Problem> {
        let available = self.left();
        match usize::try_from(len) {
            Ok(len) if len <= available => {
                let taken = &self.bytes[self.offset..self.offset + len];
                self.offset += len;
                Ok(taken)
            }
            _ => Err(Problem::Truncated {
                what,
                offset: self.offset,
                needed: len,
                available,
            }),
        }
    }

    /// The next `N` bytes, for `from_le_bytes`.
    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Problem> {
        let taken = self.take(what, N as u64)?;
        Ok(std::array::from_fn(|i| taken[i]))
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, Problem> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, Problem> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A 64-bit count of entries that take at least `entry_bytes` each, so that a count that passes may size a loop.
    pub(super) fn count(
        &mut self,
        what: &'static str,
        entry_bytes: usize,
    ) -> Result<usize, Problem> {
        let offset = self.offset;
        let count = self.u64(what)?;
        let available = self.left();
        let most = (available / entry_bytes) as u64;
        if count > most {
            return Err(Problem::Count {
                what,
                offset,
                count,
                available,
            });
        }
        Ok(count as usize)
    }

    /// A string: 64-bit length in bytes, then UTF-8 without terminator.
    pub(super) fn string(&mut self, what: &'static str) -> Result<&'a str, Problem> {
        let offset = self.offset;
        let len = self.u64(what)?;
        let bytes = self.take(what, len)?;
        std::str::from_utf8(bytes).map_err(|_| Problem::Utf8 { what, offset })
    }
}
