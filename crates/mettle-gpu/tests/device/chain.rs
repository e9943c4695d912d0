//! The chain of artefacts: what serves where the first choice does not.

use std::path::Path;

use mettle_gpu::{
    CacheFolder, CodeOrigin, ConstantSet, Device, DeviceOptions, EmbeddedArtefact, EmbeddedUnit,
    EmbeddedVariant, Error, Grid, Preference, TargetClass,
};
use mettle_msl::{ConstantValue, Options, Unit, metal};

use crate::common::{cpu, launch, target};

const TEXT: &str = "
constant int SHIFT [[function_constant(0)]];
kernel void shifted(device int* x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] += SHIFT; }
kernel void doubled(device int* x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] *= 2; }
";

/// The CPU device with a cache of its own; `None` where the tests run on another.
pub fn device(folder: &Path) -> Option<Device> {
    cpu()?;
    let options = DeviceOptions {
        cache: CacheFolder::At(folder.to_owned()),
        ..DeviceOptions::default()
    };
    Some(Device::open_with(Preference::Cpu, &options).unwrap())
}

/// Runs a kernel of an embedded unit on 1, 2, 3.
fn run(
    device: &Device,
    unit: &'static EmbeddedUnit,
    kernel: &str,
    constants: &ConstantSet,
) -> (Vec<i32>, CodeOrigin) {
    let pipeline = device.library(unit).pipeline(kernel, constants).unwrap();
    let x = device.upload(&[1i32, 2, 3]).unwrap();
    launch(
        device,
        &pipeline,
        Grid::elements(3).threads(3),
        |arguments| {
            arguments.write(0, "x", &x);
        },
    )
    .unwrap();
    (x.read().unwrap(), pipeline.origin())
}

/// What is embedded.
#[derive(Clone, Copy, PartialEq)]
enum Embed {
    /// Generic code and code for a shift of 5.
    Code,
    /// The same, damaged.
    Damaged,
    /// Code that no loader takes.
    Refused,
    /// None.
    Nothing,
}

fn embedded(embed: Embed, source: bool) -> &'static EmbeddedUnit {
    let unit = Unit::from_source("shift", TEXT, &Options::default()).unwrap();
    let five: &[(u32, u64)] = &[(0, 5)];
    let mut artefacts = Vec::new();
    if embed != Embed::Nothing {
        let typed = [(0, ConstantValue::Int(5))];
        for (constants, typed) in [(None, None), (Some(five), Some(&typed[..]))] {
            let mut artefact = mettle_msl::compile(&unit, target(), typed, &[]).unwrap();
            if embed == Embed::Refused {
                artefact.code.truncate(100);
            }
            let mut bytes = artefact.to_bytes();
            if embed == Embed::Damaged {
                *bytes.last_mut().unwrap() ^= 1;
            }
            artefacts.push(EmbeddedArtefact {
                target: target().name(),
                constants,
                bytes: bytes.leak(),
            });
        }
    }
    if source {
        let source = metal::source_artefact(&unit, TEXT.to_owned());
        artefacts.push(EmbeddedArtefact {
            target: metal::SOURCE,
            constants: None,
            bytes: source.to_bytes().leak(),
        });
    }
    let variants = vec![
        EmbeddedVariant {
            class: Some(TargetClass::Cpu),
            constants: &[(0, 5)],
            kernels: &["shifted", "doubled"],
        },
        EmbeddedVariant {
            class: Some(TargetClass::Gpu),
            constants: &[(0, 6)],
            kernels: &["shifted"],
        },
        EmbeddedVariant {
            class: None,
            constants: &[(0, 7)],
            kernels: &["shifted", "missing"],
        },
    ];
    Box::leak(Box::new(EmbeddedUnit {
        name: "shift",
        artefacts: artefacts.leak(),
        variants: variants.leak(),
    }))
}

fn shift(by: i32) -> ConstantSet {
    ConstantSet::EMPTY.with(0, by)
}

#[test]
fn embedded_code_is_taken_first() {
    let folder = tempfile::tempdir().unwrap();
    let Some(device) = device(folder.path()) else {
        return;
    };
    let unit = embedded(Embed::Code, true);
    for by in [5, 9] {
        let expected = vec![1 + by, 2 + by, 3 + by];
        let ran = run(&device, unit, "shifted", &shift(by));
        assert_eq!(ran, (expected, CodeOrigin::Embedded));
    }
    let stats = device.pipeline_stats();
    assert_eq!((stats.embedded, stats.generic_libraries), (2, 1));
    assert_eq!((stats.compiled, stats.cached, stats.fallbacks), (0, 0, 0));
}

#[test]
fn what_is_embedded_and_unusable_is_compiled_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    for embed in [Embed::Damaged, Embed::Refused, Embed::Nothing] {
        let folder = folder.path().join((embed as u32).to_string());
        let unit = embedded(embed, true);
        // A second process or device finds it on disk.
        for origin in [CodeOrigin::Compiled, CodeOrigin::Cached] {
            let Some(device) = device(&folder) else {
                return;
            };
            let ran = run(&device, unit, "shifted", &shift(5));
            assert_eq!(ran, (vec![6, 7, 8], origin));
            // The other kernel is part of the same code.
            let ran = run(&device, unit, "doubled", &shift(5));
            assert_eq!(ran, (vec![2, 4, 6], origin));
            let stats = device.pipeline_stats();
            let loaded = (stats.embedded, stats.cached, stats.compiled);
            let expected = match origin {
                CodeOrigin::Cached => (0, 1, 0),
                _ => (0, 0, 1),
            };
            assert_eq!(loaded, expected);
            let fallbacks = if embed == Embed::Nothing { 0 } else { 2 };
            assert_eq!((stats.pipelines, stats.fallbacks), (2, fallbacks));
        }
    }
}

#[test]
fn what_nothing_serves_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let Some(device) = device(folder.path()) else {
        return;
    };
    let ask = |unit, kernel| {
        device
            .library(unit)
            .pipeline(kernel, &shift(5))
            .unwrap_err()
    };
    let error = ask(embedded(Embed::Nothing, false), "shifted");
    assert!(
        matches!(&error, Error::NoArtefact { present, .. } if present.contains("source")),
        "{error}"
    );
    let error = ask(embedded(Embed::Damaged, false), "shifted");
    assert!(matches!(&error, Error::Artefact { .. }), "{error}");
    assert!(error.to_string().contains("digest"), "{error}");
    for source in [false, true] {
        let error = ask(embedded(Embed::Code, source), "shiftet");
        assert!(matches!(&error, Error::UnknownKernel { known, .. } if known.contains("shifted")));
    }
    let library = device.library(embedded(Embed::Nothing, true));
    let error = library
        .pipeline("shifted", &ConstantSet::EMPTY.with(3, 1u32))
        .unwrap_err();
    assert!(
        matches!(&error, Error::Constant { index: 3, .. }),
        "{error}"
    );
    assert_eq!(device.pipeline_stats().failed, 5);
}

#[test]
fn pipelines_are_warmed_in_parallel() {
    let folder = tempfile::tempdir().unwrap();
    let Some(device) = device(folder.path()) else {
        return;
    };
    let unit = embedded(Embed::Code, true);
    let requests = unit.pipelines(&device);
    let asked: Vec<_> = requests.iter().map(|r| (r.kernel, r.constants)).collect();
    let expected = [
        ("shifted", shift(5)),
        ("doubled", shift(5)),
        ("shifted", shift(7)),
        ("missing", shift(7)),
    ];
    assert_eq!(asked, expected);
    let seen = std::sync::Mutex::new(Vec::new());
    let progress = |progress: mettle_gpu::WarmProgress<'_>| {
        assert_eq!(progress.total, 4);
        seen.lock().unwrap().push(progress.done);
    };
    let report = device.warm(&requests, &progress);
    let mut done = std::mem::take(&mut *seen.lock().unwrap());
    done.sort_unstable();
    assert_eq!(done, [1, 2, 3, 4]);
    assert_eq!((report.ready, report.usable()), (0, 3));
    assert_eq!(report.made_from(CodeOrigin::Embedded), 3);
    let [("missing", error)] = &report.failed[..] else {
        panic!("{:?}", report.failed);
    };
    assert!(matches!(error, Error::UnknownKernel { .. }), "{error}");
    let again = device.warm(&requests, &|_| {});
    assert_eq!((again.ready, again.failed.len()), (3, 1));
    assert_eq!(device.pipeline_stats().pipelines, 3);
}
