//! Language models on the kernel catalogue.
//!
//! Owns: GGUF files and model folders, tokenizers, chat templates, KV caches, forward passes, the generation loop and embeddings.
//! May not know: backends or kernel bindings; it calls ops only.
//!
//! The way from a file to text: [`Checkpoint`] -> [`Model`] and [`Tokenizer`] -> [`Session`] -> [`generate()`].
//!
//! ```no_run
//! use mettle_gpu::{Device, Preference};
//! use mettle_models::{Checkpoint, GenerateOptions, LoadOptions, Model, Sampling, Tokenizer, generate};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::open(Preference::Auto)?;
//! let checkpoint = Checkpoint::open("model.gguf")?;
//! let tokenizer = Tokenizer::from_gguf(checkpoint.metadata())?;
//! let model = Model::load(&device, &checkpoint, &LoadOptions::default())?;
//!
//! let prompt = tokenizer.encode("In the beginning", true)?;
//! let options = GenerateOptions {
//!     max_tokens: 64,
//!     sampling: Sampling::Greedy,
//!     ignore_end: false,
//! };
//! let stop = false.into();
//! let out = generate(&mut model.session()?, &tokenizer, &prompt, &options, &stop, |token| {
//!     print!("{}", token.text);
//! })?;
//! println!("\n{:.1} tokens a second", out.stats.decode_rate());
//! # Ok(())
//! # }
//! ```

mod adapter;
pub mod chat;
mod checkpoint;
mod config;
mod encoder;
mod error;
mod expert_cache;
mod generate;
pub mod gguf;
pub mod hugging_face;
mod kv_cache;
mod memory;
mod model;
mod score;
mod scratch;
mod session;
mod tokenizer;
mod weights;

pub use adapter::Adapter;
pub use checkpoint::Checkpoint;
pub use config::{
    Architecture, Config, Experts, Heads, LatentAttention, LinearAttention, RopeScaling, Window,
};
pub use encoder::{Encoder, EncoderConfig, Pooling, normalize};
pub use error::{Error, Result};
pub use expert_cache::ExpertStats;
pub use generate::{Finish, GenerateOptions, Generation, Sampling, Stats, Token, generate};
pub use kv_cache::KvFormat;
pub use memory::MemoryEstimate;
pub use mettle_kernels::ops::Fusion;
pub use model::{LoadOptions, Model};
pub use score::{Score, score};
pub use session::{Launches, Session};
pub use tokenizer::{TokenStream, Tokenizer};
