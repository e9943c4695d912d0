//! The cases and bench entries of rotations.

use super::{
    MultiRope, Pairing, Rope, RopeConfig, STREAMS, SectionLayout, Sections, Yarn, mapped, rope,
    rope_multi,
};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use crate::ops::check::FLOATS;
use crate::ops::mapping::Mapping;
use mettle_gpu::Format;

/// The cases of `rope.metal`: both pairings, one pair, odd numbers of heads, partial rotation, a tail of pairs beyond a
/// threadgroup, frequency scaling of each kind, and positions up to a million.
pub(crate) fn family() -> Family {
    Family::new("rope", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            add_formats_and_sections(cases, mapping);
            for pairing in [Pairing::Interleaved, Pairing::HalfSplit] {
                let mut add =
                    |name: &str, shape: [usize; 3], first: i32, config: RopeConfig<'static>| {
                        let pairing_name = if pairing == Pairing::Interleaved {
                            "interleaved"
                        } else {
                            "half_split"
                        };
                        let name = format!("{}_{pairing_name}_{name}", mapping.name());
                        cases.add("rope_f32", name, move |run| {
                            check(run, mapping, Format::F32, shape, first, (&config, None))
                        });
                    };
                let plain = |dims| RopeConfig::new(pairing, dims, 1e6);
                add("one_pair", [1, 1, 2], 1, plain(2));
                add("decode", [1, 16, 128], 4097, plain(128));
                add("prompt", [13, 3, 64], 0, plain(64));
                add("partial", [5, 4, 128], 100, plain(32));
                add("head80", [3, 5, 80], 7, plain(80));
                add("many_pairs", [2, 1, 4096], 3, plain(4096));
                add(
                    "far",
                    [9, 2, 128],
                    32_765,
                    RopeConfig::new(pairing, 128, 1e4),
                );
                add(
                    "very_far",
                    [3, 1, 128],
                    1_000_000,
                    RopeConfig::new(pairing, 128, 5e5),
                );
                add(
                    "linear",
                    [4, 2, 64],
                    5000,
                    RopeConfig {
                        scale: 0.25,
                        ..plain(64)
                    },
                );
                add(
                    "factors",
                    [4, 2, 16],
                    5000,
                    RopeConfig {
                        freq_factors: Some(&FACTORS),
                        ..plain(16)
                    },
                );
                add(
                    "longrope",
                    [4, 2, 32],
                    5000,
                    RopeConfig {
                        freq_factors: Some(&FACTORS),
                        attention: 1.19,
                        ..plain(16)
                    },
                );
                let yarn = Yarn {
                    original_context: 4096,
                    beta_fast: 32.0,
                    beta_slow: 1.0,
                    extrapolation: 1.0,
                    attention: 1.0,
                };
                let config = RopeConfig {
                    scale: 0.25,
                    yarn: Some(yarn),
                    ..RopeConfig::new(pairing, 128, 1e4)
                };
                add("yarn", [3, 2, 128], 10_000, config);
            }
        }
    })
    .benches(benches)
}

/// Other formats, and several positions for each token, of every kind of sections.
fn add_formats_and_sections(cases: &mut Cases, mapping: Mapping) {
    for (format, suffix) in FLOATS {
        for pairing in [Pairing::Interleaved, Pairing::HalfSplit] {
            let mut add = |name: &str, shape: [usize; 3], dims: usize, sections| {
                let pairing_name = if pairing == Pairing::Interleaved {
                    "interleaved"
                } else {
                    "half_split"
                };
                let name = format!("{}_{pairing_name}_{name}", mapping.name());
                cases.add(format!("rope_{suffix}"), name, move |run| {
                    let config = RopeConfig::new(pairing, dims, 1e4);
                    check(run, mapping, format, shape, 40, (&config, sections))
                });
            };
            if format != Format::F32 {
                add("few", [3, 3, 80], 80, None);
                add("few_partial", [2, 2, 96], 32, None);
            }
            for (name, pairs, layout) in [
                ("contiguous", [5, 6, 5, 0], SectionLayout::Contiguous),
                ("contiguous_again", [3, 2, 1, 1], SectionLayout::Contiguous),
                ("interleaved", [6, 5, 5, 0], SectionLayout::Interleaved),
                (
                    "interleaved_uneven",
                    [3, 2, 2, 9],
                    SectionLayout::Interleaved,
                ),
                ("restarted", [8, 8, 0, 0], SectionLayout::Restarted),
            ] {
                let sections = Some(Sections { pairs, layout });
                add(&format!("multi_{name}"), [4, 2, 40], 32, sections);
            }
        }
    }
}

/// One token and a prompt, 32 heads of 128, and with sections.
fn benches(benches: &mut Benches) {
    let (heads, head_size) = (32, 128);
    for (format, suffix) in FLOATS {
        for (tokens, multi) in [(1, false), (512, false), (512, true)] {
            let n = tokens * heads * head_size;
            let name = if multi { "_multi" } else { "" };
            let shape = format!("tokens{tokens}_heads{heads}_head{head_size}{name}");
            let work = Work::new(2 * n * format.block_bytes(), 3 * n);
            benches.add(format!("rope_{suffix}"), shape, work, move |setup| {
                let mut x = setup.values_as(format, [tokens, heads, head_size])?;
                let positions: Vec<i32> = (0..tokens as i32).collect();
                let config = RopeConfig::new(Pairing::HalfSplit, head_size, 1e6);
                let sections = Sections {
                    pairs: [24, 20, 20, 0],
                    layout: SectionLayout::Interleaved,
                };
                if multi {
                    let positions = setup.of(&positions.repeat(STREAMS))?;
                    let prepared = MultiRope::new(setup.device(), &config, sections)?;
                    return Ok(Box::new(move |pass| {
                        rope_multi(pass, &mut x, &positions, &prepared)
                    }));
                }
                let positions = setup.of(&positions)?;
                let prepared = Rope::new(setup.device(), &config)?;
                Ok(Box::new(move |pass| {
                    rope(pass, &mut x, &positions, &prepared)
                }))
            });
        }
    }
}

const FACTORS: [f32; 8] = [1.0, 1.0, 1.5, 2.25, 4.0, 8.0, 8.0, 32.0];

fn check(
    run: &mut Run<'_>,
    mapping: Mapping,
    format: Format,
    shape: [usize; 3],
    first: i32,
    (config, sections): (&RopeConfig<'_>, Option<Sections>),
) -> Result<()> {
    let [tokens, heads, head_size] = shape;
    let x = run.rng().normal(tokens * heads * head_size);
    let (mut xs, x) = run.rounded(format, &x, shape)?;
    // Not in order: what counts is the position, not the place.
    let positions = |by: i32| (0..tokens as i32).rev().map(move |t| first + by * t);
    let x = x.iter().map(|&x| Expected::exact(x)).collect();
    if let Some(sections) = sections {
        let positions: Vec<i32> = [1, 3, 7, 11].into_iter().flat_map(positions).collect();
        let places = run.input(&positions, [STREAMS, tokens])?;
        let prepared = MultiRope::new(run.device(), config, sections)?;
        let MultiRope { rope, streams } = &prepared;
        run.pass(|pass| mapped(pass, mapping, &mut xs, &places, rope, Some(streams)))?;
        return run.check(&xs, || {
            let frequencies = config.frequencies_of(&sections);
            let place = |token: usize, pair: usize| positions[sections.of(pair).0 * tokens + token];
            rotated(x, heads, head_size, place, &frequencies, config)
        });
    }
    let positions: Vec<i32> = positions(1).collect();
    let places = run.input(&positions, [tokens])?;
    let prepared = Rope::new(run.device(), config)?;
    run.pass(|pass| mapped(pass, mapping, &mut xs, &places, &prepared, None))?;
    run.check(&xs, || reference(x, heads, head_size, &positions, config))
}

/// Rotates what is expected of `[tokens, heads, head_size]` values.
pub(in crate::ops) fn reference(
    x: Vec<Expected>,
    heads: usize,
    head_size: usize,
    positions: &[i32],
    config: &RopeConfig<'_>,
) -> Vec<Expected> {
    // The frequency is an f32 by definition, as in the models' own code.
    let frequencies: Vec<f32> = config.frequencies().into_iter().map(|f| f as f32).collect();
    let place = |token: usize, _: usize| positions[token];
    rotated(x, heads, head_size, place, &frequencies, config)
}

/// The same, for positions of each token and pair.
fn rotated(
    mut x: Vec<Expected>,
    heads: usize,
    head_size: usize,
    position: impl Fn(usize, usize) -> i32,
    frequencies: &[f32],
    config: &RopeConfig<'_>,
) -> Vec<Expected> {
    let scale = f64::from(config.attention_factor() as f32);
    for (row, values) in x.chunks_exact_mut(head_size).enumerate() {
        for (i, &frequency) in frequencies.iter().enumerate() {
            let (first, second) = match config.pairing {
                Pairing::Interleaved => (2 * i, 2 * i + 1),
                Pairing::HalfSplit => (i, i + config.dims / 2),
            };
            let (a, b) = (values[first].value(), values[second].value());
            let angle = f64::from(position(row / heads, i)) * f64::from(frequency);
            let (sin, cos) = angle.sin_cos();
            let magnitude = scale * (a.abs() + b.abs());
            values[first] = Expected::near(scale * (a * cos - b * sin), magnitude);
            values[second] = Expected::near(scale * (a * sin + b * cos), magnitude);
        }
    }
    x
}
