//! One module a command.

pub mod bench;
pub mod cache;
pub mod check;
pub mod diagnostics;
pub mod doctor;
pub mod embed;
pub mod exec;
mod expert_cache;
mod fusion;
pub mod generate;
pub mod kernels;
mod kv_cache;
pub mod quantize;
mod reflection;
pub mod score;
mod source;
mod tune;
pub mod verify;
