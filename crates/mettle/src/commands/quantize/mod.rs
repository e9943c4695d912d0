//! `mettle quantize`: a GGUF file with its weights in another format.

mod convert;
mod output;
mod plan;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use mettle_gpu::Format;
use mettle_models::gguf::{File, Writer};
use serde::Serialize;

use crate::terminal;
use output::Output;
use plan::Plan;

/// Options of `mettle quantize`.
#[derive(clap::Args)]
pub struct Args {
    /// A GGUF file (the first part of a split one), in any formats.
    input: PathBuf,
    /// The file to write.
    output: PathBuf,
    /// The format of weights, such as Q4_K, Q8_0 or F16. Matrices whose rows are not whole blocks of it become Q8_0 or, if
    /// they do not fit that either, F16; norms, routers, short convolutions and vectors stay as they are.
    #[arg(long = "type", value_name = "FORMAT")]
    format: String,
    /// Threads that encode; all of this machine's when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Replace the output if it exists.
    #[arg(long)]
    force: bool,
    /// Machine-readable output: one JSON document.
    #[arg(long)]
    json: bool,
}

/// What was done.
#[derive(Serialize)]
struct Report {
    input: Side,
    output: Side,
    /// Tensors that did not get the format that was asked for, by the reason.
    fallbacks: BTreeMap<String, usize>,
    seconds: f64,
}

/// A file.
#[derive(Serialize)]
struct Side {
    path: String,
    /// Of the tensors, without header and padding.
    bytes: u64,
    bits_per_weight: f64,
    /// Tensors by format.
    tensors: BTreeMap<&'static str, usize>,
}

impl Side {
    /// Of tensors in these formats with so many values.
    fn new(path: &Path, tensors: impl Iterator<Item = (Format, usize)>) -> Result<Self> {
        let (mut bytes, mut values) = (0, 0);
        let mut formats = BTreeMap::new();
        for (format, count) in tensors {
            values += count as u64;
            bytes += format.row_bytes(count)? as u64;
            *formats.entry(format.name()).or_insert(0) += 1;
        }
        Ok(Self {
            path: path.display().to_string(),
            bytes,
            bits_per_weight: match values {
                0 => 0.0,
                values => bytes as f64 * 8.0 / values as f64,
            },
            tensors: formats,
        })
    }
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let started = Instant::now();
    let format: Format = args
        .format
        .parse()
        .with_context(|| format!("there are {}", plan::names()))?;
    let file = File::open(&args.input)?;
    let plan = Plan::new(&file, format)?;
    let inputs: Vec<&Path> = file.paths().collect();
    let stop = stop_when_interrupted()?;
    let mut output = Output::create(&args.output, &inputs, args.force)?;
    write(&file, &plan, &mut output, args.threads, &stop)
        .with_context(|| format!("{} was not written", args.output.display()))?;
    output.finish()?;

    let report = Report {
        input: Side::new(
            &args.input,
            file.tensors()
                .map(|tensor| (tensor.format, values(&tensor.shape))),
        )?,
        output: Side::new(
            &args.output,
            plan.tensors
                .iter()
                .map(|tensor| (tensor.format, values(&tensor.shape))),
        )?,
        fallbacks: plan
            .fallbacks
            .iter()
            .map(|(fallback, count)| (fallback.to_string(), *count))
            .collect(),
        seconds: started.elapsed().as_secs_f64(),
    };
    print(&report, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// How many values a tensor of this shape has.
fn values(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Writes all tensors.
fn write(
    file: &File,
    plan: &Plan,
    output: &mut Output,
    threads: Option<u16>,
    stop: &AtomicBool,
) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.map_or(0, usize::from))
        .build()
        .context("cannot start threads")?;
    let bytes: u64 = file.tensors().map(|t| t.bytes().len() as u64).sum();
    let progress = terminal::progress_of_bytes(bytes, "quantizing");
    let mut writer = Writer::new(output.writer(), &plan.metadata, &plan.tensors)?;
    for (tensor, new) in file.tensors().zip(&plan.tensors) {
        pool.install(|| {
            convert::write(&tensor, new.format, &mut writer, stop, |done| {
                progress.inc(done);
            })
        })?;
    }
    writer.finish()?;
    progress.finish_and_clear();
    Ok(())
}

/// Set by the first Ctrl-C or request to terminate, so that the unfinished file is removed; a second one ends the process.
fn stop_when_interrupted() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("cannot watch for Ctrl-C")?;
    Ok(stop)
}

fn print(report: &Report, json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(report)?)?;
        return Ok(());
    }
    for (reason, count) in &report.fallbacks {
        writeln!(out, "{count} matrices became {reason}")?;
    }
    writeln!(
        out,
        "{}: {} at {:.2} bits a weight, from {} at {:.2} ({:.1} s)",
        report.output.path,
        terminal::bytes(report.output.bytes),
        report.output.bits_per_weight,
        terminal::bytes(report.input.bytes),
        report.input.bits_per_weight,
        report.seconds
    )?;
    Ok(())
}
