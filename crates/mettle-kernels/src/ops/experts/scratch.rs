//! Memory that mixtures of experts work in.

use super::{rows_of_piece, sorts};
use crate::Result;
use crate::ops::SortedExperts;
use mettle_gpu::{Device, Tensor};

/// Sizes of a mixture of experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoeShape {
    /// There are.
    pub experts: usize,
    /// Of a token.
    pub slots: usize,
    /// Width of what goes in and comes out.
    pub width: usize,
    /// Width of an expert's activations.
    pub of_expert: usize,
    /// That of the expert that all tokens have; 0 where there is none.
    pub of_shared: usize,
}

/// Memory that [`norm_moe_add`](crate::ops::norm_moe_add) works in.
#[derive(Clone, Debug)]
pub struct MoeScratch {
    pub(in crate::ops) shape: MoeShape,
    pub(in crate::ops) logits: Tensor,
    pub(in crate::ops) ids: Tensor,
    pub(in crate::ops) weights: Tensor,
    /// Where so many tokens are sorted.
    pub(super) sorted: Option<SortedExperts>,
    /// `[rows, width]`: the rows of tokens, then what the experts made of them.
    pub(in crate::ops) rows: Tensor,
    /// `[rows, of_expert]`.
    pub(in crate::ops) gate: Tensor,
    pub(in crate::ops) up: Tensor,
    /// What all tokens' expert takes.
    pub(super) shared: Option<SharedScratch>,
}

/// Memory of an expert that all tokens have, `[tokens, ..]` each.
#[derive(Clone, Debug)]
pub(super) struct SharedScratch {
    /// `[tokens, 1]`.
    pub(super) weight: Tensor,
    /// `[tokens, of_shared]`.
    pub(super) gate: Tensor,
    pub(super) up: Tensor,
    /// `[tokens, width]`.
    pub(super) out: Tensor,
}

impl SharedScratch {
    fn part(&self, tokens: usize) -> Result<SharedScratch> {
        let rows = |tensor: &Tensor| tensor.rows_range(0..tokens);
        Ok(SharedScratch {
            weight: rows(&self.weight)?,
            gate: rows(&self.gate)?,
            up: rows(&self.up)?,
            out: rows(&self.out)?,
        })
    }
}

impl MoeScratch {
    /// For up to `tokens` at a time.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for a size of zero; memory running out.
    pub fn new(device: &Device, shape: MoeShape, tokens: usize) -> Result<MoeScratch> {
        let MoeShape {
            experts,
            slots,
            width,
            of_expert,
            of_shared,
        } = shape;
        let sorted = match sorts(tokens, shape) {
            true => {
                let step = rows_of_piece(device);
                Some(SortedExperts::new(device, [tokens, slots], experts, step)?)
            }
            false => None,
        };
        let rows = sorted
            .as_ref()
            .map_or(tokens * slots, |sorted| sorted.tokens().len());
        // Rows that are left over are activated, too.
        let values = |what: &str, shape: [usize; 2]| -> Result<Tensor> {
            Ok(Tensor::zeros::<f32>(device, shape)?.labelled(what))
        };
        Ok(MoeScratch {
            shape,
            logits: values("logits of experts", [tokens, experts])?,
            ids: Tensor::zeros::<u32>(device, [tokens, slots])?.labelled("ids of experts"),
            weights: values("weights of experts", [tokens, slots])?,
            sorted,
            rows: values("rows of experts", [rows, width])?,
            gate: values("gates of experts", [rows, of_expert])?,
            up: values("activations of experts", [rows, of_expert])?,
            shared: match of_shared {
                0 => None,
                _ => Some(SharedScratch {
                    weight: values("weight of the shared expert", [tokens, 1])?,
                    gate: values("gate of the shared expert", [tokens, of_shared])?,
                    up: values("activations of the shared expert", [tokens, of_shared])?,
                    out: values("what the shared expert made", [tokens, width])?,
                }),
            },
        })
    }

    /// Bytes of [`new`](Self::new), about.
    pub fn bytes(device: &Device, shape: MoeShape, tokens: usize) -> u64 {
        let pairs = tokens.saturating_mul(shape.slots);
        let rows = match sorts(tokens, shape) {
            true => pairs.saturating_add(shape.experts.saturating_mul(rows_of_piece(device))),
            false => pairs,
        };
        let of_row = shape.width.saturating_add(2 * shape.of_expert + 2) as u64;
        let of_shared = match shape.of_shared {
            0 => 0,
            columns => 1 + 2 * columns + shape.width,
        };
        let of_token = (shape.experts + 3 * shape.slots + of_shared) as u64;
        let values = (rows as u64).saturating_mul(of_row);
        values
            .saturating_add((tokens as u64).saturating_mul(of_token))
            .saturating_mul(4)
    }

    /// The part of it that `tokens` take.
    pub(in crate::ops) fn part(&self, tokens: usize) -> Result<MoeScratch> {
        let shape = self.shape;
        let sorted = match &self.sorted {
            Some(sorted) if sorts(tokens, shape) => Some(sorted.part(tokens, shape.experts)?),
            _ => None,
        };
        let rows = sorted
            .as_ref()
            .map_or(tokens * shape.slots, |sorted| sorted.tokens().len());
        Ok(MoeScratch {
            shape,
            logits: self.logits.rows_range(0..tokens)?,
            ids: self.ids.rows_range(0..tokens)?,
            weights: self.weights.rows_range(0..tokens)?,
            sorted,
            rows: self.rows.rows_range(0..rows)?,
            gate: self.gate.rows_range(0..rows)?,
            up: self.up.rows_range(0..rows)?,
            shared: match &self.shared {
                Some(shared) => Some(shared.part(tokens)?),
                None => None,
            },
        })
    }
}
