//! `mettle exec`: runs a kernel of any `.metal` file on generated or given data.

mod arguments;
mod data;
mod dtype;
mod report;
mod spec;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use mettle_gpu::{Buffer, ConstantSet, Device, DeviceOptions, Grid, Pipeline};
use mettle_msl::{Cache, ConstantValue, Kernel, Target, Unit};

use self::arguments::Bound;
use self::report::{Out, Report, Timing};
use self::spec::{BufferSpec, BytesSpec, ConstantSpec, OutSpec, Spec};
use crate::commands::source::{SourceArgs, seconds};

/// Threads of a threadgroup when none are given, at most.
const DEFAULT_THREADS: usize = 256;

/// Options of `mettle exec`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// The `.metal` file.
    file: PathBuf,
    /// The kernel, by host name.
    kernel: String,
    #[command(flatten)]
    source: SourceArgs,
    /// Threads of the grid, in up to three dimensions.
    #[arg(long, value_name = "X[,Y[,Z]]", value_parser = spec::size)]
    grid: Option<[usize; 3]>,
    /// Threads of a threadgroup, in up to three dimensions; groups at the edge of the grid are smaller.
    #[arg(long, value_name = "X[,Y[,Z]]", value_parser = spec::size)]
    threads: Option<[usize; 3]>,
    /// A buffer: INDEX=TYPE:LENGTH, INDEX=TYPE:LENGTH:INIT, INDEX=TYPE:FILE or INDEX=FILE.npy. INIT is zeros, uniform or uniform:SEED (floats
    /// from -1 to 1, integers of any size), iota, uninit, values:LIST or file:PATH.
    #[arg(long, value_name = "SPEC", value_parser = spec::buffer)]
    buffer: Vec<BufferSpec>,
    /// A value: INDEX=TYPE:VALUE[,TYPE:VALUE...], or INDEX=FIELD:VALUE,... for a struct; @N is the address of --buffer N.
    #[arg(long, value_name = "SPEC", value_parser = spec::bytes)]
    bytes: Vec<BytesSpec>,
    /// Threadgroup memory: INDEX=BYTES.
    #[arg(long, value_name = "SPEC", value_parser = spec::threadgroup_memory)]
    threadgroup: Vec<(u32, usize)>,
    /// A function constant: INDEX=TYPE:VALUE or NAME=VALUE.
    #[arg(long, value_name = "SPEC", value_parser = spec::constant)]
    constant: Vec<ConstantSpec>,
    /// Show a buffer after the launch, and save it if a file is named (.npy, else raw bytes): INDEX=TYPE:LENGTH or
    /// INDEX=TYPE:LENGTH:FILE. A buffer that is not given otherwise is made, with every bit set.
    #[arg(long, value_name = "SPEC", value_parser = spec::out)]
    out: Vec<OutSpec>,
    /// Read sizes and arguments from a JSON file; options add to it.
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
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
    let spec = launch(&args)?;
    let unit = Unit::from_file(&args.file, &args.source.options())?;
    let kernel = unit.kernel(&args.kernel)?;
    let mut bound = arguments::bind(&unit, kernel, &spec, warn)?;
    let constants = arguments::constants(&unit, &spec.constants)?;
    ensure!(
        spec.grid != [0; 3],
        "the size of the grid is missing: give --grid THREADS"
    );
    let threadgroup = spec
        .threadgroup
        .unwrap_or([spec.grid[0].min(DEFAULT_THREADS), 1, 1]);

    let options = DeviceOptions {
        guard: true,
        budget: Some(args.budget),
        ..DeviceOptions::default()
    };
    let device = Device::open_with(args.device.parse()?, &options)?;
    if args.seed.is_some() {
        device.set_order_seed(args.seed)?;
    }
    let pipeline = pipeline(&device, &unit, kernel, &constants)?;
    let mut buffers = upload(&device, &bound)?;
    link(&device, &mut bound, &mut buffers)?;
    let grid = Grid::threads_total(spec.grid).threads(threadgroup);
    let launch = || launch_once(&device, &pipeline, grid, &bound, &buffers);
    let timing = match args.repeat {
        None => {
            launch()?;
            None
        }
        Some(times) => {
            // The first launch finds caches cold and is not counted.
            launch()?;
            let seconds = (0..times).map(|_| launch()).collect::<Result<_>>()?;
            let bytes = buffers.iter().map(|(_, buffer)| buffer.len()).sum();
            Some(Timing::new(seconds, bytes))
        }
    };
    let report = Report {
        file: args.file.display().to_string(),
        kernel: kernel.name.clone(),
        device: format!("{} ({})", device.name(), device.kind()),
        grid: spec.grid,
        threadgroup,
        out: outputs(kernel, &spec, &buffers, args.head)?,
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

fn warn(warning: String) {
    eprintln!("warning: {warning}");
}

/// The launch that options and JSON describe together.
fn launch(args: &Args) -> Result<Spec> {
    let mut spec = match &args.spec {
        Some(path) => Spec::from_json(path, warn)?,
        None => Spec::default(),
    };
    spec.extend(Spec {
        grid: args.grid.unwrap_or_default(),
        threadgroup: args.threads,
        buffers: args.buffer.clone(),
        bytes: args.bytes.clone(),
        threadgroup_memory: args.threadgroup.clone(),
        constants: args.constant.clone(),
        outs: args.out.clone(),
    });
    Ok(spec)
}

/// Compiles the kernel for the device, with the constants built in.
fn pipeline(
    device: &Device,
    unit: &Unit,
    kernel: &Kernel,
    constants: &[(u32, ConstantValue)],
) -> Result<Pipeline> {
    let target = device
        .targets()
        .iter()
        .find_map(|name| Target::from_name(name));
    let target = target.with_context(|| format!("nothing compiles for {}", device.name()))?;
    let kernels = [kernel.name.as_str()];
    let cache = Cache::of_user().unwrap_or_else(Cache::in_memory);
    let (artefact, _) = cache.compile(unit, target, Some(constants), &kernels)?;
    // The constants are compiled in, so that the pipeline is asked for none.
    let artefacts = vec![(
        target.name().to_owned(),
        Some(ConstantSet::EMPTY),
        artefact.to_bytes(),
    )];
    let library = device.library_from(&unit.name, artefacts);
    Ok(library.pipeline(&kernel.name, &ConstantSet::EMPTY)?)
}

fn upload(device: &Device, bound: &[Bound]) -> Result<Vec<(u32, Buffer<u8>)>> {
    let mut buffers = Vec::new();
    for (index, data) in bound.iter().filter_map(Bound::buffer) {
        let buffer = device
            .upload(&data.bytes)
            .with_context(|| format!("buffer({index})"))?;
        buffers.push((index, buffer));
    }
    Ok(buffers)
}

/// Puts the addresses of buffers where the arguments have pointers to them.
fn link(device: &Device, bound: &mut [Bound], buffers: &mut [(u32, Buffer<u8>)]) -> Result<()> {
    let addresses: Vec<_> = buffers
        .iter()
        .map(|(index, buffer)| (*index, buffer.device_address()))
        .collect();
    for argument in bound {
        for pointer in argument.pointers().to_vec() {
            let target = addresses.iter().find(|(index, _)| *index == pointer.buffer);
            let address = target.and_then(|(_, address)| *address);
            let address = address.with_context(|| {
                format!(
                    "@{}: {} tells no address of a buffer",
                    pointer.buffer,
                    device.name()
                )
            })?;
            let range = pointer.offset..pointer.offset + size_of::<u64>();
            match argument {
                Bound::Value { bytes, .. } => {
                    bytes[range].copy_from_slice(&address.to_le_bytes());
                }
                Bound::Buffer { index, .. } => {
                    let buffer = buffers.iter_mut().find(|(i, _)| i == index);
                    let (_, buffer) = buffer.context("a buffer with pointers is not there")?;
                    buffer.slice(range)?.write(&address.to_le_bytes())?;
                }
                Bound::ThreadgroupMemory { .. } | Bound::Reached { .. } => {}
            }
        }
    }
    Ok(())
}

/// Launches once; the seconds that the kernel took.
fn launch_once(
    device: &Device,
    pipeline: &Pipeline,
    grid: Grid,
    bound: &[Bound],
    buffers: &[(u32, Buffer<u8>)],
) -> Result<f64> {
    let reached: Vec<u32> = bound
        .iter()
        .filter_map(|argument| match argument {
            Bound::Reached { index, .. } => Some(*index),
            _ => None,
        })
        .collect();
    let mut pass = device.pass();
    pass.profile(true);
    pass.dispatch_pipeline(pipeline, grid, |arguments| {
        for (index, buffer) in buffers {
            if reached.contains(index) {
                arguments.reach(*index, buffer, true);
            } else {
                arguments.buffer_at(*index, buffer);
            }
        }
        for argument in bound {
            match argument {
                Bound::Buffer { .. } | Bound::Reached { .. } => {}
                Bound::Value { index, bytes, .. } => arguments.value_at(*index, bytes),
                Bound::ThreadgroupMemory { index, bytes } => {
                    arguments.threadgroup_memory_at(*index, *bytes);
                }
            }
        }
    })?;
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
    spec: &Spec,
    buffers: &[(u32, Buffer<u8>)],
    head: usize,
) -> Result<Vec<Out>> {
    let mut outputs = Vec::new();
    for out in &spec.outs {
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
