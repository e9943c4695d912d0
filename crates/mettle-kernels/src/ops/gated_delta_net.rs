//! Gated delta nets: linear attention with a state that forgets and corrects itself.

use super::check::{FLOATS, Op};
use super::mapping::{Mapping, WIDE, rows_per_group};
use crate::Result;
use crate::bench::{Benches, Launch, Setup, Work};
use crate::bindings::gated_delta_net::{self, Constants, DeltaNetParams as Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Grid, Pass, Tensor};

const OP: Op = Op("gated_delta_net");

/// Tokens of a chunk and what is kept for each: `CHUNK` and `CHUNK_FLOATS` of `mettle/delta_net.h`.
const CHUNK: usize = 16;
const CHUNK_FLOATS: usize = 592;

/// From so many tokens on, chunks are worth the launch that prepares them.
const FEWEST_IN_CHUNKS: usize = 4;

/// SIMD groups of a threadgroup. They share nothing but what their loads find in caches: the keys of their head.
const SIMD_GROUPS: usize = 4;

/// SIMD groups of a threadgroup for chunks, which share the keys and queries of each in threadgroup memory.
const SIMD_GROUPS_OF_CHUNKS: usize = 8;

/// Rows of the state of each of these: `ROWS_OF_SIMD_GROUP` of `mettle/delta_chunks.h`.
const ROWS_OF_SIMD_GROUP: usize = 2;

/// Values of a key that these have registers for.
const LARGEST_IN_CHUNKS: usize = 256;

/// Bytes of threadgroup memory where none is used: Metal binds no empty one.
const UNREAD: usize = 16;

/// Which key head a value head reads, where there are fewer of the former.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadMap {
    /// `h / (value_heads / key_heads)`: neighbours share one, as in the files of `transformers` and GGUF files of Qwen3-Next.
    Block,
    /// `h % key_heads`: GGUF files of Qwen3.5.
    Tiled,
}

/// What tokens bring to a gated delta net.
#[derive(Clone, Copy, Debug)]
pub struct DeltaTokens<'a> {
    /// F32, F16 or BF16 `[tokens, key_heads * key_size]`, with or without gaps between the rows; normalised by the op.
    pub query: &'a Tensor,
    /// As `query`.
    pub key: &'a Tensor,
    /// In the same format, `[tokens, value_heads * value_size]`, with or without gaps between the rows.
    pub value: &'a Tensor,
    /// F32 `[tokens, value_heads]`: the logarithm of what the state is multiplied by, at most zero.
    pub log_decay: &'a Tensor,
    /// F32 `[tokens, value_heads]`: how much of the error is corrected.
    pub beta: &'a Tensor,
    /// Which key head a value head reads; decay and beta are those of value heads either way.
    pub heads: HeadMap,
    /// Added to the squares of the L2 norms of queries and keys.
    pub eps: f32,
}

/// Linear attention by the gated delta rule (Yang, Kautz and Hatamizadeh, "Gated Delta Networks: Improving Mamba2 with Delta Rule", 2024). For
/// each token in turn and each value head, with its state `S`, `q` and `k` divided by their L2 norms and `q` by the root of its length besides,
/// `S <- exp(log_decay) S`, `d = beta (v - S k)`, `S <- S + d k^T`, and `S q` is what `out` gets.
///
/// `state` is F32 `[value_heads, value_size, key_size]`, zeros at the beginning of a text; `out` is as `value` without gaps. Few tokens go one by
/// one, more of them in chunks: the same formula in another order. On GPUs, keys of more than 256 values go one by one, however many they are.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes, heads that
/// cannot be shared evenly, gaps elsewhere, or an `eps` that is negative or no number; those of the launch, when `state` or `out` shares memory
/// with another argument among others.
pub fn gated_delta_net(
    pass: &mut Pass,
    tokens: DeltaTokens<'_>,
    state: &mut Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    let fits = match (mapping, state.shape().dims().last()) {
        (Mapping::RowPerGroup, Some(&key_size)) => key_size <= LARGEST_IN_CHUNKS,
        _ => true,
    };
    let way = match fits && tokens.query.rows() >= FEWEST_IN_CHUNKS {
        true => Way::Chunk,
        false => Way::Step,
    };
    mapped(pass, mapping, way, tokens, state, out)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Step,
    Chunk,
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    way: Way,
    inputs: DeltaTokens<'_>,
    state: &mut Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let params = params(inputs, state)?;
    let [key_columns, value_heads, rows] = [
        params.key_heads * params.key_size,
        params.value_heads,
        params.value_heads * params.value_size,
    ]
    .map(|n| n as usize);
    let tokens = params.tokens as usize;
    let key_size = params.key_size as usize;
    let constants = Constants {
        row_per_thread: mapping.row_per_thread(),
        tiled: inputs.heads == HeadMap::Tiled,
    };
    let grid = match mapping {
        Mapping::RowPerThread => {
            let work = key_size.saturating_mul(tokens);
            Grid::elements(rows).threads(rows_per_group(rows, work))
        }
        Mapping::RowPerGroup => Grid::rows(rows.div_ceil(SIMD_GROUPS)).threads(32 * SIMD_GROUPS),
    };
    let log_decay = &OP.matrix("log_decay", inputs.log_decay, tokens, value_heads)?;
    let beta = &OP.matrix("beta", inputs.beta, tokens, value_heads)?;
    let state = &mut OP.values("state", state)?;
    macro_rules! dispatch {
        ($step:ident, $prepare:ident, $chunk:ident) => {{
            let query = &OP.strided("query", inputs.query, tokens, key_columns)?;
            let key = &OP.strided("key", inputs.key, tokens, key_columns)?;
            let value = &OP.strided("value", inputs.value, tokens, rows)?;
            let out = &mut OP.matrix("out", out, tokens, rows)?;
            if way == Way::Step {
                let kernel = gated_delta_net::$step {
                    query,
                    key,
                    value,
                    log_decay,
                    beta,
                    state,
                    out,
                    params,
                    constants,
                };
                return Ok(pass.dispatch(kernel, grid)?);
            }
            let chunks = tokens.div_ceil(CHUNK);
            let of_chunk = value_heads * CHUNK_FLOATS + 2 * CHUNK * key_columns;
            let all = &mut pass.scratch::<f32>(chunks * of_chunk)?;
            let kernel = gated_delta_net::$prepare {
                query,
                key,
                log_decay,
                beta,
                all,
                params,
                constants,
            };
            pass.dispatch(kernel, Grid::groups([chunks, value_heads]).threads(32))?;
            let value_size = params.value_size as usize;
            let (grid, memory) = match mapping {
                Mapping::RowPerThread => {
                    let threads = value_heads * value_size.div_ceil(WIDE);
                    let work = WIDE.saturating_mul(key_size).saturating_mul(tokens);
                    let grid = Grid::threads_total([threads, 1]);
                    (grid.threads([rows_per_group(threads, work), 1]), UNREAD)
                }
                Mapping::RowPerGroup => {
                    let rows = SIMD_GROUPS_OF_CHUNKS * ROWS_OF_SIMD_GROUP;
                    let grid = Grid::groups([value_size.div_ceil(rows), value_heads]);
                    let stride = key_size.next_multiple_of(LARGEST_IN_CHUNKS / 2);
                    let memory = 2 * CHUNK * stride * size_of::<f32>();
                    (grid.threads(32 * SIMD_GROUPS_OF_CHUNKS), memory)
                }
            };
            let kernel = gated_delta_net::$chunk {
                value,
                all,
                state,
                out,
                params,
                memory,
                constants,
            };
            Ok(pass.dispatch(kernel, grid)?)
        }};
    }
    match inputs.query.format() {
        Format::F32 => dispatch!(StepF32, PrepareF32, ChunkF32),
        Format::F16 => dispatch!(StepF16, PrepareF16, ChunkF16),
        Format::BF16 => dispatch!(StepBf16, PrepareBf16, ChunkBf16),
        format => Err(OP.no_kernel_over("query", format)),
    }
}

/// The shapes, as the state and the queries have them.
fn params(inputs: DeltaTokens<'_>, state: &Tensor) -> Result<Params> {
    let &[value_heads, value_size, key_size] = state.shape().dims() else {
        let shape = state.shape();
        let reason = format!("has shape {shape}, must be [value_heads, value_size, key_size]");
        return Err(OP.refuse("state", reason));
    };
    let (tokens, columns) = (inputs.query.rows(), inputs.query.columns());
    let key_heads = columns.checked_div(key_size).unwrap_or(0);
    if key_heads * key_size != columns || key_heads == 0 {
        let reason = format!("has rows of {columns}, must have heads of {key_size}");
        return Err(OP.refuse("query", reason));
    }
    if !value_heads.is_multiple_of(key_heads) {
        let reason = format!("has {value_heads} heads, which cannot share {key_heads} of keys");
        return Err(OP.refuse("state", reason));
    }
    OP.size("state", value_heads.saturating_mul(value_size))?;
    Ok(Params {
        key_heads: OP.size("query", key_heads)?,
        value_heads: OP.size("state", value_heads)?,
        key_size: OP.size("state", key_size)?,
        value_size: OP.size("state", value_size)?,
        tokens: OP.size("query", tokens)?,
        query_stride: OP.row_stride("query", inputs.query)?,
        key_stride: OP.row_stride("key", inputs.key)?,
        value_stride: OP.row_stride("value", inputs.value)?,
        eps: OP.eps(inputs.eps)?,
    })
}

/// Sizes of a case or a bench entry.
#[derive(Clone, Copy, Debug)]
struct Setting {
    tokens: usize,
    key_heads: usize,
    value_heads: usize,
    key_size: usize,
    value_size: usize,
}

impl Setting {
    fn new(
        tokens: usize,
        [key_heads, value_heads]: [usize; 2],
        [key_size, value_size]: [usize; 2],
    ) -> Setting {
        Setting {
            tokens,
            key_heads,
            value_heads,
            key_size,
            value_size,
        }
    }

    fn name(&self) -> String {
        let Setting {
            tokens,
            key_heads,
            value_heads,
            key_size,
            value_size,
        } = self;
        format!("tokens{tokens}_heads{key_heads}_{value_heads}_size{key_size}_{value_size}")
    }

    /// Columns of queries (and of keys), and of values.
    fn columns(&self) -> [usize; 2] {
        [
            self.key_heads * self.key_size,
            self.value_heads * self.value_size,
        ]
    }

    fn state(&self) -> [usize; 3] {
        [self.value_heads, self.value_size, self.key_size]
    }
}

const EPS: f32 = 1e-6;

/// The cases of `gated_delta_net.metal`: one token and one value; heads of odd sizes, of less than a sixteen and the largest; chunks that are
/// full, that are not, and several; as many key heads as value heads and fewer, by both maps.
pub(crate) fn family() -> Family {
    Family::new("gated_delta_net", Tolerance::MATMUL, |cases| {
        for mapping in Mapping::ALL {
            for (format, _) in FLOATS {
                let settings = [
                    Setting::new(1, [1, 1], [1, 1]),
                    Setting::new(1, [2, 6], [7, 5]),
                    Setting::new(16, [1, 2], [128, 3]),
                    Setting::new(37, [2, 4], [40, 18]),
                    Setting::new(5, [1, 1], [256, 17]),
                    Setting::new(20, [1, 2], [130, 5]),
                ];
                let some = match format {
                    Format::F32 => &settings[..],
                    _ => &settings[3..4],
                };
                for &setting in some {
                    let maps = match setting.key_heads {
                        1 => &[HeadMap::Tiled][..],
                        _ => &[HeadMap::Tiled, HeadMap::Block][..],
                    };
                    for &heads in maps {
                        add(cases, mapping, format, setting, heads);
                    }
                }
            }
        }
    })
    .benches(benches)
}

fn add(cases: &mut Cases, mapping: Mapping, format: Format, setting: Setting, heads: HeadMap) {
    let suffix = format.name().to_lowercase();
    let map = match heads {
        HeadMap::Block => "block",
        HeadMap::Tiled => "tiled",
    };
    let name = format!("{}_{map}_{}", mapping.name(), setting.name());
    for (kernel, way) in [
        ("step", Way::Step),
        ("prepare", Way::Chunk),
        ("chunk", Way::Chunk),
    ] {
        // What one prepares shows in what the other makes of it.
        let kernel = format!("gated_delta_net_{kernel}_{suffix}");
        if kernel.contains("prepare") && setting.tokens < CHUNK {
            continue;
        }
        cases.add(kernel, name.clone(), move |run| {
            check(run, mapping, way, format, setting, heads)
        });
    }
}

fn check(
    run: &mut Run<'_>,
    mapping: Mapping,
    way: Way,
    format: Format,
    setting: Setting,
    heads: HeadMap,
) -> Result<()> {
    let [of_keys, of_values] = setting.columns();
    let (tokens, value_heads) = (setting.tokens, setting.value_heads);
    // Queries, keys and values are bands of one tensor, as a convolution makes them.
    let wide = 2 * of_keys + of_values;
    let mixed = run.rng().normal(tokens * wide);
    let (mixeds, mixed) = run.rounded(format, &mixed, [tokens, wide])?;
    let n = tokens * value_heads;
    let log_decay: Vec<f32> = run.rng().normal(n).iter().map(|x| -0.5 * x.abs()).collect();
    let beta: Vec<f32> = (0..n).map(|_| run.rng().uniform(0.0, 1.0)).collect();
    let state = run.rng().normal(setting.state().iter().product());
    let inputs = DeltaTokens {
        query: &mixeds.columns_range(0..of_keys)?,
        key: &mixeds.columns_range(of_keys..2 * of_keys)?,
        value: &mixeds.columns_range(2 * of_keys..wide)?,
        log_decay: &run.input(&log_decay, [tokens, value_heads])?,
        beta: &run.input(&beta, [tokens, value_heads])?,
        heads,
        eps: EPS,
    };
    let mut states = run.input(&state, setting.state())?;
    let mut out = run.output(format, [tokens, of_values])?;
    run.pass(|pass| mapped(pass, mapping, way, inputs, &mut states, &mut out))?;
    let expected = || reference(setting, heads, &mixed, &log_decay, &beta, &state);
    run.check(&out, || expected().0)?;
    run.check(&states, || expected().1)
}

/// The recurrence, token by token; a state has the terms of all that went into it. Returns outputs and state.
fn reference(
    setting: Setting,
    heads: HeadMap,
    mixed: &[f32],
    log_decay: &[f32],
    beta: &[f32],
    state: &[f32],
) -> (Vec<Expected>, Vec<Expected>) {
    let Setting {
        tokens,
        key_heads,
        value_heads,
        key_size,
        value_size,
    } = setting;
    let [of_keys, of_values] = setting.columns();
    let normalised = |values: &[f32]| -> Vec<f64> {
        let values: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
        let squares: f64 = values.iter().map(|x| x * x).sum();
        let scale = 1.0 / (squares + f64::from(EPS)).sqrt();
        values.iter().map(|x| x * scale).collect()
    };
    // Values and the sums of the sizes of their terms.
    let mut states: Vec<[f64; 2]> = state
        .iter()
        .map(|&x| [f64::from(x), f64::from(x).abs()])
        .collect();
    let mut out = Vec::with_capacity(tokens * of_values);
    for t in 0..tokens {
        let row = &mixed[t * (2 * of_keys + of_values)..][..2 * of_keys + of_values];
        for head in 0..value_heads {
            let key_head = match heads {
                HeadMap::Block => head / (value_heads / key_heads),
                HeadMap::Tiled => head % key_heads,
            };
            let query = normalised(&row[key_head * key_size..][..key_size]);
            let key = normalised(&row[of_keys + key_head * key_size..][..key_size]);
            let decay = f64::from(log_decay[t * value_heads + head]).exp();
            let beta = f64::from(beta[t * value_heads + head]);
            for i in 0..value_size {
                let place = head * value_size + i;
                let value = f64::from(row[2 * of_keys + place]);
                let state = &mut states[place * key_size..][..key_size];
                let (mut recalled, mut terms) = (0.0, 0.0);
                for (state, key) in state.iter_mut().zip(&key) {
                    *state = state.map(|x| x * decay);
                    recalled += state[0] * key;
                    terms += state[1] * key.abs();
                }
                let written = [beta * (value - recalled), beta * (value.abs() + terms)];
                let (mut read, mut terms) = (0.0, 0.0);
                for ((state, key), query) in state.iter_mut().zip(&key).zip(&query) {
                    let query = query / (key_size as f64).sqrt();
                    *state = [
                        state[0] + written[0] * key,
                        state[1] + written[1] * key.abs(),
                    ];
                    read += state[0] * query;
                    terms += state[1] * query.abs();
                }
                out.push(Expected::near(read, terms));
            }
        }
    }
    let states = states.iter().map(|&[x, terms]| Expected::near(x, terms));
    (out, states.collect())
}

/// A token and a prompt of Qwen3.5 9B.
fn benches(benches: &mut Benches) {
    for (format, suffix) in FLOATS {
        for (kernel, way, tokens) in [
            ("step", Way::Step, 1),
            ("prepare", Way::Chunk, 512),
            ("chunk", Way::Chunk, 512),
        ] {
            let setting = Setting::new(tokens, [16, 32], [128, 128]);
            let [of_keys, of_values] = setting.columns();
            let states: usize = setting.state().iter().product();
            let values = tokens * (2 * of_keys + 2 * of_values);
            let gates = 2 * tokens * setting.value_heads;
            let work = Work::new(
                values * format.block_bytes() + 4 * (gates + 2 * states),
                6 * tokens * states,
            );
            let kernel = format!("gated_delta_net_{kernel}_{suffix}");
            benches.add(kernel, setting.name(), work, move |setup| {
                prepare(setup, way, format, setting)
            });
        }
    }
}

fn prepare(setup: &mut Setup<'_>, way: Way, format: Format, setting: Setting) -> Result<Launch> {
    let [of_keys, of_values] = setting.columns();
    let mixed = setup.values_as(format, [setting.tokens, 2 * of_keys + of_values])?;
    let gates = [setting.tokens, setting.value_heads];
    let log_decay = setup
        .of(&vec![-0.1f32; gates[0] * gates[1]])?
        .reshape(gates)?;
    let beta = setup
        .of(&vec![0.5f32; gates[0] * gates[1]])?
        .reshape(gates)?;
    let mut state = setup.values(setting.state())?;
    let mut out = setup.output(format, [setting.tokens, of_values])?;
    Ok(Box::new(move |pass| {
        let tokens = DeltaTokens {
            query: &mixed.columns_range(0..of_keys)?,
            key: &mixed.columns_range(of_keys..2 * of_keys)?,
            value: &mixed.columns_range(2 * of_keys..2 * of_keys + of_values)?,
            log_decay: &log_decay,
            beta: &beta,
            heads: HeadMap::Tiled,
            eps: EPS,
        };
        let mapping = Mapping::of(pass.device());
        mapped(pass, mapping, way, tokens, &mut state, &mut out)
    }))
}
