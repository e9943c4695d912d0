//! The transformer block that all families share.

use mettle_gpu::{Pass, Tensor};
use mettle_kernels::ops::{self, Attention, Rope};

use crate::{
    Config, Result,
    kv_cache::LayerCache,
    scratch::{Activations, Heads},
    weights::Loader,
};

/// Weights of one block. Matrices are `[outputs, inputs]`.
pub(super) struct Block {
    attention_norm: Tensor,
    query: Projection,
    key: Projection,
    value: Tensor,
    attention_output: Tensor,
    feed_forward_norm: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
}

/// A projection to heads that are rotated afterwards.
struct Projection {
    weight: Tensor,
    /// Of an RMS norm over each head, for families that have one.
    norm: Option<Tensor>,
}

/// What is the same for all blocks of a pass.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) config: &'a Config,
    pub(super) rope: &'a Rope,
    /// Of the tokens, I32.
    pub(super) positions: &'a Tensor,
}

impl Projection {
    fn record_product(
        &self,
        pass: &mut Pass,
        x: &Tensor,
        raw: &mut Heads,
        out: &mut Heads,
    ) -> Result<()> {
        let out = if self.norm.is_some() { raw } else { out };
        Ok(ops::mul_mat(pass, &self.weight, x, &mut out.rows)?)
    }

    fn record_norm(&self, pass: &mut Pass, eps: f32, raw: &Heads, out: &mut Heads) -> Result<()> {
        if let Some(norm) = &self.norm {
            ops::rms_norm(pass, &raw.each, norm, eps, &mut out.each)?;
        }
        Ok(())
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
        let head_norms = config.architecture.family().head_norms;
        let mut projection = |part: &str, heads: usize| -> Result<Projection> {
            Ok(Projection {
                weight: loader.matrix(&name(part), [heads * head_dim, hidden])?,
                norm: match head_norms {
                    true => Some(loader.vector(&name(&format!("{part}_norm")), head_dim)?),
                    false => None,
                },
            })
        };
        let (query, key) = (
            projection("attn_q", heads)?,
            projection("attn_k", kv_heads)?,
        );
        Ok(Self {
            attention_norm: loader.vector(&name("attn_norm"), hidden)?,
            query,
            key,
            value: loader.matrix(&name("attn_v"), [kv_heads * head_dim, hidden])?,
            attention_output: loader.matrix(&name("attn_output"), [hidden, heads * head_dim])?,
            feed_forward_norm: loader.vector(&name("ffn_norm"), hidden)?,
            gate: loader.matrix(&name("ffn_gate"), [feed_forward, hidden])?,
            up: loader.matrix(&name("ffn_up"), [feed_forward, hidden])?,
            down: loader.matrix(&name("ffn_down"), [hidden, feed_forward])?,
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
        let (eps, rope) = (frame.config.norm_eps, frame.rope);
        ops::rms_norm(pass, &a.stream, &self.attention_norm, eps, &mut a.normed)?;
        // What does not depend on each other stands together, so that it can overlap.
        self.query
            .record_product(pass, &a.normed, &mut a.raw_query, &mut a.query)?;
        self.key
            .record_product(pass, &a.normed, &mut a.raw_key, &mut a.key)?;
        ops::mul_mat(pass, &self.value, &a.normed, &mut a.value.rows)?;
        self.query
            .record_norm(pass, eps, &a.raw_query, &mut a.query)?;
        self.key.record_norm(pass, eps, &a.raw_key, &mut a.key)?;
        ops::rope(pass, &mut a.query.heads, frame.positions, rope)?;
        ops::rope(pass, &mut a.key.heads, frame.positions, rope)?;
        self.record_append(pass, frame, a, cache)?;
        self.record_attention(pass, frame, a, cache)?;
        self.record_feed_forward(pass, frame, a)
    }

    /// Records of the block what fills the cache, and nothing of its output.
    pub(super) fn record_cache(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &mut Activations,
        cache: &mut LayerCache,
    ) -> Result<()> {
        let eps = frame.config.norm_eps;
        ops::rms_norm(pass, &a.stream, &self.attention_norm, eps, &mut a.normed)?;
        self.key
            .record_product(pass, &a.normed, &mut a.raw_key, &mut a.key)?;
        ops::mul_mat(pass, &self.value, &a.normed, &mut a.value.rows)?;
        self.key.record_norm(pass, eps, &a.raw_key, &mut a.key)?;
        ops::rope(pass, &mut a.key.heads, frame.positions, frame.rope)?;
        self.record_append(pass, frame, a, cache)
    }

    /// Records the block's output for some of the tokens that [`record_cache`](Self::record_cache) has seen; `a` and the
    /// positions of the frame are theirs.
    pub(super) fn record_output(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &mut Activations,
        cache: &LayerCache,
    ) -> Result<()> {
        let eps = frame.config.norm_eps;
        self.query
            .record_product(pass, &a.normed, &mut a.raw_query, &mut a.query)?;
        self.query
            .record_norm(pass, eps, &a.raw_query, &mut a.query)?;
        ops::rope(pass, &mut a.query.heads, frame.positions, frame.rope)?;
        self.record_attention(pass, frame, a, cache)?;
        self.record_feed_forward(pass, frame, a)
    }

    fn record_append(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &Activations,
        cache: &mut LayerCache,
    ) -> Result<()> {
        let (keys, values) = (&mut cache.keys, &mut cache.values);
        Ok(ops::kv_append(
            pass,
            &a.key.heads,
            &a.value.heads,
            keys,
            values,
            frame.positions,
        )?)
    }

    fn record_attention(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &mut Activations,
        cache: &LayerCache,
    ) -> Result<()> {
        let options = Attention {
            scale: 1.0 / (frame.config.head_dim as f32).sqrt(),
            window: frame
                .config
                .window
                .map(|w| u32::try_from(w).unwrap_or(u32::MAX)),
        };
        let (query, attended) = (&a.query.heads, &mut a.attended.heads);
        let LayerCache { keys, values } = cache;
        ops::attention(
            pass,
            query,
            keys,
            values,
            frame.positions,
            &options,
            attended,
        )?;
        ops::mul_mat(
            pass,
            &self.attention_output,
            &a.attended.rows,
            &mut a.projected,
        )?;
        Ok(ops::add_assign(pass, &mut a.stream, &a.projected)?)
    }

    fn record_feed_forward(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &mut Activations,
    ) -> Result<()> {
        let eps = frame.config.norm_eps;
        ops::rms_norm(pass, &a.stream, &self.feed_forward_norm, eps, &mut a.normed)?;
        ops::mul_mat(pass, &self.gate, &a.normed, &mut a.gate)?;
        ops::mul_mat(pass, &self.up, &a.normed, &mut a.up)?;
        ops::swiglu(pass, &a.gate, &a.up, &mut a.activated)?;
        ops::mul_mat(pass, &self.down, &a.activated, &mut a.projected)?;
        Ok(ops::add_assign(pass, &mut a.stream, &a.projected)?)
    }
}
