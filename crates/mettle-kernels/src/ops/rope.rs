//! Rotary position embedding.

mod cases;

use super::check::{Op, by_float_format};
use super::mapping::Mapping;
use crate::Result;
use crate::bindings::rope::{Constants, Params};
pub(crate) use cases::family;
pub(super) use cases::reference;
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

    /// The angle of each pair at position 1 where there are sections, as kernels have it.
    fn frequencies_of(&self, sections: &Sections) -> Vec<f32> {
        let plain = self.frequencies();
        let frequency = |i: usize| match sections.layout {
            // Those of every second pair: a section has half of the dimensions.
            SectionLayout::Restarted => plain[2 * sections.of(i).1],
            _ => plain[i],
        };
        (0..plain.len()).map(|i| frequency(i) as f32).collect()
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

/// How pairs share the positions of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionLayout {
    /// One section behind the other, and from the beginning where pairs are left (M-RoPE of Qwen2-VL).
    Contiguous,
    /// Pairs 0, 3, 6, ... have the first position, 1, 4, 7, ... the second, 2, 5, 8, ... the third, each as many as its section has; all
    /// others have the fourth (Qwen3-VL, Qwen3.5).
    Interleaved,
    /// Two sections, in each of which frequencies begin anew: those of the height and width of patches in vision encoders.
    Restarted,
}

/// The sections of a rotation: how many pairs turn by which of a token's four positions, those in time, in height, in width, and one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sections {
    /// Pairs of each position.
    pub pairs: [usize; 4],
    /// Which ones.
    pub layout: SectionLayout,
}

/// Positions of a token.
const STREAMS: usize = 4;

impl Sections {
    /// The position that pair i turns by, and its number in the section where frequencies begin anew, else i.
    fn of(&self, i: usize) -> (usize, usize) {
        let [first, second, third, fourth] = self.pairs;
        let all = match self.layout {
            SectionLayout::Restarted => first + second,
            _ => first + second + third + fourth,
        };
        let place = i % all;
        match self.layout {
            SectionLayout::Contiguous => {
                let ends = [first, first + second, first + second + third];
                let before = ends.iter().filter(|&&end| end <= place).count();
                (before, i)
            }
            SectionLayout::Interleaved => {
                let stream = place % 3;
                let is_in = place < 3 * self.pairs[stream];
                (if is_in { stream } else { 3 }, i)
            }
            SectionLayout::Restarted if place < first => (0, place),
            SectionLayout::Restarted => (1, place - first),
        }
    }
}

/// A rotation by several positions of each token, prepared.
#[derive(Clone, Debug)]
pub struct MultiRope {
    rope: Rope,
    streams: Buffer<u32>,
}

impl MultiRope {
    /// Prepares the rotation.
    ///
    /// # Errors
    /// As for [`Rope::new`], and [`Error::Argument`](crate::Error::Argument) for sections without pairs, or such that begin anew and
    /// have more than half of them.
    pub fn new(device: &Device, config: &RopeConfig<'_>, sections: Sections) -> Result<MultiRope> {
        if sections.pairs[..2].iter().sum::<usize>() == 0 {
            let reason = format!("are {:?}, must have pairs in the first two", sections.pairs);
            return Err(OP.refuse("sections", reason));
        }
        let longest = sections.pairs[..2].iter().max().copied().unwrap_or(0);
        if sections.layout == SectionLayout::Restarted && 4 * longest > config.dims {
            let (pairs, dims) = (sections.pairs, config.dims);
            let reason = format!("are {pairs:?}, must have a quarter of {dims} at most, each");
            return Err(OP.refuse("sections", reason));
        }
        let mut rope = Rope::new(device, config)?;
        let frequencies = config.frequencies_of(&sections);
        rope.frequencies = device.upload(&frequencies)?;
        let streams = (0..config.dims / 2).map(|i| sections.of(i).0 as u32);
        Ok(MultiRope {
            rope,
            streams: device.upload(&streams.collect::<Vec<_>>())?,
        })
    }
}

/// Rotates the heads of `x`, F32, F16 or BF16 `[tokens, heads, head_size]`, in place, by the angles of `positions`, i32 `[tokens]`.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes, gaps,
/// or heads smaller than the rotated part.
pub fn rope(pass: &mut Pass, x: &mut Tensor, positions: &Tensor, rope: &Rope) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, positions, rope, None)
}

/// [`rope()`] where each token has four positions: `positions` is i32 `[4, tokens]`.
///
/// # Errors
/// As for [`rope()`].
pub fn rope_multi(
    pass: &mut Pass,
    x: &mut Tensor,
    positions: &Tensor,
    rope: &MultiRope,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    let MultiRope { rope, streams } = rope;
    mapped(pass, mapping, x, positions, rope, Some(streams))
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    x: &mut Tensor,
    positions: &Tensor,
    rope: &Rope,
    streams: Option<&Buffer<u32>>,
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
    let positions = &OP.vector(
        "positions",
        positions,
        tokens * streams.map_or(1, |_| STREAMS),
    )?;
    let params = Params {
        tokens: OP.size("x", tokens)?,
        heads: OP.size("x", heads)?,
        head_size: OP.size("x", head_size)?,
        dims: OP.size("dims", rope.dims)?,
        interleaved: u32::from(rope.interleaved),
        scale: rope.scale,
    };
    let constants = Constants {
        multi: streams.is_some(),
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
    by_float_format!(OP, "x", x.format(), Kernel in rope::{F32, F16, Bf16} => {
        let kernel = Kernel {
            x: &mut OP.values("x", x)?,
            positions,
            frequencies: &rope.frequencies,
            streams: &match streams {
                Some(streams) => streams.clone(),
                // Not read.
                None => rope.frequencies.cast()?,
            },
            params,
            constants,
        };
        Ok(pass.dispatch(kernel, grid)?)
    })
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

    #[test]
    fn pairs_have_the_positions_of_their_sections() {
        let streams = |pairs, layout, count: usize| -> Vec<usize> {
            let sections = Sections { pairs, layout };
            (0..count).map(|i| sections.of(i).0).collect()
        };
        let layout = SectionLayout::Contiguous;
        assert_eq!(
            streams([1, 2, 1, 1], layout, 7),
            [0, 1, 1, 2, 3, 0, 1],
            "pairs behind the last section begin with the first"
        );
        let layout = SectionLayout::Interleaved;
        assert_eq!(streams([2, 1, 1, 0], layout, 4), [0, 1, 2, 0]);
        assert_eq!(streams([1, 2, 1, 1], layout, 5), [0, 1, 2, 3, 1]);
        let sections = Sections {
            pairs: [2, 2, 0, 0],
            layout: SectionLayout::Restarted,
        };
        let places: Vec<_> = (0..4).map(|i| sections.of(i)).collect();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        let config = RopeConfig::new(Pairing::HalfSplit, 8, 1e4);
        assert_eq!(config.frequencies_of(&sections), [1.0, 0.01, 1.0, 0.01]);
    }
}
