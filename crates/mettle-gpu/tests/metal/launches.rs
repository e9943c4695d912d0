//! Passes.

use crate::{devices, library, open, pipeline};
use mettle_gpu::{ConstantSet, Error, Grid, LaunchError};

const CHAIN: &str = "
kernel void add(device uint* x [[buffer(0)]], constant uint& by [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    x[i] += by;
}
kernel void reverse(device uint* x [[buffer(0)]], threadgroup uint* copy [[threadgroup(0)]],
    uint i [[thread_position_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
    copy[i] = x[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    x[i] = copy[n - 1 - i];
}";

#[test]
fn launches_follow_each_other() {
    for device in devices() {
        for profile in [false, true] {
            let add = pipeline(&device, CHAIN, "add");
            let reverse = pipeline(&device, CHAIN, "reverse");
            let x = device.upload(&(0..100u32).collect::<Vec<_>>()).unwrap();
            let mut pass = device.pass();
            pass.profile(profile);
            for by in [1u32, 10, 100, 1000, 10_000] {
                // The last threadgroup is smaller.
                pass.dispatch_pipeline(&add, Grid::elements(100).threads(32), |arguments| {
                    arguments.write(0, "x", &x);
                    arguments.value(1, "by", &by);
                })
                .unwrap();
            }
            pass.dispatch_pipeline(&reverse, Grid::rows(1).threads(100), |arguments| {
                arguments.write(0, "x", &x);
                arguments.threadgroup_memory(0, "copy", 400);
            })
            .unwrap();
            assert_eq!(pass.barriers(), 5);
            let times = pass.submit().unwrap().wait_profile().unwrap();
            let expected: Vec<u32> = (0..100).rev().map(|i| i + 11_111).collect();
            assert_eq!(x.read().unwrap(), expected);
            let ran = times.gpu_time().unwrap();
            assert!(ran.start < ran.end, "{ran:?}");
            let calls: Vec<_> = times
                .kernels()
                .map(|(name, time)| (name, time.calls))
                .collect();
            if profile {
                assert_eq!(calls, [("add", 5), ("reverse", 1)]);
                let kernels = times.total_nanoseconds();
                assert!(kernels > 0);
                assert!(
                    kernels <= ran.elapsed().as_nanos() as u64 + 100,
                    "{times:?}"
                );
            } else {
                assert_eq!(calls, []);
            }
        }
    }
}

#[test]
fn submissions_tell_when_they_ran() {
    for device in devices() {
        let add = pipeline(&device, CHAIN, "add");
        let x = device.zeros::<u32>(64).unwrap();
        let ran = [1u32, 2].map(|by| {
            let mut pass = device.pass();
            pass.dispatch_pipeline(&add, Grid::elements(64).threads(64), |arguments| {
                arguments.write(0, "x", &x);
                arguments.value(1, "by", &by);
            })
            .unwrap();
            pass.submit().unwrap().wait_profile().unwrap()
        });
        let [first, second] = ran.each_ref().map(|ran| ran.gpu_time().unwrap());
        assert!(first.start < first.end && first.end <= second.start);
        let mut both = ran[1].clone();
        both.merge(&ran[0]);
        let both = both.gpu_time().unwrap();
        assert_eq!((both.start, both.end), (first.start, second.end));
    }
}

#[test]
fn long_values_arrive() {
    let source = "
struct Table { uint entries[2000]; };
kernel void pick(device uint* out [[buffer(0)]], constant Table& table [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    out[i] = table.entries[i * 100];
}";
    let table: [u32; 2000] = std::array::from_fn(|i| i as u32 * 3);
    for device in devices() {
        let pick = pipeline(&device, source, "pick");
        let out = device.zeros::<u32>(20).unwrap();
        let mut pass = device.pass();
        pass.dispatch_pipeline(&pick, Grid::elements(20).threads(20), |arguments| {
            arguments.write(0, "out", &out);
            arguments.value(1, "table", &table);
        })
        .unwrap();
        pass.submit().unwrap().wait().unwrap();
        let expected: Vec<u32> = (0..20).map(|i| i * 300).collect();
        assert_eq!(out.read().unwrap(), expected);
    }
}

#[test]
fn a_pipeline_has_limits_of_its_own() {
    let source = "
kernel void few_threads(device uint* out [[buffer(0)]], uint i [[thread_position_in_threadgroup]]) {
    threadgroup uint shared[512];
    shared[i] = i;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = shared[i];
}";
    let device = open("metal");
    let kernel = pipeline(&device, source, "few_threads");
    assert_eq!(kernel.static_threadgroup_memory(), 2048);
    let out = device.zeros::<u32>(256).unwrap();
    let mut pass = device.pass();
    let refused = pass.dispatch_pipeline(&kernel, Grid::rows(1).threads(256), |arguments| {
        arguments.write(0, "out", &out);
    });
    let Err(Error::Launch { cause, .. }) = refused else {
        panic!("{refused:?}");
    };
    let expected = LaunchError::ThreadgroupTooLarge {
        threads: 256,
        limit: 128,
    };
    assert_eq!(cause, expected);
}

#[test]
fn a_failure_names_its_kernel() {
    let source = "
kernel void good(device uint* x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] += 1; }
kernel void bad(device uint* x [[buffer(0)]], uint i [[thread_position_in_threadgroup]]) {
    if (i < 16) threadgroup_barrier(mem_flags::mem_device);
    x[i] += 1;
}";
    let devices = devices();
    let each = devices.iter().flat_map(|d| [(d, false), (d, true)]);
    for (device, profile) in each {
        let library = library(device, source);
        let kernel = |name: &str| library.pipeline(name, &ConstantSet::EMPTY).unwrap();
        let x = device.zeros::<u32>(64).unwrap();
        let mut pass = device.pass();
        for name in ["good", "bad", "good"] {
            pass.dispatch_pipeline(&kernel(name), Grid::rows(1).threads(64), |arguments| {
                arguments.write(0, "x", &x);
            })
            .unwrap();
        }
        pass.profile(profile);
        let error = pass.submit().unwrap().wait().unwrap_err();
        let Error::Fault { kernel, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(kernel, "bad");
        // Launches with a command buffer each fail alone.
        let alone = profile && device.name().contains("plain");
        let place = error.to_string().contains("launch 2 of 3");
        assert_eq!(place, !alone, "{error}");
        assert!(x.read().is_err(), "what a failed pass wrote is unknown");
    }
}

#[test]
fn submissions_overlap_and_follow_each_other() {
    for device in devices() {
        let add = pipeline(&device, CHAIN, "add");
        let x = device.zeros::<u32>(64).unwrap();
        let submit = |by: u32| {
            let mut pass = device.pass();
            pass.dispatch_pipeline(&add, Grid::elements(64).threads(64), |arguments| {
                arguments.write(0, "x", &x);
                arguments.value(1, "by", &by);
            })
            .unwrap();
            pass.submit().unwrap()
        };
        // More than may be in flight; the stand-in stops a backend that has too many.
        let mut flying: Vec<_> = (0..10).map(submit).collect();
        let last = flying.pop().unwrap();
        last.wait().unwrap();
        assert_eq!(x.read().unwrap(), [45; 64]);
        drop(flying);
        // The read waits for what is in flight; the memory lives as long as that.
        let late = submit(100);
        assert_eq!(x.read().unwrap(), [145; 64]);
        late.wait().unwrap();
        let last = submit(1);
        drop((x, add, device));
        last.wait().unwrap();
    }
}

#[test]
fn a_failure_reaches_what_used_its_results() {
    let source = "
kernel void good(device uint* x [[buffer(0)]], uint i [[thread_position_in_grid]]) { x[i] += 1; }
kernel void copy(device const uint* x [[buffer(0)]], device uint* y [[buffer(1)]], uint i [[thread_position_in_grid]]) { y[i] = x[i]; }
kernel void bad(device uint* x [[buffer(0)]], uint i [[thread_position_in_threadgroup]]) {
    if (i < 16) threadgroup_barrier(mem_flags::mem_device);
    x[i] += 1;
}";
    for device in devices() {
        let library = library(&device, source);
        let kernel = |name: &str| library.pipeline(name, &ConstantSet::EMPTY).unwrap();
        let [x, y, z] = [(); 3].map(|()| device.zeros::<u32>(64).unwrap());
        let submit = |name: &str, first: &mettle_gpu::Buffer<u32>, second| {
            let mut pass = device.pass();
            pass.dispatch_pipeline(&kernel(name), Grid::rows(1).threads(64), |arguments| {
                match second {
                    None => arguments.write(0, "x", first),
                    Some(second) => {
                        arguments.read(0, "x", first);
                        arguments.write(1, "y", second);
                    }
                };
            })
            .unwrap();
            pass.submit().unwrap()
        };
        let bad = submit("bad", &x, None);
        let copy = submit("copy", &x, Some(&y));
        let good = submit("good", &z, None);
        let error = copy.wait().unwrap_err();
        assert!(
            matches!(&error, Error::Fault { kernel, .. } if kernel == "bad"),
            "{error}"
        );
        assert!(y.read().is_err() && x.read().is_err());
        assert!(bad.wait().is_err());
        good.wait().unwrap();
        assert_eq!(z.read().unwrap(), [1; 64]);
    }
}
