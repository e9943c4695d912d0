//! Attention on GPUs, where the query heads of a key-value head share what is read of the cache. [`attention`](super::attention())
//! takes it where it serves.

use super::attention::{
    OP, Path, Sizes, add_bench, add_paged_bench, add_ring_bench, check, check_paged,
};
use super::attention_merge::{merge, partial_len};
use super::mapping::turbo_constants;
use super::pages::PageArguments;
use crate::Result;
use crate::bench::Benches;
use crate::bindings::CACHE_FORMATS;
use crate::bindings::attention_grouped::{self, Constants, KernelOf, Params};
use crate::bindings::attention_grouped_turbo;
use crate::cases::{Family, Tolerance};
use mettle_gpu::{Buffer, Format, Grid, Pass};

/// Head sizes with kernels of their own. Others would have to index registers at run time.
fn head_sizes(format: Format) -> &'static [usize] {
    match format {
        Format::F32 | Format::F16 => &[64, 80, 96, 128, 256],
        // Turbo among them: of larger heads there are two blocks.
        _ => &[64, 128, 256],
    }
}

/// SIMD groups of a threadgroup: `MAX_SIMD_GROUPS` of `attention_grouped.metal`.
const SIMD_GROUPS: usize = 4;

/// Bytes of the vectors that are loaded.
const VECTOR: usize = 16;

/// Values of a vector, at least: those of F32.
const VECTOR_VALUES: usize = 4;

/// Keys of a split, at least: about what its SIMD groups ask for at a time.
const MIN_SHARE: usize = 32;

/// Threadgroups for each compute unit of the device when keys are split: no more than a unit runs at a time, so that all splits
/// begin at once. A thread has 128 registers at most and a unit of an NVIDIA GPU 65536, enough for four; but the fourth brings no
/// more bytes on their way than memory needs, and one more result to merge.
const GROUPS_OF_UNIT: usize = 3;

/// SIMD groups for each compute unit from which on each takes a token of its own: fewer could not hide that memory is slow.
const SIMD_GROUPS_OF_UNIT: usize = 4;

/// How the work is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// A SIMD group for each token and few heads.
    TokenEach,
    /// So many threadgroups for the keys of each token and few heads; a second launch joins what they have if it is more
    /// than one.
    Splits(usize),
}

impl Plan {
    /// The plan for a device of `units` compute units. It does not depend on positions, which only the device knows: splits share
    /// the keys that there are.
    fn new(units: usize, call: &Call<'_>) -> Plan {
        let wide = call.blocks() * call.tokens;
        if wide >= SIMD_GROUPS_OF_UNIT * units {
            return Plan::TokenEach;
        }
        let wanted = GROUPS_OF_UNIT * units / wide;
        let most = call.capacity.div_ceil(MIN_SHARE).max(1);
        Plan::Splits(wanted.clamp(1, most))
    }
}

/// Query heads that a SIMD group of a GPU computes together, of as many as share a key-value head: all of them, or four.
pub fn heads_together(group: usize) -> usize {
    match group {
        1 => 1,
        2 => 2,
        _ => 4,
    }
}

/// Checked arguments.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub tokens: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_size: usize,
    /// Rows of a sequence, at most.
    pub capacity: usize,
    /// Rows of the caches.
    pub rows: usize,
    /// Of the ring that the caches are, or 0.
    pub ring: u32,
    pub window: u32,
    pub scale: f32,
    pub softcap: Option<f32>,
    pub sinks: Option<&'a Buffer<f32>>,
    pub q: &'a Buffer<f32>,
    /// Of the caches.
    pub format: Format,
    pub k: &'a Buffer<u8>,
    pub v: &'a Buffer<u8>,
    pub positions: &'a Buffer<i32>,
    pub pages: &'a PageArguments,
}

impl Call<'_> {
    /// The way for a device of `units` compute units, if this file's kernels serve.
    pub fn plan(&self, units: u32, out: &Buffer<f32>) -> Option<Plan> {
        let vectors = self.rows * self.kv_heads * self.head_size / VECTOR_VALUES;
        let serves = head_sizes(self.format).contains(&self.head_size)
            && self.is_aligned(out)
            && vectors <= u32::MAX as usize;
        serves.then(|| Plan::new(units as usize, self))
    }

    /// Whether whole vectors of queries, keys, values and results can be read and written. Blocks are read in small parts.
    pub fn is_aligned(&self, out: &Buffer<f32>) -> bool {
        let of_cache = match self.format.is_quantised() {
            true => VECTOR,
            false => self.k.alignment().min(self.v.alignment()),
        };
        [self.q.alignment(), of_cache, out.alignment()]
            .iter()
            .all(|&alignment| alignment >= VECTOR)
    }

    fn heads_together(&self) -> usize {
        heads_together(self.heads / self.kv_heads)
    }

    /// Sets of heads that are computed together.
    fn blocks(&self) -> usize {
        self.kv_heads * (self.heads / self.kv_heads).div_ceil(self.heads_together())
    }

    /// What the kernels need to know; sizes have been checked.
    pub fn params(&self, plan: Plan) -> Params {
        let (splits, token_each) = match plan {
            Plan::TokenEach => (1, 1),
            Plan::Splits(splits) => (splits, 0),
        };
        Params {
            heads: self.heads as u32,
            kv_heads: self.kv_heads as u32,
            group: (self.heads / self.kv_heads) as u32,
            capacity: self.capacity as u32,
            ring: self.ring,
            window: self.window,
            sequences: self.pages.sequences,
            pages: self.pages.pages,
            page_shift: self.pages.page_shift,
            tokens: self.tokens as u32,
            splits: splits as u32,
            token_each,
            scale: self.scale,
            softcap: self.softcap.unwrap_or(0.0),
        }
    }

    fn constants(&self) -> Constants {
        Constants {
            paged: self.pages.paged,
            head_size: self.head_size as u32,
            heads: self.heads_together() as u32,
            softcap: self.softcap.is_some(),
            sinks: self.sinks.is_some(),
        }
    }

    /// Records the launches.
    pub fn launch(&self, pass: &mut Pass, plan: Plan, out: &mut Buffer<f32>) -> Result<()> {
        let params = self.params(plan);
        let splits = params.splits as usize;
        let partial = &mut match splits {
            // Nothing is written to it then.
            1 => pass.scratch(1)?,
            _ => pass.scratch(partial_len(self, splits))?,
        };
        let grid = match plan {
            Plan::TokenEach => Grid::groups([self.blocks(), self.tokens.div_ceil(SIMD_GROUPS), 1]),
            Plan::Splits(splits) => Grid::groups([self.blocks(), self.tokens, splits]),
        }
        .threads(32 * SIMD_GROUPS);
        // The kernel of TurboQuant is the same one over other caches.
        macro_rules! dispatch {
            ($unit:ident { $($of_unit:tt)* }) => {
                pass.dispatch(
                    $unit::Kernel {
                        q: self.q,
                        positions: self.positions,
                        partial: &mut *partial,
                        out: &mut *out,
                        // Without sinks it is not read.
                        sinks: self.sinks.unwrap_or(self.q),
                        tables: &self.pages.tables,
                        sequence_of: &self.pages.sequence_of,
                        $($of_unit)*
                    },
                    grid,
                )?
            };
        }
        if let Format::Turbo(turbo) = self.format {
            let (turbo_bits, turbo_values) = turbo_constants(turbo);
            let Constants {
                paged,
                head_size,
                heads,
                softcap,
                sinks,
            } = self.constants();
            dispatch!(attention_grouped_turbo {
                k: &self.k.cast()?,
                v: &self.v.cast()?,
                params: bytemuck::cast(params),
                constants: attention_grouped_turbo::Constants {
                    turbo_bits,
                    turbo_values,
                    paged,
                    head_size,
                    heads,
                    softcap,
                    sinks,
                },
            });
        } else {
            let kernel = KernelOf::of(self.format);
            dispatch!(attention_grouped {
                kernel: kernel.ok_or_else(|| OP.no_kernel_for_cache(self.format))?,
                k: self.k,
                v: self.v,
                params,
                constants: self.constants(),
            });
        }
        if splits > 1 {
            merge(pass, self, splits, partial, out)?;
        }
        Ok(())
    }
}

/// The kernel's name, for cases and bench entries.
fn kernel_name(format: Format) -> &'static str {
    KernelOf::of(format).map_or("none", KernelOf::name)
}

/// The cases of `attention_grouped.metal`: every head size and number of heads together, heads that do not fill the last set,
/// one split and several, splits without keys, a single key, keys that fill no step, tokens that fill no threadgroup, windows
/// around the sizes of steps and splits, rings, positions outside the cache, scores that are capped, equal, very large or minus infinity,
/// and sinks. Other formats than F32 and F16 differ in what is read, and go through a few of them. Cache entries that no token sees
/// are NaN.
pub(crate) fn family() -> Family {
    Family::new("attention_grouped", Tolerance::MATMUL, |cases| {
        for format in CACHE_FORMATS {
            let mut add = |name: String, plan: Plan, sizes: Sizes| {
                let name = match plan {
                    Plan::TokenEach => format!("tokens_{name}"),
                    Plan::Splits(splits) => format!("splits{splits}_{name}"),
                };
                cases.add(kernel_name(format), name, move |run| {
                    check(run, Path::Grouped(Some(plan)), format, sizes)
                });
            };
            let sizes = Sizes {
                heads: 4,
                kv_heads: 1,
                head_size: 64,
                capacity: 300,
                positions: &[290],
                ..Sizes::DECODE
            };
            for plan in [Plan::TokenEach, Plan::Splits(1), Plan::Splits(3)] {
                for &head_size in head_sizes(format) {
                    add(
                        format!("head{head_size}"),
                        plan,
                        Sizes { head_size, ..sizes },
                    );
                }
                for (heads, kv_heads) in [(2, 2), (4, 2), (3, 1), (14, 2), (8, 1)] {
                    add(
                        format!("heads{heads}_{kv_heads}"),
                        plan,
                        Sizes {
                            heads,
                            kv_heads,
                            ..sizes
                        },
                    );
                }
                for (name, ring) in sizes.rings([270, 33]) {
                    if name == "ring_far" || matches!(format, Format::F32 | Format::F16) {
                        add(name.into(), plan, ring);
                    }
                }
                if !matches!(format, Format::F32 | Format::F16) {
                    let prompt = Sizes {
                        positions: &[125, 126, -1, 128, 129, 130, 300, 132, 133],
                        window: Some(129),
                        ..sizes
                    };
                    add("window_prompt".into(), plan, prompt);
                    continue;
                }
                let scores = Sizes {
                    positions: &[70],
                    ..sizes
                };
                for (name, sizes) in scores.adversarial() {
                    add(name, plan, sizes);
                }
                add(
                    "softcap_head256".into(),
                    plan,
                    Sizes {
                        heads: 4,
                        kv_heads: 2,
                        head_size: 256,
                        softcap: Some(3.0),
                        ..sizes
                    },
                );
                // Later scores that are much higher than the first ones, so that sums are made relative to them.
                add(
                    "steep".into(),
                    plan,
                    Sizes {
                        steepness: 4.0,
                        ..sizes
                    },
                );
                add(
                    "one_key".into(),
                    plan,
                    Sizes {
                        positions: &[0],
                        ..sizes
                    },
                );
                add(
                    "full_cache".into(),
                    plan,
                    Sizes {
                        positions: &[299],
                        ..sizes
                    },
                );
                add(
                    "prompt".into(),
                    plan,
                    Sizes {
                        positions: &[125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135],
                        ..sizes
                    },
                );
                for window in [1, 7, 8, 9, 127, 128, 129, 290, 291, 292, u32::MAX] {
                    add(
                        format!("window{window}"),
                        plan,
                        Sizes {
                            window: Some(window),
                            ..sizes
                        },
                    );
                }
                for (name, sinks) in [("outside", None), ("outside_sinks", Some(0.0))] {
                    add(
                        name.into(),
                        plan,
                        Sizes {
                            positions: &[5, 300, -1, 299, i32::MAX, i32::MIN],
                            sinks,
                            ..sizes
                        },
                    );
                }
                // Heads that do not fill the last set have sinks of their own.
                add(
                    "sinks_heads3_1".into(),
                    plan,
                    Sizes {
                        heads: 3,
                        sinks: Some(1.0),
                        ..sizes
                    },
                );
            }
        }
        for plan in [Plan::TokenEach, Plan::Splits(1), Plan::Splits(3)] {
            for (format, head_size, window) in [
                (Format::F16, 128, None),
                (Format::F16, 64, Some(37)),
                (Format::F32, 80, None),
                (Format::Q8_0, 128, None),
            ] {
                let name = match plan {
                    Plan::TokenEach => "tokens".to_owned(),
                    Plan::Splits(splits) => format!("splits{splits}"),
                };
                let windowed = if window.is_some() { "_window" } else { "" };
                let name = format!("{name}_paged_head{head_size}{windowed}");
                cases.add(kernel_name(format), name, move |run| {
                    let sizes = Sizes {
                        head_size,
                        window,
                        ..Sizes::PAGED
                    };
                    check_paged(run, Path::Grouped(Some(plan)), format, sizes)
                });
            }
        }
    })
    .benches(benches)
}

/// One token that sees many keys, and prompts; heads of 128 in groups of four.
fn benches(benches: &mut Benches) {
    for format in CACHE_FORMATS {
        for (tokens, keys) in [
            (1, 1024),
            (1, 8192),
            (1, 32768),
            (16, 8192),
            (128, 128),
            (512, 512),
        ] {
            let kernel = kernel_name(format);
            add_bench(benches, kernel, format, tokens, keys, |_| {
                Path::Grouped(None)
            });
        }
    }
    for keys in [1024, 8192] {
        let kernel = kernel_name(Format::F16);
        add_paged_bench(benches, kernel, keys, |_| Path::Grouped(None));
        add_ring_bench(benches, kernel, keys, |_| Path::Grouped(None));
    }
}
