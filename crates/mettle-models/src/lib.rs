//! Language models on the kernel catalogue.
//!
//! Owns: GGUF files, tokenizers, chat templates, KV caches, forward passes and the generation loop.
//! May not know: backends or kernel bindings; it calls ops only.
