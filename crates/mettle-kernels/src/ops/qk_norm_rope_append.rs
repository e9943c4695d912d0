//! The launch between the projections of an attention layer and its scores: see
//! [`qk_norm_rope_append`](super::fusion::qk_norm_rope_append).

pub(super) mod cases;

use super::check::Op;
use super::fusion::{CacheRows, HeadBiases, HeadNorms, ProjectedHeads};
use super::mapping::{Mapping, rows_per_group, turbo_constants};
use super::ring;
use super::rope::Rope;
use crate::Result;
use crate::bindings::qk_norm_rope_append::{self, Constants, KernelOf, Params};
use crate::bindings::qk_norm_rope_append_turbo;
pub(crate) use cases::family;
use mettle_gpu::{Format, Grid, Pass, Tensor};

const OP: Op = Op("qk_norm_rope_append");

/// Heads that a thread does together on the CPU device: `HEADS` of `qk_norm_rope_append.metal`.
const HEADS: usize = 8;

/// SIMD groups of a threadgroup: `MAX_SIMD_GROUPS` of `qk_norm_rope_append.metal`. They have nothing in common; a few are enough to hide each other's waiting.
const SIMD_GROUPS: usize = 4;

/// Records the launch, spread out as `mapping` says.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for caches of another format than [`CACHE_FORMATS`](super::CACHE_FORMATS) and [`Format::Turbo`];
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes or gaps, heads smaller than the rotated part, an `eps` that is negative or no number, or rings with too few rows.
pub(super) fn launch(
    pass: &mut Pass,
    mapping: Mapping,
    norms: Option<HeadNorms<'_>>,
    rotation: &Rope,
    heads: ProjectedHeads<'_>,
    cache: CacheRows<'_>,
) -> Result<()> {
    let &[tokens, kv_heads, head_size] = heads.key.shape().dims() else {
        let shape = heads.key.shape();
        return Err(OP.refuse(
            "key",
            format!("has shape {shape}, must be [tokens, kv_heads, head_size]"),
        ));
    };
    if head_size < rotation.dims {
        let dims = rotation.dims;
        return Err(OP.refuse(
            "key",
            format!("has heads of {head_size}, of which {dims} are to be rotated"),
        ));
    }
    let (query_tokens, query_heads) = match &heads.query {
        None => (0, 0),
        Some(query) => match *query.shape().dims() {
            [rows, heads, size] if rows <= tokens && size == head_size => (rows, heads),
            _ => {
                let shape = query.shape();
                return Err(OP.refuse(
                    "query",
                    format!(
                        "has shape {shape}, must be [up to {tokens}, query_heads, {head_size}]"
                    ),
                ));
            }
        },
    };
    let capacity = cache.keys.shape()[0];
    if cache.keys.columns() != head_size {
        let shape = cache.keys.shape();
        return Err(OP.refuse(
            "cache_k",
            format!("has shape {shape}, must have heads of {head_size}"),
        ));
    }
    let format = cache.keys.format();
    OP.known_cache(format, head_size)?;
    let columns = kv_heads * head_size;
    let frequencies = &rotation.frequencies;
    let eps = norms.map_or(Ok(0.0), |norms| OP.eps(norms.eps))?;
    let params = Params {
        tokens: OP.size("key", tokens)?,
        query_tokens: OP.size("query", query_tokens)?,
        query_heads: OP.size("query", query_heads)?,
        kv_heads: OP.size("key", kv_heads)?,
        head_size: OP.size("key", head_size)?,
        dims: OP.size("dims", rotation.dims)?,
        capacity: OP.size("cache_k", capacity)?,
        ring: ring::check(OP, capacity, cache.ring, tokens)?,
        interleaved: rotation.interleaved.into(),
        normed: norms.is_some().into(),
        scale: rotation.scale,
        eps,
    };
    let key = &mut OP.values("key", heads.key)?;
    let value = &mut OP.matrix("value", heads.value, tokens * kv_heads, head_size)?;
    let positions = &OP.vector("positions", cache.positions, tokens)?;
    // What is not there is not read: anything may stand for it.
    let weight = |argument, weight: fn(HeadNorms<'_>) -> &Tensor| match norms {
        Some(norms) => OP.vector(argument, weight(norms), head_size),
        None => Ok(frequencies.clone()),
    };
    let query_norm = &weight("query_norm", |norms| norms.query)?;
    let key_norm = &weight("key_norm", |norms| norms.key)?;
    let biases = heads.biases;
    let bias = |argument, bias: fn(HeadBiases<'_>) -> &Tensor, heads: usize| match biases {
        Some(biases) => OP.vector(argument, bias(biases), heads * head_size),
        None => Ok(frequencies.clone()),
    };
    let key_bias = &bias("key_bias", |biases| biases.key, kv_heads)?;
    let value_bias = &bias("value_bias", |biases| biases.value, kv_heads)?;
    let query_bias = &match &heads.query {
        Some(_) => bias("query_bias", |biases| biases.query, query_heads)?,
        None => frequencies.clone(),
    };
    let query = &mut match &heads.query {
        Some(query) => OP.values("query", query)?,
        None => pass.scratch(1)?,
    };
    let constants = Constants {
        row_per_thread: mapping.row_per_thread(),
        biased: biases.is_some(),
    };
    let grid = grid(
        mapping,
        tokens,
        [query_heads, kv_heads, kv_heads],
        head_size,
    );
    let cache_k = &mut OP.cache("cache_k", cache.keys, format, capacity * columns)?;
    let cache_v = &mut OP.cache("cache_v", cache.values, format, capacity * columns)?;
    // The kernel of TurboQuant is the same one over other caches.
    macro_rules! dispatch {
        ($unit:ident { $($of_unit:tt)* }) => {
            pass.dispatch(
                $unit::Kernel {
                    query,
                    key,
                    value,
                    query_bias,
                    key_bias,
                    value_bias,
                    query_norm,
                    key_norm,
                    frequencies,
                    positions,
                    $($of_unit)*
                },
                grid,
            )?
        };
    }
    if let Format::Turbo(turbo) = format {
        let (turbo_bits, turbo_values) = turbo_constants(turbo);
        dispatch!(qk_norm_rope_append_turbo {
            cache_k: &mut cache_k.cast()?,
            cache_v: &mut cache_v.cast()?,
            params: bytemuck::cast(params),
            constants: qk_norm_rope_append_turbo::Constants {
                turbo_bits,
                turbo_values,
                row_per_thread: constants.row_per_thread,
                biased: constants.biased,
            },
        });
    } else {
        let kernel = KernelOf::of(format);
        dispatch!(qk_norm_rope_append {
            kernel: kernel.ok_or_else(|| OP.no_kernel_for_cache(format))?,
            cache_k,
            cache_v,
            params,
            constants,
        });
    }
    Ok(())
}

/// For so many heads of queries, keys and values.
fn grid(mapping: Mapping, tokens: usize, heads: [usize; 3], head_size: usize) -> Grid {
    match mapping {
        Mapping::RowPerThread => {
            let sets: usize = heads.map(|heads| heads.div_ceil(HEADS)).iter().sum();
            let work = HEADS * head_size;
            let sets_a_group = rows_per_group(sets, work);
            let tokens_a_group = rows_per_group(tokens, sets * work);
            Grid::threads_total([sets, tokens]).threads([sets_a_group, tokens_a_group.min(4)])
        }
        Mapping::RowPerGroup => {
            let heads: usize = heads.iter().sum();
            let groups = heads.div_ceil(SIMD_GROUPS);
            Grid::groups([groups, tokens]).threads(32 * SIMD_GROUPS)
        }
    }
}
