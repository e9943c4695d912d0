//! What the tests share: the device, and libraries compiled from `tests/device/metal`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use mettle_gpu::{Arguments, ConstantSet, Device, Grid, Library, Pipeline, Preference, Result};
use mettle_msl::{ConstantValue, Instrumentation, Options, Target, Unit};

pub fn device() -> Device {
    Device::open(Preference::Cpu).expect("the CPU device opens")
}

pub fn target() -> Target {
    Target::host_cpu().expect("this CPU runs compiled kernels")
}

type Artefact = Arc<OnceLock<Vec<u8>>>;

/// The generic artefact of a file in `tests/device/metal`, compiled once.
pub fn artefact(file: &str) -> Vec<u8> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Artefact>>> = LazyLock::new(Mutex::default);
    let cell = COMPILED
        .lock()
        .unwrap()
        .entry(file.to_owned())
        .or_default()
        .clone();
    cell.get_or_init(|| compile(file, None)).clone()
}

/// An artefact of a file with some constants fixed, or generic.
pub fn compile(file: &str, constants: Option<&[(u32, ConstantValue)]>) -> Vec<u8> {
    compile_with(file, constants, Instrumentation::None)
}

fn compile_with(
    file: &str,
    constants: Option<&[(u32, ConstantValue)]>,
    instrumentation: Instrumentation,
) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/device/metal");
    let path = folder.join(file).with_extension("metal");
    let mut unit = Unit::from_file(&path, &Options::default())
        .unwrap_or_else(|error| panic!("{file}: {error}"));
    unit.instrument(instrumentation);
    mettle_msl::compile(&unit, target(), constants, &[])
        .unwrap_or_else(|error| panic!("{file}: {error}"))
        .to_bytes()
}

/// The library of a file, its constants set when a pipeline is made.
pub fn library(device: &Device, file: &str) -> Library {
    device.library_from(
        file,
        vec![(target().name().to_owned(), None, artefact(file))],
    )
}

/// A kernel of a file without function constants.
pub fn pipeline(device: &Device, file: &str, kernel: &str) -> Pipeline {
    library(device, file)
        .pipeline(kernel, &ConstantSet::EMPTY)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The library of a file compiled for finding mistakes in it.
pub fn instrumented(device: &Device, file: &str, instrumentation: Instrumentation) -> Library {
    let bytes = compile_with(file, None, instrumentation);
    device.library_from(file, vec![(target().name().to_owned(), None, bytes)])
}

/// Runs one launch and waits for it.
pub fn launch(
    device: &Device,
    pipeline: &Pipeline,
    grid: Grid,
    bind: impl FnOnce(&mut Arguments<'_>),
) -> Result<()> {
    let mut pass = device.pass();
    pass.dispatch_pipeline(pipeline, grid, bind)?;
    pass.submit()?.wait()
}

/// The natural order of threads and two drawn ones.
pub const ORDERS: [Option<u64>; 3] = [None, Some(1), Some(0x5eed)];
