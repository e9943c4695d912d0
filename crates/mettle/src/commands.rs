//! One module a command.

pub mod generate;
pub mod kernels;
pub mod score;
pub mod verify;
