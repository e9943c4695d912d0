//! Kernels of llama.cpp, one compiled at a time, with the function constants, grids and threadgroup memory that its host code gives them.
//!
//! The tolerances stand at each comparison: relative to the value, and absolute.

use crate::blocks::{Format, products};
use crate::support::{Bound, File, Number, Random, check, input, numbers, output, rounded};
use half::f16;
use mettle_gpu::Grid;
use mettle_msl::ConstantValue::{Bool, Int, Short};

/// Something to bind where the kernel does not look.
fn unused() -> Bound {
    input(&[0f32; 4])
}

fn number(value: usize) -> f64 {
    value as f64
}

/// Rows of `columns` f32 numbers, each run through `f`.
fn by_row(values: &[f64], columns: usize, f: impl Fn(usize, &[f64]) -> Vec<f64>) -> Vec<f64> {
    values
        .chunks_exact(columns)
        .enumerate()
        .flat_map(|(i, row)| f(i, row))
        .collect()
}

#[test]
fn norms() {
    let mut random = Random::new();
    let (rows, columns) = (6, 260);
    let (x, seen) = rounded::<f32>(&random.numbers(rows * columns, -3.0, 3.0));
    let (weight, weight_seen) = rounded::<f32>(&random.numbers(columns, 0.5, 2.0));
    let file = File::llama("norm");
    let row = number(columns * 4);
    let args = file.value(
        "ggml_metal_kargs_norm",
        &[
            ("ne00", number(columns)),
            ("ne00_t", number(columns / 4)),
            ("nb1", row),
            ("eps", 1e-5),
            ("nef1", 1.0),
            ("nef2", 1.0),
            ("nef3", 1.0),
            ("nbf1[0]", row),
        ],
    );
    let run = |kernel: &str| {
        let bound = [
            Bound::Value(args.clone()),
            input(&x),
            input(&weight),
            unused(),
            output::<f32>(rows * columns),
            Bound::Threadgroup(32 * 4),
        ];
        let constants = [("FC_norm_use_scale", Bool(false))];
        let out = file
            .kernel(kernel, &constants)
            .run(Grid::rows(rows).threads(64), &bound);
        numbers::<f32>(&out)
    };
    let expected = by_row(&seen, columns, |_, row| {
        let mean = row.iter().map(|x| x * x).sum::<f64>() / columns as f64;
        row.iter()
            .zip(&weight_seen)
            .map(|(x, w)| x / (mean + 1e-5).sqrt() * w)
            .collect()
    });
    check(
        "kernel_rms_norm_mul_f32_4",
        &run("kernel_rms_norm_mul_f32_4"),
        &expected,
        2e-6,
        0.0,
    );
    let expected = by_row(&seen, columns, |_, row| {
        let mean = row.iter().sum::<f64>() / columns as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / columns as f64;
        row.iter()
            .map(|x| (x - mean) / (variance + 1e-5).sqrt())
            .collect()
    });
    check(
        "kernel_norm_f32_4",
        &run("kernel_norm_f32_4"),
        &expected,
        2e-6,
        2e-6,
    );
}

#[test]
fn softmax_with_mask_bias_and_sinks() {
    let mut random = Random::new();
    let (heads, rows, columns) = (4, 3, 160);
    let count = heads * rows * columns;
    let (x, seen) = rounded::<f32>(&random.numbers(count, -4.0, 4.0));
    let (mask, mask_seen) = rounded::<f16>(&random.numbers(rows * columns, -2.0, 0.0));
    let (sinks, sinks_seen) = rounded::<f32>(&random.numbers(heads, -1.0, 1.0));
    let file = File::llama("softmax");
    let (m0, m1) = (0.25f64, 0.5f64);
    let args = file.value(
        "ggml_metal_kargs_soft_max",
        &[
            ("ne00", number(columns)),
            ("ne01", number(rows)),
            ("ne02", number(heads)),
            ("nb01", number(columns * 4)),
            ("nb02", number(rows * columns * 4)),
            ("ne11", number(rows)),
            ("ne12", 1.0),
            ("ne13", 1.0),
            ("nb11", number(columns * 2)),
            ("nb1", number(columns * 4)),
            ("nb2", number(rows * columns * 4)),
            ("scale", 0.5),
            ("max_bias", 8.0),
            ("m0", m0),
            ("m1", m1),
            ("n_head_log2", 2.0),
        ],
    );
    let expected = by_row(&seen, columns, |i, row| {
        let (head, line) = (i / rows, i % rows);
        let slope = if head < 2 {
            m0.powi(head as i32 + 1)
        } else {
            m1.powi(2 * (head as i32 - 2) + 1)
        };
        let score = |c: usize| row[c] * 0.5 + slope * mask_seen[line * columns + c];
        let sum = (0..columns).map(|c| score(c).exp()).sum::<f64>() + sinks_seen[head].exp();
        (0..columns).map(|c| score(c).exp() / sum).collect()
    });
    for kernel in ["kernel_soft_max_f16", "kernel_soft_max_f16_4"] {
        let out = file.kernel(kernel, &[]).run(
            Grid::groups([rows, heads]).threads(64),
            &[
                Bound::Value(args.clone()),
                input(&x),
                input(&mask),
                input(&sinks),
                output::<f32>(count),
                Bound::Threadgroup(32 * 4),
            ],
        );
        // The slope times the mask is rounded to half.
        check(kernel, &numbers::<f32>(&out), &expected, 2e-3, 0.0);
    }
}

/// Rotates pairs of `width` numbers: neighbours, or halves of a row.
fn rope<T: Number>(kernel: &str, halves: bool, tolerance: f64) {
    let mut random = Random::new();
    let (heads, tokens, width) = (3, 5, 64);
    let count = heads * tokens * width;
    let (x, seen) = rounded::<T>(&random.numbers(count, -2.0, 2.0));
    let positions: Vec<i32> = (0..tokens).map(|_| random.below(20) as i32).collect();
    let size = size_of::<T>();
    let file = File::llama("rope");
    let args = file.value(
        "ggml_metal_kargs_rope",
        &[
            ("ne00", number(width)),
            ("ne01", number(heads)),
            ("ne02", number(tokens)),
            ("ne03", 1.0),
            ("nb00", number(size)),
            ("nb01", number(width * size)),
            ("nb02", number(heads * width * size)),
            ("ne0", number(width)),
            ("ne1", number(heads)),
            ("ne2", number(tokens)),
            ("ne3", 1.0),
            ("nb0", number(size)),
            ("nb1", number(width * size)),
            ("nb2", number(heads * width * size)),
            ("n_dims", number(width)),
            ("n_ctx_orig", 4096.0),
            ("freq_base", 10000.0),
            ("freq_scale", 1.0),
            ("attn_factor", 1.0),
            ("beta_fast", 32.0),
            ("beta_slow", 1.0),
        ],
    );
    let constants = [
        ("FC_rope_is_imrope", Bool(false)),
        ("FC_rope_is_back", Bool(false)),
    ];
    let out = file.kernel(kernel, &constants).run(
        Grid::groups([heads, tokens]).threads(32),
        &[
            Bound::Value(args),
            input(&x),
            input(&positions),
            unused(),
            output::<T>(count),
        ],
    );
    let expected: Vec<f64> = (0..count)
        .map(|i| {
            let (row, column) = (i / width * width, i % width);
            let (pair, first) = if halves {
                (column % (width / 2), column < width / 2)
            } else {
                (column / 2, column % 2 == 0)
            };
            let (a, b) = if halves {
                (pair, pair + width / 2)
            } else {
                (2 * pair, 2 * pair + 1)
            };
            let position = f64::from(positions[i / (width * heads)]);
            let angle = position * 10000f64.powf(-2.0 * pair as f64 / width as f64);
            let (a, b) = (seen[row + a], seen[row + b]);
            if first {
                a * angle.cos() - b * angle.sin()
            } else {
                a * angle.sin() + b * angle.cos()
            }
        })
        .collect();
    check(kernel, &numbers::<T>(&out), &expected, tolerance, tolerance);
}

#[test]
fn rotary_embeddings() {
    // Angles up to 20, computed in f32.
    rope::<f32>("kernel_rope_norm_f32", false, 1e-5);
    rope::<f16>("kernel_rope_neox_f16", true, 5e-4);
}

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

#[test]
fn elementwise() {
    let mut random = Random::new();
    let (rows, columns) = (7, 64);
    let count = rows * columns;
    let (x, seen) = rounded::<f32>(&random.numbers(count, -5.0, 5.0));
    let file = File::llama("unary");
    let args = file.value(
        "ggml_metal_kargs_unary",
        &[("ne00", number(count)), ("ne0", number(count))],
    );
    // OP_UNARY_NUM_SILU
    let constants = [("FC_unary_op", Short(106)), ("FC_unary_cnt", Bool(true))];
    let out = file.kernel("kernel_unary_f32_f32_4", &constants).run(
        Grid::rows(count / 4),
        &[Bound::Value(args), input(&x), output::<f32>(count)],
    );
    let expected: Vec<f64> = seen.iter().map(|x| x / (1.0 + (-x).exp())).collect();
    check(
        "kernel_unary_f32_f32_4",
        &numbers::<f32>(&out),
        &expected,
        1e-6,
        0.0,
    );

    let (y, y_seen) = rounded::<f32>(&random.numbers(columns / 2, 1.0, 2.0));
    let file = File::llama("binbcast");
    let args = file.value(
        "ggml_metal_kargs_bin",
        &[
            ("ne00", number(columns)),
            ("ne01", number(rows)),
            ("ne02", 1.0),
            ("ne03", 1.0),
            ("nb00", 4.0),
            ("nb01", number(columns * 4)),
            ("ne10", number(columns / 2)),
            ("ne11", 1.0),
            ("ne12", 1.0),
            ("ne13", 1.0),
            ("nb10", 4.0),
            ("ne0", number(columns)),
            ("ne1", number(rows)),
            ("ne2", 1.0),
            ("ne3", 1.0),
            ("nb0", 4.0),
            ("nb1", number(columns * 4)),
        ],
    );
    // A division by a row that is repeated along both dimensions.
    let constants = [
        ("FC_bin_op", Short(3)),
        ("FC_bin_f", Short(1)),
        ("FC_bin_rb", Bool(false)),
        ("FC_bin_cb", Bool(true)),
    ];
    let out = file.kernel("kernel_bin_fuse_f32_f32_f32", &constants).run(
        Grid::rows(rows).threads(32),
        &[
            Bound::Value(args),
            input(&x),
            input(&y),
            output::<f32>(count),
        ],
    );
    let expected: Vec<f64> = (0..count)
        .map(|i| seen[i] / y_seen[i % (columns / 2)])
        .collect();
    check(
        "kernel_bin_fuse_f32_f32_f32",
        &numbers::<f32>(&out),
        &expected,
        1e-6,
        0.0,
    );
}

#[test]
fn sort_and_sum_rows() {
    let mut random = Random::new();
    let (rows, columns, kept) = (5, 100, 40);
    let (x, seen) = rounded::<f32>(&random.numbers(rows * columns, -1.0, 1.0));
    let file = File::llama("argsort");
    let args = file.value(
        "ggml_metal_kargs_argsort",
        &[
            ("ne00", number(columns)),
            ("ne01", number(rows)),
            ("ne02", 1.0),
            ("ne03", 1.0),
            ("nb00", 4.0),
            ("nb01", number(columns * 4)),
            ("ne0", number(kept)),
            ("ne1", number(rows)),
            ("ne2", 1.0),
            ("ne3", 1.0),
            ("top_k", number(kept)),
        ],
    );
    let out = file.kernel("kernel_argsort_f32_i32_desc", &[]).run(
        Grid::rows(rows).threads(128),
        &[
            Bound::Value(args),
            input(&x),
            output::<i32>(rows * kept),
            Bound::Threadgroup(128 * 4),
        ],
    );
    let expected = by_row(&seen, columns, |_, row| {
        let mut order: Vec<usize> = (0..columns).collect();
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
        order[..kept].iter().map(|i| *i as f64).collect()
    });
    check(
        "kernel_argsort_f32_i32_desc",
        &numbers::<i32>(&out),
        &expected,
        0.0,
        0.0,
    );

    let file = File::llama("reduce");
    let args = file.value(
        "ggml_metal_kargs_sum_rows",
        &[
            ("ne00", number(columns / 4)),
            ("ne01", number(rows)),
            ("nb01", number(columns * 4)),
            ("ne0", 1.0),
            ("nb1", 4.0),
        ],
    );
    // OP_SUM_ROWS_NUM_SUM_ROWS
    let out = file
        .kernel(
            "kernel_sum_rows_f32_f32_4",
            &[("FC_sum_rows_op", Short(10))],
        )
        .run(
            Grid::rows(rows).threads(32),
            &[
                Bound::Value(args),
                input(&x),
                output::<f32>(rows),
                Bound::Threadgroup(32 * 16),
            ],
        );
    let expected = by_row(&seen, columns, |_, row| vec![row.iter().sum()]);
    check(
        "kernel_sum_rows_f32_f32_4",
        &numbers::<f32>(&out),
        &expected,
        0.0,
        1e-5,
    );
}

#[test]
fn rows_of_quantised_matrices() {
    let mut random = Random::new();
    let (rows, columns) = (12, 512);
    let file = File::llama("quantize");
    for (kernel, format) in [
        ("kernel_get_rows_q4_0", Format::Q4_0),
        ("kernel_get_rows_q4_K", Format::Q4K),
    ] {
        let (blocks, seen) = format.draw(&mut random, rows * columns);
        let ids: Vec<i32> = (0..7).map(|_| random.below(rows) as i32).collect();
        let args = file.value(
            "ggml_metal_kargs_get_rows",
            &[
                ("ne00t", number(columns / 16)),
                ("ne00", number(columns)),
                ("nb01", number(blocks.len() / rows)),
                ("ne10", number(ids.len())),
                ("nb10", 4.0),
                ("nb1", number(columns * 4)),
            ],
        );
        let out = file.kernel(kernel, &[]).run(
            Grid::rows(ids.len()).threads(columns / 16),
            &[
                Bound::Value(args),
                Bound::Input(blocks),
                input(&ids),
                output::<f32>(ids.len() * columns),
            ],
        );
        let expected: Vec<f64> = ids
            .iter()
            .flat_map(|id| seen[*id as usize * columns..][..columns].to_vec())
            .collect();
        check(kernel, &numbers::<f32>(&out), &expected, 1e-6, 1e-6);
    }
}

#[test]
fn quantising() {
    let mut random = Random::new();
    let (rows, columns) = (4, 128);
    let (x, seen) = rounded::<f32>(&random.numbers(rows * columns, -3.0, 3.0));
    let file = File::llama("quantize");
    let args = file.value(
        "ggml_metal_kargs_cpy",
        &[
            ("nk0", number(columns / 32)),
            ("ne00", number(columns)),
            ("ne01", number(rows)),
            ("ne02", 1.0),
            ("ne03", 1.0),
            ("nb00", 4.0),
            ("nb01", number(columns * 4)),
            ("ne0", number(columns)),
            ("ne1", number(rows)),
            ("ne2", 1.0),
            ("ne3", 1.0),
            ("nb0", 34.0),
            ("nb1", number(columns / 32 * 34)),
        ],
    );
    let out = file.kernel("kernel_cpy_f32_q8_0", &[]).run(
        Grid::rows(rows).threads(columns / 32),
        &[
            Bound::Value(args),
            input(&x),
            Bound::Output(rows * columns / 32 * 34),
        ],
    );
    let mut found = Vec::new();
    out.chunks_exact(34)
        .for_each(|block| Format::Q8_0.expand(block, &mut found));
    // Half a step of 3/127, and what rounding the step to half makes of the largest.
    check(
        "kernel_cpy_f32_q8_0",
        &found,
        &seen,
        1.0 / 2048.0,
        0.5 * 3.0 / 127.0 * 1.001,
    );
}

#[test]
fn state_space_convolution() {
    let mut random = Random::new();
    let (inner, tokens, width) = (20, 6, 4);
    let length = width - 1 + tokens;
    let (state, state_seen) = rounded::<f32>(&random.numbers(inner * length, -1.0, 1.0));
    let (taps, taps_seen) = rounded::<f32>(&random.numbers(inner * width, -1.0, 1.0));
    let file = File::llama("ssm");
    let args = file.value(
        "ggml_metal_kargs_ssm_conv",
        &[
            ("ne00", number(length)),
            ("ne01", number(inner)),
            ("nb00", 4.0),
            ("nb01", number(length * 4)),
            ("nb11", number(width * 4)),
            ("nb0", 4.0),
            ("nb1", number(inner * 4)),
        ],
    );
    let constants = [
        ("FC_ssm_conv_silu", Bool(true)),
        ("FC_ssm_conv_nc", Int(width as i32)),
    ];
    let out = file.kernel("kernel_ssm_conv_f32_f32", &constants).run(
        Grid::groups([inner, tokens]),
        &[
            Bound::Value(args),
            input(&state),
            input(&taps),
            output::<f32>(inner * tokens),
        ],
    );
    let expected: Vec<f64> = (0..inner * tokens)
        .map(|i| {
            let (token, row) = (i / inner, i % inner);
            let at =
                |tap: usize| state_seen[row * length + token + tap] * taps_seen[row * width + tap];
            let sum: f64 = (0..width).map(at).sum();
            sum / (1.0 + (-sum).exp())
        })
        .collect();
    check(
        "kernel_ssm_conv_f32_f32",
        &numbers::<f32>(&out),
        &expected,
        1e-6,
        1e-6,
    );
}

/// Attention of `queries` over a cache of half numbers, two heads to a head of the cache.
fn attention(
    file: &str,
    kernel: &str,
    queries: usize,
    family: &str,
    extra: &[(&str, i32)],
    group: usize,
    vector: bool,
) {
    let mut random = Random::new();
    let (heads, kv_heads, keys, width) = (4, 2, 128, 64);
    let (q, q_seen) = rounded::<f32>(&random.numbers(heads * queries * width, -1.0, 1.0));
    let (k, k_seen) = rounded::<f16>(&random.numbers(kv_heads * keys * width, -1.0, 1.0));
    let (v, v_seen) = rounded::<f16>(&random.numbers(kv_heads * keys * width, -1.0, 1.0));
    let scale = 0.125;
    let file = File::llama(file);
    let name = if vector {
        "ggml_metal_kargs_flash_attn_ext_vec"
    } else {
        "ggml_metal_kargs_flash_attn_ext"
    };
    let (row, plane) = (number(width * 2), number(keys * width * 2));
    let args = file.value(
        name,
        &[
            ("ne01", number(queries)),
            ("ne02", number(heads)),
            ("ne03", 1.0),
            ("nb01", number(width * 4)),
            ("nb02", number(queries * width * 4)),
            ("ne11", number(keys)),
            ("ne_12_2", number(kv_heads)),
            ("ne_12_3", 1.0),
            ("ns10", number(width)),
            ("nb11", row),
            ("nb12", plane),
            ("ns20", number(width)),
            ("nb21", row),
            ("nb22", plane),
            ("ne31", 1.0),
            ("ne32", 1.0),
            ("ne33", 1.0),
            ("ne1", number(heads)),
            ("ne2", number(queries)),
            ("ne3", 1.0),
            ("scale", scale),
        ],
    );
    let names: Vec<(String, i32)> = extra
        .iter()
        .map(|(name, value)| (format!("{family}_{name}"), *value))
        .collect();
    let off = ["has_mask", "has_sinks", "has_bias", "has_scap", "has_kvpad"]
        .map(|n| format!("{family}_{n}"));
    let mut constants: Vec<_> = names
        .iter()
        .map(|(name, value)| (name.as_str(), Int(*value)))
        .collect();
    constants.extend(off.iter().map(|name| (name.as_str(), Bool(false))));
    let mut bound = vec![
        Bound::Value(args),
        input(&q),
        input(&k),
        input(&v),
        unused(),
        unused(),
        unused(),
    ];
    let out = output::<f32>(heads * queries * width);
    bound.extend(if vector {
        [out, unused()]
    } else {
        [unused(), out]
    });
    bound.push(Bound::Threadgroup(16384));
    let simdgroups = extra
        .iter()
        .find(|(name, _)| *name == "nsg")
        .map_or(1, |(_, n)| *n as usize);
    let out = file.kernel(kernel, &constants).run(
        Grid::groups([queries.div_ceil(group), heads]).threads([32, simdgroups]),
        &bound,
    );
    let mut expected = vec![0.0; heads * queries * width];
    for (head, query) in (0..heads).flat_map(|h| (0..queries).map(move |q| (h, q))) {
        let at = head / (heads / kv_heads) * keys * width;
        let q = &q_seen[(head * queries + query) * width..][..width];
        let scores = products(&k_seen[at..][..keys * width], q, width);
        let weights: Vec<f64> = scores.iter().map(|s| (s * scale).exp()).collect();
        let sum: f64 = weights.iter().sum();
        for column in 0..width {
            let value: f64 = (0..keys)
                .map(|key| weights[key] / sum * v_seen[at + key * width + column])
                .sum();
            expected[(query * heads + head) * width + column] = value;
        }
    }
    // Queries and probabilities are rounded to half.
    check(kernel, &numbers::<f32>(&out), &expected, 2e-3, 5e-4);
}

/// With one SIMD group a threadgroup. With more, lane 0 stores sums that its neighbours may not have read yet, without a barrier in
/// between: the kernel counts on lanes that run in step.
#[test]
fn flash_attention_of_one_query() {
    let family = "FC_flash_attn_ext_vec";
    let constants = [("ns10", 64), ("ns20", 64), ("nsg", 1), ("nwg", 1)];
    attention(
        "fa_vec_f16",
        "kernel_flash_attn_ext_vec_f16_dk64_dv64",
        2,
        family,
        &constants,
        1,
        true,
    );
}

#[test]
fn flash_attention_of_many_queries() {
    let family = "FC_flash_attn_ext";
    let constants = [("ns10", 64), ("ns20", 64), ("nsg", 4)];
    attention(
        "fa_f16",
        "kernel_flash_attn_ext_f16_dk64_dv64",
        11,
        family,
        &constants,
        8,
        false,
    );
}
