//! Qwen2 and Qwen2.5 (Yang et al., 2024), dense: Llama with biases on queries, keys and values.

use mettle_kernels::ops::{Activation, Pairing};

use super::Family;

/// Element i of a head rotates with element i + half its width.
pub(super) const FAMILY: Family = Family {
    pairing: Pairing::HalfSplit,
    packed: false,
    biases: true,
    head_norms: false,
    value_norms: false,
    post_norms: false,
    activation: Activation::Silu,
};
