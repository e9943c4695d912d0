//! Activations: memory that every forward pass of a session uses again.

use std::ops::Range;

use mettle_gpu::{Device, Tensor};

use crate::{Config, Result};

/// Values of heads, under the shapes that ops want them in; all share memory.
pub(crate) struct Heads {
    /// `[tokens, heads * head_dim]`, as matrix products make and take them.
    pub(crate) rows: Tensor,
    /// `[tokens, heads, head_dim]`.
    pub(crate) heads: Tensor,
}

impl Heads {
    fn new(
        device: &Device,
        what: &str,
        tokens: usize,
        heads: usize,
        head_dim: usize,
    ) -> Result<Self> {
        let heads = Tensor::empty::<f32>(device, [tokens, heads, head_dim])?;
        Self::over(heads.labelled(what))
    }

    fn over(heads: Tensor) -> Result<Self> {
        let (tokens, count, head_dim) = (heads.shape()[0], heads.shape()[1], heads.shape()[2]);
        Ok(Self {
            rows: heads.reshape([tokens, count * head_dim])?,
            heads,
        })
    }

    fn tokens(&self, range: Range<usize>) -> Result<Self> {
        Self::over(self.heads.rows_range(range)?)
    }
}

/// What the blocks compute for some tokens, `[tokens, ..]` each.
pub(crate) struct Activations {
    /// The residual stream.
    pub(crate) stream: Tensor,
    pub(crate) normed: Tensor,
    /// What is added to the stream.
    pub(crate) projected: Tensor,
    pub(crate) query: Heads,
    pub(crate) key: Heads,
    pub(crate) value: Heads,
    pub(crate) attended: Heads,
    pub(crate) gate: Tensor,
    pub(crate) up: Tensor,
    pub(crate) activated: Tensor,
}

impl Activations {
    fn new(device: &Device, config: &Config, tokens: usize) -> Result<Self> {
        let plain = |what, columns| -> Result<Tensor> {
            Ok(Tensor::empty::<f32>(device, [tokens, columns])?.labelled(what))
        };
        let heads = |what, count| Heads::new(device, what, tokens, count, config.head_dim);
        Ok(Self {
            stream: plain("residual stream", config.hidden)?,
            normed: plain("normed stream", config.hidden)?,
            projected: plain("projected", config.hidden)?,
            query: heads("queries", config.heads)?,
            key: heads("keys", config.kv_heads)?,
            value: heads("values", config.kv_heads)?,
            attended: heads("attended values", config.heads)?,
            gate: plain("gate", config.feed_forward)?,
            up: plain("up", config.feed_forward)?,
            activated: plain("activated", config.feed_forward)?,
        })
    }

    /// Values a token.
    fn values(config: &Config) -> u64 {
        let query = config.heads as u64 * config.head_dim as u64;
        let key = config.kv_heads as u64 * config.head_dim as u64;
        3 * config.hidden as u64 + 2 * query + 2 * key + 3 * config.feed_forward as u64
    }

    /// The memory of some of the tokens.
    pub(crate) fn tokens(&self, range: Range<usize>) -> Result<Self> {
        let plain = |tensor: &Tensor| tensor.rows_range(range.clone());
        let heads = |heads: &Heads| heads.tokens(range.clone());
        Ok(Self {
            stream: plain(&self.stream)?,
            normed: plain(&self.normed)?,
            projected: plain(&self.projected)?,
            query: heads(&self.query)?,
            key: heads(&self.key)?,
            value: heads(&self.value)?,
            attended: heads(&self.attended)?,
            gate: plain(&self.gate)?,
            up: plain(&self.up)?,
            activated: plain(&self.activated)?,
        })
    }
}

/// All memory of a session but the cache.
pub(crate) struct Scratch {
    /// For a chunk of a prompt.
    chunk: Activations,
    /// For one token: the first of the chunk's, made once because decoding uses it for every token.
    one: Activations,
    /// For the number of tokens used last, if it is neither: the end of a prompt.
    some: Option<(usize, Activations)>,
    size: usize,
}

impl Scratch {
    pub(crate) fn new(
        device: &Device,
        config: &Config,
        context: usize,
        chunk: usize,
    ) -> Result<Self> {
        let size = chunk.min(context);
        let chunk = Activations::new(device, config, size)?;
        Ok(Self {
            one: chunk.tokens(0..1)?,
            chunk,
            some: None,
            size,
        })
    }

    /// Tokens that fit into a pass.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Memory for `tokens`, at most [`size`](Self::size) of them.
    pub(crate) fn activations(&mut self, tokens: usize) -> Result<&mut Activations> {
        if tokens == self.size {
            return Ok(&mut self.chunk);
        }
        if tokens == 1 {
            return Ok(&mut self.one);
        }
        let activations = match self.some.take() {
            Some((count, kept)) if count == tokens => kept,
            _ => self.chunk.tokens(0..tokens)?,
        };
        Ok(&mut self.some.insert((tokens, activations)).1)
    }

    /// Bytes of a session's activations, ids, positions, logits, and of the candidates among them that a draw sorts out.
    pub(crate) fn bytes(config: &Config, context: usize, chunk: usize) -> u64 {
        let tokens = chunk.min(context) as u64;
        let values = tokens.saturating_mul(Activations::values(config) + 1);
        let all = values
            .saturating_add(3 * config.vocabulary as u64)
            .saturating_add(context as u64);
        all.saturating_mul(4)
    }
}
