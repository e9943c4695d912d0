//! The bench entries of attention.

use super::cases::kernel_name;
use super::paged::PAGE_SIZE;
use super::{Attention, Inputs, Path, mapped};
use crate::bench::{Benches, Work};
use crate::bindings::CACHE_FORMATS;
use crate::ops::kv_append::scattered;
use crate::ops::pages::Paged;
use crate::ops::ring::ring_rows;
use mettle_gpu::{Device, Format, Shape};

/// One token that sees many keys, and a prompt; with a mask, too, with pages, and over a ring.
pub(super) fn benches(benches: &mut Benches) {
    for format in CACHE_FORMATS {
        for (tokens, keys) in [(1, 1024), (1, 8192), (128, 128)] {
            add_bench(benches, kernel_name(format), format, tokens, keys, alone);
        }
    }
    add_bench_of(
        benches,
        kernel_name(Format::F32),
        Entry {
            mask: Some(Format::F32),
            ..Entry::new(Format::F32, 128, 128, alone)
        },
    );
    for keys in [1024, 8192] {
        add_paged_bench(benches, kernel_name(Format::F16), keys, alone);
        add_ring_bench(benches, kernel_name(Format::F16), keys, alone);
    }
}

/// The path of `attention.metal`: on GPUs attention_grouped has entries of its own.
pub(in crate::ops) fn alone(device: &Device) -> Path {
    match Path::of(device) {
        Path::Grouped(_) | Path::Decode(_) | Path::Tiles(_) => Path::Group,
        path => path,
    }
}

/// Tokens at a time that the rings of bench entries are for.
const RING_TOKENS: usize = 512;

/// Heads of the queries, heads of keys and values, and values of a head in bench entries: groups of four.
pub(in crate::ops) const BENCH_HEADS: (usize, usize, usize) = (32, 8, 128);

/// An entry of the last `tokens` of `keys` positions.
pub(in crate::ops) fn add_bench(
    benches: &mut Benches,
    kernel: &'static str,
    format: Format,
    tokens: usize,
    keys: usize,
    path: fn(&Device) -> Path,
) {
    add_bench_of(benches, kernel, Entry::new(format, tokens, keys, path));
}

/// An entry of one token over a cache of F16 in pages.
pub(in crate::ops) fn add_paged_bench(
    benches: &mut Benches,
    kernel: &'static str,
    keys: usize,
    path: fn(&Device) -> Path,
) {
    let paged = true;
    let entry = Entry::new(Format::F16, 1, keys, path);
    add_bench_of(benches, kernel, Entry { paged, ..entry });
}

/// An entry of one token behind a window of `keys`, over a ring of F16 with room for 512 tokens at a time. Half of the keys are those before it began anew.
pub(in crate::ops) fn add_ring_bench(
    benches: &mut Benches,
    kernel: &'static str,
    keys: usize,
    path: fn(&Device) -> Path,
) {
    let ring = true;
    let entry = Entry::new(Format::F16, 1, keys, path);
    add_bench_of(benches, kernel, Entry { ring, ..entry });
}

/// What a bench entry computes.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Entry {
    /// Of the cache.
    pub format: Format,
    pub tokens: usize,
    pub keys: usize,
    pub path: fn(&Device) -> Path,
    /// Of queries and results.
    pub activations: Format,
    pub mask: Option<Format>,
    pub paged: bool,
    pub ring: bool,
}

impl Entry {
    /// The last `tokens` of `keys` positions.
    pub fn new(format: Format, tokens: usize, keys: usize, path: fn(&Device) -> Path) -> Entry {
        Entry {
            format,
            tokens,
            keys,
            path,
            activations: Format::F32,
            mask: None,
            paged: false,
            ring: false,
        }
    }
}

pub(in crate::ops) fn add_bench_of(benches: &mut Benches, kernel: &'static str, entry: Entry) {
    let Entry {
        format,
        tokens,
        keys,
        path,
        activations,
        mask,
        paged,
        ring,
    } = entry;
    let (heads, kv_heads, head_size) = BENCH_HEADS;
    let mut name = format!("tokens{tokens}_keys{keys}_heads{heads}_{kv_heads}_head{head_size}");
    if let Some(mask) = mask {
        name.push_str(&format!("_mask_{mask}").to_lowercase());
    }
    if paged {
        name.push_str(&format!("_pages{PAGE_SIZE}"));
    }
    if ring {
        name.push_str("_ring");
    }
    let rows = match ring {
        true => ring_rows(keys, RING_TOKENS),
        false => keys,
    };
    let cache = 2 * keys * kv_heads * head_size / format.block_len() * format.block_bytes();
    let of_mask = mask.map_or(0, |mask| tokens * keys * mask.block_bytes());
    // Tokens of a prompt see half of each other on average.
    let seen = keys - tokens / 2;
    let work = Work::new(
        cache + of_mask + 2 * activations.block_bytes() * tokens * heads * head_size,
        4 * tokens * seen * heads * head_size,
    );
    benches.add(kernel, name, work, move |setup| {
        let q = setup.values_as(activations, [tokens, heads, head_size])?;
        let shape: Shape = match paged {
            true => [keys / PAGE_SIZE, PAGE_SIZE, kv_heads, head_size].into(),
            false => [rows, kv_heads, head_size].into(),
        };
        let cache_k = setup.rounded(format, shape)?;
        let cache_v = setup.rounded(format, shape)?;
        let last = match ring {
            true => rows + keys / 2,
            false => keys,
        };
        let positions: Vec<i32> = (last - tokens..last).map(|p| p as i32).collect();
        let positions = setup.of(&positions)?;
        let mask = match mask {
            Some(mask) => Some(setup.values_as(mask, [tokens, keys])?),
            None => None,
        };
        let tables = match paged {
            true => Some(scattered(setup.device(), PAGE_SIZE, keys / PAGE_SIZE)?),
            false => None,
        };
        let sequence_of = setup.of(&vec![0u32; tokens])?;
        let mut out = setup.output(activations, [tokens, heads, head_size])?;
        let options = Attention {
            scale: 1.0 / (head_size as f32).sqrt(),
            window: ring.then_some(keys as u32),
            softcap: None,
            sinks: None,
        };
        Ok(Box::new(move |pass| {
            let inputs = Inputs {
                mask: mask.as_ref(),
                pages: tables.as_ref().map(|tables| Paged {
                    tables,
                    sequence_of: &sequence_of,
                }),
                ring,
                ..Inputs::new(&q, &cache_k, &cache_v, &positions)
            };
            let path = path(pass.device());
            mapped(pass, path, inputs, &options, &mut out)
        }))
    });
}
