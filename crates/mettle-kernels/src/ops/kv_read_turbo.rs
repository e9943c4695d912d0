//! Keys and values read back from a cache.

use super::check::Op;
use super::kv_append_turbo::formats_of_heads;
use super::mapping::{WIDE, rows_per_group, turbo_constants};
use crate::bench::{Benches, Work};
use crate::bindings::kv_read_turbo::{Constants, Kernel, Params};
use crate::cases::{Expected, Family, Run, Tolerance};
use crate::ops::kv_append::encoded;
use crate::{Error, Result};
use mettle_gpu::{Format, Grid, Pass, Tensor, Turbo};

const OP: Op = Op("kv_read");

/// `out[t] = cache[positions[t]]`, decoded, for tokens `t`. `cache` is `[capacity, kv_heads, head_size]` in [`Format::Turbo`], `positions` i32
/// `[tokens]`, `out` f32 `[tokens, kv_heads, head_size]`. Heads stay transformed as they were appended; the inverse of
/// [`hadamard`](super::hadamard()) gives what they were before. A token whose position lies outside the cache gets NaN. Rows of caches of other
/// formats are those of tables: [`embedding`](super::embedding()) decodes them.
///
/// # Errors
/// [`Error::Unsupported`] for caches of other formats; [`Error::Argument`] for other formats or shapes or gaps; those of the launch, when `out`
/// shares memory with `cache` among others.
pub fn kv_read(
    pass: &mut Pass,
    cache: &Tensor,
    positions: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let Format::Turbo(turbo) = cache.format() else {
        return Err(Error::Unsupported {
            op: OP.0,
            reason: format!(
                "a cache of {}; there are those of TurboQuant",
                cache.format()
            ),
        });
    };
    let &[capacity, heads, head_size] = cache.shape().dims() else {
        let shape = cache.shape();
        return Err(OP.refuse(
            "cache",
            format!("has shape {shape}, must be [capacity, kv_heads, head_size]"),
        ));
    };
    let (tokens, columns) = (positions.len(), heads * head_size);
    OP.size("positions", tokens)?;
    OP.size("cache", columns)?;
    let (turbo_bits, turbo_values) = turbo_constants(turbo);
    let kernel = Kernel {
        cache: &OP
            .cache("cache", cache, cache.format(), capacity * columns)?
            .cast()?,
        positions: &OP.values("positions", positions)?,
        out: &mut OP.vector("out", out, tokens * columns)?,
        params: Params {
            capacity: OP.size("cache", capacity)?,
            heads: OP.size("cache", heads)?,
            head_size: OP.size("cache", head_size)?,
        },
        constants: Constants {
            turbo_bits,
            turbo_values,
        },
    };
    let sixteens = columns / WIDE;
    let grid = Grid::threads_total([sixteens, tokens])
        .threads([sixteens.min(256), rows_per_group(tokens, columns).min(4)]);
    Ok(pass.dispatch(kernel, grid)?)
}

/// The cases of `kv_read_turbo.metal`: every format, with several heads, any order of tokens, one of them twice, and positions outside the cache.
pub(crate) fn family() -> Family {
    Family::new("kv_read_turbo", Tolerance::EXACT, |cases| {
        for (format, head_size) in formats_of_heads() {
            let name = format!("{}_head{head_size}", format.name().to_lowercase());
            cases.add("kv_read_turbo", name, move |run: &mut Run<'_>| {
                const POSITIONS: [i32; 7] = [4, -1, 5, 0, 3, 4, i32::MIN];
                let (capacity, columns) = (5, 3 * head_size);
                let bytes = encoded(format, &run.rng().normal(capacity * columns))?;
                let (cache, values) = run.encoded(format, &bytes, columns)?;
                let cache = cache.reshape([capacity, 3, head_size])?;
                let positions = run.input(&POSITIONS, [POSITIONS.len()])?;
                let mut out = run.output(Format::F32, [POSITIONS.len(), 3, head_size])?;
                run.pass(|pass| kv_read(pass, &cache, &positions, &mut out))?;
                run.check(&out, || {
                    let row = |&position: &i32| match usize::try_from(position) {
                        Ok(at) if at < capacity => {
                            let row = &values[at * columns..][..columns];
                            row.iter().map(|&x| Expected::exact(x)).collect()
                        }
                        _ => vec![Expected::exact(f64::NAN); columns],
                    };
                    POSITIONS.iter().flat_map(row).collect()
                })
            });
        }
    })
    .benches(benches)
}

/// A thousand positions, eight heads of 128.
fn benches(benches: &mut Benches) {
    let (tokens, heads, head_size) = (1024, 8, 128);
    let Some(format) = Turbo::new(4, head_size).map(Format::Turbo) else {
        return;
    };
    let values = tokens * heads * head_size;
    let cached = values / format.block_len() * format.block_bytes();
    benches.add(
        "kv_read_turbo",
        format!("tokens{tokens}_heads{heads}_head{head_size}"),
        Work::new(cached + 4 * values, values),
        move |setup| {
            let cache = setup.rounded(format, [tokens, heads, head_size])?;
            let positions: Vec<i32> = (0..tokens as i32).collect();
            let positions = setup.of(&positions)?;
            let mut out = setup.output(Format::F32, [tokens, heads, head_size])?;
            Ok(Box::new(move |pass| {
                kv_read(pass, &cache, &positions, &mut out)
            }))
        },
    );
}
