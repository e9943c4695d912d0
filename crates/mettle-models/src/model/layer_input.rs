//! What a layer is given of each token besides the stream: an embedding of the layer's own, mixed with a projection of the token's.

use mettle_gpu::{Pass, Tensor};
use mettle_kernels::ops::{self, Activation, Norm};

use super::block::Frame;
use crate::{
    Config, Error, Result,
    scratch::{Activations, LayerInputScratch},
    weights::Loader,
};

/// Weights of what all layers are given. Matrices are `[outputs, inputs]`; the inputs of all layers lie side by side in rows.
pub(super) struct LayerInputs {
    /// `[vocabulary, layers * width]`.
    embedding: Tensor,
    /// `[layers * width, hidden]`.
    projection: Tensor,
    /// Of the norm over what is projected for a layer, with the factor of the sum in it.
    norm: Tensor,
    width: usize,
}

/// Weights of what one layer makes of it.
pub(super) struct LayerInput {
    layer: usize,
    width: usize,
    /// `[width, hidden]`.
    gate: Tensor,
    /// `[hidden, width]`.
    projection: Tensor,
    /// Of the norm of what is added to the stream.
    norm: Tensor,
}

impl LayerInputs {
    /// None for models without.
    pub(super) fn load(loader: &mut Loader<'_>, config: &Config) -> Result<Option<Self>> {
        let Some(width) = config.layer_input else {
            return Ok(None);
        };
        let (all, hidden) = (config.layers * width, config.hidden);
        let table = [config.vocabulary, all];
        let weights: Vec<f32> = loader
            .vector("per_layer_proj_norm.weight", width)?
            .to_vec()?;
        let halved: Vec<f32> = weights
            .iter()
            .map(|weight| weight * std::f32::consts::FRAC_1_SQRT_2)
            .collect();
        Ok(Some(Self {
            embedding: loader.matrix("per_layer_token_embd.weight", table)?,
            projection: loader.matrix("per_layer_model_proj.weight", [all, hidden])?,
            norm: loader.made(&halved, "per_layer_proj_norm.weight")?,
            width,
        }))
    }

    /// Records the inputs of all layers, for tokens whose embeddings are the stream:
    /// `(sqrt(width) embedding + rms_norm(projection / sqrt(hidden))) / sqrt(2)`.
    pub(super) fn record(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        ids: &Tensor,
        a: &mut Activations,
    ) -> Result<()> {
        let scratch = of_session(&mut a.layer_inputs)?;
        let scale = (self.width as f32 / 2.0).sqrt();
        ops::embedding_scaled(pass, &self.embedding, ids, scale, &mut scratch.inputs)?;
        ops::mul_mat(pass, &self.projection, &a.stream, &mut scratch.projected)?;
        // Of a product that is not divided by the root the norm is the same, if what is added to its mean square is larger by as much.
        let norm = Norm {
            weight: &self.norm,
            eps: frame.config.norm_eps * frame.config.hidden as f32,
        };
        let rows = |tensor: &Tensor| tensor.reshape([tensor.len() / self.width, self.width]);
        let (mut projected, mut inputs) = (rows(&scratch.projected)?, rows(&scratch.inputs)?);
        Ok(ops::norm_add(
            pass,
            frame.fusion,
            norm,
            &mut projected,
            &mut inputs,
        )?)
    }
}

impl LayerInput {
    /// None for models without.
    pub(super) fn load(
        loader: &mut Loader<'_>,
        config: &Config,
        layer: usize,
    ) -> Result<Option<Self>> {
        let Some(width) = config.layer_input else {
            return Ok(None);
        };
        let hidden = config.hidden;
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        Ok(Some(Self {
            layer,
            width,
            gate: loader.matrix(&name("inp_gate"), [width, hidden])?,
            projection: loader.matrix(&name("proj"), [hidden, width])?,
            norm: loader.vector(&name("post_norm"), hidden)?,
        }))
    }

    /// Records `stream = (stream + rms_norm(projection (gelu(gate stream) * input))) scale`.
    pub(super) fn record(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        scale: f32,
        a: &mut Activations,
    ) -> Result<()> {
        let scratch = of_session(&mut a.layer_inputs)?;
        let first = self.layer * self.width;
        let input = scratch.inputs.columns_range(first..first + self.width)?;
        ops::mul_mat(pass, &self.gate, &a.stream, &mut scratch.gate)?;
        ops::glu(
            pass,
            Activation::Gelu,
            &scratch.gate,
            &input,
            &mut scratch.gated,
        )?;
        ops::mul_mat(pass, &self.projection, &scratch.gated, &mut a.projected)?;
        let norm = Norm {
            weight: &self.norm,
            eps: frame.config.norm_eps,
        };
        let (projected, stream) = (&mut a.projected, &mut a.stream);
        Ok(ops::norm_add_scaled(
            pass,
            frame.fusion,
            norm,
            scale,
            projected,
            stream,
        )?)
    }
}

/// The memory for inputs of layers, which sessions of models with them have.
fn of_session(scratch: &mut Option<LayerInputScratch>) -> Result<&mut LayerInputScratch> {
    scratch.as_mut().ok_or_else(|| {
        Error::Request("the session was made without memory for inputs of layers".to_owned())
    })
}
