//! Every case of every kernel on the CPU device, in its natural order and in permuted orders.

use mettle_gpu::{Device, Preference};
use mettle_kernels::{cases, catalogue};
use std::collections::BTreeSet;

/// Permuted orders of threads, SIMD groups and threadgroups that each case runs in.
const ORDERS: u32 = 2;

/// The seed of this run: `METTLE_SEED`, or always the same.
fn seed() -> u64 {
    std::env::var("METTLE_SEED").map_or(1, |seed| seed.parse().expect("METTLE_SEED is a number"))
}

#[test]
fn every_case_passes() {
    let seed = seed();
    println!("seed {seed} (set METTLE_SEED for another)");
    let device = Device::open(Preference::Cpu).unwrap();
    let mut failures = Vec::new();
    for case in cases::select("*", "*", seed) {
        match case.run(&device, ORDERS) {
            Ok(outcome) if outcome.passed => {}
            Ok(outcome) => failures.push(format!("{}\n  {outcome:?}", case.replay())),
            Err(error) => failures.push(format!("{}\n  {error}", case.replay())),
        }
    }
    assert!(
        failures.is_empty(),
        "{} cases failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_kernel_has_a_case() {
    let covered: BTreeSet<String> = cases::select("*", "*", 0)
        .iter()
        .map(|case| case.kernel().to_owned())
        .collect();
    let kernels: BTreeSet<String> = catalogue::kernels()
        .map(|kernel| kernel.name.to_owned())
        .collect();
    let missing: Vec<_> = kernels.difference(&covered).collect();
    assert!(missing.is_empty(), "kernels without a case: {missing:?}");
    let unknown: Vec<_> = covered.difference(&kernels).collect();
    assert!(
        unknown.is_empty(),
        "cases of kernels that do not exist: {unknown:?}"
    );
}

#[test]
fn every_kernel_has_a_bench_entry() {
    let measured: BTreeSet<String> = mettle_kernels::bench::select("*", "*")
        .iter()
        .map(|entry| entry.kernel().to_owned())
        .collect();
    let kernels: BTreeSet<String> = catalogue::kernels()
        .map(|kernel| kernel.name.to_owned())
        .collect();
    let missing: Vec<_> = kernels.symmetric_difference(&measured).collect();
    assert!(
        missing.is_empty(),
        "kernels without a bench entry, or entries of none: {missing:?}"
    );
}

#[test]
fn a_replay_names_one_case() {
    let mut seen = BTreeSet::new();
    for case in cases::select("*", "*", 0) {
        assert!(
            !case.name().contains(char::is_whitespace),
            "{case:?}: no spaces, for the command line"
        );
        assert!(
            seen.insert((case.kernel().to_owned(), case.name().to_owned())),
            "{case:?} exists twice"
        );
        let replayed = cases::select(case.kernel(), case.name(), case.seed());
        assert_eq!(replayed.len(), 1, "{}", case.replay());
    }
}
