//! The feed-forward layer of a block that has experts and a layer of all tokens side by side, each with norms of its own.

use mettle_gpu::{Pass, Tensor};
use mettle_kernels::ops::{self, Activation, ExpertScales, GluScratch, Moe, Norm, Routing};

use super::{
    block::Frame,
    projection::{GatedUnit, PostNorm, Projection, norm_glu},
};
use crate::{Config, Error, Experts, Result, scratch::Activations, weights::Loader};

/// Weights of the layer. Matrices are `[outputs, inputs]`, of experts `[experts, outputs, inputs]`.
pub(super) struct Branches {
    gate: Projection,
    up: Projection,
    down: Projection,
    /// Of the norm of what the layer of all tokens makes.
    dense_norm: Tensor,
    shape: Experts,
    router: Tensor,
    /// Of the norm of what the router takes, with the factor of its inputs in it.
    router_norm: Tensor,
    /// Factors of the weights of experts, in files that have them.
    scales: Option<Tensor>,
    /// Gate, up and down.
    matrices: [Tensor; 3],
    /// Of the norms of what experts take, and of what they make.
    expert_norms: [Tensor; 2],
}

impl Branches {
    pub(super) fn load(
        loader: &mut Loader<'_>,
        config: &Config,
        experts: &Experts,
        layer: usize,
    ) -> Result<Self> {
        let (hidden, width) = (config.hidden, config.feed_forward(layer));
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let scale = |part: &str| format!("blk.{layer}.{part}.scale");
        let (count, of_expert) = (experts.count, experts.feed_forward);
        let root = (hidden as f32).sqrt();
        let inputs: Vec<f32> = loader.vector(&scale("ffn_gate_inp"), hidden)?.to_vec()?;
        let inputs: Vec<f32> = inputs.iter().map(|factor| factor / root).collect();
        let both = name("ffn_gate_up_exps");
        let each = [count, of_expert, hidden];
        let [gate, up] = match loader.has(&both) {
            true => {
                let shape = [count, 2 * of_expert, hidden];
                let [gate, up] = loader.in_turns(&both, &shape, [of_expert; 2])?;
                [gate.reshape(each)?, up.reshape(each)?]
            }
            false => [
                loader.matrices(&name("ffn_gate_exps"), each)?,
                loader.matrices(&name("ffn_up_exps"), each)?,
            ],
        };
        let down = loader.matrices(&name("ffn_down_exps"), [count, hidden, of_expert])?;
        let of_experts = scale("ffn_down_exps");
        Ok(Self {
            gate: loader.projection(&name("ffn_gate"), [width, hidden])?,
            up: loader.projection(&name("ffn_up"), [width, hidden])?,
            down: loader.projection(&name("ffn_down"), [hidden, width])?,
            dense_norm: loader.vector(&name("post_ffw_norm_1"), hidden)?,
            shape: *experts,
            router: loader.matrix(&name("ffn_gate_inp"), [count, hidden])?,
            router_norm: loader.made(&inputs, &scale("ffn_gate_inp"))?,
            scales: match loader.has(&of_experts) {
                true => Some(loader.vector(&of_experts, count)?),
                false => None,
            },
            matrices: [gate, up, down],
            expert_norms: [
                loader.vector(&name("pre_ffw_norm_2"), hidden)?,
                loader.vector(&name("post_ffw_norm_2"), hidden)?,
            ],
        })
    }

    /// Records what the layer adds to the stream. `front` is the norm of what the layer of all tokens takes, `behind` that of the sum.
    pub(super) fn record(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        front: Norm<'_>,
        behind: Option<PostNorm<'_>>,
        a: &mut Activations,
    ) -> Result<()> {
        let fusion = frame.fusion;
        let [gates, ups, activated] = a.units.of(self.up.weight.rows());
        let unit = GatedUnit {
            activation: Activation::Gelu,
            gate: &self.gate,
            up: &self.up,
        };
        let scratch = GluScratch {
            normed: &mut a.normed,
            gate: gates,
            up: ups,
        };
        let adapted = a.adapted.as_ref();
        norm_glu(
            pass, fusion, &a.stream, front, unit, adapted, scratch, activated,
        )?;
        ops::mul_mat(pass, &self.down.weight, activated, &mut a.projected)?;
        if let Some(scratch) = adapted {
            let out = &mut a.projected;
            self.down
                .add_adapted(pass, fusion, activated, scratch, out)?;
        }
        let dense = frame.norm(&self.dense_norm);
        ops::rms_norm_assign(pass, &mut a.projected, dense.weight, dense.eps)?;

        let [gate, up, down] = &self.matrices;
        let moe = Moe {
            router: &self.router,
            router_norm: Some(frame.norm(&self.router_norm)),
            routing: Routing {
                scores: self.shape.scores,
                renormalise: self.shape.renormalise,
                scale: self.shape.scale,
                expert_scales: self.scales.as_ref().map(ExpertScales::Last),
                ..Routing::default()
            },
            gate,
            up,
            down,
            activation: Activation::Gelu,
            shared: None,
        };
        let (Some(scratch), Some(of_experts)) = (&a.experts, &mut a.of_experts) else {
            let reason = "the session was made without memory for experts";
            return Err(Error::Request(reason.to_owned()));
        };
        let [front, post] = self
            .expert_norms
            .each_ref()
            .map(|weight| frame.norm(weight));
        let (normed, stream) = (&mut a.normed, &a.stream);
        ops::norm_moe(
            pass, fusion, front, moe, scratch, normed, stream, of_experts,
        )?;
        ops::norm_add(pass, fusion, post, of_experts, &mut a.projected)?;
        match behind {
            Some(PostNorm { norm, scale }) => Ok(ops::norm_add_scaled(
                pass,
                fusion,
                norm,
                scale,
                &mut a.projected,
                &mut a.stream,
            )?),
            None => Ok(ops::add_assign(pass, &mut a.stream, &a.projected)?),
        }
    }
}
