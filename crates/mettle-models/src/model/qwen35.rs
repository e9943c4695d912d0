//! Qwen3-Next (Qwen Team, 2025) and Qwen3.5 (2026), dense and with a mixture of experts, the part that reads text: linear attention in three of four layers, and
//! attention whose output is gated in the fourth.

use mettle_kernels::ops::{Activation, Pairing};

use super::Family;

/// Element i of the rotated part of a head rotates with element i + half of that part. The frequencies are divided among positions in time,
/// height and width, which are the same in texts. The weights of norms in GGUF files are what rows are multiplied by: 1 more than in
/// the files that they were converted from.
pub(super) const FAMILY: Family = Family {
    pairing: Pairing::HalfSplit,
    packed: false,
    biases: false,
    head_norms: true,
    value_norms: false,
    post_norms: false,
    activation: Activation::Silu,
};
