//! Causal attention over the key-value cache.

use super::attention_grouped::{Call, Plan};
use super::check::Op;
use crate::bench::{Benches, Work};
use crate::bindings::attention::{self, Constants, Params};
use crate::cases::{Family, Run, Tolerance};
use crate::reference;
use crate::{Error, Result};
use mettle_gpu::{Device, DeviceKind, Format, Grid, Pass, Tensor};

const OP: Op = Op("attention");

/// The largest head: `MAX_HEAD_SIZE` of `attention.metal`.
const MAX_HEAD_SIZE: usize = 512;

/// SIMD groups that share a head's keys where there are few heads to compute: `MAX_SIMD_GROUPS` of `attention.metal`.
const MAX_SIMD_GROUPS: usize = 8;

/// Heads of queries from which on each gets a single SIMD group: enough to fill a GPU.
const MANY_HEADS: usize = 1024;

/// What attention computes, besides its tensors.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Factor of the scores; usually `1 / sqrt(head_size)`.
    pub scale: f32,
    /// The number of keys that a query sees, its own included; `None` for all before it.
    pub window: Option<u32>,
    /// What scores `s` are kept below, smoothly: each becomes `softcap * tanh(s / softcap)` before the softmax.
    pub softcap: Option<f32>,
    /// Attention sinks, f32 `[heads]`, finite or minus infinity: `exp(sinks[h])` is added to the denominator of head h's softmax, so
    /// that a head may attend to nothing.
    pub sinks: Option<&'a Tensor>,
}

/// Which kernel computes it, and how the work is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// `attention.metal`, one thread a head and token: for the CPU device.
    Thread,
    /// `attention.metal`, a threadgroup a head and token: for GPUs, whatever the size of the heads.
    Group,
    /// `attention_grouped.metal` where it serves, or as `Group`; without a plan the one that suits the device.
    Grouped(Option<Plan>),
}

impl Path {
    /// The one that suits a device.
    fn of(device: &Device) -> Path {
        match device.kind() {
            DeviceKind::Cpu => Path::Thread,
            _ => Path::Grouped(None),
        }
    }
}

/// `out[t, h] = sum over j of softmax_j(scale * q[t, h] . k[j, g]) * v[j, g]` over the keys j that token t sees, those with
/// `0 <= positions[t] - j < window`, with scores capped where there is a softcap, and exponentials of sinks in the denominator where there are some; g is the key-value head `h / (heads / kv_heads)`. Both for one token and for many.
///
/// `q` and `out` are f32 `[tokens, heads, head_size]`, the caches F32 or F16 `[capacity, kv_heads, head_size]`,
/// `positions` i32 `[tokens]`. Entry j of a cache is the token at position j. A token whose position lies outside the
/// cache gets NaN.
///
/// # Errors
/// [`Error::Unsupported`] for caches of another format or heads larger than 512; [`Error::Argument`] for other formats
/// or shapes or gaps, `heads` that `kv_heads` does not divide, a window of 0, or a softcap that is not above 0; those of the launch, when `out` shares
/// memory with an input among others.
pub fn attention(
    pass: &mut Pass,
    q: &Tensor,
    cache_k: &Tensor,
    cache_v: &Tensor,
    positions: &Tensor,
    options: &Attention<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let path = Path::of(pass.device());
    mapped(pass, path, q, cache_k, cache_v, positions, options, out)
}

#[expect(clippy::too_many_arguments, reason = "those of the op, and the path")]
pub(super) fn mapped(
    pass: &mut Pass,
    path: Path,
    q: &Tensor,
    cache_k: &Tensor,
    cache_v: &Tensor,
    positions: &Tensor,
    options: &Attention<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let &[tokens, heads, head_size] = q.shape().dims() else {
        return Err(OP.refuse(
            "q",
            format!(
                "has shape {}, must be [tokens, heads, head_size]",
                q.shape()
            ),
        ));
    };
    let &[capacity, kv_heads, cached_size] = cache_k.shape().dims() else {
        let shape = cache_k.shape();
        return Err(OP.refuse(
            "cache_k",
            format!("has shape {shape}, must be [capacity, kv_heads, head_size]"),
        ));
    };
    if cached_size != head_size {
        return Err(OP.refuse(
            "cache_k",
            format!("has heads of {cached_size}, the queries have {head_size}"),
        ));
    }
    if kv_heads == 0 || heads % kv_heads != 0 {
        return Err(OP.refuse(
            "cache_k",
            format!("has {kv_heads} heads, must divide the {heads} of the queries"),
        ));
    }
    if options.window == Some(0) {
        return Err(OP.refuse("window", "is 0, must hold the query's own key at least"));
    }
    if let Some(cap) = options
        .softcap
        .filter(|cap| !(cap.is_finite() && *cap > 0.0))
    {
        return Err(OP.refuse("softcap", format!("is {cap}, must be above 0")));
    }
    if head_size > MAX_HEAD_SIZE {
        return Err(Error::Unsupported {
            op: OP.0,
            reason: format!("heads of {head_size}; there are up to {MAX_HEAD_SIZE}"),
        });
    }
    OP.size("q", tokens)?;
    let params = Params {
        heads: OP.size("q", heads)?,
        kv_heads: OP.size("cache_k", kv_heads)?,
        capacity: OP.size("cache_k", capacity)?,
        window: options.window.unwrap_or(0),
        scale: options.scale,
        softcap: options.softcap.unwrap_or(0.0),
    };
    let constants = Constants {
        row_per_thread: path == Path::Thread,
        head_size: head_size as u32,
        softcap: options.softcap.is_some(),
        sinks: options.sinks.is_some(),
    };
    if !matches!(cache_k.format(), Format::F32 | Format::F16) {
        return Err(Error::Unsupported {
            op: OP.0,
            reason: format!("a cache of {}; there are F32 and F16", cache_k.format()),
        });
    }
    let q = &OP.values("q", q)?;
    let positions = &OP.vector("positions", positions, tokens)?;
    let sinks = match options.sinks {
        Some(sinks) => Some(OP.vector("sinks", sinks, heads)?),
        None => None,
    };
    let out = &mut OP.vector("out", out, tokens * heads * head_size)?;
    if let Path::Grouped(plan) = path {
        let call = Call {
            tokens,
            heads,
            kv_heads,
            head_size,
            capacity,
            window: params.window,
            scale: params.scale,
            softcap: options.softcap,
            sinks: sinks.as_ref(),
            q,
            cache_k,
            cache_v,
            positions,
        };
        let units = pass.device().limits().compute_units;
        if let Some(plan) = plan.or_else(|| call.plan(units, out)) {
            return call.launch(pass, plan, out);
        }
    }
    let grid = match path {
        // A head costs as much as there are keys; two a threadgroup leave enough for all cores.
        Path::Thread => Grid::threads_total([heads, tokens]).threads(2),
        Path::Group | Path::Grouped(_) => {
            let simd_groups = if tokens * heads < MANY_HEADS {
                MAX_SIMD_GROUPS
            } else {
                1
            };
            Grid::groups([heads, tokens]).threads(32 * simd_groups)
        }
    };
    macro_rules! dispatch {
        ($kernel:ident) => {{
            let k = &OP.values("cache_k", cache_k)?;
            let v = &OP.vector("cache_v", cache_v, cache_k.len())?;
            pass.dispatch(
                attention::$kernel {
                    q,
                    k,
                    v,
                    positions,
                    out,
                    params,
                    // Without sinks it is not read.
                    sinks: sinks.as_ref().unwrap_or(q),
                    constants,
                },
                grid,
            )?;
        }};
    }
    match cache_k.format() {
        Format::F32 => dispatch!(F32),
        _ => dispatch!(F16),
    }
    Ok(())
}

/// One case: sizes, where the tokens are, and the window.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
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
pub(super) struct Adversity {
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

/// The cases of `attention.metal`: every head size with a kernel of its own and others, heads in groups, a single key,
/// keys that do not fill blocks, more keys than blocks for every SIMD group, a prompt, windows around the sizes of
/// blocks, positions outside the cache, scores that are capped, equal, very large or minus infinity, and sinks. Cache entries that no
/// token sees are NaN.
pub(crate) fn family() -> Family {
    Family::new("attention", Tolerance::MATMUL, |cases| {
        for (path, path_name) in [(Path::Thread, "thread"), (Path::Group, "group")] {
            for format in [Format::F32, Format::F16] {
                let mut add = |name: String, sizes: Sizes| {
                    let kernel = format!("attention_{}", format.name().to_lowercase());
                    cases.add(kernel, format!("{path_name}_{name}"), move |run| {
                        check(run, path, format, sizes)
                    });
                };
                let decode = Sizes {
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
                };
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
                for head_size in [1, 20, 64, 72, 80, 96, 128, 192, 256, 512] {
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
    })
    .benches(benches)
}

/// One token that sees many keys, and a prompt.
fn benches(benches: &mut Benches) {
    for format in [Format::F32, Format::F16] {
        for (tokens, keys) in [(1, 1024), (1, 8192), (128, 128)] {
            let kernel = format!("attention_{}", format.name().to_lowercase());
            // On GPUs attention_grouped has entries of its own.
            add_bench(
                benches,
                kernel,
                format,
                tokens,
                keys,
                |device| match Path::of(device) {
                    Path::Grouped(_) => Path::Group,
                    path => path,
                },
            );
        }
    }
}

/// Heads of the queries, heads of keys and values, and values of a head in bench entries: groups of four.
pub(super) const BENCH_HEADS: (usize, usize, usize) = (32, 8, 128);

/// An entry of the last `tokens` of `keys` positions.
pub(super) fn add_bench(
    benches: &mut Benches,
    kernel: String,
    format: Format,
    tokens: usize,
    keys: usize,
    path: fn(&Device) -> Path,
) {
    let (heads, kv_heads, head_size) = BENCH_HEADS;
    let shape = format!("tokens{tokens}_keys{keys}_heads{heads}_{kv_heads}_head{head_size}");
    let cache = 2 * keys * kv_heads * head_size * format.block_bytes();
    // Tokens of a prompt see half of each other on average.
    let seen = keys - tokens / 2;
    let work = Work::new(
        cache + 8 * tokens * heads * head_size,
        4 * tokens * seen * heads * head_size,
    );
    benches.add(kernel, shape, work, move |setup| {
        let q = setup.values([tokens, heads, head_size])?;
        let shape = [keys, kv_heads, head_size];
        let cache_k = setup.rounded(format, shape)?;
        let cache_v = setup.rounded(format, shape)?;
        let positions: Vec<i32> = (keys - tokens..keys).map(|p| p as i32).collect();
        let positions = setup.of(&positions)?;
        let mut out = setup.output(Format::F32, [tokens, heads, head_size])?;
        let options = Attention {
            scale: 1.0 / (head_size as f32).sqrt(),
            window: None,
            softcap: None,
            sinks: None,
        };
        Ok(Box::new(move |pass| {
            let path = path(pass.device());
            mapped(
                pass, path, &q, &cache_k, &cache_v, &positions, &options, &mut out,
            )
        }))
    });
}

/// Runs a case.
pub(super) fn check(run: &mut Run<'_>, path: Path, format: Format, sizes: Sizes) -> Result<()> {
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
    } = sizes;
    let tokens = positions.len();
    let mut q = run.rng().normal(tokens * heads * head_size);
    let columns = kv_heads * head_size;
    let (mut k, mut v) = (
        run.rng().normal(capacity * columns),
        run.rng().normal(capacity * columns),
    );
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
    for j in (0..capacity).filter(|&j| !seen(j)) {
        k[j * columns..][..columns].fill(f32::NAN);
        v[j * columns..][..columns].fill(f32::NAN);
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
    let qs = run.input(&q, [tokens, heads, head_size])?;
    let (cache_k, k) = run.rounded(format, &k, [capacity, kv_heads, head_size])?;
    let (cache_v, v) = run.rounded(format, &v, [capacity, kv_heads, head_size])?;
    let places = run.input(positions, [tokens])?;
    let mut out = run.output(Format::F32, [tokens, heads, head_size])?;
    run.pass(|pass| {
        mapped(
            pass, path, &qs, &cache_k, &cache_v, &places, &options, &mut out,
        )
    })?;
    run.check(&out, || {
        reference::attention(
            &q,
            &k,
            &v,
            positions,
            [heads, kv_heads, head_size],
            &options,
            sinks.as_deref(),
        )
    })
}
