//! Attention of few tokens on GPUs whose SIMD groups have many registers, by products of matrices. [`attention`](super::attention()) takes it where it
//! serves.

use super::attention::{
    Entry, OP, Path, Sizes, add_bench, add_bench_of, add_paged_bench, add_ring_bench, check,
    check_paged,
};
use super::attention_grouped::Call;
use super::attention_merge::{merge, partial_len};
use crate::Result;
use crate::bench::Benches;
use crate::bindings::attention_decode::{Constants, F16, Params};
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Buffer, Device, DeviceKind, Format, Grid, Pass};

/// Threads of a threadgroup, and keys of a step: 32 times `SIMD_GROUPS`, and `KEYS` of `attention_decode.metal`.
const THREADS: usize = 256;
const KEYS: usize = 16;

/// Values of a vector.
const VECTOR_VALUES: usize = 8;

/// How many threadgroups share the keys of a token and its heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub splits: usize,
}

/// Rows for query heads of a SIMD group: `HEADS` of `attention_decode.metal` for so many that share a key-value head.
pub fn head_rows(group: usize) -> usize {
    match group {
        ..=4 => 4,
        _ => 8,
    }
}

/// Whether few tokens are computed by products of matrices on a device. Threads take 168 registers, of which NVIDIA's GPUs have enough for a threadgroup
/// on each compute unit.
pub fn decodes_by_matrices(device: &Device) -> bool {
    device.kind() == DeviceKind::Cuda
}

impl Plan {
    /// The plan for a device, if this file's kernel serves. It does not depend on positions, which only the device knows: splits share
    /// the keys that there are.
    pub fn of(device: &Device, call: &Call<'_>, out: &Buffer<f32>) -> Option<Plan> {
        let serves = decodes_by_matrices(device)
            && call.format == Format::F16
            && call.softcap.is_none()
            && (call.head_size == 128 || call.head_size == 64 && !call.pages.paged)
            && call.is_aligned(out)
            && u32::try_from(call.rows * call.kv_heads * call.head_size / VECTOR_VALUES).is_ok();
        serves.then(|| {
            // All splits begin at once.
            let units = device.limits().compute_units as usize;
            let most = call.capacity.div_ceil(KEYS).max(1);
            let splits = (units / (blocks(call) * call.tokens).max(1)).clamp(1, most);
            Plan { splits }
        })
    }

    /// Records the launches.
    pub fn launch(self, pass: &mut Pass, call: &Call<'_>, out: &mut Buffer<f32>) -> Result<()> {
        let Plan { splits } = self;
        let partial = &mut match splits {
            // Nothing is written to it then.
            1 => pass.scratch(1)?,
            _ => pass.scratch(partial_len(call, splits))?,
        };
        if call.format != Format::F16 {
            return Err(OP.no_kernel_for_cache(call.format));
        }
        let kernel = F16 {
            q: call.q,
            k: &call.k.cast()?,
            v: &call.v.cast()?,
            positions: call.positions,
            partial,
            out,
            params: Params {
                heads: call.heads as u32,
                kv_heads: call.kv_heads as u32,
                group: (call.heads / call.kv_heads) as u32,
                capacity: call.capacity as u32,
                ring: call.ring,
                window: call.window,
                sequences: call.pages.sequences,
                pages: call.pages.pages,
                page_shift: call.pages.page_shift,
                splits: splits as u32,
                sinks: call.sinks.is_some().into(),
                scale: call.scale,
            },
            // Without sinks they are not read.
            sinks: call.sinks.unwrap_or(call.q),
            tables: &call.pages.tables,
            sequence_of: &call.pages.sequence_of,
            constants: Constants {
                paged: call.pages.paged,
                head_size: call.head_size as u32,
                heads: head_rows(call.heads / call.kv_heads) as u32,
            },
        };
        let grid = Grid::groups([blocks(call), call.tokens, splits]).threads(THREADS);
        pass.dispatch(kernel, grid)?;
        if splits > 1 {
            merge(pass, call, splits, partial, out)?;
        }
        Ok(())
    }
}

/// Sets of heads that are computed together.
fn blocks(call: &Call<'_>) -> usize {
    let group = call.heads / call.kv_heads;
    call.kv_heads * group.div_ceil(head_rows(group))
}

const KERNEL: &str = "attention_decode_f16";

/// The cases of `attention_decode.metal`: both sizes of heads, and heads that fill rows, that do not, and that are more than there are rows, one split and several, splits without keys, a
/// single key, keys that fill no step, more than a step of all SIMD groups, several tokens, windows around the sizes of steps and splits, rings, positions outside the cache, scores that are
/// equal, very large or rising, sinks, and pages, of heads that there is a variant for and that there is none for. Cache entries that no token sees are NaN.
pub(crate) fn family() -> Family {
    Family::new("attention_decode", Tolerance::MATMUL, |cases| {
        let plans = [Plan { splits: 1 }, Plan { splits: 3 }];
        for plan in plans {
            let mut add = |name: String, sizes: Sizes| {
                let name = format!("splits{}_{name}", plan.splits);
                cases.add(KERNEL, name, move |run| {
                    check(run, Path::Decode(Some(plan)), Format::F16, sizes)
                });
            };
            let sizes = Sizes {
                heads: 4,
                kv_heads: 1,
                head_size: 64,
                capacity: 500,
                positions: &[490],
                ..Sizes::DECODE
            };
            for head_size in [64, 128] {
                for (heads, kv_heads) in [(2, 2), (4, 2), (3, 1), (14, 2), (8, 1), (10, 1)] {
                    let sizes = Sizes {
                        heads,
                        kv_heads,
                        head_size,
                        ..sizes
                    };
                    add(format!("head{head_size}_heads{heads}_{kv_heads}"), sizes);
                }
            }
            for (name, ring) in sizes.rings([270, 33]) {
                add(name.into(), ring);
            }
            for (name, sizes) in sizes.adversarial() {
                // An infinite key has no score, and none is capped: see the kernel.
                if sizes.blocked == 0 && sizes.softcap.is_none() {
                    add(name, sizes);
                }
            }
            // Later scores that are much higher than the first ones, so that sums are made relative to them.
            for steepness in [1.0, 2.0] {
                add(format!("steep{steepness}"), Sizes { steepness, ..sizes });
            }
            for (name, positions) in [
                ("one_key", &[0][..]),
                ("full_cache", &[499]),
                ("tokens", &[125, 126, 127, 128, 129, 130]),
            ] {
                add(name.into(), Sizes { positions, ..sizes });
            }
            for window in [1, 15, 16, 17, 47, 48, 49, 383, 384, 490, 491, u32::MAX] {
                let name = format!("window{window}");
                let window = Some(window);
                add(name, Sizes { window, ..sizes });
            }
            for (name, sinks) in [("outside", None), ("outside_sinks", Some(0.0))] {
                let sizes = Sizes {
                    positions: &[5, 500, -1, 499, i32::MAX, i32::MIN],
                    sinks,
                    ..sizes
                };
                add(name.into(), sizes);
            }
            // Heads that do not fill the last set have sinks of their own.
            for heads in [3, 10] {
                let sinks = Some(1.0);
                add(
                    format!("sinks_heads{heads}_1"),
                    Sizes {
                        heads,
                        sinks,
                        ..sizes
                    },
                );
            }
        }
        for plan in plans {
            for (head_size, window) in [(128, None), (128, Some(37)), (64, None)] {
                let windowed = if window.is_some() { "_window" } else { "" };
                let name = format!("splits{}_paged_head{head_size}{windowed}", plan.splits);
                cases.add(KERNEL, name, move |run| {
                    let sizes = Sizes {
                        head_size,
                        window,
                        ..Sizes::PAGED
                    };
                    check_paged(run, Path::Decode(Some(plan)), Format::F16, sizes)
                });
            }
        }
    })
    .benches(benches)
}

/// One token, and a token of each of several texts.
fn benches(benches: &mut Benches) {
    let path = |_: &Device| Path::Decode(None);
    for keys in [1024, 8192, 32768] {
        add_bench(benches, KERNEL, Format::F16, 1, keys, path);
    }
    for keys in [1024, 8192] {
        add_paged_bench(benches, KERNEL, keys, path);
        add_ring_bench(benches, KERNEL, keys, path);
    }
    add_bench_of(benches, KERNEL, Entry::new(Format::F16, 4, 8192, path));
}
