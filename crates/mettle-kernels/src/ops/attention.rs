//! Causal attention over the key-value cache.

mod cases;

use super::attention_grouped::{Call, Plan};
use super::check::Op;
use super::mapping::turbo_constants;
use crate::bindings::attention::{self, Constants, Params};
use crate::bindings::attention_turbo;
use crate::{Error, Result};
pub(crate) use cases::family;
pub(super) use cases::{BENCH_HEADS, Sizes, add_bench, check, kernel_name};
use mettle_gpu::{Device, DeviceKind, Format, Grid, Pass, Tensor};

pub(super) const OP: Op = Op("attention");

/// The largest head: `MAX_HEAD_SIZE` of `attention.metal`.
const MAX_HEAD_SIZE: usize = 576;

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
/// `q` and `out` are f32 `[tokens, heads, head_size]`, the caches `[capacity, kv_heads, head_size]` in one of
/// [`CACHE_FORMATS`](super::CACHE_FORMATS) or [`Format::Turbo`], `positions` i32 `[tokens]`. With the latter, queries and what comes out are
/// transformed as keys and values are: see [`hadamard`](super::hadamard()). Entry j of a cache is the token at position j. A token whose position lies outside the
/// cache gets NaN.
///
/// # Errors
/// [`Error::Unsupported`] for caches of another format or heads larger than 576; [`Error::Argument`] for other formats
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
    let format = cache_k.format();
    OP.known_cache(format)?;
    let k = &OP.cache("cache_k", cache_k, format, cache_k.len())?;
    let v = &OP.cache("cache_v", cache_v, format, cache_k.len())?;
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
            format,
            k,
            v,
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
    // Without sinks they are not read.
    let sinks = sinks.as_ref().unwrap_or(q);
    if let Format::Turbo(turbo) = format {
        let (turbo_bits, turbo_values) = turbo_constants(turbo);
        let kernel = attention_turbo::Kernel {
            q,
            k: &k.cast()?,
            v: &v.cast()?,
            positions,
            out,
            params: bytemuck::cast(params),
            sinks,
            constants: attention_turbo::Constants {
                turbo_bits,
                turbo_values,
                row_per_thread: constants.row_per_thread,
                head_size: constants.head_size,
                softcap: constants.softcap,
                sinks: constants.sinks,
            },
        };
        return Ok(pass.dispatch(kernel, grid)?);
    }
    let kernel = attention::KernelOf::of(format);
    pass.dispatch(
        attention::Kernel {
            kernel: kernel.ok_or_else(|| OP.no_kernel_for_cache(format))?,
            q,
            k,
            v,
            positions,
            out,
            params,
            sinks,
            constants,
        },
        grid,
    )?;
    Ok(())
}
