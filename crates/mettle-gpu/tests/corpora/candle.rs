//! Kernels of candle, one compiled at a time.
//!
//! The tolerances stand at each comparison: relative to the value, and absolute. Exact operations have none; kernels that round once to
//! their own type get half a unit in the last place of it; sums of `n` products of size 1 get a few times `n` roundings of f32.

use crate::blocks::{Format, products};
use crate::support::{Bound, File, Random, bytes, check, input, numbers, output, rounded, value};
use half::{bf16, f16};
use mettle_gpu::Grid;
use mettle_msl::ConstantValue::Bool;

/// One rounding to half.
const HALF: f64 = 1.0 / 2048.0;
/// A few roundings to float.
const FLOAT: f64 = 1e-6;

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

#[test]
fn norms_and_softmax() {
    let mut random = Random::new();
    let (rows, columns) = (5, 300);
    let count = rows * columns;
    let (x, seen) = rounded::<f32>(&random.numbers(count, -3.0, 3.0));
    let (alpha, alpha_seen) = rounded::<f32>(&random.numbers(columns, 0.5, 2.0));
    let (beta, beta_seen) = rounded::<f32>(&random.numbers(columns, -1.0, 1.0));
    let file = File::candle("reduce");
    let grid = Grid::rows(rows).threads(128);
    let shape = || {
        [
            value(count as u32),
            value(columns as u32),
            input(&x),
            output::<f32>(count),
        ]
    };
    let by_row = |f: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<f64> {
        seen.chunks_exact(columns).flat_map(f).collect()
    };

    let out = file.kernel("softmax_f32", &[]).run(grid, &shape());
    let expected = by_row(&|row| {
        let most = row.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = row.iter().map(|x| (x - most).exp()).sum();
        row.iter().map(|x| (x - most).exp() / sum).collect()
    });
    check("softmax_f32", &numbers::<f32>(&out), &expected, 1e-5, 0.0);

    let mut bound = Vec::from(shape());
    bound.extend([input(&alpha), value(1e-5f32)]);
    let out = file.kernel("rmsnorm_f32", &[]).run(grid, &bound);
    let expected = by_row(&|row| {
        let mean = row.iter().map(|x| x * x).sum::<f64>() / columns as f64;
        row.iter()
            .zip(&alpha_seen)
            .map(|(x, a)| x / (mean + 1e-5).sqrt() * a)
            .collect()
    });
    check("rmsnorm_f32", &numbers::<f32>(&out), &expected, 2e-6, 0.0);

    let mut bound = Vec::from(shape());
    bound.extend([input(&alpha), input(&beta), value(1e-5f32)]);
    let out = file.kernel("layernorm_f32", &[]).run(grid, &bound);
    let expected = by_row(&|row| {
        let mean = row.iter().sum::<f64>() / columns as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / columns as f64;
        let norm = |x: &f64| (x - mean) / (variance + 1e-5).sqrt();
        row.iter()
            .zip(&alpha_seen)
            .zip(&beta_seen)
            .map(|((x, a), b)| norm(x) * a + b)
            .collect()
    });
    check(
        "layernorm_f32",
        &numbers::<f32>(&out),
        &expected,
        2e-6,
        4e-6,
    );
}

#[test]
fn reductions() {
    let mut random = Random::new();
    let (rows, columns) = (6, 500);
    let count = rows * columns;
    let (x, seen) = rounded::<f32>(&random.numbers(count, -1.0, 1.0));
    let file = File::candle("reduce");
    let grid = Grid::rows(rows).threads(256);
    let shape = |out| {
        [
            value(count as u32),
            value(2u32),
            input(&[rows as u32, columns as u32]),
            value(columns as u32),
            input(&x),
            out,
        ]
    };
    let out = file
        .kernel("fast_sum_f32", &[])
        .run(grid, &shape(output::<f32>(rows)));
    let expected: Vec<f64> = seen
        .chunks_exact(columns)
        .map(|row| row.iter().sum())
        .collect();
    // 500 roundings of partial sums below 20, but in a tree.
    check("fast_sum_f32", &numbers::<f32>(&out), &expected, 0.0, 2e-5);

    let out = file
        .kernel("fast_argmax_f32", &[])
        .run(grid, &shape(output::<u32>(rows)));
    let expected: Vec<f64> = seen
        .chunks_exact(columns)
        .map(|row| {
            (0..columns)
                .max_by(|a, b| row[*a].total_cmp(&row[*b]))
                .unwrap_or(0) as f64
        })
        .collect();
    check(
        "fast_argmax_f32",
        &numbers::<u32>(&out),
        &expected,
        0.0,
        0.0,
    );
}

#[test]
fn rotary_embedding() {
    let mut random = Random::new();
    let (heads, tokens, width) = (3, 7, 32);
    let count = heads * tokens * width;
    let (x, seen) = rounded::<f32>(&random.numbers(count, -2.0, 2.0));
    let angle =
        |token: usize, pair: usize| token as f64 * 10000f64.powf(-2.0 * pair as f64 / width as f64);
    let table = |f: fn(f64) -> f64| -> Vec<f64> {
        (0..tokens * width / 2)
            .map(|i| f(angle(i / (width / 2), i % (width / 2))))
            .collect()
    };
    let ((cos, cos_seen), (sin, sin_seen)) = (
        rounded::<f32>(&table(f64::cos)),
        rounded::<f32>(&table(f64::sin)),
    );
    let out = File::candle("reduce").kernel("rope_f32", &[]).run(
        Grid::elements(count / 2).threads(64),
        &[
            value(heads as u64),
            value((tokens * width) as u64),
            value(width as u64),
            value(0u64),
            input(&x),
            input(&cos),
            input(&sin),
            output::<f32>(count),
        ],
    );
    let expected: Vec<f64> = (0..count)
        .map(|i| {
            let (token, column) = (i / width % tokens, i % width);
            let pair = column % (width / 2);
            let (first, second) = (seen[i - column + pair], seen[i - column + pair + width / 2]);
            let (c, s) = (
                cos_seen[token * width / 2 + pair],
                sin_seen[token * width / 2 + pair],
            );
            if column < width / 2 {
                first * c - second * s
            } else {
                first * s + second * c
            }
        })
        .collect();
    check("rope_f32", &numbers::<f32>(&out), &expected, 0.0, 5e-7);
}

#[test]
fn index_select_and_sort() {
    let mut random = Random::new();
    let (rows, columns) = (20, 33);
    let (x, _) = rounded::<f32>(&random.numbers(rows * columns, -2.0, 2.0));
    let ids: Vec<u32> = (0..11).map(|_| random.below(rows) as u32).collect();
    let count = ids.len() * columns;
    let out = File::candle("indexing").kernel("is_u32_f32", &[]).run(
        Grid::elements(count).threads(64),
        &[
            value(count as u64),
            value(1u64),
            value(rows as u64),
            value(columns as u64),
            value(ids.len() as u64),
            value(1u8),
            input(&[rows as u64, columns as u64]),
            input(&[columns as u64, 1]),
            input(&x),
            input(&ids),
            output::<f32>(count),
        ],
    );
    let expected: Vec<f64> = (0..count)
        .map(|i| f64::from(x[ids[i / columns] as usize * columns + i % columns]))
        .collect();
    check("is_u32_f32", &numbers::<f32>(&out), &expected, 0.0, 0.0);

    let out = File::candle("sort").kernel("asort_desc_f32", &[]).run(
        Grid::groups([1, rows]).threads(64),
        &[
            input(&x),
            output::<u32>(rows * columns),
            value(columns as i64),
            value(64i64),
            Bound::Threadgroup(64 * 4),
        ],
    );
    let expected: Vec<f64> = x
        .chunks_exact(columns)
        .flat_map(|row| {
            let mut order: Vec<usize> = (0..columns).collect();
            order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
            order.into_iter().map(|i| i as f64)
        })
        .collect();
    check("asort_desc_f32", &numbers::<u32>(&out), &expected, 0.0, 0.0);
}

/// A product of a quantised matrix and vectors, launched as candle does.
fn quantised(kernel: &str, format: Format, threads: [usize; 2], align: usize) {
    let mut random = Random::new();
    let (k, n, m) = (512, 24, 3);
    let (blocks, weights) = format.draw(&mut random, n * k);
    let (vectors, seen) = rounded::<f32>(&random.numbers(m * k, -1.0, 1.0));
    let long = |v: usize| value(v as i64);
    let out = File::candle("quantized").kernel(kernel, &[]).run(
        Grid::groups([n.div_ceil(align), m]).threads(threads),
        &[
            Bound::Input(blocks),
            input(&vectors),
            output::<f32>(m * n),
            long(k),
            long(n),
            long(1),
            long(0),
            long(0),
            long(0),
            long(k),
            long(m),
            long(1),
            long(0),
            long(0),
            long(0),
            long(n),
            long(m),
            value(1u32),
            value(1u32),
        ],
    );
    let expected = products(&weights, &seen, k);
    let size = expected.iter().map(|x| x.abs()).fold(0.0, f64::max);
    check(kernel, &numbers::<f32>(&out), &expected, 1e-5, 1e-5 * size);
}

#[test]
fn quantised_products() {
    quantised("kernel_mul_mv_q4_0_f32", Format::Q4_0, [8, 8], 8);
    quantised("kernel_mul_mv_q8_0_f32", Format::Q8_0, [8, 8], 8);
    quantised("kernel_mul_mv_q4_K_f32", Format::Q4K, [4, 8], 4);
}

/// MLX's matrix product: `a [m, k]` times `b`, stored as `[k, n]` or, transposed, as `[n, k]`.
fn gemm<T: crate::support::Number>(kernel: &str, transposed: bool, tolerance: f64) {
    let mut random = Random::new();
    let (m, n, k) = (40usize, 52usize, 72usize);
    let (a, a_seen) = rounded::<T>(&random.numbers(m * k, -1.0, 1.0));
    let (b, b_seen) = rounded::<T>(&random.numbers(n * k, -1.0, 1.0));
    let file = File::candle("mlx_gemm");
    let number = |v: usize| v as f64;
    let params = file.value(
        "GEMMParams",
        &[
            ("M", number(m)),
            ("N", number(n)),
            ("K", number(k)),
            ("lda", number(k)),
            ("ldb", number(if transposed { k } else { n })),
            ("ldd", number(n)),
            ("tiles_n", number(n.div_ceil(32))),
            ("tiles_m", number(m.div_ceil(32))),
            ("gemm_k_iterations_aligned", number(k / 16)),
            ("batch_ndim", 1.0),
        ],
    );
    let constants = [
        "has_batch",
        "use_out_source",
        "do_axpby",
        "align_M",
        "align_N",
        "align_K",
        "do_gather",
    ];
    let out = file
        .kernel(kernel, &constants.map(|name| (name, Bool(false))))
        .run(
            Grid::groups([n.div_ceil(32), m.div_ceil(32)]).threads([32, 2, 2]),
            &[
                input(&a),
                input(&b),
                Bound::Nothing,
                output::<T>(m * n),
                Bound::Input(params),
            ],
        );
    let columns: Vec<f64> = if transposed {
        b_seen
    } else {
        (0..n * k).map(|i| b_seen[i % k * n + i / k]).collect()
    };
    let expected = products(&columns, &a_seen, k);
    check(kernel, &numbers::<T>(&out), &expected, tolerance, tolerance);
}

#[test]
fn matrix_products() {
    gemm::<f32>("gemm_nn_f32_f32_32_32_16_2_2", false, 4e-6);
    gemm::<f32>("gemm_nt_f32_f32_32_32_16_2_2", true, 4e-6);
    gemm::<f16>("gemm_nt_f16_f16_32_32_16_2_2", true, HALF);
}

#[test]
fn attention() {
    let mut random = Random::new();
    let (heads, kv_heads, keys, width) = (4, 2, 70, 64);
    let (q, q_seen) = rounded::<f32>(&random.numbers(heads * width, -1.0, 1.0));
    let (k, k_seen) = rounded::<f32>(&random.numbers(kv_heads * keys * width, -1.0, 1.0));
    let (v, v_seen) = rounded::<f32>(&random.numbers(kv_heads * keys * width, -1.0, 1.0));
    let scale = 0.125;
    let file = File::candle("scaled_dot_product_attention");
    let out = file
        .kernel(
            "sdpa_vector_float_64",
            &[("sdpa_vector_has_mask", Bool(false))],
        )
        .run(
            Grid::groups([1, heads]).threads(1024),
            &[
                input(&q),
                input(&k),
                input(&v),
                output::<f32>(heads * width),
                value((heads / kv_heads) as i32),
                value(keys as i32),
                value((keys * width) as u64),
                value((keys * width) as u64),
                value(scale as f32),
                value(1f32),
            ],
        );
    let mut expected = Vec::new();
    for head in 0..heads {
        let at = head / (heads / kv_heads) * keys * width;
        let scores = products(
            &k_seen[at..][..keys * width],
            &q_seen[head * width..][..width],
            width,
        );
        let weights: Vec<f64> = scores.iter().map(|s| (s * scale).exp()).collect();
        let sum: f64 = weights.iter().sum();
        expected.extend((0..width).map(|column| {
            let value = |key: usize| v_seen[at + key * width + column];
            (0..keys)
                .map(|key| weights[key] / sum * value(key))
                .sum::<f64>()
        }));
    }
    check(
        "sdpa_vector_float_64",
        &numbers::<f32>(&out),
        &expected,
        1e-5,
        1e-6,
    );
    assert_eq!(out.len(), bytes(&q).len());
}
