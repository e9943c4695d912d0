//! Cases and bench entries of products of many columns with weights in one of MLX's affine formats.

use super::mul_mm::cases::{By, add, add_bench, add_of_experts, tolerance};
use super::mul_mv_affine::usual;
use crate::cases::Family;
use mettle_gpu::{Affine, AffineScales, Format};

/// The cases of `mul_mm_affine.metal`: tiles of either size for formats of all bits, groups and scales; experts; very large and small rows.
pub(crate) fn family() -> Family {
    let half = Format::F16;
    Family::new("mul_mm_affine", tolerance(half), |cases| {
        for affine in Affine::ALL {
            if affine.scales() == AffineScales::BF16 || affine.group() == 64 {
                let format = Format::Affine(affine);
                add(cases, By::Small, format, (20, 24, 128), 1.0);
            }
        }
        for format in usual() {
            let block = format.block_len();
            add(cases, By::Small, format, (1, 1, block), 1.0);
            add(cases, By::Small, format, (70, 66, 2 * block), 1.0);
            add(cases, By::Large, format, (131, 17, block), 1.0);
            add(cases, By::Small, format, (5, 4, block), 1e6);
            add(cases, By::Small, format, (5, 4, block), 1e-30);
            add_of_experts(cases, By::Small, format, (5, block));
        }
    })
    .benches(|benches| {
        for format in usual() {
            for shape in [(512, 4096, 4096), (512, 14_336, 4096)] {
                add_bench(benches, format, shape);
            }
        }
    })
}
