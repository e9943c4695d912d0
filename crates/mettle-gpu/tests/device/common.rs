//! What the tests share: the device, and libraries compiled from `tests/device/metal`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use mettle_gpu::{
    Arguments, ConstantSet, Device, DeviceKind, Grid, Library, Pipeline, Preference, Result,
};
use mettle_msl::{ConstantValue, Instrumentation, Options, PtxLevel, Target, Unit};

/// The device that most tests run on: `METTLE_TEST_DEVICE`, or the CPU. On others than the CPU leave out the tests of what only the CPU
/// device finds (`errors`).
pub fn preference() -> Preference {
    std::env::var("METTLE_TEST_DEVICE").map_or(Preference::Cpu, |name| {
        name.parse()
            .unwrap_or_else(|error| panic!("METTLE_TEST_DEVICE: {error}"))
    })
}

pub fn device() -> Device {
    Device::open(preference()).unwrap_or_else(|error| panic!("{error}"))
}

/// The CPU device, for what only it does; `None` where the tests run on another.
pub fn cpu() -> Option<Device> {
    if preference() != Preference::Cpu {
        println!("skipped: this is particular to the CPU device");
        return None;
    }
    Some(device())
}

pub fn target() -> Target {
    match preference() {
        Preference::Cuda(_) => Target::Ptx(PtxLevel::Sm80),
        _ => Target::host_cpu().expect("this CPU runs compiled kernels"),
    }
}

/// A folder with artefacts that were compiled elsewhere, for machines without clang: see `cuda::artefacts_for_another_machine`.
pub fn prebuilt() -> Option<PathBuf> {
    std::env::var_os("METTLE_TEST_ARTEFACTS").map(PathBuf::from)
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
    compile_for(file, target(), constants, Instrumentation::None)
}

/// The same for a target, with code that tells more of itself.
pub fn compile_for(
    file: &str,
    target: Target,
    constants: Option<&[(u32, ConstantValue)]>,
    instrumentation: Instrumentation,
) -> Vec<u8> {
    let kept = prebuilt().map(|folder| {
        let variant = constants.map_or("generic".to_owned(), |constants| {
            constants
                .iter()
                .map(|(index, value)| format!("{index}-{:x}", value.bits()))
                .collect::<Vec<_>>()
                .join(".")
        });
        folder.join(format!("{file}.{target}.{variant}.{instrumentation:?}"))
    });
    if let Some(bytes) = kept.as_ref().and_then(|path| std::fs::read(path).ok()) {
        return bytes;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/device/metal");
    let path = folder.join(file).with_extension("metal");
    let mut unit = Unit::from_file(&path, &Options::default())
        .unwrap_or_else(|error| panic!("{file}: {error}"));
    unit.instrument(instrumentation);
    let bytes = mettle_msl::compile(&unit, target, constants, &[])
        .unwrap_or_else(|error| panic!("{file}: {error}"))
        .to_bytes();
    if let Some(path) = kept {
        std::fs::write(path, &bytes).unwrap();
    }
    bytes
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
    let bytes = compile_for(file, target(), None, instrumentation);
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

/// The orders that a device lets one choose.
pub fn orders(device: &Device) -> Vec<Option<u64>> {
    let chosen = |order: &Option<u64>| order.is_none() || device.kind() == DeviceKind::Cpu;
    ORDERS.into_iter().filter(chosen).collect()
}
