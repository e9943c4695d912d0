//! Kernels that go over rows: norms, reductions, rotations, choices, sorting.

use crate::support::{Bound, File, Random, check, input, numbers, output, rounded, value};
use mettle_gpu::Grid;

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
