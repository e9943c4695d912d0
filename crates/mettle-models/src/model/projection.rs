//! Products with matrices of weights, and with what adapters add to them.

use mettle_gpu::{Pass, Tensor};
use mettle_kernels::ops::{self, Fusion, Glu, GluScratch, Norm};

use crate::{Result, scratch::AdapterScratch};

/// A matrix of weights, `[outputs, inputs]`, and what adapters add to products with it.
pub(crate) struct Projection {
    pub(crate) weight: Tensor,
    pub(crate) adapters: Vec<LowRank>,
}

/// Two thin matrices whose product is added to another.
#[derive(Clone)]
pub(crate) struct LowRank {
    /// `[rank, inputs]`
    pub(crate) down: Tensor,
    /// `[outputs, rank]`, F32; the adapter's scale is in it.
    pub(crate) up: Tensor,
}

impl Projection {
    /// Records `out += x down^T up^T` for each adapter.
    pub(super) fn add_adapted(
        &self,
        pass: &mut Pass,
        fusion: Fusion,
        x: &Tensor,
        scratch: &AdapterScratch,
        out: &mut Tensor,
    ) -> Result<()> {
        for LowRank { down, up } in &self.adapters {
            let tokens = x.rows();
            let mut low = scratch.low(tokens, down.rows())?;
            let mut added = scratch.added(tokens, up.rows())?;
            ops::mul_mat(pass, down, x, &mut low)?;
            ops::mul_mat_add(pass, fusion, up, &low, &mut added, out)?;
        }
        Ok(())
    }
}

/// [`ops::norm_mul_mats`] of matrices with adapters: where there are any, the norm is a launch of its own.
pub(super) fn norm_products(
    pass: &mut Pass,
    fusion: Fusion,
    x: &Tensor,
    norm: Norm<'_>,
    normed: &mut Tensor,
    scratch: Option<&AdapterScratch>,
    products: &mut [(&Projection, &mut Tensor)],
) -> Result<()> {
    let adapted = products
        .iter()
        .any(|(projection, _)| !projection.adapters.is_empty());
    let Some(scratch) = scratch.filter(|_| adapted) else {
        let products = products.iter_mut();
        let mut plain: Vec<_> = products
            .map(|(projection, out)| (&projection.weight, &mut **out))
            .collect();
        return Ok(ops::norm_mul_mats(
            pass, fusion, x, norm, normed, &mut plain,
        )?);
    };
    ops::rms_norm(pass, x, norm.weight, norm.eps, normed)?;
    for (projection, out) in products {
        ops::mul_mat(pass, &projection.weight, normed, out)?;
        projection.add_adapted(pass, fusion, normed, scratch, out)?;
    }
    Ok(())
}

/// Weights of a gated feed-forward layer's first half: see [`Glu`].
pub(super) struct GatedUnit<'a> {
    pub(super) activation: ops::Activation,
    pub(super) gate: &'a Projection,
    pub(super) up: &'a Projection,
}

/// [`ops::norm_glu`] of matrices with adapters, which add to what the activation takes.
#[expect(
    clippy::too_many_arguments,
    reason = "those of the op, and the adapters' scratch"
)]
pub(super) fn norm_glu(
    pass: &mut Pass,
    fusion: Fusion,
    x: &Tensor,
    norm: Norm<'_>,
    unit: GatedUnit<'_>,
    adapted: Option<&AdapterScratch>,
    scratch: GluScratch<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let GatedUnit {
        activation,
        gate,
        up,
    } = unit;
    if gate.adapters.is_empty() && up.adapters.is_empty() {
        let glu = Glu {
            activation,
            gate: &gate.weight,
            up: &up.weight,
        };
        return Ok(ops::norm_glu(pass, fusion, x, norm, glu, scratch, out)?);
    }
    let products = &mut [(gate, &mut *scratch.gate), (up, &mut *scratch.up)];
    norm_products(pass, fusion, x, norm, scratch.normed, adapted, products)?;
    Ok(ops::glu(pass, activation, scratch.gate, scratch.up, out)?)
}

/// What is done with what is added to the stream.
#[derive(Clone, Copy)]
pub(super) struct PostNorm<'a> {
    pub(super) norm: Norm<'a>,
    /// The sum is multiplied by it.
    pub(super) scale: f32,
}

/// `stream += x w^T`, or `stream = (stream + rms_norm(x w^T)) scale` where there is a norm, of a matrix with adapters.
#[expect(
    clippy::too_many_arguments,
    reason = "those of the op, and the adapters' scratch"
)]
pub(super) fn product_norm_add(
    pass: &mut Pass,
    fusion: Fusion,
    projection: &Projection,
    x: &Tensor,
    post: Option<PostNorm<'_>>,
    adapted: Option<&AdapterScratch>,
    projected: &mut Tensor,
    stream: &mut Tensor,
) -> Result<()> {
    let weight = &projection.weight;
    let adapted = adapted.filter(|_| !projection.adapters.is_empty());
    let out = match post {
        Some(_) => {
            ops::mul_mat(pass, weight, x, projected)?;
            &mut *projected
        }
        None => {
            ops::mul_mat_add(pass, fusion, weight, x, projected, stream)?;
            &mut *stream
        }
    };
    if let Some(scratch) = adapted {
        projection.add_adapted(pass, fusion, x, scratch, out)?;
    }
    if let Some(PostNorm { norm, scale }) = post {
        ops::norm_add_scaled(pass, fusion, norm, scale, projected, stream)?;
    }
    Ok(())
}
