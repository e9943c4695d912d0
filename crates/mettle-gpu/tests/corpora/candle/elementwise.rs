//! Kernels that take each number by itself.

use super::{FLOAT, HALF};
use crate::support::{File, Random, check, input, numbers, output, rounded, value};
use half::{bf16, f16};
use mettle_gpu::Grid;
use mettle_msl::ConstantValue::Bool;

/// Runs a kernel of `unary.metal` on contiguous data, two or four elements a thread as candle does.
fn unary<T: crate::support::Number>(kernel: &str, values: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (narrow, seen) = rounded::<T>(values);
    let threads = values.len().div_ceil(8 / size_of::<T>());
    let out = File::candle("unary").kernel(kernel, &[]).run(
        Grid::elements(threads).threads(64),
        &[
            value(values.len() as u64),
            input(&narrow),
            output::<T>(values.len()),
        ],
    );
    (numbers::<T>(&out), seen)
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
}

#[test]
fn unary_operations() {
    let mut random = Random::new();
    let values = random.numbers(1000, -6.0, 6.0);
    let (found, seen) = unary::<f32>("gelu_f32", &values);
    check(
        "gelu_f32",
        &found,
        &seen.iter().map(|x| gelu(*x)).collect::<Vec<_>>(),
        1e-5,
        1e-6,
    );
    let (found, seen) = unary::<f32>("silu_f32", &values);
    check(
        "silu_f32",
        &found,
        &seen
            .iter()
            .map(|x| x / (1.0 + (-x).exp()))
            .collect::<Vec<_>>(),
        FLOAT,
        0.0,
    );
    let (found, seen) = unary::<f32>("tanh_f32", &values);
    check(
        "tanh_f32",
        &found,
        &seen.iter().map(|x| x.tanh()).collect::<Vec<_>>(),
        FLOAT,
        0.0,
    );
    let positive = random.numbers(1001, 0.0, 100.0);
    let (found, seen) = unary::<f16>("sqrt_f16", &positive);
    check(
        "sqrt_f16",
        &found,
        &seen.iter().map(|x| x.sqrt()).collect::<Vec<_>>(),
        HALF,
        0.0,
    );
    let (found, seen) = unary::<bf16>("relu_bf16", &values);
    check(
        "relu_bf16",
        &found,
        &seen.iter().map(|x| x.max(0.0)).collect::<Vec<_>>(),
        0.0,
        0.0,
    );
}

#[test]
fn binary_operations() {
    let mut random = Random::new();
    let (rows, columns) = (31, 45);
    let count = rows * columns;
    let (a, a_seen) = rounded::<f32>(&random.numbers(count, -4.0, 4.0));
    let (b, b_seen) = rounded::<f32>(&random.numbers(count, 0.5, 4.0));
    let file = File::candle("binary");
    let grid = Grid::elements(count.div_ceil(2)).threads(96);
    let out = file.kernel("bdiv_f32", &[]).run(
        grid,
        &[
            value(count as u64),
            input(&a),
            input(&b),
            output::<f32>(count),
        ],
    );
    let expected: Vec<f64> = a_seen.iter().zip(&b_seen).map(|(a, b)| a / b).collect();
    check("bdiv_f32", &numbers::<f32>(&out), &expected, FLOAT, 0.0);

    // The right side is stored by columns.
    let out = file.kernel("badd_f32_strided", &[]).run(
        grid,
        &[
            value(count as u64),
            value(2u64),
            input(&[rows as u64, columns as u64]),
            input(&[columns as u64, 1]),
            input(&[1, rows as u64]),
            input(&a),
            input(&b),
            output::<f32>(count),
        ],
    );
    let expected: Vec<f64> = (0..count)
        .map(|i| a_seen[i] + b_seen[i % columns * rows + i / columns])
        .collect();
    check(
        "badd_f32_strided",
        &numbers::<f32>(&out),
        &expected,
        FLOAT,
        0.0,
    );

    let out = file.kernel("lt_f32", &[]).run(
        grid,
        &[
            value(count as u64),
            input(&a),
            input(&b),
            output::<u8>(count),
        ],
    );
    let expected: Vec<f64> = a_seen
        .iter()
        .zip(&b_seen)
        .map(|(a, b)| f64::from(u8::from(a < b)))
        .collect();
    check("lt_f32", &numbers::<u8>(&out), &expected, 0.0, 0.0);
}

#[test]
fn affine_and_elu() {
    let mut random = Random::new();
    let count = 777;
    let (x, seen) = rounded::<f16>(&random.numbers(count, -3.0, 3.0));
    let file = File::candle("affine");
    let out = file.kernel("affine_f16", &[]).run(
        Grid::elements(count.div_ceil(4)).threads(32),
        &[
            value(count as u64),
            value(1.5f32),
            value(-0.25f32),
            input(&x),
            output::<f16>(count),
        ],
    );
    let expected: Vec<f64> = seen.iter().map(|x| x * 1.5 - 0.25).collect();
    check("affine_f16", &numbers::<f16>(&out), &expected, HALF, 1e-7);

    let (x, seen) = rounded::<f32>(&random.numbers(count, -3.0, 3.0));
    let out = file.kernel("elu_f32", &[]).run(
        Grid::elements(count.div_ceil(2)).threads(32),
        &[
            value(count as u64),
            value(0.5f32),
            input(&x),
            output::<f32>(count),
        ],
    );
    let expected: Vec<f64> = seen
        .iter()
        .map(|x| if *x > 0.0 { *x } else { 0.5 * (x.exp() - 1.0) })
        .collect();
    check("elu_f32", &numbers::<f32>(&out), &expected, FLOAT, 1e-7);
}

#[test]
fn casts_and_fill() {
    let mut random = Random::new();
    let count = 500;
    let (x, seen) = rounded::<f32>(&random.numbers(count, -300.0, 300.0));
    let file = File::candle("cast");
    let out = file.kernel("cast_f32_bf16", &[]).run(
        Grid::elements(count.div_ceil(2)).threads(64),
        &[value(count as u64), input(&x), output::<bf16>(count)],
    );
    let (_, expected) = rounded::<bf16>(&seen);
    check("cast_f32_bf16", &numbers::<bf16>(&out), &expected, 0.0, 0.0);

    let (x, seen) = rounded::<f16>(&random.numbers(count, 0.0, 255.0));
    let out = file.kernel("cast_f16_u8", &[]).run(
        Grid::elements(count.div_ceil(4)).threads(64),
        &[value(count as u64), input(&x), output::<u8>(count)],
    );
    let expected: Vec<f64> = seen.iter().map(|x| x.trunc()).collect();
    check("cast_f16_u8", &numbers::<u8>(&out), &expected, 0.0, 0.0);

    let out = File::candle("fill").kernel("fill_f32", &[]).run(
        Grid::elements(count).threads(128),
        &[output::<f32>(count), value(2.5f32), value(count as u64)],
    );
    check(
        "fill_f32",
        &numbers::<f32>(&out),
        &vec![2.5; count],
        0.0,
        0.0,
    );
}

#[test]
fn choice_with_function_constants() {
    let mut random = Random::new();
    let (rows, columns) = (9, 14);
    let count = rows * columns;
    let ids: Vec<u8> = (0..count).map(|_| random.below(2) as u8).collect();
    let (yes, _) = rounded::<f32>(&random.numbers(count, -1.0, 1.0));
    let (no, _) = rounded::<f32>(&random.numbers(columns, 5.0, 6.0));
    let constants = [
        ("IDS_CONTIGUOUS", Bool(true)),
        ("T_CONTIGUOUS", Bool(true)),
        ("F_CONTIGUOUS", Bool(false)),
    ];
    let out = File::candle("ternary")
        .kernel("where_u8_f32", &constants)
        .run(
            Grid::elements(count.div_ceil(2)).threads(16),
            &[
                value(count as u64),
                value(2u64),
                input(&[rows as u64, columns as u64]),
                input(&[columns as u64, 1]),
                input(&[columns as u64, 1]),
                // One row for all.
                input(&[0u64, 1]),
                input(&ids),
                input(&yes),
                input(&no),
                output::<f32>(count),
            ],
        );
    let expected: Vec<f64> = (0..count)
        .map(|i| f64::from(if ids[i] != 0 { yes[i] } else { no[i % columns] }))
        .collect();
    check("where_u8_f32", &numbers::<f32>(&out), &expected, 0.0, 0.0);
}
