//! Encoders: one vector for a text, or one for each of its tokens, in which texts of similar meaning lie close together.
//!
//! BERT (Devlin et al., 2018, arXiv 1810.04805), and with it sentence transformers that have its shape: learned positions, layer norms
//! behind attention and feed-forward layer, and attention that sees the whole text. There is no cache: keys and values live as long as the pass.

mod block;
mod config;

use std::ops::Range;

use mettle_gpu::{Device, Pass, Tensor};
use mettle_kernels::ops::{self, Binary, Fusion};

use crate::{Checkpoint, Error, MemoryEstimate, Result, weights::Loader};
use block::{Block, LayerNorm, States};
pub(crate) use config::ARCHITECTURE;
pub use config::EncoderConfig;

/// Tokens of a pass over several texts, at most; a longer text has a pass of its own.
const TOKENS_OF_PASS: usize = 2048;

/// What is made of the vectors of a text's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Nothing: a vector for each token.
    None,
    /// Their mean.
    Mean,
    /// That of the first one, `[CLS]`.
    Cls,
}

/// A loaded encoder.
pub struct Encoder {
    device: Device,
    config: EncoderConfig,
    fusion: Fusion,
    memory: MemoryEstimate,
    tokens: Tensor,
    positions: Tensor,
    /// Of tokens of a text on its own, F32 `[1, hidden]`, in models that have such embeddings.
    token_type: Option<Tensor>,
    norm: LayerNorm,
    blocks: Vec<Block>,
}

impl Encoder {
    /// Loads the weights of a checkpoint; they stay in the mapped file where the device can read it.
    ///
    /// # Errors
    /// Those of [`EncoderConfig::from_metadata`]; [`Error::Memory`] when it cannot fit; [`Error::MissingTensor`],
    /// [`Error::TensorShape`], [`Error::TensorFormat`] and [`Error::UnexpectedTensor`] when the tensors are not those of
    /// the architecture.
    pub fn load(device: &Device, checkpoint: &Checkpoint, fusion: Fusion) -> Result<Self> {
        const TYPES: &str = "token_types.weight";
        let config = EncoderConfig::from_metadata(checkpoint.metadata())?;
        let weights = checkpoint.tensors().map(|t| t.range.len() as u64).sum();
        let memory = MemoryEstimate {
            weights,
            expert_cache: None,
            kv_cache: 0,
            windows_save: 0,
            scratch: States::bytes(&config, TOKENS_OF_PASS.max(config.context)),
        };
        memory.check(device)?;
        let mut loaded = |_| {};
        let mut loader = Loader::new(device, checkpoint, &[], &mut loaded);
        let hidden = config.hidden;
        let tokens = loader.matrix("token_embd.weight", [config.vocabulary, hidden])?;
        let positions = loader.matrix("position_embd.weight", [config.context, hidden])?;
        let token_type = match loader.has(TYPES) {
            true => {
                let types = loader.matrix(TYPES, [config.token_types, hidden])?;
                Some(first_row(device, &types)?)
            }
            false => None,
        };
        let norm = LayerNorm::load(&mut loader, &config, "token_embd_norm")?;
        let blocks = (0..config.layers)
            .map(|layer| Block::load(&mut loader, &config, layer))
            .collect::<Result<_>>()?;
        loader.finish(ARCHITECTURE, |_| false)?;
        Ok(Self {
            device: device.clone(),
            config,
            fusion,
            memory,
            tokens,
            positions,
            token_type,
            norm,
            blocks,
        })
    }

    /// Shape and constants.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Memory of the weights and of the largest pass.
    pub fn memory(&self) -> MemoryEstimate {
        self.memory
    }

    /// Embeddings of texts, given as token ids with those that the model wants around them: `[hidden]` values for each text, or
    /// `[tokens, hidden]` without pooling.
    ///
    /// Short texts go through the model together. Means are made on the host, in f64.
    ///
    /// # Errors
    /// [`Error::Request`] for a text without tokens, [`Error::ContextExceeded`] for one that is too long, [`Error::TokenId`] for an id
    /// beyond the vocabulary; nothing has been computed then. Those of the device.
    pub fn embed(&self, texts: &[Vec<u32>], pooling: Pooling) -> Result<Vec<Vec<f32>>> {
        texts.iter().try_for_each(|text| self.check(text))?;
        let mut embeddings = Vec::with_capacity(texts.len());
        let mut left = texts;
        while !left.is_empty() {
            let mut tokens = 0;
            let fitting = left.iter().take_while(|text| {
                tokens += text.len();
                tokens <= TOKENS_OF_PASS
            });
            let (together, rest) = left.split_at(fitting.count().max(1));
            self.pass(together, pooling, &mut embeddings)?;
            left = rest;
        }
        Ok(embeddings)
    }

    fn check(&self, text: &[u32]) -> Result<()> {
        let EncoderConfig {
            context,
            vocabulary,
            ..
        } = self.config;
        if text.is_empty() {
            return Err(Error::Request(
                "there are no tokens to make an embedding of".to_owned(),
            ));
        }
        if text.len() > context {
            return Err(Error::ContextExceeded {
                tokens: text.len(),
                used: 0,
                context,
            });
        }
        match text.iter().find(|&&id| id as usize >= vocabulary) {
            Some(&id) => Err(Error::TokenId { id, vocabulary }),
            None => Ok(()),
        }
    }

    /// One pass over some texts.
    fn pass(
        &self,
        texts: &[Vec<u32>],
        pooling: Pooling,
        embeddings: &mut Vec<Vec<f32>>,
    ) -> Result<()> {
        let mut end = 0;
        let places: Vec<Range<usize>> = texts
            .iter()
            .map(|text| {
                end += text.len();
                end - text.len()..end
            })
            .collect();
        let mut states = States::new(&self.device, &self.config, places.clone())?;
        let mut pass = self.device.pass();
        self.record_embedding(&mut pass, texts, &mut states)?;
        for block in &self.blocks {
            block.record(&mut pass, self.fusion, &mut states)?;
        }
        pass.submit()?.wait()?;
        for place in places {
            let rows = match pooling {
                Pooling::Cls => place.start..place.start + 1,
                _ => place,
            };
            let values = states.stream.rows_range(rows)?.to_vec::<f32>()?;
            embeddings.push(match pooling {
                Pooling::Mean => mean(&values, self.config.hidden),
                _ => values,
            });
        }
        Ok(())
    }

    /// Records the sum of what stands for each token, its position and its kind of text, normalised.
    fn record_embedding(
        &self,
        pass: &mut Pass,
        texts: &[Vec<u32>],
        states: &mut States,
    ) -> Result<()> {
        let ids = texts.concat();
        // A text is no longer than the context, which fits u32.
        let positions: Vec<u32> = texts.iter().flat_map(|t| 0..t.len() as u32).collect();
        let ids = Tensor::from_slice(&self.device, &ids, [ids.len()])?;
        let positions = Tensor::from_slice(&self.device, &positions, [positions.len()])?;
        ops::embedding(pass, &self.tokens, &ids, &mut states.stream)?;
        ops::embedding(pass, &self.positions, &positions, &mut states.normed)?;
        ops::add_assign(pass, &mut states.stream, &states.normed)?;
        if let Some(token_type) = &self.token_type {
            ops::binary_assign(pass, Binary::Add, &mut states.stream, token_type)?;
        }
        self.norm.record(pass, states)
    }
}

/// The first row of a matrix in any format, F32 `[1, columns]`.
fn first_row(device: &Device, matrix: &Tensor) -> Result<Tensor> {
    let first = Tensor::zeros::<u32>(device, [1])?;
    let mut row = Tensor::empty::<f32>(device, [1, matrix.columns()])?;
    let mut pass = device.pass();
    ops::embedding(&mut pass, matrix, &first, &mut row)?;
    pass.submit()?.wait()?;
    Ok(row)
}

/// The mean of rows of so many values.
fn mean(values: &[f32], columns: usize) -> Vec<f32> {
    let mut sums = vec![0.0; columns];
    for row in values.chunks_exact(columns) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value);
        }
    }
    let rows = (values.len() / columns) as f64;
    sums.iter().map(|sum| (sum / rows) as f32).collect()
}

/// Scales each vector of so many values to a Euclidean length of 1; one of zeros stays.
pub fn normalize(vectors: &mut [f32], columns: usize) {
    for vector in vectors.chunks_mut(columns.max(1)) {
        let squares = vector.iter().map(|&value| f64::from(value).powi(2));
        let length = squares.sum::<f64>().sqrt();
        if length > 0.0 {
            vector
                .iter_mut()
                .for_each(|value| *value = (f64::from(*value) / length) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{mean, normalize};

    #[test]
    fn means_and_lengths() {
        assert_eq!(mean(&[1.0, 2.0, 3.0, 6.0], 2), [2.0, 4.0]);
        let mut vectors = [3.0, 4.0, 0.0, 0.0, -2.0, 0.0];
        normalize(&mut vectors, 2);
        assert_eq!(vectors, [0.6, 0.8, 0.0, 0.0, -1.0, 0.0]);
    }
}
