//! Threadgroups: barriers, static and dynamic memory, atomics over several workers, barriers that can never complete.

use mettle_gpu::{DeviceKind, Error, Fault, Grid};

use crate::common::{cpu, device, launch, orders, pipeline};

#[test]
fn sums_by_halving() {
    let device = device();
    let kernel = pipeline(&device, "threadgroups", "halving");
    for order in orders(&device) {
        device.set_order_seed(order).unwrap();
        for threads in [1usize, 2, 32, 64, 256, 1024] {
            let groups = 9;
            let values: Vec<f32> = (0..groups * threads).map(|i| (i % 97) as f32).collect();
            let input = device.upload(&values).unwrap();
            let out = device.zeros::<f32>(groups).unwrap();
            launch(
                &device,
                &kernel,
                Grid::rows(groups).threads(threads),
                |arguments| {
                    arguments.read(0, "in", &input);
                    arguments.write(1, "out", &out);
                },
            )
            .unwrap();
            let expected: Vec<f32> = values
                .chunks(threads)
                .map(|group| group.iter().sum())
                .collect();
            assert_eq!(
                out.read().unwrap(),
                expected,
                "{threads} threads, order {order:?}"
            );
        }
    }
}

#[test]
fn dynamic_memory_by_index() {
    let device = device();
    let kernel = pipeline(&device, "threadgroups", "reverse");
    for threads in [7usize, 100] {
        let values: Vec<u32> = (0..threads as u32 * 20).collect();
        let input = device.upload(&values).unwrap();
        let out = device.zeros::<u32>(values.len()).unwrap();
        launch(
            &device,
            &kernel,
            Grid::rows(20).threads(threads),
            |arguments| {
                arguments.read(0, "in", &input);
                arguments.write(1, "out", &out);
                arguments.threadgroup_memory(0, "forward", threads * 4);
                arguments.threadgroup_memory(1, "marks", threads);
            },
        )
        .unwrap();
        let expected: Vec<u32> = values
            .chunks(threads)
            .flat_map(|group| group.iter().rev().copied())
            .collect();
        assert_eq!(out.read().unwrap(), expected);
    }
}

#[test]
fn atomics_from_all_workers() {
    let device = device();
    let kernel = pipeline(&device, "threadgroups", "histogram");
    let values: Vec<u32> = (0..200_000u32)
        .map(|i| i.wrapping_mul(2_654_435_761) >> 7)
        .collect();
    let input = device.upload(&values).unwrap();
    let mut expected = [0u32; 16];
    values
        .iter()
        .for_each(|&value| expected[value as usize % 16] += 1);
    for _ in 0..5 {
        let bins = device.zeros::<u32>(16).unwrap();
        launch(
            &device,
            &kernel,
            Grid::elements(values.len()).threads(64),
            |arguments| {
                arguments.read(0, "values", &input);
                arguments.write(1, "bins", &bins);
            },
        )
        .unwrap();
        assert_eq!(bins.read().unwrap(), expected);
    }
}

#[test]
fn boxes_in_three_directions() {
    let device = device();
    let kernel = pipeline(&device, "threadgroups", "boxes");
    for order in orders(&device) {
        device.set_order_seed(order).unwrap();
        let out = device.zeros::<u32>(4 * 2 * 2).unwrap();
        // The last group of each direction is cut: sizes 8, 8, 8, 1 by 3, 2 by 5, 4.
        let grid = Grid::threads_total([25, 5, 9]).threads([8, 3, 5]);
        launch(&device, &kernel, grid, |arguments| {
            arguments.write(0, "out", &out)
        })
        .unwrap();
        let mut expected = Vec::new();
        for z in [5, 4] {
            for y in [3, 2] {
                for x in [8, 8, 8, 1u32] {
                    let threads = x * y * z;
                    expected.push(threads * (threads - 1) / 2);
                }
            }
        }
        assert_eq!(out.read().unwrap(), expected);
    }
}

#[test]
fn a_barrier_after_a_return() {
    let Some(device) = cpu() else { return };
    let kernel = pipeline(&device, "threadgroups", "early_return");
    let out = device.zeros::<u32>(64).unwrap();
    let run = |which: u32| {
        launch(&device, &kernel, Grid::rows(8).threads(64), |arguments| {
            arguments.write(0, "out", &out);
            arguments.value(1, "which", &which);
        })
    };
    run(99).unwrap();
    let error = run(6).unwrap_err();
    let Error::Fault {
        kernel,
        threadgroup,
        fault,
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(
        (kernel.as_str(), *threadgroup),
        ("early_return", Some([6, 0, 0]))
    );
    let Fault::BarrierAfterReturn {
        site,
        waiting,
        finished,
    } = &**fault
    else {
        panic!("{error}");
    };
    assert_eq!((*waiting, *finished), (63, 1));
    let text = include_str!("metal/threadgroups.metal");
    let line = text
        .lines()
        .position(|line| line.contains("t == 5"))
        .unwrap()
        + 4;
    assert_eq!(
        (site.file(), site.line() as usize),
        ("threadgroups.metal", line),
        "{error}"
    );
    // What it wrote is unknown now: reading it says why, using it is refused, writing all of it makes it good.
    assert_eq!(out.read().unwrap_err(), error);
    let refused = run(99).unwrap_err();
    assert!(refused.to_string().contains("failed"), "{refused}");
    out.clone().write(&[0; 64]).unwrap();
    run(99).unwrap();
    assert_eq!(out.read().unwrap(), (0..64).collect::<Vec<u32>>());
}

#[test]
fn two_barriers_do_not_meet() {
    let Some(device) = cpu() else { return };
    let kernel = pipeline(&device, "threadgroups", "two_barriers");
    for order in orders(&device) {
        device.set_order_seed(order).unwrap();
        let out = device.zeros::<u32>(64).unwrap();
        let error = launch(&device, &kernel, Grid::rows(1).threads(64), |arguments| {
            arguments.write(0, "out", &out);
        })
        .unwrap_err();
        let Error::Fault { fault, .. } = &error else {
            panic!("{error}");
        };
        let Fault::BarrierSites {
            first,
            first_threads,
            second,
            second_threads,
            finished: 0,
        } = &**fault
        else {
            panic!("{error}");
        };
        let mut seen = [
            (first.line(), *first_threads),
            (second.line(), *second_threads),
        ];
        seen.sort_unstable();
        assert_eq!(
            (seen[1].0 - seen[0].0, seen[0].1, seen[1].1),
            (3, 40, 24),
            "{error}"
        );
    }
}

/// The order of threads is the natural one, or one of many.
#[test]
fn seeds_change_the_order() {
    let device = device();
    if device.kind() != DeviceKind::Cpu {
        println!("skipped: this device chooses the order itself");
        return;
    }
    let kernel = pipeline(&device, "threadgroups", "racy");
    let last_thread = |seed| {
        device.set_order_seed(seed).unwrap();
        let out = device.zeros::<u32>(256).unwrap();
        launch(&device, &kernel, Grid::rows(1).threads(256), |arguments| {
            arguments.write(0, "out", &out);
        })
        .unwrap();
        out.read().unwrap()[0]
    };
    assert_eq!(last_thread(None), 255);
    let seen: std::collections::BTreeSet<u32> =
        (0..20).map(|seed| last_thread(Some(seed))).collect();
    assert!(seen.len() > 8, "{seen:?}");
    assert_eq!(last_thread(Some(7)), last_thread(Some(7)));
}
