//! Host references of the larger kernels: their definitions in plain Rust and f64, for the cases.

mod attention;
mod sample;

pub(crate) use attention::{attention, visible};
pub(crate) use sample::Sampler;
