//! Operations over tensors: they check shapes, choose the kernel and its grid, and record the launch.
//!
//! Generated from the files of `metal/` and `src/ops/` by `cargo run -p xtask -- bindings`: do not edit.

pub mod advance;
pub mod argmax;
pub mod argsort;
pub mod attention;
mod attention_16bit;
pub mod attention_decode;
pub mod attention_grouped;
mod attention_grouped_turbo;
mod attention_merge;
mod attention_tiles;
mod attention_turbo;
pub mod backward;
pub mod binary;
mod check;
pub mod copy;
pub mod cumsum;
pub mod decay_beta;
mod dequantize;
mod dequantize_affine;
pub mod embedding;
mod embedding_affine;
pub mod expert_rounds;
pub mod experts;
pub mod fill;
pub mod fused_products;
pub mod fusion;
pub mod gated_delta_net;
pub mod gather;
pub mod hadamard;
pub mod head_norm_rope;
pub mod kv_append;
mod kv_append_turbo;
pub mod kv_read_turbo;
pub mod kv_to_half;
mod kv_to_half_turbo;
pub mod l2_norm;
pub mod latent_append;
pub mod layer_norm;
mod mapping;
pub mod moe_combine;
pub mod moe_route;
pub mod moe_sort;
pub mod mul_mm;
mod mul_mm_affine;
pub mod mul_mm_tensor;
mod mul_mm_tensor_affine;
pub mod mul_mv;
mod mul_mv_affine;
mod mul_panel;
mod mul_panel_affine;
mod pack_columns;
pub mod pages;
mod qk_norm_rope_append;
mod qk_norm_rope_append_turbo;
pub mod residual_norm;
pub mod ring;
pub mod rms_norm;
pub mod roofline;
pub mod rope;
mod round_rows;
pub mod sample;
pub mod softmax;
pub mod ssm_conv;
mod sum_parts;
pub mod training;
pub mod tri_solve;
pub mod unary;

pub use advance::*;
pub use argmax::*;
pub use argsort::*;
pub use attention::*;
pub use attention_decode::*;
pub use attention_grouped::*;
pub use backward::*;
pub use binary::*;
pub use copy::*;
pub use cumsum::*;
pub use decay_beta::*;
pub use embedding::*;
pub use expert_rounds::*;
pub use experts::*;
pub use fill::*;
pub use fused_products::*;
pub use fusion::*;
pub use gated_delta_net::*;
pub use gather::*;
pub use hadamard::*;
pub use head_norm_rope::*;
pub use kv_append::*;
pub use kv_read_turbo::*;
pub use kv_to_half::*;
pub use l2_norm::*;
pub use latent_append::*;
pub use layer_norm::*;
pub use moe_combine::*;
pub use moe_route::*;
pub use moe_sort::*;
pub use mul_mm::*;
pub use mul_mm_tensor::*;
pub use mul_mv::*;
pub use pages::*;
pub use residual_norm::*;
pub use ring::*;
pub use rms_norm::*;
pub use roofline::*;
pub use rope::*;
pub use sample::*;
pub use softmax::*;
pub use ssm_conv::*;
pub use training::*;
pub use tri_solve::*;
pub use unary::*;

/// The cases of every family, in the order of their names.
pub fn families() -> Vec<crate::cases::Family> {
    vec![
        advance::family(),
        argmax::family(),
        argsort::family(),
        attention::family(),
        attention_16bit::family(),
        attention_decode::family(),
        attention_grouped::family(),
        attention_grouped_turbo::family(),
        attention_merge::family(),
        attention_tiles::family(),
        attention_turbo::family(),
        backward::family(),
        binary::family(),
        copy::family(),
        cumsum::family(),
        decay_beta::family(),
        dequantize::family(),
        dequantize_affine::family(),
        embedding::family(),
        embedding_affine::family(),
        fill::family(),
        gated_delta_net::family(),
        gather::family(),
        hadamard::family(),
        head_norm_rope::family(),
        kv_append::family(),
        kv_append_turbo::family(),
        kv_read_turbo::family(),
        kv_to_half::family(),
        kv_to_half_turbo::family(),
        l2_norm::family(),
        latent_append::family(),
        layer_norm::family(),
        moe_combine::family(),
        moe_route::family(),
        moe_sort::family(),
        mul_mm::family(),
        mul_mm_affine::family(),
        mul_mm_tensor::family(),
        mul_mm_tensor_affine::family(),
        mul_mv::family(),
        mul_mv_affine::family(),
        mul_panel::family(),
        mul_panel_affine::family(),
        pack_columns::family(),
        qk_norm_rope_append::family(),
        qk_norm_rope_append_turbo::family(),
        residual_norm::family(),
        rms_norm::family(),
        roofline::family(),
        rope::family(),
        round_rows::family(),
        sample::family(),
        softmax::family(),
        ssm_conv::family(),
        sum_parts::family(),
        training::family(),
        tri_solve::family(),
        unary::family(),
    ]
}
