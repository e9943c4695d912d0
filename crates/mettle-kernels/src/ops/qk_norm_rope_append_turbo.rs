//! Cases and bench entries of the launch between projections and scores over caches in the blocks of TurboQuant.
//! [`qk_norm_rope_append`](super::fusion::qk_norm_rope_append) takes them as others.

use super::kv_append_turbo::formats_of_heads;
use super::mapping::Mapping;
use super::qk_norm_rope_append::cases::{Setting, add_benches, check};
use super::rope::Pairing;
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Format, Turbo};

/// The cases of `qk_norm_rope_append_turbo.metal`: every format with heads of every size, with norms, with biases and neither, more heads than a thread or a threadgroup
/// takes, heads that are rotated in part, positions outside the cache, queries of some tokens and of none, and a ring. Queries are held against an f64 reference, blocks
/// against those that the host makes of what the device transforms.
pub(crate) fn family() -> Family {
    Family::new(
        "qk_norm_rope_append_turbo",
        Tolerance::ELEMENTWISE,
        |cases| {
            for mapping in Mapping::ALL {
                for (format, head_size) in formats_of_heads() {
                    let plain = Setting {
                        pairing: Pairing::HalfSplit,
                        heads: [9, 3],
                        head_size,
                        dims: head_size,
                        normed: true,
                        biased: false,
                        query_tokens: 1,
                        capacity: 7,
                        ring: None,
                    };
                    let mut add = |name: &str, setting: Setting, positions: &'static [i32]| {
                        let format_name = format.name().to_lowercase();
                        let name =
                            format!("{}_{format_name}_head{head_size}_{name}", mapping.name());
                        cases.add("qk_norm_rope_append_turbo", name, move |run| {
                            check(run, mapping, format, &setting, positions)
                        });
                    };
                    add("decode", plain, &[6]);
                    let partial = Setting {
                        pairing: Pairing::Interleaved,
                        heads: [2, 9],
                        dims: head_size / 2,
                        normed: false,
                        query_tokens: 2,
                        ..plain
                    };
                    add("partial", partial, &[3, -1, 1 << 20, 0]);
                    let biased = Setting {
                        biased: true,
                        query_tokens: 0,
                        ..plain
                    };
                    add("biased_no_queries", biased, &[6, 3]);
                    let ring = Setting {
                        ring: Some(4),
                        ..partial
                    };
                    add("ring", ring, &[26, 27, -1, 28]);
                }
            }
        },
    )
    .benches(|benches| {
        if let Some(turbo) = Turbo::new(4, 128) {
            add_benches(benches, Format::Turbo(turbo));
        }
    })
}
