//! Phi 3 (Abdin et al., 2024) and Phi 4: Llama with packed matrices, the first part of each head rotated, and LongRoPE.

use mettle_kernels::ops::{Activation, Pairing};

use super::Family;

/// Element i of the rotated part of a head rotates with element i + half of that part. Where a file names a sliding window, all layers
/// have it, as in `transformers`.
pub(super) const FAMILY: Family = Family {
    pairing: Pairing::HalfSplit,
    packed: true,
    biases: false,
    head_norms: false,
    value_norms: false,
    post_norms: false,
    activation: Activation::Silu,
};
