//! Activations: memory that every forward pass of a session uses again.

mod attention;
mod units;

use std::ops::Range;

use mettle_gpu::{Device, Tensor};
use mettle_kernels::ops::{MoeScratch, MoeShape};

use crate::{Config, LatentAttention, LinearAttention, Result};
use attention::Attention;
pub(crate) use attention::{AttentionHeads, Heads};
use units::Units;

/// What layers of linear attention compute besides.
pub(crate) struct Linear {
    /// Queries, keys and values side by side, `[tokens, channels]`, as they are projected and as the convolution makes them.
    pub(crate) mixed: Tensor,
    pub(crate) convolved: Tensor,
    /// What gates the output, `[tokens, values]`.
    pub(crate) gate: Tensor,
    /// What decays and strengths are made of, and these, `[tokens, value_heads]` each.
    pub(crate) a: Tensor,
    pub(crate) b: Tensor,
    pub(crate) log_decay: Tensor,
    pub(crate) beta: Tensor,
    /// What is read of the state, `[tokens, values]`, and that gated.
    pub(crate) attended: Tensor,
    pub(crate) gated: Tensor,
}

impl Linear {
    fn new(device: &Device, linear: &LinearAttention, tokens: usize) -> Result<Self> {
        let plain = |what, columns| -> Result<Tensor> {
            Ok(Tensor::empty::<f32>(device, [tokens, columns])?.labelled(what))
        };
        let (heads, values) = (linear.value_heads, linear.values());
        Ok(Self {
            mixed: plain("queries, keys and values", linear.channels())?,
            convolved: plain("convolved queries, keys and values", linear.channels())?,
            gate: plain("gate of linear attention", values)?,
            a: plain("decay as projected", heads)?,
            b: plain("strength as projected", heads)?,
            log_decay: plain("decay", heads)?,
            beta: plain("strength", heads)?,
            attended: plain("linearly attended values", values)?,
            gated: plain("gated values", values)?,
        })
    }

    fn values(linear: &LinearAttention) -> u64 {
        (2 * linear.channels() + 3 * linear.values() + 4 * linear.value_heads) as u64
    }

    fn tokens(&self, range: Range<usize>) -> Result<Self> {
        let rows = |tensor: &Tensor| tensor.rows_range(range.clone());
        Ok(Self {
            mixed: rows(&self.mixed)?,
            convolved: rows(&self.convolved)?,
            gate: rows(&self.gate)?,
            a: rows(&self.a)?,
            b: rows(&self.b)?,
            log_decay: rows(&self.log_decay)?,
            beta: rows(&self.beta)?,
            attended: rows(&self.attended)?,
            gated: rows(&self.gated)?,
        })
    }
}

/// What latent attention computes besides.
pub(crate) struct Latent {
    /// What queries are made of, `[tokens, query_rank]`, and that normed; of no values in models that make them of the stream.
    pub(crate) query_low: Tensor,
    pub(crate) query_low_normed: Tensor,
    /// The parts of queries: `[tokens, heads * key]` and `[tokens, heads * rotary]`.
    pub(crate) query_key: Tensor,
    pub(crate) query_rotary: Tensor,
    /// The first as it is compared with latent rows, `[tokens, heads, rank]`.
    pub(crate) absorbed: Heads,
    /// What rows of the cache are made of: `[tokens, rank]` and `[tokens, rotary]`.
    pub(crate) keys: [Tensor; 2],
    /// `[tokens, heads, value]`.
    pub(crate) values: Heads,
    /// What goes into the matrices of heads and comes out, head by head; each takes the beginning.
    pub(crate) by_head: [Tensor; 2],
    /// The number of each head, again for each token, U32.
    pub(crate) ids: Tensor,
}

impl Latent {
    fn new(device: &Device, heads: usize, shape: &LatentAttention, tokens: usize) -> Result<Self> {
        let plain = |what, columns| -> Result<Tensor> {
            Ok(Tensor::empty::<f32>(device, [tokens, columns])?.labelled(what))
        };
        let LatentAttention {
            query_rank,
            rank,
            key,
            rotary,
            value,
        } = *shape;
        let by_head = |what, columns: usize| -> Result<Tensor> {
            Ok(Tensor::empty::<f32>(device, [tokens * heads * columns, 1])?.labelled(what))
        };
        let query_rank = query_rank.unwrap_or(0);
        let ids: Vec<u32> = (0..tokens).flat_map(|_| 0..heads as u32).collect();
        Ok(Self {
            query_low: plain("queries of low rank", query_rank)?,
            query_low_normed: plain("normed queries of low rank", query_rank)?,
            query_key: plain("queries", heads * key)?,
            query_rotary: plain("rotary queries", heads * rotary)?,
            absorbed: Heads::new(device, "absorbed queries", tokens, heads, rank)?,
            keys: [plain("latent rows", rank)?, plain("rotary keys", rotary)?],
            values: Heads::new(device, "values", tokens, heads, value)?,
            by_head: [
                by_head("inputs by head", key.max(rank))?,
                by_head("outputs by head", value.max(rank))?,
            ],
            ids: Tensor::from_slice(device, &ids, [ids.len()])?.labelled("heads"),
        })
    }

    fn values(heads: usize, shape: &LatentAttention) -> u64 {
        let LatentAttention {
            query_rank,
            rank,
            key,
            rotary,
            value,
        } = *shape;
        let of_head = key + rotary + rank + value + key.max(rank) + value.max(rank) + 1;
        (2 * query_rank.unwrap_or(0) + rank + rotary + heads * of_head) as u64
    }

    fn tokens(&self, range: Range<usize>) -> Result<Self> {
        let rows = |tensor: &Tensor| tensor.rows_range(range.clone());
        let [latent, rotary] = &self.keys;
        Ok(Self {
            query_low: rows(&self.query_low)?,
            query_low_normed: rows(&self.query_low_normed)?,
            query_key: rows(&self.query_key)?,
            query_rotary: rows(&self.query_rotary)?,
            absorbed: self.absorbed.tokens(range.clone())?,
            keys: [rows(latent)?, rows(rotary)?],
            values: self.values.tokens(range.clone())?,
            by_head: self.by_head.clone(),
            ids: self.ids.clone(),
        })
    }
}

/// What layers are given of tokens besides the stream, and what they make of it.
pub(crate) struct LayerInputScratch {
    /// `[tokens, layers * width]`: the inputs of all layers, side by side, and a part of them before it is added.
    pub(crate) inputs: Tensor,
    pub(crate) projected: Tensor,
    /// `[tokens, width]`: of one layer, before and after it lets the input through.
    pub(crate) gate: Tensor,
    pub(crate) gated: Tensor,
}

impl LayerInputScratch {
    fn new(device: &Device, config: &Config, width: usize, tokens: usize) -> Result<Self> {
        let plain = |what, columns| -> Result<Tensor> {
            Ok(Tensor::empty::<f32>(device, [tokens, columns])?.labelled(what))
        };
        Ok(Self {
            inputs: plain("inputs of layers", config.layers * width)?,
            projected: plain("projected inputs of layers", config.layers * width)?,
            gate: plain("gate of a layer's input", width)?,
            gated: plain("gated input of a layer", width)?,
        })
    }

    fn values(config: &Config, width: usize) -> u64 {
        2 * (config.layers as u64 + 1) * width as u64
    }

    fn tokens(&self, range: Range<usize>) -> Result<Self> {
        let rows = |tensor: &Tensor| tensor.rows_range(range.clone());
        Ok(Self {
            inputs: rows(&self.inputs)?,
            projected: rows(&self.projected)?,
            gate: rows(&self.gate)?,
            gated: rows(&self.gated)?,
        })
    }
}

/// What adapters compute on the way: memory for the largest of them, which each takes the beginning of.
#[derive(Clone)]
pub(crate) struct AdapterScratch {
    low: Tensor,
    added: Tensor,
}

impl AdapterScratch {
    fn new(device: &Device, config: &Config, rank: usize, tokens: usize) -> Result<Self> {
        let plain = |what, len| -> Result<Tensor> {
            Ok(Tensor::empty::<f32>(device, [len, 1])?.labelled(what))
        };
        Ok(Self {
            low: plain("of low rank", tokens * rank)?,
            added: plain("added by adapters", tokens * Self::widest(config))?,
        })
    }

    /// `[tokens, rank]`, for no more tokens than those of the pass.
    pub(crate) fn low(&self, tokens: usize, rank: usize) -> Result<Tensor> {
        let values = self.low.rows_range(0..tokens * rank)?;
        Ok(values.reshape([tokens, rank])?)
    }

    /// `[tokens, outputs]`, the same.
    pub(crate) fn added(&self, tokens: usize, outputs: usize) -> Result<Tensor> {
        let values = self.added.rows_range(0..tokens * outputs)?;
        Ok(values.reshape([tokens, outputs])?)
    }

    /// Outputs of the largest matrix that can be adapted.
    fn widest(config: &Config) -> usize {
        let gates = if config.linear.is_some() { 2 } else { 1 };
        let heads = gates * attention::widest(config);
        config.hidden.max(units::widest(config)).max(heads)
    }

    /// Values a token; none for models without adapters, whose rank is 0.
    fn values(config: &Config, rank: usize) -> u64 {
        match rank {
            0 => 0,
            _ => (rank + Self::widest(config)) as u64,
        }
    }
}

/// What the blocks compute for some tokens, `[tokens, ..]` each.
pub(crate) struct Activations {
    /// The residual stream.
    pub(crate) stream: Tensor,
    pub(crate) normed: Tensor,
    /// What is added to the stream.
    pub(crate) projected: Tensor,
    pub(crate) attention: Attention,
    /// Each head of queries with what gates its output behind it, in families with such gates.
    pub(crate) gated_query: Option<Heads>,
    pub(crate) linear: Option<Linear>,
    pub(crate) latent: Option<Latent>,
    pub(crate) units: Units,
    /// What layers of experts have instead, which is empty where all layers have experts.
    pub(crate) experts: Option<MoeScratch>,
    /// What experts make, in models whose layers have a feed-forward layer besides.
    pub(crate) of_experts: Option<Tensor>,
    /// In models that give each layer something of a token besides the stream.
    pub(crate) layer_inputs: Option<LayerInputScratch>,
    /// For models with adapters.
    pub(crate) adapted: Option<AdapterScratch>,
}

/// Sizes of the layers of experts.
fn of_experts(config: &Config) -> Option<MoeShape> {
    let experts = config.experts?;
    Some(MoeShape {
        experts: experts.count,
        slots: experts.used,
        width: config.hidden,
        of_expert: experts.feed_forward,
        of_shared: experts.shared.unwrap_or(0),
    })
}

impl Activations {
    fn new(device: &Device, config: &Config, rank: usize, tokens: usize) -> Result<Self> {
        let plain = |what, columns| -> Result<Tensor> {
            Ok(Tensor::empty::<f32>(device, [tokens, columns])?.labelled(what))
        };
        let heads = config.heads;
        let experts = of_experts(config);
        let gated_query = match config.linear {
            Some(_) => {
                let what = "queries and gates";
                Some(Heads::new(
                    device,
                    what,
                    tokens,
                    heads,
                    2 * config.kv.head_dim,
                )?)
            }
            None => None,
        };
        Ok(Self {
            stream: plain("residual stream", config.hidden)?,
            normed: plain("normed stream", config.hidden)?,
            projected: plain("projected", config.hidden)?,
            attention: Attention::new(device, config, tokens)?,
            gated_query,
            linear: match &config.linear {
                Some(linear) => Some(Linear::new(device, linear, tokens)?),
                None => None,
            },
            latent: match &config.latent {
                Some(latent) => Some(Latent::new(device, heads, latent, tokens)?),
                None => None,
            },
            units: Units::new(device, config, tokens)?,
            experts: experts
                .map(|shape| MoeScratch::new(device, shape, tokens))
                .transpose()?,
            of_experts: match config.experts {
                Some(experts) if experts.dense_besides => {
                    Some(plain("what experts made", config.hidden)?)
                }
                _ => None,
            },
            layer_inputs: match config.layer_input {
                Some(width) => Some(LayerInputScratch::new(device, config, width, tokens)?),
                None => None,
            },
            adapted: match rank {
                0 => None,
                _ => Some(AdapterScratch::new(device, config, rank, tokens)?),
            },
        })
    }

    /// Bytes for so many tokens.
    fn bytes(device: &Device, config: &Config, rank: usize, tokens: usize) -> u64 {
        let linear = match &config.linear {
            Some(linear) => {
                let query = config.heads as u64 * config.kv.head_dim as u64;
                Linear::values(linear) + 2 * query
            }
            None => 0,
        };
        let latent = match &config.latent {
            Some(latent) => Latent::values(config.heads, latent),
            None => 0,
        };
        let layer_inputs = match config.layer_input {
            Some(width) => LayerInputScratch::values(config, width),
            None => 0,
        };
        let of_experts =
            of_experts(config).map_or(0, |shape| MoeScratch::bytes(device, shape, tokens));
        let adapted = AdapterScratch::values(config, rank);
        let of_attention = Attention::values(config) + linear + latent;
        let besides = match config.experts {
            Some(experts) if experts.dense_besides => config.hidden as u64,
            _ => 0,
        };
        let of_units = Units::values(config) + layer_inputs + besides;
        let values = 3 * config.hidden as u64 + of_attention + of_units + adapted;
        (4 * tokens as u64)
            .saturating_mul(values)
            .saturating_add(of_experts)
    }

    /// The memory of some of the tokens.
    pub(crate) fn tokens(&self, range: Range<usize>) -> Result<Self> {
        let plain = |tensor: &Tensor| tensor.rows_range(range.clone());
        Ok(Self {
            stream: plain(&self.stream)?,
            normed: plain(&self.normed)?,
            projected: plain(&self.projected)?,
            attention: self.attention.tokens(range.clone())?,
            gated_query: match &self.gated_query {
                Some(heads) => Some(heads.tokens(range.clone())?),
                None => None,
            },
            linear: match &self.linear {
                Some(linear) => Some(linear.tokens(range.clone())?),
                None => None,
            },
            latent: match &self.latent {
                Some(latent) => Some(latent.tokens(range.clone())?),
                None => None,
            },
            units: self.units.tokens(range.clone())?,
            experts: self.experts.clone(),
            of_experts: self.of_experts.as_ref().map(plain).transpose()?,
            layer_inputs: match &self.layer_inputs {
                Some(inputs) => Some(inputs.tokens(range.clone())?),
                None => None,
            },
            adapted: self.adapted.clone(),
        })
    }
}

/// All memory of a session but the cache. `rank` is the largest of the model's adapters, 0 without.
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
        rank: usize,
        context: usize,
        chunk: usize,
    ) -> Result<Self> {
        let size = chunk.min(context);
        let chunk = Activations::new(device, config, rank, size)?;
        Ok(Self {
            one: Activations::new(device, config, rank, 1)?,
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
    pub(crate) fn bytes(
        device: &Device,
        config: &Config,
        rank: usize,
        context: usize,
        chunk: usize,
    ) -> u64 {
        let size = chunk.min(context);
        let values = (size as u64 + 1)
            .saturating_add(3 * config.vocabulary as u64)
            .saturating_add(context as u64);
        Activations::bytes(device, config, rank, size)
            .saturating_add(Activations::bytes(device, config, rank, 1))
            .saturating_add(values.saturating_mul(4))
    }
}
