//! One module a command.

pub mod check;
pub mod generate;
pub mod kernels;
pub mod score;
mod source;
pub mod verify;
