//! The key-value cache.

use super::check::Op;
use super::mapping::{WIDE, rows_per_group, turbo_constants};
use crate::bench::{Benches, Work};
pub use crate::bindings::CACHE_FORMATS;
use crate::bindings::kv_append::{self, Params};
use crate::bindings::kv_append_turbo;
use crate::cases::{Expected, Family, Run, Tolerance};
use crate::{Result, formats};
use mettle_gpu::{Format, Grid, Pass, Tensor};

const OP: Op = Op("kv_append");

/// `cache_k[positions[t]] = k[t]` and the same for `v`, for tokens `t`, converted to the format of the cache. `k` and `v`
/// are f32 `[tokens, kv_heads, head_size]`, the caches `[capacity, kv_heads, head_size]` in one of [`CACHE_FORMATS`] or
/// [`Format::Turbo`], `positions` i32 `[tokens]`. A token whose position lies outside the cache is not stored.
///
/// F16 and BF16 round to the nearest, blocks are encoded as [`formats::quantize`] does it, to the bit. That refuses values
/// that are not finite; here a block with such a value decodes to NaN, or to infinities.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for caches of another format; [`Error::Argument`](crate::Error::Argument) for
/// other formats or shapes or gaps; those of the launch, when a cache shares memory with another argument among others.
pub fn kv_append(
    pass: &mut Pass,
    k: &Tensor,
    v: &Tensor,
    cache_k: &mut Tensor,
    cache_v: &mut Tensor,
    positions: &Tensor,
) -> Result<()> {
    let tokens = positions.len();
    let (capacity, columns) = (cache_k.shape()[0], row_len(cache_k));
    OP.size("k", tokens)?;
    let params = Params {
        capacity: OP.size("cache_k", capacity)?,
        columns: OP.size("cache_k", columns)?,
    };
    for (argument, tensor) in [("k", k), ("v", v)] {
        if row_len(tensor) != columns {
            let (shape, cache) = (tensor.shape(), cache_k.shape());
            return Err(OP.refuse(
                argument,
                format!("has shape {shape}, its tokens must fit the cache of {cache}"),
            ));
        }
    }
    let k = &OP.vector("k", k, tokens * columns)?;
    let v = &OP.vector("v", v, tokens * columns)?;
    let positions = &OP.values("positions", positions)?;
    let format = cache_k.format();
    OP.known_cache(format)?;
    let cache_k = &mut OP.cache("cache_k", cache_k, format, capacity * columns)?;
    let cache_v = &mut OP.cache("cache_v", cache_v, format, capacity * columns)?;
    let values_of_thread = match format {
        Format::Turbo(_) => WIDE,
        _ => format.block_len().max(WIDE),
    };
    let shares = columns.div_ceil(values_of_thread);
    let grid = Grid::threads_total([shares, tokens])
        .threads([shares.min(256), rows_per_group(tokens, columns).min(4)]);
    if let Format::Turbo(turbo) = format {
        let (turbo_bits, turbo_values) = turbo_constants(turbo);
        let kernel = kv_append_turbo::Kernel {
            k,
            v,
            cache_k: &mut cache_k.cast()?,
            cache_v: &mut cache_v.cast()?,
            positions,
            params: bytemuck::cast(params),
            constants: kv_append_turbo::Constants {
                turbo_bits,
                turbo_values,
            },
        };
        return Ok(pass.dispatch(kernel, grid)?);
    }
    let kernel = kv_append::KernelOf::of(format);
    let kernel = kernel.ok_or_else(|| OP.no_kernel_for_cache(format))?;
    pass.dispatch(
        kv_append::Kernel {
            kernel,
            k,
            v,
            cache_k,
            cache_v,
            positions,
            params,
        },
        grid,
    )?;
    Ok(())
}

/// Values of one entry of the outermost dimension.
fn row_len(tensor: &Tensor) -> usize {
    tensor.shape().dims()[1..].iter().product()
}

/// The kernel's name, for cases and bench entries.
pub(super) fn kernel_name(format: Format) -> &'static str {
    match format {
        Format::Turbo(_) => "kv_append_turbo",
        _ => kv_append::KernelOf::of(format).map_or("none", kv_append::KernelOf::name),
    }
}

/// The cases of `kv_append.metal`: one value, one token, a run in the middle of the cache, scattered positions, rows longer
/// than a threadgroup and such that end within a sixteen, positions outside the cache, and heads of equal, tiny and huge
/// values, of zeros, and of two of one magnitude. Every row that no token goes to must stay as it was.
pub(crate) fn family() -> Family {
    Family::new("kv_append", Tolerance::EXACT, |cases| {
        for format in CACHE_FORMATS {
            let mut add = |name: &str,
                           capacity: usize,
                           heads: usize,
                           head_size: usize,
                           positions: &'static [i32]| {
                let shape = [capacity, heads, head_size];
                cases.add(kernel_name(format), name, move |run: &mut Run<'_>| {
                    let mut values = || run.rng().normal(positions.len() * heads * head_size);
                    let (k, v) = (values(), values());
                    check(run, format, shape, positions, [&k, &v])
                });
            };
            add("decode", 33, 8, 128, &[32]);
            add("prompt", 16, 2, 64, &[4, 5, 6, 7, 8]);
            add("long_row", 4, 16, 256, &[2, 1]);
            add("outside", 5, 2, 32, &[4, -1, 5, 1, i32::MAX, i32::MIN]);
            if format.is_quantised() {
                add("one_block", 1, 1, 32, &[0]);
                add("scattered", 12, 3, 96, &[11, 0, 7]);
            } else {
                add("one_value", 1, 1, 1, &[0]);
                add("scattered", 12, 3, 20, &[11, 0, 7]);
            }
            cases.add(kernel_name(format), "unusual", move |run: &mut Run<'_>| {
                let k = unusual(&run.rng().normal(12 * 32));
                let v = unusual(&run.rng().normal(12 * 32));
                check(run, format, [3, 4, 32], &[2, 0, 1], [&k, &v])
            });
        }
    })
    .benches(benches)
}

/// Heads of 32 with values that encoders may stumble over.
fn unusual(values: &[f32]) -> Vec<f32> {
    let change: [fn(usize, f32) -> f32; 11] = [
        |_, _| 0.0,
        |_, _| -0.0,
        |_, _| 1.75,
        |_, _| -3.5,
        // The largest magnitude with both signs, in either order.
        |i, x| if i < 2 { 8.0 - 16.0 * i as f32 } else { x },
        |i, x| if i < 2 { 16.0 * i as f32 - 8.0 } else { x },
        // One value beside which the others vanish.
        |i, x| if i == 17 { 3e4 } else { x },
        |_, x| 1e4 * x,
        // Scales that halves hold with few bits, and that they do not hold.
        |_, x| 1e-6 * x,
        |_, x| 1e-12 * x,
        // Halfway between codes.
        |i, _| if i == 0 { -8.0 } else { i as f32 / 4.0 - 4.0 },
    ];
    let heads = values.chunks(32).zip(change.into_iter().cycle());
    heads
        .flat_map(|(head, change)| head.iter().enumerate().map(move |(i, &x)| change(i, x)))
        .collect()
}

fn benches(benches: &mut Benches) {
    for format in CACHE_FORMATS {
        add_bench(benches, format);
    }
}

/// One token and a prompt, eight heads of 128.
pub(super) fn add_bench(benches: &mut Benches, format: Format) {
    let (heads, head_size, capacity) = (8, 128, 4096);
    for tokens in [1, 512] {
        let values = 2 * tokens * heads * head_size;
        let stored = values / format.block_len() * format.block_bytes();
        benches.add(
            kernel_name(format),
            format!("tokens{tokens}_heads{heads}_head{head_size}"),
            Work::new(4 * values + stored, 0),
            move |setup| {
                let shape = [tokens, heads, head_size];
                let (k, v) = (setup.values(shape)?, setup.values(shape)?);
                let mut cache_k = setup.output(format, [capacity, heads, head_size])?;
                let mut cache_v = setup.output(format, [capacity, heads, head_size])?;
                let positions: Vec<i32> = (0..tokens as i32).collect();
                let positions = setup.of(&positions)?;
                Ok(Box::new(move |pass| {
                    kv_append(pass, &k, &v, &mut cache_k, &mut cache_v, &positions)
                }))
            },
        );
    }
}

pub(super) fn check(
    run: &mut Run<'_>,
    format: Format,
    shape: [usize; 3],
    positions: &[i32],
    [k, v]: [&[f32]; 2],
) -> Result<()> {
    let [_, heads, head_size] = shape;
    let token_shape = [positions.len(), heads, head_size];
    let (ks, vs) = (run.input(k, token_shape)?, run.input(v, token_shape)?);
    let places = run.input(positions, [positions.len()])?;
    let (mut cache_k, mut cache_v) = (run.output(format, shape)?, run.output(format, shape)?);
    run.pass(|pass| kv_append(pass, &ks, &vs, &mut cache_k, &mut cache_v, &places))?;
    for (cache, values) in [(&cache_k, k), (&cache_v, v)] {
        let stored = encoded(format, values)?;
        check_stored(run, cache, positions, &stored)?;
    }
    Ok(())
}

/// What rows of `values` are in a cache of a format.
pub(super) fn encoded(format: Format, values: &[f32]) -> Result<Vec<u8>> {
    let mut bytes = vec![0; values.len() / format.block_len() * format.block_bytes()];
    formats::quantize(format, values, &mut bytes)?;
    Ok(bytes)
}

/// Compares a cache, bit for bit, with one to which the rows of some tokens, in `stored`, have been appended at `positions`.
pub(super) fn check_stored(
    run: &mut Run<'_>,
    cache: &Tensor,
    positions: &[i32],
    stored: &[u8],
) -> Result<()> {
    let capacity = cache.shape()[0];
    let row_bytes = cache.byte_len() / capacity;
    let bytes = Tensor::from_buffer(cache.bytes().clone(), Format::U8, [cache.byte_len()])?;
    run.check(&bytes, || {
        let mut expected = vec![Expected::untouched(); capacity * row_bytes];
        for (row, &position) in stored.chunks_exact(row_bytes).zip(positions) {
            let place = usize::try_from(position).ok();
            if let Some(place) = place.filter(|&place| place < capacity) {
                let row = row.iter().map(|&byte| Expected::exact(byte));
                for (to, byte) in expected[place * row_bytes..].iter_mut().zip(row) {
                    *to = byte;
                }
            }
        }
        expected
    })
}
