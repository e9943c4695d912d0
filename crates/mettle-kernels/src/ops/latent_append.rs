//! Queries and keys of latent attention.

use super::check::{FLOATS, Op};
use super::fusion::Norm;
use super::mapping::Mapping;
use super::rope::Rope;
use super::{Pairing, RopeConfig, rms_norm, rope};
use crate::bench::{Benches, Work};
use crate::bindings::latent_append::{self, Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use crate::{Error, Result};
use mettle_gpu::{Format, Pass, Tensor};

const OP: Op = Op("latent_append");

/// What the cache of latent attention is to keep of each token (DeepSeek-AI, "DeepSeek-V2", 2024, arXiv 2405.04434).
#[derive(Clone, Copy, Debug)]
pub struct LatentKeys<'a> {
    /// f32 `[tokens, rank]`: what keys and values of all heads are made of, before its norm.
    pub latent: &'a Tensor,
    /// Over each row of it.
    pub norm: Norm<'a>,
    /// f32 `[tokens, dims]`: the part of the keys that is rotated, which all heads have in common.
    pub rotary: &'a Tensor,
}

/// The queries of latent attention.
#[derive(Debug)]
pub struct LatentQueries<'a> {
    /// f32 `[query_tokens, heads, rank]`: queries in the space of the latent rows.
    pub absorbed: &'a Tensor,
    /// f32 `[query_tokens, heads, dims]`: the part that is rotated.
    pub rotary: &'a Tensor,
    /// f32 `[query_tokens, heads, rank + dims]`: takes both.
    pub query: &'a mut Tensor,
}

/// `cache[positions[t]] = [rms_norm(latent[t]), turned(rotary[t])]` for tokens `t`, converted to the format of the cache, and
/// `query[n, h] = [absorbed[n, h], turned(rotary[n, h])]` for the heads of the queries, which are those of the last tokens. `cache` is F32, F16
/// or BF16 `[capacity, 1, rank + dims]`, `positions` i32 `[tokens]`; `turn` rotates `dims` values. A token whose position lies outside the cache
/// is not stored.
///
/// # Errors
/// [`Error::Unsupported`] for a cache of another format; [`Error::Argument`] for other formats or shapes or gaps, or an `eps` that is
/// negative or no number; those of the launch, when an output shares memory with another argument among others.
pub fn latent_append(
    pass: &mut Pass,
    keys: LatentKeys<'_>,
    queries: Option<LatentQueries<'_>>,
    turn: &Rope,
    cache: &mut Tensor,
    positions: &Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, keys, queries, turn, cache, positions)
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    keys: LatentKeys<'_>,
    queries: Option<LatentQueries<'_>>,
    turn: &Rope,
    cache: &mut Tensor,
    positions: &Tensor,
) -> Result<()> {
    let (tokens, rank, dims) = (keys.latent.rows(), keys.latent.columns(), turn.dims);
    let columns = rank + dims;
    let (query_tokens, heads) = match &queries {
        None => (0, 0),
        Some(queries) => match *queries.query.shape().dims() {
            [rows, heads, width] if rows <= tokens && width == columns => (rows, heads),
            _ => {
                let shape = queries.query.shape();
                let reason =
                    format!("has shape {shape}, must be [up to {tokens}, heads, {columns}]");
                return Err(OP.refuse("query", reason));
            }
        },
    };
    let rows = query_tokens * heads;
    let capacity = cache.shape()[0];
    let params = Params {
        tokens: OP.size("latent", tokens)?,
        query_tokens: OP.size("query", query_tokens)?,
        heads: OP.size("query", heads)?,
        rank: OP.size("latent", rank)?,
        dims: OP.size("rotary_key", dims)?,
        capacity: OP.size("cache", capacity)?,
        interleaved: turn.interleaved.into(),
        scale: turn.scale,
        eps: OP.eps(keys.norm.eps)?,
    };
    OP.size("query", tokens + rows)?;
    let latent = &OP.matrix("latent", keys.latent, tokens, rank)?;
    let weight = &OP.vector("norm", keys.norm.weight, rank)?;
    let rotary_key = &OP.matrix("rotary_key", keys.rotary, tokens, dims)?;
    let positions = &OP.vector("positions", positions, tokens)?;
    // What is not there is not read: anything may stand for it.
    let (absorbed, rotary_query, query) = match queries {
        Some(queries) => (
            OP.vector("absorbed", queries.absorbed, rows * rank)?,
            OP.vector("rotary_query", queries.rotary, rows * dims)?,
            OP.vector("query", queries.query, rows * columns)?,
        ),
        None => (latent.clone(), latent.clone(), pass.scratch(1)?),
    };
    let (absorbed, rotary_query, query) = (&absorbed, &rotary_query, &mut { query });
    let grid = mapping.rows(tokens + rows, columns);
    macro_rules! dispatch {
        ($kernel:ident) => {{
            let cache = &mut OP.vector("cache", cache, capacity * columns)?;
            pass.dispatch(
                latent_append::$kernel {
                    latent,
                    weight,
                    rotary_key,
                    absorbed,
                    rotary_query,
                    positions,
                    frequencies: &turn.frequencies,
                    cache,
                    query,
                    params,
                    constants: Constants {
                        row_per_thread: mapping.row_per_thread(),
                    },
                },
                grid,
            )?;
        }};
    }
    match cache.format() {
        Format::F32 => dispatch!(F32),
        Format::F16 => dispatch!(F16),
        Format::BF16 => dispatch!(Bf16),
        format => {
            return Err(Error::Unsupported {
                op: OP.0,
                reason: format!("a cache of {format}; there are F32, F16 and BF16"),
            });
        }
    }
    Ok(())
}

/// What a case or a bench entry is about.
#[derive(Clone, Copy, Debug)]
struct Setting {
    pairing: Pairing,
    heads: usize,
    rank: usize,
    dims: usize,
    /// Tokens that have queries, the last ones.
    query_tokens: usize,
    capacity: usize,
}

impl Setting {
    fn columns(&self) -> usize {
        self.rank + self.dims
    }

    fn rope(&self) -> RopeConfig<'static> {
        RopeConfig::new(self.pairing, self.dims, 1e4)
    }
}

fn kernel(format: Format) -> String {
    format!("latent_append_{}", format.name().to_lowercase())
}

/// The cases of `latent_append.metal`: one pair and one value, rows that end within a sixteen and rows of more sixteens than threads, both
/// pairings, scattered positions and such outside the cache, and tokens without queries.
pub(crate) fn family() -> Family {
    Family::new("latent_append", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for (format, _) in FLOATS {
                add_cases(cases, mapping, format);
            }
        }
    })
    .benches(benches)
}

fn add_cases(cases: &mut Cases, mapping: Mapping, format: Format) {
    let mut add = |name: &str,
                   [heads, rank, dims]: [usize; 3],
                   query_tokens: usize,
                   capacity: usize,
                   positions: &'static [i32]| {
        for pairing in [Pairing::Interleaved, Pairing::HalfSplit] {
            let setting = Setting {
                pairing,
                heads,
                rank,
                dims,
                query_tokens,
                capacity,
            };
            let suffix = match pairing {
                Pairing::Interleaved => "interleaved",
                Pairing::HalfSplit => "half_split",
            };
            let name = format!("{}_{name}_{suffix}", mapping.name());
            cases.add(kernel(format), name, move |run| {
                check(run, mapping, format, &setting, positions)
            });
        }
    };
    add("decode", [5, 512, 64], 1, 33, &[32]);
    add("one_pair", [1, 1, 2], 2, 2, &[1, 0]);
    add("tail", [3, 37, 10], 3, 12, &[11, 0, 7]);
    add("long", [2, 4200, 600], 2, 4, &[3, 1]);
    add("last", [4, 48, 16], 1, 8, &[4, 5, 6]);
    add("no_queries", [4, 48, 16], 0, 8, &[4, 5, 6]);
    add("outside", [2, 32, 8], 5, 5, &[4, -1, 5, 1, 1 << 20]);
}

fn check(
    run: &mut Run<'_>,
    mapping: Mapping,
    format: Format,
    setting: &Setting,
    positions: &[i32],
) -> Result<()> {
    const EPS: f32 = 1e-6;
    let Setting {
        heads,
        rank,
        dims,
        query_tokens,
        capacity,
        ..
    } = *setting;
    let (tokens, columns) = (positions.len(), setting.columns());
    let rows = query_tokens * heads;
    let config = setting.rope();
    let (latent, rotary_key) = (
        run.rng().activations(tokens * rank),
        run.rng().normal(tokens * dims),
    );
    let (absorbed, rotary_query) = (run.rng().normal(rows * rank), run.rng().normal(rows * dims));
    let weight = run.rng().normal(rank);

    let latents = run.input(&latent, [tokens, rank])?;
    let rotary_keys = run.input(&rotary_key, [tokens, dims])?;
    let weights = run.input(&weight, [rank])?;
    let places = run.input(positions, [tokens])?;
    let mut cache = run.output(format, [capacity, 1, columns])?;
    let turn = Rope::new(run.device(), &config)?;
    let mut queries = match query_tokens {
        0 => None,
        _ => Some((
            run.input(&absorbed, [query_tokens, heads, rank])?,
            run.input(&rotary_query, [query_tokens, heads, dims])?,
            run.output(Format::F32, [query_tokens, heads, columns])?,
        )),
    };
    run.pass(|pass| {
        let keys = LatentKeys {
            latent: &latents,
            norm: Norm {
                weight: &weights,
                eps: EPS,
            },
            rotary: &rotary_keys,
        };
        let queries = queries
            .as_mut()
            .map(|(absorbed, rotary, query)| LatentQueries {
                absorbed,
                rotary,
                query,
            });
        mapped(pass, mapping, keys, queries, &turn, &mut cache, &places)
    })?;

    let joined = |first: Vec<Expected>, rotated: Vec<Expected>| -> Vec<Expected> {
        let parts = first.chunks_exact(rank).zip(rotated.chunks_exact(dims));
        parts
            .flat_map(|(first, rotated)| [first, rotated].concat())
            .collect()
    };
    let exact = |x: &[f32]| -> Vec<Expected> { x.iter().map(|&x| Expected::exact(x)).collect() };
    run.check(&cache, || {
        let normed = rms_norm::cases::reference(&latent, &weight, EPS);
        let turned = rope::reference(exact(&rotary_key), 1, dims, positions, &config);
        let mut expected = vec![Expected::untouched(); capacity * columns];
        let stored = joined(normed, turned);
        for (row, &position) in stored.chunks_exact(columns).zip(positions) {
            let place = usize::try_from(position).ok();
            if let Some(place) = place.filter(|&place| place < capacity) {
                expected[place * columns..][..columns].copy_from_slice(row);
            }
        }
        expected
    })?;
    let Some((.., query)) = &queries else {
        return Ok(());
    };
    run.check(query, || {
        let of_queries = &positions[tokens - query_tokens..];
        let turned = rope::reference(exact(&rotary_query), heads, dims, of_queries, &config);
        joined(exact(&absorbed), turned)
    })
}

/// One token and a prompt of DeepSeek-V3.
fn benches(benches: &mut Benches) {
    let setting = Setting {
        pairing: Pairing::Interleaved,
        heads: 128,
        rank: 512,
        dims: 64,
        query_tokens: 0,
        capacity: 4096,
    };
    for (format, _) in FLOATS {
        for tokens in [1, 128] {
            let Setting {
                heads, rank, dims, ..
            } = setting;
            let columns = setting.columns();
            let bytes = columns * (8 * heads + 4 + format.block_bytes());
            let work = Work::new(tokens * bytes, tokens * (7 * (heads + 1) * dims + 4 * rank));
            let shape = format!("tokens{tokens}_heads{heads}_rank{rank}_dims{dims}");
            benches.add(kernel(format), shape, work, move |setup| {
                let latent = setup.values([tokens, rank])?;
                let rotary = setup.values([tokens, dims])?;
                let weight = setup.values([rank])?;
                let absorbed = setup.values([tokens, heads, rank])?;
                let rotary_query = setup.values([tokens, heads, dims])?;
                let mut query = setup.output(Format::F32, [tokens, heads, columns])?;
                let mut cache = setup.output(format, [setting.capacity, 1, columns])?;
                let positions: Vec<i32> = (0..tokens as i32).collect();
                let positions = setup.of(&positions)?;
                let turn = Rope::new(setup.device(), &setting.rope())?;
                Ok(Box::new(move |pass| {
                    let keys = LatentKeys {
                        latent: &latent,
                        norm: Norm {
                            weight: &weight,
                            eps: 1e-6,
                        },
                        rotary: &rotary,
                    };
                    let queries = LatentQueries {
                        absorbed: &absorbed,
                        rotary: &rotary_query,
                        query: &mut query,
                    };
                    latent_append(pass, keys, Some(queries), &turn, &mut cache, &positions)
                }))
            });
        }
    }
}
