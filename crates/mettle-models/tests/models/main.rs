//! Tests of the crate from outside, in one binary so that it is linked once.

mod adapters;
mod bad_input;
mod bundled;
mod chat;
mod config;
mod encoder;
mod expert_cache;
mod folders;
mod formats;
mod fusion;
mod fuzz;
mod generate;
mod gguf;
mod loading;
mod logits;
mod sampling;
mod support;
mod tokenizer;
mod type_42;
mod writer;
