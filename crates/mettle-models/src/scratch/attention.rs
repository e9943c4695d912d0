//! Memory for heads of queries, keys and values.

use std::ops::Range;

use mettle_gpu::{Device, Tensor};

use crate::{Config, Heads as Shape, Result};

/// Values of heads, under the shapes that ops want them in; all share memory.
pub(crate) struct Heads {
    /// `[tokens, heads * head_dim]`, as matrix products make and take them.
    pub(crate) rows: Tensor,
    /// `[tokens, heads, head_dim]`.
    pub(crate) heads: Tensor,
}

impl Heads {
    pub(super) fn new(
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

    pub(super) fn tokens(&self, range: Range<usize>) -> Result<Self> {
        Self::over(self.heads.rows_range(range)?)
    }
}

/// Heads of one layer's attention.
pub(crate) struct AttentionHeads {
    pub(crate) query: Heads,
    pub(crate) key: Heads,
    pub(crate) value: Heads,
    pub(crate) attended: Heads,
}

impl AttentionHeads {
    /// Queries, keys and values lie one after the other at the start of `projected`, so that one launch can make them. Both are `[values, 1]`.
    fn over(
        [projected, attended]: [&Tensor; 2],
        tokens: usize,
        query_heads: usize,
        shape: Shape,
    ) -> Result<Self> {
        let of_heads = |heads: usize| tokens * heads * shape.head_dim;
        let (queries, keys) = (of_heads(query_heads), of_heads(shape.kv_heads));
        let heads = |memory: &Tensor, range: Range<usize>, heads, what: &str| {
            let part = memory.rows_range(range)?;
            let part = part.reshape([tokens, heads, shape.head_dim])?;
            Heads::over(part.labelled(what))
        };
        let (key, value) = (queries + keys, queries + 2 * keys);
        Ok(Self {
            query: heads(projected, 0..queries, query_heads, "queries")?,
            key: heads(projected, queries..key, shape.kv_heads, "keys")?,
            value: heads(projected, key..value, shape.kv_heads, "values")?,
            attended: heads(attended, 0..queries, query_heads, "attended values")?,
        })
    }

    fn tokens(&self, range: Range<usize>) -> Result<Self> {
        Ok(Self {
            query: self.query.tokens(range.clone())?,
            key: self.key.tokens(range.clone())?,
            value: self.value.tokens(range.clone())?,
            attended: self.attended.tokens(range)?,
        })
    }
}

/// Heads of the attention of all layers, which use the same memory one after the other.
pub(crate) struct Attention {
    plain: AttentionHeads,
    /// Of layers with a window, where they have others.
    windowed: Option<AttentionHeads>,
}

impl Attention {
    pub(super) fn new(device: &Device, config: &Config, tokens: usize) -> Result<Self> {
        let memory = |values: usize| Tensor::empty::<f32>(device, [tokens * values, 1]);
        let [projected, attended] = values(config);
        let memory = [&memory(projected)?, &memory(attended)?];
        let over = |shape| AttentionHeads::over(memory, tokens, config.heads, shape);
        Ok(Self {
            plain: over(config.kv)?,
            windowed: of_window(config).map(over).transpose()?,
        })
    }

    /// Values of a token.
    pub(super) fn values(config: &Config) -> u64 {
        values(config).iter().sum::<usize>() as u64
    }

    /// Those of layers with a window, or without.
    pub(crate) fn of(&mut self, windowed: bool) -> &mut AttentionHeads {
        match &mut self.windowed {
            Some(heads) if windowed => heads,
            _ => &mut self.plain,
        }
    }

    pub(super) fn tokens(&self, range: Range<usize>) -> Result<Self> {
        Ok(Self {
            plain: self.plain.tokens(range.clone())?,
            windowed: match &self.windowed {
                Some(heads) => Some(heads.tokens(range)?),
                None => None,
            },
        })
    }
}

fn of_window(config: &Config) -> Option<Shape> {
    config.window.as_ref()?.heads
}

/// Values of a token, of all that is projected and of what is attended, in the layers that have the most.
fn values(config: &Config) -> [usize; 2] {
    let of = |shape: Shape| {
        let queries = config.heads * shape.head_dim;
        [queries + 2 * shape.kv_heads * shape.head_dim, queries]
    };
    let (plain, windowed) = (of(config.kv), of_window(config).map_or([0; 2], of));
    [0, 1].map(|i| plain[i].max(windowed[i]))
}

/// Query heads times their width, in the layers that have the most.
pub(super) fn widest(config: &Config) -> usize {
    let width = |shape: Shape| config.heads.max(shape.kv_heads) * shape.head_dim;
    width(config.kv).max(of_window(config).map_or(0, width))
}
