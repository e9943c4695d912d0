//! The cases of appending to caches, and their bench entries.

use super::{CACHE_FORMATS, kv_append, kv_append_paged, kv_append_ring};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::cases::{Expected, Family, Run, Tolerance};
use crate::formats;
use crate::ops::pages::{PageTables, Paged};
use crate::ops::ring;
use mettle_gpu::{Device, Format, Tensor};

/// The kernel's name, for cases and bench entries.
pub(in crate::ops) fn kernel_name(format: Format) -> &'static str {
    match format {
        Format::Turbo(_) => "kv_append_turbo",
        _ => kv_append::KernelOf::of(format).map_or("none", kv_append::KernelOf::name),
    }
}

/// The cases of `kv_append.metal`: one value, one token, a run in the middle of the cache, scattered positions, rows longer
/// than a threadgroup and such that end within a sixteen, positions outside the cache, and heads of equal, tiny and huge
/// values, of zeros, and of two of one magnitude; keys and values of sixteen bits; rings; pages. Every row that no token goes to must stay as it was.
pub(crate) fn family() -> Family {
    Family::new("kv_append", Tolerance::EXACT, |cases| {
        for format in CACHE_FORMATS {
            let mut add = |name: &str,
                           capacity: usize,
                           heads: usize,
                           head_size: usize,
                           positions: &'static [i32]| {
                let shape = [capacity, heads, head_size];
                cases.add(kernel_name(format), name, move |run: &mut Run<'_>| {
                    let mut values = || run.rng().normal(positions.len() * heads * head_size);
                    let (k, v) = (values(), values());
                    check(run, format, shape, positions, [&k, &v])
                });
            };
            add("decode", 33, 8, 128, &[32]);
            add("prompt", 16, 2, 64, &[4, 5, 6, 7, 8]);
            add("long_row", 4, 16, 256, &[2, 1]);
            add("outside", 5, 2, 32, &[4, -1, 5, 1, i32::MAX, i32::MIN]);
            if format.is_quantised() {
                add("one_block", 1, 1, 32, &[0]);
                add("scattered", 12, 3, 96, &[11, 0, 7]);
            } else {
                add("one_value", 1, 1, 1, &[0]);
                add("scattered", 12, 3, 20, &[11, 0, 7]);
            }
            cases.add(kernel_name(format), "unusual", move |run: &mut Run<'_>| {
                let k = unusual(&run.rng().normal(12 * 32));
                let v = unusual(&run.rng().normal(12 * 32));
                check(run, format, [3, 4, 32], &[2, 0, 1], [&k, &v])
            });
        }
        for format in CACHE_FORMATS {
            for (name, positions, window) in RINGS {
                cases.add(kernel_name(format), name, move |run: &mut Run<'_>| {
                    let shape = [7, 2, 32];
                    let mut values = || run.rng().normal(positions.len() * 2 * 32);
                    let (k, v) = (values(), values());
                    check_ring(run, format, shape, positions, window, [&k, &v])
                });
            }
        }
        for format in [Format::F32, Format::F16, Format::Q8_0] {
            cases.add(kernel_name(format), "paged", move |run: &mut Run<'_>| {
                check_paged(run, format)
            });
        }
        for (kernel, given, format) in FROM_16BIT {
            for (name, positions, head_size) in [
                ("prompt", [4, 5, 6, 7, 8], 64),
                ("decode_outside", [-1, 16, 15, 0, i32::MIN], 20),
            ] {
                cases.add(kernel, name, move |run: &mut Run<'_>| {
                    let shape = [16, 2, head_size];
                    let n = positions.len() * 2 * head_size;
                    let token_shape = [positions.len(), 2, head_size];
                    let (normal, more) = (run.rng().normal(n), run.rng().normal(n));
                    let (ks, k) = run.rounded(given, &normal, token_shape)?;
                    let (vs, v) = run.rounded(given, &more, token_shape)?;
                    let places = run.input(&positions, [positions.len()])?;
                    let mut cache_k = run.output(format, shape)?;
                    let mut cache_v = run.output(format, shape)?;
                    run.pass(|pass| {
                        kv_append(pass, &ks, &vs, &mut cache_k, &mut cache_v, &places)
                    })?;
                    for (cache, values) in [(&cache_k, k), (&cache_v, v)] {
                        check_stored(run, cache, &positions, &encoded(format, &values)?)?;
                    }
                    Ok(())
                });
            }
        }
    })
    .benches(benches)
}

/// Kernels for keys and values of sixteen bits, the format of these, and that of the cache.
const FROM_16BIT: [(&str, Format, Format); 2] = [
    ("kv_append_f16_f16", Format::F16, Format::F16),
    ("kv_append_f32_bf16", Format::BF16, Format::F32),
];

/// Tokens for a ring of seven rows, with what they see: before it is full, where it begins anew, all of it at once, and at the last positions.
const RINGS: [(&str, &[i32], u32); 4] = [
    ("ring_begins", &[0, 1, 2, -1], 4),
    ("ring_anew", &[26, 27, 28, 29], 4),
    ("ring_whole", &[38, 39, 40, 41, 42, 43, 44], 1),
    ("ring_far", &[i32::MAX - 1, i32::MAX, i32::MIN], 5),
];

/// Heads of 32 with values that encoders may stumble over.
fn unusual(values: &[f32]) -> Vec<f32> {
    let change: [fn(usize, f32) -> f32; 11] = [
        |_, _| 0.0,
        |_, _| -0.0,
        |_, _| 1.75,
        |_, _| -3.5,
        // The largest magnitude with both signs, in either order.
        |i, x| if i < 2 { 8.0 - 16.0 * i as f32 } else { x },
        |i, x| if i < 2 { 16.0 * i as f32 - 8.0 } else { x },
        // One value beside which the others vanish.
        |i, x| if i == 17 { 3e4 } else { x },
        |_, x| 1e4 * x,
        // Scales that halves hold with few bits, and that they do not hold.
        |_, x| 1e-6 * x,
        |_, x| 1e-12 * x,
        // Halfway between codes.
        |i, _| if i == 0 { -8.0 } else { i as f32 / 4.0 - 4.0 },
    ];
    let heads = values.chunks(32).zip(change.into_iter().cycle());
    heads
        .flat_map(|(head, change)| head.iter().enumerate().map(move |(i, &x)| change(i, x)))
        .collect()
}

fn benches(benches: &mut Benches) {
    for format in CACHE_FORMATS {
        add_bench(benches, format);
    }
    add_bench_of(benches, Format::F32, Format::F16, Some(16));
    for (_, given, format) in FROM_16BIT {
        add_bench_of(benches, given, format, None);
    }
}

/// One token and a prompt, eight heads of 128.
pub(in crate::ops) fn add_bench(benches: &mut Benches, format: Format) {
    add_bench_of(benches, Format::F32, format, None);
}

/// The same of keys and values of a format, to a cache in pages of so many rows.
fn add_bench_of(benches: &mut Benches, given: Format, format: Format, page_size: Option<usize>) {
    let (heads, head_size, capacity) = (8, 128, 4096);
    let kernel = FROM_16BIT.iter().find(|of| (of.1, of.2) == (given, format));
    let kernel = kernel.map_or(kernel_name(format), |of| of.0);
    for tokens in [1, 512] {
        let values = 2 * tokens * heads * head_size;
        let stored = values / format.block_len() * format.block_bytes();
        let paged = page_size.map_or(String::new(), |size| format!("_pages{size}"));
        benches.add(
            kernel,
            format!("tokens{tokens}_heads{heads}_head{head_size}{paged}"),
            Work::new(given.block_bytes() * values + stored, 0),
            move |setup| {
                let shape = [tokens, heads, head_size];
                let (k, v) = (
                    setup.values_as(given, shape)?,
                    setup.values_as(given, shape)?,
                );
                let positions: Vec<i32> = (0..tokens as i32).collect();
                let positions = setup.of(&positions)?;
                let Some(page_size) = page_size else {
                    let mut cache_k = setup.output(format, [capacity, heads, head_size])?;
                    let mut cache_v = setup.output(format, [capacity, heads, head_size])?;
                    return Ok(Box::new(move |pass| {
                        kv_append(pass, &k, &v, &mut cache_k, &mut cache_v, &positions)
                    }));
                };
                let pages = capacity / page_size;
                let pool = [pages, page_size, heads, head_size];
                let (mut pool_k, mut pool_v) =
                    (setup.output(format, pool)?, setup.output(format, pool)?);
                let tables = scattered(setup.device(), page_size, pages)?;
                let sequence_of = setup.of(&vec![0u32; tokens])?;
                Ok(Box::new(move |pass| {
                    let pages = Paged {
                        tables: &tables,
                        sequence_of: &sequence_of,
                    };
                    kv_append_paged(pass, &k, &v, &mut pool_k, &mut pool_v, &positions, pages)
                }))
            },
        );
    }
}

/// Tables of one sequence that has all pages of a pool, of which there are a power of two, in an order that no two neighbours keep.
pub(in crate::ops) fn scattered(
    device: &Device,
    page_size: usize,
    pages: usize,
) -> Result<PageTables> {
    let order: Vec<u32> = (0..pages).map(|i| (i * 37 % pages) as u32).collect();
    PageTables::new(device, page_size, pages, &[order])
}

pub(in crate::ops) fn check(
    run: &mut Run<'_>,
    format: Format,
    shape: [usize; 3],
    positions: &[i32],
    [k, v]: [&[f32]; 2],
) -> Result<()> {
    let [_, heads, head_size] = shape;
    let token_shape = [positions.len(), heads, head_size];
    let (ks, vs) = (run.input(k, token_shape)?, run.input(v, token_shape)?);
    let places = run.input(positions, [positions.len()])?;
    let (mut cache_k, mut cache_v) = (run.output(format, shape)?, run.output(format, shape)?);
    run.pass(|pass| kv_append(pass, &ks, &vs, &mut cache_k, &mut cache_v, &places))?;
    for (cache, values) in [(&cache_k, k), (&cache_v, v)] {
        let stored = encoded(format, values)?;
        check_stored(run, cache, positions, &stored)?;
    }
    Ok(())
}

/// The same of rings.
pub(in crate::ops) fn check_ring(
    run: &mut Run<'_>,
    format: Format,
    shape: [usize; 3],
    positions: &[i32],
    window: u32,
    [k, v]: [&[f32]; 2],
) -> Result<()> {
    let [rows, heads, head_size] = shape;
    let token_shape = [positions.len(), heads, head_size];
    let (ks, vs) = (run.input(k, token_shape)?, run.input(v, token_shape)?);
    let at = run.input(positions, [positions.len()])?;
    let (mut ring_k, mut ring_v) = (run.output(format, shape)?, run.output(format, shape)?);
    run.pass(|pass| kv_append_ring(pass, &ks, &vs, &mut ring_k, &mut ring_v, &at, window))?;
    for (ring, values) in [(&ring_k, k), (&ring_v, v)] {
        let stored = encoded(format, values)?;
        check_stored(run, ring, &ring::rows_of(positions, rows), &stored)?;
    }
    Ok(())
}

/// Tokens of three sequences, whose pages lie in the pool in no order: the first and last rows of pages, and positions that have none.
fn check_paged(run: &mut Run<'_>, format: Format) -> Result<()> {
    const PAGE: usize = 16;
    const POOL: usize = 8;
    const SEQUENCES: [&[u32]; 3] = [&[6, 1, 4], &[3], &[0, 7]];
    const TOKENS: [(u32, i32); 12] = [
        (0, 0),
        (1, 0),
        (0, 47),
        (2, 15),
        (2, 16),
        (0, 31),
        (1, 16),
        (0, 48),
        (3, 0),
        (2, -1),
        (u32::MAX, 5),
        (1, i32::MAX),
    ];
    let (heads, head_size) = (2, 32);
    let n = TOKENS.len() * heads * head_size;
    let (k, v) = (run.rng().normal(n), run.rng().normal(n));
    let shape = [TOKENS.len(), heads, head_size];
    let (ks, vs) = (run.input(&k, shape)?, run.input(&v, shape)?);
    let positions = run.input(&TOKENS.map(|(_, position)| position), [TOKENS.len()])?;
    let sequence_of = run.input(&TOKENS.map(|(sequence, _)| sequence), [TOKENS.len()])?;
    let tables = PageTables::new(run.device(), PAGE, POOL, &SEQUENCES)?;
    let pages = Paged {
        tables: &tables,
        sequence_of: &sequence_of,
    };
    let pool = [POOL, PAGE, heads, head_size];
    let (mut pool_k, mut pool_v) = (run.output(format, pool)?, run.output(format, pool)?);
    run.pass(|pass| kv_append_paged(pass, &ks, &vs, &mut pool_k, &mut pool_v, &positions, pages))?;
    // The rows of the pool that tokens go to.
    let rows = TOKENS.map(|(sequence, position)| {
        let pages = SEQUENCES.get(sequence as usize);
        let position = usize::try_from(position).ok();
        let page = pages
            .zip(position)
            .and_then(|(pages, at)| pages.get(at / PAGE));
        page.zip(position)
            .map_or(-1, |(&page, at)| (page as usize * PAGE + at % PAGE) as i32)
    });
    for (pool, values) in [(&pool_k, k), (&pool_v, v)] {
        let pool = pool.reshape([POOL * PAGE, heads, head_size])?;
        check_stored(run, &pool, &rows, &encoded(format, &values)?)?;
    }
    Ok(())
}

/// What rows of `values` are in a cache of a format.
pub(in crate::ops) fn encoded(format: Format, values: &[f32]) -> Result<Vec<u8>> {
    let mut bytes = vec![0; values.len() / format.block_len() * format.block_bytes()];
    formats::quantize(format, values, &mut bytes)?;
    Ok(bytes)
}

/// Compares a cache, bit for bit, with one to which the rows of some tokens, in `stored`, have been appended at `positions`.
pub(in crate::ops) fn check_stored(
    run: &mut Run<'_>,
    cache: &Tensor,
    positions: &[i32],
    stored: &[u8],
) -> Result<()> {
    let capacity = cache.shape()[0];
    let row_bytes = cache.byte_len() / capacity;
    let bytes = Tensor::from_buffer(cache.bytes().clone(), Format::U8, [cache.byte_len()])?;
    run.check(&bytes, || {
        let mut expected = vec![Expected::untouched(); capacity * row_bytes];
        for (row, &position) in stored.chunks_exact(row_bytes).zip(positions) {
            let place = usize::try_from(position).ok();
            if let Some(place) = place.filter(|&place| place < capacity) {
                let row = row.iter().map(|&byte| Expected::exact(byte));
                for (to, byte) in expected[place * row_bytes..].iter_mut().zip(row) {
                    *to = byte;
                }
            }
        }
        expected
    })
}
