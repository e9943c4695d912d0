//! Rows out of quantised matrices, and into them.

use super::number;
use crate::blocks::Format;
use crate::support::{Bound, File, Random, check, input, numbers, output, rounded};
use mettle_gpu::Grid;

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
