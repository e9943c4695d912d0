//! Compiled code with what a loader must know about it, as bytes.

use crate::error::{Error, Result};
use crate::{Target, abi, metal};
use serde::{Deserialize, Serialize};

/// First bytes of an artefact; the last is the version of the layout.
const MAGIC: &[u8; 8] = b"METTLEA\x02";

/// Bytes that packed text may unpack to.
const LONGEST_TEXT: usize = 1 << 28;

/// Compiled kernels for one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Artefact {
    /// Name of the unit.
    pub unit: String,
    /// Name of the target, as [`Target::name`](crate::Target::name) or one of [`crate::metal`].
    pub target: String,
    /// Index and bits of the function constants compiled in, by ascending index; `None` if the loader sets them.
    pub constants: Option<Vec<(u32, u64)>>,
    /// The kernels, in the order asked for.
    pub kernels: Vec<ArtefactKernel>,
    /// Where the compiled text comes from, by ascending line.
    pub lines: Vec<LineRun>,
    /// For a CPU an ELF shared object, for an NVIDIA GPU the text of a PTX module; [`crate::abi`] says what they export. For Metal see
    /// [`crate::metal`].
    #[serde(skip)]
    pub code: Vec<u8>,
}

/// A kernel of an artefact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtefactKernel {
    /// Host name.
    pub name: String,
    /// Whether its threads wait for each other. On a CPU its entry is `mettle_thread__<name>` if so, else `mettle_group__<name>`.
    pub synchronises: bool,
    /// Bytes of `threadgroup` variables in its body and the functions it calls, each rounded up to 16.
    pub static_threadgroup_memory: usize,
    /// The largest threadgroup it may be launched with, where the source says one.
    pub max_threads: Option<u32>,
    /// What the host binds.
    pub arguments: Vec<ArtefactArgument>,
}

/// An argument that the host binds, as far as a launch is checked against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtefactArgument {
    /// `[[buffer(index)]]` or `[[threadgroup(index)]]`.
    pub index: u32,
    /// Name.
    pub name: String,
    /// What is bound.
    pub kind: ArtefactArgumentKind,
    /// Bytes of one element, or of the value; 1 where the type is not known.
    pub size: usize,
    /// Alignment of the address; 1 where the type is not known.
    pub align: usize,
    /// It need not be bound: whether the kernel looks at it depends on a function constant.
    pub optional: bool,
    /// The kernel may read it before the launches that it waits for are through, unless it is told not to begin before.
    pub early: bool,
}

/// What is bound to an [`ArtefactArgument`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArtefactArgumentKind {
    /// Memory of the device.
    Buffer {
        /// Whether the kernel may write it.
        writable: bool,
    },
    /// One value.
    Value,
    /// Threadgroup memory, its size chosen at dispatch.
    ThreadgroupMemory,
}

/// Consecutive lines of the compiled text that come from consecutive lines of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRun {
    /// First line of the compiled text, from 1.
    pub compiled: u32,
    /// File name without its folder.
    pub file: String,
    /// Line of that file, from 1.
    pub line: u32,
}

impl Artefact {
    /// The file (without its folder) and line of a synchronisation site, for messages.
    pub fn locate(&self, site: u64) -> Option<(&str, u32)> {
        let (line, _) = abi::site_line_column(site);
        let run = self.lines[..self.lines.partition_point(|r| r.compiled <= line)].last()?;
        Some((&run.file, run.line + (line - run.compiled)))
    }

    /// Whether the code is text, which is packed in [`Artefact::to_bytes`].
    fn is_text(&self) -> bool {
        [metal::SOURCE, metal::EXPANDED].contains(&self.target.as_str())
            || matches!(Target::from_name(&self.target), Some(Target::Ptx(_)))
    }

    /// The artefact as bytes: magic, digest of the rest, length of the header, header, code.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Plain data of our own: it has no value that JSON cannot express.
        let header = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = Vec::with_capacity(MAGIC.len() + 32 + 8 + header.len() + self.code.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[0; 32]);
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&header);
        if self.is_text() {
            // PTX shrinks to a tenth, Metal source to a quarter.
            bytes.extend_from_slice(&miniz_oxide::deflate::compress_to_vec(&self.code, 9));
        } else {
            bytes.extend_from_slice(&self.code);
        }
        let digest = blake3::hash(&bytes[MAGIC.len() + 32..]);
        bytes[MAGIC.len()..][..32].copy_from_slice(digest.as_bytes());
        bytes
    }

    /// Reads what [`Artefact::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Artefact`] if the bytes are not an artefact of this version, or any of them was changed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let invalid = |reason: &str| Error::Artefact {
            reason: reason.to_owned(),
        };
        let rest = bytes
            .strip_prefix(MAGIC.as_slice())
            .ok_or_else(|| invalid("it does not begin as one of this version"))?;
        let (digest, content) = rest
            .split_at_checked(32)
            .ok_or_else(|| invalid("it is cut short"))?;
        if blake3::hash(content).as_bytes() != digest {
            return Err(invalid("its digest does not agree with its content"));
        }
        let (length, content) = content
            .split_first_chunk::<8>()
            .ok_or_else(|| invalid("it is cut short"))?;
        let length = usize::try_from(u64::from_le_bytes(*length))
            .map_err(|_| invalid("its header is too long"))?;
        let (header, code) = content
            .split_at_checked(length)
            .ok_or_else(|| invalid("its header is too long"))?;
        let mut artefact: Self = serde_json::from_slice(header).map_err(|e| Error::Artefact {
            reason: format!("its header does not read: {e}"),
        })?;
        artefact.code = if artefact.is_text() {
            miniz_oxide::inflate::decompress_to_vec_with_limit(code, LONGEST_TEXT)
                .map_err(|e| invalid(&format!("its code does not unpack: {e}")))?
        } else {
            code.to_vec()
        };
        Ok(artefact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Artefact {
        Artefact {
            unit: "u".into(),
            target: "cpu-x86-64-v3".into(),
            constants: Some(vec![(0, 1), (7, u64::MAX)]),
            kernels: vec![ArtefactKernel {
                name: "k".into(),
                synchronises: true,
                static_threadgroup_memory: 128,
                max_threads: Some(256),
                arguments: vec![ArtefactArgument {
                    index: 3,
                    name: "x".into(),
                    kind: ArtefactArgumentKind::Buffer { writable: true },
                    size: 4,
                    align: 4,
                    optional: false,
                    early: false,
                }],
            }],
            lines: vec![
                LineRun {
                    compiled: 1,
                    file: "a.h".into(),
                    line: 10,
                },
                LineRun {
                    compiled: 5,
                    file: "u.metal".into(),
                    line: 2,
                },
            ],
            code: vec![1, 2, 3],
        }
    }

    #[test]
    fn bytes_read_back() {
        assert_eq!(
            Artefact::from_bytes(&sample().to_bytes()).unwrap(),
            sample()
        );
    }

    #[test]
    fn text_is_packed() {
        let ptx = Artefact {
            target: "ptx-sm80".into(),
            code: b"mov.u32 %r1, 0;\n".repeat(1000),
            ..sample()
        };
        let bytes = ptx.to_bytes();
        assert!(bytes.len() < 2000, "{}", bytes.len());
        assert_eq!(Artefact::from_bytes(&bytes).unwrap(), ptx);
    }

    #[test]
    fn every_damaged_byte_is_found() {
        let bytes = sample().to_bytes();
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x40;
            assert!(
                matches!(Artefact::from_bytes(&damaged), Err(Error::Artefact { .. })),
                "byte {i}"
            );
            assert!(
                matches!(
                    Artefact::from_bytes(&bytes[..i]),
                    Err(Error::Artefact { .. })
                ),
                "cut at {i}"
            );
        }
    }

    #[test]
    fn an_absurd_header_length_is_refused() {
        let content = u64::MAX.to_le_bytes();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(blake3::hash(&content).as_bytes());
        bytes.extend_from_slice(&content);
        assert!(matches!(
            Artefact::from_bytes(&bytes),
            Err(Error::Artefact { .. })
        ));
    }

    #[test]
    fn sites_lead_to_lines() {
        let artefact = sample();
        assert_eq!(artefact.locate(4 << 12 | 9), Some(("a.h", 13)));
        assert_eq!(artefact.locate(6 << 12), Some(("u.metal", 3)));
        assert_eq!(artefact.locate(0), None);
    }
}
