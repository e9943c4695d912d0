//! The cases of attention.

use super::benches::benches;
use super::paged::check_paged;
use super::sizes::Sizes;
use super::{Attention, Inputs, Path, mapped};
use crate::bindings::CACHE_FORMATS;
use crate::bindings::attention::KernelOf;
use crate::cases::{Family, Run, Tolerance};
use crate::ops::kv_append::encoded;
use crate::{Result, reference};
use mettle_gpu::{Format, Tensor};

/// The kernel's name, for cases and bench entries.
pub(in crate::ops) fn kernel_name(format: Format) -> &'static str {
    match format {
        Format::Turbo(_) => "attention_turbo",
        _ => KernelOf::of(format).map_or("none", KernelOf::name),
    }
}

/// The cases of `attention.metal`: every head size with a kernel of its own and others, heads in groups, a single key,
/// keys that do not fill blocks, more keys than blocks for every SIMD group, a prompt, windows around the sizes of
/// blocks, positions outside the cache, scores that are capped, equal, very large or minus infinity, sinks, masks, rings, and pages. Other formats than F32
/// and F16 differ in what is read, and go through a few of them. Cache entries that no token sees are NaN.
pub(crate) fn family() -> Family {
    Family::new("attention", Tolerance::MATMUL, |cases| {
        for (path, path_name) in [(Path::Thread, "thread"), (Path::Group, "group")] {
            for format in CACHE_FORMATS {
                let mut add = |name: String, sizes: Sizes| {
                    cases.add(
                        kernel_name(format),
                        format!("{path_name}_{name}"),
                        move |run| check(run, path, format, sizes),
                    );
                };
                let decode = Sizes::DECODE;
                if !matches!(format, Format::F32 | Format::F16) {
                    decode.of_other_formats(format, &mut add);
                    continue;
                }
                match format {
                    Format::F32 => {
                        let formats = [Format::F32, Format::F16, Format::BF16, Format::U8];
                        decode.masked(&formats, &mut add);
                    }
                    _ => decode.masked(&[Format::U8], &mut add),
                }
                for (name, sizes) in decode.rings([37, 5]) {
                    add(name.into(), sizes);
                }
                for (name, sizes) in decode.adversarial() {
                    add(name, sizes);
                }
                add(
                    "softcap_head256".into(),
                    Sizes {
                        head_size: 256,
                        softcap: Some(3.0),
                        positions: &[0, 1, 2, 70],
                        ..decode
                    },
                );
                for head_size in [1, 20, 64, 72, 80, 96, 128, 192, 256, 512, 576] {
                    add(
                        format!("decode_head{head_size}"),
                        Sizes {
                            head_size,
                            ..decode
                        },
                    );
                }
                add(
                    "one_key".into(),
                    Sizes {
                        positions: &[0],
                        ..decode
                    },
                );
                add(
                    "full_cache".into(),
                    Sizes {
                        positions: &[99],
                        ..decode
                    },
                );
                add(
                    "equal_heads".into(),
                    Sizes {
                        kv_heads: 4,
                        ..decode
                    },
                );
                add(
                    "one_kv_head".into(),
                    Sizes {
                        heads: 7,
                        kv_heads: 1,
                        ..decode
                    },
                );
                add(
                    "long".into(),
                    Sizes {
                        heads: 2,
                        kv_heads: 1,
                        capacity: 900,
                        positions: &[877],
                        ..decode
                    },
                );
                add(
                    "prompt".into(),
                    Sizes {
                        positions: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
                        ..decode
                    },
                );
                add(
                    "later_prompt".into(),
                    Sizes {
                        positions: &[30, 31, 32, 33, 34],
                        ..decode
                    },
                );
                add(
                    "many_heads".into(),
                    Sizes {
                        heads: 256,
                        kv_heads: 64,
                        head_size: 16,
                        capacity: 40,
                        positions: &[3, 35, 36, 39],
                        ..decode
                    },
                );
                // A window of W is W keys, not W + 1.
                for window in [1, 2, 15, 16, 17, 31, 32, 33, 70, 71, 72, u32::MAX] {
                    add(
                        format!("window{window}"),
                        Sizes {
                            window: Some(window),
                            ..decode
                        },
                    );
                }
                add(
                    "window_prompt".into(),
                    Sizes {
                        positions: &[0, 1, 2, 3, 4, 5, 6],
                        window: Some(3),
                        ..decode
                    },
                );
                for (name, sinks) in [("outside", None), ("outside_sinks", Some(0.0))] {
                    add(
                        name.into(),
                        Sizes {
                            positions: &[5, 100, -1, 99, i32::MAX, i32::MIN],
                            sinks,
                            ..decode
                        },
                    );
                }
            }
        }
        for (path, path_name) in [(Path::Thread, "thread"), (Path::Group, "group")] {
            for format in [Format::F16, Format::F32, Format::Q8_0] {
                for (name, window) in [("paged", None), ("paged_window", Some(37))] {
                    let sizes = Sizes {
                        window,
                        ..Sizes::PAGED
                    };
                    cases.add(
                        kernel_name(format),
                        format!("{path_name}_{name}"),
                        move |run| check_paged(run, path, format, sizes),
                    );
                }
            }
        }
    })
    .benches(benches)
}

/// Runs a case.
pub(in crate::ops) fn check(
    run: &mut Run<'_>,
    path: Path,
    format: Format,
    sizes: Sizes,
) -> Result<()> {
    let Sizes {
        heads,
        kv_heads,
        head_size,
        capacity,
        positions,
        window,
        steepness,
        softcap,
        blocked,
        sinks,
        activations,
        mask,
        ring,
    } = sizes;
    let tokens = positions.len();
    let last = positions.iter().copied().max().unwrap_or(0);
    // Positions of a text, the first of those that a ring may still have, and their rows. The reference counts from there.
    let at: Vec<i32> = match ring {
        Some(first) => positions.iter().map(|position| first + position).collect(),
        None => positions.to_vec(),
    };
    let begin = ring.map_or(0, |first| (first + last - (capacity as i32 - 1)).max(0));
    let row_of = |j: usize| (begin as usize + j) % capacity;
    let seen_from = |position: &i32| match ring {
        Some(first) => first - begin + position,
        None => *position,
    };
    let positions: Vec<i32> = positions.iter().map(seen_from).collect();
    let mut q = run.rng().normal(tokens * heads * head_size);
    let columns = kv_heads * head_size;
    let mut k = run.rng().normal(capacity * columns);
    let v = run.rng().normal(capacity * columns);
    let seen = |j: usize| {
        positions.iter().any(|&p| {
            (0..capacity as i64).contains(&i64::from(p)) && reference::visible(p, j, window)
        })
    };
    if blocked > 0 {
        for head in q.chunks_exact_mut(head_size) {
            head[0] = head[0].abs() + 0.1;
        }
        for head in k[..blocked * columns].chunks_exact_mut(head_size) {
            head[0] = f32::NEG_INFINITY;
        }
    }
    let sinks: Option<Vec<f32>> = sinks.map(|around| {
        let noise = run.rng().normal(heads);
        noise.iter().map(|noise| around + noise).collect()
    });
    let sinks_in = match &sinks {
        Some(sinks) => Some(run.input(sinks, [heads])?),
        None => None,
    };
    let options = Attention {
        scale: steepness * (head_size as f32).powf(-0.5),
        window,
        softcap,
        sinks: sinks_in.as_ref(),
    };
    let (qs, q) = run.rounded(activations, &q, [tokens, heads, head_size])?;
    let (masks, mask) = match mask {
        Some(mask) => {
            let values = mask.values(run, [heads, tokens, capacity]);
            let (masks, values) = mask.tensor(run, values, capacity)?;
            (Some(masks), Some(values))
        }
        None => (None, None),
    };
    let mut cache = |values: &[f32]| -> Result<(Tensor, Vec<f32>)> {
        let of_keys = encoded(format, values)?;
        let row_bytes = of_keys.len() / capacity;
        // NaN, or blocks with such a scale.
        let mut bytes = vec![0xff; of_keys.len()];
        for j in (0..capacity).filter(|&j| seen(j)) {
            let row = &of_keys[j * row_bytes..][..row_bytes];
            bytes[row_of(j) * row_bytes..][..row_bytes].copy_from_slice(row);
        }
        let (rows, values) = run.encoded(format, &bytes, columns)?;
        let of_key = |j: usize| &values[row_of(j) * columns..][..columns];
        let values = (0..capacity).flat_map(of_key).copied().collect();
        Ok((rows.reshape([capacity, kv_heads, head_size])?, values))
    };
    let ((cache_k, k), (cache_v, v)) = (cache(&k)?, cache(&v)?);
    let places = run.input(&at, [tokens])?;
    let mut out = run.output(activations, [tokens, heads, head_size])?;
    let inputs = Inputs {
        mask: masks.as_ref(),
        ring: ring.is_some(),
        ..Inputs::new(&qs, &cache_k, &cache_v, &places)
    };
    run.pass(|pass| mapped(pass, path, inputs, &options, &mut out))?;
    run.check(&out, || {
        reference::attention(
            &q,
            &k,
            &v,
            &positions,
            [heads, kv_heads, head_size],
            &options,
            sinks.as_deref(),
            mask.as_deref(),
        )
    })
}
