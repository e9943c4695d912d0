//! Cases and bench entries of attention over the blocks of TurboQuant. [`attention`](super::attention()) takes them as others.

use super::attention::{BENCH_HEADS, Path, Sizes, add_bench, alone, check, kernel_name};
use super::kv_append_turbo::formats_of_heads;
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Format, Turbo};

/// The cases of `attention_turbo.metal`: every format with heads of every size, several tokens, a window, positions outside the cache, and a ring.
pub(crate) fn family() -> Family {
    Family::new("attention_turbo", Tolerance::MATMUL, |cases| {
        for (path, path_name) in [(Path::Thread, "thread"), (Path::Group, "group")] {
            for (format, head_size) in formats_of_heads() {
                let sizes = Sizes {
                    head_size,
                    positions: &[70, 99, 100, 3],
                    window: Some(50),
                    ..Sizes::DECODE
                };
                let format_name = format.name().to_lowercase();
                let name = format!("{path_name}_{format_name}_head{head_size}");
                cases.add(kernel_name(format), name, move |run| {
                    check(run, path, format, sizes)
                });
                if head_size == 64 {
                    let [.., (ring, sizes)] = sizes.rings([37, 5]);
                    let name = format!("{path_name}_{format_name}_{ring}");
                    cases.add(kernel_name(format), name, move |run| {
                        check(run, path, format, sizes)
                    });
                }
            }
        }
    })
    .benches(|benches| {
        let Some(turbo) = Turbo::new(4, BENCH_HEADS.2) else {
            return;
        };
        let format = Format::Turbo(turbo);
        for (tokens, keys) in [(1, 1024), (1, 8192), (128, 128)] {
            add_bench(benches, kernel_name(format), format, tokens, keys, alone);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Rng;
    use crate::formats::{dequantize, turbo_distortion};
    use crate::ops::Attention;
    use crate::ops::kv_append::encoded;
    use crate::reference;

    /// What attention over 512 keys gives for normal queries, keys and values, next to the same without rounding: keys and values add about a
    /// distortion each. `docs/formats.md` has these numbers.
    #[test]
    fn attention_loses_twice_the_distortion() {
        const KEYS: usize = 512;
        let (tokens, head_size) = (16, 128);
        let mut rng = Rng::new(3);
        let mut normal = |rows: usize| rng.normal(rows * head_size);
        let (q, k, v) = (normal(tokens), normal(KEYS), normal(KEYS));
        let options = Attention {
            scale: (head_size as f32).powf(-0.5),
            window: None,
            softcap: None,
            sinks: None,
        };
        let positions = vec![KEYS as i32 - 1; tokens];
        let shape = [1, 1, head_size];
        let attend = |k: &[f32], v: &[f32]| {
            reference::attention(&q, k, v, &positions, shape, &options, None, None)
        };
        let exact = attend(&k, &v);
        for bits in Turbo::BITS {
            let format = Format::Turbo(Turbo::new(bits, head_size).unwrap());
            let rounded = |values: &[f32]| {
                let mut decoded = vec![0.0; values.len()];
                dequantize(format, &encoded(format, values).unwrap(), &mut decoded).unwrap();
                decoded
            };
            let found = attend(&rounded(&k), &rounded(&v));
            let squares =
                |of: &dyn Fn(usize) -> f64| (0..exact.len()).map(|i| of(i).powi(2)).sum::<f64>();
            let lost =
                squares(&|i| found[i].value() - exact[i].value()) / squares(&|i| exact[i].value());
            let distortion = turbo_distortion(bits).unwrap();
            println!("{bits} bits: {lost:.2e} of the squares, distortion {distortion:.2e}");
            assert!(
                (1.5..2.5).contains(&(lost / distortion)),
                "{bits} bits: {lost}"
            );
        }
    }
}
