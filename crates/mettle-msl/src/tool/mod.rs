//! The programs this crate runs: finding clang, running it under a time limit, and the headers it reads.

pub(crate) mod clang;
pub(crate) mod headers;
pub(crate) mod precompiled;
pub(crate) mod process;
