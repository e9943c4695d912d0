//! Launch bindings: for each `.metal` file a module, for each kernel in it a struct whose fields are the kernel's arguments.
//!
//! Generated from the `.metal` files by `cargo run -p xtask -- bindings`: do not edit.

use mettle_gpu::Format;

pub mod advance;
pub mod argmax;
pub mod argsort;
pub mod attention;
pub mod attention_16bit;
pub mod attention_decode;
pub mod attention_grouped;
pub mod attention_grouped_turbo;
pub mod attention_merge;
pub mod attention_tiles;
pub mod attention_turbo;
pub mod backward;
pub mod binary;
pub mod copy;
pub mod cumsum;
pub mod decay_beta;
pub mod dequantize;
pub mod dequantize_affine;
pub mod embedding;
pub mod embedding_affine;
pub mod fill;
pub mod gated_delta_net;
pub mod gather;
pub mod hadamard;
pub mod head_norm_rope;
pub mod kv_append;
pub mod kv_append_turbo;
pub mod kv_read_turbo;
pub mod kv_to_half;
pub mod kv_to_half_turbo;
pub mod l2_norm;
pub mod latent_append;
pub mod layer_norm;
pub mod moe_combine;
pub mod moe_route;
pub mod moe_sort;
pub mod mul_mm;
pub mod mul_mm_affine;
pub mod mul_mm_tensor;
pub mod mul_mm_tensor_affine;
pub mod mul_mv;
pub mod mul_mv_affine;
pub mod mul_panel;
pub mod mul_panel_affine;
pub mod pack_columns;
pub mod qk_norm_rope_append;
pub mod qk_norm_rope_append_turbo;
pub mod residual_norm;
pub mod rms_norm;
pub mod roofline;
pub mod rope;
pub mod round_rows;
pub mod sample;
pub mod softmax;
pub mod ssm_conv;
pub mod sum_parts;
pub mod training;
pub mod tri_solve;
mod types;
pub mod unary;

/// The formats of weights that kernels decode: those of `METTLE_FORMATS` in `mettle/formats.h`.
pub const FORMATS: [Format; 22] = [
    Format::F32,
    Format::F16,
    Format::BF16,
    Format::Q4_0,
    Format::Q4_1,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q8_0,
    Format::Q2_K,
    Format::Q3_K,
    Format::Q4_K,
    Format::Q5_K,
    Format::Q6_K,
    Format::IQ4_NL,
    Format::IQ4_XS,
    Format::TQ2_0,
    Format::Q1_0,
    Format::TQ2_0_g128,
    Format::F8_E4M3,
    Format::F8_E5M2,
    Format::KHQ4,
    Format::Q3,
];

/// The formats of caches that kernels write and read: those of `METTLE_CACHE_FORMATS` in `mettle/kv_rows.h`.
pub const CACHE_FORMATS: [Format; 5] = [
    Format::F32,
    Format::F16,
    Format::BF16,
    Format::Q8_0,
    Format::Q4_0,
];

/// What the catalogue shows of every family.
pub(crate) const CATALOGUE: &[&[crate::catalogue::Kernel]] = &[
    advance::CATALOGUE,
    argmax::CATALOGUE,
    argsort::CATALOGUE,
    attention::CATALOGUE,
    attention_16bit::CATALOGUE,
    attention_decode::CATALOGUE,
    attention_grouped::CATALOGUE,
    attention_grouped_turbo::CATALOGUE,
    attention_merge::CATALOGUE,
    attention_tiles::CATALOGUE,
    attention_turbo::CATALOGUE,
    backward::CATALOGUE,
    binary::CATALOGUE,
    copy::CATALOGUE,
    cumsum::CATALOGUE,
    decay_beta::CATALOGUE,
    dequantize::CATALOGUE,
    dequantize_affine::CATALOGUE,
    embedding::CATALOGUE,
    embedding_affine::CATALOGUE,
    fill::CATALOGUE,
    gated_delta_net::CATALOGUE,
    gather::CATALOGUE,
    hadamard::CATALOGUE,
    head_norm_rope::CATALOGUE,
    kv_append::CATALOGUE,
    kv_append_turbo::CATALOGUE,
    kv_read_turbo::CATALOGUE,
    kv_to_half::CATALOGUE,
    kv_to_half_turbo::CATALOGUE,
    l2_norm::CATALOGUE,
    latent_append::CATALOGUE,
    layer_norm::CATALOGUE,
    moe_combine::CATALOGUE,
    moe_route::CATALOGUE,
    moe_sort::CATALOGUE,
    mul_mm::CATALOGUE,
    mul_mm_affine::CATALOGUE,
    mul_mm_tensor::CATALOGUE,
    mul_mm_tensor_affine::CATALOGUE,
    mul_mv::CATALOGUE,
    mul_mv_affine::CATALOGUE,
    mul_panel::CATALOGUE,
    mul_panel_affine::CATALOGUE,
    pack_columns::CATALOGUE,
    qk_norm_rope_append::CATALOGUE,
    qk_norm_rope_append_turbo::CATALOGUE,
    residual_norm::CATALOGUE,
    rms_norm::CATALOGUE,
    roofline::CATALOGUE,
    rope::CATALOGUE,
    round_rows::CATALOGUE,
    sample::CATALOGUE,
    softmax::CATALOGUE,
    ssm_conv::CATALOGUE,
    sum_parts::CATALOGUE,
    training::CATALOGUE,
    tri_solve::CATALOGUE,
    unary::CATALOGUE,
];
