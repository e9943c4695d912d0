//! Rotary position embedding.

use super::check::Op;
use super::mapping::Mapping;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::rope::{self, Params};
use crate::cases::{Expected, Family, Run, Tolerance};
use mettle_gpu::{Buffer, Device, Grid, Pass, Tensor};
use std::f64::consts::TAU;

const OP: Op = Op("rope");

/// Which elements of a head a rotation takes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// `(2i, 2i + 1)`: Llama models in GGUF files.
    Interleaved,
    /// `(i, i + dims / 2)`: Qwen, GPT-NeoX, and most models in Hugging Face form. The halves are those of the rotated
    /// part, not of the whole head.
    HalfSplit,
}

/// YaRN (Peng et al., "YaRN: Efficient Context Window Extension of Large Language Models", 2023): low frequencies are
/// scaled, high ones are not, and those between are mixed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// The context length that the model was first trained with.
    pub original_context: usize,
    /// Rotations within that context above which a frequency is not scaled; usually 32.
    pub beta_fast: f64,
    /// Rotations within that context below which a frequency is fully scaled; usually 1.
    pub beta_slow: f64,
    /// How much of the mixture to apply; usually 1.
    pub extrapolation: f64,
    /// A factor of the rotated values, besides the `1 + 0.1 ln(1 / scale)` of the paper; usually 1.
    pub attention: f64,
}

/// What determines the angles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RopeConfig<'a> {
    /// How elements are paired.
    pub pairing: Pairing,
    /// Rotated elements of a head, an even number; the rest stay as they are.
    pub dims: usize,
    /// Base of the frequencies: pair i turns by `base^(-2i / dims)` a position.
    pub base: f64,
    /// A factor of all frequencies; 1, or `1 / factor` for a context extended by `factor`.
    pub scale: f64,
    /// YaRN, if the model uses it.
    pub yarn: Option<Yarn>,
    /// A divisor for each frequency (`rope_freqs.weight` of Llama 3 in GGUF files), `dims / 2` of them.
    pub freq_factors: Option<&'a [f32]>,
    /// A factor of the rotated values, besides that of YaRN: 1, or that of LongRoPE.
    pub attention: f64,
}

impl RopeConfig<'_> {
    /// Rotation of whole heads of `dims` elements without any scaling.
    pub fn new(pairing: Pairing, dims: usize, base: f64) -> RopeConfig<'static> {
        RopeConfig {
            pairing,
            dims,
            base,
            scale: 1.0,
            yarn: None,
            freq_factors: None,
            attention: 1.0,
        }
    }

    /// The angle of each pair at position 1, in radians.
    fn frequencies(&self) -> Vec<f64> {
        (0..self.dims / 2)
            .map(|i| {
                let plain = self.base.powf(-2.0 * i as f64 / self.dims as f64);
                let plain = plain
                    / self
                        .freq_factors
                        .map_or(1.0, |factors| f64::from(factors[i]));
                let mix = self.yarn.map_or(0.0, |yarn| yarn.mix(self, i));
                plain * (self.scale * (1.0 - mix) + mix)
            })
            .collect()
    }

    /// The factor of the rotated values.
    fn attention_factor(&self) -> f64 {
        let of_yarn = self.yarn.map_or(1.0, |yarn| {
            let paper = if yarn.extrapolation == 0.0 {
                1.0
            } else {
                1.0 + 0.1 * (1.0 / self.scale).ln()
            };
            yarn.attention * paper
        });
        self.attention * of_yarn
    }
}

impl Yarn {
    /// How much of the unscaled frequency pair i keeps: 1 for fast ones, 0 for slow ones, a ramp between.
    fn mix(&self, config: &RopeConfig<'_>, i: usize) -> f64 {
        // The pair that turns `rotations` times within the original context.
        let pair = |rotations: f64| {
            let dims = config.dims as f64;
            dims * (self.original_context as f64 / (rotations * TAU)).ln()
                / (2.0 * config.base.ln())
        };
        let low = pair(self.beta_fast).floor().max(0.0);
        let high = pair(self.beta_slow).ceil().min(config.dims as f64 - 1.0);
        let ramp = ((i as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
        (1.0 - ramp) * self.extrapolation
    }
}

/// A rotation, prepared: its frequencies on the device. Make one a model.
///
/// The frequencies are computed in f64 and rounded to f32. The angle, position times frequency, is not rounded again
/// before it is reduced to one turn, so the rotation is exact to f32 at any position.
#[derive(Clone, Debug)]
pub struct Rope {
    pub(super) frequencies: Buffer<f32>,
    pub(super) dims: usize,
    pub(super) interleaved: bool,
    pub(super) scale: f32,
}

impl Rope {
    /// Prepares the rotation.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for a number of dimensions that is odd or zero, factors of another
    /// number than half of that, or numbers that give no finite frequencies; memory running out.
    pub fn new(device: &Device, config: &RopeConfig<'_>) -> Result<Rope> {
        if config.dims == 0 || !config.dims.is_multiple_of(2) {
            return Err(OP.refuse(
                "dims",
                format!("is {}, must be even and not zero", config.dims),
            ));
        }
        let pairs = config.dims / 2;
        if let Some(factors) = config.freq_factors.filter(|factors| factors.len() != pairs) {
            return Err(OP.refuse(
                "freq_factors",
                format!("has {} values for {pairs} pairs", factors.len()),
            ));
        }
        let frequencies: Vec<f32> = config.frequencies().into_iter().map(|f| f as f32).collect();
        let scale = config.attention_factor() as f32;
        if !frequencies.iter().chain([&scale]).all(|f| f.is_finite()) {
            return Err(OP.refuse(
                "config",
                format!("gives frequencies that are not finite: {config:?}"),
            ));
        }
        Ok(Rope {
            frequencies: device.upload(&frequencies)?,
            dims: config.dims,
            interleaved: config.pairing == Pairing::Interleaved,
            scale,
        })
    }
}

/// Rotates the heads of `x`, f32 `[tokens, heads, head_size]`, in place, by the angles of `positions`, i32 `[tokens]`.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes, gaps, or heads smaller than the rotated part.
pub fn rope(pass: &mut Pass, x: &mut Tensor, positions: &Tensor, rope: &Rope) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, positions, rope)
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    x: &mut Tensor,
    positions: &Tensor,
    rope: &Rope,
) -> Result<()> {
    let &[tokens, heads, head_size] = x.shape().dims() else {
        return Err(OP.refuse(
            "x",
            format!(
                "has shape {}, must be [tokens, heads, head_size]",
                x.shape()
            ),
        ));
    };
    if head_size < rope.dims {
        return Err(OP.refuse(
            "x",
            format!(
                "has heads of {head_size}, of which {} are to be rotated",
                rope.dims
            ),
        ));
    }
    OP.size("x", tokens)?;
    let kernel = rope::F32 {
        positions: &OP.vector("positions", positions, tokens)?,
        frequencies: &rope.frequencies,
        x: &mut OP.values("x", x)?,
        params: Params {
            heads: OP.size("x", heads)?,
            head_size: OP.size("x", head_size)?,
            dims: OP.size("dims", rope.dims)?,
            interleaved: u32::from(rope.interleaved),
            scale: rope.scale,
        },
    };
    let pairs = rope.dims / 2;
    let (heads_at_once, tokens_a_group) = match mapping {
        Mapping::RowPerThread => (1, super::mapping::rows_per_group(tokens, heads * head_size)),
        Mapping::RowPerGroup => (heads, 1),
    };
    let threads = pairs.min(1024);
    let grid = Grid::threads_total([pairs, tokens, heads_at_once]).threads([
        threads,
        tokens_a_group.min(1024 / threads),
        1,
    ]);
    Ok(pass.dispatch(kernel, grid)?)
}

/// The cases of `rope.metal`: both pairings, one pair, odd numbers of heads, partial rotation, a tail of pairs beyond a
/// threadgroup, frequency scaling of each kind, and positions up to a million.
pub(crate) fn family() -> Family {
    Family::new("rope", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
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
                            check(run, mapping, shape, first, &config)
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

/// One token and a prompt, 32 heads of 128.
fn benches(benches: &mut Benches) {
    let (heads, head_size) = (32, 128);
    for tokens in [1, 512] {
        let n = tokens * heads * head_size;
        let shape = format!("tokens{tokens}_heads{heads}_head{head_size}");
        benches.add("rope_f32", shape, Work::new(8 * n, 3 * n), move |setup| {
            let mut x = setup.values([tokens, heads, head_size])?;
            let positions: Vec<i32> = (0..tokens as i32).collect();
            let positions = setup.of(&positions)?;
            let config = RopeConfig::new(Pairing::HalfSplit, head_size, 1e6);
            let prepared = Rope::new(setup.device(), &config)?;
            Ok(Box::new(move |pass| {
                rope(pass, &mut x, &positions, &prepared)
            }))
        });
    }
}

const FACTORS: [f32; 8] = [1.0, 1.0, 1.5, 2.25, 4.0, 8.0, 8.0, 32.0];

fn check(
    run: &mut Run<'_>,
    mapping: Mapping,
    shape: [usize; 3],
    first: i32,
    config: &RopeConfig<'_>,
) -> Result<()> {
    let [tokens, heads, head_size] = shape;
    let x = run.rng().normal(tokens * heads * head_size);
    // Not in order: what counts is the position, not the place.
    let positions: Vec<i32> = (0..tokens as i32).rev().map(|t| first + t).collect();
    let mut xs = run.input(&x, shape)?;
    let places = run.input(&positions, [tokens])?;
    let prepared = Rope::new(run.device(), config)?;
    run.pass(|pass| mapped(pass, mapping, &mut xs, &places, &prepared))?;
    run.check(&xs, || {
        let x = x.iter().map(|&x| Expected::exact(x)).collect();
        reference(x, heads, head_size, &positions, config)
    })
}

/// Rotates what is expected of `[tokens, heads, head_size]` values.
pub(super) fn reference(
    mut x: Vec<Expected>,
    heads: usize,
    head_size: usize,
    positions: &[i32],
    config: &RopeConfig<'_>,
) -> Vec<Expected> {
    let frequencies = config.frequencies();
    let scale = f64::from(config.attention_factor() as f32);
    for (row, values) in x.chunks_exact_mut(head_size).enumerate() {
        for (i, &frequency) in frequencies.iter().enumerate() {
            let (first, second) = match config.pairing {
                Pairing::Interleaved => (2 * i, 2 * i + 1),
                Pairing::HalfSplit => (i, i + config.dims / 2),
            };
            let (a, b) = (values[first].value(), values[second].value());
            // The frequency is an f32 by definition, as in the models' own code.
            let angle = f64::from(positions[row / heads]) * f64::from(frequency as f32);
            let (sin, cos) = angle.sin_cos();
            let magnitude = scale * (a.abs() + b.abs());
            values[first] = Expected::near(scale * (a * cos - b * sin), magnitude);
            values[second] = Expected::near(scale * (a * sin + b * cos), magnitude);
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yarn(scale: f64) -> RopeConfig<'static> {
        let yarn = Yarn {
            original_context: 4096,
            beta_fast: 32.0,
            beta_slow: 1.0,
            extrapolation: 1.0,
            attention: 1.0,
        };
        RopeConfig {
            scale,
            yarn: Some(yarn),
            ..RopeConfig::new(Pairing::HalfSplit, 128, 1e4)
        }
    }

    #[test]
    fn frequencies_fall_from_one_by_the_base() {
        let frequencies = RopeConfig::new(Pairing::HalfSplit, 64, 1e4).frequencies();
        assert_eq!(frequencies.len(), 32);
        assert_eq!(frequencies[0], 1.0);
        assert!((frequencies[16] - 1e-2).abs() < 1e-15);
    }

    /// Pair 20 of 64 at base 10000 turns `4096 * 10000^(-20/64) / 2 pi = 36.7` times, so it is not scaled; pair 46
    /// turns 0.87 times, so it is fully scaled.
    #[test]
    fn yarn_scales_slow_pairs_only() {
        let (plain, scaled) = (yarn(1.0).frequencies(), yarn(0.25).frequencies());
        for i in 0..64 {
            let ratio = scaled[i] / plain[i];
            match i {
                0..=20 => assert!((ratio - 1.0).abs() < 1e-12, "pair {i}: {ratio}"),
                46.. => assert!((ratio - 0.25).abs() < 1e-12, "pair {i}: {ratio}"),
                _ => assert!(ratio > 0.25 && ratio < 1.0, "pair {i}: {ratio}"),
            }
        }
        let attention = yarn(0.25).attention_factor();
        assert!(
            (attention - (1.0 + 0.1 * 4f64.ln())).abs() < 1e-12,
            "{attention}"
        );
    }
}
