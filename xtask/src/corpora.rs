//! Compiles published Metal sources and tells what that takes.

use anyhow::{Result, bail};
use mettle_corpora::Corpus;
use mettle_msl::{CheckOptions, Error, Options, Severity, Target, Unit};
use std::path::Path;
use std::time::Duration;

/// What to compile, and how to show it.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only these files (a part of their name, or corpus/part).
    only: Vec<String>,
    /// Generate code of every kernel, not only check it.
    #[arg(long)]
    codegen: bool,
    /// Generate code of each kernel by itself and show those that take longest.
    #[arg(long, conflicts_with = "codegen")]
    each_kernel: bool,
    /// Write the table as Markdown.
    #[arg(long)]
    markdown: bool,
    /// Time limit of one run of the compiler, in seconds.
    #[arg(long, default_value_t = 600)]
    limit: u64,
    /// Show all messages of a file that fails, not only the first ones.
    #[arg(long)]
    messages: bool,
}

/// What was found about a file.
#[derive(Default)]
struct Row {
    file: String,
    kernels: usize,
    /// Processor seconds.
    preprocess: f64,
    read: f64,
    clang: f64,
    /// The kernel that took longest, when each is compiled by itself.
    slowest: Option<(f64, String)>,
    failure: Option<String>,
}

/// Compiles the corpora; an error if any file fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut failed = 0;
    for corpus in mettle_corpora::all()? {
        let wanted: Vec<&Path> = corpus
            .files
            .iter()
            .map(|file| file.as_path())
            .filter(|file| arguments.wants(&corpus, file))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        println!(
            "{}{}\n",
            if arguments.markdown { "## " } else { "" },
            corpus.title
        );
        header(arguments);
        let mut sum = Row {
            file: format!("{} files", wanted.len()),
            ..Row::default()
        };
        let mut failures = Vec::new();
        for file in wanted {
            let row = measure(&corpus, file, arguments);
            show(&row, arguments);
            sum.kernels += row.kernels;
            sum.preprocess += row.preprocess;
            sum.read += row.read;
            sum.clang += row.clang;
            if let Some(failure) = row.failure {
                failures.push((row.file, failure));
            }
        }
        sum.failure = (!failures.is_empty()).then(|| format!("{} failed", failures.len()));
        show(&sum, arguments);
        for (file, failure) in &failures {
            let shown = if arguments.messages { usize::MAX } else { 6 };
            println!("\n{file}");
            failure
                .lines()
                .take(shown)
                .for_each(|line| println!("  {line}"));
        }
        println!();
        failed += failures.len();
    }
    if failed > 0 {
        bail!("{failed} files failed");
    }
    Ok(())
}

impl Arguments {
    fn wants(&self, corpus: &Corpus, file: &Path) -> bool {
        let name = format!("{}/{}", corpus.name, stem(file));
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
    }
}

fn stem(file: &Path) -> String {
    file.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn measure(corpus: &Corpus, file: &Path, arguments: &Arguments) -> Row {
    let mut row = Row {
        file: stem(file),
        ..Row::default()
    };
    let options = Options {
        include_dirs: corpus.include_dirs.clone(),
        defines: corpus.defines.clone(),
        timeout: Duration::from_secs(arguments.limit),
    };
    let start = Used::now();
    let unit = Unit::from_file(file, &options);
    let used = Used::now() - start;
    (row.preprocess, row.read) = (used.children, used.own);
    let result = unit.and_then(|unit| {
        row.kernels = unit.kernels.len();
        let start = Used::now();
        let result = compile(&unit, arguments, &mut row);
        let used = Used::now() - start;
        // The rewrite is ours.
        row.clang = used.children;
        row.read += used.own;
        result
    });
    row.failure = result.err().map(|error| error.to_string());
    row
}

fn compile(unit: &Unit, arguments: &Arguments, row: &mut Row) -> Result<(), Error> {
    let target = Target::host_cpu().unwrap_or(Target::ALL[0]);
    if arguments.codegen {
        return mettle_msl::compile(unit, target, None, &[]).map(drop);
    }
    if arguments.each_kernel {
        for kernel in &unit.kernels {
            let start = Used::now();
            mettle_msl::compile(unit, target, None, &[&kernel.name])?;
            let took = (Used::now() - start).children;
            if row.slowest.as_ref().is_none_or(|(most, _)| took > *most) {
                row.slowest = Some((took, kernel.name.clone()));
            }
        }
        return Ok(());
    }
    let diagnostics = mettle_msl::check(unit, &CheckOptions::default())?;
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err(Error::Compile { diagnostics });
    }
    Ok(())
}

fn header(arguments: &Arguments) {
    let last = if arguments.each_kernel {
        "slowest kernel"
    } else {
        "result"
    };
    if arguments.markdown {
        println!("| file | kernels | preprocess | read | clang | {last} |");
        println!("|---|---:|---:|---:|---:|---|");
    } else {
        println!(
            "{:<30} {:>7} {:>10} {:>7} {:>8}  {last}",
            "file", "kernels", "preprocess", "read", "clang"
        );
    }
}

fn show(row: &Row, arguments: &Arguments) {
    let Row {
        file,
        kernels,
        preprocess,
        read,
        clang,
        slowest,
        failure,
    } = row;
    let result = match (failure, slowest) {
        (Some(failure), _) => failure
            .lines()
            .next()
            .unwrap_or("")
            .chars()
            .take(160)
            .collect(),
        (None, Some((took, name))) => format!("{took:.2} {name}"),
        (None, None) => "ok".to_owned(),
    };
    if arguments.markdown {
        println!("| {file} | {kernels} | {preprocess:.2} | {read:.2} | {clang:.2} | {result} |");
    } else {
        println!("{file:<30} {kernels:>7} {preprocess:>10.2} {read:>7.2} {clang:>8.2}  {result}");
    }
}

/// Processor time of this process and of the programs it ran, in seconds.
#[derive(Clone, Copy)]
struct Used {
    own: f64,
    children: f64,
}

impl Used {
    fn now() -> Self {
        let of = |who| {
            // SAFETY: all zeros is a valid `rusage`, plain numbers throughout.
            let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
            // SAFETY: `usage` is a valid place for the answer; `who` is one of the constants of this call.
            unsafe { libc::getrusage(who, &mut usage) };
            let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
            seconds(usage.ru_utime) + seconds(usage.ru_stime)
        };
        Self {
            own: of(libc::RUSAGE_SELF),
            children: of(libc::RUSAGE_CHILDREN),
        }
    }
}

impl std::ops::Sub for Used {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            own: self.own - earlier.own,
            children: self.children - earlier.children,
        }
    }
}
