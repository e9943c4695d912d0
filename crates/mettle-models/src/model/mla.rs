//! Multi-head latent attention: all heads attend to one short row a token, and each makes of what it reads there its own values.
//!
//! A key of a head is a matrix of that head times the row, so a query times that matrix can be compared with the row itself, and values
//! are made of sums of rows. Decoding so, a token reads `rank + rotary` values of each token before it (576 in DeepSeek-V3) for all heads
//! together. The keys and values of all heads, written out, would be `heads (key + rotary + value)` values, 71 times as many; made anew of
//! the rows they would cost `heads (key + value) rank` multiply-adds for each token before, for a comparison that takes a seventieth of that. A chunk of
//! a prompt would pay that once for many queries and then have heads of 192 and 128 values rather than of 576 and 512 to go through: about half of the
//! operations of attention, at 512 tokens. It would need memory for all heads of the whole context, so it is not done: one way serves both.

use mettle_gpu::{Pass, Tensor};
use mettle_kernels::ops::{self, LatentKeys, LatentQueries, Norm};

use super::{
    attention::record_attended,
    block::Frame,
    projection::{PostNorm, Projection, norm_products, product_norm_add},
};
use crate::{
    Config, Error, LatentAttention, Result,
    kv_cache::LayerCache,
    scratch::{Activations, AttentionHeads, Latent},
    weights::Loader,
};

/// Tokens from which on the matrices of the heads are multiplied one head at a time, for all tokens together.
const TOKENS_TOGETHER: usize = 8;

/// Weights of the attention of one block. Matrices are `[outputs, inputs]`.
pub(super) struct Mla {
    shape: LatentAttention,
    /// To what queries are made of, and its norm, in models that have such.
    query_low: Option<(Projection, Tensor)>,
    /// To the parts of all heads' queries: those that are not rotated, and those that are.
    query: [Projection; 2],
    latent: Projection,
    rotary_key: Projection,
    /// Of the latent row.
    norm: Tensor,
    /// From queries to what is compared with latent rows, `[heads, rank, key]`.
    absorb: Tensor,
    /// From sums of latent rows to values, `[heads, value, rank]`.
    expand: Tensor,
    output: Projection,
}

impl Mla {
    pub(super) fn load(
        loader: &mut Loader<'_>,
        config: &Config,
        shape: LatentAttention,
        layer: usize,
    ) -> Result<Self> {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let (hidden, heads) = (config.hidden, config.heads);
        let LatentAttention {
            query_rank,
            rank,
            key,
            rotary,
            value,
        } = shape;
        let query_low = match query_rank {
            Some(query_rank) => Some((
                loader.projection(&name("attn_q_a"), [query_rank, hidden])?,
                loader.vector(&name("attn_q_a_norm"), query_rank)?,
            )),
            None => None,
        };
        let (query, inputs) = match query_rank {
            Some(query_rank) => ("attn_q_b", query_rank),
            None => ("attn_q", hidden),
        };
        let rows = [heads * (key + rotary), inputs];
        let plain = |weight| Projection {
            weight,
            adapters: Vec::new(),
        };
        let query = loader.in_turns(&name(query), &rows, [key, rotary])?;
        let to_rows = name("attn_kv_a_mqa");
        let [latent, rotary_key] = loader.projections(&to_rows, [rank, rotary], hidden)?;
        // Older files have both in one matrix, as the model was trained.
        let both = name("attn_kv_b");
        let [absorb, expand] = match loader.has(&both) {
            true => {
                let rows = [heads * (key + value), rank];
                let [keys, values] = loader.in_turns(&both, &rows, [key, value])?;
                let expand = values.reshape([heads, value, rank])?;
                [loader.transposed(&keys, heads)?, expand]
            }
            false => [
                loader.matrices(&name("attn_k_b"), [heads, rank, key])?,
                loader.matrices(&name("attn_v_b"), [heads, value, rank])?,
            ],
        };
        Ok(Self {
            shape,
            query_low,
            query: query.map(plain),
            latent,
            rotary_key,
            norm: loader.vector(&name("attn_kv_a_norm"), rank)?,
            absorb,
            expand,
            output: loader.projection(&name("attn_output"), [hidden, heads * value])?,
        })
    }

    /// Records the queries of all tokens of the pass, and what fills the cache.
    pub(super) fn record(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        norm: Norm<'_>,
        a: &mut Activations,
        cache: &mut LayerCache,
    ) -> Result<()> {
        self.record_projections(pass, frame, norm, a, [true, true])?;
        let latent = of_session(&mut a.latent)?;
        let queries = LatentQueries {
            absorbed: &latent.absorbed.heads,
            rotary: &latent.query_rotary,
            query: &mut a.attention.of(false).query.heads,
        };
        self.record_append(pass, frame, &latent.keys, Some(queries), cache)
    }

    /// Records what fills the cache, and the queries of nothing but the last token, whose row of `a` is `last`; of none at all without
    /// one.
    pub(super) fn record_last(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        norm: Norm<'_>,
        a: &mut Activations,
        last: Option<&mut Activations>,
        cache: &mut LayerCache,
    ) -> Result<()> {
        self.record_projections(pass, frame, norm, a, [true, false])?;
        let keys = &of_session(&mut a.latent)?.keys;
        let Some(row) = last else {
            return self.record_append(pass, frame, keys, None, cache);
        };
        self.record_projections(pass, frame, norm, row, [false, true])?;
        let latent = of_session(&mut row.latent)?;
        let queries = LatentQueries {
            absorbed: &latent.absorbed.heads,
            rotary: &latent.query_rotary,
            query: &mut row.attention.of(false).query.heads,
        };
        self.record_append(pass, frame, keys, Some(queries), cache)
    }

    /// Records what the rows of the cache are made of, queries as they are compared with them, or both.
    fn record_projections(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        norm: Norm<'_>,
        a: &mut Activations,
        [keys, queries]: [bool; 2],
    ) -> Result<()> {
        let latent = of_session(&mut a.latent)?;
        let adapted = a.adapted.as_ref();
        let [key, rotary] = &self.query;
        let mut products = Vec::with_capacity(4);
        match &self.query_low {
            _ if !queries => {}
            Some((low, _)) => products.push((low, &mut latent.query_low)),
            None => products.extend([
                (key, &mut latent.query_key),
                (rotary, &mut latent.query_rotary),
            ]),
        }
        if keys {
            let [row, rotary] = &mut latent.keys;
            products.extend([(&self.latent, row), (&self.rotary_key, rotary)]);
        }
        let fusion = frame.fusion;
        norm_products(
            pass,
            fusion,
            &a.stream,
            norm,
            &mut a.normed,
            adapted,
            &mut products,
        )?;
        if !queries {
            return Ok(());
        }
        if let Some((_, weight)) = &self.query_low {
            let norm = Norm {
                weight,
                eps: frame.config.norm_eps,
            };
            let products = &mut [
                (key, &mut latent.query_key),
                (rotary, &mut latent.query_rotary),
            ];
            let (low, normed) = (&latent.query_low, &mut latent.query_low_normed);
            norm_products(pass, fusion, low, norm, normed, adapted, products)?;
        }
        let heads = [
            latent.query_key.rows(),
            self.absorb.shape()[0],
            self.shape.key,
        ];
        let x = latent.query_key.reshape(heads)?;
        let out = &mut latent.absorbed.heads;
        record_heads(pass, &self.absorb, &x, &latent.ids, &latent.by_head, out)
    }

    /// Records what makes rows of the cache, and puts the parts of queries together.
    fn record_append(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        [latent, rotary]: &[Tensor; 2],
        queries: Option<LatentQueries<'_>>,
        cache: &mut LayerCache,
    ) -> Result<()> {
        let norm = Norm {
            weight: &self.norm,
            eps: frame.config.norm_eps,
        };
        let keys = LatentKeys {
            latent,
            norm,
            rotary,
        };
        let rows = &mut cache.keys;
        Ok(ops::latent_append(
            pass,
            keys,
            queries,
            frame.rope,
            rows,
            frame.positions,
        )?)
    }

    /// Records what attention reads of the cache, the values that are made of it, and adds these to the residual stream.
    pub(super) fn record_output(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        post_norm: Option<PostNorm<'_>>,
        a: &mut Activations,
        cache: &LayerCache,
    ) -> Result<()> {
        let AttentionHeads {
            query, attended, ..
        } = a.attention.of(false);
        // Of the sums of whole rows the rotated part is not needed: it is an eighth more to add up, and nothing more to read.
        record_attended(pass, frame, None, &query.heads, cache, attended)?;
        let latent = of_session(&mut a.latent)?;
        let sums = attended.heads.columns_range(0..self.shape.rank)?;
        let out = &mut latent.values.heads;
        record_heads(pass, &self.expand, &sums, &latent.ids, &latent.by_head, out)?;
        product_norm_add(
            pass,
            frame.fusion,
            &self.output,
            &latent.values.rows,
            post_norm,
            a.adapted.as_ref(),
            &mut a.projected,
            &mut a.stream,
        )
    }
}

/// The memory for latent attention, which sessions of models with it have.
fn of_session(latent: &mut Option<Latent>) -> Result<&mut Latent> {
    latent.as_mut().ok_or_else(|| {
        Error::Request("the session was made without memory for latent attention".to_owned())
    })
}

/// Records `out[t, h] = w[h] x[t, h]` for each token t and head h: `w` is `[heads, n, k]`, `x` `[tokens, heads, k]` with or without gaps, `out`
/// `[tokens, heads, n]`; `ids` has the number of each head, again for each token.
fn record_heads(
    pass: &mut Pass,
    w: &Tensor,
    x: &Tensor,
    ids: &Tensor,
    by_head: &[Tensor; 2],
    out: &mut Tensor,
) -> Result<()> {
    let (tokens, heads) = (x.shape()[0], x.shape()[1]);
    let (k, n) = (x.columns(), out.columns());
    let [inputs, outputs] = by_head;
    let mut inputs = inputs.rows_range(0..tokens * heads * k)?;
    if tokens < TOKENS_TOGETHER {
        let dense = match x.is_dense() {
            true => x.clone(),
            false => {
                inputs = inputs.reshape([tokens, heads, k])?;
                ops::copy(pass, x, &mut inputs)?;
                inputs
            }
        };
        let dense = dense.reshape([tokens * heads, k])?;
        let ids = ids.rows_range(0..tokens * heads)?;
        let mut out = out.reshape([tokens * heads, n])?;
        return Ok(ops::mul_mat_id(pass, w, &dense, &ids, &mut out)?);
    }
    let mut inputs = inputs.reshape([heads, tokens, k])?;
    ops::permute(pass, x, &[1, 0, 2], &mut inputs)?;
    let outputs = outputs.rows_range(0..tokens * heads * n)?;
    let outputs = outputs.reshape([heads, tokens, n])?;
    for head in 0..heads {
        let mut out = outputs.batch(head)?;
        ops::mul_mat(pass, &w.batch(head)?, &inputs.batch(head)?, &mut out)?;
    }
    Ok(ops::permute(pass, &outputs, &[1, 0, 2], out)?)
}
