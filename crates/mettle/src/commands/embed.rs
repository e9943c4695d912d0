//! `mettle embed`: vectors of texts.

use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::ValueEnum;
use mettle_gpu::Device;
use mettle_models::{Checkpoint, Encoder, Pooling, Tokenizer, normalize};
use serde::Serialize;

use super::fusion::FusionArgs;

/// Options of `mettle embed`.
#[derive(clap::Args)]
pub struct Args {
    /// The texts. When absent, standard input is read: each line is a text.
    texts: Vec<String>,
    /// A GGUF file of an encoder: architecture bert.
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    /// What is made of the vectors of a text's tokens; what the model was trained for when absent.
    #[arg(long, value_enum)]
    pooling: Option<PoolingName>,
    /// Scale each vector to a length of 1.
    #[arg(long)]
    normalize: bool,
    /// Where to run: auto, cpu, cuda, cuda:1, metal, metal:low-power or metal:NAME.
    #[arg(long, default_value = "auto")]
    device: String,
    #[command(flatten)]
    fusion: FusionArgs,
    /// Print one JSON document instead of a line of numbers for each vector.
    #[arg(long)]
    json: bool,
}

/// A [`Pooling`] on the command line.
#[derive(Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum PoolingName {
    /// A vector for each token.
    None,
    /// The mean over the tokens.
    Mean,
    /// The first token's.
    Cls,
}

impl PoolingName {
    fn of(pooling: Pooling) -> Self {
        match pooling {
            Pooling::None => Self::None,
            Pooling::Mean => Self::Mean,
            Pooling::Cls => Self::Cls,
        }
    }

    fn pooling(self) -> Pooling {
        match self {
            Self::None => Pooling::None,
            Self::Mean => Pooling::Mean,
            Self::Cls => Pooling::Cls,
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    model: String,
    device: String,
    pooling: PoolingName,
    normalized: bool,
    embeddings: Vec<Embedding<'a>>,
}

/// The vectors of a text: one, or one for each token without pooling.
#[derive(Serialize)]
struct Embedding<'a> {
    text: &'a str,
    ids: Vec<u32>,
    vectors: Vec<&'a [f32]>,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let texts = match args.texts.is_empty() {
        false => args.texts.clone(),
        true => read_lines()?,
    };
    anyhow::ensure!(
        !texts.is_empty(),
        "there are no texts: give them as arguments or pipe them in, one a line"
    );
    let device = Device::open(args.device.parse()?)?;
    let checkpoint = Checkpoint::open(&args.model)?;
    let encoder = Encoder::load(&device, &checkpoint, args.fusion.fusion())?;
    let tokenizer = Tokenizer::from_gguf(checkpoint.metadata())?;
    let ids = texts
        .iter()
        .enumerate()
        .map(|(i, text)| encode(&encoder, &tokenizer, text, i + 1))
        .collect::<Result<Vec<_>>>()?;
    let trained = PoolingName::of(encoder.config().pooling);
    let pooling = args.pooling.unwrap_or(trained);
    let mut embeddings = encoder.embed(&ids, pooling.pooling())?;
    let width = encoder.config().hidden;
    if args.normalize {
        embeddings
            .iter_mut()
            .for_each(|vectors| normalize(vectors, width));
    }

    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let of_texts = texts.iter().zip(ids).zip(&embeddings);
        let report = Report {
            model: args.model.display().to_string(),
            device: format!("{} ({})", device.name(), device.kind()),
            pooling,
            normalized: args.normalize,
            embeddings: of_texts
                .map(|((text, ids), vectors)| Embedding {
                    text,
                    ids,
                    vectors: vectors.chunks(width).collect(),
                })
                .collect(),
        };
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        for vector in embeddings.iter().flat_map(|vectors| vectors.chunks(width)) {
            let values: Vec<String> = vector.iter().map(f32::to_string).collect();
            writeln!(out, "{}", values.join(" "))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The ids of a text, which must not be too long; `number` counts the texts from 1.
fn encode(encoder: &Encoder, tokenizer: &Tokenizer, text: &str, number: usize) -> Result<Vec<u32>> {
    let ids = tokenizer.encode(text, true)?;
    let context = encoder.config().context;
    anyhow::ensure!(
        ids.len() <= context,
        "text {number} has {} tokens, the model takes at most {context}",
        ids.len()
    );
    Ok(ids)
}

/// The lines of standard input, if it is not a terminal.
fn read_lines() -> Result<Vec<String>> {
    let mut input = io::stdin();
    let mut bytes = Vec::new();
    if !input.is_terminal() {
        input
            .read_to_end(&mut bytes)
            .context("cannot read the texts from standard input")?;
    }
    let text = String::from_utf8(bytes).context("standard input is not UTF-8 text")?;
    Ok(text.lines().map(str::to_owned).collect())
}
