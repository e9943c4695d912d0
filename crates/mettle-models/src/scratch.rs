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

    /// Three that lie one after the other in memory, so that one launch can make them; each has so many heads.
    fn side_by_side(
        device: &Device,
        tokens: usize,
        head_dim: usize,
        each: [(&str, usize); 3],
    ) -> Result<[Self; 3]> {
        let all: usize = each.iter().map(|(_, heads)| heads).sum();
        let memory = Tensor::empty::<f32>(device, [tokens * all, head_dim])?;
        let parts = memory.split_rows(each.map(|(_, heads)| tokens * heads))?;
        let over = |part: &Tensor, (what, heads): (&str, usize)| {
            Self::over(part.reshape([tokens, heads, head_dim])?.labelled(what))
        };
        let [query, key, value] = &parts;
        let [of_query, of_key, of_value] = each;
        Ok([
            over(query, of_query)?,
            over(key, of_key)?,
            over(value, of_value)?,
        ])
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
        let (heads, kv_heads) = (config.heads, config.kv_heads);
        let each = [("queries", heads), ("keys", kv_heads), ("values", kv_heads)];
        let [query, key, value] = Heads::side_by_side(device, tokens, config.head_dim, each)?;
        Ok(Self {
            stream: plain("residual stream", config.hidden)?,
            normed: plain("normed stream", config.hidden)?,
            projected: plain("projected", config.hidden)?,
            query,
            key,
            value,
            attended: Heads::new(device, "attended values", tokens, heads, config.head_dim)?,
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
    /// For one token: of its own, as decoding uses it for every token and results of its launches lie side by side.
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
            one: Activations::new(device, config, 1)?,
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
        let tokens = chunk.min(context) as u64 + 1;
        let values = tokens.saturating_mul(Activations::values(config) + 1);
        let all = values
            .saturating_add(3 * config.vocabulary as u64)
            .saturating_add(context as u64);
        all.saturating_mul(4)
    }
}
