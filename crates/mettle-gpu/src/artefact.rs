//! What a device needs to know of a compiled artefact.

use crate::error::{Error, Result};

/// The description of an artefact and its code.
#[derive(Debug)]
pub(crate) struct ArtefactInfo {
    pub kernels: Vec<KernelInfo>,
    pub code: Vec<u8>,
}

/// A compiled kernel.
#[derive(Debug, Clone)]
pub(crate) struct KernelInfo {
    pub name: String,
    pub synchronises: bool,
    /// In bytes.
    pub static_threadgroup_memory: usize,
    pub arguments: Vec<ArgumentInfo>,
}

/// An argument of a compiled kernel.
#[derive(Debug, Clone)]
pub(crate) struct ArgumentInfo {
    pub name: String,
    /// The buffer index, or the threadgroup index for threadgroup memory.
    pub index: u32,
    pub kind: ArgumentKind,
    /// Bytes of a value; bytes of one element of a buffer or of threadgroup memory.
    pub size: usize,
    /// The alignment of the value or of an element.
    pub align: usize,
}

/// What a kernel does with an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgumentKind {
    ReadBuffer,
    WriteBuffer,
    Value,
    ThreadgroupMemory,
}

impl ArgumentKind {
    pub fn name(self) -> &'static str {
        match self {
            ArgumentKind::ReadBuffer => "a buffer that is read",
            ArgumentKind::WriteBuffer => "a buffer that is written",
            ArgumentKind::Value => "a value",
            ArgumentKind::ThreadgroupMemory => "threadgroup memory",
        }
    }
}

impl KernelInfo {
    /// The argument at an index; threadgroup memory has its own index space.
    pub fn argument(&self, index: u32, threadgroup: bool) -> Option<&ArgumentInfo> {
        self.arguments.iter().find(|argument| {
            argument.index == index
                && (argument.kind == ArgumentKind::ThreadgroupMemory) == threadgroup
        })
    }
}

impl ArtefactInfo {
    /// Reads an artefact, checking its digest.
    pub fn parse(unit: &str, bytes: &[u8]) -> Result<Self> {
        Err(Error::Artefact {
            unit: unit.to_owned(),
            reason: format!(
                "{} bytes in a form that this build cannot read yet",
                bytes.len()
            ),
        })
    }

    pub fn kernel(&self, name: &str) -> Option<&KernelInfo> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }
}
