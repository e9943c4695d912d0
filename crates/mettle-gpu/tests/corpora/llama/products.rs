//! Products of matrices with vectors and matrices.

use super::number;
use crate::blocks::{Format, products};
use crate::support::{Bound, File, Random, check, input, numbers, output, rounded};
use half::f16;
use mettle_gpu::Grid;
use mettle_msl::ConstantValue::{Bool, Short};

/// Arguments of matrix products of `[n, k]` weights, `row` bytes a row, and `[m, k]` f32 vectors.
fn matvec(
    kernel: &str,
    weights: (Vec<u8>, Vec<f64>),
    [k, n, m]: [usize; 3],
    rows: usize,
    simdgroups: usize,
    shared: bool,
) {
    let mut random = Random::new();
    let (bytes, weights) = weights;
    let (vectors, seen) = rounded::<f32>(&random.numbers(m * k, -1.0, 1.0));
    let file = File::llama("mul_mv");
    let row = number(bytes.len() / n);
    let args = file.value(
        "ggml_metal_kargs_mul_mv",
        &[
            ("ne00", number(k)),
            ("ne01", number(n)),
            ("ne02", 1.0),
            ("nb01", row),
            ("ne10", number(k)),
            ("ne11", number(m)),
            ("ne12", 1.0),
            ("nb10", 4.0),
            ("nb11", number(k * 4)),
            ("ne0", number(n)),
            ("ne1", number(m)),
            ("nr0", number(rows)),
            ("r2", 1.0),
            ("r3", 1.0),
        ],
    );
    let constants = [
        ("FC_mul_mv_nsg", Short(simdgroups as i16)),
        ("FC_mul_mv_ne12", Short(1)),
        ("FC_mul_mv_r2", Short(1)),
        ("FC_mul_mv_r3", Short(1)),
        ("FC_mul_mv_split", Bool(false)),
    ];
    // The K formats need no memory to add up what SIMD groups found.
    let memory = (!kernel.contains("_K_")).then_some(Bound::Threadgroup(32 * 4 * rows));
    let mut bound = vec![
        Bound::Value(args),
        Bound::Input(bytes),
        input(&vectors),
        output::<f32>(m * n),
    ];
    bound.extend(memory);
    // Either the SIMD groups of a threadgroup share its rows, or each has rows of its own.
    let step = if shared { rows } else { rows * simdgroups };
    let out = file.kernel(kernel, &constants).run(
        Grid::groups([n.div_ceil(step), m]).threads([32, simdgroups]),
        &bound,
    );
    let expected = products(&weights, &seen, k);
    let size = expected.iter().map(|x| x.abs()).fold(0.0, f64::max);
    check(kernel, &numbers::<f32>(&out), &expected, 1e-5, 1e-5 * size);
}

#[test]
fn matrix_times_vector() {
    let mut random = Random::new();
    // Rows in whole steps: these kernels read, and ignore, rows behind the last one.
    let shape @ [k, n, _] = [512, 24, 3];
    let mut draw = |format: Format| format.draw(&mut random, n * k);
    matvec(
        "kernel_mul_mv_q4_0_f32",
        draw(Format::Q4_0),
        shape,
        4,
        2,
        false,
    );
    matvec(
        "kernel_mul_mv_q8_0_f32",
        draw(Format::Q8_0),
        shape,
        2,
        4,
        true,
    );
    matvec(
        "kernel_mul_mv_q4_K_f32",
        draw(Format::Q4K),
        shape,
        2,
        2,
        false,
    );
    let (halves, seen) = rounded::<f16>(&random.numbers(n * k, -1.0, 1.0));
    let halves = (crate::support::bytes(&halves), seen);
    matvec("kernel_mul_mv_f16_f32_4", halves, shape, 2, 4, true);
}

/// A product of weights and an f32 matrix in tiles of 64 rows by `columns`.
fn matmul(
    file: &File,
    kernel: &str,
    weights: (Vec<u8>, Vec<f64>),
    [k, n, m]: [usize; 3],
    columns: usize,
) {
    let mut random = Random::new();
    let (bytes, weights) = weights;
    let (vectors, seen) = rounded::<f32>(&random.numbers(m * k, -1.0, 1.0));
    let args = file.value(
        "ggml_metal_kargs_mul_mm",
        &[
            ("ne00", number(k)),
            ("ne02", 1.0),
            ("nb01", number(bytes.len() / n)),
            ("ne12", 1.0),
            ("nb10", 4.0),
            ("nb11", number(k * 4)),
            ("ne0", number(n)),
            ("ne1", number(m)),
            ("r2", 1.0),
            ("r3", 1.0),
        ],
    );
    let constants = [
        ("FC_mul_mm_bc_inp", Bool(false)),
        ("FC_mul_mm_bc_out", Bool(true)),
        ("FC_mul_mm_ne12", Short(1)),
        ("FC_mul_mm_ne13", Short(1)),
        ("FC_mul_mm_r2", Short(1)),
        ("FC_mul_mm_r3", Short(1)),
    ];
    let out = file.kernel(kernel, &constants).run(
        Grid::groups([m.div_ceil(columns), n.div_ceil(64)]).threads([32, 4]),
        &[
            Bound::Value(args),
            Bound::Input(bytes),
            input(&vectors),
            output::<f32>(m * n),
            Bound::Threadgroup(8192),
        ],
    );
    let expected = products(&weights, &seen, k);
    let size = expected.iter().map(|x| x.abs()).fold(0.0, f64::max);
    // Both sides are rounded to half.
    check(kernel, &numbers::<f32>(&out), &expected, 0.0, 1e-3 * size);
}

#[test]
fn matrix_products() {
    let mut random = Random::new();
    let shape @ [k, n, _] = [64, 70, 37];
    let file = File::llama("mul_mm");
    matmul(
        &file,
        "kernel_mul_mm_q4_0_f32",
        Format::Q4_0.draw(&mut random, n * k),
        shape,
        32,
    );
    let (halves, seen) = rounded::<f16>(&random.numbers(n * k, -1.0, 1.0));
    matmul(
        &file,
        "kernel_mul_mm_f16_f32",
        (crate::support::bytes(&halves), seen),
        shape,
        32,
    );
}

#[test]
fn matrix_products_with_tensors() {
    let mut random = Random::new();
    let shape @ [k, n, _] = [64, 70, 37];
    let file = File::llama_tensor("mul_mm");
    matmul(
        &file,
        "kernel_mul_mm_q8_0_f32",
        Format::Q8_0.draw(&mut random, n * k),
        shape,
        128,
    );
}
