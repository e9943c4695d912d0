//! What a session keeps of the tokens it has seen: keys and values, and the state of layers of linear attention.

use mettle_gpu::{Device, Format, Pass, Tensor, Turbo};
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
    /// 2 bits a value, and a scale for each head of 64, 128 or 256 or half of a head of 512 (TurboQuant).
    Tq2,
    /// The same with 3 bits.
    Tq3,
    /// The same with 4 bits.
    Tq4,
    /// The same with 5 bits.
    Tq5,
    /// The same with 6 bits.
    Tq6,
    /// The same with 8 bits.
    Tq8,
}

impl KvFormat {
    /// Every one, those of most bits first.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q8_0,
        Self::Tq8,
        Self::Tq6,
        Self::Tq5,
        Self::Q4_0,
        Self::Tq4,
        Self::Tq3,
        Self::Tq2,
    ];

    /// Its name: `f16`, `q8_0`, `tq4`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Tq2 => "tq2",
            Self::Tq3 => "tq3",
            Self::Tq4 => "tq4",
            Self::Tq5 => "tq5",
            Self::Tq6 => "tq6",
            Self::Tq8 => "tq8",
        }
    }

    /// Bits of the codes of TurboQuant; `None` for other formats.
    const fn turbo_bits(self) -> Option<usize> {
        match self {
            Self::F32 | Self::F16 | Self::BF16 | Self::Q8_0 | Self::Q4_0 => None,
            Self::Tq2 => Some(2),
            Self::Tq3 => Some(3),
            Self::Tq4 => Some(4),
            Self::Tq5 => Some(5),
            Self::Tq6 => Some(6),
            Self::Tq8 => Some(8),
        }
    }

    /// That of the tensors of a layer, for a model whose heads it serves.
    ///
    /// # Errors
    /// [`Error::KvFormat`] for models with other heads, [`Error::LatentKvFormat`] for blocks of values and models of latent attention.
    pub(crate) fn format(self, config: &Config, layer: usize) -> Result<Format> {
        let head_dim = config.kv(layer).head_dim;
        let format = match self {
            Self::F32 => Some(Format::F32),
            Self::F16 => Some(Format::F16),
            Self::BF16 => Some(Format::BF16),
            _ if config.latent.is_some() => {
                return Err(Error::LatentKvFormat(self));
            }
            Self::Q8_0 => Some(Format::Q8_0),
            Self::Q4_0 => Some(Format::Q4_0),
            _ => self
                .turbo_bits()
                .and_then(|bits| Turbo::new(bits, head_dim))
                .map(Format::Turbo),
        };
        let whole = |format: &Format| head_dim.is_multiple_of(format.block_len());
        format.filter(whole).ok_or(Error::KvFormat {
            format: self,
            needs: match self.turbo_bits() {
                Some(_) => "64, 128, 256 or 512",
                None => "a multiple of 32",
            },
            head_dim,
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

/// Keys and values of one block, `[rows, kv_heads, head_dim]` each, as [`KvFormat`] says; of latent attention the same memory. Clones share
/// it, for blocks that attend to those of another.
#[derive(Clone)]
pub(crate) struct LayerCache {
    pub(crate) keys: Tensor,
    pub(crate) values: Tensor,
    /// The keys that a query sees, where rows are a ring that keeps no more of a text than that and what a pass adds; else there is a row for each position.
    pub(crate) ring: Option<u32>,
}

/// Rows of the cache of a layer for texts of `context` tokens that are read by passes over up to `chunk`; and of a ring, the keys that a query sees. A
/// layer with a window has a ring where that takes fewer rows.
fn rows(config: &Config, layer: usize, context: usize, chunk: usize) -> (usize, Option<u32>) {
    let ring = config.window(layer).and_then(|window| {
        let rows = ops::ring_rows(window, chunk.min(context));
        Some((rows, u32::try_from(window).ok()?)).filter(|(rows, _)| *rows < context)
    });
    ring.map_or((context, None), |(rows, window)| (rows, Some(window)))
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
    /// Memory for `context` positions that are read by passes over up to `chunk` tokens, with unspecified contents: attention reads only what has been appended, and states begin with
    /// [`begin`](Self::begin).
    pub(crate) fn new(
        device: &Device,
        config: &Config,
        context: usize,
        chunk: usize,
        format: KvFormat,
    ) -> Result<Self> {
        let tensor = |layer: usize, rows: usize, what: &str| -> Result<Tensor> {
            let heads = config.kv(layer);
            let shape = [rows, heads.kv_heads, heads.head_dim];
            let tensor = Tensor::empty_as(device, format.format(config, layer)?, shape)?;
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
        let mut layers: Vec<_> = (0..config.caching_layers())
            .map(|layer| -> Result<_> {
                if let Some(state) = config.linear(layer).map(&mut take).transpose()?.flatten() {
                    return Ok(LayerMemory::State(state));
                }
                let (rows, ring) = rows(config, layer, context, chunk);
                let keys = tensor(layer, rows, "keys")?;
                let values = match config.latent {
                    Some(_) => keys.clone(),
                    None => tensor(layer, rows, "values")?,
                };
                Ok(LayerMemory::Cache(LayerCache { keys, values, ring }))
            })
            .collect::<Result<_>>()?;
        for layer in config.caching_layers()..config.layers {
            if let Some(LayerMemory::Cache(cache)) = layers.get(config.cached_by(layer)) {
                layers.push(LayerMemory::Cache(cache.clone()));
            }
        }
        Ok(Self { layers, states })
    }

    /// Whether there are states, which take in a token once and for all.
    pub(crate) fn has_states(&self) -> bool {
        self.states.is_some()
    }

    /// Records what makes the states those of a text of which nothing has been read.
    pub(crate) fn begin(&mut self, pass: &mut Pass) -> Result<()> {
        match &mut self.states {
            Some(states) => Ok(ops::fill(pass, 0.0, states)?),
            None => Ok(()),
        }
    }

    /// Bytes that [`new`](Self::new) allocates, and how many more it would without rings.
    ///
    /// # Errors
    /// [`Error::KvFormat`] for a format that does not serve the model's heads.
    pub(crate) fn bytes(
        config: &Config,
        context: usize,
        chunk: usize,
        format: KvFormat,
    ) -> Result<(u64, u64)> {
        let (linear, values) = states(config);
        let product = |factors: &[usize]| {
            factors
                .iter()
                .fold(1u64, |n, &d| n.saturating_mul(d as u64))
        };
        let each = if config.latent.is_some() { 1 } else { 2 };
        let cached = (0..config.caching_layers()).filter(|&layer| config.linear(layer).is_none());
        let (mut taken, mut saved) = (product(&[linear, values, 4]), 0u64);
        for layer in cached {
            let heads = config.kv(layer);
            let head = format.format(config, layer)?.row_bytes(heads.head_dim)?;
            let of_rows = |rows: usize| product(&[each, rows, heads.kv_heads, head]);
            let (rows, _) = rows(config, layer, context, chunk);
            taken = taken.saturating_add(of_rows(rows));
            saved = saved.saturating_add(of_rows(context - rows));
        }
        Ok((taken, saved))
    }

    /// Bytes of what prompts are compared with in place of the layer's cache that takes most of them.
    pub(crate) fn bytes_of_halves(
        device: &Device,
        config: &Config,
        context: usize,
        chunk: usize,
        format: KvFormat,
    ) -> Result<u64> {
        let mut most = 0;
        if config.latent.is_some() {
            return Ok(most);
        }
        for layer in (0..config.caching_layers()).filter(|&layer| config.linear(layer).is_none()) {
            let heads = config.kv(layer);
            let (rows, _) = rows(config, layer, context, chunk);
            let cache = [rows, heads.kv_heads, heads.head_dim];
            let format = format.format(config, layer)?;
            most = most.max(ops::bytes_of_halves(device.kind(), format, cache));
        }
        Ok(most)
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
