//! What is embedded in the library: never silently less than what the catalogue and the ops need.

use mettle_gpu::{CacheFolder, CodeOrigin, Device, DeviceOptions, Preference, TargetClass};
use mettle_kernels::catalogue;
use mettle_msl::{Artefact, Target, metal};
use std::collections::BTreeSet;

/// The kernels of the generic artefacts for a target.
fn generic(target: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for unit in catalogue::units() {
        for embedded in unit.artefacts {
            if embedded.target == target && embedded.constants.is_none() {
                let artefact = Artefact::from_bytes(embedded.bytes).unwrap();
                assert_eq!(artefact.target, embedded.target);
                assert_eq!(artefact.unit, unit.name);
                names.extend(artefact.kernels.into_iter().map(|kernel| kernel.name));
            }
        }
    }
    names
}

/// What this build is to have code for.
fn targets() -> Vec<&'static str> {
    let mut targets = vec![metal::SOURCE];
    if cfg!(any(target_vendor = "apple", feature = "mock-metal")) {
        targets.push(metal::EXPANDED);
    }
    if cfg!(target_vendor = "apple") {
        if metal::compiler().is_ok() {
            targets.push(metal::LIBRARY);
        }
    } else if cfg!(target_arch = "x86_64") {
        targets.push("ptx-sm80");
        match Target::host_cpu() {
            // Only a release build is for others.
            Some(own) if cfg!(debug_assertions) => targets.push(own.name()),
            _ => targets.extend(["cpu-x86-64-v3", "cpu-x86-64-v4-vnni"]),
        }
    } else {
        targets.extend(["cpu-aarch64", "ptx-sm80"]);
    }
    targets
}

#[test]
fn every_kernel_is_embedded_for_every_target() {
    for target in targets() {
        let kernels = catalogue::kernels_for(target).map(|kernel| kernel.name.to_owned());
        let kernels: BTreeSet<String> = kernels.collect();
        assert!(
            kernels.len() > 200,
            "{target} has {} kernels only",
            kernels.len()
        );
        assert_eq!(generic(target), kernels, "{target}");
    }
}

#[test]
fn every_variant_that_ops_ask_for_is_embedded() {
    let mut variants = 0;
    for unit in catalogue::units() {
        assert!(!unit.variants.is_empty(), "{} has no pipelines", unit.name);
        for variant in unit.variants.iter().filter(|v| !v.constants.is_empty()) {
            for target in targets() {
                let Some(compiled) = Target::from_name(target) else {
                    continue;
                };
                if variant.class.is_some_and(|class| class != compiled.class()) {
                    continue;
                }
                let found = unit.artefacts.iter().find(|artefact| {
                    artefact.target == target && artefact.constants == Some(variant.constants)
                });
                let found = found.unwrap_or_else(|| {
                    panic!("{} lacks {variant:?} for {target}", unit.name);
                });
                let artefact = Artefact::from_bytes(found.bytes).unwrap();
                for kernel in variant.kernels {
                    assert!(artefact.kernels.iter().any(|k| k.name == *kernel));
                    variants += 1;
                }
            }
        }
    }
    if !cfg!(target_vendor = "apple") {
        assert!(variants > 0);
    }
}

#[test]
fn the_whole_catalogue_is_warmed_from_what_is_embedded() {
    let options = DeviceOptions {
        cache: CacheFolder::None,
        ..DeviceOptions::default()
    };
    let device = Device::open_with(Preference::Cpu, &options).unwrap();
    let requests = catalogue::pipelines(&device, |_| true);
    let asked: BTreeSet<&str> = requests.iter().map(|request| request.kernel).collect();
    for unit in catalogue::units() {
        for variant in unit.variants {
            if variant.class != Some(TargetClass::Gpu) {
                assert!(variant.kernels.iter().all(|kernel| asked.contains(kernel)));
            }
        }
    }
    let report = device.warm(&requests, &|_| {});
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    if !cfg!(target_vendor = "apple") {
        assert_eq!(report.made_from(CodeOrigin::Embedded), requests.len());
    }
    let again = device.warm(&requests, &|_| {});
    assert_eq!(again.ready, requests.len());
    let one = catalogue::pipelines(&device, |kernel| kernel.name == "gather_u32");
    assert_eq!(one.len(), 1);
}
