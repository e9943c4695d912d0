//! The cases of attention.

use super::benches::benches;
use super::paged::{PAGE_SIZE, check_paged};
use super::{Attention, Inputs, Path, mapped};
use crate::bindings::CACHE_FORMATS;
use crate::bindings::attention::KernelOf;
use crate::cases::{Family, Run, Tolerance};
use crate::ops::kv_append::encoded;
use crate::{Result, reference};
use mettle_gpu::{Format, Tensor};

/// One case: sizes, where the tokens are, and the window.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Sizes {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_size: usize,
    pub capacity: usize,
    pub positions: &'static [i32],
    pub window: Option<u32>,
    /// Factor of the usual scale of scores.
    pub steepness: f32,
    pub softcap: Option<f32>,
    /// Leading keys whose scores are minus infinity.
    pub blocked: usize,
    /// What sinks are around.
    pub sinks: Option<f32>,
    /// Of queries and results.
    pub activations: Format,
    pub mask: Option<Masked>,
    /// For caches that are rings, of `capacity` rows: what is added to the positions of tokens, which are one after the other.
    pub ring: Option<i32>,
}

/// A mask of a case. Tokens have in turn a random quarter of the keys masked, all of them, all but one, and all in the first blocks.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Masked {
    pub format: Format,
    /// Whether each head has its own.
    pub of_heads: bool,
}

impl Masked {
    /// What is added to the scores of `rows` tokens, `heads` times as many in all, over `keys` keys.
    fn values(self, run: &mut Run<'_>, [heads, tokens, keys]: [usize; 3]) -> Vec<f32> {
        let rows = if self.of_heads {
            heads * tokens
        } else {
            tokens
        };
        let mut values = run.rng().normal(rows * keys);
        for (row, values) in values.chunks_exact_mut(keys).enumerate() {
            for (j, value) in values.iter_mut().enumerate() {
                let masked = match row % 4 {
                    0 => *value > 0.7,
                    1 => true,
                    2 => j != 2,
                    _ => j < 40,
                };
                if masked {
                    *value = f32::NEG_INFINITY;
                } else if self.format == Format::U8 {
                    *value = 0.0;
                }
            }
        }
        values
    }

    /// The tensor of such values, and the values that it holds.
    fn tensor(
        self,
        run: &mut Run<'_>,
        values: Vec<f32>,
        keys: usize,
    ) -> Result<(Tensor, Vec<f32>)> {
        let shape = [values.len() / keys, keys];
        if self.format == Format::U8 {
            let bytes: Vec<u8> = values.iter().map(|x| u8::from(x.is_finite())).collect();
            return Ok((run.input(&bytes, shape)?, values));
        }
        run.rounded(self.format, &values, shape)
    }
}

/// What is unusual about the scores of a case.
const ADVERSARIAL: [(&str, Adversity); 14] = [
    ("softcap", Adversity::new(1.0, Some(2.0), 0, None)),
    ("softcap_wide", Adversity::new(2.0, Some(30.0), 0, None)),
    // All scores are the cap or minus the cap.
    ("softcap_saturated", Adversity::new(1e6, Some(5.0), 0, None)),
    // Scores of keys that a query does not see would be as high as those of others.
    ("softcap_small", Adversity::new(1.0, Some(1e-3), 0, None)),
    ("equal_scores", Adversity::new(0.0, None, 0, None)),
    // One weight is 1, the others vanish.
    ("large_scores", Adversity::new(1e6, None, 0, None)),
    ("blocked", Adversity::new(1.0, None, 69, None)),
    ("blocked_all_but_one", Adversity::new(1.0, None, 70, None)),
    ("sinks", Adversity::new(1.0, None, 0, Some(2.0))),
    (
        "sinks_softcap",
        Adversity::new(1.0, Some(2.0), 0, Some(0.0)),
    ),
    (
        "sinks_large_scores",
        Adversity::new(1e6, None, 0, Some(0.0)),
    ),
    // All of the weight is the sink's, or none.
    ("sinks_large", Adversity::new(1.0, None, 0, Some(1e6))),
    (
        "sinks_of_no_weight",
        Adversity::new(1.0, None, 0, Some(f32::NEG_INFINITY)),
    ),
    (
        "sinks_blocked_all",
        Adversity::new(1.0, None, 71, Some(0.0)),
    ),
];

#[derive(Clone, Copy)]
pub(in crate::ops) struct Adversity {
    steepness: f32,
    softcap: Option<f32>,
    blocked: usize,
    sinks: Option<f32>,
}

impl Adversity {
    const fn new(
        steepness: f32,
        softcap: Option<f32>,
        blocked: usize,
        sinks: Option<f32>,
    ) -> Adversity {
        Adversity {
            steepness,
            softcap,
            blocked,
            sinks,
        }
    }
}

impl Sizes {
    /// One token that sees 71 keys.
    pub const DECODE: Sizes = Sizes {
        heads: 4,
        kv_heads: 2,
        head_size: 64,
        capacity: 100,
        positions: &[70],
        window: None,
        steepness: 1.0,
        softcap: None,
        blocked: 0,
        sinks: None,
        activations: Format::F32,
        mask: None,
        ring: None,
    };

    /// Tokens for [`check_paged`] that see a single key, whole pages and parts of one, and tokens at positions without a page.
    pub const PAGED: Sizes = Sizes {
        heads: 4,
        kv_heads: 1,
        head_size: 128,
        capacity: 7 * PAGE_SIZE,
        positions: &[70, 3, 111, 0, 15, 16, 79, 16, -1, 80, 112],
        ..Sizes::DECODE
    };

    /// Four tokens in a ring that is just large enough for them behind a window: the first ones of a text; where they begin anew at the ring's rows; where
    /// their windows do; with a window smaller than the ring is for; and where positions end.
    pub fn rings(self, [window, small]: [i32; 2]) -> [(&'static str, Sizes); 5] {
        let rows = window + 3;
        let of = |first: i32, window: i32| Sizes {
            capacity: rows as usize,
            positions: &[0, 1, 2, 3],
            window: Some(window as u32),
            ring: Some(first),
            ..self
        };
        [
            ("ring_begins", of(0, window)),
            ("ring_anew", of(3 * rows - 2, window)),
            ("ring_window_anew", of(rows + window - 2, window)),
            ("ring_small_window", of(2 * rows + small - 3, small)),
            ("ring_far", of(i32::MAX - 3, window)),
        ]
    }

    /// Prompts with masks of every kind, of heads of 256 and 512, with unusual scores, and behind windows.
    pub fn masked(self, formats: &[Format], add: &mut impl FnMut(String, Sizes)) {
        let prompt = Sizes {
            heads: 2,
            kv_heads: 1,
            head_size: 256,
            capacity: 75,
            positions: &[74, 74, 74, 74, 70, 9],
            ..self
        };
        for &format in formats {
            let name = format!("mask_{format}").to_lowercase();
            for head_size in [256, 512] {
                let mask = Some(Masked {
                    format,
                    of_heads: head_size == 512,
                });
                let sizes = Sizes {
                    head_size,
                    mask,
                    ..prompt
                };
                add(format!("{name}_head{head_size}"), sizes);
            }
            let mask = Some(Masked {
                format,
                of_heads: false,
            });
            let scores = Sizes {
                head_size: 64,
                mask,
                ..prompt
            };
            let steep = Sizes {
                steepness: 1e6,
                ..scores
            };
            add(format!("{name}_large_scores"), steep);
            let blocked = Sizes {
                blocked: 71,
                window: Some(37),
                ..scores
            };
            add(format!("{name}_blocked_window"), blocked);
            let sinks = Sizes {
                softcap: Some(2.0),
                sinks: Some(0.0),
                ..scores
            };
            add(format!("{name}_sinks_softcap"), sinks);
        }
    }

    /// What tells caches of other formats than F32 and F16 apart: heads of one block and more, prompts, windows, positions outside.
    pub fn of_other_formats(self, format: Format, add: &mut impl FnMut(String, Sizes)) {
        let head_sizes: &[usize] = match format.is_quantised() {
            true => &[32, 64, 96, 128, 192, 256, 512, 576],
            false => &[20, 64, 128, 256],
        };
        for &head_size in head_sizes {
            let name = format!("decode_head{head_size}");
            add(name, Sizes { head_size, ..self });
        }
        let prompt = Sizes {
            positions: &[30, 31, 32, 33, 34],
            ..self
        };
        add("later_prompt".into(), prompt);
        let window = Sizes {
            window: Some(33),
            softcap: Some(2.0),
            ..prompt
        };
        add("window_softcap".into(), window);
        let [.., (name, ring)] = self.rings([37, 5]);
        add(name.into(), ring);
        let outside = Sizes {
            positions: &[5, 100, -1, 99, i32::MAX, i32::MIN],
            sinks: Some(0.0),
            ..self
        };
        add("outside_sinks".into(), outside);
    }

    /// The same with each kind of unusual scores, and with a window that ends within a block; and each one's name.
    pub fn adversarial(self) -> impl Iterator<Item = (String, Sizes)> {
        ADVERSARIAL.into_iter().flat_map(move |(name, scores)| {
            [None, Some(37)].map(|window| {
                let sizes = Sizes {
                    window,
                    steepness: scores.steepness,
                    softcap: scores.softcap,
                    blocked: scores.blocked,
                    sinks: scores.sinks,
                    ..self
                };
                let suffix = if window.is_some() { "_window" } else { "" };
                (format!("{name}{suffix}"), sizes)
            })
        })
    }
}

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
