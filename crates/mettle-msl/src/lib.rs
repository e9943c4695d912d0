//! Reads Metal Shading Language source and turns it into native code.
//!
//! Owns: preprocessing, the token-level parser, reflection, the rewrite of MSL to C++, the drivers of the
//! C++ compiler, the source map of diagnostics, and our `metal_stdlib` (in `include/`).
//! May not know: devices, buffers, launches, or any particular kernel.
//!
//! The way of a source: [`Unit::from_file`] preprocesses and reflects it, [`compile`] makes an [`Artefact`] of it for a [`Target`].
//!
//! ```
//! use mettle_msl::{Options, Unit};
//!
//! let text = "kernel void twice(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] *= 2; }";
//! let unit = Unit::from_source("twice.metal", text, &Options::default())?;
//! assert_eq!(unit.kernels[0].name, "twice");
//! assert_eq!(unit.kernels[0].arguments[0].index, 0);
//! # Ok::<(), mettle_msl::Error>(())
//! ```

pub mod abi;
mod artefact;
mod cache;
mod check;
mod compile;
mod diagnostic;
mod error;
mod flatten;
mod lex;
mod lint;
pub mod metal;
mod parse;
mod preprocess;
pub mod ptx;
mod reflect;
mod rewrite;
mod source;
mod target;
#[cfg(test)]
mod tests;
mod token;
mod tool;
mod trace;
mod unit;

pub use artefact::{Artefact, ArtefactArgument, ArtefactArgumentKind, ArtefactKernel, LineRun};
pub use cache::{Cache, CacheStats, Origin};
pub use check::{CheckOptions, check};
pub use compile::{compile, fingerprint};
pub use diagnostic::{Diagnostic, Location, Severity};
pub use error::{Error, Result};
pub use flatten::{flatten, flatten_source};
pub use lint::lint;
pub use reflect::{
    Access, AddressSpace, Argument, ArgumentKind, Builtin, BuiltinKind, ConstantValue, Field,
    FunctionConstant, Kernel, Layout, Scalar, Struct, Type, Variant,
};
pub use target::{CpuLevel, PtxLevel, Target, TargetClass};
pub use tool::clang::Clang;
pub use unit::{Instrumentation, Options, Unit};
