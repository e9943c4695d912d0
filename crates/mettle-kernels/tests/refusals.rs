//! What ops do not accept is refused before anything is launched, naming the op and the argument.

use mettle_gpu::{Device, Format, Pass, Preference, Shape, Tensor};
use mettle_kernels::ops::{
    self, Binary, CacheRows, Fusion, HeadBiases, HeadNorms, Pairing, ProjectedHeads, Rope,
    RopeConfig, Sampling, Unary,
};
use mettle_kernels::{Error, Result};

#[path = "refusals/cache.rs"]
mod cache;
#[path = "refusals/gradients.rs"]
mod gradients;
#[path = "refusals/latent_attention.rs"]
mod latent_attention;
#[path = "refusals/linear_attention.rs"]
mod linear_attention;
#[path = "refusals/pages.rs"]
mod pages;
#[path = "refusals/products.rs"]
mod products;
#[path = "refusals/rotations.rs"]
mod rotations;
#[path = "refusals/rows.rs"]
mod rows;
#[path = "refusals/turbo.rs"]
mod turbo;

fn device() -> Device {
    Device::open(Preference::Cpu).unwrap()
}

fn f32s(device: &Device, shape: impl Into<Shape>) -> Tensor {
    Tensor::zeros::<f32>(device, shape).unwrap()
}

fn i32s(device: &Device, n: usize) -> Tensor {
    Tensor::zeros::<i32>(device, [n]).unwrap()
}

fn u32s(device: &Device, n: usize) -> Tensor {
    Tensor::zeros::<u32>(device, [n]).unwrap()
}

/// Records with `op`, expects a refusal of `argument` by the op `name`, and that nothing was recorded.
#[track_caller]
fn refused(name: &str, argument: &str, op: impl FnOnce(&mut Pass) -> Result<()>) {
    let mut pass = device().pass();
    let error = op(&mut pass).expect_err("must be refused");
    assert!(pass.is_empty(), "{error}: something was launched");
    match &error {
        Error::Argument {
            op,
            argument: which,
            ..
        } => assert_eq!((*op, *which), (name, argument), "{error}"),
        Error::Unsupported { op, .. } => assert_eq!((*op, ""), (name, argument), "{error}"),
        other => panic!("{other}"),
    }
}

#[test]
fn elementwise() {
    let d = device();
    let (a, b, short) = (f32s(&d, [2, 3]), f32s(&d, [2, 3]), f32s(&d, [2, 2]));
    let empty = f32s(&d, [0, 3]);
    let wide = f32s(&d, [2, 5]);
    let band = wide.columns_range(1..4).unwrap();
    let mut out = f32s(&d, [2, 3]);
    refused("add", "y", |p| ops::add(p, &a, &short, &mut out));
    refused("add", "x", |p| ops::add(p, &empty, &empty, &mut out));
    let mut band = band;
    refused("add", "out", |p| ops::add(p, &a, &b, &mut band));
    let bands = f32s(&d, [2, 3, 5]).columns_range(1..4).unwrap();
    refused("add", "x", |p| {
        ops::add(p, &bands, &bands, &mut f32s(&d, [2, 3, 3]))
    });
    refused("add", "out", |p| ops::add(p, &a, &b, &mut i32s(&d, 6)));
    refused("add_assign", "y", |p| ops::add_assign(p, &mut out, &short));
    refused("unary", "out", |p| {
        ops::unary(p, Unary::Silu, &a, &mut f32s(&d, [2, 4]))
    });
    refused("unary", "", |p| {
        ops::unary(p, Unary::Silu, &i32s(&d, 6), &mut i32s(&d, 6))
    });
    for cap in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        refused("unary_assign", "f", |p| {
            ops::unary_assign(p, Unary::Softcap(cap), &mut out)
        });
    }
    // One row of y serves all rows of x, one column does not.
    refused("binary", "y", |p| {
        ops::binary(p, Binary::Mul, &a, &f32s(&d, [2, 1]), &mut out)
    });
    refused("binary_assign", "y", |p| {
        let halves = Tensor::empty_as(&d, Format::F16, [2, 3]).unwrap();
        ops::binary_assign(p, Binary::Mul, &mut out, &halves)
    });
}

#[test]
fn layout() {
    let d = device();
    let x = f32s(&d, [2, 3, 5]);
    let mut same = f32s(&d, [2, 3, 5]);
    refused("copy", "out", |p| {
        ops::copy(p, &x, &mut f32s(&d, [2, 5, 3]))
    });
    refused("copy", "", |p| {
        ops::copy(p, &i32s(&d, 3), &mut f32s(&d, [3]))
    });
    for order in [&[0, 1][..], &[0, 1, 1], &[0, 1, 3], &[0, 1, 2, 3]] {
        refused("permute", "order", |p| {
            ops::permute(p, &x, order, &mut same)
        });
    }
    refused("permute", "out", |p| {
        ops::permute(p, &x, &[0, 2, 1], &mut same)
    });
    refused("copy", "x", |p| {
        ops::copy(p, &f32s(&d, [0, 3]), &mut f32s(&d, [0, 3]))
    });
    refused("fill", "", |p| ops::fill(p, 0.0, &mut i32s(&d, 4)));
    refused("fill", "out", |p| ops::fill(p, 0.0, &mut f32s(&d, [0])));
    let table = f32s(&d, [9, 4]);
    let ids = u32s(&d, 2);
    refused("gather", "ids", |p| {
        ops::gather(p, &table, &i32s(&d, 2), &mut f32s(&d, [2, 4]))
    });
    refused("gather", "out", |p| {
        ops::gather(p, &table, &ids, &mut f32s(&d, [3, 4]))
    });
    refused("gather", "out", |p| {
        let mut halves = Tensor::empty_as(&d, Format::F16, [2, 4]).unwrap();
        ops::gather(p, &table, &ids, &mut halves)
    });
}

#[test]
fn scans() {
    let d = device();
    let x = f32s(&d, [3, 7]);
    refused("cumsum", "out", |p| {
        ops::cumsum(p, &x, &mut f32s(&d, [7, 3]))
    });
    refused("cumsum", "", |p| {
        ops::cumsum(p, &i32s(&d, 7), &mut i32s(&d, 7))
    });
    let u32s_of = |shape: [usize; 2]| Tensor::zeros::<u32>(&d, shape).unwrap();
    refused("argsort", "out", |p| {
        ops::argsort(p, &x, &mut u32s_of([3, 6]))
    });
    refused("argsort", "out", |p| {
        ops::argsort(p, &x, &mut f32s(&d, [3, 7]))
    });
    refused("argsort", "", |p| {
        ops::argsort(p, &u32s_of([3, 7]), &mut u32s_of([3, 7]))
    });
    refused("top_k", "ids", |p| {
        ops::top_k(p, &x, &mut f32s(&d, [3, 8]), &mut u32s_of([3, 8]))
    });
    refused("top_k", "ids", |p| {
        ops::top_k(p, &x, &mut f32s(&d, [3, 0]), &mut u32s_of([3, 0]))
    });
    refused("top_k", "values", |p| {
        ops::top_k(p, &x, &mut f32s(&d, [3, 4]), &mut u32s_of([3, 2]))
    });
    let (l, b) = (f32s(&d, [2, 5, 5]), f32s(&d, [2, 5, 9]));
    let mut solved = f32s(&d, [2, 5, 9]);
    refused("tri_solve", "l", |p| ops::tri_solve(p, &b, &b, &mut solved));
    refused("tri_solve", "b", |p| {
        ops::tri_solve(p, &l, &f32s(&d, [10, 9]), &mut solved)
    });
    refused("tri_solve", "x", |p| {
        ops::tri_solve(p, &l, &b, &mut f32s(&d, [2, 5, 8]))
    });
}

#[test]
fn weights() {
    let d = device();
    let w = Tensor::empty_as(&d, Format::Q4_0, [7, 64]).unwrap();
    let unknown = Tensor::empty_as(&d, Format::I32, [7, 256]).unwrap();
    let x = f32s(&d, [3, 64]);
    refused("mul_mat", "x", |p| {
        ops::mul_mat(p, &w, &f32s(&d, [3, 63]), &mut f32s(&d, [3, 7]))
    });
    refused("mul_mat", "out", |p| {
        ops::mul_mat(p, &w, &x, &mut f32s(&d, [7, 3]))
    });
    let wide = f32s(&d, [3, 70]).columns_range(0..64).unwrap();
    refused("mul_mat", "out", |p| {
        ops::mul_mat(p, &w, &wide, &mut f32s(&d, [7, 3]))
    });
    let bands = f32s(&d, [2, 3, 70]).columns_range(0..64).unwrap();
    refused("mul_mat", "x", |p| {
        ops::mul_mat(p, &w, &bands, &mut f32s(&d, [6, 7]))
    });
    let matrices = f32s(&d, [2, 7, 64]);
    refused("mul_mat_batched", "w", |p| {
        ops::mul_mat_batched(p, &w, &f32s(&d, [2, 3, 64]), &mut f32s(&d, [2, 3, 7]))
    });
    refused("mul_mat_batched", "x", |p| {
        ops::mul_mat_batched(
            p,
            &matrices,
            &f32s(&d, [3, 3, 64]),
            &mut f32s(&d, [3, 3, 7]),
        )
    });
    refused("mul_mat_batched", "x", |p| {
        ops::mul_mat_batched(
            p,
            &matrices,
            &f32s(&d, [2, 3, 63]),
            &mut f32s(&d, [2, 3, 7]),
        )
    });
    refused("mul_mat_batched", "out", |p| {
        ops::mul_mat_batched(
            p,
            &matrices,
            &f32s(&d, [2, 3, 64]),
            &mut f32s(&d, [2, 3, 8]),
        )
    });
    refused("mul_mat", "", |p| {
        ops::mul_mat(p, &unknown, &f32s(&d, [1, 256]), &mut f32s(&d, [1, 7]))
    });
    refused("embedding", "out", |p| {
        ops::embedding(p, &w, &u32s(&d, 2), &mut f32s(&d, [3, 64]))
    });
    refused("embedding", "scale", |p| {
        ops::embedding_scaled(p, &w, &u32s(&d, 2), f32::NAN, &mut f32s(&d, [2, 64]))
    });
    refused("embedding", "ids", |p| {
        ops::embedding(p, &w, &i32s(&d, 2), &mut f32s(&d, [2, 64]))
    });
    refused("embedding", "", |p| {
        ops::embedding(p, &unknown, &u32s(&d, 1), &mut f32s(&d, [1, 256]))
    });
    refused("token_ids", "ids", |_| {
        ops::token_ids(&d, &[3, 7, 1], 7).map(drop)
    });
    refused("token_ids", "ids", |_| ops::token_ids(&d, &[], 7).map(drop));
}

#[test]
fn heads() {
    /// What goes into the op, all of it right at first: two tokens of 6 and 2 heads of 32, and a cache of nine rows.
    struct Call {
        query: Tensor,
        key: Tensor,
        value: Tensor,
        norms: [Tensor; 2],
        biases: [Tensor; 3],
        eps: f32,
        keys: Tensor,
        values: Tensor,
        positions: Tensor,
        ring: Option<u32>,
    }
    let d = device();
    let rope = Rope::new(&d, &RopeConfig::new(Pairing::HalfSplit, 32, 1e4)).unwrap();
    let check = |argument, change: fn(&Device, &mut Call)| {
        let mut call = Call {
            query: f32s(&d, [2, 6, 32]),
            key: f32s(&d, [2, 2, 32]),
            value: f32s(&d, [2, 2, 32]),
            norms: [f32s(&d, [32]), f32s(&d, [32])],
            biases: [192, 64, 64].map(|n| f32s(&d, [n])),
            eps: 1e-6,
            keys: f32s(&d, [9, 2, 32]),
            values: f32s(&d, [9, 2, 32]),
            positions: i32s(&d, 2),
            ring: None,
        };
        change(&d, &mut call);
        let [query, key] = &call.norms;
        let eps = call.eps;
        let biases = HeadBiases {
            query: &call.biases[0],
            key: &call.biases[1],
            value: &call.biases[2],
        };
        refused("qk_norm_rope_append", argument, |p| {
            let norms = Some(HeadNorms { query, key, eps });
            let heads = ProjectedHeads {
                query: Some(&mut call.query),
                key: &mut call.key,
                value: &mut call.value,
                biases: Some(biases),
            };
            let cache = CacheRows {
                keys: &mut call.keys,
                values: &mut call.values,
                positions: &call.positions,
                ring: call.ring,
            };
            ops::qk_norm_rope_append(p, Fusion::On, norms, &rope, heads, cache)
        });
    };
    check("query", |d, call| call.query = f32s(d, [3, 6, 32]));
    check("query", |d, call| call.query = f32s(d, [2, 6, 34]));
    check("query", |d, call| call.query = f32s(d, [2, 192]));
    check("key", |d, call| call.key = f32s(d, [2, 64]));
    check("query_bias", |d, call| call.biases[0] = f32s(d, [32]));
    check("key_bias", |d, call| call.biases[1] = f32s(d, [192]));
    check("value_bias", |d, call| call.biases[2] = f32s(d, [65]));
    check("key", |d, call| call.key = f32s(d, [2, 2, 30]));
    check("value", |d, call| call.value = f32s(d, [2, 3, 32]));
    check("query_norm", |d, call| call.norms[0] = f32s(d, [6, 32]));
    check("key_norm", |d, call| call.norms[1] = f32s(d, [31]));
    check("eps", |_, call| call.eps = -1e-6);
    check("cache_k", |d, call| call.keys = f32s(d, [9, 3, 32]));
    check("cache_v", |d, call| call.values = f32s(d, [8, 2, 32]));
    check("cache_k", |d, call| call.keys = f32s(d, [9, 1, 64]));
    check("positions", |d, call| call.positions = i32s(d, 3));
    // Nine rows are a window of eight keys and another token.
    check("cache_k", |_, call| call.ring = Some(9));
    check("window", |_, call| call.ring = Some(0));
    check("", |d, call| {
        call.keys = i32s(d, 9 * 64).reshape([9, 2, 32]).unwrap();
    });
}

#[test]
fn sampling() {
    let d = device();
    let plain = Sampling {
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        temperature: 1.0,
        seed: 0,
    };
    let logits = f32s(&d, [1, 50]);
    for (argument, sampling) in [
        (
            "top_p",
            Sampling {
                top_p: 1.1,
                ..plain
            },
        ),
        (
            "top_p",
            Sampling {
                top_p: f32::NAN,
                ..plain
            },
        ),
        (
            "min_p",
            Sampling {
                min_p: -0.1,
                ..plain
            },
        ),
        (
            "temperature",
            Sampling {
                temperature: -1.0,
                ..plain
            },
        ),
        (
            "temperature",
            Sampling {
                temperature: f32::INFINITY,
                ..plain
            },
        ),
    ] {
        refused("sample", argument, |p| {
            ops::sample(p, &logits, &sampling, 0, &mut u32s(&d, 1))
        });
    }
    refused("sample", "out", |p| {
        ops::sample(p, &logits, &plain, 0, &mut u32s(&d, 2))
    });
    refused("sample", "logits", |p| {
        ops::sample(p, &u32s(&d, 50), &plain, 0, &mut u32s(&d, 1))
    });
}

/// A tensor that a launch writes may not be one that it reads as well: two arguments in one memory.
#[test]
fn shared_memory() {
    let d = device();
    let x = f32s(&d, [4, 8]);
    let mut same = x.clone();
    let mut pass = d.pass();
    let error = ops::rms_norm(&mut pass, &x, &f32s(&d, [8]), 1e-6, &mut same).unwrap_err();
    assert!(
        matches!(error, Error::Gpu(_)) && error.to_string().contains("rms_norm"),
        "{error}"
    );
}
