//! Blocks of 256 values in sub-blocks, whose scales (and minima) are themselves integers times one of the block.

use half::f16;

use super::fit::{self, Bias, Levels, inverse_or_zero, round_within};

/// Rounds of choosing integers for given block scales, then block scales for the integers.
const ROUNDS: usize = 3;

/// The half that stands for a block's scale `d`: among subnormals, which are coarse, the one that is not smaller, so that
/// the integers suffice.
fn unit(d: f32) -> f16 {
    let half = f16::from_f32(d);
    let smaller = half.to_f32().abs() < d.abs() && d.abs() < f16::MIN_POSITIVE.to_f32();
    match smaller {
        true => f16::from_f32(half.to_f32() + 2f32.powi(-24).copysign(d)),
        false => half,
    }
}

/// `d * scales[sub] * level`.
pub(super) struct Scaled<const SUBS: usize> {
    pub(super) d: f16,
    pub(super) scales: [i8; SUBS],
    pub(super) codes: [u8; 256],
}

/// Encodes with sub-block scales from `lowest` to `-lowest - 1`.
pub(super) fn scaled<L: Levels, const SUBS: usize>(values: &[f32], lowest: i8) -> Scaled<SUBS> {
    let subs = || values.chunks_exact(256 / SUBS);
    let mut ideal = [0.0; SUBS];
    for (ideal, sub) in ideal.iter_mut().zip(subs()) {
        *ideal = fit::scale::<L>(sub);
    }
    let mut best = Scaled {
        d: f16::ZERO,
        scales: [0; SUBS],
        codes: [L::nearest(0.0).0; 256],
    };
    let mut least = f32::INFINITY;
    let mut d = fit::extreme(&ideal) / f32::from(lowest);
    for _ in 0..ROUNDS {
        let mut tried = Scaled { d: unit(d), ..best };
        let rounded = tried.d.to_f32();
        if rounded == 0.0 {
            break;
        }
        let (mut error, mut product, mut square) = (0.0, 0.0, 0.0);
        let codes = tried.codes.chunks_exact_mut(256 / SUBS);
        for (((sub, ideal), scale), codes) in subs().zip(ideal).zip(&mut tried.scales).zip(codes) {
            let [low, high] = around(ideal / rounded, f32::from(lowest), -f32::from(lowest) - 1.0);
            let (low, high) = (
                (level_error::<L>(sub, rounded * low), low),
                (level_error::<L>(sub, rounded * high), high),
            );
            let (sub_error, chosen) = if high.0 < low.0 { high } else { low };
            error += sub_error;
            *scale = chosen as i8;
            let inverse = inverse_or_zero(rounded * chosen);
            for (&x, code) in sub.iter().zip(codes) {
                let (nearest, level) = L::nearest(x * inverse);
                *code = nearest;
                product += x * chosen * level;
                square += (chosen * level).powi(2);
            }
        }
        if error < least {
            (least, best) = (error, tried);
        }
        d = match square > 0.0 {
            true => product / square,
            false => break,
        };
    }
    best
}

/// `sum (x - scale * level)^2` with the nearest levels.
fn level_error<L: Levels>(values: &[f32], scale: f32) -> f32 {
    let inverse = inverse_or_zero(scale);
    let square = |&x: &f32| (x - scale * L::nearest(x * inverse).1).powi(2);
    values.iter().map(square).sum()
}

/// The integers below and above `x` within the bounds.
fn around(x: f32, low: f32, high: f32) -> [f32; 2] {
    let below = round_within(x - 0.5, low, high);
    [below, (below + 1.0).min(high)]
}

/// `d * scales[sub] * q - dmin * minima[sub]`.
pub(super) struct Affine<const SUBS: usize> {
    pub(super) d: f16,
    pub(super) dmin: f16,
    pub(super) scales: [u8; SUBS],
    pub(super) minima: [u8; SUBS],
    pub(super) codes: [u8; 256],
}

/// Encodes with codes from 0 to `top` and sub-block scales and minima from 0 to `most`.
pub(super) fn affine<const SUBS: usize>(values: &[f32], top: f32, most: f32) -> Affine<SUBS> {
    let subs = || values.chunks_exact(256 / SUBS);
    let mut ideal = [(0.0, 0.0); SUBS];
    for (ideal, sub) in ideal.iter_mut().zip(subs()) {
        let (scale, bias) = fit::affine(sub, top, Bias::Subtracted);
        *ideal = (scale, -bias);
    }
    let mut best = Affine {
        d: f16::ZERO,
        dmin: f16::ZERO,
        scales: [0; SUBS],
        minima: [0; SUBS],
        codes: [0; 256],
    };
    let mut least = f32::INFINITY;
    let largest = |part: fn(&(f32, f32)) -> f32| ideal.iter().map(part).fold(0.0, f32::max);
    let (mut d, mut dmin) = (largest(|i| i.0) / most, largest(|i| i.1) / most);
    for _ in 0..ROUNDS {
        let mut tried = Affine {
            d: unit(d),
            dmin: unit(dmin),
            ..best
        };
        let (scale_unit, min_unit) = (tried.d.to_f32(), tried.dmin.to_f32());
        let mut normal = Normal::default();
        let mut error = 0.0;
        for (i, (sub, ideal)) in subs().zip(ideal).enumerate() {
            let chosen = Integers::best(sub, ideal, scale_unit, min_unit, top, most);
            error += chosen.error;
            tried.scales[i] = chosen.scale as u8;
            tried.minima[i] = chosen.min as u8;
            let (scale, min) = (scale_unit * chosen.scale, min_unit * chosen.min);
            let inverse = inverse_or_zero(scale);
            let codes = &mut tried.codes[i * sub.len()..][..sub.len()];
            for (&x, code) in sub.iter().zip(codes) {
                let q = round_within((x + min) * inverse, 0.0, top);
                *code = q as u8;
                normal.add(x, chosen.scale * q, -chosen.min);
            }
        }
        if error < least {
            (least, best) = (error, tried);
        }
        (d, dmin) = match normal.solve() {
            Some((d, dmin)) if d >= 0.0 && dmin >= 0.0 => (d, dmin),
            _ => break,
        };
    }
    best
}

/// The integers of a sub-block and the error they lead to.
struct Integers {
    scale: f32,
    min: f32,
    error: f32,
}

impl Integers {
    /// The best of the four pairs around the ideal scale and minimum.
    fn best(
        values: &[f32],
        ideal: (f32, f32),
        scale_unit: f32,
        min_unit: f32,
        top: f32,
        most: f32,
    ) -> Integers {
        let scales = around(ideal.0 * inverse_or_zero(scale_unit), 0.0, most);
        let minima = around(ideal.1 * inverse_or_zero(min_unit), 0.0, most);
        let mut best = Integers {
            scale: 0.0,
            min: 0.0,
            error: f32::INFINITY,
        };
        for scale in scales {
            for min in minima {
                let pair = (scale_unit * scale, -min_unit * min);
                let error = fit::affine_error(values, pair, top);
                if error < best.error {
                    best = Integers { scale, min, error };
                }
            }
        }
        best
    }
}

/// The normal equations of `x = d * a + dmin * b`.
#[derive(Default)]
struct Normal {
    aa: f32,
    ab: f32,
    bb: f32,
    xa: f32,
    xb: f32,
}

impl Normal {
    fn add(&mut self, x: f32, a: f32, b: f32) {
        self.aa += a * a;
        self.ab += a * b;
        self.bb += b * b;
        self.xa += x * a;
        self.xb += x * b;
    }

    /// `(d, dmin)`; `dmin` is zero where nothing depends on it. `None` where that is so of `d`.
    fn solve(&self) -> Option<(f32, f32)> {
        if self.bb == 0.0 {
            return (self.aa > 0.0).then(|| (self.xa / self.aa, 0.0));
        }
        let determinant = self.aa * self.bb - self.ab * self.ab;
        (determinant > 0.0).then(|| {
            (
                (self.xa * self.bb - self.xb * self.ab) / determinant,
                (self.xb * self.aa - self.xa * self.ab) / determinant,
            )
        })
    }
}
