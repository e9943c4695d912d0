//! Every case of every kernel on the Metal device, whose backend runs against a stand-in for Metal.

#![cfg(feature = "mock-metal")]

use mettle_gpu::{ConstantSet, Device, DeviceKind, Preference};
use mettle_kernels::cases::{self, Case};
use mettle_kernels::catalogue;
use mettle_msl::{Artefact, metal};

/// Runs the cases with memory shared with the host, or apart.
fn run(device: &str, cases: Vec<Case>) {
    let preference: Preference = device.parse().unwrap();
    let device = Device::open(preference).unwrap();
    assert_eq!(device.kind(), DeviceKind::Metal);
    let mut failures = Vec::new();
    let count = cases.len();
    for case in cases {
        match case.run(&device, 1) {
            Ok(outcome) if outcome.passed => {}
            Ok(outcome) => failures.push(format!("{case:?}\n  {outcome:?}")),
            Err(error) => failures.push(format!("{case:?}\n  {error}")),
        }
    }
    println!(
        "{count} cases on {}: {:?}",
        device.name(),
        device.pipeline_stats()
    );
    assert!(
        failures.is_empty(),
        "{} of {count} cases failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_case_passes_with_shared_memory() {
    run("metal", cases::select("*", "*", 1));
}

#[test]
fn every_case_passes_with_memory_of_its_own() {
    // The last first: this test runs beside the one above, and what one of them has compiled, the other need not wait for.
    let mut cases = cases::select("*", "*", 1);
    cases.reverse();
    run("metal:discrete", cases);
}

/// With a kernel in every unit that does not compile, those beside it do: from sources of their own.
#[test]
fn kernels_do_without_the_rest_of_their_unit() {
    const BROKEN: &str =
        "\nkernel void broken(device int* x [[buffer(0)]]) { x[0] = no_such_name; }\n";
    let device = Device::open("metal".parse().unwrap()).unwrap();
    for unit in catalogue::units() {
        let spoiled = unit.artefacts.iter().filter_map(|embedded| {
            let apple = [metal::SOURCE, metal::EXPANDED].contains(&embedded.target);
            let mut artefact = Artefact::from_bytes(embedded.bytes)
                .ok()
                .filter(|_| apple)?;
            artefact.code.extend_from_slice(BROKEN.as_bytes());
            Some((embedded.target.to_owned(), None, artefact.to_bytes()))
        });
        let library = device.library_from(unit.name, spoiled.collect());
        let variant = unit.variants.last().unwrap();
        // One a unit, because it takes a second.
        let kernel = variant.kernels.last().unwrap();
        let constants = ConstantSet::new(variant.constants);
        let pipeline = library.pipeline(kernel, &constants);
        pipeline.unwrap_or_else(|error| panic!("{kernel}: {error}"));
    }
    let stats = device.pipeline_stats();
    assert_eq!(stats.fallbacks, stats.pipelines);
    assert_eq!(stats.pipelines, catalogue::units().count() as u64);
}
