//! Operations over tensors: they check shapes, choose the kernel and its grid, and record the launch.
//!
//! Generated from the files of `metal/` and `src/ops/` by `cargo run -p xtask -- bindings`: do not edit.

pub mod argmax;
pub mod attention;
mod attention_grouped;
pub mod binary;
mod check;
pub mod embedding;
mod embedding_affine;
pub mod fusion;
pub mod kv_append;
mod mapping;
mod mul_mm;
pub mod mul_mv;
mod mul_mv_affine;
mod mul_panel;
mod qk_norm_rope_append;
pub mod rms_norm;
pub mod roofline;
pub mod rope;
mod round_rows;
pub mod sample;
pub mod softmax;
pub mod swiglu;
pub mod unary;

pub use argmax::*;
pub use attention::*;
pub use binary::*;
pub use embedding::*;
pub use fusion::*;
pub use kv_append::*;
pub use mul_mv::*;
pub use rms_norm::*;
pub use roofline::*;
pub use rope::*;
pub use sample::*;
pub use softmax::*;
pub use swiglu::*;
pub use unary::*;

/// The cases of every family, in the order of their names.
pub fn families() -> Vec<crate::cases::Family> {
    vec![
        argmax::family(),
        attention::family(),
        attention_grouped::family(),
        binary::family(),
        embedding::family(),
        embedding_affine::family(),
        kv_append::family(),
        mul_mm::family(),
        mul_mv::family(),
        mul_mv_affine::family(),
        mul_panel::family(),
        qk_norm_rope_append::family(),
        rms_norm::family(),
        roofline::family(),
        rope::family(),
        round_rows::family(),
        sample::family(),
        softmax::family(),
        swiglu::family(),
        unary::family(),
    ]
}
