//! Gemma 4 (Google DeepMind, 2026), the part that reads text: as Gemma 3, with heads of another width in layers without a window and a norm of
//! values too. Small models give each layer an embedding of the token of its own, and their last layers attend to what earlier ones have cached;
//! in large ones keys and values of layers without a window are made of one projection.

use mettle_kernels::ops::{Activation, Pairing};

use super::Family;

/// Element i of a head rotates with element i + half its width; where only a part is rotated, files have divisors that stop the other pairs.
/// The weights of norms are what rows are multiplied by, in all files.
pub(super) const FAMILY: Family = Family {
    pairing: Pairing::HalfSplit,
    packed: false,
    biases: false,
    head_norms: true,
    value_norms: true,
    post_norms: true,
    activation: Activation::Gelu,
};
