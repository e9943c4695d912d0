//! Matrices of a SIMD group: where their elements are, loads and stores, products.

use half::{bf16, f16};
use mettle_gpu::{Device, Grid};

use crate::common::{device, launch, orders, pipeline};
use crate::simd_ops::Number;

/// Where a lane's two elements are: the arrangement of Apple's GPUs.
fn place(lane: usize) -> (usize, usize) {
    let quad = lane / 4;
    ((quad & 4) + lane / 2 % 4, (quad & 2) * 2 + lane % 2 * 2)
}

fn check_matrix<T: Number>(device: &Device) {
    let element =
        |seed: usize, row: usize, column: usize| ((row * 5 + column * 3 + seed) % 7) as i64 - 3;
    let (a, b, c) = (
        |row, column| element(1, row, column),
        |row, column| element(2, row, column),
        |row, column| element(3, row, column),
    );
    let all = |f: &dyn Fn(usize, usize) -> i64| -> Vec<T> {
        (0..64).map(|i| T::of(f(i / 8, i % 8))).collect()
    };
    // Rows of 16; the matrix from row 1, column 2.
    let within: Vec<T> = (0..9 * 16)
        .map(|i| match (i / 16, i % 16) {
            (row @ 1.., column @ 2..10) => T::of(a(row - 1, column - 2)),
            _ => T::of(77),
        })
        .collect();
    let buffers = [within, all(&|row, column| b(column, row)), all(&c)];
    let buffers = buffers.map(|values| device.upload(&values).unwrap());
    let out = device.zeros::<T>(7 * 64).unwrap();
    let fragments = device.zeros::<T>(64).unwrap();
    let pipeline = pipeline(device, "simd_matrix", &format!("matrix_{}", T::NAME));
    launch(
        device,
        &pipeline,
        Grid::groups(1).threads(32),
        |arguments| {
            for (i, (name, buffer)) in ["a", "b", "c"].into_iter().zip(&buffers).enumerate() {
                arguments.read(i as u32, name, buffer);
            }
            arguments.write(3, "out", &out);
            arguments.write(4, "fragments", &fragments);
        },
    )
    .unwrap();
    let out = out.read().unwrap();
    let product = |row, column| (0..8).map(|k| a(row, k) * b(k, column)).sum::<i64>();
    let diagonal =
        |value: i64| move |row: usize, column: usize| if row == column { value } else { 0 };
    let expected: [&dyn Fn(usize, usize) -> i64; 7] = [
        &|row, column| product(row, column) + c(row, column),
        &|row, column| product(column, row),
        &|_, _| 3,
        &diagonal(2),
        &diagonal(5),
        &product,
        &|row, column| 2 * c(row, column),
    ];
    for (k, expected) in expected.into_iter().enumerate() {
        assert_eq!(
            out[k * 64..][..64],
            all(expected),
            "{}: result {k}",
            T::NAME
        );
    }
    for (i, found) in fragments.read().unwrap().iter().enumerate() {
        let (row, column) = place(i / 2);
        assert_eq!(
            *found,
            T::of(2 * c(row, column + i % 2)),
            "{}: element {i}",
            T::NAME
        );
    }
}

#[test]
fn matrices_multiply_and_move() {
    let device = device();
    for order in orders(&device) {
        device.set_order_seed(order).unwrap();
        check_matrix::<f32>(&device);
        check_matrix::<f16>(&device);
        check_matrix::<bf16>(&device);
    }
}

/// Products of halves are exact in float and are added in float.
#[test]
fn matrices_of_halves_accumulate_in_float() {
    let device = device();
    let (a, b) = (
        f16::from_f32(1.0 + 1.0 / 1024.0),
        f16::from_f32(3.0 / 2048.0),
    );
    let (x, y) = (
        device.upload(&[a; 64]).unwrap(),
        device.upload(&[b; 64]).unwrap(),
    );
    let z = device.upload(&[1.0f32; 64]).unwrap();
    let mixed = pipeline(&device, "simd_matrix", "matrix_mixed");
    launch(&device, &mixed, Grid::groups(1).threads(32), |arguments| {
        arguments.read(0, "a", &x);
        arguments.read(1, "b", &y);
        arguments.write(2, "c", &z);
    })
    .unwrap();
    let expected = 1.0 + 8.0 * f64::from(a) * f64::from(b);
    for found in z.read().unwrap() {
        assert!(
            (f64::from(found) - expected).abs() < 1e-6,
            "{found} {expected}"
        );
    }
}
