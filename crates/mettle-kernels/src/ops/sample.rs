//! Drawing the next token.

use super::check::Op;
use super::mapping::{Mapping, WIDE};
use crate::bench::{Benches, Work};
use crate::bindings::sample::{self, Constants, Params};
use crate::cases::{Expected, Family, Run, Tolerance};
use crate::{Result, reference};
use mettle_gpu::{Buffer, Format, Grid, Pass, Tensor};
use std::cell::OnceCell;

const OP: Op = Op("sample");

/// Threads of the one threadgroup on a GPU that draws: more would wait longer for each other than they save.
const THREADS: usize = 256;

/// Threads of a threadgroup that finds maxima.
const THREADS_FOR_MAXIMA: usize = 64;

/// Blocks that logits are looked at in, about: as many as the k of top-k that they can bound.
const BLOCKS: usize = 4096;

/// The most logits: counts are f32 in the kernel.
const MAX_LOGITS: usize = 1 << 24;

/// How a token is drawn. The filters apply in the order of the fields, each to what the one before it left, and then the
/// temperature: llama.cpp's default chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Keep this many of the most probable tokens; 0 for all.
    pub top_k: u32,
    /// Keep the most probable tokens that together have at least this share of the probability, and one at least; 1 for
    /// all.
    pub top_p: f32,
    /// Keep tokens that are at least this probable relative to the most probable one; 0 for all.
    pub min_p: f32,
    /// Divisor of the logits; at 0 the most probable token is taken (the first of equals).
    pub temperature: f32,
    /// The seed of the random numbers.
    pub seed: u64,
}

impl Sampling {
    fn check(&self) -> Result<()> {
        let within = |argument, value: f32, most: f32| {
            if (0.0..=most).contains(&value) {
                return Ok(());
            }
            Err(OP.refuse(argument, format!("is {value}, must be within 0 to {most}")))
        };
        within("top_p", self.top_p, 1.0)?;
        within("min_p", self.min_p, 1.0)?;
        within("temperature", self.temperature, f32::MAX)
    }
}

/// Draws the token at `position` of a text from `logits`, f32 of any number of values in any shape, and writes its index
/// to `out`, u32 of one value. The random number is a function of `(seed, position)` alone, so a text can be drawn again
/// from any place on, on any device.
///
/// NaN and minus infinity are never drawn; where nothing else is left, or where a logit of plus infinity leaves no
/// probabilities, the result is the number of logits, which is no token.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes, gaps, more than 2^24 logits, `top_p` or
/// `min_p` outside 0 to 1, or a temperature that is negative or no number; memory for the candidates running out.
pub fn sample(
    pass: &mut Pass,
    logits: &Tensor,
    sampling: &Sampling,
    position: u64,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, logits, sampling, position, out)
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    logits: &Tensor,
    sampling: &Sampling,
    position: u64,
    out: &mut Tensor,
) -> Result<()> {
    sampling.check()?;
    let count = logits.len();
    if count > MAX_LOGITS {
        return Err(OP.refuse(
            "logits",
            format!("has {count} values, must have at most {MAX_LOGITS}"),
        ));
    }
    let block_size = block_size(count);
    // All that may be refused comes before the first launch.
    let logits: &Buffer<f32> = &OP.values("logits", logits)?;
    let out = &mut OP.vector("out", out, 1)?;
    let params = Params {
        seed: sampling.seed,
        position,
        count: OP.size("logits", count)?,
        top_k: sampling.top_k,
        top_p: sampling.top_p,
        min_p: sampling.min_p,
        temperature: sampling.temperature,
        block_size: OP.size("logits", block_size)?,
    };
    let constants = Constants {
        one_thread: mapping.row_per_thread(),
    };
    let blocks = count.div_ceil(block_size);
    let maxima = &mut pass.device().buffer(blocks)?;
    let candidate_logits = &mut pass.device().buffer(count)?;
    let candidate_ids = &mut pass.device().buffer(count)?;
    find_maxima(pass, logits, maxima, params, constants)?;
    let kernel = sample::F32 {
        logits,
        out,
        candidate_logits,
        candidate_ids,
        maxima,
        params,
        constants,
    };
    let threads = match mapping {
        Mapping::RowPerThread => 1,
        Mapping::RowPerGroup => THREADS,
    };
    Ok(pass.dispatch(kernel, Grid::rows(1).threads(threads))?)
}

/// Logits of a block.
fn block_size(count: usize) -> usize {
    count.div_ceil(BLOCKS).max(1).next_multiple_of(WIDE)
}

/// The first launch: the largest logit of each block.
fn find_maxima(
    pass: &mut Pass,
    logits: &Buffer<f32>,
    maxima: &mut Buffer<f32>,
    params: Params,
    constants: Constants,
) -> Result<()> {
    let grid = Grid::elements(maxima.len()).threads(THREADS_FOR_MAXIMA);
    let kernel = sample::MaximaF32 {
        logits,
        maxima,
        params,
        constants,
    };
    Ok(pass.dispatch(kernel, grid)?)
}

/// Every filter off, temperature 1.
const PLAIN: Sampling = Sampling {
    top_k: 0,
    top_p: 1.0,
    min_p: 0.0,
    temperature: 1.0,
    seed: 0x0123_4567_89AB_CDEF,
};

/// The cases of `sample.metal`: each filter alone and all together, numbers of candidates that are no powers of two or
/// exceed what there is, equal logits, one logit, vocabularies beyond 2^18, masked and NaN logits, and no temperature.
/// Each case draws at several positions.
pub(crate) fn family() -> Family {
    Family::new("sample", Tolerance::EXACT, |cases| {
        for mapping in Mapping::ALL {
            let mut add = |name: &str, sampling: Sampling, logits: fn(&mut Run<'_>) -> Vec<f32>| {
                let name = format!("{}_{name}", mapping.name());
                cases.add("sample_f32", name, move |run| {
                    let logits = logits(run);
                    check(run, mapping, &logits, &sampling)
                });
            };
            let small = |run: &mut Run<'_>| run.rng().normal(1000);
            let large =
                |run: &mut Run<'_>| run.rng().normal(300_001).iter().map(|x| 3.0 * x).collect();
            let default = Sampling {
                top_k: 40,
                top_p: 0.95,
                min_p: 0.05,
                temperature: 0.8,
                ..PLAIN
            };
            add("plain", PLAIN, small);
            add("default", default, small);
            add("large_default", default, large);
            add(
                "large_top_p",
                Sampling {
                    top_p: 0.9,
                    ..PLAIN
                },
                large,
            );
            add(
                "large_top_k",
                Sampling {
                    top_k: 5000,
                    ..PLAIN
                },
                large,
            );
            add(
                "large_min_p",
                Sampling {
                    min_p: 0.02,
                    temperature: 1.5,
                    ..PLAIN
                },
                large,
            );
            for top_k in [1, 2, 3, 7, 31, 33, 63, 100, 999, 1000, 1001] {
                add(
                    &format!("top_k{top_k}"),
                    Sampling {
                        top_k,
                        temperature: 3.0,
                        ..PLAIN
                    },
                    small,
                );
            }
            for top_p in [0.0, 0.01, 0.5, 0.999] {
                add(&format!("top_p{top_p}"), Sampling { top_p, ..PLAIN }, small);
            }
            for min_p in [0.01, 0.3, 1.0] {
                add(
                    &format!("min_p{min_p}"),
                    Sampling {
                        min_p,
                        temperature: 2.0,
                        ..PLAIN
                    },
                    small,
                );
            }
            add(
                "top_k_and_p",
                Sampling {
                    top_k: 57,
                    top_p: 0.7,
                    ..PLAIN
                },
                small,
            );
            add(
                "greedy",
                Sampling {
                    temperature: 0.0,
                    ..PLAIN
                },
                small,
            );
            add(
                "greedy_filtered",
                Sampling {
                    temperature: 0.0,
                    ..default
                },
                large,
            );
            add(
                "cold",
                Sampling {
                    temperature: 1e-3,
                    ..PLAIN
                },
                small,
            );
            add("one", default, |_| vec![-3.0]);
            // Three quarters equal: filters cut within them, and keep the lowest ids.
            let equal = |run: &mut Run<'_>| {
                (0..400)
                    .map(|_| (run.rng().below(4) > 0) as u8 as f32)
                    .collect()
            };
            add("equal_top_k", Sampling { top_k: 11, ..PLAIN }, equal);
            add(
                "equal_top_p",
                Sampling {
                    top_p: 0.37,
                    ..PLAIN
                },
                equal,
            );
            add(
                "equal_greedy",
                Sampling {
                    temperature: 0.0,
                    ..PLAIN
                },
                equal,
            );
            let zeros =
                |run: &mut Run<'_>| (0..99).map(|_| [0.0, -0.0][run.rng().below(2)]).collect();
            add("zeros_top_k", Sampling { top_k: 5, ..PLAIN }, zeros);
            add("masked", default, |run| {
                let mut logits = run.rng().normal(5000);
                (0..5000)
                    .filter(|i| i % 7 != 3)
                    .for_each(|i| logits[i] = f32::NEG_INFINITY);
                logits[0] = f32::NAN;
                logits[4999] = -f32::NAN;
                logits
            });
            add(
                "masked_but_few",
                Sampling {
                    top_k: 100,
                    ..default
                },
                |_| {
                    let mut logits = vec![f32::NEG_INFINITY; 3000];
                    (logits[17], logits[2900]) = (-1.0, -1.5);
                    logits
                },
            );
            add("nothing", default, |_| {
                vec![f32::NEG_INFINITY, f32::NAN, f32::NEG_INFINITY]
            });
            add("infinite", default, |_| vec![0.0, f32::INFINITY, 1.0]);
            // Blocks without a number, and the last one with fewer logits than the others.
            for n in [1, 16, 1003, 70_001] {
                let name = format!("{}_n{n}", mapping.name());
                cases.add("sample_maxima_f32", name, move |run| {
                    let mut logits = run.rng().normal(n);
                    for (i, logit) in logits.iter_mut().enumerate() {
                        match i / block_size(n) % 5 {
                            2 => *logit = f32::NAN,
                            3 if i % 3 > 0 => *logit = f32::NAN,
                            4 => *logit = f32::NEG_INFINITY,
                            _ => {}
                        }
                    }
                    check_maxima(run, mapping, &logits)
                });
            }
        }
    })
    .benches(benches)
}

/// The logits of a large vocabulary, with the usual filters.
fn benches(benches: &mut Benches) {
    let n = 151_936;
    benches.add(
        "sample_f32",
        format!("logits{n}"),
        Work::new(4 * n, n),
        move |setup| {
            let logits = setup.values([n])?;
            let mut out = setup.output(Format::U32, [1])?;
            let sampling = Sampling {
                top_k: 40,
                top_p: 0.95,
                min_p: 0.05,
                temperature: 0.8,
                seed: 1,
            };
            Ok(Box::new(move |pass| {
                sample(pass, &logits, &sampling, 7, &mut out)
            }))
        },
    );
    let blocks = n.div_ceil(block_size(n));
    benches.add(
        "sample_maxima_f32",
        format!("logits{n}"),
        Work::new(4 * (n + blocks), n),
        move |setup| {
            let logits = setup.values([n])?;
            let maxima = setup.output(Format::F32, [blocks])?;
            Ok(Box::new(move |pass| {
                let constants = Constants {
                    one_thread: Mapping::of(pass.device()).row_per_thread(),
                };
                let (logits, mut maxima) = (logits.buffer()?, maxima.buffer()?);
                find_maxima(pass, &logits, &mut maxima, params_of(n), constants)
            }))
        },
    );
}

/// Parameters of the first launch, which reads no others.
fn params_of(count: usize) -> Params {
    Params {
        seed: 0,
        position: 0,
        count: count as u32,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        temperature: 1.0,
        block_size: block_size(count) as u32,
    }
}

fn check_maxima(run: &mut Run<'_>, mapping: Mapping, logits: &[f32]) -> Result<()> {
    let n = logits.len();
    let x = run.input(logits, [n])?;
    let out = run.output(Format::F32, [n.div_ceil(block_size(n))])?;
    let constants = Constants {
        one_thread: mapping.row_per_thread(),
    };
    run.pass(|pass| {
        let (x, mut maxima) = (x.buffer()?, out.buffer()?);
        find_maxima(pass, &x, &mut maxima, params_of(n), constants)
    })?;
    run.check(&out, || {
        let largest = |block: &[f32]| block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let blocks = logits.chunks(block_size(n));
        blocks
            .map(|block| Expected::exact(largest(block)))
            .collect()
    })
}

fn check(run: &mut Run<'_>, mapping: Mapping, logits: &[f32], sampling: &Sampling) -> Result<()> {
    const POSITIONS: u64 = 8;
    let tensor = run.input(logits, [logits.len()])?;
    let sampler = OnceCell::new();
    for position in 0..POSITIONS {
        // Counters beyond 32 bits too.
        let position = position << 30;
        let mut out = run.output(Format::U32, [1])?;
        run.pass(|pass| mapped(pass, mapping, &tensor, sampling, position, &mut out))?;
        let drawn = out.to_vec::<u32>()?[0];
        run.check(&out, || {
            let choice = sampler
                .get_or_init(|| reference::Sampler::new(logits, sampling))
                .choose(position);
            // Where the random number falls on the border of two tokens, to rounding, either will do.
            let token = if choice.close.contains(&drawn) {
                drawn
            } else {
                choice.token
            };
            vec![Expected::exact(token)]
        })?;
    }
    Ok(())
}
