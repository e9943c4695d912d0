//! `mettle cache`: what is kept of compiled sources.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use mettle_msl::Cache;
use serde::Serialize;

use crate::terminal;

/// Options of `mettle cache`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Where the cache is and how much it holds.
    Stats {
        /// Machine-readable output: one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Remove everything in it; it is made anew as needed.
    Clear,
}

#[derive(Serialize)]
struct Stats {
    folder: String,
    entries: usize,
    bytes: u64,
    capacity: u64,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let cache = Cache::of_user().context(
        "there is no folder for a cache: set METTLE_CACHE, XDG_CACHE_HOME or HOME to one that can be written",
    )?;
    let mut out = std::io::stdout().lock();
    match args.action {
        Action::Stats { json } => {
            let stats = cache.stats()?;
            let stats = Stats {
                folder: stats.folder.unwrap_or_default().display().to_string(),
                entries: stats.entries,
                bytes: stats.bytes,
                capacity: stats.capacity,
            };
            if json {
                writeln!(out, "{}", serde_json::to_string_pretty(&stats)?)?;
            } else {
                let (bytes, capacity) = (
                    terminal::bytes(stats.bytes),
                    terminal::bytes(stats.capacity),
                );
                writeln!(
                    out,
                    "{}: {} entries, {bytes} of {capacity}",
                    stats.folder, stats.entries
                )?;
            }
        }
        Action::Clear => {
            let held = cache.clear()?;
            writeln!(
                out,
                "removed {} entries, {}",
                held.entries,
                terminal::bytes(held.bytes)
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
