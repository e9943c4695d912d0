//! Operations over tensors: they check shapes, choose the kernel and its grid, and record the launch.
//!
//! Generated from the files of `metal/` and `src/ops/` by `cargo run -p xtask -- bindings`: do not edit.

/// The cases of every family, in the order of their names.
pub fn families() -> Vec<crate::cases::Family> {
    vec![]
}
