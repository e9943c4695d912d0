//! Grids: offsets into buffers, edges, three directions.

use mettle_gpu::Grid;

use crate::common::{device, launch, pipeline};

#[test]
fn slices_start_at_their_offset() {
    let device = device();
    let add = pipeline(&device, "elementwise", "add");
    let values: Vec<f32> = (0..100).map(|i| i as f32).collect();
    let a = device.upload(&values).unwrap();
    let out = device.upload(&[-1.0f32; 100]).unwrap();
    launch(&device, &add, Grid::elements(20).threads(7), |arguments| {
        arguments.read(0, "a", &a.slice(10..30).unwrap());
        arguments.read(1, "b", &a.slice(50..70).unwrap());
        arguments.write(2, "out", &out.slice(3..23).unwrap());
    })
    .unwrap();
    let expected: Vec<f32> = (0..100)
        .map(|i| match i {
            3..23 => (i - 3 + 10) as f32 + (i - 3 + 50) as f32,
            _ => -1.0,
        })
        .collect();
    assert_eq!(out.read().unwrap(), expected);
}

#[test]
fn values_are_copied_when_bound() {
    let device = device();
    let affine = pipeline(&device, "elementwise", "affine");
    let x = device.upload(&[1.0f32, 2.0, 3.0]).unwrap();
    let mut pass = device.pass();
    for (scale, offset) in [(2.0f32, 1.0f32), (10.0, 0.5)] {
        pass.dispatch_pipeline(&affine, Grid::elements(3).threads(32), |arguments| {
            arguments.write(0, "x", &x);
            arguments.value(1, "params", &[scale, offset]);
        })
        .unwrap();
    }
    pass.submit().unwrap().wait().unwrap();
    assert_eq!(x.read().unwrap(), [30.5, 50.5, 70.5]);
}

/// Every built-in position of every thread, for grids that divide and grids that do not.
#[test]
fn positions_at_the_edges() {
    let device = device();
    let positions = pipeline(&device, "elementwise", "positions");
    for (grid, threads, group) in [
        (
            Grid::threads_total([70, 5, 3]).threads([32, 4, 2]),
            [70, 5, 3],
            [32, 4, 2],
        ),
        (
            Grid::groups([2, 3, 2]).threads([8, 2, 4]),
            [16, 6, 8],
            [8, 2, 4],
        ),
        (Grid::elements(33).threads(1024), [33, 1, 1], [1024, 1, 1]),
        (Grid::elements(5).threads(1), [5, 1, 1], [1, 1, 1]),
    ] {
        let count: usize = threads.iter().product();
        let out = device.upload(&vec![u32::MAX; count * 24]).unwrap();
        launch(&device, &positions, grid, |arguments| {
            arguments.write(0, "out", &out)
        })
        .unwrap();
        let records = out.read().unwrap();
        for (record, seen) in records.chunks(24).enumerate() {
            let at = [
                record % threads[0],
                record / threads[0] % threads[1],
                record / threads[0] / threads[1],
            ];
            let groups: [usize; 3] = std::array::from_fn(|i| threads[i].div_ceil(group[i]));
            let position: [usize; 3] = std::array::from_fn(|i| at[i] / group[i]);
            let inside: [usize; 3] = std::array::from_fn(|i| at[i] % group[i]);
            let size: [usize; 3] =
                std::array::from_fn(|i| group[i].min(threads[i] - position[i] * group[i]));
            let index = (inside[2] * size[1] + inside[1]) * size[0] + inside[0];
            let expected: Vec<u32> = [at, inside, position, size, threads, groups, group]
                .into_iter()
                .flatten()
                .chain([index, index % 32, index / 32])
                .map(|n| n as u32)
                .collect();
            assert_eq!(seen, expected, "{grid:?}, thread {at:?}");
        }
    }
}
