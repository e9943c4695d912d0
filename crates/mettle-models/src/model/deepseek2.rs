//! DeepSeek-V2 (DeepSeek-AI, 2024, arXiv 2405.04434), V3 and R1: latent attention, and a mixture of experts behind a few leading layers.

use mettle_kernels::ops::{Activation, Pairing};

use super::Family;

/// Neighbouring elements of the rotated part rotate together.
pub(super) const FAMILY: Family = Family {
    pairing: Pairing::Interleaved,
    packed: false,
    biases: false,
    head_norms: false,
    value_norms: false,
    post_norms: false,
    activation: Activation::Silu,
};
