//! Cases and bench entries of attention whose queries and results have sixteen bits. [`attention`](super::attention()) takes them as others.

use super::attention::{Entry, Path, Sizes, add_bench_of, alone, check};
use crate::cases::{Family, Tolerance};
use mettle_gpu::Format;

/// The formats, and what they are called.
const FORMATS: [(Format, &str); 2] = [
    (Format::F16, "attention_16bit_f16"),
    (Format::BF16, "attention_16bit_bf16"),
];

/// The cases of `attention_16bit.metal`: heads of every kind of size, prompts, windows, unusual scores, sinks, positions outside the cache, and
/// masks of the same format and of booleans.
pub(crate) fn family() -> Family {
    Family::new("attention_16bit", Tolerance::MATMUL, |cases| {
        for (path, path_name) in [(Path::Thread, "thread"), (Path::Group, "group")] {
            for (format, kernel) in FORMATS {
                let mut add = |name: String, sizes: Sizes| {
                    cases.add(kernel, format!("{path_name}_{name}"), move |run| {
                        check(run, path, format, sizes)
                    });
                };
                let sizes = Sizes {
                    activations: format,
                    ..Sizes::DECODE
                };
                sizes.of_other_formats(format, &mut add);
                sizes.masked(&[format, Format::U8], &mut add);
                let prompt = Sizes {
                    positions: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
                    ..sizes
                };
                add("prompt".into(), prompt);
                let window = Some(3);
                add("window_prompt".into(), Sizes { window, ..prompt });
            }
        }
    })
    .benches(|benches| {
        for (format, kernel) in FORMATS {
            for (tokens, keys) in [(1, 1024), (128, 128)] {
                let entry = Entry {
                    activations: format,
                    ..Entry::new(format, tokens, keys, alone)
                };
                add_bench_of(benches, kernel, entry);
            }
            let masked = Entry {
                activations: format,
                mask: Some(format),
                ..Entry::new(format, 128, 128, alone)
            };
            add_bench_of(benches, kernel, masked);
        }
    })
}
