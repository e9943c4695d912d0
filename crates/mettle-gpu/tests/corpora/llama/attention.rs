//! Attention over a cache of keys and values.

use super::{number, unused};
use crate::blocks::products;
use crate::support::{Bound, File, Random, check, input, numbers, output, rounded};
use half::f16;
use mettle_gpu::Grid;
use mettle_msl::ConstantValue::{Bool, Int};

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
