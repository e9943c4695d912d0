//! The key-value cache.

use super::check::Op;
use super::mapping::{WIDE, rows_per_group};
use crate::bench::{Benches, Work};
use crate::bindings::kv_append::{self, Params};
use crate::cases::{Expected, Family, Run, Tolerance};
use crate::{Error, Result};
use mettle_gpu::{Format, Grid, Pass, Tensor};

const OP: Op = Op("kv_append");

/// `cache_k[positions[t]] = k[t]` and the same for `v`, for tokens `t`, converted to the format of the cache. `k` and `v`
/// are f32 `[tokens, kv_heads, head_size]`, the caches F32 or F16 `[capacity, kv_heads, head_size]`, `positions` i32
/// `[tokens]`. A token whose position lies outside the cache is not stored.
///
/// # Errors
/// [`Error::Unsupported`] for caches of another format; [`Error::Argument`] for other formats or shapes or gaps; those
/// of the launch, when a cache shares memory with another argument among others.
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
    let sixteens = columns.div_ceil(WIDE);
    let grid = Grid::threads_total([sixteens, tokens])
        .threads([sixteens.min(256), rows_per_group(tokens, columns).min(4)]);
    macro_rules! dispatch {
        ($kernel:ident) => {{
            let cache_k = &mut OP.vector("cache_k", cache_k, capacity * columns)?;
            let cache_v = &mut OP.vector("cache_v", cache_v, capacity * columns)?;
            pass.dispatch(
                kv_append::$kernel {
                    k,
                    v,
                    cache_k,
                    cache_v,
                    positions,
                    params,
                },
                grid,
            )?;
        }};
    }
    match cache_k.format() {
        Format::F32 => dispatch!(F32),
        Format::F16 => dispatch!(F16),
        format => {
            return Err(Error::Unsupported {
                op: OP.0,
                reason: format!("a cache of {format}; there are F32 and F16"),
            });
        }
    }
    Ok(())
}

/// Values of one entry of the outermost dimension.
fn row_len(tensor: &Tensor) -> usize {
    tensor.shape().dims()[1..].iter().product()
}

/// The cases of `kv_append.metal`: one value, one token, a run in the middle of the cache, scattered positions, rows longer
/// than a threadgroup and such that end within a sixteen, and positions outside the cache. Every row that no token goes to must stay as it was.
pub(crate) fn family() -> Family {
    Family::new("kv_append", Tolerance::EXACT, |cases| {
        for format in [Format::F32, Format::F16] {
            let kernel = format!("kv_append_{}", format.name().to_lowercase());
            let mut add = |name: &str,
                           capacity: usize,
                           heads: usize,
                           head_size: usize,
                           positions: &'static [i32]| {
                cases.add(kernel.clone(), name, move |run: &mut Run<'_>| {
                    check(run, format, [capacity, heads, head_size], positions)
                });
            };
            add("one_value", 1, 1, 1, &[0]);
            add("decode", 33, 8, 128, &[32]);
            add("prompt", 16, 2, 64, &[4, 5, 6, 7, 8]);
            add("scattered", 12, 3, 20, &[11, 0, 7]);
            add("long_row", 4, 16, 256, &[2, 1]);
            add("outside", 5, 2, 32, &[4, -1, 5, 1, i32::MAX, i32::MIN]);
        }
    })
    .benches(benches)
}

/// One token and a prompt, eight heads of 128.
fn benches(benches: &mut Benches) {
    let (heads, head_size, capacity) = (8, 128, 4096);
    for format in [Format::F32, Format::F16] {
        for tokens in [1, 512] {
            let kernel = format!("kv_append_{}", format.name().to_lowercase());
            let values = 2 * tokens * heads * head_size;
            let work = Work::new(values * (4 + format.block_bytes()), 0);
            benches.add(
                kernel,
                format!("tokens{tokens}_heads{heads}_head{head_size}"),
                work,
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
}

fn check(run: &mut Run<'_>, format: Format, shape: [usize; 3], positions: &[i32]) -> Result<()> {
    let [capacity, heads, head_size] = shape;
    let columns = heads * head_size;
    let (k, v) = (
        run.rng().normal(positions.len() * columns),
        run.rng().normal(positions.len() * columns),
    );
    let token_shape = [positions.len(), heads, head_size];
    let (ks, vs) = (run.input(&k, token_shape)?, run.input(&v, token_shape)?);
    let places = run.input(positions, [positions.len()])?;
    let (mut cache_k, mut cache_v) = (run.output(format, shape)?, run.output(format, shape)?);
    run.pass(|pass| kv_append(pass, &ks, &vs, &mut cache_k, &mut cache_v, &places))?;
    let reference = |values: &[f32]| {
        let mut expected = vec![Expected::untouched(); capacity * columns];
        for (token, &position) in positions.iter().enumerate() {
            if let Some(row) = usize::try_from(position).ok().filter(|&row| row < capacity) {
                for i in 0..columns {
                    let value = values[token * columns + i];
                    let stored = if format == Format::F16 {
                        half::f16::from_f32(value).to_f32()
                    } else {
                        value
                    };
                    expected[row * columns + i] = Expected::exact(stored);
                }
            }
        }
        expected
    };
    run.check(&cache_k, || reference(&k))?;
    run.check(&cache_v, || reference(&v))
}
