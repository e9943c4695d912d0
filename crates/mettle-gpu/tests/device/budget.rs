//! Kernels that do not end: the budget ends them, and the device goes on.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use mettle_gpu::{Device, DeviceOptions, Error, Fault, Grid, Preference};

use crate::common::{ORDERS, launch, pipeline};

const BUDGET: Duration = Duration::from_millis(60);

fn open(workers: usize) -> Device {
    let options = DeviceOptions {
        budget: Some(BUDGET),
        workers: NonZeroUsize::new(workers),
        ..DeviceOptions::default()
    };
    Device::open_with(Preference::Cpu, &options).unwrap()
}

#[test]
fn endless_kernels_end() {
    for workers in [1, 4] {
        let device = open(workers);
        for order in ORDERS {
            device.set_order_seed(order).unwrap();
            for kernel in [
                "endless_loop",
                "waits_for_a_thread",
                "endless_simd_sum",
                "endless_barrier",
                "one_does_not_end",
            ] {
                for threads in [1, 64] {
                    let pipeline = pipeline(&device, "budget", kernel);
                    let run = |flag: u32| {
                        let flag = device.upload(&[flag]).unwrap();
                        let out = device.zeros::<u32>(64 * 16).unwrap();
                        let grid = Grid::rows(16).threads(threads);
                        launch(&device, &pipeline, grid, |arguments| {
                            arguments.write(0, "flag", &flag);
                            arguments.write(1, "out", &out);
                        })
                    };
                    let started = Instant::now();
                    let error = run(0).unwrap_err();
                    let took = started.elapsed();
                    println!("{took:?}: {error}");
                    let Error::Fault {
                        kernel: named,
                        threadgroup,
                        fault,
                    } = &error
                    else {
                        panic!("{error}");
                    };
                    assert_eq!(named, kernel);
                    let Fault::Budget {
                        limit,
                        finished,
                        threadgroups,
                        ..
                    } = **fault
                    else {
                        panic!("{error}");
                    };
                    assert_eq!((limit, threadgroups), (BUDGET, 16));
                    if kernel == "one_does_not_end" {
                        assert_eq!(*threadgroup, Some([5, 0, 0]));
                        assert!(finished < 16, "{error}");
                    } else {
                        assert_eq!(finished, 0, "{error}");
                    }
                    assert!(took >= BUDGET && took < Duration::from_secs(5), "{took:?}");
                    run(1).unwrap();
                }
            }
        }
    }
}

/// The budget is one of the whole submission.
#[test]
fn many_launches_share_a_budget() {
    let device = open(2);
    let pipeline = pipeline(&device, "guard", "sound");
    let input = device.zeros::<u32>(1 << 18).unwrap();
    let out = device.zeros::<u32>(1 << 18).unwrap();
    let mut pass = device.pass();
    for _ in 0..20_000 {
        pass.dispatch_pipeline(
            &pipeline,
            Grid::elements(1 << 18).threads(256),
            |arguments| {
                arguments.read(0, "in", &input);
                arguments.write(1, "out", &out);
            },
        )
        .unwrap();
    }
    let started = Instant::now();
    let error = pass.submit().unwrap().wait().unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(
        matches!(&error, Error::Fault { fault, .. } if matches!(**fault, Fault::Budget { .. })),
        "{error}"
    );
}
