//! The feed-forward layer of a block: gated, of all tokens alike or of the experts of each.

use mettle_gpu::{Pass, Tensor};
use mettle_kernels::ops::{
    self, Activation, GluScratch, Moe, MoeLayer, Norm, Routing, SharedExpert,
};

use super::{
    block::Frame,
    branches::Branches,
    projection::{GatedUnit, PostNorm, Projection, norm_glu, product_norm_add},
};
use crate::{
    Config, Error, Experts, Result, expert_cache::ExpertPass, scratch::Activations, weights::Loader,
};

/// Weights of the layer. Matrices are `[outputs, inputs]`.
pub(super) enum FeedForward {
    /// One for all tokens.
    Glu {
        gate: Projection,
        up: Projection,
        down: Projection,
        activation: Activation,
    },
    /// Experts, of which the router chooses those of a token.
    Experts {
        shape: Experts,
        router: Tensor,
        /// Added to the scores of experts when they are chosen, in models that have it.
        bias: Option<Box<Tensor>>,
        matrices: ExpertMatrices,
        shared: Option<Box<Shared>>,
    },
    /// Both, of which the sum is normalised.
    Branches(Box<Branches>),
}

/// Gate, up and down of experts.
pub(crate) enum ExpertMatrices {
    /// Of all of them, `[experts, outputs, inputs]`.
    Resident(Box<[Tensor; 3]>),
    /// Of those that the model's cache has under this index.
    Cached(usize),
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
        let (hidden, width) = (config.hidden, config.feed_forward(layer));
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        if let Some(experts) = config
            .experts(layer)
            .filter(|experts| experts.dense_besides)
        {
            let branches = Branches::load(loader, config, experts, layer)?;
            return Ok(Self::Branches(Box::new(branches)));
        }
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
                matrices: loader.experts(
                    layer,
                    [
                        [count, width, hidden],
                        [count, width, hidden],
                        [count, hidden, width],
                    ],
                )?,
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
        behind: Option<PostNorm<'_>>,
        a: &mut Activations,
        experts: &mut Option<ExpertPass<'_>>,
    ) -> Result<()> {
        match self {
            Self::Branches(branches) => branches.record(pass, frame, front, behind, a)?,
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
                let [gates, ups, activated] = a.units.of(up.weight.rows());
                let scratch = GluScratch {
                    normed: &mut a.normed,
                    gate: gates,
                    up: ups,
                };
                norm_glu(
                    pass,
                    frame.fusion,
                    &a.stream,
                    front,
                    unit,
                    a.adapted.as_ref(),
                    scratch,
                    activated,
                )?;
                product_norm_add(
                    pass,
                    frame.fusion,
                    down,
                    activated,
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
                matrices,
                shared,
            } => {
                let shared = shared.as_ref().map(|shared| SharedExpert {
                    router: shared.router.as_ref(),
                    gate: &shared.gate,
                    up: &shared.up,
                    down: &shared.down,
                });
                let in_slots;
                let [gate, up, down] = match (matrices, &*experts) {
                    (ExpertMatrices::Resident(all), _) => all.each_ref(),
                    (ExpertMatrices::Cached(layer), Some(experts)) => {
                        in_slots = experts.matrices(*layer)?;
                        in_slots.each_ref()
                    }
                    (ExpertMatrices::Cached(_), None) => {
                        let reason = "the pass was begun without the experts";
                        return Err(Error::Request(reason.to_owned()));
                    }
                };
                let moe = Moe {
                    router,
                    router_norm: None,
                    activation: Activation::Silu,
                    routing: Routing {
                        scores: shape.scores,
                        bias: bias.as_deref(),
                        groups: shape.groups,
                        renormalise: shape.renormalise,
                        scale: shape.scale,
                        expert_scales: None,
                    },
                    gate,
                    up,
                    down,
                    shared,
                };
                let scratch = a.experts.as_ref().ok_or_else(|| {
                    Error::Request("the session was made without memory for experts".to_owned())
                })?;
                let (normed, projected) = (&mut a.normed, &mut a.projected);
                let (fusion, norm, stream) = (frame.fusion, front, &mut a.stream);
                match (matrices, experts) {
                    (ExpertMatrices::Cached(layer), Some(experts)) => {
                        let of_layer = MoeLayer {
                            fusion,
                            norm,
                            moe,
                            scratch,
                        };
                        let rows = [normed, projected, stream];
                        experts.record(pass, *layer, of_layer, rows)?;
                    }
                    _ => {
                        let rows = [normed, projected];
                        ops::norm_moe_add(pass, fusion, norm, moe, scratch, rows, stream)?;
                    }
                }
            }
        }
        Ok(())
    }
}
