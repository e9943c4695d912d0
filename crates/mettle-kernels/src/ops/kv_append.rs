//! The key-value cache.

mod cases;

pub(crate) use self::cases::family;
pub(super) use self::cases::{
    add_bench, check, check_ring, check_stored, encoded, kernel_name, scattered,
};
use super::check::Op;
use super::mapping::{WIDE, rows_per_group, turbo_constants};
use super::pages::{CacheShape, Paged};
use super::ring;
pub use crate::bindings::CACHE_FORMATS;
use crate::bindings::kv_append::{self, Constants, Params};
use crate::bindings::kv_append_turbo;
use crate::{Error, Result};
use mettle_gpu::{Format, Grid, Pass, Tensor};

const OP: Op = Op("kv_append");

/// `cache_k[positions[t]] = k[t]` and the same for `v`, for tokens `t`, converted to the format of the cache. `k` and `v`
/// are f32 `[tokens, kv_heads, head_size]`, the caches `[capacity, kv_heads, head_size]` in one of [`CACHE_FORMATS`] or
/// [`Format::Turbo`], `positions` i32 `[tokens]`. A token whose position lies outside the cache is not stored. A cache of F16 also takes `k` and `v` of
/// F16, one of F32 such of BF16.
///
/// F16 and BF16 round to the nearest, blocks are encoded as [`formats::quantize`](crate::formats::quantize) does it, to the bit. That refuses values
/// that are not finite; here a block with such a value decodes to NaN, or to infinities.
///
/// # Errors
/// [`Error::Unsupported`] for caches of another format, or for `k` of another with the cache's; [`Error::Argument`] for
/// other formats or shapes or gaps; those of the launch, when a cache shares memory with another argument among others.
pub fn kv_append(
    pass: &mut Pass,
    k: &Tensor,
    v: &Tensor,
    cache_k: &mut Tensor,
    cache_v: &mut Tensor,
    positions: &Tensor,
) -> Result<()> {
    append(pass, [k, v], [cache_k, cache_v], positions, None, None)
}

/// [`kv_append()`] to rings, `[rows, kv_heads, head_size]`, for queries that see `window` keys: token t goes to row `positions[t] % rows`, in the place of
/// one that no query sees any more. Tokens are one after the other, and follow those appended before; one at a negative position is not stored.
///
/// # Errors
/// As for [`kv_append()`], and [`Error::Argument`] for a window of 0, or for fewer rows than [`ring_rows`](super::ring_rows) says: then tokens would take the
/// place of keys that others of them see.
pub fn kv_append_ring(
    pass: &mut Pass,
    k: &Tensor,
    v: &Tensor,
    ring_k: &mut Tensor,
    ring_v: &mut Tensor,
    positions: &Tensor,
    window: u32,
) -> Result<()> {
    let window = Some(window);
    append(pass, [k, v], [ring_k, ring_v], positions, window, None)
}

/// [`kv_append()`] to pages of pools, `[pages, page_size, kv_heads, head_size]`: token t goes to the row for its position of its sequence. One at a
/// position without a page, or of a sequence that there is no table of, is not stored. No two tokens may go to the same row.
///
/// # Errors
/// As for [`kv_append()`], and [`Error::Argument`] for pools that the page tables are not for.
pub fn kv_append_paged(
    pass: &mut Pass,
    k: &Tensor,
    v: &Tensor,
    pool_k: &mut Tensor,
    pool_v: &mut Tensor,
    positions: &Tensor,
    pages: Paged<'_>,
) -> Result<()> {
    append(pass, [k, v], [pool_k, pool_v], positions, None, Some(pages))
}

fn append(
    pass: &mut Pass,
    [k, v]: [&Tensor; 2],
    [cache_k, cache_v]: [&mut Tensor; 2],
    positions: &Tensor,
    window: Option<u32>,
    pages: Option<Paged<'_>>,
) -> Result<()> {
    let tokens = positions.len();
    OP.size("k", tokens)?;
    let cache = CacheShape::of(OP, cache_k, pages)?;
    let columns = cache.kv_heads * cache.head_size;
    for (argument, tensor) in [("k", k), ("v", v)] {
        let row_len: usize = tensor.shape().dims()[1..].iter().product();
        if row_len != columns {
            let (shape, cache) = (tensor.shape(), cache_k.shape());
            return Err(OP.refuse(
                argument,
                format!("has shape {shape}, its tokens must fit the cache of {cache}"),
            ));
        }
    }
    let format = cache_k.format();
    OP.known_cache(format, cache.head_size)?;
    let cache_k = &mut OP.cache("cache_k", cache_k, format, cache.values())?;
    let cache_v = &mut OP.cache("cache_v", cache_v, format, cache.values())?;
    let positions = &OP.values("positions", positions)?;
    let pages = cache.pages(OP, positions)?;
    let params = Params {
        capacity: OP.size("cache_k", cache.capacity)?,
        ring: ring::check(OP, cache.capacity, window, tokens)?,
        columns: OP.size("cache_k", columns)?,
        sequences: pages.sequences,
        pages: pages.pages,
        page_shift: pages.page_shift,
    };
    let constants = Constants { paged: pages.paged };
    let values_of_thread = match format {
        Format::Turbo(_) => WIDE,
        _ => format.block_len().max(WIDE),
    };
    let shares = columns.div_ceil(values_of_thread);
    let grid = Grid::threads_total([shares, tokens])
        .threads([shares.min(256), rows_per_group(tokens, columns).min(4)]);
    // Those of sixteen bits that some caches take.
    macro_rules! dispatch {
        ($kernel:ident) => {{
            let kernel = kv_append::$kernel {
                k: &OP.vector("k", k, tokens * columns)?,
                v: &OP.vector("v", v, tokens * columns)?,
                cache_k: &mut cache_k.cast()?,
                cache_v: &mut cache_v.cast()?,
                positions,
                params,
                tables: &pages.tables,
                sequence_of: &pages.sequence_of,
                constants,
            };
            Ok(pass.dispatch(kernel, grid)?)
        }};
    }
    match (k.format(), format) {
        (Format::F16, Format::F16) => return dispatch!(F16F16),
        (Format::BF16, Format::F32) => return dispatch!(F32Bf16),
        (given @ (Format::F16 | Format::BF16), _) => {
            return Err(Error::Unsupported {
                op: OP.0,
                reason: format!(
                    "keys of {given} for a cache of {format}; there are F32, F16 for one of F16, and BF16 for one of F32"
                ),
            });
        }
        _ => {}
    }
    let k = &OP.vector("k", k, tokens * columns)?;
    let v = &OP.vector("v", v, tokens * columns)?;
    if let Format::Turbo(turbo) = format {
        let (turbo_bits, turbo_values) = turbo_constants(turbo);
        let kernel = kv_append_turbo::Kernel {
            k,
            v,
            cache_k: &mut cache_k.cast()?,
            cache_v: &mut cache_v.cast()?,
            positions,
            params: bytemuck::cast(params),
            tables: &pages.tables,
            sequence_of: &pages.sequence_of,
            constants: kv_append_turbo::Constants {
                turbo_bits,
                turbo_values,
                paged: constants.paged,
            },
        };
        return Ok(pass.dispatch(kernel, grid)?);
    }
    let kernel = kv_append::KernelOf::of(format);
    let kernel = kv_append::Kernel {
        kernel: kernel.ok_or_else(|| OP.no_kernel_for_cache(format))?,
        k,
        v,
        cache_k,
        cache_v,
        positions,
        params,
        tables: &pages.tables,
        sequence_of: &pages.sequence_of,
        constants,
    };
    Ok(pass.dispatch(kernel, grid)?)
}
