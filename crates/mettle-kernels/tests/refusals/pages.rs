//! Of caches in pages and in rings, masks over keys, and activations of sixteen bits.

use super::{device, f32s, i32s, refused, u32s};
use half::{bf16, f16};
use mettle_gpu::{Format, Scalar, Tensor, Turbo};
use mettle_kernels::Error;
use mettle_kernels::ops::{self, Attention, PageTables, Paged};

const PLAIN: Attention<'static> = Attention {
    scale: 0.25,
    window: None,
    softcap: None,
    sinks: None,
};

fn zeros<T: Scalar>(shape: impl Into<mettle_gpu::Shape>) -> Tensor {
    Tensor::zeros::<T>(&device(), shape).unwrap()
}

#[test]
fn page_tables() {
    let d = device();
    let error = |page_size: usize, pool: usize, sequences: &[&[u32]]| match PageTables::new(
        &d, page_size, pool, sequences,
    )
    .unwrap_err()
    {
        Error::Argument {
            op,
            argument,
            reason,
        } => {
            assert_eq!(op, "PageTables");
            (argument, reason)
        }
        other => panic!("{other}"),
    };
    for page_size in [0, 8, 24] {
        assert_eq!(error(page_size, 4, &[&[0]]).0, "page_size");
    }
    assert_eq!(error(16, 4, &[]).0, "sequences");
    assert_eq!(error(16, usize::MAX / 2, &[&[0]]).0, "pool");
    let (argument, reason) = error(16, 4, &[&[3], &[0, 4]]);
    assert_eq!(argument, "sequences");
    assert_eq!(reason, "has page 4 in sequence 1, the pool has 4 pages");
    assert_eq!(error(16, 4, &[&[u32::MAX]]).0, "sequences");
    let tables = PageTables::new(&d, 16, 4, &[&[3][..], &[0, 1, 2], &[]]).unwrap();
    assert_eq!(tables.capacity(), 48);
}

#[test]
fn pools() {
    let d = device();
    let tables = PageTables::new(&d, 16, 4, &[[3u32, 0]]).unwrap();
    let token = f32s(&d, [2, 2, 32]);
    let (mut pool, flat) = (f32s(&d, [4, 16, 2, 32]), f32s(&d, [64, 2, 32]));
    let (larger, other) = (f32s(&d, [5, 16, 2, 32]), f32s(&d, [2, 32, 2, 32]));
    let positions = i32s(&d, 2);
    let (sequences, few) = (u32s(&d, 2), u32s(&d, 1));
    let of = |sequence_of| Paged {
        tables: &tables,
        sequence_of,
    };
    let mut out = token.clone();
    for wrong in [&flat, &larger, &other] {
        refused("attention", "cache_k", |p| {
            let pages = of(&sequences);
            ops::attention_paged(p, &token, wrong, wrong, &positions, pages, &PLAIN, &mut out)
        });
        refused("kv_append", "cache_k", |p| {
            let (mut k, mut v, pages) = (wrong.clone(), pool.clone(), of(&sequences));
            ops::kv_append_paged(p, &token, &token, &mut k, &mut v, &positions, pages)
        });
    }
    refused("attention", "sequence_of", |p| {
        let pages = of(&few);
        ops::attention_paged(p, &token, &pool, &pool, &positions, pages, &PLAIN, &mut out)
    });
    refused("attention", "cache_v", |p| {
        let pages = of(&sequences);
        ops::attention_paged(
            p, &token, &pool, &larger, &positions, pages, &PLAIN, &mut out,
        )
    });
    refused("kv_append", "sequence_of", |p| {
        let (mut v, pages) = (pool.clone(), of(&few));
        ops::kv_append_paged(p, &token, &token, &mut pool, &mut v, &positions, pages)
    });
}

/// No token takes the place of a key that another one is still to see.
#[test]
fn rings() {
    let d = device();
    let token = f32s(&d, [2, 4, 16]);
    let (mut k, mut v) = (f32s(&d, [9, 4, 16]), f32s(&d, [9, 4, 16]));
    let positions = i32s(&d, 2);
    for (argument, window) in [("window", 0), ("cache_k", 9), ("cache_k", u32::MAX)] {
        refused("kv_append", argument, |p| {
            ops::kv_append_ring(p, &token, &token, &mut k, &mut v, &positions, window)
        });
    }
    let mut out = f32s(&d, [2, 4, 16]);
    for (argument, window) in [
        ("window", None),
        ("window", Some(0)),
        ("cache_k", Some(9)),
        ("cache_k", Some(u32::MAX)),
    ] {
        let options = Attention { window, ..PLAIN };
        refused("attention", argument, |p| {
            ops::attention_ring(p, &token, &k, &v, &positions, &options, &mut out)
        });
    }
    let error = ops::kv_append_ring(&mut d.pass(), &token, &token, &mut k, &mut v, &positions, 9);
    assert_eq!(
        error.unwrap_err().to_string(),
        "kv_append: cache_k is a ring of 9 rows, must have 10 for a window of 9 keys and 2 tokens at a time"
    );
    assert_eq!((ops::ring_rows(8, 2), ops::ring_rows(8, 1)), (9, 8));
}

#[test]
fn masks() {
    let d = device();
    let q = f32s(&d, [3, 4, 16]);
    let (cache, positions) = (f32s(&d, [9, 2, 16]), i32s(&d, 3));
    let mut out = q.clone();
    let mut masked = |argument: &str, mask: &Tensor| {
        refused("attention", argument, |p| {
            ops::attention_masked(p, &q, &cache, &cache, &positions, mask, &PLAIN, &mut out)
        });
    };
    masked("mask", &f32s(&d, [3, 8]));
    masked("mask", &f32s(&d, [2, 9]));
    masked("mask", &f32s(&d, [4, 9]));
    masked("mask", &f32s(&d, [3, 12]).columns_range(0..9).unwrap());
    masked("", &i32s(&d, 27).reshape([3, 9]).unwrap());
}

#[test]
fn sixteen_bits() {
    let d = device();
    let (halves, bfloats) = (zeros::<f16>([3, 4, 64]), zeros::<bf16>([3, 4, 64]));
    let positions = i32s(&d, 3);
    let cache = |format| Tensor::empty_as(&d, format, [9, 4, 64]).unwrap();
    let turbo = Format::Turbo(Turbo::new(4, 64).unwrap());
    for format in [Format::F32, Format::BF16, Format::Q8_0, turbo] {
        let cache = cache(format);
        refused("attention", "", |p| {
            let mut out = zeros::<f16>([3, 4, 64]);
            ops::attention(p, &halves, &cache, &cache, &positions, &PLAIN, &mut out)
        });
        refused("kv_append", "", |p| {
            let (mut k, mut v) = (cache.clone(), cache.clone());
            ops::kv_append(p, &halves, &halves, &mut k, &mut v, &positions)
        });
    }
    refused("attention", "out", |p| {
        let cache = cache(Format::F16);
        let mut out = f32s(&d, [3, 4, 64]);
        ops::attention(p, &halves, &cache, &cache, &positions, &PLAIN, &mut out)
    });
    refused("kv_append", "v", |p| {
        let (mut k, mut v) = (cache(Format::F16), cache(Format::F16));
        ops::kv_append(p, &halves, &bfloats, &mut k, &mut v, &positions)
    });
    refused("kv_append", "", |p| {
        let (mut k, mut v) = (cache(Format::F16), cache(Format::F16));
        ops::kv_append(p, &bfloats, &bfloats, &mut k, &mut v, &positions)
    });
}

#[test]
fn reading_back() {
    let d = device();
    let turbo = Format::Turbo(Turbo::new(4, 64).unwrap());
    let cache = Tensor::empty_as(&d, turbo, [9, 2, 64]).unwrap();
    let flat = Tensor::empty_as(&d, turbo, [9, 128]).unwrap();
    let positions = i32s(&d, 3);
    let mut out = f32s(&d, [3, 2, 64]);
    refused("kv_read", "", |p| {
        ops::kv_read(p, &f32s(&d, [9, 2, 64]), &positions, &mut out)
    });
    refused("kv_read", "cache", |p| {
        ops::kv_read(p, &flat, &positions, &mut out)
    });
    refused("kv_read", "positions", |p| {
        ops::kv_read(p, &cache, &u32s(&d, 3), &mut out)
    });
    refused("kv_read", "out", |p| {
        ops::kv_read(p, &cache, &i32s(&d, 2), &mut out)
    });
}
