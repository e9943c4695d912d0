//! Linear attention of a block: a gated delta net behind a short convolution.

use mettle_gpu::{Pass, Tensor};
use mettle_kernels::ops::{self, DecayWeights, DeltaTokens, HeadMap, Norm};

use super::block::Frame;
use crate::{
    Config, LinearAttention, Result,
    kv_cache::LayerState,
    scratch::{Activations, Linear},
    weights::Loader,
};

/// Added to the squares of the L2 norms of queries and keys, in every model of the family.
const L2_EPS: f32 = 1e-6;

/// Weights of the linear attention of one block. Matrices are `[outputs, inputs]`.
pub(super) struct DeltaNet {
    shape: LinearAttention,
    /// To queries, keys and values, one below the other.
    mixed: Tensor,
    gate: Tensor,
    decay: Tensor,
    strength: Tensor,
    /// `[channels, 4]`.
    convolution: Tensor,
    decay_bias: Tensor,
    decay_rate: Tensor,
    /// Of the norm over each head of what is read of the state.
    norm: Tensor,
    output: Tensor,
}

impl DeltaNet {
    pub(super) fn load(
        loader: &mut Loader<'_>,
        config: &Config,
        shape: &LinearAttention,
        layer: usize,
    ) -> Result<Self> {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let (hidden, heads) = (config.hidden, shape.value_heads);
        let (channels, values) = (shape.channels(), shape.values());
        let [strength, decay] = match shape.head_map {
            HeadMap::Tiled => [
                loader.matrix(&name("ssm_beta.weight"), [heads, hidden])?,
                loader.matrix(&name("ssm_alpha.weight"), [heads, hidden])?,
            ],
            // Files with the value heads of a key head side by side have of each key head the strengths, then the decays.
            HeadMap::Block => {
                let both = [2 * heads, hidden];
                loader.in_turns(&name("ssm_ba.weight"), &both, [heads / shape.key_heads; 2])?
            }
        };
        let taps = [channels, LinearAttention::TAPS];
        Ok(Self {
            shape: shape.clone(),
            mixed: loader.matrix(&name("attn_qkv.weight"), [channels, hidden])?,
            gate: loader.matrix(&name("attn_gate.weight"), [values, hidden])?,
            decay,
            strength,
            convolution: loader.floats(&name("ssm_conv1d.weight"), &taps)?,
            decay_bias: loader.vector(&name("ssm_dt.bias"), heads)?,
            decay_rate: loader.vector(&name("ssm_a"), heads)?,
            norm: loader.vector(&name("ssm_norm.weight"), shape.value_size)?,
            output: loader.matrix(&name("ssm_out.weight"), [hidden, values])?,
        })
    }

    /// Records what all tokens of the pass write to the state and read of it.
    pub(super) fn record(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        norm: Norm<'_>,
        a: &mut Activations,
        state: &mut LayerState,
    ) -> Result<()> {
        let Some(linear) = &mut a.linear else {
            return Ok(()); // Activations have what the configuration has.
        };
        let Linear {
            mixed,
            convolved,
            gate,
            a: decay,
            b: strength,
            log_decay,
            beta,
            attended,
            ..
        } = linear;
        ops::norm_mul_mats(
            pass,
            frame.fusion,
            &a.stream,
            norm,
            &mut a.normed,
            &mut [
                (&self.mixed, &mut *mixed),
                (&self.gate, &mut *gate),
                (&self.decay, &mut *decay),
                (&self.strength, &mut *strength),
            ],
        )?;
        let weights = DecayWeights {
            bias: &self.decay_bias,
            rate: &self.decay_rate,
        };
        ops::decay_beta(pass, decay, strength, weights, log_decay, beta)?;
        let kept = &mut state.convolution;
        ops::ssm_conv(pass, mixed, &self.convolution, kept, convolved)?;
        let keys = self.shape.keys();
        let tokens = DeltaTokens {
            query: &convolved.columns_range(0..keys)?,
            key: &convolved.columns_range(keys..2 * keys)?,
            value: &convolved.columns_range(2 * keys..self.shape.channels())?,
            log_decay,
            beta,
            heads: self.shape.head_map,
            eps: L2_EPS,
        };
        Ok(ops::gated_delta_net(
            pass,
            tokens,
            &mut state.delta_net,
            attended,
        )?)
    }

    /// Records what normalises and gates what was read, and adds it to the residual stream.
    pub(super) fn record_output(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        a: &mut Activations,
    ) -> Result<()> {
        let Some(linear) = &a.linear else {
            return Ok(());
        };
        let rows = linear.attended.rows() * self.shape.value_heads;
        let heads = |x: &Tensor| x.reshape([rows, self.shape.value_size]);
        ops::rms_norm_gated(
            pass,
            &heads(&linear.attended)?,
            &self.norm,
            frame.config.norm_eps,
            &heads(&linear.gate)?,
            &mut heads(&linear.gated)?,
        )?;
        Ok(ops::mul_mat_add(
            pass,
            frame.fusion,
            &self.output,
            &linear.gated,
            &mut a.projected,
            &mut a.stream,
        )?)
    }
}
