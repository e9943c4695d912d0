//! What every operation of a SIMD group and of a quad computes, for every type.

use half::{bf16, f16};
use mettle_gpu::{Device, Element, Grid};

use crate::common::{device, launch, orders, pipeline};

/// A component type of the kernels; the values used are integers that all of them hold.
pub trait Number: Element + PartialEq + std::fmt::Debug {
    const NAME: &'static str;
    const SIGNED: bool;
    fn of(x: i64) -> Self;
}

macro_rules! numbers {
    ($($T:ty, $name:literal, $signed:literal, $of:expr;)*) => {$(
        impl Number for $T {
            const NAME: &'static str = $name;
            const SIGNED: bool = $signed;
            fn of(x: i64) -> Self {
                ($of)(x)
            }
        }
    )*};
}
numbers! {
    i8, "i8", true, |x| x as i8;
    u8, "u8", false, |x| x as u8;
    i16, "i16", true, |x| x as i16;
    u16, "u16", false, |x| x as u16;
    i32, "i32", true, |x| x as i32;
    u32, "u32", false, |x| x as u32;
    f32, "f32", true, |x| x as f32;
    f16, "f16", true, |x| f16::from_f32(x as f32);
    bf16, "bf16", true, |x| bf16::from_f32(x as f32);
}

/// The lanes of one group, 32 or 4 of them: the value of each, or none where there is no thread.
type Lanes = Vec<Option<i64>>;

/// An operation: how many lanes a group has, and the results. None: Metal leaves the result undefined.
struct Operation {
    name: &'static str,
    lanes: usize,
    results: Box<dyn Fn(&Lanes) -> Lanes>,
}

fn operation(
    name: &'static str,
    lanes: usize,
    results: impl Fn(&Lanes) -> Lanes + 'static,
) -> Operation {
    Operation {
        name,
        lanes,
        results: Box::new(results),
    }
}

/// The same for all lanes: the fold of those present.
fn fold(name: &'static str, lanes: usize, combine: fn(i64, i64) -> i64) -> Operation {
    operation(name, lanes, move |x| {
        let all = x.iter().flatten().copied().reduce(combine);
        vec![all; x.len()]
    })
}

fn scan(
    name: &'static str,
    lanes: usize,
    inclusive: bool,
    identity: i64,
    combine: fn(i64, i64) -> i64,
) -> Operation {
    operation(name, lanes, move |x| {
        let mut running = identity;
        let step = |value: &Option<i64>| {
            let before = running;
            running = combine(running, (*value)?);
            Some(if inclusive { running } else { before })
        };
        x.iter().map(step).collect()
    })
}

/// Lane l gets the value of lane `source(l)`, if there is one.
fn shuffle(
    name: &'static str,
    lanes: usize,
    source: impl Fn(usize) -> Option<usize> + 'static,
) -> Operation {
    operation(name, lanes, move |x| {
        (0..x.len()).map(|lane| *x.get(source(lane)?)?).collect()
    })
}

/// Within segments of `modulo` lanes values move by `delta`; free places take doubled values from the other end.
fn fill(name: &'static str, lanes: usize, up: bool, delta: usize, modulo: usize) -> Operation {
    operation(name, lanes, move |x| {
        let moved = |lane: usize| {
            let (segment, place) = (lane / modulo * modulo, lane % modulo);
            let from = if up {
                place + modulo - delta
            } else {
                place + delta
            };
            let around = if up { from < modulo } else { from >= modulo };
            let value = x[segment + from % modulo]?;
            Some(if around { 2 * value } else { value })
        };
        (0..x.len()).map(moved).collect()
    })
}

/// The operations of the kernels `folds_*`, in their order.
fn folds() -> Vec<Operation> {
    let mut all = Vec::new();
    for lanes in [32, 4] {
        all.push(fold("sum", lanes, |a, b| a + b));
        all.push(fold("product", lanes, |a, b| a * b));
        all.push(fold("min", lanes, i64::min));
        all.push(fold("max", lanes, i64::max));
    }
    for lanes in [32, 4] {
        for inclusive in [true, false] {
            all.push(scan("prefix sum", lanes, inclusive, 0, |a, b| a + b));
        }
        for inclusive in [true, false] {
            all.push(scan("prefix product", lanes, inclusive, 1, |a, b| a * b));
        }
    }
    all
}

/// The operations of the kernels `bitwise_*`.
fn bitwise() -> Vec<Operation> {
    [32, 4]
        .into_iter()
        .flat_map(|lanes| {
            [
                fold("and", lanes, |a, b| a & b),
                fold("or", lanes, |a, b| a | b),
                fold("xor", lanes, |a, b| a ^ b),
            ]
        })
        .collect()
}

/// The operations of the kernels `shuffles_*`.
fn shuffles(by: usize) -> Vec<Operation> {
    let mut all = Vec::new();
    for n in [32, 4] {
        let by_n = by % n;
        all.push(shuffle("shuffle", n, move |lane| Some((lane + by) % n)));
        all.push(shuffle("broadcast", n, move |_| Some(by_n)));
        all.push(operation("broadcast_first", n, |x| {
            vec![x.iter().flatten().next().copied(); x.len()]
        }));
        all.push(shuffle("shuffle_xor", n, move |lane| Some(lane ^ by_n)));
        all.push(shuffle("shuffle_up", n, move |lane| lane.checked_sub(by_n)));
        all.push(shuffle("shuffle_down", n, move |lane| Some(lane + by_n)));
        all.push(shuffle("rotate_up", n, move |lane| {
            Some((lane + n - by_n) % n)
        }));
        all.push(shuffle("rotate_down", n, move |lane| {
            Some((lane + by_n) % n)
        }));
        all.push(fill("fill_up", n, true, by_n, n));
        all.push(fill("fill_down", n, false, by_n, n));
        all.push(fill("fill_up of 4", n, true, by % 4, 4));
        all.push(fill("fill_down of 2", n, false, by % 2, 2));
    }
    all
}

/// Runs a kernel on `threads` threads in threadgroups of `group` and compares every operation's results, component by component.
fn check<T: Number>(
    device: &Device,
    kernel: &str,
    width: usize,
    (threads, group): (usize, usize),
    by: u16,
    operations: &[Operation],
) {
    let name = match width {
        1 => format!("{kernel}_{}", T::NAME),
        _ => format!("{kernel}_{}x{width}", T::NAME),
    };
    // Small enough for every type: products of 32 stay below 128, sums too.
    let value = |i: usize| -> i64 {
        match (i * 7919 + i / 32 * 31) % 13 {
            0 | 5 if i.is_multiple_of(3) => 2,
            3 if T::SIGNED => -1,
            7 if kernel != "folds" => 5,
            _ => 1,
        }
    };
    let x: Vec<T> = (0..threads * width).map(|i| T::of(value(i))).collect();
    let x = device.upload(&x).unwrap();
    let out = device
        .upload(&vec![T::of(99); threads * width * operations.len()])
        .unwrap();
    let pipeline = pipeline(device, "simd_ops", &name);
    let grid = Grid::elements(threads).threads(group);
    launch(device, &pipeline, grid, |arguments| {
        arguments.read(0, "x", &x);
        arguments.write(1, "out", &out);
        arguments.value(2, "by", &by);
    })
    .unwrap();
    let out = out.read().unwrap();
    for (k, operation) in operations.iter().enumerate() {
        for start in (0..threads).step_by(group) {
            for base in (start..threads.min(start + group)).step_by(operation.lanes) {
                for component in 0..width {
                    let end = threads.min(start + group);
                    let lane =
                        |l: usize| (base + l < end).then(|| value((base + l) * width + component));
                    let lanes: Lanes = (0..operation.lanes).map(lane).collect();
                    let results = (operation.results)(&lanes);
                    for (l, result) in results
                        .iter()
                        .enumerate()
                        .take(end.min(base + operation.lanes) - base)
                    {
                        let Some(expected) = *result else { continue };
                        let found = out[(k * threads + base + l) * width + component];
                        assert_eq!(
                            found,
                            T::of(expected),
                            "{name}: {} of {} lanes, thread {}, by {by}: {lanes:?}",
                            operation.name,
                            operation.lanes,
                            base + l
                        );
                    }
                }
            }
        }
    }
}

/// Whole SIMD groups, and groups that end within a SIMD group and within a quad.
const GRIDS: [(usize, usize); 3] = [(64, 64), (150, 50), (7, 7)];

/// Runs the kernel for T in every order on every grid.
fn check_all<T: Number>(kernel: &str, width: usize, operations: &[Operation], by: u16) {
    let device = device();
    for order in orders(&device) {
        device.set_order_seed(order).unwrap();
        for grid in GRIDS {
            check::<T>(&device, kernel, width, grid, by, operations);
        }
    }
}

#[test]
fn folds_and_scans() {
    check_all::<i8>("folds", 1, &folds(), 0);
    check_all::<u8>("folds", 1, &folds(), 0);
    check_all::<i16>("folds", 1, &folds(), 0);
    check_all::<u16>("folds", 1, &folds(), 0);
    check_all::<i32>("folds", 1, &folds(), 0);
    check_all::<u32>("folds", 1, &folds(), 0);
    check_all::<f32>("folds", 1, &folds(), 0);
    check_all::<f16>("folds", 1, &folds(), 0);
    check_all::<bf16>("folds", 1, &folds(), 0);
    check_all::<i32>("folds", 3, &folds(), 0);
    check_all::<f16>("folds", 2, &folds(), 0);
    check_all::<f32>("folds", 4, &folds(), 0);
}

#[test]
fn bits() {
    check_all::<u8>("bitwise", 1, &bitwise(), 0);
    check_all::<i16>("bitwise", 1, &bitwise(), 0);
    check_all::<u32>("bitwise", 1, &bitwise(), 0);
    check_all::<i32>("bitwise", 3, &bitwise(), 0);
}

#[test]
fn moves() {
    for by in [0, 1, 3, 14, 31] {
        let operations = shuffles(by.into());
        check_all::<i8>("shuffles", 1, &operations, by);
        check_all::<bf16>("shuffles", 1, &operations, by);
        check_all::<f32>("shuffles", 1, &operations, by);
        check_all::<i32>("shuffles", 3, &operations, by);
    }
}

/// Values half the group apart are added first, then a quarter: the rounding is that of a butterfly, in every order of the threads.
#[test]
fn sums_round_in_butterfly_order() {
    let device = device();
    let x: Vec<f32> = (0..64)
        .map(|i| 1.0 / (i * i % 37 + 1) as f32 - 0.3)
        .collect();
    let butterfly = |x: &[f32]| {
        let mut x = x.to_vec();
        while x.len() > 1 {
            let (low, high) = x.split_at(x.len() / 2);
            x = low.iter().zip(high).map(|(a, b)| a + b).collect();
        }
        x[0]
    };
    let buffer = device.upload(&x).unwrap();
    let out = device.zeros::<f32>(64).unwrap();
    let sum = pipeline(&device, "simd_ops", "sum");
    for order in orders(&device) {
        device.set_order_seed(order).unwrap();
        launch(&device, &sum, Grid::elements(64).threads(64), |arguments| {
            arguments.read(0, "x", &buffer);
            arguments.write(1, "out", &out);
        })
        .unwrap();
        for (i, found) in out.read().unwrap().iter().enumerate() {
            let group = i / 32 * 32;
            assert_eq!(found.to_bits(), butterfly(&x[group..group + 32]).to_bits());
        }
    }
}

#[test]
fn votes() {
    let device = device();
    let n = 83usize;
    // The last quad of the first group votes as one, the others mixed.
    let vote = |i: usize| u32::from(i.is_multiple_of(3) || (28..32).contains(&i) || i >= 80);
    let x: Vec<u32> = (0..n).map(vote).collect();
    let x = device.upload(&x).unwrap();
    let votes = pipeline(&device, "simd_ops", "votes");
    for order in orders(&device) {
        device.set_order_seed(order).unwrap();
        let out = device.zeros::<u32>(n * 11).unwrap();
        launch(
            &device,
            &votes,
            Grid::elements(n).threads(96),
            |arguments| {
                arguments.read(0, "x", &x);
                arguments.write(1, "out", &out);
            },
        )
        .unwrap();
        let out = out.read().unwrap();
        let bits = |base: usize, lanes: usize, test: &dyn Fn(usize) -> bool| -> u32 {
            (0..lanes)
                .filter(|l| base + l < n && test(base + l))
                .map(|l| 1u32 << l)
                .sum()
        };
        for i in 0..n {
            let mut expected = Vec::new();
            let mut all_and_any = 0;
            for lanes in [32, 4] {
                let base = i / lanes * lanes;
                let ballot = bits(base, lanes, &|i| vote(i) != 0);
                let active = bits(base, lanes, &|_| true);
                let all = ballot == active;
                expected.extend([
                    ballot,
                    active,
                    u32::from(ballot != 0),
                    u32::from(all),
                    u32::from(i == base),
                ]);
                if lanes == 32 {
                    all_and_any = u32::from(ballot != 0) * 2 + u32::from(ballot == u32::MAX);
                }
            }
            expected.push(all_and_any);
            let found: Vec<u32> = (0..11).map(|k| out[k * n + i]).collect();
            assert_eq!(found, expected, "thread {i}");
        }
    }
}
