//! Causal attention over the key-value cache.

mod benches;
mod cases;
mod launch;
mod paged;
mod sizes;

use super::attention_grouped::{Call, Plan};
use super::check::Op;
use super::pages::{CacheShape, Paged};
use super::ring;
use super::softmax::{kind_of_mask, mask_values};
use super::{attention_decode, attention_tiles};
use crate::bindings::attention::{Constants, Params};
use crate::{Error, Result};
pub(super) use benches::{
    BENCH_HEADS, Entry, add_bench, add_bench_of, add_paged_bench, add_ring_bench, alone,
};
pub(crate) use cases::family;
pub(super) use cases::{check, kernel_name};
use launch::Launch;
use mettle_gpu::{Device, DeviceKind, Format, Grid, Pass, Tensor};
pub(super) use paged::check_paged;
pub(super) use sizes::{Masked, Sizes};

pub(super) const OP: Op = Op("attention");

/// The largest head: `MAX_HEAD_SIZE` of `attention.metal`.
const MAX_HEAD_SIZE: usize = 576;

/// SIMD groups that share a head's keys where there are few heads to compute: `MAX_SHARERS` of `attention.metal`.
const MAX_SHARERS: usize = 8;

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
    /// `attention_decode.metal`, or as `Grouped`; without a plan where it serves.
    Decode(Option<attention_decode::Plan>),
    /// `attention_tiles.metal`, or as `Decode`; without a plan where it serves.
    Tiles(Option<attention_tiles::Plan>),
}

impl Path {
    /// The one that suits a device.
    fn of(device: &Device) -> Path {
        match device.kind() {
            DeviceKind::Cpu => Path::Thread,
            _ => Path::Tiles(None),
        }
    }
}

/// `out[t, h] = sum over j of softmax_j(scale * q[t, h] . k[j, g]) * v[j, g]` over the keys j that token t sees, those with
/// `0 <= positions[t] - j < window`, with scores capped where there is a softcap, and exponentials of sinks in the denominator where there are some; g is the key-value head `h / (heads / kv_heads)`. Both for one token and for many.
///
/// `q` and `out` are f32 `[tokens, heads, head_size]`, the caches `[capacity, kv_heads, head_size]` in one of
/// [`CACHE_FORMATS`](super::CACHE_FORMATS) or [`Format::Turbo`], `positions` i32 `[tokens]`. With the latter, queries and what comes out are
/// transformed as keys and values are: see [`hadamard`](super::hadamard()). Over caches of F16 and of BF16, `q` and `out` may both have that format, too.
/// Entry j of a cache is the token at position j. A token whose position lies outside the cache gets NaN. Keys and values are finite where a token sees them: on GPUs, others
/// that it comes with may get NaN, too. Of caches in blocks, GPUs round keys and values to halves for sixteen tokens and more.
///
/// # Errors
/// [`Error::Unsupported`] for caches of another format, queries of another format than F32 and that of the cache, or heads larger than 576; [`Error::Argument`] for other formats
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
    let inputs = Inputs::new(q, cache_k, cache_v, positions);
    mapped(pass, path, inputs, options, out)
}

/// [`attention()`] with a mask: its row t, or row `h * tokens + t` where each head has its own, is added to the capped scores of token t, one number for
/// each entry of the cache. Keys to which it adds minus infinity have no weight, and a head that it leaves no key gets zeros. For attention that is not
/// causal, give all tokens the last position.
///
/// `mask` is `[tokens, capacity]` or `[heads, tokens, capacity]`: F32, F16 or BF16, or U8, which is zero for keys that do not count.
///
/// # Errors
/// As for [`attention()`], and [`Error::Unsupported`] for a mask of another format, [`Error::Argument`] for one of another shape.
#[expect(
    clippy::too_many_arguments,
    reason = "those of attention, and the mask"
)]
pub fn attention_masked(
    pass: &mut Pass,
    q: &Tensor,
    cache_k: &Tensor,
    cache_v: &Tensor,
    positions: &Tensor,
    mask: &Tensor,
    options: &Attention<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let path = Path::of(pass.device());
    let inputs = Inputs {
        mask: Some(mask),
        ..Inputs::new(q, cache_k, cache_v, positions)
    };
    mapped(pass, path, inputs, options, out)
}

/// [`attention()`] over pages of pools, `[pages, page_size, kv_heads, head_size]`: entry j is row j of the token's sequence. A token at a position without a
/// page, or of a sequence that there is no table of, gets NaN.
///
/// # Errors
/// As for [`attention()`], and [`Error::Argument`] for pools that the page tables are not for.
#[expect(
    clippy::too_many_arguments,
    reason = "those of attention, and the pages"
)]
pub fn attention_paged(
    pass: &mut Pass,
    q: &Tensor,
    pool_k: &Tensor,
    pool_v: &Tensor,
    positions: &Tensor,
    pages: Paged<'_>,
    options: &Attention<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let path = Path::of(pass.device());
    let inputs = Inputs {
        pages: Some(pages),
        ..Inputs::new(q, pool_k, pool_v, positions)
    };
    mapped(pass, path, inputs, options, out)
}

/// [`attention()`] over a ring, `[rows, kv_heads, head_size]`, that [`kv_append_ring`](super::kv_append_ring) fills: the key of position j is row
/// `j % rows`. Tokens are one after the other, and the last of them is the last that has been appended; there is a window. What comes out has the
/// bits that it has over a cache with a row for each position, as long as work is shared out alike: always on the CPU.
///
/// # Errors
/// As for [`attention()`], and [`Error::Argument`] without a window, or for fewer rows than [`ring_rows`](super::ring_rows) says.
pub fn attention_ring(
    pass: &mut Pass,
    q: &Tensor,
    ring_k: &Tensor,
    ring_v: &Tensor,
    positions: &Tensor,
    options: &Attention<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let path = Path::of(pass.device());
    let inputs = Inputs {
        ring: true,
        ..Inputs::new(q, ring_k, ring_v, positions)
    };
    mapped(pass, path, inputs, options, out)
}

/// The tensors that attention reads, but for those of its options.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    q: &'a Tensor,
    cache_k: &'a Tensor,
    cache_v: &'a Tensor,
    positions: &'a Tensor,
    pub mask: Option<&'a Tensor>,
    pub pages: Option<Paged<'a>>,
    /// Whether the caches are rings; such have neither a mask nor pages.
    pub ring: bool,
}

impl<'a> Inputs<'a> {
    /// Caches with a row for each position, and no mask.
    pub fn new(
        q: &'a Tensor,
        cache_k: &'a Tensor,
        cache_v: &'a Tensor,
        positions: &'a Tensor,
    ) -> Inputs<'a> {
        Inputs {
            q,
            cache_k,
            cache_v,
            positions,
            mask: None,
            pages: None,
            ring: false,
        }
    }
}

pub(super) fn mapped(
    pass: &mut Pass,
    path: Path,
    inputs: Inputs<'_>,
    options: &Attention<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let Inputs {
        q,
        cache_k,
        cache_v,
        ..
    } = inputs;
    let &[tokens, heads, head_size] = q.shape().dims() else {
        return Err(OP.refuse(
            "q",
            format!(
                "has shape {}, must be [tokens, heads, head_size]",
                q.shape()
            ),
        ));
    };
    let cache = CacheShape::of(OP, cache_k, inputs.pages)?;
    let kv_heads = cache.kv_heads;
    if cache.head_size != head_size {
        let cached_size = cache.head_size;
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
    let ring = match (inputs.ring, options.window) {
        (true, None) => {
            return Err(OP.refuse("window", "is missing, rings keep no more than one shows"));
        }
        (true, window) => ring::check(OP, cache.capacity, window, tokens)?,
        (false, _) => 0,
    };
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
    let format = cache_k.format();
    OP.known_cache(format, head_size)?;
    let k = OP.cache("cache_k", cache_k, format, cache.values())?;
    let v = OP.cache("cache_v", cache_v, format, cache.values())?;
    let positions = OP.vector("positions", inputs.positions, tokens)?;
    let pages = cache.pages(OP, &positions)?;
    let mut mask_step = 0;
    let (mask, kind) = match inputs.mask {
        // Not read.
        None => (positions.cast()?, 0),
        Some(mask) => {
            let of_heads = mask.rows() == heads * tokens;
            mask_step = if of_heads { tokens } else { 0 };
            let rows = if of_heads { heads * tokens } else { tokens };
            let values = mask_values(OP, mask, rows, cache.capacity)?;
            (values, kind_of_mask(OP, mask)?)
        }
    };
    let sinks = match options.sinks {
        Some(sinks) => Some(OP.vector("sinks", sinks, heads)?),
        None => None,
    };
    let launch = Launch {
        grid: match path {
            // A head costs as much as there are keys; two a threadgroup leave enough for all cores.
            Path::Thread => Grid::threads_total([heads, tokens]).threads(2),
            Path::Group | Path::Grouped(_) | Path::Decode(_) | Path::Tiles(_) => {
                let simd_groups = if tokens * heads < MANY_HEADS {
                    MAX_SHARERS
                } else {
                    1
                };
                Grid::groups([heads, tokens]).threads(32 * simd_groups)
            }
        },
        params: Params {
            heads: OP.size("q", heads)?,
            kv_heads: OP.size("cache_k", kv_heads)?,
            capacity: OP.size("cache_k", cache.capacity)?,
            ring,
            window: options.window.unwrap_or(0),
            mask_step: OP.size("mask", mask_step)?,
            sequences: pages.sequences,
            pages: pages.pages,
            page_shift: pages.page_shift,
            scale: options.scale,
            softcap: options.softcap.unwrap_or(0.0),
        },
        constants: Constants {
            paged: pages.paged,
            row_per_thread: path == Path::Thread,
            head_size: head_size as u32,
            softcap: options.softcap.is_some(),
            sinks: options.sinks.is_some(),
            mask: kind,
        },
        format,
        k: &k,
        v: &v,
        positions: &positions,
        // Without sinks they are not read.
        sinks: &match &sinks {
            Some(sinks) => sinks.clone(),
            None => positions.cast()?,
        },
        mask: &mask,
        pages: &pages,
    };
    let results = tokens * heads * head_size;
    if q.format() != Format::F32 && q.format() == format {
        return launch.of_16bit(pass, q, out, results);
    }
    if matches!(q.format(), Format::F16 | Format::BF16) {
        return Err(Error::Unsupported {
            op: OP.0,
            reason: format!(
                "queries of {} over a cache of {format}; those must be F32, or F16 or BF16 as the cache",
                q.format()
            ),
        });
    }
    let q = &OP.values("q", q)?;
    let out = &mut OP.vector("out", out, results)?;
    if let Path::Grouped(_) | Path::Decode(_) | Path::Tiles(_) = path {
        let call = Call {
            tokens,
            heads,
            kv_heads,
            head_size,
            capacity: cache.capacity,
            rows: cache.rows,
            ring,
            window: launch.params.window,
            scale: options.scale,
            softcap: options.softcap,
            sinks: sinks.as_ref(),
            q,
            format,
            k: &k,
            v: &v,
            positions: &positions,
            pages: &pages,
        };
        if let Path::Tiles(plan) = path {
            let masked = inputs.mask.is_some();
            let best = || attention_tiles::Plan::of(pass.device(), &call, masked, out);
            if let Some(plan) = plan.or_else(best) {
                let mask = masked.then_some(attention_tiles::Mask {
                    values: &mask,
                    kind,
                    step: launch.params.mask_step,
                });
                return plan.launch(pass, &call, mask.as_ref(), out);
            }
        }
        if let (Path::Decode(_) | Path::Tiles(_), None) = (path, inputs.mask) {
            let plan = match path {
                Path::Decode(plan) => plan,
                _ => None,
            };
            let best = || attention_decode::Plan::of(pass.device(), &call, out);
            if let Some(plan) = plan.or_else(best) {
                return plan.launch(pass, &call, out);
            }
        }
        let units = pass.device().limits().compute_units;
        let plan = match path {
            Path::Grouped(plan) => plan,
            _ => None,
        };
        if let (Some(plan), None) = (plan.or_else(|| call.plan(units, out)), inputs.mask) {
            return call.launch(pass, plan, out);
        }
    }
    launch.of_f32(pass, q, out)
}
