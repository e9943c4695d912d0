//! `mettle generate`: text from a model.

use std::io::{self, IsTerminal, Read, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicBool};
use std::time::Instant;

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use mettle_gpu::{Device, Profile};
use mettle_kernels::ops;
use mettle_models::chat::{ChatOptions, ChatTemplate, Message};
use mettle_models::{
    Adapter, Checkpoint, GenerateOptions, Generation, KvFormat, LoadOptions, MemoryEstimate, Model,
    Sampling, Tokenizer,
};
use serde::Serialize;

use super::expert_cache::{self, ExpertCacheArgs};
use super::fusion::FusionArgs;
use super::kv_cache::KvCacheArgs;
use crate::{bundled, terminal};

/// What the bundled model continues when nothing else is asked for.
const DEFAULT_PROMPT: &str = "And it came to pass in those days, that";

/// Options of `mettle generate`.
#[derive(clap::Args)]
pub struct Args {
    /// A GGUF file (the first part of a split one), or a folder with config.json and *.safetensors as Hugging Face and MLX write
    /// it; the bundled model when absent.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// A LoRA adapter in a GGUF file, as llama.cpp converts them, and the factor of what it adds, 1 when absent. Can be given several times.
    #[arg(long, value_name = "FILE[:SCALE]")]
    lora: Vec<String>,
    /// The text to continue. When absent, it is read from a pipe.
    #[arg(long)]
    prompt: Option<String>,
    /// Take the prompt as a user's message and apply the model's chat template.
    #[arg(long)]
    chat: bool,
    /// Stop after this many tokens.
    #[arg(long, value_name = "N", default_value_t = 128)]
    max_tokens: usize,
    /// Go on behind tokens that end a text or a turn.
    #[arg(long)]
    ignore_eos: bool,
    /// Tokens that prompt and answer may have together; what the model was trained for, but at most 4096, when absent.
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// Tokens of a prompt that go through the model together. More take more memory, and need less time each on a large GPU.
    #[arg(long, value_name = "N")]
    chunk: Option<NonZeroUsize>,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Where to run: auto, cpu, cuda, cuda:1, metal, metal:low-power or metal:NAME.
    #[arg(long, default_value = "auto")]
    device: String,
    #[command(flatten)]
    kv_cache: KvCacheArgs,
    #[command(flatten)]
    expert_cache: ExpertCacheArgs,
    #[command(flatten)]
    fusion: FusionArgs,
    /// Print one JSON document at the end instead of streaming the text.
    #[arg(long)]
    json: bool,
    /// Show the time by kernel at the end, prompt and answer together. Slows small models down.
    #[arg(long)]
    profile: bool,
}

/// How the next token is chosen.
#[derive(clap::Args)]
struct SamplingArgs {
    /// Always take the most probable token.
    #[arg(long)]
    greedy: bool,
    /// The seed of the draws: the same seed gives the same text on the same device.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Divide the logits by this; 0 is greedy.
    #[arg(long, value_name = "T", default_value_t = 0.8)]
    temperature: f32,
    /// Keep the K most probable tokens; 0 keeps all.
    #[arg(long, value_name = "K", default_value_t = 40)]
    top_k: u32,
    /// Keep the most probable tokens whose probabilities add up to P; 1 keeps all.
    #[arg(long, value_name = "P", default_value_t = 0.95)]
    top_p: f32,
    /// Keep tokens at least P times as probable as the most probable one; 0 keeps all.
    #[arg(long, value_name = "P", default_value_t = 0.05)]
    min_p: f32,
}

impl SamplingArgs {
    fn sampling(&self) -> Result<Sampling> {
        anyhow::ensure!(
            self.temperature >= 0.0 && self.temperature.is_finite(),
            "--temperature must be 0 or more, not {}",
            self.temperature
        );
        for (name, value) in [("--top-p", self.top_p), ("--min-p", self.min_p)] {
            anyhow::ensure!(
                (0.0..=1.0).contains(&value),
                "{name} must be from 0 to 1, not {value}"
            );
        }
        Ok(if self.greedy || self.temperature == 0.0 {
            Sampling::Greedy
        } else {
            Sampling::Random(ops::Sampling {
                temperature: self.temperature,
                top_k: self.top_k,
                top_p: self.top_p,
                min_p: self.min_p,
                seed: self.seed,
            })
        })
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    model: String,
    device: String,
    prompt: &'a str,
    text: &'a str,
    prompt_ids: &'a [u32],
    ids: &'a [u32],
    finish: &'a str,
    seed: u64,
    prompt_tokens_per_second: f64,
    decode_tokens_per_second: f64,
    time_to_first_token_seconds: f64,
    decode_launches: Option<StepLaunches>,
    expert_cache: Option<expert_cache::Report>,
    memory: Memory,
}

/// Launches of a decode step.
#[derive(Serialize)]
struct StepLaunches {
    count: usize,
    barriers: usize,
}

/// Bytes that were estimated before loading.
#[derive(Serialize)]
struct Memory {
    weights: u64,
    expert_cache: Option<u64>,
    kv_type: &'static str,
    kv_cache: u64,
    windows_save: u64,
    scratch: u64,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let sampling = args.sampling.sampling()?;
    let prompt = read_prompt(&args)?;
    let device = Device::open(args.device.parse()?)?;
    let path = match &args.model {
        Some(path) => path.clone(),
        None => bundled::model_file()?,
    };
    let checkpoint = Checkpoint::open(&path)?;
    let tokenizer = Tokenizer::from_gguf(checkpoint.metadata())?;
    let ids = if args.chat {
        let template = ChatTemplate::from_gguf(checkpoint.metadata(), &tokenizer)?;
        let text = template.render(
            &[Message::new("user", prompt.as_str())],
            ChatOptions::default(),
        )?;
        tokenizer.encode_chat(&text)?
    } else {
        tokenizer.encode(&prompt, true)?
    };

    let load = LoadOptions {
        context: args.context,
        kv_format: args.kv_cache.format()?,
        chunk: args.chunk.map(NonZeroUsize::get),
        fusion: args.fusion.fusion(),
        expert_cache: args.expert_cache.bytes()?,
    };
    let adapters = args.lora.iter().map(|argument| adapter(argument));
    let adapters = adapters.collect::<Result<Vec<_>>>()?;
    let memory = MemoryEstimate::adapted(&checkpoint, &adapters, &load, &device)?;
    let name = args
        .model
        .as_ref()
        .map_or("bundled".to_owned(), |path| path.display().to_string());
    if !args.json {
        let usual = LoadOptions {
            kv_format: KvFormat::default(),
            ..load
        };
        let usual = MemoryEstimate::adapted(&checkpoint, &adapters, &usual, &device)?;
        let cache = cache_size(load.kv_format, &memory, usual.kv_cache);
        announce(&name, &device, &memory, &cache);
    }
    let model = load_model(&device, &checkpoint, &adapters, &load, &memory)?;
    warm(&model);
    let mut session = model.session()?;
    if args.profile {
        session.start_profile();
    }

    let stop = Arc::new(AtomicBool::new(false));
    stop_on_ctrl_c(stop.clone())?;
    let options = GenerateOptions {
        max_tokens: args.max_tokens,
        sampling,
        ignore_end: args.ignore_eos,
    };
    let mut screen = Screen::new(!args.json, stop.clone());
    // A prompt that does not fit is refused below, with nothing on standard output.
    if !args.chat && ids.len() <= session.room() {
        screen.write(&prompt);
    }
    let done = mettle_models::generate(&mut session, &tokenizer, &ids, &options, &stop, |token| {
        screen.write(token.text);
    })?;
    screen.finish()?;
    if let Some(launches) = done.stats.decode_launches {
        tracing::info!(
            launches = launches.count,
            barriers = launches.barriers,
            "a token's pass"
        );
    }

    if args.json {
        let report = report(&args, &name, &model, &memory, &prompt, &ids, &done);
        writeln!(
            io::stdout().lock(),
            "{}",
            serde_json::to_string_pretty(&report)?
        )?;
    } else if io::stderr().is_terminal() || args.model.is_none() {
        eprintln!("{}", summary(&done));
    }
    if !args.json
        && let Some(experts) = &done.stats.experts
    {
        eprintln!("{}", expert_cache::summary(experts));
    }
    if let Some(profile) = session.profile() {
        eprintln!("{}", profile_table(profile));
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the adapter of `FILE[:SCALE]`.
fn adapter(argument: &str) -> Result<Adapter> {
    let (path, scale) = scaled(argument);
    Ok(Adapter::open(path, scale)?)
}

/// The parts of `FILE[:SCALE]`: what follows the last colon is the scale if it is a number.
fn scaled(argument: &str) -> (&str, f32) {
    let parts = argument.rsplit_once(':');
    parts
        .and_then(|(path, scale)| Some((path, scale.parse().ok()?)))
        .unwrap_or((argument, 1.0))
}

/// Loads the weights; on a GPU with memory of its own they are copied, which takes a while.
fn load_model(
    device: &Device,
    checkpoint: &Checkpoint,
    adapters: &[Adapter],
    options: &LoadOptions,
    memory: &MemoryEstimate,
) -> Result<Model> {
    let started = Instant::now();
    let progress = terminal::progress_of_bytes(memory.weights, "loading");
    let model = Model::load_with(device, checkpoint, adapters, options, &mut |bytes| {
        progress.inc(bytes)
    })?;
    progress.finish_and_clear();
    let elapsed = started.elapsed();
    tracing::info!(
        bytes = memory.weights,
        ?elapsed,
        gigabytes_per_second = memory.weights as f64 / elapsed.as_secs_f64() / 1e9,
        "loaded"
    );
    Ok(model)
}

/// Makes the pipelines before the first token needs them. What fails is told when it is asked for.
fn warm(model: &Model) {
    let progress = terminal::progress(model.pipelines().len() as u64, "preparing kernels");
    let report = model.warm(&|_| progress.inc(1));
    progress.finish_and_clear();
    tracing::info!(
        pipelines = report.usable(),
        made = ?report.made,
        failed = report.failed.len(),
        elapsed = ?report.elapsed,
        "prepared kernels"
    );
}

/// The prompt given, or what a pipe holds; with the bundled model and a person at the terminal, its default.
fn read_prompt(args: &Args) -> Result<String> {
    if let Some(prompt) = &args.prompt {
        return Ok(prompt.clone());
    }
    let mut input = io::stdin();
    let mut bytes = Vec::new();
    if !input.is_terminal() {
        input
            .read_to_end(&mut bytes)
            .context("cannot read the prompt from standard input")?;
    }
    let text =
        String::from_utf8(bytes).context("the prompt on standard input is not UTF-8 text")?;
    match (text.is_empty(), &args.model) {
        (false, _) => Ok(text),
        (true, None) => Ok(DEFAULT_PROMPT.to_owned()),
        (true, Some(_)) => {
            anyhow::bail!("there is no prompt: give --prompt TEXT or pipe a text in")
        }
    }
}

/// The size of the KV cache, what another format than the usual one makes of it, and what windows save.
fn cache_size(format: KvFormat, memory: &MemoryEstimate, usual: u64) -> String {
    let bytes = memory.kv_cache;
    let mut remarks = Vec::new();
    if bytes != usual {
        let word = if bytes < usual { "less" } else { "more" };
        let difference = terminal::bytes(bytes.abs_diff(usual));
        let usual = KvFormat::default();
        remarks.push(format!("{format}, {difference} {word} than {usual}"));
    }
    if memory.windows_save > 0 {
        let saved = terminal::bytes(memory.windows_save);
        remarks.push(format!("windows save {saved}"));
    }
    let size = terminal::bytes(bytes);
    match remarks.is_empty() {
        true => format!("{size} KV cache"),
        false => format!("{size} KV cache ({})", remarks.join("; ")),
    }
}

fn announce(name: &str, device: &Device, memory: &MemoryEstimate, cache: &str) {
    eprintln!(
        "model {name} on {} ({}): {}, {cache}, {} scratch; {} available",
        device.name(),
        device.kind(),
        match memory.expert_cache {
            Some(cache) => format!(
                "{} weights, {} of them a cache of experts",
                terminal::bytes(memory.weights),
                terminal::bytes(cache)
            ),
            None => format!("{} weights", terminal::bytes(memory.weights)),
        },
        terminal::bytes(memory.scratch),
        terminal::bytes(device.memory().available),
    );
}

/// The first Ctrl-C or request to terminate ends the text after the current token; a second one ends the process.
fn stop_on_ctrl_c(stop: Arc<AtomicBool>) -> Result<()> {
    ctrlc::set_handler(move || {
        if stop.swap(true, atomic::Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("cannot watch for Ctrl-C")
}

fn summary(done: &Generation) -> String {
    let stats = &done.stats;
    format!(
        "[{} prompt tokens at {:.1} tokens/s, {} tokens at {:.1} tokens/s, first token after {:.3} s, {}]",
        stats.prompt_tokens,
        stats.prompt_rate(),
        done.ids.len(),
        stats.decode_rate(),
        stats.time_to_first_token().as_secs_f64(),
        done.finish.name()
    )
}

/// Where the time went, the most expensive kernel first.
fn profile_table(profile: &Profile) -> Table {
    let mut kernels: Vec<_> = profile.kernels().collect();
    kernels.sort_by_key(|(_, time)| std::cmp::Reverse(time.nanoseconds));
    let total = profile.total_nanoseconds().max(1) as f64;
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["kernel", "launches", "ms", "share"]);
    for (name, time) in kernels {
        let nanoseconds = time.nanoseconds as f64;
        table.add_row([
            name.to_owned(),
            time.calls.to_string(),
            format!("{:.2}", nanoseconds / 1e6),
            format!("{:.1} %", 100.0 * nanoseconds / total),
        ]);
    }
    table
}

fn report<'a>(
    args: &Args,
    name: &str,
    model: &Model,
    memory: &MemoryEstimate,
    prompt: &'a str,
    prompt_ids: &'a [u32],
    done: &'a Generation,
) -> Report<'a> {
    Report {
        model: name.to_owned(),
        device: format!("{} ({})", model.device().name(), model.device().kind()),
        prompt,
        text: &done.text,
        prompt_ids,
        ids: &done.ids,
        finish: done.finish.name(),
        seed: args.sampling.seed,
        prompt_tokens_per_second: done.stats.prompt_rate(),
        decode_tokens_per_second: done.stats.decode_rate(),
        time_to_first_token_seconds: done.stats.time_to_first_token().as_secs_f64(),
        decode_launches: done.stats.decode_launches.map(|launches| StepLaunches {
            count: launches.count,
            barriers: launches.barriers,
        }),
        expert_cache: done.stats.experts.map(Into::into),
        memory: Memory {
            weights: memory.weights,
            expert_cache: memory.expert_cache,
            kv_type: model.options().kv_format.name(),
            kv_cache: memory.kv_cache,
            windows_save: memory.windows_save,
            scratch: memory.scratch,
        },
    }
}

/// Standard output while a text streams. When its reader goes away, generation stops.
struct Screen {
    shown: bool,
    stop: Arc<AtomicBool>,
    failed: Option<io::Error>,
}

impl Screen {
    fn new(shown: bool, stop: Arc<AtomicBool>) -> Self {
        Screen {
            shown,
            stop,
            failed: None,
        }
    }

    fn write(&mut self, text: &str) {
        if !self.shown || self.failed.is_some() {
            return;
        }
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            self.failed = Some(error);
            self.stop.store(true, atomic::Ordering::Relaxed);
        }
    }

    fn finish(mut self) -> io::Result<()> {
        self.write("\n");
        self.failed.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn adapters_have_scales() {
        assert_eq!(scaled("a.gguf"), ("a.gguf", 1.0));
        assert_eq!(scaled("a.gguf:0.5"), ("a.gguf", 0.5));
        assert_eq!(scaled("d:a.gguf:-2"), ("d:a.gguf", -2.0));
        assert_eq!(scaled("d:a.gguf"), ("d:a.gguf", 1.0));
    }
}
