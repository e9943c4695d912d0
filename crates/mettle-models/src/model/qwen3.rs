//! Qwen3 (Yang et al., 2025): Llama with an RMS norm over each head of queries and keys, and in some models a mixture of experts.

use mettle_kernels::ops::{Activation, Pairing};

use super::Family;

/// Element i of a head rotates with element i + half its width.
pub(super) const FAMILY: Family = Family {
    pairing: Pairing::HalfSplit,
    packed: false,
    biases: false,
    head_norms: true,
    value_norms: false,
    post_norms: false,
    activation: Activation::Silu,
};
