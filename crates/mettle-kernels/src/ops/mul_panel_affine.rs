//! Cases and bench entries of products of many columns on CPUs with weights in one of MLX's affine formats.

use super::mul_mv_affine::usual;
use super::mul_panel::{add, add_bench, add_of_experts};
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Affine, AffineScales, Format};

/// The cases of `mul_panel_affine.metal`: panels that are not full, more columns than a thread takes, and experts.
pub(crate) fn family() -> Family {
    Family::new("mul_panel_affine", Tolerance::MATMUL, |cases| {
        let odd = Affine::new(3, 128, AffineScales::F16).map(Format::Affine);
        for format in usual().chain(odd) {
            let block = format.block_len();
            add(cases, format, (8, 1, block));
            add(cases, format, (136, 33, 2 * block));
            add_of_experts(cases, format, (33, block));
        }
    })
    .benches(|benches| {
        for format in usual() {
            add_bench(benches, format, (128, 3072, 1024));
        }
    })
}
