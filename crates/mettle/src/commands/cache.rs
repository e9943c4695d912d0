//! `mettle cache`: what is kept of compiled sources.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use mettle_gpu::Device;
use mettle_kernels::cases::matches;
use mettle_kernels::catalogue;
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
    /// Make the pipelines of the catalogue on a device: what is not embedded is compiled, and kept for later.
    Warm(WarmArgs),
    /// Remove everything in it; it is made anew as needed.
    Clear,
}

/// Options of `mettle cache warm`.
#[derive(clap::Args)]
struct WarmArgs {
    /// The device: auto, cpu, cuda or metal.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Only kernels whose name matches this glob, such as `mul_mv_*`.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    kernel: String,
    /// Machine-readable output: one JSON document.
    #[arg(long)]
    json: bool,
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
    let cache = || {
        Cache::of_user().context(
            "there is no folder for a cache: set METTLE_CACHE, XDG_CACHE_HOME or HOME to one that can be written",
        )
    };
    let mut out = std::io::stdout().lock();
    match args.action {
        Action::Warm(args) => return warm(&args, &mut out),
        Action::Stats { json } => {
            let stats = cache()?.stats()?;
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
            let held = cache()?.clear()?;
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

/// What `warm --json` prints.
#[derive(Serialize)]
struct Warmed {
    device: String,
    pipelines: usize,
    /// By where their code came from.
    made: BTreeMap<String, usize>,
    failed: Vec<String>,
    seconds: f64,
}

fn warm(args: &WarmArgs, out: &mut impl Write) -> Result<ExitCode> {
    let device = Device::open(args.device.parse()?)?;
    let requests = catalogue::pipelines(&device, |kernel| matches(&args.kernel, kernel.name));
    anyhow::ensure!(
        !requests.is_empty(),
        "no kernel's name matches '{}'; `mettle kernels` lists them all",
        args.kernel
    );
    let progress = terminal::progress(requests.len() as u64, "warming");
    let report = device.warm(&requests, &|_| progress.inc(1));
    progress.finish_and_clear();
    let made = report.made.iter();
    let failed = report.failed.iter();
    let warmed = Warmed {
        device: format!("{} ({})", device.name(), device.kind()),
        pipelines: requests.len(),
        made: made.map(|(from, n)| (from.to_string(), *n)).collect(),
        failed: failed
            .map(|(kernel, error)| format!("{kernel}: {error}"))
            .collect(),
        seconds: report.elapsed.as_secs_f64(),
    };
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&warmed)?)?;
    } else {
        for failure in &warmed.failed {
            writeln!(out, "FAILED {failure}")?;
        }
        let made = warmed.made.iter().map(|(from, n)| format!("{n} {from}"));
        writeln!(
            out,
            "{} pipelines on {} in {:.3} s: {}, {} failed",
            warmed.pipelines,
            warmed.device,
            warmed.seconds,
            made.collect::<Vec<_>>().join(", "),
            warmed.failed.len()
        )?;
    }
    Ok(match warmed.failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
