//! `mettle score`: how well a model predicts a text.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use mettle_gpu::Device;
use mettle_models::{Checkpoint, LoadOptions, Model, Tokenizer};
use serde::Serialize;

use super::expert_cache::{self, ExpertCacheArgs};
use super::fusion::FusionArgs;
use super::kv_cache::KvCacheArgs;
use crate::{bundled, terminal};

/// Options of `mettle score`.
#[derive(clap::Args)]
pub struct Args {
    /// A UTF-8 text.
    file: PathBuf,
    /// A GGUF file (the first part of a split one), or a folder with config.json and *.safetensors as Hugging Face and MLX write
    /// it; the bundled model when absent.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Tokens of a window; each window starts without a memory of the one before. The model's context when absent.
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// Where to run: auto, cpu, cuda, cuda:1, metal, metal:low-power or metal:NAME.
    #[arg(long, default_value = "auto")]
    device: String,
    #[command(flatten)]
    kv_cache: KvCacheArgs,
    #[command(flatten)]
    expert_cache: ExpertCacheArgs,
    #[command(flatten)]
    fusion: FusionArgs,
    /// Machine-readable output: one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    bits_per_byte: f64,
    perplexity: f64,
    tokens: usize,
    bytes: usize,
    seconds: f64,
    device: String,
    /// Where experts stay in their files.
    #[serde(skip_serializing_if = "Option::is_none")]
    expert_cache: Option<expert_cache::Report>,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read the text {}", args.file.display()))?;
    let device = Device::open(args.device.parse()?)?;
    let path = match &args.model {
        Some(path) => path.clone(),
        None => bundled::model_file()?,
    };
    let checkpoint = Checkpoint::open(&path)?;
    let tokenizer = Tokenizer::from_gguf(checkpoint.metadata())?;
    let model = Model::load(
        &device,
        &checkpoint,
        &LoadOptions {
            context: args.context,
            kv_format: args.kv_cache.format()?,
            fusion: args.fusion.fusion(),
            expert_cache: args.expert_cache.bytes()?,
            ..LoadOptions::default()
        },
    )?;
    let mut session = model.session()?;

    let started = Instant::now();
    let progress = terminal::progress(0, "scoring");
    let score = mettle_models::score(&mut session, &tokenizer, &text, |done, all| {
        progress.set_length(all as u64);
        progress.set_position(done as u64);
    })?;
    progress.finish_and_clear();

    let report = Report {
        bits_per_byte: score.bits_per_byte(),
        perplexity: score.perplexity(),
        tokens: score.tokens,
        bytes: score.bytes,
        seconds: started.elapsed().as_secs_f64(),
        device: format!("{} ({})", device.name(), device.kind()),
        expert_cache: model.expert_stats().map(Into::into),
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        writeln!(
            out,
            "{:.4} bits a byte, perplexity {:.3} a token ({} tokens, {} bytes, {:.1} s on {})",
            report.bits_per_byte,
            report.perplexity,
            report.tokens,
            report.bytes,
            report.seconds,
            report.device
        )?;
        if let Some(experts) = &model.expert_stats() {
            eprintln!("{}", expert_cache::summary(experts));
        }
    }
    Ok(ExitCode::SUCCESS)
}
