//! Tests of the crate from outside, in one binary so that it is linked once.

mod bad_input;
mod chat;
mod config;
mod fuzz;
mod gguf;
mod support;
mod tokenizer;
