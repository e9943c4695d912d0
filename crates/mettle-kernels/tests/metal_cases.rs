//! Every case of every kernel on the Metal device, whose backend runs against a stand-in for Metal.

#![cfg(feature = "mock-metal")]

use mettle_gpu::{Device, DeviceKind, Preference};
use mettle_kernels::cases;

/// Runs the cases with memory shared with the host, or apart.
fn run(device: &str) {
    let preference: Preference = device.parse().unwrap();
    let device = Device::open(preference).unwrap();
    assert_eq!(device.kind(), DeviceKind::Metal);
    let mut failures = Vec::new();
    let cases = cases::select("*", "*", 1);
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
    run("metal");
}

#[test]
fn every_case_passes_with_memory_of_its_own() {
    run("metal:discrete");
}
