//! The launch between the projections of an attention layer and its scores: see
//! [`qk_norm_rope_append`](super::fusion::qk_norm_rope_append).

use super::check::Op;
use super::fusion::{CacheRows, Fusion, HeadBiases, HeadNorms, ProjectedHeads};
use super::mapping::{Mapping, rows_per_group};
use super::rope::{Pairing, Rope, RopeConfig};
use super::{rms_norm, rope};
use crate::bench::{Benches, Setup, Work};
use crate::bindings::qk_norm_rope_append::{self, Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use crate::{Error, Result};
use mettle_gpu::{Format, Grid, Pass, Tensor};

const OP: Op = Op("qk_norm_rope_append");

/// Heads that a thread does together on the CPU device: `HEADS` of `qk_norm_rope_append.metal`.
const HEADS: usize = 8;

/// SIMD groups of a threadgroup. They have nothing in common; a few are enough to hide each other's waiting.
const SIMD_GROUPS: usize = 4;

/// Records the launch, spread out as `mapping` says.
///
/// # Errors
/// [`Error::Unsupported`] for caches of another format than F32 and F16; [`Error::Argument`] for other formats or shapes or
/// gaps, heads smaller than the rotated part, or an `eps` that is negative or no number.
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
        interleaved: rotation.interleaved.into(),
        normed: norms.is_some().into(),
        scale: rotation.scale,
        eps,
    };
    let key = &OP.values("key", heads.key)?;
    let value = &OP.matrix("value", heads.value, tokens * kv_heads, head_size)?;
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
    macro_rules! dispatch {
        ($kernel:ident) => {{
            let cache_k = &mut OP.vector("cache_k", cache.keys, capacity * columns)?;
            let cache_v = &mut OP.vector("cache_v", cache.values, capacity * columns)?;
            pass.dispatch(
                qk_norm_rope_append::$kernel {
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
                    cache_k,
                    cache_v,
                    params,
                    constants,
                },
                grid,
            )?;
        }};
    }
    match cache.keys.format() {
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

/// What a case or a bench entry is about.
#[derive(Clone, Copy, Debug)]
struct Setting {
    pairing: Pairing,
    /// Of queries, and of keys and values.
    heads: [usize; 2],
    head_size: usize,
    /// That are rotated.
    dims: usize,
    normed: bool,
    biased: bool,
    /// Tokens that have queries, the last ones.
    query_tokens: usize,
    capacity: usize,
}

impl Setting {
    fn rope(&self) -> RopeConfig<'static> {
        RopeConfig::new(self.pairing, self.dims, 1e6)
    }

    /// Shape of the queries.
    fn query(&self) -> [usize; 3] {
        [self.query_tokens, self.heads[0], self.head_size]
    }

    /// Shape of `rows` rows of keys or values.
    fn rows(&self, rows: usize) -> [usize; 3] {
        [rows, self.heads[1], self.head_size]
    }
}

/// The cases of `qk_norm_rope_append.metal`: as in the cases of its parts, both pairings, partial rotation, one pair, heads of odd
/// sizes, heads that end within a thread's share and heads longer than what a lane reads at a time, more heads than a thread or a
/// threadgroup takes, scattered positions and such outside the cache; with norms, biases and neither, and without queries for some
/// tokens.
pub(crate) fn family() -> Family {
    Family::new("qk_norm_rope_append", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for format in [Format::F32, Format::F16] {
                for pairing in [Pairing::Interleaved, Pairing::HalfSplit] {
                    for parts in [Parts::PLAIN, Parts::NORMED, Parts::BIASED] {
                        settings(cases, mapping, format, pairing, parts);
                    }
                }
            }
        }
    })
    .benches(benches)
}

/// What heads go through besides their rotation.
#[derive(Clone, Copy)]
struct Parts {
    name: &'static str,
    normed: bool,
    biased: bool,
}

impl Parts {
    const PLAIN: Parts = Parts {
        name: "plain",
        normed: false,
        biased: false,
    };
    const NORMED: Parts = Parts {
        name: "normed",
        normed: true,
        biased: false,
    };
    const BIASED: Parts = Parts {
        name: "biased",
        normed: false,
        biased: true,
    };
    const BOTH: Parts = Parts {
        name: "biased_normed",
        normed: true,
        biased: true,
    };
}

fn settings(cases: &mut Cases, mapping: Mapping, format: Format, pairing: Pairing, parts: Parts) {
    let mut add = |name: &str,
                   parts: Parts,
                   heads: [usize; 2],
                   [head_size, dims]: [usize; 2],
                   query_tokens: usize,
                   capacity: usize,
                   positions: &'static [i32]| {
        let setting = Setting {
            pairing,
            heads,
            head_size,
            dims,
            normed: parts.normed,
            biased: parts.biased,
            query_tokens,
            capacity,
        };
        let words = [
            mapping.name(),
            match pairing {
                Pairing::Interleaved => "interleaved",
                Pairing::HalfSplit => "half_split",
            },
            parts.name,
            name,
        ];
        cases.add(kernel(format), words.join("_"), move |run| {
            check(run, mapping, format, &setting, positions)
        });
    };
    add("decode", parts, [32, 8], [128, 128], 1, 33, &[32]);
    add("scattered", parts, [9, 3], [64, 64], 3, 12, &[11, 0, 7]);
    add("one_pair", parts, [1, 1], [2, 2], 2, 2, &[1, 0]);
    add("partial", parts, [5, 1], [80, 32], 2, 9, &[8, 3]);
    add("odd", parts, [2, 2], [37, 22], 2, 9, &[8, 3]);
    add("long", parts, [3, 1], [640, 320], 2, 4, &[3, 1]);
    add("last", parts, [4, 2], [48, 48], 1, 8, &[4, 5, 6]);
    add("no_queries", parts, [4, 2], [48, 48], 0, 8, &[4, 5, 6]);
    add(
        "outside",
        parts,
        [2, 2],
        [32, 32],
        5,
        5,
        &[4, -1, 5, 1, 1 << 20],
    );
    if parts.biased {
        add("both", Parts::BOTH, [9, 2], [80, 64], 2, 9, &[8, 3]);
    }
}

fn kernel(format: Format) -> String {
    format!("qk_norm_rope_append_{}", format.name().to_lowercase())
}

fn check(
    run: &mut Run<'_>,
    mapping: Mapping,
    format: Format,
    setting: &Setting,
    positions: &[i32],
) -> Result<()> {
    const EPS: f32 = 1e-6;
    let (tokens, head_size) = (positions.len(), setting.head_size);
    let (query_shape, row_shape) = (setting.query(), setting.rows(tokens));
    let config = setting.rope();
    let mut values = |shape: [usize; 3]| run.rng().normal(shape.iter().product());
    let (query, key, value) = (values(query_shape), values(row_shape), values(row_shape));
    let weights = [values([1, 1, head_size]), values([1, 1, head_size])];
    let [query_heads, kv_heads] = setting.heads;
    let biases = [query_heads, kv_heads, kv_heads].map(|heads| values([1, heads, head_size]));

    let mut queries = match setting.query_tokens {
        0 => None,
        _ => Some(run.input(&query, query_shape)?),
    };
    let mut keys = run.input(&key, row_shape)?;
    let mut value_rows = run.input(&value, row_shape)?;
    let [query_bias, key_bias, value_bias] =
        [0, 1, 2].map(|i| run.input(&biases[i], [biases[i].len()]));
    let (query_bias, key_bias, value_bias) = (query_bias?, key_bias?, value_bias?);
    let [query_norm, key_norm] = [
        run.input(&weights[0], [head_size])?,
        run.input(&weights[1], [head_size])?,
    ];
    let norms = setting.normed.then_some(HeadNorms {
        query: &query_norm,
        key: &key_norm,
        eps: EPS,
    });
    let places = run.input(positions, [tokens])?;
    let cache_shape = setting.rows(setting.capacity);
    let (mut cache_k, mut cache_v) = (
        run.output(format, cache_shape)?,
        run.output(format, cache_shape)?,
    );
    let rotation = Rope::new(run.device(), &config)?;
    run.pass(|pass| {
        let heads = ProjectedHeads {
            query: queries.as_mut(),
            key: &mut keys,
            value: &mut value_rows,
            biases: setting.biased.then_some(HeadBiases {
                query: &query_bias,
                key: &key_bias,
                value: &value_bias,
            }),
        };
        let cache = CacheRows {
            keys: &mut cache_k,
            values: &mut cache_v,
            positions: &places,
        };
        launch(pass, mapping, norms, &rotation, heads, cache)
    })?;

    let exact = |x: &[f32]| -> Vec<Expected> { x.iter().map(|&x| Expected::exact(x)).collect() };
    // One addition in f32 has one right result.
    let biased = |x: &[f32], bias: &[f32]| -> Vec<f32> {
        let biases = bias
            .iter()
            .cycle()
            .map(|&b| if setting.biased { b } else { 0.0 });
        x.iter().zip(biases).map(|(&x, b)| x + b).collect()
    };
    let turned = |x: &[f32], which: usize, heads, positions: &[i32]| {
        let x = biased(x, &biases[which]);
        let x = match setting.normed {
            true => rms_norm::reference(&x, &weights[which], EPS),
            false => exact(&x),
        };
        rope::reference(x, heads, head_size, positions, &config)
    };
    let cached = |rows: Vec<Expected>| {
        let columns = setting.heads[1] * head_size;
        let mut expected = vec![Expected::untouched(); setting.capacity * columns];
        for (row, &position) in rows.chunks_exact(columns).zip(positions) {
            let place = usize::try_from(position).ok();
            if let Some(place) = place.filter(|&place| place < setting.capacity) {
                expected[place * columns..][..columns].copy_from_slice(row);
            }
        }
        expected
    };
    if let Some(queries) = &queries {
        let of_queries = &positions[tokens - setting.query_tokens..];
        run.check(queries, || turned(&query, 0, setting.heads[0], of_queries))?;
    }
    run.check(&cache_k, || {
        cached(turned(&key, 1, setting.heads[1], positions))
    })?;
    run.check(&cache_v, || cached(exact(&biased(&value, &biases[2]))))
}

/// One token and a prompt, 32 query heads and 8 of keys and values of 128, with norms.
fn benches(benches: &mut Benches) {
    let setting = Setting {
        pairing: Pairing::HalfSplit,
        heads: [32, 8],
        head_size: 128,
        dims: 128,
        normed: true,
        biased: false,
        query_tokens: 0,
        capacity: 4096,
    };
    for format in [Format::F32, Format::F16] {
        for tokens in [1, 512] {
            let setting = Setting {
                query_tokens: tokens,
                ..setting
            };
            let [heads, kv_heads] = setting.heads;
            let (turned, stored) = (heads + kv_heads, 2 * kv_heads);
            let bytes = (heads + turned + kv_heads) * 4 + stored * format.block_bytes();
            let values = tokens * setting.head_size;
            benches.add(
                kernel(format),
                format!("tokens{tokens}_heads{heads}_{kv_heads}_head128"),
                Work::new(values * bytes, values * turned * 7),
                move |setup| bench(setup, format, &setting),
            );
        }
    }
}

fn bench(setup: &mut Setup<'_>, format: Format, setting: &Setting) -> Result<crate::bench::Launch> {
    let tokens = setting.query_tokens;
    let mut query = setup.values(setting.query())?;
    let mut key = setup.values(setting.rows(tokens))?;
    let mut value = setup.values(setting.rows(tokens))?;
    let norm = setup.values([setting.head_size])?;
    let mut cache_k = setup.output(format, setting.rows(setting.capacity))?;
    let mut cache_v = setup.output(format, setting.rows(setting.capacity))?;
    let positions: Vec<i32> = (0..tokens as i32).collect();
    let positions = setup.of(&positions)?;
    let rotation = Rope::new(setup.device(), &setting.rope())?;
    Ok(Box::new(move |pass| {
        let norms = HeadNorms {
            query: &norm,
            key: &norm,
            eps: 1e-6,
        };
        let heads = ProjectedHeads {
            query: Some(&mut query),
            key: &mut key,
            value: &mut value,
            biases: None,
        };
        let cache = CacheRows {
            keys: &mut cache_k,
            values: &mut cache_v,
            positions: &positions,
        };
        super::qk_norm_rope_append(pass, Fusion::On, Some(norms), &rotation, heads, cache)
    }))
}
