//! The cases and bench entries of the launch between projections and scores.

use super::launch;
use crate::Result;
use crate::bench::{Benches, Setup, Work};
use crate::bindings::CACHE_FORMATS;
use crate::bindings::qk_norm_rope_append::KernelOf;
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use crate::ops::fusion::{self, CacheRows, Fusion, HeadBiases, HeadNorms, ProjectedHeads};
use crate::ops::hadamard::{self, Hadamard};
use crate::ops::kv_append::{check_stored, encoded};
use crate::ops::mapping::Mapping;
use crate::ops::rope::{Pairing, Rope, RopeConfig};
use crate::ops::{ring, rms_norm, rope};
use mettle_gpu::{Format, Tensor};

/// What a case or a bench entry is about.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Setting {
    pub pairing: Pairing,
    /// Of queries, and of keys and values.
    pub heads: [usize; 2],
    pub head_size: usize,
    /// That are rotated.
    pub dims: usize,
    pub normed: bool,
    pub biased: bool,
    /// Tokens that have queries, the last ones.
    pub query_tokens: usize,
    pub capacity: usize,
    /// Keys that a query sees, where caches are rings.
    pub ring: Option<u32>,
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
/// threadgroup takes, scattered positions and such outside the cache, rings; with norms, biases and neither, and without queries for some
/// tokens.
pub(crate) fn family() -> Family {
    Family::new("qk_norm_rope_append", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for pairing in [Pairing::Interleaved, Pairing::HalfSplit] {
                for parts in [Parts::PLAIN, Parts::NORMED, Parts::BIASED] {
                    for format in [Format::F32, Format::F16] {
                        settings(cases, mapping, format, pairing, parts);
                    }
                }
                for format in CACHE_FORMATS {
                    if !matches!(format, Format::F32 | Format::F16) {
                        other_formats(cases, mapping, format, pairing);
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

/// One case.
fn add(
    cases: &mut Cases,
    mapping: Mapping,
    format: Format,
    name: &str,
    parts: Parts,
    setting: Setting,
    positions: &'static [i32],
) {
    let setting = Setting {
        normed: parts.normed,
        biased: parts.biased,
        ..setting
    };
    let words = [
        mapping.name(),
        match setting.pairing {
            Pairing::Interleaved => "interleaved",
            Pairing::HalfSplit => "half_split",
        },
        parts.name,
        name,
    ];
    cases.add(kernel(format), words.join("_"), move |run| {
        check(run, mapping, format, &setting, positions)
    });
}

/// A few cases for formats that differ from F32 and F16 in how rows are stored: a decode step, heads that are rotated in part, have
/// biases and norms, are long or copied, and positions outside the cache.
fn other_formats(cases: &mut Cases, mapping: Mapping, format: Format, pairing: Pairing) {
    let setting = Setting {
        pairing,
        heads: [4, 8],
        head_size: 128,
        dims: 128,
        normed: false,
        biased: false,
        query_tokens: 1,
        capacity: 7,
        ring: None,
    };
    let mut add = |name, parts, setting, positions| {
        add(cases, mapping, format, name, parts, setting, positions);
    };
    add("decode", Parts::NORMED, setting, &[6]);
    let partial = Setting {
        heads: [2, 9],
        head_size: 64,
        dims: 32,
        query_tokens: 2,
        ..setting
    };
    add("partial", Parts::PLAIN, partial, &[3, -1, 1 << 20, 0]);
    add("both", Parts::BOTH, partial, &[6, 3]);
    let ring = Setting {
        ring: Some(4),
        ..partial
    };
    add("ring", Parts::PLAIN, ring, &[26, 27, -1, 28]);
    let long = Setting {
        heads: [3, 1],
        head_size: 640,
        dims: 320,
        query_tokens: 0,
        ..setting
    };
    add("long", Parts::BIASED, long, &[3, 1]);
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
            normed: false,
            biased: false,
            query_tokens,
            capacity,
            ring: None,
        };
        self::add(cases, mapping, format, name, parts, setting, positions);
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
    let ring = Setting {
        pairing,
        heads: [2, 2],
        head_size: 32,
        dims: 32,
        normed: false,
        biased: false,
        query_tokens: 4,
        capacity: 7,
        ring: Some(4),
    };
    let positions = &[26, 27, -1, 28];
    self::add(cases, mapping, format, "ring", parts, ring, positions);
}

/// The kernel's name, for cases and bench entries.
fn kernel(format: Format) -> &'static str {
    match format {
        Format::Turbo(_) => "qk_norm_rope_append_turbo",
        _ => KernelOf::of(format).map_or("none", KernelOf::name),
    }
}

/// Launches a case and compares queries and caches.
pub(in crate::ops) fn check(
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
    // The row of each token, if it is within the caches.
    let rows_of_tokens = match setting.ring {
        Some(_) => ring::rows_of(positions, setting.capacity),
        None => positions.to_vec(),
    };
    let rotation = Rope::new(run.device(), &config)?;
    let cache_shape = setting.rows(setting.capacity);
    // The queries, where there are some, and the caches.
    let launched = |run: &mut Run<'_>, format: Format| -> Result<(Option<Tensor>, [Tensor; 2])> {
        let mut queries = match setting.query_tokens {
            0 => None,
            _ => Some(run.input(&query, query_shape)?),
        };
        let mut keys = run.input(&key, row_shape)?;
        let mut value_rows = run.input(&value, row_shape)?;
        let mut caches = [
            run.output(format, cache_shape)?,
            run.output(format, cache_shape)?,
        ];
        let [cache_k, cache_v] = &mut caches;
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
                keys: cache_k,
                values: cache_v,
                positions: &places,
                ring: setting.ring,
            };
            launch(pass, mapping, norms, &rotation, heads, cache)
        })?;
        Ok((queries, caches))
    };
    let (queries, caches) = launched(run, format)?;
    if format.is_quantised() {
        // A code may change with the last bit of a value. So blocks are held against what encodes the values of an F32 cache, which
        // has cases of its own.
        let (_, dense) = launched(run, Format::F32)?;
        for (cache, dense) in caches.iter().zip(dense) {
            let rows = dense.to_vec::<f32>()?;
            let columns = setting.heads[1] * head_size;
            let rows = rows_of_tokens.iter().flat_map(|&position| {
                let place = usize::try_from(position).ok();
                let place = place.filter(|&place| place < setting.capacity);
                place.map_or(&[][..], |place| &rows[place * columns..][..columns])
            });
            let rows = rows.copied().collect::<Vec<f32>>();
            let stored = match format {
                Format::Turbo(_) => encoded(format, &transformed(run, mapping, &rows, head_size)?)?,
                _ => encoded(format, &rows)?,
            };
            let inside: Vec<i32> = rows_of_tokens
                .iter()
                .copied()
                .filter(|&position| (0..setting.capacity as i32).contains(&position))
                .collect();
            check_stored(run, cache, &inside, &stored)?;
        }
    }

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
            true => rms_norm::cases::reference(&x, &weights[which], EPS),
            false => exact(&x),
        };
        rope::reference(x, heads, head_size, positions, &config)
    };
    let cached = |rows: Vec<Expected>| {
        let columns = setting.heads[1] * head_size;
        let mut expected = vec![Expected::untouched(); setting.capacity * columns];
        for (row, &position) in rows.chunks_exact(columns).zip(&rows_of_tokens) {
            let place = usize::try_from(position).ok();
            if let Some(place) = place.filter(|&place| place < setting.capacity) {
                expected[place * columns..][..columns].copy_from_slice(row);
            }
        }
        expected
    };
    if let Some(queries) = &queries {
        let of_queries = &positions[tokens - setting.query_tokens..];
        run.check(queries, || {
            let turned = turned(&query, 0, setting.heads[0], of_queries);
            match format {
                Format::Turbo(_) => hadamard::reference(Hadamard::Forward, &turned, head_size),
                _ => turned,
            }
        })?;
    }
    if format.is_quantised() {
        return Ok(());
    }
    let [cache_k, cache_v] = &caches;
    run.check(cache_k, || {
        cached(turned(&key, 1, setting.heads[1], positions))
    })?;
    run.check(cache_v, || cached(exact(&biased(&value, &biases[2]))))
}

/// Heads as the device transforms them, which has cases of its own.
fn transformed(
    run: &mut Run<'_>,
    mapping: Mapping,
    heads: &[f32],
    head_size: usize,
) -> Result<Vec<f32>> {
    let mut x = run.input(heads, [heads.len() / head_size, head_size])?;
    run.pass(|pass| hadamard::mapped(pass, mapping, Hadamard::Forward, &mut x))?;
    Ok(x.to_vec::<f32>()?)
}

fn benches(benches: &mut Benches) {
    for format in CACHE_FORMATS {
        add_benches(benches, format);
    }
}

/// Of a cache of a format: one token and a prompt, 32 query heads and 8 of keys and values of 128, with norms.
pub(in crate::ops) fn add_benches(benches: &mut Benches, format: Format) {
    let setting = Setting {
        pairing: Pairing::HalfSplit,
        heads: [32, 8],
        head_size: 128,
        dims: 128,
        normed: true,
        biased: false,
        query_tokens: 0,
        capacity: 4096,
        ring: None,
    };
    for tokens in [1, 512] {
        let setting = Setting {
            query_tokens: tokens,
            ..setting
        };
        let [heads, kv_heads] = setting.heads;
        let (turned, stored) = (heads + kv_heads, 2 * kv_heads);
        let values = tokens * setting.head_size;
        let bytes = (heads + turned + kv_heads) * 4 * values
            + stored * values / format.block_len() * format.block_bytes();
        benches.add(
            kernel(format),
            format!("tokens{tokens}_heads{heads}_{kv_heads}_head128"),
            Work::new(bytes, values * turned * 7),
            move |setup| bench(setup, format, &setting),
        );
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
            ring: None,
        };
        fusion::qk_norm_rope_append(pass, Fusion::On, Some(norms), &rotation, heads, cache)
    }))
}
