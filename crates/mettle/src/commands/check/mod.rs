//! `mettle check`: whether `.metal` files compile, what is wrong with them, and what their kernels take.

mod files;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use mettle_msl::{Cache, CheckOptions, Diagnostic, Error, Options, Unit};
use rayon::prelude::*;

use crate::commands::source::SourceArgs;
use crate::terminal;

/// Options of `mettle check`.
#[derive(clap::Args)]
pub struct Args {
    /// `.metal` files, and folders whose `.metal` files are meant, those of their subfolders included.
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
    /// Only these kernels, by host name; every file is still read as a whole.
    #[arg(long, value_name = "NAME")]
    kernel: Vec<String>,
    /// Refuse what Apple's compiler refuses and C++ accepts as well: address spaces, language restrictions, limits of the hardware.
    #[arg(long)]
    strict: bool,
    /// Print the kernels with their arguments.
    #[arg(long)]
    reflect: bool,
    /// Machine-readable output: one JSON document.
    #[arg(long)]
    json: bool,
}

/// What was found out about a file.
struct Checked {
    path: PathBuf,
    /// Absent where the file could not be read or understood.
    unit: Option<Unit>,
    diagnostics: Vec<Diagnostic>,
    /// Why it could not be checked, where no place in the source is to blame.
    failure: Option<String>,
    elapsed: Duration,
}

impl Checked {
    fn passed(&self) -> bool {
        self.failure.is_none() && !self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Runs the command; the exit code is 1 when a file has an error.
pub fn run(args: Args) -> Result<ExitCode> {
    let started = Instant::now();
    let files = files::expand(&args.paths)?;
    let options = args.source.options();
    let cache = Cache::of_user();
    let progress = terminal::progress(files.len() as u64, "checking");
    let checked: Vec<Checked> = files
        .par_iter()
        .map(|path| {
            let checked = check(path, &args, &options, cache.as_ref());
            progress.inc(1);
            checked
        })
        .collect();
    progress.finish_and_clear();
    if let Some(cache) = &cache
        && let Err(error) = cache.trim()
    {
        tracing::warn!(%error, "the cache is not trimmed");
    }
    require_kernels(&args.kernel, &checked)?;

    let passed = checked.iter().all(Checked::passed);
    let mut out = std::io::stdout().lock();
    if args.json {
        report::json(&checked, started.elapsed(), &mut out)?;
    } else {
        report::text(&checked, args.reflect, started.elapsed(), &mut out)?;
    }
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn check(path: &Path, args: &Args, options: &Options, cache: Option<&Cache>) -> Checked {
    let started = Instant::now();
    let mut checked = Checked {
        path: path.to_owned(),
        unit: None,
        diagnostics: Vec::new(),
        failure: None,
        elapsed: Duration::ZERO,
    };
    let result = Unit::from_file(path, options).and_then(|unit| {
        let unit = checked.unit.insert(unit);
        // A name that no file has is reported once, for all files.
        let kernels: Vec<&str> = unit
            .kernels
            .iter()
            .map(|kernel| kernel.name.as_str())
            .filter(|name| args.kernel.iter().any(|wanted| wanted == name))
            .collect();
        if args.kernel.is_empty() || !kernels.is_empty() {
            let options = CheckOptions {
                kernels: &kernels,
                strict: args.strict,
                cache,
            };
            checked.diagnostics = mettle_msl::check(unit, &options)?;
        }
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(Error::Compile { diagnostics }) => checked.diagnostics.extend(diagnostics),
        Err(error) => checked.failure = Some(format!("{:#}", anyhow::Error::from(error))),
    }
    checked.elapsed = started.elapsed();
    checked
}

/// A kernel asked for that no file has.
fn require_kernels(wanted: &[String], checked: &[Checked]) -> Result<()> {
    let units = || checked.iter().filter_map(|file| file.unit.as_ref());
    let names = || units().flat_map(|unit| unit.kernels.iter().map(|kernel| &kernel.name));
    for kernel in wanted {
        if !names().any(|name| name == kernel) && units().next().is_some() {
            let unit: Vec<&str> = units().map(|unit| unit.name.as_str()).collect();
            return Err(anyhow::Error::from(Error::UnknownKernel {
                unit: unit.join(", "),
                kernel: kernel.clone(),
                available: names().cloned().collect(),
            }));
        }
    }
    Ok(())
}
