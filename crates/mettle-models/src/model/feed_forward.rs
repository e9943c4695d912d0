//! The feed-forward layer of a block: gated, of all tokens alike or of the experts of each.

use mettle_gpu::{Pass, Tensor};
use mettle_kernels::ops::{self, Activation, GluScratch, Moe, Norm, Routing, SharedExpert};

use super::{
    block::Frame,
    projection::{GatedUnit, Projection, norm_glu, product_norm_add},
};
use crate::{Config, Error, Experts, Result, scratch::Activations, weights::Loader};

/// Weights of the layer. Matrices are `[outputs, inputs]`.
pub(super) enum FeedForward {
    /// One for all tokens.
    Glu {
        gate: Projection,
        up: Projection,
        down: Projection,
        activation: Activation,
    },
    /// Experts, `[experts, outputs, inputs]`; the router chooses those of a token.
    Experts {
        shape: Experts,
        router: Tensor,
        /// Added to the scores of experts when they are chosen, in models that have it.
        bias: Option<Box<Tensor>>,
        gate: Tensor,
        up: Tensor,
        down: Tensor,
        shared: Option<Box<Shared>>,
    },
}

/// Weights of an expert that all tokens have. Matrices are `[outputs, inputs]`.
pub(super) struct Shared {
    /// Of its weight, in families that have one.
    router: Option<Tensor>,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
}

impl Shared {
    fn load(
        loader: &mut Loader<'_>,
        name: impl Fn(&str) -> String,
        [hidden, width]: [usize; 2],
        gated: bool,
    ) -> Result<Self> {
        let router = match gated {
            true => {
                let router = loader.vector(&name("ffn_gate_inp_shexp"), hidden)?;
                Some(router.reshape([1, hidden])?)
            }
            false => None,
        };
        Ok(Self {
            router,
            gate: loader.matrix(&name("ffn_gate_shexp"), [width, hidden])?,
            up: loader.matrix(&name("ffn_up_shexp"), [width, hidden])?,
            down: loader.matrix(&name("ffn_down_shexp"), [hidden, width])?,
        })
    }
}

impl FeedForward {
    pub(super) fn load(loader: &mut Loader<'_>, config: &Config, layer: usize) -> Result<Self> {
        let (hidden, width) = (config.hidden, config.feed_forward);
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        if let Some(&experts) = config.experts(layer) {
            let (count, width) = (experts.count, experts.feed_forward);
            let bias = format!("blk.{layer}.exp_probs_b.bias");
            return Ok(Self::Experts {
                shape: experts,
                bias: match loader.has(&bias) {
                    true => Some(Box::new(loader.vector(&bias, count)?)),
                    false => None,
                },
                router: loader.matrix(&name("ffn_gate_inp"), [count, hidden])?,
                gate: loader.experts(&name("ffn_gate_exps"), [count, width, hidden])?,
                up: loader.experts(&name("ffn_up_exps"), [count, width, hidden])?,
                down: loader.experts(&name("ffn_down_exps"), [count, hidden, width])?,
                shared: match experts.shared {
                    Some(width) => {
                        let (sizes, gated) = ([hidden, width], experts.shared_gate);
                        Some(Box::new(Shared::load(loader, name, sizes, gated)?))
                    }
                    None => None,
                },
            });
        }
        let family = config.architecture.family();
        let [gate, up] = match family.packed {
            true => loader.projections(&name("ffn_up"), [width; 2], hidden)?,
            false => [
                loader.projection(&name("ffn_gate"), [width, hidden])?,
                loader.projection(&name("ffn_up"), [width, hidden])?,
            ],
        };
        Ok(Self::Glu {
            gate,
            up,
            down: loader.projection(&name("ffn_down"), [hidden, width])?,
            activation: family.activation,
        })
    }

    /// Records what the layer adds to the stream, which is normalised in front and, with a second norm, behind. Families with experts
    /// have none behind.
    pub(super) fn record(
        &self,
        pass: &mut Pass,
        frame: Frame<'_>,
        front: Norm<'_>,
        behind: Option<Norm<'_>>,
        a: &mut Activations,
    ) -> Result<()> {
        match self {
            Self::Glu {
                gate,
                up,
                down,
                activation,
            } => {
                let unit = GatedUnit {
                    activation: *activation,
                    gate,
                    up,
                };
                let scratch = GluScratch {
                    normed: &mut a.normed,
                    gate: &mut a.gate,
                    up: &mut a.up,
                };
                norm_glu(
                    pass,
                    frame.fusion,
                    &a.stream,
                    front,
                    unit,
                    a.adapted.as_ref(),
                    scratch,
                    &mut a.activated,
                )?;
                product_norm_add(
                    pass,
                    frame.fusion,
                    down,
                    &a.activated,
                    behind,
                    a.adapted.as_ref(),
                    &mut a.projected,
                    &mut a.stream,
                )?;
            }
            Self::Experts {
                shape,
                router,
                bias,
                gate,
                up,
                down,
                shared,
            } => {
                let shared = shared.as_ref().map(|shared| SharedExpert {
                    router: shared.router.as_ref(),
                    gate: &shared.gate,
                    up: &shared.up,
                    down: &shared.down,
                });
                let moe = Moe {
                    router,
                    routing: Routing {
                        scores: shape.scores,
                        bias: bias.as_deref(),
                        groups: shape.groups,
                        renormalise: shape.renormalise,
                        scale: shape.scale,
                    },
                    gate,
                    up,
                    down,
                    shared,
                };
                let scratch = a.experts.as_ref().ok_or_else(|| {
                    Error::Request("the session was made without memory for experts".to_owned())
                })?;
                let rows = [&mut a.normed, &mut a.projected];
                ops::norm_moe_add(pass, frame.fusion, front, moe, scratch, rows, &mut a.stream)?;
            }
        }
        Ok(())
    }
}
