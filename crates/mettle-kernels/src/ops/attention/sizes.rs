//! What cases of attention are of.

use super::paged::PAGE_SIZE;
use crate::Result;
use crate::cases::Run;
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
    pub(super) fn values(self, run: &mut Run<'_>, [heads, tokens, keys]: [usize; 3]) -> Vec<f32> {
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
    pub(super) fn tensor(
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
