//! What ops do not accept is refused before anything is launched, naming the op and the argument.

use mettle_gpu::{Device, Format, Pass, Preference, Shape, Tensor};
use mettle_kernels::ops::{
    self, Attention, Binary, CacheRows, Fusion, HeadBiases, HeadNorms, L2Eps, NormWeight, Pairing,
    ProjectedHeads, ResidualNorm, Rope, RopeConfig, Sampling, Unary,
};
use mettle_kernels::{Error, Result};

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
fn rows() {
    let d = device();
    let (x, mut out) = (f32s(&d, [4, 6]), f32s(&d, [4, 6]));
    refused("rms_norm", "weight", |p| {
        ops::rms_norm(p, &x, &f32s(&d, [5]), 1e-6, &mut out)
    });
    refused("rms_norm", "eps", |p| {
        ops::rms_norm(p, &x, &f32s(&d, [6]), f32::NAN, &mut out)
    });
    refused("rms_norm_assign", "weight", |p| {
        ops::rms_norm_assign(p, &mut out, &f32s(&d, [4]), 1e-6)
    });
    refused("rms_norm_assign", "eps", |p| {
        ops::rms_norm_assign(p, &mut out, &f32s(&d, [6]), -1e-6)
    });
    // Heads first is another shape than tokens first.
    let heads = f32s(&d, [2, 3, 8]);
    refused("rms_norm", "out", |p| {
        ops::rms_norm_permuted(p, &heads, NormWeight::None, 1e-6, &mut f32s(&d, [2, 3, 8]))
    });
    refused("rms_norm_gated", "z", |p| {
        ops::rms_norm_gated(p, &x, NormWeight::None, 1e-6, &f32s(&d, [4, 5]), &mut out)
    });
    refused("sum_squares", "out", |p| {
        ops::sum_squares(p, &x, &mut f32s(&d, [3]))
    });
    refused("layer_norm", "bias", |p| {
        ops::layer_norm(p, &x, None, Some(&f32s(&d, [4])), 1e-6, &mut out)
    });
    refused("l2_norm", "eps", |p| {
        ops::l2_norm(p, &x, L2Eps::Floor(-1.0), &mut out)
    });
    refused("l2_norm", "", |p| {
        ops::l2_norm(p, &i32s(&d, 4), L2Eps::Added(0.0), &mut i32s(&d, 4))
    });
    let norm = ResidualNorm {
        first: None,
        eps: 1e-6,
        scale: 1.0,
        out_scale: 1.0,
    };
    let weight = f32s(&d, [6]);
    refused("residual_norm", "y", |p| {
        ops::residual_norm(p, &mut out, Some(&f32s(&d, [6, 4])), norm, &mut [])
    });
    refused("residual_norm", "scale", |p| {
        let scale = f32::NAN;
        ops::residual_norm(
            p,
            &mut out,
            Some(&x),
            ResidualNorm { scale, ..norm },
            &mut [],
        )
    });
    refused("residual_norm", "out_scale", |p| {
        let out_scale = f32::INFINITY;
        let norm = ResidualNorm { out_scale, ..norm };
        ops::residual_norm(p, &mut out, None, norm, &mut [])
    });
    refused("residual_norm", "first", |p| {
        let first = Some(NormWeight::None);
        ops::residual_norm(p, &mut out, None, ResidualNorm { first, ..norm }, &mut [])
    });
    let mut outs = [(); 4].map(|()| f32s(&d, [4, 6]));
    refused("residual_norm", "", |p| {
        let mut four: Vec<_> = outs.iter_mut().map(|out| ((&weight).into(), out)).collect();
        ops::residual_norm(p, &mut out, Some(&x), norm, &mut four)
    });
    refused("residual_norm", "", |p| {
        let [first, second, ..] = &mut outs;
        let kinds = &mut [((&weight).into(), first), (NormWeight::None, second)];
        ops::residual_norm(p, &mut out, Some(&x), norm, kinds)
    });
    refused("softmax", "out", |p| {
        ops::softmax(p, &x, &mut f32s(&d, [6, 4]))
    });
    let mask = f32s(&d, [2, 6]);
    refused("scale_mask_softmax", "mask", |p| {
        ops::scale_mask_softmax(p, &x, 1.0, &f32s(&d, [3, 6]), &mut out)
    });
    refused("scale_mask_softmax", "mask", |p| {
        ops::scale_mask_softmax(p, &x, 1.0, &f32s(&d, [2, 5]), &mut out)
    });
    refused("scale_mask_softmax", "scale", |p| {
        ops::scale_mask_softmax(p, &x, 0.0, &mask, &mut out)
    });
    refused("scale_mask_softmax", "", |p| {
        ops::scale_mask_softmax(p, &x, 1.0, &i32s(&d, 6), &mut out)
    });
    refused("rms_norm_dual", "rounded", |p| {
        ops::rms_norm_dual(
            p,
            &x,
            NormWeight::None,
            0.0,
            &mut out,
            &mut f32s(&d, [4, 6]),
        )
    });
    refused("rms_norm_dual", "rounded", |p| {
        let mut heads = f32s(&d, [2, 4, 6]);
        let x = f32s(&d, [4, 2, 6]);
        ops::rms_norm_dual_permuted(
            p,
            &x,
            NormWeight::None,
            0.0,
            &mut heads,
            &mut f32s(&d, [4, 2, 6]),
        )
    });
    refused("argmax", "out", |p| ops::argmax(p, &x, &mut u32s(&d, 6)));
    refused("argmax", "out", |p| ops::argmax(p, &x, &mut i32s(&d, 4)));
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
fn cache() {
    let d = device();
    let token = f32s(&d, [2, 4, 16]);
    let mut k = f32s(&d, [9, 4, 16]);
    let mut v = k.clone();
    let places = i32s(&d, 2);
    refused("kv_append", "v", |p| {
        ops::kv_append(p, &token, &f32s(&d, [2, 4, 15]), &mut k, &mut v, &places)
    });
    refused("kv_append", "k", |p| {
        ops::kv_append(p, &token, &token, &mut k, &mut v, &i32s(&d, 3))
    });
    let mut shorter = f32s(&d, [8, 4, 16]);
    refused("kv_append", "cache_v", |p| {
        ops::kv_append(p, &token, &token, &mut k, &mut shorter, &places)
    });
    let mut whole = i32s(&d, 9 * 64).reshape([9, 4, 16]).unwrap();
    refused("kv_append", "", |p| {
        ops::kv_append(p, &token, &token, &mut whole, &mut v, &places)
    });
    // Blocks that no kernel writes, and keys and values of two formats.
    let blocks = |format| Tensor::empty_as(&d, format, [9, 2, 32]).unwrap();
    refused("kv_append", "", |p| {
        let (mut k, mut v) = (blocks(Format::Q4_1), blocks(Format::Q4_1));
        ops::kv_append(p, &token, &token, &mut k, &mut v, &places)
    });
    refused("kv_append", "cache_v", |p| {
        let (mut k, mut v) = (blocks(Format::Q8_0), blocks(Format::Q4_0));
        ops::kv_append(p, &token, &token, &mut k, &mut v, &places)
    });

    let q = f32s(&d, [2, 12, 16]);
    let mut out = q.clone();
    let plain = Attention {
        scale: 0.25,
        window: None,
        softcap: None,
        sinks: None,
    };
    let mut attend = |argument,
                      q: &Tensor,
                      k: &Tensor,
                      v: &Tensor,
                      positions: &Tensor,
                      options: Attention<'_>| {
        refused("attention", argument, |p| {
            ops::attention(p, q, k, v, positions, &options, &mut out)
        });
    };
    attend("q", &f32s(&d, [2, 192]), &k, &v, &places, plain);
    attend("cache_k", &q, &f32s(&d, [9, 64]), &v, &places, plain);
    attend("cache_k", &q, &f32s(&d, [9, 4, 32]), &v, &places, plain);
    attend("cache_k", &q, &f32s(&d, [9, 5, 16]), &v, &places, plain);
    attend("cache_v", &q, &k, &shorter, &places, plain);
    attend("positions", &q, &k, &v, &i32s(&d, 1), plain);
    attend(
        "window",
        &q,
        &k,
        &v,
        &places,
        Attention {
            window: Some(0),
            ..plain
        },
    );
    for cap in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let capped = Attention {
            softcap: Some(cap),
            ..plain
        };
        attend("softcap", &q, &k, &v, &places, capped);
    }
    let with_sinks = |sinks| Attention {
        sinks: Some(sinks),
        ..plain
    };
    let sinks = f32s(&d, [11]);
    attend("sinks", &q, &k, &v, &places, with_sinks(&sinks));
    let sinks = i32s(&d, 12);
    attend("sinks", &q, &k, &v, &places, with_sinks(&sinks));
    attend("", &q, &whole, &v, &places, plain);
    let large = f32s(&d, [2, 12, 584]);
    attend("", &large, &f32s(&d, [9, 4, 584]), &v, &places, plain);
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
