//! Attention of many tokens on GPUs, by products of matrices. [`attention`](super::attention()) takes it where it serves.

use super::attention::{Entry, Masked, OP, Path, Sizes, add_bench_of, check, check_paged};
use super::attention_grouped::Call;
use super::attention_merge::{merge, partial_len};
use super::kv_to_half::{self, kv_to_half};
use crate::Result;
use crate::bench::Benches;
use crate::bindings::attention_tiles::{Bf16, Constants, F16, Params};
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Buffer, Device, DeviceKind, Format, Grid, Pass};
use std::ops::Range;

/// Tokens from which on it is taken: those of two heads fill a SIMD group then, and those of four a threadgroup.
const MANY_TOKENS: usize = 16;

/// Rows of a threadgroup, its threads, and columns of a tile: `ROWS`, `THREADS` and `DEPTH` of `attention_tiles.metal`.
const ROWS: usize = 64;
const THREADS: usize = 128;
const DEPTH: usize = 32;

/// The largest head, and the largest whose queries lanes keep: `MAX_HEAD_SIZE` and `MAX_KEPT` of `attention_tiles.metal`.
const MAX_HEAD_SIZE: usize = 256;
const MAX_KEPT: usize = 128;

/// Blocks of keys of a split, at least: fewer are no more work than what joins them.
const MIN_SHARE: usize = 4;

/// Threadgroups for each compute unit of the device when keys are split: a thread has up to 255 registers, so that a unit of an NVIDIA
/// GPU, which has 65536, runs two at a time.
const GROUPS_OF_UNIT: usize = 2;

/// How the work is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Keys of a block: 32 or 64.
    pub block: usize,
    /// Whether lanes keep their queries.
    pub keep: bool,
    /// Threadgroups that share the keys of a row; one with a mask.
    pub splits: usize,
}

/// The mask of a call: its values, what they are, and rows from one head to the next.
pub(super) struct Mask<'a> {
    pub values: &'a Buffer<u8>,
    pub kind: u32,
    pub step: u32,
}

impl Plan {
    /// The plan for a device, if this file's kernels serve. It does not depend on positions, which only the device knows: splits
    /// share the keys that there are.
    pub fn of(device: &Device, call: &Call<'_>, masked: bool, out: &Buffer<f32>) -> Option<Plan> {
        let rows = call.tokens * (call.heads / call.kv_heads);
        // Tokens of one sequence go through its keys together, those of others one sequence after the other.
        let of_sequence = call.tokens / (call.pages.sequences as usize).max(1);
        let serves = device.kind() != DeviceKind::Cpu
            && of_sequence >= MANY_TOKENS
            && compiled(device, call, masked)
            && call.is_aligned(out)
            && u32::try_from(rows + ROWS).is_ok();
        serves.then(|| {
            // As many as NVIDIA's GPUs have registers for, without spilling any. Others read queries again, and take as many keys as leave
            // threadgroup memory for several threadgroups.
            let keep = device.kind() == DeviceKind::Cuda && call.head_size <= MAX_KEPT;
            let block = if keep && call.head_size <= 64 { 64 } else { 32 };
            let wide = call.kv_heads * rows.div_ceil(ROWS);
            let units = device.limits().compute_units as usize;
            let most = call.capacity.div_ceil(MIN_SHARE * block).max(1);
            let splits = match masked {
                true => 1,
                false => (GROUPS_OF_UNIT * units / wide).clamp(1, most),
            };
            Plan {
                block,
                keep,
                splits,
            }
        })
    }

    /// Records the launches.
    pub fn launch(
        self,
        pass: &mut Pass,
        call: &Call<'_>,
        mask: Option<&Mask<'_>>,
        out: &mut Buffer<f32>,
    ) -> Result<()> {
        let Plan {
            block,
            keep,
            splits,
        } = self;
        let group = call.heads / call.kv_heads;
        let halves = match tile_format(call.format) {
            format if format == call.format => 0,
            _ => call.rows * call.kv_heads * call.head_size,
        };
        let partials = match splits {
            // Nothing is written to it then.
            1 => 1,
            _ => partial_len(call, splits),
        };
        // Halves of keys and of values, a float for two, and then what splits find.
        let scratch: Buffer<f32> = pass.scratch(halves + partials)?;
        let partial = &mut scratch.slice(halves..halves + partials)?;
        let part = |half: Range<usize>| scratch.slice(half)?.cast();
        let mut of_keys = part(0..halves / 2)?;
        let mut of_values = part(halves / 2..halves)?;
        let halved;
        let call = if halves == 0 {
            call
        } else {
            kv_to_half(pass, call, [&mut of_keys, &mut of_values])?;
            halved = [of_keys.cast()?, of_values.cast()?];
            &Call {
                format: Format::F16,
                k: &halved[0],
                v: &halved[1],
                ..*call
            }
        };
        let tiles = (call.tokens * group).div_ceil(ROWS);
        let params = Params {
            heads: call.heads as u32,
            kv_heads: call.kv_heads as u32,
            group: group as u32,
            capacity: call.capacity as u32,
            ring: call.ring,
            window: call.window,
            mask: mask.map_or(0, |mask| mask.kind),
            mask_step: mask.map_or(0, |mask| mask.step),
            sequences: call.pages.sequences,
            pages: call.pages.pages,
            page_shift: call.pages.page_shift,
            tokens: call.tokens as u32,
            splits: splits as u32,
            sinks: call.sinks.is_some().into(),
            scale: call.scale,
            softcap: call.softcap.unwrap_or(0.0),
        };
        let constants = Constants {
            paged: call.pages.paged,
            head_size: call.head_size as u32,
            block: block as u32,
            keep,
            softcap: call.softcap.is_some(),
            masked: mask.is_some(),
        };
        let grid = Grid::groups([call.kv_heads, tiles, splits]).threads(THREADS);
        macro_rules! dispatch {
            ($kernel:ident) => {{
                let kernel = $kernel {
                    q: call.q,
                    k: &call.k.cast()?,
                    v: &call.v.cast()?,
                    positions: call.positions,
                    partial,
                    out,
                    params,
                    // Without sinks, and without a mask, they are not read.
                    sinks: call.sinks.unwrap_or(call.q),
                    mask: mask.map_or(call.k, |mask| mask.values),
                    tables: &call.pages.tables,
                    sequence_of: &call.pages.sequence_of,
                    tiles: 4 * block * call.head_size.next_multiple_of(DEPTH),
                    constants,
                };
                pass.dispatch(kernel, grid)?;
            }};
        }
        match call.format {
            Format::F16 => dispatch!(F16),
            Format::BF16 => dispatch!(Bf16),
            other => return Err(OP.no_kernel_for_cache(other)),
        }
        if splits > 1 {
            merge(pass, call, splits, partial, out)?;
        }
        Ok(())
    }
}

/// What a cache is multiplied as.
fn tile_format(cache: Format) -> Format {
    match cache.is_quantised() {
        true => Format::F16,
        false => cache,
    }
}

/// Whether there is code for a call. Metal compiles it for any. For NVIDIA GPUs it is that of the variants that `attention_tiles.metal` names: others would have
/// to index registers at run time.
fn compiled(device: &Device, call: &Call<'_>, masked: bool) -> bool {
    let size = call.head_size;
    let format = tile_format(call.format);
    if format != call.format && !kv_to_half::serves(call) {
        return false;
    }
    if device.kind() == DeviceKind::Metal {
        let formats = [Format::F16, Format::BF16];
        return formats.contains(&format) && size.is_multiple_of(16) && size <= MAX_HEAD_SIZE;
    }
    let named = match (format, masked) {
        (Format::F16, false) => matches!(size, 64 | 128 | 256),
        (Format::F16, true) => size == 128,
        (Format::BF16, false) => matches!(size, 64 | 128),
        _ => false,
    };
    named && call.softcap.is_none() && !call.pages.paged
}

/// The kernel's name, for cases and bench entries.
fn kernel_name(format: Format) -> &'static str {
    match format {
        Format::BF16 => "attention_tiles_bf16",
        _ => "attention_tiles_f16",
    }
}

/// The cases of `attention_tiles.metal`: heads of whole tiles and of half a one more, in groups that divide rows of a threadgroup and that do not, blocks of either
/// size, queries kept and read again, one split and several, splits without keys, tokens that fill no threadgroup and more than one, at any positions, windows around the
/// sizes of blocks, positions outside the cache, scores that are capped, equal, very large or all alike minus infinity by a mask, sinks, masks of each format, rings, and
/// pages of several sequences. Cache entries that no token sees are NaN.
pub(crate) fn family() -> Family {
    const SMALL: Plan = Plan {
        block: 32,
        keep: false,
        splits: 1,
    };
    const LARGE: Plan = Plan {
        block: 64,
        keep: true,
        splits: 1,
    };
    Family::new("attention_tiles", Tolerance::MATMUL, |cases| {
        let prompt = Sizes {
            heads: 4,
            kv_heads: 1,
            head_size: 16,
            capacity: 150,
            positions: &[
                125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141,
            ],
            ..Sizes::DECODE
        };
        let start = Sizes {
            heads: 2,
            positions: &[0, 1, 2, 3, 4, 5, 6, 7, 70],
            ..prompt
        };
        for format in [Format::F16, Format::BF16] {
            let mut add = |name: &str, plan: Plan, sizes: Sizes| {
                let Plan {
                    block,
                    keep,
                    splits,
                } = plan;
                let kept = if keep { "_kept" } else { "" };
                let name = format!("block{block}{kept}_splits{splits}_{name}");
                cases.add(kernel_name(format), name, move |run| {
                    check(run, Path::Tiles(Some(plan)), format, sizes)
                });
            };
            for head_size in [48, 64, 80, 128, 256] {
                let plan = match head_size {
                    64 | 80 => LARGE,
                    _ => SMALL,
                };
                add(
                    &format!("head{head_size}"),
                    plan,
                    Sizes { head_size, ..start },
                );
            }
            for plan in [SMALL, LARGE] {
                let outside = Sizes {
                    positions: &[5, 150, -1, 149, i32::MAX, i32::MIN, 70],
                    sinks: Some(0.0),
                    window: Some(9),
                    ..prompt
                };
                for (name, ring) in prompt.rings([90, 33]) {
                    add(name, plan, ring);
                }
                for splits in [1, 3] {
                    let plan = Plan { splits, ..plan };
                    add("prompt", plan, prompt);
                    add("outside", plan, outside);
                }
            }
            if format == Format::BF16 {
                continue;
            }
            for (name, sizes) in start.adversarial() {
                let plan = if sizes.window.is_some() { SMALL } else { LARGE };
                // An infinite key has no score: see the kernel.
                if sizes.blocked == 0 {
                    add(&name, plan, sizes);
                }
            }
            let steep = Sizes {
                steepness: 2.0,
                ..prompt
            };
            add("steep", LARGE, steep);
            for (window, plan) in [
                (1, SMALL),
                (31, SMALL),
                (33, SMALL),
                (64, LARGE),
                (u32::MAX, LARGE),
            ] {
                let sizes = Sizes {
                    window: Some(window),
                    ..prompt
                };
                add(&format!("window{window}"), plan, sizes);
            }
            for (heads, kv_heads) in [(2, 2), (3, 1), (14, 2), (40, 1)] {
                let sizes = Sizes {
                    heads,
                    kv_heads,
                    sinks: Some(1.0),
                    ..start
                };
                add(&format!("heads{heads}_{kv_heads}"), LARGE, sizes);
            }
        }
        for plan in [SMALL, LARGE] {
            let mut add = |name: String, sizes: Sizes| {
                let name = format!("block{}_{name}", plan.block);
                cases.add(kernel_name(Format::F16), name, move |run| {
                    check(run, Path::Tiles(Some(plan)), Format::F16, sizes)
                });
            };
            let masked = Sizes {
                heads: 2,
                capacity: 75,
                positions: &[74, 74, 74, 74, 70, 9],
                ..prompt
            };
            for format in [Format::F32, Format::F16, Format::BF16, Format::U8] {
                let name = format!("mask_{format}").to_lowercase();
                let mask = |of_heads| Some(Masked { format, of_heads });
                let of_tokens = Sizes {
                    mask: mask(false),
                    ..masked
                };
                add(
                    format!("{name}_large_scores"),
                    Sizes {
                        steepness: 1e6,
                        ..of_tokens
                    },
                );
                add(name.clone(), of_tokens);
                let of_heads = Sizes {
                    mask: mask(true),
                    window: Some(37),
                    softcap: Some(2.0),
                    sinks: Some(0.0),
                    ..masked
                };
                add(format!("{name}_of_heads_window_sinks_softcap"), of_heads);
            }
        }
        for plan in [SMALL, Plan { splits: 3, ..LARGE }] {
            for (format, window) in [
                (Format::F16, None),
                (Format::F16, Some(37)),
                (Format::BF16, None),
            ] {
                let windowed = if window.is_some() { "_window" } else { "" };
                let name = format!("block{}_splits{}_paged{windowed}", plan.block, plan.splits);
                cases.add(kernel_name(format), name, move |run| {
                    let sizes = Sizes {
                        head_size: 16,
                        window,
                        ..Sizes::PAGED
                    };
                    check_paged(run, Path::Tiles(Some(plan)), format, sizes)
                });
            }
        }
    })
    .benches(benches)
}

/// Prompts, as of the other kernels of attention.
fn benches(benches: &mut Benches) {
    let path = |_: &Device| Path::Tiles(None);
    for format in [Format::F16, Format::BF16] {
        for (tokens, keys) in [
            (16, 8192),
            (128, 128),
            (512, 512),
            (2048, 2048),
            (512, 8192),
        ] {
            add_bench_of(
                benches,
                kernel_name(format),
                Entry::new(format, tokens, keys, path),
            );
        }
    }
    for mask in [Format::F32, Format::F16] {
        let entry = Entry {
            mask: Some(mask),
            ..Entry::new(Format::F16, 128, 128, path)
        };
        add_bench_of(benches, kernel_name(Format::F16), entry);
    }
}
