//! Every case of every kernel on the CPU device, in its natural order and in permuted orders.

use mettle_gpu::{ConstantSet, Device, Preference};
use mettle_kernels::Error;
use mettle_kernels::cases::{self, Case, Outcome};
use mettle_kernels::catalogue::{self, SeedName};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Permuted orders of threads, SIMD groups and threadgroups that each case runs in.
const ORDERS: u32 = 2;

/// The seed of this run: `METTLE_SEED`, or always the same.
fn seed() -> u64 {
    std::env::var("METTLE_SEED").map_or(1, |seed| seed.parse().expect("METTLE_SEED is a number"))
}

/// Every case with what became of it.
static RAN: LazyLock<Vec<(Case, Result<Outcome, Error>)>> = LazyLock::new(|| {
    let seed = seed();
    println!("seed {seed} (set METTLE_SEED for another)");
    let device = Device::open(Preference::Cpu).unwrap();
    let cases = cases::select("*", "*", seed).into_iter();
    cases
        .map(|case| {
            let outcome = case.run(&device, ORDERS);
            (case, outcome)
        })
        .collect()
});

#[test]
fn every_case_passes() {
    let failures: Vec<String> = RAN
        .iter()
        .filter_map(|(case, outcome)| match outcome {
            Ok(outcome) if outcome.passed => None,
            Ok(outcome) => Some(format!("{}\n  {outcome:?}", case.replay())),
            Err(error) => Some(format!("{}\n  {error}", case.replay())),
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} cases failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// A kernel that is to take the place of one of an older system does so in a case that passes, with the constants that it is to have.
#[test]
fn every_seed_name_has_a_passing_case() {
    let missing: Vec<String> = catalogue::seed_names()
        .filter(|seed| {
            !RAN.iter()
                .any(|(case, outcome)| proves(case, outcome, seed))
        })
        .map(|seed| format!("{seed:?}"))
        .collect();
    assert!(
        missing.is_empty(),
        "no case that passes shows the counterparts of {} kernels:\n{}",
        missing.len(),
        missing.join("\n")
    );
    // All that these systems have.
    let of = |system| {
        catalogue::seed_names()
            .filter(move |seed| seed.system == system)
            .count()
    };
    let systems = ["mlx-native", "oxibonsai", "moeflux", "torchless"];
    assert_eq!(systems.map(of), [184, 20, 27, 10]);
    assert_eq!(catalogue::seed_names().count(), 241);
}

/// Whether a case passes in which the kernel is launched with the constants that make it a counterpart.
fn proves(case: &Case, outcome: &Result<Outcome, Error>, seed: &SeedName) -> bool {
    let Ok(outcome) = outcome else {
        return false;
    };
    let kernel = catalogue::kernels().find(|kernel| kernel.name == seed.kernel);
    let Some(kernel) = kernel.filter(|kernel| kernel.name == case.kernel()) else {
        return false;
    };
    let as_said = |launched: &ConstantSet| {
        // A launch gives every constant of its file.
        let values = launched.entries().iter().map(|&(_, bits)| bits);
        let launched: Vec<_> = kernel.constants.iter().zip(values).collect();
        launched.len() == kernel.constants.len()
            && seed.constants.iter().all(|(name, value)| {
                let bits = match *value {
                    "true" => Some(1),
                    "false" => Some(0),
                    number => number.parse().ok(),
                };
                launched
                    .iter()
                    .any(|&(own, own_bits)| own == name && Some(own_bits) == bits)
            })
    };
    outcome.passed
        && cases::matches(seed.cases, case.name())
        && outcome.launched.iter().any(as_said)
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
