//! Artefacts as `mettle_msl` writes them, and what a launch is checked against.

use mettle_msl::{Artefact, ArtefactArgument, ArtefactArgumentKind, ArtefactKernel};

use crate::error::{Error, Result};

/// Reads an artefact, checking its digest and its target.
pub(crate) fn parse(unit: &str, target: &str, bytes: &[u8]) -> Result<Artefact> {
    let refuse = |reason: String| Error::Artefact {
        unit: unit.to_owned(),
        reason,
    };
    let artefact = Artefact::from_bytes(bytes).map_err(|error| refuse(error.to_string()))?;
    if artefact.target != target {
        return Err(refuse(format!(
            "it is for {}, not for {target}",
            artefact.target
        )));
    }
    Ok(artefact)
}

/// The kernel of a name.
pub(crate) fn kernel<'a>(artefact: &'a Artefact, name: &str) -> Option<&'a ArtefactKernel> {
    artefact.kernels.iter().find(|kernel| kernel.name == name)
}

/// The argument at an index; threadgroup memory has its own index space.
pub(crate) fn argument(
    kernel: &ArtefactKernel,
    index: u32,
    threadgroup: bool,
) -> Option<&ArtefactArgument> {
    kernel.arguments.iter().find(|argument| {
        let is_threadgroup = argument.kind == ArtefactArgumentKind::ThreadgroupMemory;
        argument.index == index && is_threadgroup == threadgroup
    })
}

/// A kind of argument in words.
pub(crate) fn kind_name(kind: ArtefactArgumentKind) -> &'static str {
    match kind {
        ArtefactArgumentKind::Buffer { writable: false } => "a buffer that is read",
        ArtefactArgumentKind::Buffer { writable: true } => "a buffer that is written",
        ArtefactArgumentKind::Value => "a value",
        ArtefactArgumentKind::ThreadgroupMemory => "threadgroup memory",
    }
}
