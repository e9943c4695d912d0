//! The transformer block that all families share.

use mettle_gpu::{Pass, Tensor};
use mettle_kernels::ops::{
    self, Activation, Attention, CacheRows, Fusion, Glu, GluScratch, HeadBiases, HeadNorms, Norm,
    ProjectedHeads, Rope,
};

use crate::{Config, Result, kv_cache::LayerCache, scratch::Activations, weights::Loader};

/// Weights of one block. Matrices are `[outputs, inputs]`.
pub(super) struct Block {
    attention_norm: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    /// Of the projections to queries, keys and values, for families that have them.
    biases: Option<[Tensor; 3]>,
    /// Of RMS norms over each head of queries and of keys, for families that have them.
    head_norms: Option<[Tensor; 2]>,
    attention_output: Tensor,
    /// Of RMS norms of what attention and the feed-forward layer add, for families that have them.
    post_norms: Option<[Tensor; 2]>,
    feed_forward_norm: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
    activation: Activation,
    /// Keys that a query sees; all before it when absent.
    window: Option<u32>,
}

/// What is the same for all blocks of a pass.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) config: &'a Config,
    pub(super) fusion: Fusion,
    pub(super) rope: &'a Rope,
    /// Of blocks with a window.
    pub(super) window_rope: &'a Rope,
    /// Of the tokens, I32.
    pub(super) positions: &'a Tensor,
}

impl Frame<'_> {
    fn norm<'a>(&self, weight: &'a Tensor) -> Norm<'a> {
        Norm {
            weight,
            eps: self.config.norm_eps,
        }
    }
}

impl Block {
    pub(super) fn load(loader: &mut Loader<'_>, config: &Config, layer: usize) -> Result<Self> {
        let Config {
            hidden,
            heads,
            kv_heads,
            head_dim,
            feed_forward,
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
        let (queries, keys) = (heads * head_dim, kv_heads * head_dim);
        let [query, key, value] = match family.packed {
            true => loader.parts(&name("attn_qkv"), [queries, keys, keys], hidden)?,
            false => [
                loader.matrix(&name("attn_q"), [queries, hidden])?,
                loader.matrix(&name("attn_k"), [keys, hidden])?,
                loader.matrix(&name("attn_v"), [keys, hidden])?,
            ],
        };
        let [gate, up] = match family.packed {
            true => loader.parts(&name("ffn_up"), [feed_forward; 2], hidden)?,
            false => [
                loader.matrix(&name("ffn_gate"), [feed_forward, hidden])?,
                loader.matrix(&name("ffn_up"), [feed_forward, hidden])?,
            ],
        };
        let post_norms = match family.post_norms {
            true => Some([
                loader.vector(&name("post_attention_norm"), hidden)?,
                loader.vector(&name("post_ffw_norm"), hidden)?,
            ]),
            false => None,
        };
        Ok(Self {
            attention_norm: loader.vector(&name("attn_norm"), hidden)?,
            query,
            key,
            value,
            biases,
            head_norms,
            attention_output: loader.matrix(&name("attn_output"), [hidden, heads * head_dim])?,
            post_norms,
            feed_forward_norm: loader.vector(&name("ffn_norm"), hidden)?,
            gate,
            up,
            down: loader.matrix(&name("ffn_down"), [hidden, feed_forward])?,
            activation: family.activation,
            window: config
                .window(layer)
                .map(|size| u32::try_from(size).unwrap_or(u32::MAX)),
        })
    }

    /// Records the block: attention and feed-forward, each added to the residual stream.
    pub(super) fn record(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &mut Activations,
        cache: &mut LayerCache,
    ) -> Result<()> {
        ops::norm_mul_mats(
            pass,
            frame.fusion,
            &a.stream,
            frame.norm(&self.attention_norm),
            &mut a.normed,
            &mut [
                (&self.query, &mut a.query.rows),
                (&self.key, &mut a.key.rows),
                (&self.value, &mut a.value.rows),
            ],
        )?;
        let heads = ProjectedHeads {
            query: Some(&mut a.query.heads),
            key: &mut a.key.heads,
            value: &mut a.value.heads,
            biases: self.head_biases(),
        };
        self.record_append(pass, frame, heads, cache)?;
        self.record_output(pass, frame, a, cache)
    }

    /// Records of the block what fills the cache, and its output for nothing but the last token, whose row of `a` is `last`; for
    /// none at all without one.
    pub(super) fn record_last(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &mut Activations,
        mut last: Option<&mut Activations>,
        cache: &mut LayerCache,
    ) -> Result<()> {
        let norm = frame.norm(&self.attention_norm);
        ops::norm_mul_mats(
            pass,
            frame.fusion,
            &a.stream,
            norm,
            &mut a.normed,
            &mut [
                (&self.key, &mut a.key.rows),
                (&self.value, &mut a.value.rows),
            ],
        )?;
        if let Some(row) = &mut last {
            ops::norm_mul_mats(
                pass,
                frame.fusion,
                &row.stream,
                norm,
                &mut row.normed,
                &mut [(&self.query, &mut row.query.rows)],
            )?;
        }
        let heads = ProjectedHeads {
            query: last.as_mut().map(|row| &mut row.query.heads),
            key: &mut a.key.heads,
            value: &mut a.value.heads,
            biases: self.head_biases(),
        };
        self.record_append(pass, frame, heads, cache)?;
        let Some(row) = last else { return Ok(()) };
        let tokens = frame.positions.len();
        let frame = Frame {
            positions: &frame.positions.rows_range(tokens - 1..tokens)?,
            ..frame
        };
        self.record_output(pass, frame, row, cache)
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

    /// Records what follows once queries are rotated and the cache is filled.
    fn record_output(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &mut Activations,
        cache: &LayerCache,
    ) -> Result<()> {
        let options = Attention {
            scale: frame.config.attention_scale,
            window: self.window,
            softcap: frame.config.attention_softcap,
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
        let [attention_norm, feed_forward_norm] = match &self.post_norms {
            Some(norms) => norms.each_ref().map(|weight| Some(frame.norm(weight))),
            None => [None, None],
        };
        ops::mul_mat_norm_add(
            pass,
            frame.fusion,
            &self.attention_output,
            &a.attended.rows,
            attention_norm,
            &mut a.projected,
            &mut a.stream,
        )?;
        ops::norm_glu(
            pass,
            frame.fusion,
            &a.stream,
            frame.norm(&self.feed_forward_norm),
            Glu {
                activation: self.activation,
                gate: &self.gate,
                up: &self.up,
            },
            GluScratch {
                normed: &mut a.normed,
                gate: &mut a.gate,
                up: &mut a.up,
            },
            &mut a.activated,
        )?;
        Ok(ops::mul_mat_norm_add(
            pass,
            frame.fusion,
            &self.down,
            &a.activated,
            feed_forward_norm,
            &mut a.projected,
            &mut a.stream,
        )?)
    }
}
