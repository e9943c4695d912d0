//! Kernels that other people published, unmodified, on the CPU device against references of our own in f64. `tools/corpora.sh` fetches
//! their sources.

mod blocks;
mod candle;
mod llama;
mod support;
