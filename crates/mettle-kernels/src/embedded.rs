//! The compiled kernels, one [`EmbeddedUnit`] a `.metal` file, as the build script wrote them.

use mettle_gpu::{EmbeddedArtefact, EmbeddedUnit, EmbeddedVariant, TargetClass};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
