//! A GPU as Rust sees it: `Device`, `Buffer`, `Tensor`, `Library`, `Pipeline`, `Pass`.
//!
//! Owns: memory, artefact loading, pipelines, validated launches, hazards and barriers, and the backends.
//! May not know: which kernels exist, what a model is.
