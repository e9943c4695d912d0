//! Mixtures of experts: products of each token with the weights of its own experts, and the whole feed-forward layer of them.
//!
//! Few tokens take each expert's weights for themselves, a launch for all of them. Where tokens are so many that most experts have
//! several, these are sorted by expert, and a product is made of all rows of an expert at a time.

mod scratch;

pub use self::scratch::{MoeScratch, MoeShape};
use super::check::Op;
use super::fusion::{Activation, Fusion, Norm};
use super::mapping::Mapping;
use super::mul_mm::{Matrices, ROWS_OF_EXPERT, mul_mm_experts, mul_mm_of_tokens};
use super::mul_mm_tensor::{Results, multiply};
use super::mul_mv::{Beside, experts_of, mul_mat_beside};
use super::mul_panel::{STEP, mul_panel_experts};
use super::{
    Binary, Combine, Routing, SortedExperts, add_assign, binary_assign, gather, moe_combine,
    moe_route, moe_sort, mul_mat, rms_norm,
};
use crate::Result;
use mettle_gpu::{Device, Pass, Tensor};

const OP: Op = Op("mul_mat_sorted");

/// Rows of an expert, in the mean, from which on sorting pays.
const ROWS_TO_SORT: usize = 4;

/// `out[i, :] = x[i / sharers, :] w[ids[i]]^T`, as [`mul_mat`] makes it. `w` is `[experts, n, k]` in any format that is
/// [decoded](super::decodes), `ids` is u32 of as many values as `out` has rows, `out` is f32 `[rows, n]`; `x` is f32 of as many
/// rows, or of fewer that these share evenly: one row of `x` for all experts of a token. An id that is not below `experts` stands for the
/// last one: the host cannot check what a kernel computed.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for weights of another format; [`Error::Argument`](crate::Error::Argument) for other
/// formats or shapes or gaps; those of the launch, when `out` shares memory with an input among others.
pub fn mul_mat_id(
    pass: &mut Pass,
    w: &Tensor,
    x: &Tensor,
    ids: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let ids = Some(ids);
    let beside = Beside {
        ids,
        ..Beside::default()
    };
    mul_mat_beside(pass, w, x, beside, out)
}

/// Rows of a piece of sorted tokens, as [`mul_mat_sorted`] wants them on a device.
pub fn rows_of_piece(device: &Device) -> usize {
    match Mapping::of(device) {
        Mapping::RowPerThread => STEP,
        Mapping::RowPerGroup => ROWS_OF_EXPERT,
    }
}

/// `out[r, :] = x[r, :] w[e]^T` with the expert `e` of the piece of row `r`. `w` is `[experts, n, k]` in any format that is
/// [decoded](super::decodes), `x` is f32 of as many rows as `sorted` has, `[rows, k]`, `out` is f32 `[rows, n]`, of which pieces
/// that are left over are not written. See [`mul_mat`] for how exact products are.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for weights of another format; [`Error::Argument`](crate::Error::Argument) for other
/// formats or shapes or gaps, or pieces of another number of rows than [`rows_of_piece`] says; those of the launch, when `out` shares
/// memory with an input among others.
pub fn mul_mat_sorted(
    pass: &mut Pass,
    w: &Tensor,
    x: &Tensor,
    sorted: &SortedExperts,
    out: &mut Tensor,
) -> Result<()> {
    let (rows, experts) = (sorted.tokens().len(), sorted.experts());
    let step = rows_of_piece(pass.device());
    if experts.len() * step != rows {
        let pieces = experts.len();
        let reason = format!("has {rows} rows in {pieces} pieces, must have {step} in each");
        return Err(OP.refuse("sorted", reason));
    }
    OP.dense("w", w)?;
    let n = w.rows() / experts_of(w)?;
    let columns = OP.matrix("x", x, rows, w.columns())?;
    let mut results = OP.matrix("out", out, rows, n)?;
    match Mapping::of(pass.device()) {
        Mapping::RowPerGroup if pass.device().limits().tensor_units => {
            let (matrices, results) = (Matrices::Experts(experts), Results::Rows(out));
            multiply(pass, OP, 1, w, x, matrices, results)
        }
        Mapping::RowPerGroup => mul_mm_experts(pass, OP, w, x, experts, out),
        Mapping::RowPerThread => {
            mul_panel_experts(pass, w, &columns, &experts.buffer()?, &mut results)
        }
    }
}

/// Whether a device makes these products by [`mul_mm_experts`].
fn multiplies_by_tiles(device: &Device) -> bool {
    Mapping::of(device) == Mapping::RowPerGroup && !device.limits().tensor_units
}

/// A feed-forward layer of gated experts, of which each token takes a few.
#[derive(Clone, Copy, Debug)]
pub struct Moe<'a> {
    /// Gives a token's logits of the experts: `[experts, k]`, in any format that is [decoded](super::decodes).
    pub router: &'a Tensor,
    /// Of what the router takes, where it is another than that of what experts take; f32 of as many values as a row. Not for layers in rounds.
    pub router_norm: Option<Norm<'a>>,
    /// How experts are chosen by them.
    pub routing: Routing<'a>,
    /// `[experts, n, k]`, in any format that is decoded.
    pub gate: &'a Tensor,
    /// As `gate`.
    pub up: &'a Tensor,
    /// `[experts, k, n]`, in any format of these.
    pub down: &'a Tensor,
    /// What gates go through; that of the expert that all tokens have is [`Activation::Silu`].
    pub activation: Activation,
    /// What all tokens have, in models with such an expert.
    pub shared: Option<SharedExpert<'a>>,
}

/// An expert that all tokens have besides, weighted by a sigmoid of its own in some models.
#[derive(Clone, Copy, Debug)]
pub struct SharedExpert<'a> {
    /// Gives what the sigmoid is of: `[1, k]`, in any format that is [decoded](super::decodes). The weight is 1 without.
    pub router: Option<&'a Tensor>,
    /// `[n, k]`, in any format that is decoded.
    pub gate: &'a Tensor,
    /// As `gate`.
    pub up: &'a Tensor,
    /// `[k, n]`, in any format that is decoded.
    pub down: &'a Tensor,
}

/// Whether so many tokens are sorted by expert.
pub(super) fn sorts(tokens: usize, shape: MoeShape) -> bool {
    tokens.saturating_mul(shape.slots) >= ROWS_TO_SORT.saturating_mul(shape.experts)
}

/// `stream += sum over the experts e of a token of weight_e * down_e (activation(gate_e n) * up_e n)` with `n = rms_norm(stream)`, and the same of the
/// shared expert, whose weight is `sigmoid(router n)` or 1. `stream` is f32 `[tokens, k]`; `normed` and `projected`, of its shape, and `scratch`, for no fewer tokens, are scratch memory.
///
/// # Errors
/// Those of [`rms_norm()`](super::rms_norm()), [`mul_mat`], [`moe_route()`], [`mul_mat_id`] and [`moe_combine()`]; memory for fewer tokens.
pub fn norm_moe_add(
    pass: &mut Pass,
    fusion: Fusion,
    norm: Norm<'_>,
    moe: Moe<'_>,
    scratch: &MoeScratch,
    [normed, projected]: [&mut Tensor; 2],
    stream: &mut Tensor,
) -> Result<()> {
    let part = record_experts(pass, fusion, norm, moe, scratch, normed, stream)?;
    part.record_sum(
        pass,
        fusion,
        moe.shared,
        part.sorted.as_ref(),
        projected,
        stream,
    )
}

/// `out = sum over the experts e of a token of weight_e * down_e (activation(gate_e n) * up_e n)` with `n = rms_norm(x)`: [`norm_moe_add`] for
/// models that do more with the sum before it is added. `out` is of the shape of `x`.
///
/// # Errors
/// Those of [`norm_moe_add`].
#[expect(
    clippy::too_many_arguments,
    reason = "those of norm_moe_add, with what goes in and comes out apart"
)]
pub fn norm_moe(
    pass: &mut Pass,
    fusion: Fusion,
    norm: Norm<'_>,
    moe: Moe<'_>,
    scratch: &MoeScratch,
    normed: &mut Tensor,
    x: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let part = record_experts(pass, fusion, norm, moe, scratch, normed, x)?;
    part.record_combined(pass, false, moe.shared, part.sorted.as_ref(), out)
}

/// Records what experts make of each token, in the memory that is returned.
fn record_experts(
    pass: &mut Pass,
    fusion: Fusion,
    norm: Norm<'_>,
    moe: Moe<'_>,
    scratch: &MoeScratch,
    normed: &mut Tensor,
    stream: &Tensor,
) -> Result<MoeScratch> {
    let mut part = scratch.part(stream.rows())?;
    part.check(moe.shared)?;
    if let Some(norm) = moe.router_norm {
        let (x, norm) = record_norm(pass, fusion, norm, normed, stream)?;
        product(pass, moe.router, x, norm, &mut part.logits)?;
    }
    let (x, norm) = record_norm(pass, fusion, norm, normed, stream)?;
    if moe.router_norm.is_none() {
        product(pass, moe.router, x, norm, &mut part.logits)?;
    }
    part.record_shared(pass, fusion, moe.shared, x, norm)?;
    let MoeScratch {
        shape,
        logits,
        ids,
        weights,
        sorted,
        rows,
        gate,
        up,
        ..
    } = &mut part;
    moe_route(pass, logits, moe.routing, ids, weights)?;
    match sorted {
        Some(sorted) => {
            moe_sort(pass, ids, shape.experts, sorted)?;
            products_sorted(pass, moe, x, sorted, [gate, up, rows])?;
        }
        None => products_by_id(pass, fusion, moe, x, norm, ids, [gate, up, rows])?,
    }
    Ok(part)
}

/// What products are of, and the norm that they make on their way; where they cannot, the norm is recorded.
pub(super) fn record_norm<'a>(
    pass: &mut Pass,
    fusion: Fusion,
    norm: Norm<'a>,
    normed: &'a mut Tensor,
    stream: &'a Tensor,
) -> Result<(&'a Tensor, Option<Norm<'a>>)> {
    if !norms_on_its_way(pass.device(), fusion, stream) {
        rms_norm(pass, stream, norm.weight, norm.eps, normed)?;
    }
    Ok(input(pass.device(), fusion, norm, normed, stream))
}

/// The same once the norm has been recorded.
pub(super) fn input<'a>(
    device: &Device,
    fusion: Fusion,
    norm: Norm<'a>,
    normed: &'a Tensor,
    stream: &'a Tensor,
) -> (&'a Tensor, Option<Norm<'a>>) {
    match norms_on_its_way(device, fusion, stream) {
        true => (stream, Some(norm)),
        false => (normed, None),
    }
}

fn norms_on_its_way(device: &Device, fusion: Fusion, stream: &Tensor) -> bool {
    fusion.of_products(stream) && Beside::can_norm(device)
}

/// What the experts of sorted pairs make of the rows of `x`; the last of the three has it afterwards.
pub(super) fn products_sorted(
    pass: &mut Pass,
    moe: Moe<'_>,
    x: &Tensor,
    sorted: &SortedExperts,
    [gate, up, rows]: [&mut Tensor; 3],
) -> Result<()> {
    if multiplies_by_tiles(pass.device()) {
        let products = [(moe.gate, &mut *gate), (moe.up, &mut *up)];
        mul_mm_of_tokens(pass, OP, x, sorted, products)?;
    } else {
        gather(pass, x, sorted.tokens(), rows)?;
        mul_mat_sorted(pass, moe.gate, rows, sorted, gate)?;
        mul_mat_sorted(pass, moe.up, rows, sorted, up)?;
    }
    binary_assign(pass, moe.activation.gated(), gate, up)?;
    mul_mat_sorted(pass, moe.down, gate, sorted, rows)
}

/// What each of the experts `ids` makes of its row of `x`, or of the one that it shares; the last of the three has it afterwards.
pub(super) fn products_by_id(
    pass: &mut Pass,
    fusion: Fusion,
    moe: Moe<'_>,
    x: &Tensor,
    norm: Option<Norm<'_>>,
    ids: &Tensor,
    [gate, up, rows]: [&mut Tensor; 3],
) -> Result<()> {
    let beside = Beside {
        norm,
        ids: Some(ids),
        ..Beside::default()
    };
    let fused = fusion == Fusion::On && moe.activation == Activation::Silu;
    if fused && moe.gate.format() == moe.up.format() {
        let gated = Some(moe.up);
        mul_mat_beside(pass, moe.gate, x, Beside { gated, ..beside }, gate)?;
    } else {
        mul_mat_beside(pass, moe.gate, x, beside, gate)?;
        mul_mat_beside(pass, moe.up, x, beside, up)?;
        binary_assign(pass, moe.activation.gated(), gate, up)?;
    }
    mul_mat_id(pass, moe.down, gate, ids, rows)
}

/// `out = rms_norm(x) w^T`, or without the norm.
pub(super) fn product(
    pass: &mut Pass,
    w: &Tensor,
    x: &Tensor,
    norm: Option<Norm<'_>>,
    out: &mut Tensor,
) -> Result<()> {
    match norm {
        Some(_) => {
            let beside = Beside {
                norm,
                ..Beside::default()
            };
            mul_mat_beside(pass, w, x, beside, out)
        }
        None => mul_mat(pass, w, x, out),
    }
}

impl MoeScratch {
    /// Whether there is memory for an expert that all tokens have, where there is one.
    pub(super) fn check(&self, expert: Option<SharedExpert<'_>>) -> Result<()> {
        if expert.is_some() && self.shared.is_none() {
            const OP: Op = Op("norm_moe_add");
            return Err(OP.refuse("scratch", "has no memory for a shared expert"));
        }
        Ok(())
    }

    /// Records what the expert that all tokens have makes of `x`, or of its norm, and what its weight is the sigmoid of.
    pub(super) fn record_shared(
        &mut self,
        pass: &mut Pass,
        fusion: Fusion,
        expert: Option<SharedExpert<'_>>,
        x: &Tensor,
        norm: Option<Norm<'_>>,
    ) -> Result<()> {
        let (Some(expert), Some(scratch)) = (expert, &mut self.shared) else {
            return Ok(());
        };
        let SharedExpert {
            router,
            gate,
            up,
            down,
        } = expert;
        if let Some(router) = router {
            product(pass, router, x, norm, &mut scratch.weight)?;
        }
        if fusion.of_products(x) && gate.format() == up.format() {
            let beside = Beside {
                norm,
                gated: Some(up),
                ..Beside::default()
            };
            mul_mat_beside(pass, gate, x, beside, &mut scratch.gate)?;
        } else {
            product(pass, gate, x, norm, &mut scratch.gate)?;
            product(pass, up, x, norm, &mut scratch.up)?;
            binary_assign(pass, Binary::SiluMul, &mut scratch.gate, &scratch.up)?;
        }
        mul_mat(pass, down, &scratch.gate, &mut scratch.out)
    }

    /// Records the sum of what the experts of each token made, added to the stream. `arranged` says where the rows of pairs are; side by side
    /// without.
    pub(super) fn record_sum(
        &self,
        pass: &mut Pass,
        fusion: Fusion,
        expert: Option<SharedExpert<'_>>,
        arranged: Option<&SortedExperts>,
        projected: &mut Tensor,
        stream: &mut Tensor,
    ) -> Result<()> {
        if fusion == Fusion::On {
            return self.record_combined(pass, true, expert, arranged, stream);
        }
        self.record_combined(pass, false, expert, arranged, projected)?;
        add_assign(pass, stream, projected)
    }

    /// Records that sum, in the place of what `out` has or added to it.
    fn record_combined(
        &self,
        pass: &mut Pass,
        add: bool,
        expert: Option<SharedExpert<'_>>,
        arranged: Option<&SortedExperts>,
        out: &mut Tensor,
    ) -> Result<()> {
        let shared = self.shared.as_ref().filter(|_| expert.is_some());
        let gated = expert.is_some_and(|expert| expert.router.is_some());
        let count = arranged.map_or(self.rows.rows(), |sorted| sorted.tokens().len());
        let rows = self.rows.rows_range(0..count)?;
        let combine = Combine {
            sorted: arranged,
            shared: shared.map(|shared| &shared.out),
            shared_gate: shared.filter(|_| gated).map(|shared| &shared.weight),
            add,
            ..Combine::default()
        };
        moe_combine(pass, &rows, &self.weights, combine, out)
    }
}
