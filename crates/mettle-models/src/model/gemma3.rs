//! Gemma 3 (Gemma Team, 2025), the part that reads text: as Gemma 2, with an RMS norm over each head of queries and keys in the place of
//! the cap, and a sliding window, with a rotary base of its own, in five of six layers.

use mettle_kernels::ops::{Activation, Pairing};

use super::Family;

/// Element i of a head rotates with element i + half its width. The weights of norms in GGUF files are what rows are multiplied by:
/// 1 more than in the files that they were converted from.
pub(super) const FAMILY: Family = Family {
    pairing: Pairing::HalfSplit,
    packed: false,
    biases: false,
    head_norms: true,
    value_norms: false,
    post_norms: true,
    activation: Activation::Gelu,
};
