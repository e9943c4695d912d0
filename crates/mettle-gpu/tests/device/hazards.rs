//! Order: dependent launches wait, independent ones may overlap, and the result is always that of one after the other.

use mettle_gpu::{Buffer, Grid, Pass, Pipeline};

use crate::common::{device, pipeline};

fn add(pass: &mut Pass, kernel: &Pipeline, a: &Buffer<f32>, b: &Buffer<f32>, out: &Buffer<f32>) {
    pass.dispatch_pipeline(kernel, Grid::elements(out.len()).threads(32), |arguments| {
        arguments.read(0, "a", a);
        arguments.read(1, "b", b);
        arguments.write(2, "out", out);
    })
    .unwrap();
}

/// A chain over slices of one buffer: each launch adds the two slices before its own.
#[test]
fn a_chain_over_slices() {
    let device = device();
    let kernel = pipeline(&device, "elementwise", "add");
    let (n, width) = (40, 500);
    let all = device.zeros::<f32>(n * width).unwrap();
    let slice = |i: usize| all.slice(i * width..(i + 1) * width).unwrap();
    slice(1).write(&vec![1.0; width]).unwrap();
    let mut pass = device.pass();
    for i in 2..n {
        add(&mut pass, &kernel, &slice(i - 2), &slice(i - 1), &slice(i));
    }
    assert_eq!(
        pass.barriers(),
        n - 3,
        "every launch but the first needs the one before"
    );
    pass.submit().unwrap().wait().unwrap();
    let (mut a, mut b) = (0.0f32, 1.0f32);
    for i in 2..n {
        (a, b) = (b, a + b);
        assert!(
            slice(i).read().unwrap().iter().all(|&x| x == b),
            "slice {i}"
        );
    }
}

/// What a pass lends is the same memory each time, until more is asked for; those who use it do so one after the other.
#[test]
fn scratch_memory_is_lent_in_turn() {
    let device = device();
    let kernel = pipeline(&device, "elementwise", "add");
    let ones = device.upload(&[1.0f32; 64]).unwrap();
    let out = device.zeros::<f32>(64).unwrap();
    let mut pass = device.pass();
    let first = pass.scratch::<f32>(64).unwrap();
    add(&mut pass, &kernel, &ones, &ones, &first);
    add(&mut pass, &kernel, &first, &ones, &out);
    let second = pass.scratch::<f32>(32).unwrap();
    assert!(second.overlaps(&first) && second.len() == 32);
    add(&mut pass, &kernel, &out, &out, &second);
    assert_eq!(pass.barriers(), 2);
    let third = pass.scratch::<f32>(1 << 20).unwrap();
    assert!(!third.overlaps(&first));
    let half = out.slice(0..32).unwrap();
    add(&mut pass, &kernel, &second, &second, &half);
    pass.submit().unwrap().wait().unwrap();
    assert_eq!(out.read().unwrap(), [[12.0; 32], [3.0; 32]].concat());
}

#[test]
fn slices_do_not_serialise() {
    let device = device();
    let kernel = pipeline(&device, "elementwise", "add");
    let source = device.upload(&vec![1.5f32; 64]).unwrap();
    let cache = device.zeros::<f32>(64 * 100).unwrap();
    let mut pass = device.pass();
    for i in 0..100 {
        let slot = cache.slice(i * 64..(i + 1) * 64).unwrap();
        add(&mut pass, &kernel, &source, &source, &slot);
    }
    assert_eq!(pass.barriers(), 0);
    // Overwriting what the launches read, and reading what they wrote, waits.
    add(
        &mut pass,
        &kernel,
        &cache.slice(0..64).unwrap(),
        &cache.slice(64..128).unwrap(),
        &source,
    );
    assert_eq!(pass.barriers(), 1);
    pass.submit().unwrap().wait().unwrap();
    assert!(cache.read().unwrap().iter().all(|&x| x == 3.0));
    assert!(source.read().unwrap().iter().all(|&x| x == 6.0));
}

/// Random launches over random slices give what one after the other gives. The seed is printed.
#[test]
fn random_launches_as_if_in_order() {
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    println!("seed {seed}");
    let mut state = u64::from(seed) | 1;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    let device = device();
    let kernel = pipeline(&device, "elementwise", "add");
    for _ in 0..30 {
        let slots = 12;
        let width = 1 + below(3000);
        let mut expected: Vec<f32> = (0..slots * width).map(|i| (i % 7) as f32).collect();
        let all = device.upload(&expected).unwrap();
        let mut pass = device.pass();
        for _ in 0..60 {
            let out = below(slots);
            let (a, b) = (
                (out + 1 + below(slots - 1)) % slots,
                (out + 1 + below(slots - 1)) % slots,
            );
            let slice = |i: usize| all.slice(i * width..(i + 1) * width).unwrap();
            add(&mut pass, &kernel, &slice(a), &slice(b), &slice(out));
            for i in 0..width {
                expected[out * width + i] = expected[a * width + i] + expected[b * width + i];
            }
        }
        pass.submit().unwrap().wait().unwrap();
        assert_eq!(all.read().unwrap(), expected);
    }
}

/// Passes from several threads at once, and host accesses beside them: never a torn value.
#[test]
fn submissions_from_several_threads() {
    let device = device();
    let kernel = pipeline(&device, "elementwise", "affine");
    let shared = device.zeros::<f32>(20_000).unwrap();
    let submit = |buffer: &Buffer<f32>| {
        let mut pass = device.pass();
        pass.dispatch_pipeline(
            &kernel,
            Grid::elements(buffer.len()).threads(64),
            |arguments| {
                arguments.write(0, "x", buffer);
                arguments.value(1, "params", &[1.0f32, 1.0]);
            },
        )
        .unwrap();
        pass.submit().unwrap().wait().unwrap();
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let own = device.zeros::<f32>(1000).unwrap();
                for round in 1..=50 {
                    submit(&shared);
                    submit(&own);
                    assert!(own.read().unwrap().iter().all(|&x| x == round as f32));
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..200 {
                let seen = shared.read().unwrap();
                assert!(seen.iter().all(|&x| x == seen[0]), "a torn read");
            }
        });
    });
    assert!(shared.read().unwrap().iter().all(|&x| x == 150.0));
}

/// Buffers dropped before the pass is submitted live until it is done.
#[test]
fn a_pass_keeps_its_buffers() {
    let device = device();
    let kernel = pipeline(&device, "elementwise", "add");
    let out = device.zeros::<f32>(1000).unwrap();
    let mut pass = device.pass();
    {
        let a = device.upload(&vec![2.0f32; 1000]).unwrap();
        add(&mut pass, &kernel, &a, &a, &out);
    }
    let decoy = device.upload(&vec![9.0f32; 1000]).unwrap();
    let live = device.pool_stats().live_bytes;
    pass.submit().unwrap().wait().unwrap();
    assert_eq!(out.read().unwrap(), vec![4.0; 1000]);
    assert!(
        device.pool_stats().live_bytes < live,
        "the pass let go of its buffer"
    );
    drop(decoy);
}

#[test]
fn profiles_count_launches() {
    let device = device();
    let kernel = pipeline(&device, "elementwise", "add");
    let x = device.zeros::<f32>(50_000).unwrap();
    let y = device.zeros::<f32>(50_000).unwrap();
    let mut pass = device.pass();
    pass.profile(true);
    for _ in 0..3 {
        add(&mut pass, &kernel, &x, &x, &y);
    }
    let profile = pass.submit().unwrap().wait_profile().unwrap();
    let kernels: Vec<_> = profile.kernels().collect();
    assert_eq!(kernels.len(), 1);
    let (name, time) = kernels[0];
    assert_eq!((name, time.calls), ("add", 3));
    assert!(time.nanoseconds > 0 && time.nanoseconds == profile.total_nanoseconds());
    let mut twice = profile.clone();
    twice.merge(&profile);
    assert_eq!(twice.total_nanoseconds(), 2 * profile.total_nanoseconds());
}
