//! What pipelines cost: the first of a process by where its code comes from, the whole catalogue, and looking one up.
//!
//! `cargo bench -p mettle-kernels --bench pipelines`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use mettle_gpu::{
    CacheFolder, CodeOrigin, ConstantSet, Device, DeviceOptions, EmbeddedArtefact, EmbeddedUnit,
    PipelineRequest, Preference,
};
use mettle_kernels::{bindings, catalogue};
use mettle_msl::metal;

/// Counts what each thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator; a thread that ends has no counter, and needs none.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn open(folder: &Path) -> Device {
    let options = DeviceOptions {
        cache: CacheFolder::At(folder.to_owned()),
        ..DeviceOptions::default()
    };
    Device::open_with(Preference::Cpu, &options).expect("the CPU device opens")
}

/// A unit of which nothing but the source is embedded.
fn source_only(unit: &'static EmbeddedUnit) -> &'static EmbeddedUnit {
    let found = unit.artefacts.iter().find(|a| a.target == metal::SOURCE);
    let source = found.expect("every unit has its source");
    let artefact = EmbeddedArtefact {
        target: source.target,
        constants: source.constants,
        bytes: source.bytes,
    };
    Box::leak(Box::new(EmbeddedUnit {
        name: unit.name,
        artefacts: vec![artefact].leak(),
        variants: unit.variants,
    }))
}

/// Prints the median of several measurements.
fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64() * 1e3;
    println!("{what:<62} {median:>10.3} ms");
}

/// The time until the first pipeline of a device is made, and where its code came from.
fn first(device: &Device, request: &PipelineRequest) -> (Duration, CodeOrigin) {
    let started = Instant::now();
    let library = device.library(request.unit);
    let pipeline = library
        .pipeline(request.kernel, &request.constants)
        .expect("the kernel loads");
    (started.elapsed(), pipeline.origin())
}

fn first_pipelines() {
    for kernel in ["gather_u32", "mul_mv_q4_0_f32"] {
        for expected in [
            CodeOrigin::Embedded,
            CodeOrigin::Cached,
            CodeOrigin::Compiled,
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let rounds = if expected == CodeOrigin::Compiled {
                5
            } else {
                21
            };
            let mut times = Vec::new();
            for round in 0..=rounds {
                let folder = match expected {
                    CodeOrigin::Compiled => folder.path().join(round.to_string()),
                    _ => folder.path().to_owned(),
                };
                let device = open(&folder);
                let wanted = catalogue::pipelines(&device, |k| k.name == kernel);
                let mut request = wanted[0];
                if expected != CodeOrigin::Embedded {
                    request.unit = source_only(request.unit);
                }
                let (time, origin) = first(&device, &request);
                // The first of a process finds more than the cache cold.
                if round > 0 {
                    assert_eq!(origin, expected);
                    times.push(time);
                }
            }
            report(&format!("first pipeline, {kernel}, {expected}"), times);
        }
    }
}

fn whole_catalogue() {
    let folder = tempfile::tempdir().expect("a folder");
    let units: Vec<_> = catalogue::units().collect();
    let sources: Vec<_> = catalogue::units().map(source_only).collect();
    for (units, origin) in [
        (&units, CodeOrigin::Embedded),
        (&sources, CodeOrigin::Compiled),
        (&sources, CodeOrigin::Cached),
    ] {
        let device = open(folder.path());
        let requests = units.iter().flat_map(|unit| unit.pipelines(&device));
        let requests: Vec<_> = requests.collect();
        let warmed = device.warm(&requests, &|_| {});
        assert_eq!(warmed.made_from(origin), requests.len(), "{warmed:?}");
        let what = format!("whole catalogue, {} pipelines, {origin}", requests.len());
        report(&what, vec![warmed.elapsed]);
        if origin == CodeOrigin::Embedded {
            let again = device.warm(&requests, &|_| {});
            assert_eq!(again.ready, requests.len());
            report("the same, ready", vec![again.elapsed]);
        }
    }
}

fn look_up() {
    const TIMES: u32 = 1_000_000;
    let device = Device::open(Preference::Cpu).expect("the CPU device opens");
    catalogue::pipelines(&device, |_| true)
        .iter()
        .for_each(|request| {
            first(&device, request);
        });
    let none = ConstantSet::EMPTY;
    let constants = ConstantSet::EMPTY.with(0, true).with(1, 1u32);
    let library = device.library(<bindings::gather::U32 as mettle_gpu::Binding>::unit());
    let typed = || {
        drop(black_box(
            device.pipeline::<bindings::gather::U32>("gather_u32", &none),
        ))
    };
    let with_constants = || {
        drop(black_box(device.pipeline::<bindings::mul_mv::F32>(
            "mul_mv_q4_0_f32",
            &constants,
        )))
    };
    let named = || drop(black_box(library.pipeline("gather_u32", &none)));
    for (what, act) in [
        ("look-up by type", &typed as &dyn Fn()),
        ("look-up by type, two constants", &with_constants),
        ("look-up by name", &named),
    ] {
        act();
        let before = ALLOCATIONS.with(Cell::get);
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let started = Instant::now();
            for _ in 0..TIMES {
                act();
            }
            best = best.min(started.elapsed().as_secs_f64() / f64::from(TIMES));
        }
        let allocations = ALLOCATIONS.with(Cell::get) - before;
        let nanoseconds = best * 1e9;
        println!(
            "{what:<62} {nanoseconds:>10.1} ns, {allocations} allocations in {} calls",
            5 * TIMES
        );
    }
}

fn main() {
    first_pipelines();
    whole_catalogue();
    look_up();
}
