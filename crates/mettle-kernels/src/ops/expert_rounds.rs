//! A layer of experts that are not all in the device's memory: the host learns which of them tokens have, brings them into slots, as many at a
//! time as there are, and each round makes the products of those that are there.
//!
//! The steps of a layer are those of [`norm_moe_add`](super::norm_moe_add()), by the same kernels: [`norm_moe_route`], then, when the host has read
//! [`MoeScratch::chosen`], [`norm_moe_shared`], each [`norm_moe_round`] and [`moe_rounds_add`].

use std::ops::Range;

use super::check::Op;
use super::experts::{
    MoeScratch, input, product, products_by_id, products_sorted, record_norm, rows_of_piece, sorts,
};
use super::fusion::{Fusion, Norm};
use super::moe_sort::NONE;
use super::{Moe, MoeShape, SortedExperts, gather, moe_route};
use crate::Result;
use mettle_gpu::{Device, Pass, Tensor};

const OP: Op = Op("norm_moe_round");

/// An expert, and which of the matrices of a [`Moe`] are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertSlot {
    /// As the router counts them.
    pub expert: u32,
    /// The index of its matrices.
    pub slot: u32,
}

/// Pairs of a token and an expert in the order of the rounds that make their products.
#[derive(Clone, Debug)]
pub struct ExpertRounds {
    /// In pieces of rows of one expert, as tokens are sorted; of one row each where these are few.
    arranged: SortedExperts,
    /// Pieces of each round.
    rounds: Vec<Range<usize>>,
}

impl ExpertRounds {
    /// Arranges the pairs of tokens with the experts that were [`chosen`](MoeScratch::chosen) for them, for rounds with these experts in slots.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for an expert that is in no round or is none; memory running out.
    pub fn new(
        device: &Device,
        shape: MoeShape,
        chosen: &[u32],
        rounds: &[&[ExpertSlot]],
    ) -> Result<ExpertRounds> {
        let slots = shape.slots;
        let step = match sorts(chosen.len() / slots, shape) {
            true => rows_of_piece(device),
            false => 1,
        };
        let mut pairs_of = vec![Vec::new(); shape.experts];
        for (pair, &expert) in chosen.iter().enumerate() {
            let pairs = pairs_of.get_mut(expert as usize);
            let there_are = || format!("have expert {expert}, there are {}", shape.experts);
            pairs
                .ok_or_else(|| OP.refuse("chosen", there_are()))?
                .push(pair);
        }
        let mut experts = Vec::new();
        let mut tokens = Vec::new();
        let mut rows = vec![NONE; chosen.len()];
        let mut ranges = Vec::new();
        for round in rounds {
            let first = experts.len();
            for ExpertSlot { expert, slot } in *round {
                let pairs = pairs_of.get_mut(*expert as usize).map(std::mem::take);
                for piece in pairs.unwrap_or_default().chunks(step) {
                    experts.push(*slot);
                    for &pair in piece {
                        rows[pair] = tokens.len() as u32;
                        tokens.push((pair / slots) as u32);
                    }
                    tokens.resize(experts.len() * step, NONE);
                }
            }
            ranges.push(first..experts.len());
        }
        if rows.contains(&NONE) {
            return Err(OP.refuse("rounds", "are without an expert that a token has"));
        }
        OP.size("rounds", tokens.len())?;
        let lists = [&experts[..], &tokens, &rows];
        Ok(ExpertRounds {
            arranged: SortedExperts::arranged(device, lists, slots, step)?,
            rounds: ranges,
        })
    }
}

impl MoeScratch {
    /// The experts that [`norm_moe_route`] chose, those of a token side by side; the last one where it chose one that there is not, as in
    /// [`mul_mat_id`](super::mul_mat_id). Waits for its pass.
    ///
    /// # Errors
    /// Memory for fewer tokens; the failure of the pass.
    pub fn chosen(&self, tokens: usize) -> Result<Vec<u32>> {
        let mut ids = self.ids.rows_range(0..tokens)?.to_vec::<u32>()?;
        let last = self.shape.experts.saturating_sub(1) as u32;
        ids.iter_mut().for_each(|id| *id = (*id).min(last));
        Ok(ids)
    }

    /// Sizes of the layer.
    pub fn shape(&self) -> MoeShape {
        self.shape
    }
}

/// A layer of experts, and how it is recorded.
#[derive(Clone, Copy, Debug)]
pub struct MoeLayer<'a> {
    /// Of the steps.
    pub fusion: Fusion,
    /// Of what goes in.
    pub norm: Norm<'a>,
    /// The weights: gate, up and down have as many matrices as there are slots.
    pub moe: Moe<'a>,
    /// Memory for no fewer tokens.
    pub scratch: &'a MoeScratch,
}

/// Chooses the experts of each row of `stream` and their weights. `stream` is f32 `[tokens, k]`; `normed`, of its shape, is scratch memory that
/// the next steps read.
///
/// # Errors
/// Those of [`rms_norm()`](super::rms_norm()), [`mul_mat`](super::mul_mat()) and [`moe_route()`]; memory for fewer tokens, or for none of a shared expert.
pub fn norm_moe_route(
    pass: &mut Pass,
    layer: MoeLayer<'_>,
    normed: &mut Tensor,
    stream: &Tensor,
) -> Result<()> {
    let mut part = layer.scratch.part(stream.rows())?;
    part.check(layer.moe.shared)?;
    let (x, norm) = record_norm(pass, layer.fusion, layer.norm, normed, stream)?;
    product(pass, layer.moe.router, x, norm, &mut part.logits)?;
    let MoeScratch {
        logits,
        ids,
        weights,
        ..
    } = &mut part;
    moe_route(pass, logits, layer.moe.routing, ids, weights)
}

/// What the expert that all tokens have makes of them, in models with one.
///
/// # Errors
/// Those of [`mul_mat`](super::mul_mat()); memory for fewer tokens.
pub fn norm_moe_shared(
    pass: &mut Pass,
    layer: MoeLayer<'_>,
    normed: &Tensor,
    stream: &Tensor,
) -> Result<()> {
    let mut part = layer.scratch.part(stream.rows())?;
    let (x, norm) = input(pass.device(), layer.fusion, layer.norm, normed, stream);
    part.record_shared(pass, layer.fusion, layer.moe.shared, x, norm)
}

/// What the experts of a round make of their tokens. The slots must hold them when the pass runs.
///
/// # Errors
/// Those of [`mul_mat_id`](super::mul_mat_id), [`mul_mat_sorted`](super::mul_mat_sorted) and [`gather()`]; memory for fewer tokens;
/// [`Error::Argument`](crate::Error::Argument) for a round that there is not.
pub fn norm_moe_round(
    pass: &mut Pass,
    layer: MoeLayer<'_>,
    rounds: &ExpertRounds,
    round: usize,
    normed: &Tensor,
    stream: &Tensor,
) -> Result<()> {
    let (tokens, moe) = (stream.rows(), layer.moe);
    let part = layer.scratch.part(tokens)?;
    let Some(range) = rounds.rounds.get(round) else {
        let reason = format!("are {}, there is no number {round}", rounds.rounds.len());
        return Err(OP.refuse("rounds", reason));
    };
    if range.is_empty() {
        return Ok(());
    }
    let arranged = rounds.arranged.pieces(range.clone())?;
    let step = arranged.step();
    let of_round = |tensor: &Tensor| tensor.rows_range(range.start * step..range.end * step);
    let [mut gate, mut up, mut rows] = [
        of_round(&part.gate)?,
        of_round(&part.up)?,
        of_round(&part.rows)?,
    ];
    let (x, norm) = input(pass.device(), layer.fusion, layer.norm, normed, stream);
    if sorts(tokens, layer.scratch.shape) {
        let outs = [&mut gate, &mut up, &mut rows];
        return products_sorted(pass, moe, x, &arranged, outs);
    }
    let ids = arranged.experts();
    if tokens == 1 {
        let outs = [&mut gate, &mut up, &mut rows];
        return products_by_id(pass, layer.fusion, moe, x, norm, ids, outs);
    }
    gather(pass, x, arranged.tokens(), &mut rows)?;
    let x = rows.clone();
    let outs = [&mut gate, &mut up, &mut rows];
    products_by_id(pass, layer.fusion, moe, &x, norm, ids, outs)
}

/// Adds what all rounds have made, and the shared expert, to the stream; `projected`, of its shape, is scratch memory.
///
/// # Errors
/// Those of [`moe_combine()`](super::moe_combine()); memory for fewer tokens.
pub fn moe_rounds_add(
    pass: &mut Pass,
    layer: MoeLayer<'_>,
    rounds: &ExpertRounds,
    projected: &mut Tensor,
    stream: &mut Tensor,
) -> Result<()> {
    let part = layer.scratch.part(stream.rows())?;
    let (fusion, shared) = (layer.fusion, layer.moe.shared);
    let arranged = Some(&rounds.arranged);
    part.record_sum(pass, fusion, shared, arranged, projected, stream)
}
