//! Cases of products by tensor operations with weights in one of MLX's affine formats.

use super::mul_mm::cases::{By, add, add_of_experts, tolerance};
use super::mul_mm_tensor::{add_benches, add_heads};
use super::mul_mv_affine::usual;
use crate::cases::Family;
use mettle_gpu::Format;

/// The cases of `mul_mm_tensor_affine.metal`: the usual formats, experts, and results by head.
pub(crate) fn family() -> Family {
    let half = Format::F16;
    Family::new("mul_mm_tensor_affine", tolerance(half), |cases| {
        for format in usual() {
            let block = format.block_len();
            add(cases, By::Tensors, format, (70, 66, 2 * block), 1.0);
            add_of_experts(cases, By::Tensors, format, (5, block));
            add_heads(cases, format, [5, 70, block], 10);
        }
    })
    .benches(|benches| add_benches(benches, usual()))
}
