//! Barriers that not all threads reach: the fault says at which barrier threads wait, and where the others are.

use mettle_gpu::{Device, Error, Fault, Grid, Site};

use crate::common::{ORDERS, device, launch, pipeline};

const THREADS: u32 = 100;

/// Runs a kernel on a few threadgroups.
fn run(device: &Device, kernel: &str) -> Result<Vec<u32>, Box<Fault>> {
    let out = device.zeros::<u32>(THREADS as usize).unwrap();
    let result = launch(
        device,
        &pipeline(device, "barriers", kernel),
        Grid::rows(3).threads(THREADS as usize),
        |arguments| arguments.write(0, "out", &out),
    );
    match result {
        Ok(()) => Ok(out.read().unwrap()),
        Err(Error::Fault {
            kernel: named,
            fault,
            ..
        }) => {
            println!("{fault}");
            assert_eq!(named, kernel);
            Err(fault)
        }
        Err(error) => panic!("{error}"),
    }
}

/// A place must be the line that ends with a mark.
#[track_caller]
fn at(site: &Site, mark: &str) {
    let text = include_str!("metal/barriers.metal");
    let line = text
        .lines()
        .position(|line| line.ends_with(&format!("// {mark}")));
    assert_eq!(site.file(), "barriers.metal");
    assert_eq!(site.line() as usize, line.unwrap() + 1, "{mark}");
}

/// Threads wait at a barrier that others will not reach, because they have returned.
#[test]
fn others_have_returned() {
    let device = device();
    for order in ORDERS {
        device.set_order_seed(order).unwrap();
        for (kernel, mark, count) in [
            ("one_returns", "one_returns", 99),
            ("in_a_branch", "in_a_branch", 34),
            ("trip_counts", "trip_counts", 50),
            ("lanes_mix", "lanes_mix", 50),
            ("others_work_together", "others_work_together", 25),
            // The SIMD group of thread 70 returns.
            ("in_a_function", "in_a_function", 68),
        ] {
            let fault = run(&device, kernel).unwrap_err();
            let Fault::BarrierAfterReturn {
                site,
                waiting,
                finished,
            } = &*fault
            else {
                panic!("{fault}");
            };
            at(site, mark);
            assert_eq!((*waiting, *finished), (count, THREADS - count), "{fault}");
            let sound = run(&device, "sound").unwrap();
            assert_eq!(sound, (0..THREADS).collect::<Vec<_>>());
        }
    }
}

/// Threads wait at two barriers.
#[test]
fn others_wait_elsewhere() {
    let device = device();
    for order in ORDERS {
        device.set_order_seed(order).unwrap();
        for (kernel, marks, counts, returned) in [
            (
                "if_and_else",
                ["if_and_else: first", "if_and_else: second"],
                [40, 60],
                0,
            ),
            (
                "trip_counts_then_another",
                [
                    "trip_counts_then_another: end",
                    "trip_counts_then_another: loop",
                ],
                [50, 50],
                0,
            ),
            (
                "groups_mix",
                ["groups_mix: first", "groups_mix: second"],
                [32, 68],
                0,
            ),
            (
                "two_places_and_returned",
                ["two_places: first", "two_places: second"],
                [20, 70],
                10,
            ),
        ] {
            let fault = run(&device, kernel).unwrap_err();
            let Fault::BarrierSites {
                first,
                first_threads,
                second,
                second_threads,
                finished,
            } = &*fault
            else {
                panic!("{fault}");
            };
            let mut found = [(first, *first_threads), (second, *second_threads)];
            if found[0].1 != counts[0] || (counts[0] == counts[1] && first.line() < second.line()) {
                found.reverse();
            }
            for ((site, threads), (mark, count)) in
                found.into_iter().zip(marks.into_iter().zip(counts))
            {
                at(site, mark);
                assert_eq!(threads, count, "{fault}");
            }
            assert_eq!(*finished, returned, "{fault}");
            let sound = run(&device, "sound").unwrap();
            assert_eq!(sound, (0..THREADS).collect::<Vec<_>>());
        }
    }
}
