//! `mettle verify`: every case of every kernel against its host reference.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::{Table, presets};
use mettle_gpu::{Device, DeviceOptions, Reloaded};
use mettle_kernels::cases::{self, Case, Outcome};
use serde::Serialize;

use crate::terminal;

/// How often files are looked at with `--watch`.
const LOOK: Duration = Duration::from_millis(200);

/// Options of `mettle verify`.
#[derive(clap::Args)]
pub struct Args {
    /// Where to run: auto, cpu, cuda, cuda:1, metal, metal:low-power or metal:NAME.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Compile Metal source with fast math, to see which kernels it breaks; needs `--device metal`.
    #[arg(long)]
    fast_math: bool,
    /// Only kernels whose name matches this glob, such as `mul_mv_*`.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    kernel: String,
    /// Only cases whose name matches this glob.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    case: String,
    /// The seed of the cases' data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Repeat each case under this many permuted orders of threads, SIMD groups and threadgroups; on GPUs, which choose the order themselves, once
    /// with launches that may overlap.
    #[arg(long, value_name = "N", default_value_t = 2)]
    orders: u32,
    /// A folder whose `.metal` files take the place of the embedded ones, with their headers in its `include`: to work on kernels without
    /// building.
    #[arg(long, value_name = "DIR")]
    sources: Option<PathBuf>,
    /// Verify again whenever one of these files has changed, until stopped.
    #[arg(long, requires = "sources", conflicts_with = "json")]
    watch: bool,
    /// Machine-readable output: one JSON document.
    #[arg(long)]
    json: bool,
}

/// What became of a case.
#[derive(Serialize)]
struct Row {
    family: &'static str,
    kernel: String,
    case: String,
    passed: bool,
    nmse: f64,
    worst: f64,
    unwritten: usize,
    /// Why it failed; absent where it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The command line that runs this case alone on the same data.
    replay: String,
}

#[derive(Serialize)]
struct Report {
    device: String,
    seed: u64,
    passed: usize,
    failed: usize,
    /// Cases of kernels that are not for the device.
    skipped: usize,
    seconds: f64,
    code: Code,
    cases: Vec<Row>,
}

/// Where the code of the kernels came from: loaded artefacts.
#[derive(Serialize, Default)]
pub struct Code {
    embedded: u64,
    cached: u64,
    compiled: u64,
    source: u64,
    /// Pipelines whose machine code Metal kept from an earlier start.
    archived: u64,
    /// Pipelines for which the first choice did not serve.
    fallbacks: u64,
}

impl From<&Device> for Code {
    fn from(device: &Device) -> Self {
        let stats = device.pipeline_stats();
        Code {
            embedded: stats.embedded,
            cached: stats.cached,
            compiled: stats.compiled,
            source: stats.source,
            archived: stats.archived,
            fallbacks: stats.fallbacks,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} embedded, {} from the cache, {} compiled, {} from source, {} fallbacks",
            self.embedded, self.cached, self.compiled, self.source, self.fallbacks
        )?;
        match self.archived {
            0 => Ok(()),
            archived => write!(f, "; {archived} pipelines as kept by Metal"),
        }
    }
}

/// Runs the command; the exit code is 1 when a case failed.
pub fn run(args: Args) -> Result<ExitCode> {
    if let Some(folder) = &args.sources {
        anyhow::ensure!(
            folder.is_dir(),
            "--sources {}: there is no such folder",
            folder.display()
        );
    }
    let options = DeviceOptions {
        sources: args.sources.clone(),
        fast_math: args.fast_math,
        ..DeviceOptions::default()
    };
    let device = Device::open_with(args.device.parse()?, &options)?;
    let cases = cases::select(&args.kernel, &args.case, args.seed);
    anyhow::ensure!(
        !cases.is_empty(),
        "no case matches --kernel '{}' --case '{}'; `mettle kernels` lists the kernels",
        args.kernel,
        args.case
    );
    let (cases, skipped): (Vec<_>, Vec<_>) =
        cases.into_iter().partition(|case| case.is_for(&device));
    anyhow::ensure!(
        !cases.is_empty(),
        "the kernels that match --kernel '{}' are not for {}",
        args.kernel,
        device.kind()
    );
    let skipped = skipped.len();
    let passed = verify(&args, &device, &cases, skipped)?;
    if args.watch {
        return watch(&args, &device, &cases, skipped);
    }
    Ok(match passed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Verifies again after every change.
fn watch(args: &Args, device: &Device, cases: &[Case], skipped: usize) -> Result<ExitCode> {
    loop {
        std::thread::sleep(LOOK);
        let mut changed = false;
        for Reloaded { unit, error } in device.reload() {
            match error {
                Some(error) => eprintln!("{unit} stays as it was: {error}"),
                None => changed = true,
            }
        }
        if changed {
            verify(args, device, cases, skipped)?;
        }
    }
}

/// Runs the cases and reports; whether all passed.
fn verify(args: &Args, device: &Device, cases: &[Case], skipped: usize) -> Result<bool> {
    let started = Instant::now();
    let progress = terminal::progress(cases.len() as u64, "verifying");
    let mut rows = Vec::with_capacity(cases.len());
    for case in cases {
        rows.push(row(case, device, args.orders));
        progress.inc(1);
    }
    progress.finish_and_clear();

    let failed = rows.iter().filter(|row| !row.passed).count();
    let report = Report {
        device: format!("{} ({})", device.name(), device.kind()),
        seed: args.seed,
        passed: rows.len() - failed,
        failed,
        skipped,
        seconds: started.elapsed().as_secs_f64(),
        code: device.into(),
        cases: rows,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        print(&report, &mut out)?;
    }
    Ok(failed == 0)
}

fn row(case: &Case, device: &Device, orders: u32) -> Row {
    let result = case.run(device, orders);
    let (outcome, reason) = match result {
        Ok(outcome) => {
            let reason = (!outcome.passed).then(|| why(case, &outcome));
            (outcome, reason)
        }
        Err(error) => (
            Outcome::default(),
            Some(format!("{:#}", anyhow::Error::from(error))),
        ),
    };
    Row {
        family: case.family(),
        kernel: case.kernel().to_owned(),
        case: case.name().to_owned(),
        passed: reason.is_none(),
        nmse: outcome.nmse,
        worst: outcome.worst,
        unwritten: outcome.unwritten,
        reason,
        replay: case.replay(),
    }
}

/// Why a case failed, in words.
fn why(case: &Case, outcome: &Outcome) -> String {
    let mut reasons = Vec::new();
    if outcome.elements == 0 {
        reasons.push("nothing was compared".to_owned());
    }
    if outcome.unwritten > 0 {
        reasons.push(format!(
            "{} of {} elements were left unwritten",
            outcome.unwritten, outcome.elements
        ));
    }
    if outcome.overwritten > 0 {
        reasons.push(format!(
            "{} elements were written that should not have been",
            outcome.overwritten
        ));
    }
    if outcome.nmse > case.tolerance().nmse {
        reasons.push(format!(
            "error (NMSE) {:.2e} is over {:.0e}",
            outcome.nmse,
            case.tolerance().nmse
        ));
    }
    if let Some(at) = outcome.worst_at.filter(|_| outcome.worst > 1.0) {
        reasons.push(format!(
            "element {} is {} and should be {}: {:.3} times its bound",
            at.index, at.actual, at.expected, outcome.worst
        ));
    }
    if !outcome.unstable_orders.is_empty() {
        reasons.push(format!(
            "other results under the thread orders {:?}",
            outcome.unstable_orders
        ));
    }
    if outcome.unstable_overlap {
        reasons.push("other results when launches may overlap".to_owned());
    }
    reasons.join("; ")
}

fn print(report: &Report, out: &mut impl Write) -> Result<()> {
    let mut families: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &report.cases {
        families.entry(row.family).or_default().push(row);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "family",
        "cases",
        "failed",
        "worst NMSE",
        "worst element / bound",
    ]);
    for (family, rows) in families {
        let worst = |value: fn(&Row) -> f64| rows.iter().map(|row| value(row)).fold(0.0, f64::max);
        table.add_row([
            family.to_owned(),
            rows.len().to_string(),
            rows.iter().filter(|row| !row.passed).count().to_string(),
            format!("{:.1e}", worst(|row| row.nmse)),
            format!("{:.3}", worst(|row| row.worst)),
        ]);
    }
    writeln!(out, "{table}")?;
    for row in report.cases.iter().filter(|row| !row.passed) {
        let reason = row.reason.as_deref().unwrap_or_default();
        writeln!(
            out,
            "FAILED {} {}: {reason}\n  replay: {}",
            row.kernel, row.case, row.replay
        )?;
    }
    writeln!(
        out,
        "code: {}\n{} passed, {} failed on {} in {:.1} s, seed {}",
        report.code, report.passed, report.failed, report.device, report.seconds, report.seed
    )?;
    if report.skipped > 0 {
        writeln!(
            out,
            "{} skipped: their kernels are not for this kind of device",
            report.skipped
        )?;
    }
    Ok(())
}
