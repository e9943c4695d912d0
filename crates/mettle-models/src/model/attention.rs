//! Attention of a block: projections, rotation, the cache, and what is read of it.

use mettle_gpu::{Format, Pass, Tensor};
use mettle_kernels::ops::{
    self, Attention, Binary, CacheRows, Hadamard, HeadBiases, HeadNorms, Norm, ProjectedHeads,
};

use super::{
    block::Frame,
    projection::{Projection, norm_products, product_norm_add},
};
use crate::{Config, Result, kv_cache::LayerCache, scratch::Activations, weights::Loader};

/// Weights of the attention of one block. Matrices are `[outputs, inputs]`.
pub(super) struct SelfAttention {
    /// In families that gate the output, the rows of each head are followed by those of its gate.
    query: Projection,
    key: Projection,
    value: Projection,
    /// Of the projections to queries, keys and values, for families that have them.
    biases: Option<[Tensor; 3]>,
    /// Of RMS norms over each head of queries and of keys, for families that have them.
    head_norms: Option<[Tensor; 2]>,
    output: Projection,
    /// Keys that a query sees; all before it when absent.
    window: Option<u32>,
}

impl SelfAttention {
    pub(super) fn load(loader: &mut Loader<'_>, config: &Config, layer: usize) -> Result<Self> {
        let Config {
            hidden,
            heads,
            kv_heads,
            head_dim,
            ..
        } = *config;
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let family = config.architecture.family();
        let biases = match family.biases {
            true => {
                let name = |part: &str| format!("blk.{layer}.{part}.bias");
                Some([
                    loader.vector(&name("attn_q"), heads * head_dim)?,
                    loader.vector(&name("attn_k"), kv_heads * head_dim)?,
                    loader.vector(&name("attn_v"), kv_heads * head_dim)?,
                ])
            }
            false => None,
        };
        let head_norms = match family.head_norms {
            true => Some([
                loader.vector(&name("attn_q_norm"), head_dim)?,
                loader.vector(&name("attn_k_norm"), head_dim)?,
            ]),
            false => None,
        };
        let gates = if config.linear.is_some() { 2 } else { 1 };
        let (queries, keys) = (gates * heads * head_dim, kv_heads * head_dim);
        let [query, key, value] = match family.packed {
            true => loader.projections(&name("attn_qkv"), [queries, keys, keys], hidden)?,
            false => [
                loader.projection(&name("attn_q"), [queries, hidden])?,
                loader.projection(&name("attn_k"), [keys, hidden])?,
                loader.projection(&name("attn_v"), [keys, hidden])?,
            ],
        };
        Ok(Self {
            query,
            key,
            value,
            biases,
            head_norms,
            output: loader.projection(&name("attn_output"), [hidden, heads * head_dim])?,
            window: config
                .window(layer)
                .map(|size| u32::try_from(size).unwrap_or(u32::MAX)),
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
        let query = match &mut a.gated_query {
            Some(gated) => &mut gated.rows,
            None => &mut a.query.rows,
        };
        norm_products(
            pass,
            frame.fusion,
            &a.stream,
            norm,
            &mut a.normed,
            a.adapted.as_ref(),
            &mut [
                (&self.query, query),
                (&self.key, &mut a.key.rows),
                (&self.value, &mut a.value.rows),
            ],
        )?;
        take_queries(pass, a)?;
        let heads = ProjectedHeads {
            query: Some(&mut a.query.heads),
            key: &mut a.key.heads,
            value: &mut a.value.heads,
            biases: self.head_biases(),
        };
        self.record_append(pass, frame, heads, cache)
    }

    /// Records what fills the cache, and the queries of nothing but the last token, whose row of `a` is `last`; of none at all without
    /// one.
    pub(super) fn record_last(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        norm: Norm<'_>,
        a: &mut Activations,
        mut last: Option<&mut Activations>,
        cache: &mut LayerCache,
    ) -> Result<()> {
        norm_products(
            pass,
            frame.fusion,
            &a.stream,
            norm,
            &mut a.normed,
            a.adapted.as_ref(),
            &mut [
                (&self.key, &mut a.key.rows),
                (&self.value, &mut a.value.rows),
            ],
        )?;
        if let Some(row) = &mut last {
            let query = match &mut row.gated_query {
                Some(gated) => &mut gated.rows,
                None => &mut row.query.rows,
            };
            norm_products(
                pass,
                frame.fusion,
                &row.stream,
                norm,
                &mut row.normed,
                row.adapted.as_ref(),
                &mut [(&self.query, query)],
            )?;
            take_queries(pass, row)?;
        }
        let heads = ProjectedHeads {
            query: last.as_mut().map(|row| &mut row.query.heads),
            key: &mut a.key.heads,
            value: &mut a.value.heads,
            biases: self.head_biases(),
        };
        self.record_append(pass, frame, heads, cache)
    }

    fn head_biases(&self) -> Option<HeadBiases<'_>> {
        let [query, key, value] = self.biases.as_ref()?;
        Some(HeadBiases { query, key, value })
    }

    /// Records what makes rotated queries of the projected heads, and appends keys and values to the cache.
    fn record_append(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        heads: ProjectedHeads<'_>,
        cache: &mut LayerCache,
    ) -> Result<()> {
        let norms = self.head_norms.as_ref().map(|[query, key]| HeadNorms {
            query,
            key,
            eps: frame.config.norm_eps,
        });
        let cache = CacheRows {
            keys: &mut cache.keys,
            values: &mut cache.values,
            positions: frame.positions,
        };
        Ok(ops::qk_norm_rope_append(
            pass,
            frame.fusion,
            norms,
            match self.window {
                Some(_) => frame.window_rope,
                None => frame.rope,
            },
            heads,
            cache,
        )?)
    }

    /// Records what attention reads of the cache, and adds it to the residual stream.
    pub(super) fn record_output(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        post_norm: Option<Norm<'_>>,
        a: &mut Activations,
        cache: &LayerCache,
    ) -> Result<()> {
        let options = Attention {
            scale: frame.config.attention_scale,
            window: self.window,
            softcap: frame.config.attention_softcap,
            sinks: None,
        };
        ops::attention(
            pass,
            &a.query.heads,
            &cache.keys,
            &cache.values,
            frame.positions,
            &options,
            &mut a.attended.heads,
        )?;
        if let Format::Turbo(_) = cache.keys.format() {
            ops::hadamard(pass, Hadamard::Inverse, &mut a.attended.heads)?;
        }
        let attended = match &a.gated_query {
            None => &a.attended.rows,
            Some(gated) => {
                // Queries are not needed any more: their memory takes what is let through.
                let [_, gate] = halves(&gated.heads)?;
                let shape = [gate.rows(), gate.columns()];
                let attended = a.attended.heads.reshape(shape)?;
                let mut out = a.query.heads.reshape(shape)?;
                ops::binary(pass, Binary::SigmoidMul, &gate, &attended, &mut out)?;
                &a.query.rows
            }
        };
        product_norm_add(
            pass,
            frame.fusion,
            &self.output,
            attended,
            post_norm,
            a.adapted.as_ref(),
            &mut a.projected,
            &mut a.stream,
        )
    }
}

/// Queries and gates, which lie side by side in each head, as rows with gaps.
fn halves(gated: &Tensor) -> Result<[Tensor; 2]> {
    let (rows, columns) = (gated.rows(), gated.columns());
    let heads = gated.reshape([rows, columns])?;
    Ok([
        heads.columns_range(0..columns / 2)?,
        heads.columns_range(columns / 2..columns)?,
    ])
}

/// Records the queries without their gates, in families that have them.
fn take_queries(pass: &mut Pass, a: &mut Activations) -> Result<()> {
    let Some(gated) = &a.gated_query else {
        return Ok(());
    };
    let [query, _] = halves(&gated.heads)?;
    let mut out = a.query.heads.reshape([query.rows(), query.columns()])?;
    Ok(ops::copy(pass, &query, &mut out)?)
}
