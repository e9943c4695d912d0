//! Products of matrices, and attention.

use super::HALF;
use crate::blocks::{Format, products};
use crate::support::{Bound, File, Random, bytes, check, input, numbers, output, rounded, value};
use half::f16;
use mettle_gpu::Grid;
use mettle_msl::ConstantValue::Bool;

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
