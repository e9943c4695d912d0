//! Of appending to caches, and attention over them.

use super::{device, f32s, i32s, refused};
use mettle_gpu::{Format, Tensor};
use mettle_kernels::ops::{self, Attention};

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
