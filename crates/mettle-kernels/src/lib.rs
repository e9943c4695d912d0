//! The catalogue of Metal kernels for language-model inference.
//!
//! Owns: the `.metal` sources, their typed bindings, the ops over tensors, number formats, host references and cases.
//! May not know: model architectures, files, backends.
//!
//! - [`ops`]: what models call. An op takes tensors, checks their shapes, and picks the kernel and its grid.
//! - [`bindings`]: one struct a kernel, generated from its `.metal` file. What ops launch; also the way to launch a
//!   kernel by hand.
//! - [`catalogue`]: what there is.
//! - [`formats`]: decoding and encoding of quantised weights on the host.
//! - [`cases`]: inputs, references and bounds that prove each kernel on a device.

pub mod bindings;
pub mod cases;
pub mod catalogue;
mod embedded;
mod error;
pub mod formats;
pub mod ops;
mod reference;

pub use error::{Error, Result};
