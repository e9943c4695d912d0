//! Cases and bench entries of attention over the blocks of TurboQuant where query heads share what is read. [`attention`](super::attention()) takes
//! it as others.

use super::attention::{BENCH_HEADS, Path, Sizes, add_bench, check, check_paged};
use super::attention_grouped::Plan;
use super::kv_append_turbo::formats_of_heads;
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Format, Turbo};

const KERNEL: &str = "attention_grouped_turbo";

/// The cases of `attention_grouped_turbo.metal`: every format with heads of every size that has one block, in sets of one, two and four, one split and several,
/// several tokens, a window, positions outside the cache, a ring, and pages. What does not depend on how rows are read is left to those of `attention_grouped`.
pub(crate) fn family() -> Family {
    Family::new(KERNEL, Tolerance::MATMUL, |cases| {
        for (format, head_size) in formats_of_heads().filter(|&(_, size)| size <= 256) {
            let mut add = |name: &str, plan: Plan, sizes: Sizes| {
                let plan_name = match plan {
                    Plan::TokenEach => "tokens".to_owned(),
                    Plan::Splits(splits) => format!("splits{splits}"),
                };
                let format_name = format.name().to_lowercase();
                let name = format!("{plan_name}_{format_name}_head{head_size}_{name}");
                cases.add(KERNEL, name, move |run| {
                    check(run, Path::Grouped(Some(plan)), format, sizes)
                });
            };
            let decode = Sizes {
                heads: 4,
                kv_heads: 1,
                head_size,
                capacity: 300,
                positions: &[290],
                ..Sizes::DECODE
            };
            for kv_heads in [1, 2, 4] {
                let sizes = Sizes { kv_heads, ..decode };
                add(&format!("heads4_{kv_heads}"), Plan::Splits(3), sizes);
            }
            let prompt = Sizes {
                positions: &[125, 126, -1, 128, 129, 130, 300, 132, 133],
                window: Some(129),
                ..decode
            };
            add("window_prompt", Plan::TokenEach, prompt);
            if head_size == 64 {
                for (name, ring) in decode.rings([270, 33]) {
                    add(name, Plan::Splits(1), ring);
                }
            }
            if head_size == 128 {
                let format_name = format.name().to_lowercase();
                let name = format!("splits3_{format_name}_head{head_size}_paged");
                let path = Path::Grouped(Some(Plan::Splits(3)));
                cases.add(KERNEL, name, move |run| {
                    check_paged(run, path, format, Sizes::PAGED)
                });
            }
        }
    })
    .benches(|benches| {
        let Some(turbo) = Turbo::new(4, BENCH_HEADS.2) else {
            return;
        };
        for (tokens, keys) in [(1, 1024), (1, 8192), (1, 32768), (128, 128)] {
            add_bench(benches, KERNEL, Format::Turbo(turbo), tokens, keys, |_| {
                Path::Grouped(None)
            });
        }
    })
}
