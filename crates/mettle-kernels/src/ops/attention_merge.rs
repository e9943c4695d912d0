//! The launch that joins what attention found for each split of the keys.

use super::attention::{BENCH_HEADS, Path, Sizes, check};
use super::attention_grouped::{Call, Plan};
use super::pages::PageArguments;
use crate::Result;
use crate::bench::Work;
use crate::bindings::attention_merge::{Constants, Kernel, Params};
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Buffer, Format, Grid, Pass};

/// Floats of a partial result before its values: `PARTIAL_HEADER` of `mettle/attention_partials.h`.
const PARTIAL_HEADER: usize = 4;

/// Threads of a threadgroup, at most, and splits that each asks for at a time: `MAX_THREADS` and `MERGED` of `attention_merge.metal`.
const MAX_THREADS: usize = 512;
const MERGED: usize = 16;

/// Floats of the partial results of so many splits.
pub(super) fn partial_len(call: &Call<'_>, splits: usize) -> usize {
    call.tokens * call.heads * splits * (PARTIAL_HEADER + call.head_size)
}

/// Records the launch.
pub(super) fn merge(
    pass: &mut Pass,
    call: &Call<'_>,
    splits: usize,
    partial: &Buffer<f32>,
    out: &mut Buffer<f32>,
) -> Result<()> {
    let kernel = Kernel {
        partial,
        out,
        params: Params {
            heads: call.heads as u32,
            splits: splits as u32,
        },
        // Without sinks it is not read.
        sinks: call.sinks.unwrap_or(call.q),
        constants: Constants {
            head_size: call.head_size as u32,
            sinks: call.sinks.is_some(),
        },
    };
    let threads = call.head_size * splits.div_ceil(MERGED);
    let threads = threads.next_multiple_of(32).min(MAX_THREADS);
    let grid = Grid::groups([call.heads, call.tokens]).threads(threads);
    Ok(pass.dispatch(kernel, grid)?)
}

/// The cases of `attention_merge.metal`: splits for one row of threads and for several, and more than these ask for at a time, in heads that fill the last SIMD group and in
/// such that do not; splits without keys.
pub(crate) fn family() -> Family {
    Family::new("attention_merge", Tolerance::MATMUL, |cases| {
        for (splits, head_size) in [
            (40, 64),
            (16, 80),
            (40, 80),
            (9, 128),
            (33, 128),
            (150, 256),
        ] {
            let name = format!("splits{splits}_head{head_size}");
            cases.add("attention_merge", name, move |run| {
                let sizes = Sizes {
                    heads: 2,
                    kv_heads: 1,
                    head_size,
                    capacity: 5200,
                    positions: &[5190, 5121, 40],
                    ..Sizes::DECODE
                };
                let path = Path::Grouped(Some(Plan::Splits(splits)));
                check(run, path, Format::F16, sizes)
            });
        }
    })
    .benches(|benches| {
        let (heads, kv_heads, head_size) = BENCH_HEADS;
        // The results of splits as an H200 has them: of attention_decode and of attention_grouped.
        for splits in [16, 49] {
            let len = heads * splits * (PARTIAL_HEADER + head_size);
            let work = Work::new(4 * (len + heads * head_size), 2 * len);
            let shape = format!("splits{splits}_heads{heads}_head{head_size}");
            benches.add("attention_merge", shape, work, move |setup| {
                let partial = setup.values([len])?;
                let cache = setup.output(Format::F16, [8192, kv_heads, head_size])?;
                let positions = setup.of(&[8191])?;
                let out = setup.output(Format::F32, [heads * head_size])?;
                Ok(Box::new(move |pass| {
                    let positions = positions.buffer()?;
                    let call = Call {
                        tokens: 1,
                        heads,
                        kv_heads,
                        head_size,
                        capacity: 8192,
                        rows: 8192,
                        ring: 0,
                        window: 0,
                        scale: 1.0,
                        softcap: None,
                        sinks: None,
                        q: &partial.buffer()?,
                        format: Format::F16,
                        k: cache.bytes(),
                        v: cache.bytes(),
                        positions: &positions,
                        pages: &PageArguments::none(&positions)?,
                    };
                    merge(pass, &call, splits, &partial.buffer()?, &mut out.buffer()?)
                }))
            });
        }
    })
}
