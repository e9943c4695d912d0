//! Cases and bench entries of halves of weights in one of MLX's affine formats, as those of others.

use super::dequantize::{add_all, add_bench};
use super::mul_mv_affine::usual;
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Affine, Format};

/// The cases of `dequantize_affine.metal`: those of `dequantize.metal` for each of the formats.
pub(crate) fn family() -> Family {
    Family::new("dequantize_affine", Tolerance::EXACT, |cases| {
        for format in Affine::ALL.map(Format::Affine) {
            add_all(cases, format);
        }
    })
    .benches(|benches| {
        for format in usual() {
            add_bench(benches, format);
        }
    })
}
