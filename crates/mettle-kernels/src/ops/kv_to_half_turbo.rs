//! Cases and bench entries of halves of caches in the blocks of TurboQuant. [`attention`](super::attention()) makes them as of others.

use super::attention::BENCH_HEADS;
use super::kv_append_turbo::formats_of_heads;
use super::kv_to_half::{HALVES, HEAD_SIZES, add_bench, add_more, add_prompt};
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Format, Turbo};

/// As for other formats, but for one thing: values of few levels may all be off alike, each by 2^-11 of it, so that the mean square error of halves is
/// up to 2^-22 of their square, of values and of scores.
const LEVELS: Tolerance = Tolerance {
    nmse: 4.8e-7,
    ..HALVES
};

/// The cases of `kv_to_half_turbo.metal`: every format with heads of one block, and those of `kv_to_half.metal` with one of them.
pub(crate) fn family() -> Family {
    Family::new("kv_to_half_turbo", LEVELS, |cases| {
        for (format, head_size) in formats_of_heads() {
            if HEAD_SIZES.contains(&head_size) {
                add_prompt(cases, format, head_size);
            }
        }
        if let Some(turbo) = Turbo::new(3, 128) {
            add_more(cases, Format::Turbo(turbo), 128);
        }
    })
    .benches(|benches| {
        if let Some(turbo) = Turbo::new(4, BENCH_HEADS.2) {
            add_bench(benches, Format::Turbo(turbo));
        }
    })
}
