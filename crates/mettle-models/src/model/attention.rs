//! Attention of a block: projections, rotation, the cache, and what is read of it.

use mettle_gpu::{Format, Pass, Tensor};
use mettle_kernels::ops::{
    self, Attention, Binary, CacheRows, Hadamard, HeadBiases, HeadNorms, Norm, NormWeight,
    ProjectedHeads, Rope,
};

use super::{
    block::Frame,
    projection::{PostNorm, Projection, norm_products, product_norm_add},
};
use crate::{
    Config, Result,
    kv_cache::LayerCache,
    scratch::{Activations, AttentionHeads, Heads},
    weights::Loader,
};

/// Weights of the attention of one block. Matrices are `[outputs, inputs]`.
pub(super) struct SelfAttention {
    /// In families that gate the output, the rows of each head are followed by those of its gate.
    query: Projection,
    /// None where it attends to what an earlier block has cached.
    cached: Option<Cached>,
    /// Of the projections to queries, keys and values, for families that have them.
    biases: Option<[Tensor; 3]>,
    /// Of the RMS norm over each head of queries, for families that have it.
    query_norm: Option<Tensor>,
    output: Projection,
    /// Keys that a query sees; all before it when absent.
    window: Option<u32>,
}

/// What keys and values are made by.
struct Cached {
    key: Projection,
    /// None where values are made of the projection to keys.
    value: Option<Projection>,
    /// Of the RMS norm over each head of keys, for families that have it.
    key_norm: Option<Tensor>,
    /// Whether each head of values is normalised, without weights.
    value_norm: bool,
}

impl SelfAttention {
    pub(super) fn load(loader: &mut Loader<'_>, config: &Config, layer: usize) -> Result<Self> {
        let Config { hidden, heads, .. } = *config;
        let crate::Heads {
            kv_heads, head_dim, ..
        } = config.kv(layer);
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
        let mut head_norm = |part: &str| match family.head_norms {
            true => loader.vector(&name(part), head_dim).map(Some),
            false => Ok(None),
        };
        let query_norm = head_norm("attn_q_norm")?;
        let own = config.cached_by(layer) == layer;
        let key_norm = match own {
            true => head_norm("attn_k_norm")?,
            false => None,
        };
        let gates = if config.linear.is_some() { 2 } else { 1 };
        let (queries, keys) = (gates * heads * head_dim, kv_heads * head_dim);
        let (query, key_value) = if family.packed {
            let rows = [queries, keys, keys];
            let [query, key, value] = loader.projections(&name("attn_qkv"), rows, hidden)?;
            (query, Some((key, Some(value))))
        } else {
            let query = loader.projection(&name("attn_q"), [queries, hidden])?;
            let key_value = match own {
                true => {
                    let key = loader.projection(&name("attn_k"), [keys, hidden])?;
                    let of_keys = family.value_norms
                        && config.window(layer).is_none()
                        && !loader.has(&name("attn_v"));
                    let value = match of_keys {
                        true => None,
                        false => Some(loader.projection(&name("attn_v"), [keys, hidden])?),
                    };
                    Some((key, value))
                }
                false => None,
            };
            (query, key_value)
        };
        Ok(Self {
            query,
            cached: key_value.map(|(key, value)| Cached {
                key,
                value,
                key_norm,
                value_norm: family.value_norms,
            }),
            biases,
            query_norm,
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
        let heads = a.attention.of(self.window.is_some());
        let AttentionHeads {
            query, key, value, ..
        } = heads;
        let projected = match &mut a.gated_query {
            Some(gated) => &mut gated.rows,
            None => &mut query.rows,
        };
        let mut products = vec![(&self.query, projected)];
        if let Some(cached) = &self.cached {
            products.push((&cached.key, &mut key.rows));
            products.extend(cached.value.as_ref().map(|w| (w, &mut value.rows)));
        }
        norm_products(
            pass,
            frame.fusion,
            &a.stream,
            norm,
            &mut a.normed,
            a.adapted.as_ref(),
            &mut products,
        )?;
        take_queries(pass, a.gated_query.as_ref(), query)?;
        let Some(cached) = &self.cached else {
            return self.record_query(pass, frame, &mut query.heads, cache);
        };
        cached.record_values(pass, frame, key, value)?;
        let heads = ProjectedHeads {
            query: Some(&mut query.heads),
            key: &mut key.heads,
            value: &mut value.heads,
            biases: self.head_biases(),
        };
        self.record_append(pass, frame, cached, heads, cache)
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
        let Some(cached) = &self.cached else {
            return Ok(()); // Blocks that fill no cache are recorded for the last token alone.
        };
        let windowed = self.window.is_some();
        let AttentionHeads { key, value, .. } = a.attention.of(windowed);
        let mut products = vec![(&cached.key, &mut key.rows)];
        products.extend(cached.value.as_ref().map(|w| (w, &mut value.rows)));
        norm_products(
            pass,
            frame.fusion,
            &a.stream,
            norm,
            &mut a.normed,
            a.adapted.as_ref(),
            &mut products,
        )?;
        cached.record_values(pass, frame, key, value)?;
        let mut last_query = None;
        if let Some(row) = last {
            let query = &mut row.attention.of(windowed).query;
            let projected = match &mut row.gated_query {
                Some(gated) => &mut gated.rows,
                None => &mut query.rows,
            };
            norm_products(
                pass,
                frame.fusion,
                &row.stream,
                norm,
                &mut row.normed,
                row.adapted.as_ref(),
                &mut [(&self.query, projected)],
            )?;
            take_queries(pass, row.gated_query.as_ref(), query)?;
            last_query = Some(&mut query.heads);
        }
        let heads = ProjectedHeads {
            query: last_query,
            key: &mut key.heads,
            value: &mut value.heads,
            biases: self.head_biases(),
        };
        self.record_append(pass, frame, cached, heads, cache)
    }

    fn head_biases(&self) -> Option<HeadBiases<'_>> {
        let [query, key, value] = self.biases.as_ref()?;
        Some(HeadBiases { query, key, value })
    }

    fn rope<'a>(&self, frame: Frame<'a>) -> &'a Rope {
        match self.window {
            Some(_) => frame.window_rope,
            None => frame.rope,
        }
    }

    /// Records what makes rotated queries of the projected heads, and appends keys and values to the cache.
    fn record_append(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        cached: &Cached,
        heads: ProjectedHeads<'_>,
        cache: &mut LayerCache,
    ) -> Result<()> {
        let norms = match (&self.query_norm, &cached.key_norm) {
            (Some(query), Some(key)) => Some(HeadNorms {
                query,
                key,
                eps: frame.config.norm_eps,
            }),
            _ => None,
        };
        let rope = self.rope(frame);
        let cache = CacheRows {
            keys: &mut cache.keys,
            values: &mut cache.values,
            positions: frame.positions,
            ring: cache.ring,
        };
        Ok(ops::qk_norm_rope_append(
            pass,
            frame.fusion,
            norms,
            rope,
            heads,
            cache,
        )?)
    }

    /// Records what makes rotated queries of the projected ones, where keys and values are in the cache already.
    fn record_query(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        query: &mut Tensor,
        cache: &LayerCache,
    ) -> Result<()> {
        let norm = self.query_norm.as_ref().map(|weight| frame.norm(weight));
        let rope = self.rope(frame);
        Ok(ops::query_norm_rope(
            pass,
            frame.fusion,
            norm,
            rope,
            query,
            frame.positions,
            cache.keys.format(),
        )?)
    }

    /// Records what attention reads of the cache, and adds it to the residual stream.
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
        } = a.attention.of(self.window.is_some());
        record_attended(pass, frame, self.window, &query.heads, cache, attended)?;
        let attended = match &a.gated_query {
            None => &attended.rows,
            Some(gated) => {
                // Queries are not needed any more: their memory takes what is let through.
                let [_, gate] = halves(&gated.heads)?;
                let shape = [gate.rows(), gate.columns()];
                let attended = attended.heads.reshape(shape)?;
                let mut out = query.heads.reshape(shape)?;
                ops::binary(pass, Binary::SigmoidMul, &gate, &attended, &mut out)?;
                &query.rows
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

impl Cached {
    /// Records what makes values of their projection, or of that to keys.
    fn record_values(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        key: &Heads,
        value: &mut Heads,
    ) -> Result<()> {
        let (eps, value) = (frame.config.norm_eps, &mut value.heads);
        match (self.value_norm, &self.value) {
            (false, _) => {}
            (true, Some(_)) => ops::rms_norm_assign(pass, value, NormWeight::None, eps)?,
            (true, None) => ops::rms_norm(pass, &key.heads, NormWeight::None, eps, value)?,
        }
        Ok(())
    }
}

/// Records what queries read of a cache.
pub(super) fn record_attended(
    pass: &mut Pass,
    frame: Frame<'_>,
    window: Option<u32>,
    query: &Tensor,
    cache: &LayerCache,
    attended: &mut Heads,
) -> Result<()> {
    let options = Attention {
        scale: frame.config.attention_scale,
        window,
        softcap: frame.config.attention_softcap,
        sinks: None,
    };
    let attend = match cache.ring {
        Some(_) => ops::attention_ring,
        None => ops::attention,
    };
    attend(
        pass,
        query,
        &cache.keys,
        &cache.values,
        frame.positions,
        &options,
        &mut attended.heads,
    )?;
    match cache.keys.format() {
        Format::Turbo(_) => Ok(ops::hadamard(pass, Hadamard::Inverse, &mut attended.heads)?),
        _ => Ok(()),
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
fn take_queries(pass: &mut Pass, gated: Option<&Heads>, query: &mut Heads) -> Result<()> {
    let Some(gated) = gated else {
        return Ok(());
    };
    let [projected, _] = halves(&gated.heads)?;
    let mut out = query
        .heads
        .reshape([projected.rows(), projected.columns()])?;
    Ok(ops::copy(pass, &projected, &mut out)?)
}
