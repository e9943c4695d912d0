//! `mettle bench`: what every kernel costs, next to what the device can do at most.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use mettle_gpu::{Device, DeviceOptions};
use mettle_kernels::bench::{self, Bench, Measured, Meter, Roofline, Spread, Work};
use serde::{Deserialize, Serialize};

use crate::commands::exec::{Described, LaunchArgs};
use crate::commands::source::seconds;
use crate::commands::tune::{self, Product};
use crate::terminal;

/// Options of `mettle bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Only kernels whose name matches this glob, such as `mul_mv_*`; with --source the kernel's name.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    kernel: String,
    /// Measure a kernel of this `.metal` file instead of the library's: --kernel names it, and the options below say how it is launched, as for
    /// `mettle exec`.
    #[arg(long, value_name = "FILE", requires = "kernel", conflicts_with_all = ["shape", "sources"])]
    source: Option<PathBuf>,
    #[command(flatten)]
    launch: LaunchArgs,
    /// With --source: the bytes that a launch must move at least; those of all its buffers when absent.
    #[arg(long, value_name = "BYTES", requires = "source")]
    moved: Option<u64>,
    /// With --source: the floating-point operations that a launch must make.
    #[arg(long, value_name = "N", requires = "source", default_value_t = 0)]
    operations: u64,
    /// Only shapes that match this glob, such as `*k4096*`.
    #[arg(long, value_name = "GLOB", default_value = "*")]
    shape: String,
    /// Where to run.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Take the kernels' sources from this folder, not those in the program.
    #[arg(long, value_name = "DIR")]
    sources: Option<PathBuf>,
    /// How long each of the three measurements of an entry should take.
    #[arg(long, value_name = "SECONDS", default_value = "0.2", value_parser = seconds)]
    time: Duration,
    /// Show the change from an earlier run, whose --json output this file holds.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Measure from how many columns on, and with how many threadgroups, products choose other kernels and larger pieces, and print the lines
    /// of the table that decides.
    #[arg(long, conflicts_with_all = ["source", "shape", "compare", "json", "explain"])]
    tune: bool,
    /// Say which kernel multiplies weights of a format with M columns, and why: FORMAT:MxNxK, such as q4_0:16x4096x4096. May be given several times.
    #[arg(long, value_name = "FORMAT:MxNxK", conflicts_with_all = ["source", "shape", "compare", "json"])]
    explain: Vec<Product>,
    /// Machine-readable output: one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, Deserialize)]
struct Report {
    device: String,
    limits: Limits,
    entries: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
struct Limits {
    copy_gigabytes_per_second: f64,
    multiply_add_gigaflops: f64,
    launch_nanoseconds: f64,
    pass_microseconds: f64,
}

#[derive(Serialize, Deserialize)]
struct Row {
    kernel: String,
    shape: String,
    bytes: u64,
    operations: u64,
    warm: Times,
    cold: Times,
    /// What one costs among many that wait for each other, with weights that are in no cache; entries of files have none.
    #[serde(default)]
    in_step: Option<Times>,
    /// What a plain read of as many bytes takes with cold caches.
    read_microseconds: f64,
}

/// Of a launch.
#[derive(Serialize, Deserialize)]
struct Times {
    launches: usize,
    microseconds: f64,
    /// The tenth and the ninetieth percentile.
    low: f64,
    high: f64,
    gigabytes_per_second: f64,
    gigaflops: f64,
    /// The least time that the device's limits allow, over the time it took.
    roofline: f64,
    /// Its bytes a second over those of a copy.
    #[serde(default)]
    of_copy: f64,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let earlier = args.compare.as_ref().map(read).transpose()?;
    let options = DeviceOptions {
        sources: args.sources.clone(),
        ..DeviceOptions::default()
    };
    let device = Device::open_with(args.device.parse()?, &options)?;
    if !args.explain.is_empty() {
        tune::explain(&device, &args.explain)?;
        return Ok(ExitCode::SUCCESS);
    }
    let meter = Meter::new(&device, args.time)?;
    if args.tune {
        tune::measure(&device, &meter)?;
        return Ok(ExitCode::SUCCESS);
    }
    let subject = Subject::of(&args, &device)?;
    let limits = Roofline::measure(&meter)?;
    let rows = subject.measure(&device, &meter, &limits)?;
    let report = Report {
        device: format!("{} ({})", device.name(), device.kind()),
        limits: Limits {
            copy_gigabytes_per_second: limits.bytes_per_second / 1e9,
            multiply_add_gigaflops: limits.operations_per_second / 1e9,
            launch_nanoseconds: limits.launch_seconds * 1e9,
            pass_microseconds: limits.pass_seconds * 1e6,
        },
        entries: rows,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        print(&report, earlier.as_ref(), &mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is measured.
enum Subject {
    /// Entries of the library's kernels.
    Library(Vec<Bench>),
    /// A kernel of a file.
    File(Box<File>),
}

/// A kernel of a file and its launch.
struct File {
    kernel: String,
    launch: Described,
    /// Bytes that a launch must move; none: those of its buffers.
    moved: Option<u64>,
    operations: u64,
}

impl Subject {
    fn of(args: &Args, device: &Device) -> Result<Subject> {
        let Some(file) = &args.source else {
            let mut entries = bench::select(&args.kernel, &args.shape);
            entries.retain(|entry| entry.is_for(device));
            ensure!(
                !entries.is_empty(),
                "no bench entry matches --kernel '{}' --shape '{}' on {}",
                args.kernel,
                args.shape,
                device.kind()
            );
            return Ok(Subject::Library(entries));
        };
        Ok(Subject::File(Box::new(File {
            kernel: args.kernel.clone(),
            launch: args.launch.describe(file, &args.kernel, &[])?,
            moved: args.moved,
            operations: args.operations,
        })))
    }

    fn measure(&self, device: &Device, meter: &Meter<'_>, limits: &Roofline) -> Result<Vec<Row>> {
        let entries = match self {
            Subject::Library(entries) => entries,
            Subject::File(file) => return Ok(vec![file.measure(device, meter, limits)?]),
        };
        let progress = terminal::progress(entries.len() as u64, "measuring");
        let mut rows = Vec::with_capacity(entries.len());
        let mut reads = BTreeMap::new();
        for entry in entries {
            let (kernel, shape) = (entry.kernel(), entry.shape());
            let measured = meter.measure(entry);
            let measured = measured.with_context(|| format!("{kernel} {shape}"))?;
            let work = entry.work();
            let read = match reads.get(&work.bytes) {
                Some(&read) => read,
                None => meter.read(work.bytes)?,
            };
            reads.insert(work.bytes, read);
            rows.push(row(kernel, shape, work, &measured, limits, read));
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(rows)
    }
}

impl File {
    fn measure(&self, device: &Device, meter: &Meter<'_>, limits: &Roofline) -> Result<Row> {
        let launch = self.launch.prepare(device)?;
        let work = Work {
            bytes: self.moved.unwrap_or(launch.buffer_bytes() as u64),
            operations: self.operations,
        };
        let measured = meter.measure_launch(|pass| Ok(launch.record(pass)?))?;
        let read = meter.read(work.bytes)?;
        let size = |size: [usize; 3]| size.map(|n| n.to_string()).join("x");
        let shape = format!(
            "grid{}_group{}",
            size(self.launch.grid),
            size(self.launch.threadgroup)
        );
        Ok(row(&self.kernel, &shape, work, &measured, limits, read))
    }
}

fn read(path: &PathBuf) -> Result<Report> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is not the output of `mettle bench --json`",
            path.display()
        )
    })
}

fn row(
    kernel: &str,
    shape: &str,
    work: Work,
    measured: &Measured,
    limits: &Roofline,
    read: f64,
) -> Row {
    let times = |spread: Spread| Times {
        launches: spread.launches,
        microseconds: spread.median * 1e6,
        low: spread.low * 1e6,
        high: spread.high * 1e6,
        gigabytes_per_second: work.bytes as f64 / spread.median / 1e9,
        gigaflops: work.operations as f64 / spread.median / 1e9,
        roofline: limits.seconds(work) / spread.median,
        of_copy: work.bytes as f64 / spread.median / limits.bytes_per_second,
    };
    Row {
        kernel: kernel.to_owned(),
        shape: shape.to_owned(),
        bytes: work.bytes,
        operations: work.operations,
        warm: times(measured.warm),
        cold: times(measured.cold),
        in_step: measured.in_step.map(times),
        read_microseconds: read * 1e6,
    }
}

fn print(report: &Report, earlier: Option<&Report>, out: &mut impl Write) -> Result<()> {
    let before: BTreeMap<(&str, &str), &Row> = earlier
        .iter()
        .flat_map(|report| &report.entries)
        .map(|row| ((&*row.kernel, &*row.shape), row))
        .collect();
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let mut header = vec![
        "kernel",
        "shape",
        "warm us",
        "cold us",
        "spread",
        "GB/s",
        "GFLOP/s",
        "of limit",
        "of read",
        "in step us",
        "GB/s",
        "of copy",
    ];
    if earlier.is_some() {
        header.extend(["change", "in step"]);
    }
    table.set_header(header);
    for row in &report.entries {
        let cold = &row.cold;
        let spread = (cold.high - cold.low) / cold.microseconds * 100.0;
        let in_step = |figure: fn(&Times) -> f64| match &row.in_step {
            Some(times) => format!("{:.2}", figure(times)),
            None => String::new(),
        };
        let mut cells = vec![
            row.kernel.clone(),
            row.shape.clone(),
            format!("{:.2}", row.warm.microseconds),
            format!("{:.2}", cold.microseconds),
            format!("{spread:.0} %"),
            format!("{:.2}", cold.gigabytes_per_second),
            format!("{:.1}", cold.gigaflops),
            format!("{:.2}", cold.roofline),
            format!("{:.2}", row.read_microseconds / cold.microseconds),
            in_step(|times| times.microseconds),
            in_step(|times| times.gigabytes_per_second),
            in_step(|times| times.of_copy),
        ];
        if earlier.is_some() {
            let old = before.get(&(&*row.kernel, &*row.shape));
            let times = [
                (Some(cold), old.map(|old| &old.cold)),
                (
                    row.in_step.as_ref(),
                    old.and_then(|old| old.in_step.as_ref()),
                ),
            ];
            cells.extend(times.map(|times| match times {
                (Some(new), Some(old)) => change(new, old),
                (Some(_), None) => "new".to_owned(),
                (None, _) => String::new(),
            }));
        }
        table.add_row(cells);
    }
    let limits = &report.limits;
    writeln!(out, "{table}")?;
    writeln!(
        out,
        "{}: copies {:.1} GB/s (read and written), multiply-adds {:.0} GFLOP/s, a launch {:.0} ns, a pass {:.1} us",
        report.device,
        limits.copy_gigabytes_per_second,
        limits.multiply_add_gigaflops,
        limits.launch_nanoseconds,
        limits.pass_microseconds
    )?;
    writeln!(
        out,
        "medians; the columns up to 'of read' are of launches with cold caches; the limit of an entry is the larger of its bytes at copy speed and its operations, and 'of read' is the time that a plain read of as many bytes takes, over its own; 'in step' is what one adds to a pass of many that wait for each other, each with weights of its own"
    )?;
    Ok(())
}

fn change(new: &Times, old: &Times) -> String {
    format!(
        "{:+.0} %",
        (new.microseconds / old.microseconds - 1.0) * 100.0
    )
}
