//! SIMD groups: reductions against the host, and lanes in different places of the source.

use mettle_gpu::{Buffer, Grid};

use crate::common::{device, launch, orders, pipeline};

/// Full and partial SIMD groups.
#[test]
fn reductions() {
    let device = device();
    let kernel = pipeline(&device, "simd", "reductions");
    for order in orders(&device) {
        device.set_order_seed(order).unwrap();
        for n in [32usize, 75, 1024] {
            let values: Vec<i32> = (0..n as i32).map(|i| (i * 7919) % 101 - 50).collect();
            let input = device.upload(&values).unwrap();
            let out = device.zeros::<i32>(n * 6).unwrap();
            launch(
                &device,
                &kernel,
                Grid::elements(n).threads(n),
                |arguments| {
                    arguments.read(0, "in", &input);
                    arguments.write(1, "out", &out);
                },
            )
            .unwrap();
            let out = out.read().unwrap();
            for (group, lanes) in values.chunks(32).enumerate() {
                for (lane, &value) in lanes.iter().enumerate() {
                    let seen = &out[(group * 32 + lane) * 6..][..6];
                    assert_eq!(seen[0], lanes.iter().sum::<i32>());
                    assert_eq!(seen[1], *lanes.iter().max().unwrap());
                    assert_eq!(seen[2], *lanes.iter().min().unwrap());
                    assert_eq!(seen[3], lanes[..lane].iter().sum::<i32>());
                    if let Some(&other) = lanes.get(lane ^ 5) {
                        assert_eq!(seen[4], other, "lane {lane} holding {value}");
                    }
                    let ballot = lanes
                        .iter()
                        .enumerate()
                        .fold(0u32, |mask, (lane, &x)| mask | u32::from(x > 0) << lane);
                    assert_eq!(seen[5] as u32, ballot);
                }
            }
        }
    }
}

/// Runs a kernel of one output over some threads of one threadgroup, in every order.
fn in_every_order<T: mettle_gpu::Element>(kernel: &str, threads: usize, check: impl Fn(&[T])) {
    let device = device();
    let kernel = pipeline(&device, "simd", kernel);
    for order in orders(&device) {
        device.set_order_seed(order).unwrap();
        let out: Buffer<T> = device.zeros(threads).unwrap();
        launch(
            &device,
            &kernel,
            Grid::rows(1).threads(threads),
            |arguments| {
                arguments.write(0, "out", &out);
            },
        )
        .unwrap();
        check(&out.read().unwrap());
    }
}

#[test]
fn branches_and_loops_have_their_own_lanes() {
    in_every_order("divergent", 64, |out: &[i32]| {
        for (i, &seen) in out.iter().enumerate() {
            let lane = i as i32 % 32;
            let branch = if lane < 10 { 10 } else { 2200 };
            let in_loop: i32 = (0..lane).map(|k| 31 - k).sum();
            assert_eq!(seen, branch + in_loop + 32_000_000, "thread {i}");
        }
    });
}

#[test]
fn calls_of_one_function_have_their_own_lanes() {
    in_every_order("through_a_function", 64, |out: &[i32]| {
        for (i, &seen) in out.iter().enumerate() {
            let lane = i as i32 % 32;
            let branch = if lane < 10 { 10 } else { 2200 };
            let in_loop: i32 = (0..lane).map(|k| 31 - k).sum();
            assert_eq!(seen, branch + in_loop + 32 * 32_000_000, "thread {i}");
        }
    });
}

#[test]
fn lanes_leave_loops_on_their_own() {
    in_every_order("loops", 64, |out: &[i32]| {
        for (i, &seen) in out.iter().enumerate() {
            let lane = i % 32;
            let counted: usize = (0..lane % 7)
                .map(|k| (0..32).filter(|l| l % 7 > k).count())
                .sum();
            let until_break: usize = (0..8)
                .filter(|k| k % 2 == 0 && *k <= lane / 4)
                .map(|k| (0..32).filter(|l| k <= l / 4).count())
                .sum();
            let votes = (31 - 2usize).div_ceil(3);
            let expected = counted + 100 * until_break + 10_000 * votes;
            assert_eq!(seen as usize, expected, "thread {i}");
        }
    });
}

#[test]
fn returned_lanes_do_not_count() {
    in_every_order("returned", 96, |out: &[i32]| {
        for (i, &seen) in out.iter().enumerate() {
            assert_eq!(seen, if i % 32 % 3 == 0 { -1 } else { 21 });
        }
    });
}

#[test]
fn one_call_for_two_types() {
    in_every_order("two_types", 32, |out: &[f32]| {
        for (lane, &seen) in out.iter().enumerate() {
            assert_eq!(seen, if lane % 2 == 1 { 8.0 } else { 240.0 });
        }
    });
}

#[test]
fn lanes_at_a_barrier_do_not_count() {
    in_every_order("beside_a_barrier", 64, |out: &[i32]| {
        for (i, &seen) in out.iter().enumerate() {
            let from = 63 - i as i32;
            let expected = match from {
                0..4 => 6,
                32..36 => 32 + 33 + 34 + 35,
                _ => 0,
            };
            assert_eq!(seen, expected, "thread {i}");
        }
    });
}

#[test]
fn matrices_multiply() {
    let device = device();
    let kernel = pipeline(&device, "simd", "multiply");
    let a: Vec<f32> = (0..64).map(|i| (i % 11) as f32 - 5.0).collect();
    let b: Vec<f32> = (0..64).map(|i| (i * 5 % 13) as f32 - 6.0).collect();
    let (x, y) = (device.upload(&a).unwrap(), device.upload(&b).unwrap());
    let out = device.zeros::<f32>(64).unwrap();
    launch(&device, &kernel, Grid::rows(1).threads(32), |arguments| {
        arguments.read(0, "a", &x);
        arguments.read(1, "b", &y);
        arguments.write(2, "c", &out);
    })
    .unwrap();
    let expected: Vec<f32> = (0..64)
        .map(|i| {
            1.0 + (0..8)
                .map(|k| a[i / 8 * 8 + k] * b[k * 8 + i % 8])
                .sum::<f32>()
        })
        .collect();
    assert_eq!(out.read().unwrap(), expected);
}

/// Lanes that branch on what they add up next are still together.
#[test]
fn sums_behind_a_branch() {
    in_every_order("behind_a_branch", 1024, |out: &[u32]| {
        for (at, &seen) in out.iter().enumerate() {
            let (value, lane) = (at / 32, at % 32);
            // Four lanes have a value, each in a bit of its own.
            let expected = match lane % 8 == value % 8 {
                true => 100 + lane / 8,
                false => 4,
            };
            assert_eq!(seen as usize, expected, "value {value}, lane {lane}");
        }
    });
}
