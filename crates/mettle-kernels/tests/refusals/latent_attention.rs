//! Latent attention: what goes into the cache, and the queries beside it.

use super::{device, f32s, i32s, refused};
use mettle_gpu::{Format, Tensor};
use mettle_kernels::ops::{self, LatentKeys, LatentQueries, Norm, Pairing, Rope, RopeConfig};

#[test]
fn latent_append() {
    let d = device();
    let turn = Rope::new(&d, &RopeConfig::new(Pairing::Interleaved, 4, 1e4)).unwrap();
    let (latent, rotary, weight) = (f32s(&d, [3, 6]), f32s(&d, [3, 4]), f32s(&d, [6]));
    let norm = Norm {
        weight: &weight,
        eps: 1e-6,
    };
    let good = LatentKeys {
        latent: &latent,
        norm,
        rotary: &rotary,
    };
    let (positions, mut cache) = (i32s(&d, 3), f32s(&d, [8, 1, 10]));
    let wide = f32s(&d, [3, 5]);
    let negative = Norm { eps: -1.0, ..norm };
    let short = Norm {
        weight: &f32s(&d, [5]),
        ..norm
    };
    for (argument, keys) in [
        (
            "rotary_key",
            LatentKeys {
                rotary: &wide,
                ..good
            },
        ),
        (
            "norm",
            LatentKeys {
                norm: short,
                ..good
            },
        ),
        (
            "eps",
            LatentKeys {
                norm: negative,
                ..good
            },
        ),
    ] {
        refused("latent_append", argument, |p| {
            ops::latent_append(p, keys, None, &turn, &mut cache, &positions)
        });
    }
    refused("latent_append", "positions", |p| {
        ops::latent_append(p, good, None, &turn, &mut cache, &i32s(&d, 2))
    });
    refused("latent_append", "cache", |p| {
        ops::latent_append(p, good, None, &turn, &mut f32s(&d, [8, 1, 9]), &positions)
    });
    let mut blocks = Tensor::empty_as(&d, Format::Q8_0, [8, 1, 32]).unwrap();
    refused("latent_append", "", |p| {
        ops::latent_append(p, good, None, &turn, &mut blocks, &positions)
    });
    let shapes = |absorbed: usize, rotary: usize, query: [usize; 3]| {
        [
            f32s(&d, [2, 5, absorbed]),
            f32s(&d, [2, 5, rotary]),
            f32s(&d, query),
        ]
    };
    for (argument, [absorbed, rotary, mut query]) in [
        ("absorbed", shapes(7, 4, [2, 5, 10])),
        ("rotary_query", shapes(6, 3, [2, 5, 10])),
        ("query", shapes(6, 4, [2, 5, 11])),
        ("query", shapes(6, 4, [4, 5, 10])),
    ] {
        refused("latent_append", argument, |p| {
            let queries = LatentQueries {
                absorbed: &absorbed,
                rotary: &rotary,
                query: &mut query,
            };
            ops::latent_append(p, good, Some(queries), &turn, &mut cache, &positions)
        });
    }
}
