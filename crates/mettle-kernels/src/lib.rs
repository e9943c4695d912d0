//! The catalogue of Metal kernels for language-model inference.
//!
//! Owns: the `.metal` sources, their typed bindings, the ops over tensors, number formats, host references and cases.
//! May not know: model architectures, files, backends.

pub mod cases;
mod error;
pub mod formats;

pub use error::{Error, Result};
