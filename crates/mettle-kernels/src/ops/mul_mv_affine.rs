//! Cases and bench entries of products with weights in one of MLX's affine formats. [`mul_mat`](super::mul_mat()) makes them as those with others.

use super::mul_mv::Spread;
use super::mul_mv::cases::{add, add_bench, add_forms, add_sizes_of_values};
use super::mul_mv::more_cases::{add_bench_of_16bit, add_experts_of_16bit, add_of_16bit};
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Affine, AffineScales, Format};

/// What MLX makes by default.
pub(super) fn usual() -> impl Iterator<Item = Format> {
    let of_bits = |bits| Affine::new(bits, 64, AffineScales::BF16);
    [4, 8].into_iter().filter_map(of_bits).map(Format::Affine)
}

/// The cases of `mul_mv_affine.metal`: rows of several groups for every format; for those that are usual, and for one of odd bits, every number
/// of columns, long rows, scales and activations of all sizes, and everything that is done beside products; activations of BF16.
pub(crate) fn family() -> Family {
    Family::new("mul_mv_affine", Tolerance::MATMUL, |cases| {
        for spread in [Spread::RowPerThread, Spread::RowsPerGroup] {
            for affine in Affine::ALL {
                add(cases, spread, Format::Affine(affine), 7, 384, 1);
            }
            for format in usual() {
                let formats = [format, Format::BF16];
                let block = format.block_len();
                for m in [1, 3, 11] {
                    add_of_16bit(cases, spread, formats, [7, 3 * block, m]);
                }
                add_of_16bit(cases, spread, formats, [130, 512, 1]);
                add_experts_of_16bit(cases, spread, formats, [5, 2 * block]);
            }
            let odd = Affine::new(3, 128, AffineScales::F16).map(Format::Affine);
            for format in usual().chain(odd) {
                let block = format.block_len();
                for m in [2, 3, 4, 11] {
                    add(cases, spread, format, 5, 3 * block, m);
                }
                add(cases, spread, format, 1, block, 1);
                add(cases, spread, format, 130, 512, 1);
                add(cases, spread, format, 3, 16 * 1024, 2);
                add_sizes_of_values(cases, spread, format, 2 * block);
                add_forms(cases, spread, format, block);
            }
        }
    })
    .benches(|benches| {
        for format in usual() {
            add_bench_of_16bit(benches, [format, Format::BF16]);
            for shape in [
                (4096, 4096, 1),
                (14_336, 4096, 1),
                (4096, 14_336, 1),
                (4096, 4096, 4),
                (4096, 4096, 8),
            ] {
                add_bench(benches, format, shape);
            }
        }
    })
}
