//! `mettle exec`: runs a kernel of any `.metal` file on generated or given data.

mod arguments;
mod data;
mod dtype;
mod launch;
mod report;
mod spec;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use mettle_gpu::{Buffer, Device, DeviceOptions};
use mettle_msl::Kernel;

use self::launch::Launch;
pub use self::launch::{Described, LaunchArgs};
use self::report::{Out, Report, Timing};
use self::spec::OutSpec;
use crate::commands::source::seconds;

/// Options of `mettle exec`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// The `.metal` file.
    file: PathBuf,
    /// The kernel, by host name.
    kernel: String,
    #[command(flatten)]
    launch: LaunchArgs,
    /// Show a buffer after the launch, and save it if a file is named (.npy, else raw bytes): INDEX=TYPE:LENGTH or
    /// INDEX=TYPE:LENGTH:FILE. A buffer that is not given otherwise is made, with every bit set.
    #[arg(long, value_name = "SPEC", value_parser = spec::out)]
    out: Vec<OutSpec>,
    /// Where to run.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Launch this many times and report the time of a launch. Buffers are not restored in between.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,
    /// Permute the order of threads, SIMD groups and threadgroups.
    #[arg(long)]
    seed: Option<u64>,
    /// Stop the kernel when it takes longer than this.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    budget: Duration,
    /// Elements of each output to show.
    #[arg(long, value_name = "N", default_value_t = 8)]
    head: usize,
    /// Machine-readable output: one JSON document.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
Example:
  mettle exec scale.metal scale --grid 4096 --threads 256 \\
    --buffer 0=f32:4096:uniform --bytes 1=f32:0.5 --out 2=f32:4096:scaled.npy";

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let described = args.launch.describe(&args.file, &args.kernel, &args.out)?;
    let options = DeviceOptions {
        guard: true,
        budget: Some(args.budget),
        ..DeviceOptions::default()
    };
    let device = Device::open_with(args.device.parse()?, &options)?;
    if args.seed.is_some() {
        device.set_order_seed(args.seed)?;
    }
    let launch = described.prepare(&device)?;
    let once = || launch_once(&device, &launch);
    let timing = match args.repeat {
        None => {
            once()?;
            None
        }
        Some(times) => {
            // The first launch finds caches cold and is not counted.
            once()?;
            let seconds = (0..times).map(|_| once()).collect::<Result<_>>()?;
            Some(Timing::new(seconds, launch.buffer_bytes()))
        }
    };
    let kernel = described.kernel()?;
    let report = Report {
        file: args.file.display().to_string(),
        kernel: kernel.name.clone(),
        device: format!("{} ({})", device.name(), device.kind()),
        grid: described.grid,
        threadgroup: described.threadgroup,
        out: outputs(kernel, &described.outs, &launch.buffers, args.head)?,
        timing,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        report.print(&mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Launches once; the seconds that the kernel took.
fn launch_once(device: &Device, launch: &Launch) -> Result<f64> {
    let mut pass = device.pass();
    pass.profile(true);
    launch.record(&mut pass)?;
    let started = Instant::now();
    let profile = pass.submit()?.wait_profile()?;
    if profile.total_nanoseconds() > 0 {
        return Ok(profile.total_nanoseconds() as f64 * 1e-9);
    }
    // A device that cannot tell of a launch may of the submission; else it has the host's time.
    let elapsed = profile.gpu_time().map(|time| time.elapsed());
    Ok(elapsed.unwrap_or_else(|| started.elapsed()).as_secs_f64())
}

fn outputs(
    kernel: &Kernel,
    outs: &[OutSpec],
    buffers: &[(u32, Buffer<u8>)],
    head: usize,
) -> Result<Vec<Out>> {
    let mut outputs = Vec::new();
    for out in outs {
        let (_, buffer) = buffers
            .iter()
            .find(|(index, _)| *index == out.index)
            .ok_or_else(|| anyhow!("--out {}: it is no buffer", out.index))?;
        let bytes = buffer.slice(0..out.len * out.dtype.size())?.read()?;
        if let Some(file) = &out.file {
            data::save(file, out.dtype, &bytes)?;
        }
        let argument = kernel.arguments.iter().find(|a| a.index == out.index);
        let name = argument.map_or("", |argument| argument.name.as_str());
        outputs.push(Out::new(out, name, &bytes, head));
    }
    Ok(outputs)
}
