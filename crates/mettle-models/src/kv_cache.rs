//! What a session keeps of the tokens it has seen: keys and values, and the state of layers of linear attention.

use mettle_gpu::{Device, Format, Pass, Tensor};
use mettle_kernels::ops;

use crate::{Config, Error, LinearAttention, Result};

/// How the cache stores keys and values.
#[allow(non_camel_case_types)] // the names of the formats as everyone writes them
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvFormat {
    /// 4 bytes a value; what they are computed in.
    F32,
    /// 2 bytes a value.
    #[default]
    F16,
    /// 2 bytes a value, the upper half of an F32.
    BF16,
    /// 8.5 bits a value: a scale for each 32 of a head.
    Q8_0,
    /// 4.5 bits a value: a scale for each 32 of a head.
    Q4_0,
}

impl KvFormat {
    /// Every one, those of most bits first.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::BF16, Self::Q8_0, Self::Q4_0];

    /// Its name: `f16`, `q8_0`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
        }
    }

    pub(crate) fn format(self) -> Format {
        match self {
            Self::F32 => Format::F32,
            Self::F16 => Format::F16,
            Self::BF16 => Format::BF16,
            Self::Q8_0 => Format::Q8_0,
            Self::Q4_0 => Format::Q4_0,
        }
    }

    /// Fails for a model whose heads are no whole blocks, and for latent attention in blocks.
    pub(crate) fn check(self, config: &Config) -> Result<()> {
        let block = self.format().block_len();
        if config.latent.is_some() && block > 1 {
            return Err(Error::Request(format!(
                "a KV cache of {self} cannot keep the rows of latent attention: take f16, bf16 or f32"
            )));
        }
        if config.head_dim.is_multiple_of(block) {
            return Ok(());
        }
        Err(Error::KvFormat {
            format: self,
            block,
            head_dim: config.head_dim,
        })
    }
}

/// All names, for people.
pub(crate) fn names() -> String {
    KvFormat::ALL.map(KvFormat::name).join(", ")
}

impl std::fmt::Display for KvFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for KvFormat {
    type Err = Error;

    /// Reads a name as [`KvFormat::name`] writes it, in any case.
    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(name));
        known.ok_or_else(|| Error::UnknownKvFormat(name.to_owned()))
    }
}

/// Keys and values of one block, `[context, kv_heads, head_dim]` each, as [`KvFormat`] says; of latent attention the same memory.
pub(crate) struct LayerCache {
    pub(crate) keys: Tensor,
    pub(crate) values: Tensor,
}

/// What a block of linear attention keeps, F32, however many tokens it has seen.
pub(crate) struct LayerState {
    /// `[3, channels]`: what the convolution has seen last.
    pub(crate) convolution: Tensor,
    /// `[value_heads, value_size, key_size]`.
    pub(crate) delta_net: Tensor,
}

/// What one block keeps.
pub(crate) enum LayerMemory {
    Cache(LayerCache),
    State(LayerState),
}

/// Keys and values of all blocks with attention, and the states of the others.
pub(crate) struct KvCache {
    pub(crate) layers: Vec<LayerMemory>,
    /// The memory of all states.
    states: Option<Tensor>,
}

impl KvCache {
    /// Memory for `context` positions, with unspecified contents: attention reads only what has been appended, and states begin with
    /// [`begin`](Self::begin).
    pub(crate) fn new(
        device: &Device,
        config: &Config,
        context: usize,
        format: KvFormat,
    ) -> Result<Self> {
        let tensor = |layer: usize, what: &str| -> Result<Tensor> {
            let shape = [context, config.kv_heads, config.head_dim];
            let tensor = Tensor::empty_as(device, format.format(), shape)?;
            Ok(tensor.labelled(&format!("cached {what} of layer {layer}")))
        };
        let states = match states(config) {
            (0, _) => None,
            (layers, values) => {
                let memory = Tensor::empty::<f32>(device, [layers * values, 1])?;
                Some(memory.labelled("states of linear attention"))
            }
        };
        let mut taken = 0;
        let mut take = |linear: &LinearAttention| -> Result<Option<LayerState>> {
            let Some(states) = &states else {
                return Ok(None);
            };
            let mut part = |values: usize| {
                taken += values;
                states.rows_range(taken - values..taken)
            };
            let convolution = part(linear.convolution_values())?;
            let delta_net = part(linear.state_values())?;
            let shape = [linear.value_heads, linear.value_size, linear.key_size];
            Ok(Some(LayerState {
                convolution: convolution.reshape([LinearAttention::TAPS - 1, linear.channels()])?,
                delta_net: delta_net.reshape(shape)?,
            }))
        };
        let layers = (0..config.layers)
            .map(|layer| {
                if let Some(state) = config.linear(layer).map(&mut take).transpose()?.flatten() {
                    return Ok(LayerMemory::State(state));
                }
                let keys = tensor(layer, "keys")?;
                let values = match config.latent {
                    Some(_) => keys.clone(),
                    None => tensor(layer, "values")?,
                };
                Ok(LayerMemory::Cache(LayerCache { keys, values }))
            })
            .collect::<Result<_>>()?;
        Ok(Self { layers, states })
    }

    /// Records what makes the states those of a text of which nothing has been read.
    pub(crate) fn begin(&mut self, pass: &mut Pass) -> Result<()> {
        match &mut self.states {
            Some(states) => Ok(ops::fill(pass, 0.0, states)?),
            None => Ok(()),
        }
    }

    /// Bytes that [`new`](Self::new) allocates.
    pub(crate) fn bytes(config: &Config, context: usize, format: KvFormat) -> u64 {
        let (linear, values) = states(config);
        let cached = config.layers - linear;
        let product = |factors: &[usize]| {
            factors
                .iter()
                .fold(1u64, |n, &d| n.saturating_mul(d as u64))
        };
        let each = if config.latent.is_some() { 1 } else { 2 };
        let format = format.format();
        // Heads are whole blocks, or the model is refused.
        let blocks = config.head_dim.div_ceil(format.block_len());
        let heads = [each, cached, context, config.kv_heads, blocks];
        product(&heads)
            .saturating_mul(format.block_bytes() as u64)
            .saturating_add(product(&[linear, values, 4]))
    }
}

/// Layers of linear attention, and values that each keeps.
fn states(config: &Config) -> (usize, usize) {
    let Some(linear) = &config.linear else {
        return (0, 0);
    };
    let layers = linear.layers.iter().filter(|&&linear| linear).count();
    (layers, linear.convolution_values() + linear.state_values())
}
