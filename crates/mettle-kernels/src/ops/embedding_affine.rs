//! Cases and bench entries of rows of tables in one of MLX's affine formats. [`embedding`](super::embedding()) takes them as others.

use super::embedding::{add_all_bytes, add_bench, add_case, add_scales, out_of_range};
use super::mul_mv_affine::usual;
use crate::cases::{Family, Scales, Tolerance};
use mettle_gpu::{Affine, Format};

/// The cases of `embedding_affine.metal`: several groups, repeated and last ids, every code and scale, scales of all sizes, and ids that the table
/// does not have.
pub(crate) fn family() -> Family {
    Family::new("embedding_affine", Tolerance::EXACT, |cases| {
        for format in Affine::ALL.map(Format::Affine) {
            add_case(cases, "rows", format, [37, 384], vec![0, 36, 5, 5, 17]);
            add_all_bytes(cases, format);
        }
        for format in usual() {
            for scales in [Scales::Huge, Scales::Subnormal, Scales::Zero] {
                add_scales(cases, scales, format, 128);
            }
            add_case(cases, "out_of_range", format, [7, 64], out_of_range());
        }
    })
    .benches(|benches| {
        for format in usual().take(1) {
            add_bench(benches, format);
        }
    })
}
