//! Llama (Touvron et al., 2023), and with it Mistral and TinyLlama.

use mettle_kernels::ops::{Activation, Pairing};

use super::Family;

/// GGUF files of this family store the rows of queries and keys so that neighbouring elements of a head rotate together.
pub(super) const FAMILY: Family = Family {
    pairing: Pairing::Interleaved,
    packed: false,
    biases: false,
    head_norms: false,
    value_norms: false,
    post_norms: false,
    activation: Activation::Silu,
};
