//! Operations on tensors against a host reference. The values are multiples of 1/8 so small that sums of float are exact.

use bytemuck::{Pod, Zeroable};
use half::{bf16, f16};
use mettle_gpu::{Device, Element, Grid};

use crate::common::{device, launch, orders, pipeline};

/// A type of elements.
trait Value: Element {
    fn of(x: f64) -> Self;
    fn get(self) -> f64;
}

macro_rules! values {
    ($($T:ty, $of:expr, $get:expr;)*) => {$(
        impl Value for $T {
            fn of(x: f64) -> Self {
                ($of)(x)
            }
            fn get(self) -> f64 {
                ($get)(self)
            }
        }
    )*};
}
values! {
    f32, |x| x as f32, f64::from;
    f16, f16::from_f64, f64::from;
    bf16, bf16::from_f64, f64::from;
    i8, |x| (x * 8.0) as i8, f64::from;
    i32, |x| x as i32, f64::from;
}

/// As `Sizes` in the kernels.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Sizes {
    m: i32,
    n: i32,
    k: i32,
    stride: i32,
}

/// A matrix in memory, its rows `stride` elements apart.
struct Matrix<T> {
    values: Vec<T>,
    stride: usize,
}

impl<T: Value> Matrix<T> {
    /// Elements from -1 to 1, and large ones between the rows.
    fn new(rows: usize, columns: usize, stride: usize, seed: usize) -> Self {
        let value = |i: usize| match (i / stride, i % stride) {
            (row, column) if row < rows && column < columns => {
                T::of(((row * 31 + column * 17 + row * column * 7 + seed) % 17) as f64 / 8.0 - 1.0)
            }
            _ => T::of(12.0),
        };
        let values = (0..(rows + 1) * stride).map(value).collect();
        Self { values, stride }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.stride + column].get()
    }
}

/// The element (row, column) of a product, transposed operands as they are stored.
fn dot<A: Value, B: Value>(
    (a, transpose_a): (&Matrix<A>, bool),
    (b, transpose_b): (&Matrix<B>, bool),
    k: usize,
    (row, column): (usize, usize),
) -> f64 {
    let product = |i| {
        let x = if transpose_a {
            a.at(i, row)
        } else {
            a.at(row, i)
        };
        x * if transpose_b {
            b.at(column, i)
        } else {
            b.at(i, column)
        }
    };
    (0..k).map(product).sum()
}

/// How a kernel `memory_*` is made.
struct Form {
    tile: (usize, usize),
    transpose: (bool, bool),
    accumulate: bool,
    threads: usize,
}

fn check_in_memory<A: Value, B: Value, C: Value>(device: &Device, name: &str, form: &Form) {
    let pipeline = pipeline(device, "tensor_ops", &format!("memory_{name}"));
    let (tile_m, tile_n) = form.tile;
    for (m, n, k) in [
        (tile_m, tile_n, 32),
        (2 * tile_m - 3, tile_n + 1, 45),
        (1, 3, 7),
    ] {
        let stride = m.max(n).max(k) + 3;
        let shape = |rows: usize, columns: usize, transposed: bool| {
            if transposed {
                (columns, rows)
            } else {
                (rows, columns)
            }
        };
        let (rows, columns) = shape(m, k, form.transpose.0);
        let a = Matrix::<A>::new(rows, columns, stride, 1);
        let (rows, columns) = shape(k, n, form.transpose.1);
        let b = Matrix::<B>::new(rows, columns, stride, 2);
        let c = Matrix::<C>::new(m, n, stride, 3);
        let (x, y) = (
            device.upload(&a.values).unwrap(),
            device.upload(&b.values).unwrap(),
        );
        let sizes = Sizes {
            m: m as i32,
            n: n as i32,
            k: k as i32,
            stride: stride as i32,
        };
        let groups = [n.div_ceil(tile_n), m.div_ceil(tile_m), 1];
        for order in orders(device) {
            device.set_order_seed(order).unwrap();
            let z = device.upload(&c.values).unwrap();
            let grid = Grid::groups(groups).threads(form.threads);
            launch(device, &pipeline, grid, |arguments| {
                arguments.write(0, "a", &x);
                arguments.write(1, "b", &y);
                arguments.write(2, "c", &z);
                arguments.value(3, "s", &sizes);
            })
            .unwrap();
            for (i, found) in z.read().unwrap().into_iter().enumerate() {
                let (row, column) = (i / stride, i % stride);
                let expected = if row < m && column < n {
                    let (a, b) = ((&a, form.transpose.0), (&b, form.transpose.1));
                    let before = f64::from(form.accumulate) * c.at(row, column);
                    C::of(before + dot(a, b, k, (row, column))).get()
                } else {
                    c.values[i].get()
                };
                assert_eq!(
                    found.get(),
                    expected,
                    "{name} {m}x{n}x{k}, row {row}, column {column}, order {order:?}"
                );
            }
        }
    }
}

#[test]
fn operands_in_memory() {
    let device = device();
    let form = |tile, transpose, accumulate, threads| Form {
        tile,
        transpose,
        accumulate,
        threads,
    };
    check_in_memory::<f32, f32, f32>(&device, "f32", &form((32, 32), (false, false), false, 128));
    check_in_memory::<f16, f16, f32>(
        &device,
        "f16_f32",
        &form((64, 32), (false, true), false, 128),
    );
    check_in_memory::<f16, f16, f16>(&device, "f16", &form((16, 32), (true, false), false, 32));
    check_in_memory::<bf16, bf16, bf16>(&device, "bf16", &form((24, 8), (true, true), false, 64));
    check_in_memory::<bf16, f32, f32>(
        &device,
        "bf16_f32",
        &form((32, 64), (false, true), true, 96),
    );
    check_in_memory::<i8, i8, i32>(&device, "i8_i32", &form((32, 32), (true, true), true, 128));
    check_in_memory::<i8, f16, f16>(&device, "i8_f16", &form((8, 8), (false, false), false, 1));
    check_in_memory::<f32, i8, f32>(&device, "i8_f32", &form((5, 7), (true, false), true, 1));
}

#[test]
fn results_in_registers() {
    let device = device();
    for (name, (tile_m, tile_n), threads) in [
        ("registers_4", (64, 48), 128),
        ("registers_1", (24, 16), 32),
    ] {
        let pipeline = pipeline(&device, "tensor_ops", name);
        let (m, n, k) = (tile_m + 9, 2 * tile_n - 5, 40);
        let stride = m.max(n).max(k) + 1;
        let a = Matrix::<f16>::new(m, k, stride, 1);
        let b = Matrix::<f16>::new(n, k, stride, 2);
        let c = Matrix::<f32>::new(m, n, stride, 3);
        let (x, y) = (
            device.upload(&a.values).unwrap(),
            device.upload(&b.values).unwrap(),
        );
        let sizes = Sizes {
            m: m as i32,
            n: n as i32,
            k: k as i32,
            stride: stride as i32,
        };
        for order in orders(&device) {
            device.set_order_seed(order).unwrap();
            let z = device.upload(&c.values).unwrap();
            let grid = Grid::groups([n.div_ceil(tile_n), m.div_ceil(tile_m), 1]).threads(threads);
            launch(&device, &pipeline, grid, |arguments| {
                arguments.write(0, "a", &x);
                arguments.write(1, "b", &y);
                arguments.write(2, "c", &z);
                arguments.value(3, "s", &sizes);
                arguments.threadgroup_memory(0, "shared", tile_m * 16 * 2);
            })
            .unwrap();
            for (i, found) in z.read().unwrap().into_iter().enumerate() {
                let (row, column) = (i / stride, i % stride);
                let mut expected = f64::from(c.values[i]);
                if row < m && column < n {
                    expected += dot((&a, false), (&b, true), k, (row, column));
                    expected += (column % tile_n * 100 + row % tile_m) as f64;
                }
                assert_eq!(
                    f64::from(found),
                    expected,
                    "{name}, row {row}, column {column}, order {order:?}"
                );
            }
        }
    }
}

fn check_fragments<T: Value, C: Value>(device: &Device, name: &str, transpose: (bool, bool)) {
    let pipeline = pipeline(device, "tensor_ops", &format!("fragments_{name}"));
    let a = Matrix::<T>::new(16, 16, 16, 1);
    let (rows, columns) = if transpose.1 { (32, 16) } else { (16, 32) };
    let b = Matrix::<T>::new(rows, columns, columns, 2);
    let c = Matrix::<C>::new(16, 32, 32, 3);
    let (x, y) = (
        device.upload(&a.values).unwrap(),
        device.upload(&b.values).unwrap(),
    );
    for order in orders(device) {
        device.set_order_seed(order).unwrap();
        let z = device.upload(&c.values).unwrap();
        launch(
            device,
            &pipeline,
            Grid::groups(1).threads(32),
            |arguments| {
                arguments.read(0, "a", &x);
                arguments.read(1, "b", &y);
                arguments.write(2, "c", &z);
            },
        )
        .unwrap();
        for (i, found) in z.read().unwrap().into_iter().take(16 * 32).enumerate() {
            let sum = dot((&a, transpose.0), (&b, transpose.1), 16, (i / 32, i % 32));
            assert_eq!(
                found.get(),
                c.values[i].get() + sum,
                "{name} element {i}, order {order:?}"
            );
        }
    }
}

#[test]
fn operands_in_registers() {
    let device = device();
    check_fragments::<f16, f32>(&device, "f16", (false, false));
    check_fragments::<f32, f32>(&device, "f32", (false, true));
    check_fragments::<bf16, f32>(&device, "bf16", (true, true));
    check_fragments::<i8, i32>(&device, "i8", (true, false));
}

#[test]
fn rows_and_columns_reduce() {
    let device = device();
    let (m, n, k) = (24, 40, 8);
    let a = Matrix::<f16>::new(m, k, k, 1);
    let b = Matrix::<f16>::new(k, n, n, 2);
    let (x, y) = (
        device.upload(&a.values).unwrap(),
        device.upload(&b.values).unwrap(),
    );
    let element = |row, column| dot((&a, false), (&b, false), k, (row, column));
    let pipeline = pipeline(&device, "tensor_ops", "reduced");
    for order in orders(&device) {
        device.set_order_seed(order).unwrap();
        let z = device.zeros::<f32>(m * n).unwrap();
        let bias: Vec<f32> = (0..n).map(|column| column as f32).collect();
        let sums = device.upload(&bias).unwrap();
        launch(
            &device,
            &pipeline,
            Grid::groups(1).threads(32),
            |arguments| {
                arguments.write(0, "a", &x);
                arguments.write(1, "b", &y);
                arguments.write(2, "c", &z);
                arguments.write(3, "sums", &sums);
            },
        )
        .unwrap();
        for (i, found) in z.read().unwrap().into_iter().enumerate() {
            let greatest = (0..n).map(|c| element(i / n, c)).fold(f64::MIN, f64::max);
            assert_eq!(
                f64::from(found),
                element(i / n, i % n) - greatest + (i % n) as f64,
                "element {i}"
            );
        }
        for (column, found) in sums.read().unwrap().into_iter().enumerate() {
            let sum: f64 = (0..m).map(|row| element(row, column)).sum();
            assert_eq!(f64::from(found), sum, "column {column}");
        }
    }
}
