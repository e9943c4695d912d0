//! Language models on the kernel catalogue.
//!
//! Owns: GGUF files, tokenizers, chat templates, KV caches, forward passes and the generation loop.
//! May not know: backends or kernel bindings; it calls ops only.

pub mod chat;
mod config;
mod error;
pub mod gguf;
mod tokenizer;

pub use config::{Architecture, Config, RopeScaling};
pub use error::{Error, Result};
pub use tokenizer::{TokenStream, Tokenizer};
