//! The transformer block of an encoder: what is added to the stream is normalised together with it, behind attention and behind the
//! feed-forward layer.

use std::ops::Range;

use mettle_gpu::{Device, Pass, Tensor};
use mettle_kernels::ops::{self, Attention, Binary, Fusion, Unary};

use super::EncoderConfig;
use crate::{Result, weights::Loader};

/// A matrix, `[outputs, inputs]`, and what is added to products with it, `[1, outputs]`.
pub(super) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn load(loader: &mut Loader<'_>, name: &str, shape: [usize; 2]) -> Result<Self> {
        let bias = loader.vector(&format!("{name}.bias"), shape[0])?;
        Ok(Self {
            weight: loader.matrix(&format!("{name}.weight"), shape)?,
            bias: bias.reshape([1, shape[0]])?,
        })
    }

    /// Records `out = x w^T + bias`.
    fn record(&self, pass: &mut Pass, x: &Tensor, out: &mut Tensor) -> Result<()> {
        ops::mul_mat(pass, &self.weight, x, out)?;
        Ok(ops::binary_assign(pass, Binary::Add, out, &self.bias)?)
    }

    /// Records `stream += x w^T + bias`; `scratch` has the shape of `stream`.
    fn record_add(
        &self,
        pass: &mut Pass,
        fusion: Fusion,
        x: &Tensor,
        scratch: &mut Tensor,
        stream: &mut Tensor,
    ) -> Result<()> {
        ops::mul_mat_add(pass, fusion, &self.weight, x, scratch, stream)?;
        Ok(ops::binary_assign(pass, Binary::Add, stream, &self.bias)?)
    }
}

/// Weight and bias of a layer norm.
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f32,
}

impl LayerNorm {
    pub(super) fn load(
        loader: &mut Loader<'_>,
        config: &EncoderConfig,
        name: &str,
    ) -> Result<Self> {
        Ok(Self {
            weight: loader.vector(&format!("{name}.weight"), config.hidden)?,
            bias: loader.vector(&format!("{name}.bias"), config.hidden)?,
            eps: config.norm_eps,
        })
    }

    /// Records the norm of what has been added up; it becomes the stream.
    pub(super) fn record(&self, pass: &mut Pass, states: &mut States) -> Result<()> {
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        let States { stream, normed, .. } = states;
        ops::layer_norm(pass, stream, weight, bias, self.eps, normed)?;
        std::mem::swap(stream, normed);
        Ok(())
    }
}

/// What the blocks compute for the tokens of a pass, `[tokens, ..]` each.
pub(super) struct States {
    pub(super) stream: Tensor,
    pub(super) normed: Tensor,
    projected: Tensor,
    /// `[tokens, heads, head_size]`, and the same memory in rows.
    heads: [Tensor; 4],
    rows: [Tensor; 4],
    up: Tensor,
    /// The last token that each token sees, I32: the last one of its text.
    horizon: Tensor,
    /// Where the texts are.
    texts: Vec<Range<usize>>,
}

impl States {
    pub(super) fn new(
        device: &Device,
        config: &EncoderConfig,
        texts: Vec<Range<usize>>,
    ) -> Result<Self> {
        let tokens = texts.last().map_or(0, |text| text.end);
        let plain = |what, columns| -> Result<Tensor> {
            Ok(Tensor::empty::<f32>(device, [tokens, columns])?.labelled(what))
        };
        let head_size = config.hidden / config.heads;
        let rows = [
            plain("queries", config.hidden)?,
            plain("keys", config.hidden)?,
            plain("values", config.hidden)?,
            plain("attended values", config.hidden)?,
        ];
        let mut heads = rows.clone();
        for heads in &mut heads {
            *heads = heads.reshape([tokens, config.heads, head_size])?;
        }
        // The context, and with it a text, is far shorter than i32 can say.
        let horizon: Vec<i32> = texts
            .iter()
            .flat_map(|text| std::iter::repeat_n(text.len() as i32 - 1, text.len()))
            .collect();
        Ok(Self {
            stream: plain("residual stream", config.hidden)?,
            normed: plain("normed stream", config.hidden)?,
            projected: plain("projected", config.hidden)?,
            heads,
            rows,
            up: plain("up", config.feed_forward)?,
            horizon: Tensor::from_slice(device, &horizon, [tokens])?.labelled("horizon"),
            texts,
        })
    }

    /// Bytes for so many tokens.
    pub(super) fn bytes(config: &EncoderConfig, tokens: usize) -> u64 {
        let values = 7 * config.hidden as u64 + config.feed_forward as u64 + 1;
        (4 * tokens as u64).saturating_mul(values)
    }
}

/// Weights of one block.
pub(super) struct Block {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    output_norm: LayerNorm,
}

impl Block {
    pub(super) fn load(
        loader: &mut Loader<'_>,
        config: &EncoderConfig,
        layer: usize,
    ) -> Result<Self> {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let (hidden, width) = (config.hidden, config.feed_forward);
        let mut linear = |part, shape| Linear::load(loader, &name(part), shape);
        Ok(Self {
            query: linear("attn_q", [hidden; 2])?,
            key: linear("attn_k", [hidden; 2])?,
            value: linear("attn_v", [hidden; 2])?,
            output: linear("attn_output", [hidden; 2])?,
            up: linear("ffn_up", [width, hidden])?,
            down: linear("ffn_down", [hidden, width])?,
            attention_norm: LayerNorm::load(loader, config, &name("attn_output_norm"))?,
            output_norm: LayerNorm::load(loader, config, &name("layer_output_norm"))?,
        })
    }

    /// Records the block.
    pub(super) fn record(&self, pass: &mut Pass, fusion: Fusion, s: &mut States) -> Result<()> {
        let projections = [&self.query, &self.key, &self.value];
        for (projection, rows) in projections.into_iter().zip(&mut s.rows) {
            projection.record(pass, &s.stream, rows)?;
        }
        self.record_attention(pass, s)?;
        let [.., attended] = &s.rows;
        let (scratch, stream) = (&mut s.projected, &mut s.stream);
        self.output
            .record_add(pass, fusion, attended, scratch, stream)?;
        self.attention_norm.record(pass, s)?;

        self.up.record(pass, &s.stream, &mut s.up)?;
        ops::unary_assign(pass, Unary::GeluErf, &mut s.up)?;
        let (scratch, stream) = (&mut s.projected, &mut s.stream);
        self.down.record_add(pass, fusion, &s.up, scratch, stream)?;
        self.output_norm.record(pass, s)
    }

    /// Each text attends to itself: its keys and values are the cache, and all of its tokens see as much of it as the last one does.
    fn record_attention(&self, pass: &mut Pass, s: &mut States) -> Result<()> {
        for text in &s.texts {
            let part = |tensor: &Tensor| tensor.rows_range(text.clone());
            let [query, key, value, attended] = &s.heads;
            let query = part(query)?;
            let options = Attention {
                scale: 1.0 / (query.columns() as f32).sqrt(),
                window: None,
                softcap: None,
                sinks: None,
            };
            ops::attention(
                pass,
                &query,
                &part(key)?,
                &part(value)?,
                &part(&s.horizon)?,
                &options,
                &mut part(attended)?,
            )?;
        }
        Ok(())
    }
}
