//! Artefacts for Apple's own compilers: Metal source, which the system compiles when it is loaded, and metallibs, which Xcode's compiler makes.
//!
//! Their function constants are always open: Metal sets them when it makes a pipeline.

mod alone;
mod language;
mod library;

pub use alone::{EXPANDED, alone, expand};
pub use language::Language;
pub use library::{compile_library, compiler};

use crate::artefact::{Artefact, ArtefactKernel};
use crate::compile;
use crate::unit::Unit;

/// Target of an artefact whose code is Metal source without `#include` of user files, as [`flatten`](crate::flatten) makes it.
pub const SOURCE: &str = "metal-source";

/// Target of an artefact whose code is a metallib.
pub const LIBRARY: &str = "metal-library";

/// The artefact of a unit that holds its source; `text` is the unit's file, flattened.
pub fn source_artefact(unit: &Unit, text: String) -> Artefact {
    // Barriers and threadgroup memory are Metal's own affair: what is said of them is the most and the least there can be.
    let kernels = unit.kernels.iter().map(|kernel| ArtefactKernel {
        name: kernel.name.clone(),
        synchronises: true,
        static_threadgroup_memory: 0,
        max_threads: kernel.max_threads,
        arguments: kernel
            .arguments
            .iter()
            .map(|argument| compile::argument(unit, argument))
            .collect(),
    });
    Artefact {
        unit: unit.name.clone(),
        target: SOURCE.to_owned(),
        constants: None,
        kernels: kernels.collect(),
        lines: Vec::new(),
        code: text.into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn source_keeps_what_a_launch_is_checked_against() {
        let text = "kernel void k(device const float4* x [[buffer(2)]], threadgroup int* t [[threadgroup(0)]]) {}\n";
        let unit = Unit::from_source("u", text, &Options::default()).unwrap();
        let artefact = source_artefact(&unit, text.to_owned());
        let read = Artefact::from_bytes(&artefact.to_bytes()).unwrap();
        assert_eq!(read, artefact);
        assert_eq!(read.code, text.as_bytes());
        let arguments = &read.kernels[0].arguments;
        assert_eq!((arguments[0].index, arguments[0].size), (2, 16));
        assert_eq!(arguments[1].name, "t");
    }
}
