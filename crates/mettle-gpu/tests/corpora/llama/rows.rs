//! Kernels that go over numbers or rows of them.

use super::{number, unused};
use crate::support::{Bound, File, Number, Random, check, input, numbers, output, rounded};
use half::f16;
use mettle_gpu::Grid;
use mettle_msl::ConstantValue::{Bool, Int, Short};

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
