//! The launch that makes halves of a quantised cache, for [`attention`](super::attention()) of many tokens, which multiplies halves by tiles.

use super::attention::{BENCH_HEADS, OP, Path, Sizes, check};
use super::attention_grouped::Call;
use super::attention_tiles::Plan;
use super::mapping::turbo_constants;
use super::pages::PageArguments;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::kv_to_half::{Kernel, KernelOf, Params};
use crate::bindings::kv_to_half_turbo;
use crate::cases::{Cases, Family, Tolerance};
use half::f16;
use mettle_gpu::{Buffer, DeviceKind, Format, Grid, Pass};

/// Rows of a threadgroup: `ROWS` of `kv_to_half.metal`.
const ROWS: usize = 8;

/// Threads of a threadgroup.
const THREADS: usize = 256;

/// Sizes of the heads that halves are made for: those that `attention_tiles.metal` is compiled for everywhere.
pub(super) const HEAD_SIZES: [usize; 3] = [64, 128, 256];

/// Values of what a thread reads at a time.
const VECTOR_VALUES: usize = 8;

/// Bytes of scratch memory that [`attention`](super::attention()) of many tokens takes on a kind of device for halves of a cache, `[rows, kv_heads, head_size]`: none of those
/// whose values are no blocks, and on CPUs.
pub fn bytes_of_halves(kind: DeviceKind, format: Format, cache: [usize; 3]) -> u64 {
    let [.., head_size] = cache;
    if kind == DeviceKind::Cpu || !has_kernel(format, head_size) {
        return 0;
    }
    let values = cache.iter().fold(2u64, |n, &d| n.saturating_mul(d as u64));
    values.saturating_mul(size_of::<f16>() as u64)
}

/// Whether there is a kernel for caches of a format: their heads are single blocks, or several smaller ones than they are.
fn has_kernel(format: Format, head_size: usize) -> bool {
    HEAD_SIZES.contains(&head_size)
        && match format {
            Format::Turbo(turbo) => turbo.values() == head_size,
            format => KernelOf::of(format).is_some(),
        }
}

/// Whether there is a kernel for a call's cache.
pub(super) fn serves(call: &Call<'_>) -> bool {
    let vectors = call.rows * call.kv_heads * call.head_size / VECTOR_VALUES;
    has_kernel(call.format, call.head_size) && !call.pages.paged && vectors <= u32::MAX as usize
}

/// Records the launch: rows of the call's caches that its tokens see, as halves. Others of `k` and `v` are not written.
pub(super) fn kv_to_half(
    pass: &mut Pass,
    call: &Call<'_>,
    [k, v]: [&mut Buffer<f16>; 2],
) -> Result<()> {
    let params = Params {
        capacity: call.capacity as u32,
        ring: call.ring,
        window: call.window,
        heads: call.kv_heads as u32,
        head_size: call.head_size as u32,
        tokens: call.tokens as u32,
    };
    let grid = Grid::groups([call.rows.div_ceil(ROWS), 2]).threads(THREADS);
    if let Format::Turbo(turbo) = call.format {
        let (turbo_bits, turbo_values) = turbo_constants(turbo);
        let kernel = kv_to_half_turbo::Kernel {
            k: &call.k.cast()?,
            v: &call.v.cast()?,
            positions: call.positions,
            to_k: k,
            to_v: v,
            params: bytemuck::cast(params),
            constants: kv_to_half_turbo::Constants {
                turbo_bits,
                turbo_values,
            },
        };
        return Ok(pass.dispatch(kernel, grid)?);
    }
    let kernel = KernelOf::of(call.format);
    let kernel = Kernel {
        kernel: kernel.ok_or_else(|| OP.no_kernel_for_cache(call.format))?,
        k: call.k,
        v: call.v,
        positions: call.positions,
        to_k: k,
        to_v: v,
        params,
    };
    Ok(pass.dispatch(kernel, grid)?)
}

/// Keys and values are rounded to half: a product with one of them is off by up to 2^-11 of it, 4096 steps of f32. So a result is off by as much for its
/// values, and by twice what its scores are off by for its weights; of the scores of the cases, all their products taken as positive, none is above 16.
/// The mean square error of a half is at most 2^-22 / 3 of its square, and scores, whose squares are about 1, bring as much as values.
pub(super) const HALVES: Tolerance = Tolerance {
    nmse: 1.6e-7,
    steps: (1.0 + 2.0 * 16.0) * 4096.0,
};

/// The kernel's name, for cases and bench entries.
fn kernel_name(format: Format) -> &'static str {
    match format {
        Format::Turbo(_) => "kv_to_half_turbo",
        _ => KernelOf::of(format).map_or("none", KernelOf::name),
    }
}

/// The cases of `kv_to_half.metal`, with the attention that it is for: heads of each size, rows that fill no threadgroup, windows, positions outside
/// the cache, rings, and splits, whose results lie behind the halves. Cache entries that no token sees are NaN.
pub(crate) fn family() -> Family {
    Family::new("kv_to_half", HALVES, |cases| {
        for format in [Format::Q8_0, Format::Q4_0] {
            for head_size in HEAD_SIZES {
                add_prompt(cases, format, head_size);
                add_more(cases, format, head_size);
            }
        }
    })
    .benches(|benches| {
        add_bench(benches, Format::Q8_0);
        add_bench(benches, Format::Q4_0);
    })
}

fn add(cases: &mut Cases, format: Format, name: &str, splits: usize, sizes: Sizes) {
    let format_name = format.name().to_lowercase();
    let head_size = sizes.head_size;
    let name = format!("{format_name}_head{head_size}_splits{splits}_{name}");
    let plan = Plan {
        block: 32,
        keep: false,
        splits,
    };
    cases.add(kernel_name(format), name, move |run| {
        check(run, Path::Tiles(Some(plan)), format, sizes)
    });
}

/// A prompt behind others.
fn prompt(head_size: usize) -> Sizes {
    Sizes {
        heads: 4,
        kv_heads: 2,
        head_size,
        capacity: 150,
        positions: &[
            125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141,
        ],
        ..Sizes::DECODE
    }
}

/// Adds the case of a prompt.
pub(super) fn add_prompt(cases: &mut Cases, format: Format, head_size: usize) {
    add(cases, format, "prompt", 3, prompt(head_size));
}

/// Adds other cases.
pub(super) fn add_more(cases: &mut Cases, format: Format, head_size: usize) {
    let sizes = prompt(head_size);
    for (name, ring) in sizes.rings([90, 33]) {
        add(cases, format, name, 1, ring);
    }
    for window in [1, 37, u32::MAX] {
        let name = format!("window{window}");
        let window = Some(window);
        add(cases, format, &name, 1, Sizes { window, ..sizes });
    }
    let outside = Sizes {
        positions: &[5, 150, -1, 149, i32::MAX, i32::MIN, 70],
        ..sizes
    };
    add(cases, format, "outside", 3, outside);
    let unseen = Sizes {
        positions: &[150, -1],
        ..sizes
    };
    add(cases, format, "unseen", 1, unseen);
}

/// The rows that the last of many positions sees.
pub(super) fn add_bench(benches: &mut Benches, format: Format) {
    let (_, heads, head_size) = BENCH_HEADS;
    let (tokens, keys) = (512, 8192);
    let values = 2 * keys * heads * head_size;
    let cached = values / format.block_len() * format.block_bytes();
    let shape = format!("tokens{tokens}_keys{keys}_heads{heads}_head{head_size}");
    let work = Work::new(cached + 2 * values, values);
    benches.add(kernel_name(format), shape, work, move |setup| {
        let cache = setup.rounded(format, [keys, heads, head_size])?;
        let positions: Vec<i32> = (keys - tokens..keys).map(|p| p as i32).collect();
        let positions = setup.of(&positions)?;
        let mut halves = || setup.output(Format::F16, [keys, heads, head_size]);
        let (k, v) = (halves()?, halves()?);
        Ok(Box::new(move |pass| {
            let positions = positions.buffer()?;
            let call = Call {
                tokens,
                heads,
                kv_heads: heads,
                head_size,
                capacity: keys,
                rows: keys,
                ring: 0,
                window: 0,
                scale: 1.0,
                softcap: None,
                sinks: None,
                // Not read.
                q: &k.bytes().cast()?,
                format,
                k: cache.bytes(),
                v: cache.bytes(),
                positions: &positions,
                pages: &PageArguments::none(&positions)?,
            };
            kv_to_half(pass, &call, [&mut k.buffer()?, &mut v.buffer()?])
        }))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_become_halves() {
        let of = |kind, format| bytes_of_halves(kind, format, [100, 2, 128]);
        assert_eq!(of(DeviceKind::Cuda, Format::Q8_0), 2 * 2 * 100 * 2 * 128);
        assert_eq!(of(DeviceKind::Cpu, Format::Q8_0), 0);
        assert_eq!(of(DeviceKind::Metal, Format::F16), 0);
        let turbo = |values| Format::Turbo(mettle_gpu::Turbo::new(4, values).unwrap());
        assert_eq!(of(DeviceKind::Metal, turbo(128)), 2 * 2 * 100 * 2 * 128);
        let of_two_blocks = bytes_of_halves(DeviceKind::Cuda, turbo(512), [100, 2, 512]);
        assert_eq!(of_two_blocks, 0);
    }
}
