//! Gemma 2 (Gemma Team, 2024): norms before and behind attention and feed-forward layers, scores and logits that are capped, and a sliding
//! window in every other layer.

use mettle_kernels::ops::{Activation, Pairing};

use super::Family;

/// Element i of a head rotates with element i + half its width. The weights of norms in GGUF files are what rows are multiplied by:
/// 1 more than in the files that they were converted from.
pub(super) const FAMILY: Family = Family {
    pairing: Pairing::HalfSplit,
    packed: false,
    biases: false,
    head_norms: false,
    value_norms: false,
    post_norms: true,
    activation: Activation::Gelu,
};
