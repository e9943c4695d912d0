//! A launch of a kernel of any `.metal` file, described by options.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mettle_gpu::{Buffer, ConstantSet, Device, Grid, Pass, Pipeline};
use mettle_msl::{Cache, ConstantValue, Kernel, Target, Unit};

use super::arguments::{self, Bound};
use super::spec::{self, BufferSpec, BytesSpec, ConstantSpec, OutSpec, Spec};
use crate::commands::source::SourceArgs;

/// Threads of a threadgroup when none are given, at most.
const DEFAULT_THREADS: usize = 256;

/// What a launch is made of.
#[derive(clap::Args)]
pub struct LaunchArgs {
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
    /// Read sizes and arguments from a JSON file; options add to it.
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
}

/// A launch that is complete, for any device.
pub struct Described {
    unit: Unit,
    kernel: String,
    bound: Vec<Bound>,
    constants: Vec<(u32, ConstantValue)>,
    /// Threads.
    pub grid: [usize; 3],
    /// Threads.
    pub threadgroup: [usize; 3],
    /// Buffers to be shown afterwards.
    pub outs: Vec<OutSpec>,
}

/// A launch on a device, its buffers filled.
pub struct Launch {
    pipeline: Pipeline,
    grid: Grid,
    bound: Vec<Bound>,
    /// By index.
    pub buffers: Vec<(u32, Buffer<u8>)>,
}

impl LaunchArgs {
    /// The launch of a kernel of a file that options and JSON describe together, and whose outputs are `outs`.
    ///
    /// # Errors
    /// Files that cannot be read, a kernel that does not exist, and what is missing, superfluous or does not fit.
    pub fn describe(&self, file: &Path, kernel: &str, outs: &[OutSpec]) -> Result<Described> {
        let mut spec = match &self.spec {
            Some(path) => Spec::from_json(path, warn)?,
            None => Spec::default(),
        };
        spec.extend(Spec {
            grid: self.grid.unwrap_or_default(),
            threadgroup: self.threads,
            buffers: self.buffer.clone(),
            bytes: self.bytes.clone(),
            threadgroup_memory: self.threadgroup.clone(),
            constants: self.constant.clone(),
            outs: outs.to_vec(),
        });
        let unit = Unit::from_file(file, &self.source.options())?;
        let bound = arguments::bind(&unit, unit.kernel(kernel)?, &spec, warn)?;
        let constants = arguments::constants(&unit, &spec.constants)?;
        ensure!(
            spec.grid != [0; 3],
            "the size of the grid is missing: give --grid THREADS"
        );
        let threadgroup = spec
            .threadgroup
            .unwrap_or([spec.grid[0].min(DEFAULT_THREADS), 1, 1]);
        Ok(Described {
            unit,
            kernel: kernel.to_owned(),
            bound,
            constants,
            grid: spec.grid,
            threadgroup,
            outs: spec.outs,
        })
    }
}

impl Described {
    /// The kernel.
    ///
    /// # Errors
    /// None: it was found before.
    pub fn kernel(&self) -> Result<&Kernel> {
        Ok(self.unit.kernel(&self.kernel)?)
    }

    /// Compiles the kernel for a device and fills its buffers.
    ///
    /// # Errors
    /// What the compiler refuses, memory running out, and addresses that the device does not tell.
    pub fn prepare(&self, device: &Device) -> Result<Launch> {
        let pipeline = pipeline(device, &self.unit, self.kernel()?, &self.constants)?;
        let mut bound = self.bound.clone();
        let mut buffers = upload(device, &bound)?;
        link(device, &mut bound, &mut buffers)?;
        Ok(Launch {
            pipeline,
            grid: Grid::threads_total(self.grid).threads(self.threadgroup),
            bound,
            buffers,
        })
    }
}

impl Launch {
    /// Bytes of all buffers.
    pub fn buffer_bytes(&self) -> usize {
        self.buffers.iter().map(|(_, buffer)| buffer.len()).sum()
    }

    /// Adds the launch to a pass.
    ///
    /// # Errors
    /// Those of the launch.
    pub fn record(&self, pass: &mut Pass) -> mettle_gpu::Result<()> {
        let reached = |index: &u32| {
            let is = |b: &Bound| matches!(b, Bound::Reached { index: i, .. } if i == index);
            self.bound.iter().any(is)
        };
        pass.dispatch_pipeline(&self.pipeline, self.grid, |arguments| {
            for (index, buffer) in &self.buffers {
                if reached(index) {
                    arguments.reach(*index, buffer, true);
                } else {
                    arguments.buffer_at(*index, buffer);
                }
            }
            for argument in &self.bound {
                match argument {
                    Bound::Buffer { .. } | Bound::Reached { .. } => {}
                    Bound::Value { index, bytes, .. } => arguments.value_at(*index, bytes),
                    Bound::ThreadgroupMemory { index, bytes } => {
                        arguments.threadgroup_memory_at(*index, *bytes);
                    }
                }
            }
        })
    }
}

fn warn(warning: String) {
    eprintln!("warning: {warning}");
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
