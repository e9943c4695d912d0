//! Code generation and checks that are not tests.

mod bindings;
mod corpora;
mod numerics;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::Path;

#[derive(Parser)]
#[command(about = "Code generation and checks that are not tests")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes the launch bindings of every kernel in crates/mettle-kernels/metal, and the list of families.
    Bindings {
        /// Only report files that are not current; exit code 1 if there are any.
        #[arg(long)]
        check: bool,
    },
    /// Reads and checks every file of the published Metal sources that tools/corpora.sh fetches, with the processor time of each step.
    Corpora(corpora::Arguments),
    /// Measures the errors of the math functions on a device, or writes docs/numerics.md from what was measured.
    Numerics(numerics::Arguments),
}

fn main() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the workspace")?;
    match Cli::parse().command {
        Task::Bindings { check } => bindings::run(&workspace.join("crates/mettle-kernels"), check),
        Task::Corpora(arguments) => corpora::run(&arguments),
        Task::Numerics(arguments) => numerics::run(workspace, &arguments),
    }
}
