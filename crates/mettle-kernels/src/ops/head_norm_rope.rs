//! Heads of queries and keys, normalised and rotated.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::{Mapping, rows_per_group};
use super::rms_norm::NormWeight;
use super::rms_norm::cases::{Kind, weighted};
use super::rope::{self, Pairing, Rope, RopeConfig};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::head_norm_rope::{Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Grid, Pass, Tensor};

const OP: Op = Op("head_norm_rope");

/// What heads go through: see [`head_norm_rope()`].
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadNormRope<'a> {
    /// The RMS norm of each head, if there is one.
    pub norm: Option<EachHead<'a>>,
    /// The rotation and the positions of the tokens, i32 `[tokens]`, if there is one.
    pub rotation: Option<(&'a Rope, &'a Tensor)>,
}

/// RMS norms of heads of queries and of keys. Both weights are of one kind.
#[derive(Clone, Copy, Debug)]
pub struct EachHead<'a> {
    /// As many values as a head has, in the format of the heads.
    pub query: NormWeight<'a>,
    /// As `query`.
    pub key: NormWeight<'a>,
    /// Added to the mean squares.
    pub eps: f32,
}

/// Normalises each head of `query`, and of `key` if there are some, and then rotates it, in place and in one launch. Both are F32, F16 or BF16,
/// `[tokens, heads, head_size]`, of as many tokens, with heads of one size. Values are rounded once, at the end.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats or weights of two kinds; [`Error::Argument`](crate::Error::Argument) for
/// other shapes, gaps, heads smaller than the rotated part, or an `eps` that is negative or no number; those of the launch, when what is
/// written shares memory with another argument among others.
pub fn head_norm_rope(
    pass: &mut Pass,
    query: &mut Tensor,
    key: Option<&mut Tensor>,
    way: HeadNormRope<'_>,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, query, key, way)
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    query: &mut Tensor,
    key: Option<&mut Tensor>,
    way: HeadNormRope<'_>,
) -> Result<()> {
    let &[tokens, query_heads, head_size] = query.shape().dims() else {
        let shape = query.shape();
        let reason = format!("has shape {shape}, must be [tokens, heads, head_size]");
        return Err(OP.refuse("query", reason));
    };
    let key_heads = match &key {
        None => 0,
        Some(key) => match *key.shape().dims() {
            [rows, heads, size] if rows == tokens && size == head_size => heads,
            _ => {
                let shape = key.shape();
                let reason = format!("has shape {shape}, must be [{tokens}, heads, {head_size}]");
                return Err(OP.refuse("key", reason));
            }
        },
    };
    let dims = way.rotation.map_or(0, |(rotation, _)| rotation.dims);
    if head_size < dims {
        let reason = format!("has heads of {head_size}, of which {dims} are to be rotated");
        return Err(OP.refuse("query", reason));
    }
    let unweighted = (NormWeight::None, NormWeight::None);
    let (query_weight, key_weight) = way.norm.map_or(unweighted, |n| (n.query, n.key));
    if key.is_some() && query_weight.kind() != key_weight.kind() {
        let reason = "weights of two kinds; both are of one".to_owned();
        return Err(crate::Error::Unsupported { op: OP.0, reason });
    }
    OP.size("query", tokens)?;
    let params = Params {
        query_heads: OP.size("query", query_heads)?,
        key_heads: OP.size("key", key_heads)?,
        head_size: OP.size("query", head_size)?,
        dims: OP.size("dims", dims)?,
        interleaved: way.rotation.is_some_and(|(r, _)| r.interleaved).into(),
        scale: way.rotation.map_or(1.0, |(rotation, _)| rotation.scale),
        eps: OP.eps(way.norm.map_or(0.0, |norm| norm.eps))?,
    };
    let constants = Constants {
        row_per_thread: mapping.row_per_thread(),
        norm: way.norm.is_some(),
        weight: query_weight.kind(),
    };
    let heads = query_heads + key_heads;
    let grid = match mapping {
        Mapping::RowPerThread => {
            let heads_a_group = rows_per_group(heads, head_size);
            let tokens_a_group = rows_per_group(tokens, heads * head_size).min(4);
            Grid::threads_total([heads, tokens]).threads([heads_a_group, tokens_a_group])
        }
        Mapping::RowPerGroup => Grid::groups([heads, tokens]).threads(32),
    };
    by_float_format!(OP, "query", query.format(), Kernel in head_norm_rope::{F32, F16, Bf16} => {
        // What is not used is not read, but has to be bound, and what is written must not share memory.
        let unused = pass.scratch(2 * SPACING)?;
        let weight = |argument, weight: NormWeight<'_>| {
            weight.values(OP, argument, head_size, || Ok(unused.slice(SPACING..SPACING + 1)?))
        };
        let positions = match way.rotation {
            Some((_, positions)) => OP.vector("positions", positions, tokens)?,
            None => unused.slice(SPACING..2 * SPACING)?.cast()?,
        };
        let frequencies = match way.rotation {
            Some((rotation, _)) => rotation.frequencies.clone(),
            None => unused.slice(SPACING..2 * SPACING)?.cast()?,
        };
        let kernel = Kernel {
            query: &mut OP.values("query", query)?,
            key: &mut match key {
                Some(key) => OP.values("key", key)?,
                None => unused.slice(0..1)?,
            },
            query_weight: &weight("query_weight", query_weight)?,
            key_weight: &weight("key_weight", key_weight)?,
            positions: &positions,
            frequencies: &frequencies,
            params,
            constants,
        };
        Ok(pass.dispatch(kernel, grid)?)
    })
}

/// Values between what is bound and not used, so that each is aligned.
const SPACING: usize = 64;

/// The cases of `head_norm_rope.metal`: norms with every kind of weight and without a rotation, rotations without a norm, of a part of the head
/// and in both pairings, with and without keys, heads that end within a sixteen, and more values than threads.
pub(crate) fn family() -> Family {
    Family::new("head_norm_rope", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for (format, _) in FLOATS {
                let mut add = |name: &str, size, norm, dims, interleaved, keys| {
                    let setting = Setting {
                        size,
                        norm,
                        dims,
                        interleaved,
                        keys,
                    };
                    let name = format!("{}_{name}", mapping.name());
                    add_case(cases, mapping, format, setting, name);
                };
                add("norm_rope", 64, Some(Kind::Times), 64, false, 2);
                add(
                    "norm_rope_of_queries",
                    128,
                    Some(Kind::Times),
                    128,
                    false,
                    0,
                );
                add("norm_rope_partial", 80, Some(Kind::OnePlus), 32, false, 1);
                add("norm_rope_interleaved", 70, Some(Kind::None), 70, true, 2);
                add("norm", 75, Some(Kind::Times), 0, false, 2);
                add("norm_of_one", 1, Some(Kind::None), 0, false, 3);
                add("rope", 64, None, 64, false, 2);
                add("rope_interleaved_partial", 96, None, 64, true, 0);
            }
        }
    })
    .benches(benches)
}

const EPS: f32 = 1e-6;
const TOKENS: usize = 3;
const QUERY_HEADS: usize = 5;

#[derive(Clone, Copy)]
struct Setting {
    size: usize,
    norm: Option<Kind>,
    dims: usize,
    interleaved: bool,
    keys: usize,
}

impl Setting {
    fn rope(&self) -> RopeConfig<'static> {
        let pairing = match self.interleaved {
            true => Pairing::Interleaved,
            false => Pairing::HalfSplit,
        };
        RopeConfig::new(pairing, self.dims.max(2), 1e4)
    }
}

fn add_case(cases: &mut Cases, mapping: Mapping, format: Format, setting: Setting, name: String) {
    let kernel = format!("head_norm_rope_{}", format.name().to_lowercase());
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let Setting { size, keys, .. } = setting;
        let mut draw = |heads: usize| {
            let values = run.rng().activations(TOKENS * heads * size);
            run.rounded(format, &values, [TOKENS, heads, size])
        };
        let (mut queries, query) = draw(QUERY_HEADS)?;
        let (mut key_heads, key) = draw(keys.max(1))?;
        let mut weight = || {
            let values = run.rng().normal(size);
            run.rounded(format, &values, [size])
        };
        let ((query_weights, query_weight), (key_weights, key_weight)) = (weight()?, weight()?);
        let positions = [7, 300, 0];
        let places = run.input(&positions, [TOKENS])?;
        let prepared = Rope::new(run.device(), &setting.rope())?;
        let way = HeadNormRope {
            norm: setting.norm.map(|kind| EachHead {
                query: kind.with(&query_weights),
                key: kind.with(&key_weights),
                eps: EPS,
            }),
            rotation: (setting.dims > 0).then_some((&prepared, &places)),
        };
        run.pass(|pass| {
            let keys = (keys > 0).then_some(&mut key_heads);
            mapped(pass, mapping, &mut queries, keys, way)
        })?;
        let expected = |x: &[f32], weight: &[f32], heads: usize| {
            let normed = match setting.norm {
                Some(kind) => weighted(x, kind, weight, EPS),
                None => x
                    .iter()
                    .map(|&x| Expected::near(x.into(), x.abs().into()))
                    .collect(),
            };
            match setting.dims {
                0 => normed,
                _ => rope::reference(normed, heads, size, &positions, &setting.rope()),
            }
        };
        run.check(&queries, || expected(&query, &query_weight, QUERY_HEADS))?;
        if keys > 0 {
            run.check(&key_heads, || expected(&key, &key_weight, keys))?;
        }
        Ok(())
    });
}

/// A token and a prompt: 32 heads of queries and 8 of keys.
fn benches(benches: &mut Benches) {
    let (query_heads, key_heads, size) = (32, 8, 128);
    for (format, suffix) in FLOATS {
        for tokens in [1, 512] {
            let n = tokens * (query_heads + key_heads) * size;
            benches.add(
                format!("head_norm_rope_{suffix}"),
                format!("tokens{tokens}_heads{query_heads}_{key_heads}_head{size}"),
                Work::new(2 * n * format.block_bytes(), 8 * n),
                move |setup| {
                    let mut query = setup.values_as(format, [tokens, query_heads, size])?;
                    let mut key = setup.values_as(format, [tokens, key_heads, size])?;
                    let weight = setup.values_as(format, [size])?;
                    let positions: Vec<i32> = (0..tokens as i32).collect();
                    let positions = setup.of(&positions)?;
                    let config = RopeConfig::new(Pairing::HalfSplit, size, 1e6);
                    let rotation = Rope::new(setup.device(), &config)?;
                    Ok(Box::new(move |pass| {
                        let norm = EachHead {
                            query: NormWeight::Times(&weight),
                            key: NormWeight::Times(&weight),
                            eps: EPS,
                        };
                        let way = HeadNormRope {
                            norm: Some(norm),
                            rotation: Some((&rotation, &positions)),
                        };
                        head_norm_rope(pass, &mut query, Some(&mut key), way)
                    }))
                },
            );
        }
    }
}
