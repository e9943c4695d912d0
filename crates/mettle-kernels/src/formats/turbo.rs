//! TurboQuant: heads of key-value caches in few bits a value, and the codebooks for it.
//!
//! A head goes through a transform first (see [`hadamard`](crate::ops::hadamard())), so that its values are about normal. What is encoded here
//! has been through it. A block is the root mean square of its values and codes, see [`Turbo`].

use mettle_gpu::Turbo;
use std::f64::consts::PI;
use std::sync::OnceLock;

/// Bits of codes that there are codebooks for, at most.
const MAX_BITS: usize = 8;

/// The levels that codes of so many bits, 2 to 8, stand for, in ascending order: those with the least mean squared error for normal
/// numbers of deviation one (Max, "Quantizing for minimum distortion", 1960; Lloyd, "Least squares quantization in PCM", 1982), to 1e-12.
/// `None` for other numbers of bits.
pub fn turbo_levels(bits: usize) -> Option<&'static [f64]> {
    static LEVELS: [OnceLock<Vec<f64>>; MAX_BITS - 1] = [const { OnceLock::new() }; MAX_BITS - 1];
    let levels = LEVELS.get(bits.checked_sub(2)?)?;
    Some(levels.get_or_init(|| {
        let upper = lloyd_max(1 << (bits - 1));
        let lower = upper.iter().rev().map(|level| -level);
        lower.chain(upper.iter().copied()).collect()
    }))
}

/// The mean squared error that [`turbo_levels`] leave of normal numbers of deviation one; `None` for other numbers of bits.
pub fn turbo_distortion(bits: usize) -> Option<f64> {
    let levels = turbo_levels(bits)?;
    // Levels are the means of their cells, so what they explain is their own mean square.
    let upper = &levels[levels.len() / 2..];
    let explained = (0..upper.len()).map(|i| upper[i] * upper[i] * Cell::of(upper, i).mass);
    Some(1.0 - 2.0 * explained.sum::<f64>())
}

/// The values that are nearest to a level.
struct Cell {
    /// Their probability.
    mass: f64,
    /// How far the level is above their mean.
    off: f64,
    /// What a step of the cell's lower and upper edge is to its mean.
    slopes: [f64; 2],
}

impl Cell {
    /// That of level i of those above zero, to which there are as many below.
    fn of(upper: &[f64], i: usize) -> Cell {
        let level = upper[i];
        let before = if i == 0 { -level } else { upper[i - 1] };
        let low = (before + level) / 2.0;
        let Some(&next) = upper.get(i + 1) else {
            let mass = tail(low);
            let mean = density(low) / mass;
            let slope = density(low) * (mean - low) / mass;
            return Cell {
                mass,
                off: level - mean,
                slopes: [slope, 0.0],
            };
        };
        // About the middle of the cell, so that nothing cancels.
        let (half, middle) = ((next - before) / 4.0, (before + 2.0 * level + next) / 4.0);
        let (mass, moment) = integrals(middle, half);
        let mean = moment / mass;
        let slope = |edge: f64, distance: f64| density(edge) * distance / mass;
        Cell {
            mass,
            off: ((level - before) - (next - level)) / 4.0 - mean,
            slopes: [slope(low, half + mean), slope(middle + half, half - mean)],
        }
    }
}

/// The `count` levels above zero: each is the mean of what is nearest to it. Newton's method on these conditions, which are tied to their
/// neighbours only, from the levels that would do were they many (normal numbers of deviation sqrt(3) in equal parts).
fn lloyd_max(count: usize) -> Vec<f64> {
    const ENOUGH: f64 = 1e-13;
    const STEPS: usize = 20;
    let mut levels: Vec<f64> = (0..count)
        .map(|i| 3f64.sqrt() * quantile((i as f64 + 0.5) / (2 * count) as f64))
        .collect();
    for _ in 0..STEPS {
        // Thomas' elimination: level i moves by constant[i] - factor[i] * (what level i + 1 moves by).
        let (mut factors, mut constants) = (vec![0.0; count], vec![0.0; count]);
        for i in 0..count {
            let Cell { off, slopes, .. } = Cell::of(&levels, i);
            // An edge moves half as far as each of its two levels; zero stays.
            let below = if i == 0 { 0.0 } else { -0.5 * slopes[0] };
            let above = -0.5 * slopes[1];
            let (factor, constant) = match i {
                0 => (0.0, 0.0),
                _ => (factors[i - 1], constants[i - 1]),
            };
            let pivot = 1.0 + below + above - below * factor;
            factors[i] = above / pivot;
            constants[i] = (-off - below * constant) / pivot;
        }
        let (mut step, mut most) = (0.0, 0.0f64);
        for i in (0..count).rev() {
            step = constants[i] - factors[i] * step;
            levels[i] += step;
            most = most.max(step.abs());
        }
        if most < ENOUGH {
            break;
        }
    }
    levels
}

/// The density of normal numbers of deviation one.
fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// The integrals of `density(x)` and `density(x) (x - middle)` over the values within `half` of `middle`: by the rule of Gauss and Legendre
/// with five points, in parts.
fn integrals(middle: f64, half: f64) -> (f64, f64) {
    const PARTS: usize = 16;
    let root = |sign: f64| (5.0 + sign * 2.0 * (10f64 / 7.0).sqrt()).sqrt() / 3.0;
    let weight = |sign: f64| (322.0 - sign * 13.0 * 70f64.sqrt()) / 900.0;
    let (inner, outer) = ((root(-1.0), weight(-1.0)), (root(1.0), weight(1.0)));
    let points = [
        (0.0, 128.0 / 225.0),
        inner,
        (-inner.0, inner.1),
        outer,
        (-outer.0, outer.1),
    ];
    let part = half / PARTS as f64;
    let (mut mass, mut moment) = (0.0, 0.0);
    for p in 0..PARTS {
        let center = (2 * p + 1) as f64 * part - half;
        for (x, weight) in points {
            let distance = center + part * x;
            let value = part * weight * density(middle + distance);
            mass += value;
            moment += value * distance;
        }
    }
    (mass, moment)
}

/// The probability of values above `x`, which is not negative.
fn tail(x: f64) -> f64 {
    if x < 2.0 {
        // Of those from zero on: density(x) (x + x^3 / 3 + x^5 / 15 + ...).
        let (mut term, mut sum, mut k) = (x, x, 1.0);
        while term > 1e-18 * sum {
            k += 2.0;
            term *= x * x / k;
            sum += term;
        }
        return 0.5 - density(x) * sum;
    }
    // Laplace's continued fraction.
    let rest = (1..=200)
        .rev()
        .fold(0.0, |rest, k| f64::from(k) / (x + rest));
    density(x) / (x + rest)
}

/// The value above which, and above zero, there is a probability of `0.5 - p`.
fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if 0.5 - tail(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The levels as kernels have them.
fn levels_f32(turbo: Turbo) -> Vec<f32> {
    let levels = turbo_levels(turbo.bits()).unwrap_or_default();
    levels.iter().map(|&level| level as f32).collect()
}

/// `f32 scale`, then codes: `scale * level`.
pub(super) fn decode(turbo: Turbo, block: &[u8], values: &mut [f32]) {
    let levels = levels_f32(turbo);
    let scale = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    let bits = turbo.bits();
    for (i, value) in values.iter_mut().enumerate() {
        let first = i * bits;
        let bytes = [
            block[4 + first / 8],
            *block.get(5 + first / 8).unwrap_or(&0),
        ];
        let code = u16::from_le_bytes(bytes) >> (first % 8) & ((1 << bits) - 1);
        *value = scale * levels[usize::from(code)];
    }
}

/// Added up in sixteen columns and then by halves, as kernels do it.
fn root_mean_square(values: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    for sixteen in values.chunks_exact(16) {
        for (sum, &x) in sums.iter_mut().zip(sixteen) {
            *sum = x.mul_add(x, *sum);
        }
    }
    for half_of in [8, 4, 2, 1] {
        let (low, high) = sums.split_at_mut(half_of);
        for (sum, other) in low.iter_mut().zip(high) {
            *sum += *other;
        }
    }
    (sums[0] / values.len() as f32).sqrt()
}

/// Every value becomes the nearest level, between two the lower. Kernels do the same, operation by operation.
pub(super) fn encode(turbo: Turbo, values: &[f32], block: &mut [u8]) {
    let levels = levels_f32(turbo);
    let scale = root_mean_square(values);
    let inverse = if scale == 0.0 { 0.0 } else { scale.recip() };
    block.fill(0);
    block[..4].copy_from_slice(&scale.to_le_bytes());
    for (i, &value) in values.iter().enumerate() {
        let x = value * inverse;
        let below = |pair: &[f32]| x > 0.5 * (pair[0] + pair[1]);
        let code = levels.windows(2).take_while(|pair| below(pair)).count();
        let first = i * turbo.bits();
        let bits = (code << (first % 8)).to_le_bytes();
        block[4 + first / 8] |= bits[0];
        if bits[1] != 0 {
            block[5 + first / 8] |= bits[1];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Rng;
    use crate::formats::{dequantize, quantize};
    use mettle_gpu::Format;

    /// The levels and distortions of Max' paper, table I: for 4, 8, 16 and 32 levels, as far as it has them.
    #[test]
    fn levels_are_the_published_ones() {
        let upper = |bits| turbo_levels(bits).map(|levels| levels[levels.len() / 2..].to_vec());
        let near = |found: &[f64], expected: &[f64], within: f64| {
            let off = |(a, b): (&f64, &f64)| (a - b).abs() <= within;
            assert!(
                found.iter().zip(expected).all(off),
                "{found:?}, {expected:?}"
            );
        };
        near(&upper(2).unwrap(), &[0.4527800, 1.5104176], 5e-8);
        near(&upper(3).unwrap(), &[0.2451, 0.7560, 1.344, 2.152], 6e-4);
        let sixteen = [0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733];
        near(&upper(4).unwrap(), &sixteen, 6e-4);
        let distortions = [2, 3, 4, 5].map(|bits| turbo_distortion(bits).unwrap());
        near(&distortions, &[0.1175, 0.03454, 0.009497, 0.002499], 2e-5);
        assert_eq!((turbo_levels(1), turbo_levels(9)), (None, None));
    }

    /// The condition that defines them holds to 1e-12.
    #[test]
    fn levels_are_the_means_of_what_is_nearest() {
        for bits in 2..=MAX_BITS {
            let levels = turbo_levels(bits).unwrap();
            assert!(levels.is_sorted() && levels.len() == 1 << bits);
            let upper = &levels[levels.len() / 2..];
            for i in 0..upper.len() {
                assert!(
                    Cell::of(upper, i).off.abs() < 1e-12,
                    "{bits} bits, level {i}"
                );
            }
        }
    }

    /// `mettle/turbo.h` has these levels.
    #[test]
    fn kernels_have_the_same_levels() {
        let header = include_str!("../../metal/include/mettle/turbo.h");
        let (_, rest) = header.split_once("TURBO_LEVELS[380] = {").unwrap();
        let (table, _) = rest.split_once("};").unwrap();
        let known = table
            .split(',')
            .map(|number| number.trim().trim_end_matches('f'));
        let known: Vec<f32> = known.filter_map(|number| number.parse().ok()).collect();
        let computed = Turbo::BITS.map(|bits| turbo_levels(bits).unwrap()).concat();
        let computed: Vec<f32> = computed.iter().map(|&level| level as f32).collect();
        assert_eq!(known, computed);
    }

    /// The mean squared error of the levels for a coordinate of points on a sphere of radius `sqrt(n)` in n dimensions, whose density is
    /// proportional to `(1 - x^2 / n)^((n - 3) / 2)`: that of normal heads divided by their length.
    fn distortion_on_sphere(bits: usize, n: usize) -> f64 {
        let levels = turbo_levels(bits).unwrap();
        let n = n as f64;
        let points = 100_000;
        let (mut all, mut lost) = (0.0, 0.0);
        for i in 0..points {
            let x = n.sqrt() * ((2 * i + 1) as f64 / points as f64 - 1.0);
            let density = (1.0 - x * x / n).powf((n - 3.0) / 2.0);
            let above = levels.partition_point(|&level| level < x);
            let near = &levels[above.saturating_sub(1)..levels.len().min(above + 1)];
            let off = near
                .iter()
                .map(|level| (level - x).powi(2))
                .fold(f64::MAX, f64::min);
            all += density;
            lost += density * off;
        }
        lost / all
    }

    /// On normal values, what is lost is within 1 % of what the levels lose in theory. That is a little less than of normal numbers, since no
    /// value of a head is longer than the head.
    #[test]
    fn normal_values_lose_what_the_codebook_says() {
        for bits in Turbo::BITS {
            for head_size in [64, 128, 256] {
                let format = Format::Turbo(Turbo::new(bits, head_size).unwrap());
                let mut rng = Rng::labelled(7, &[format.name(), "distortion"]);
                let values = rng.normal(1 << 20);
                let mut bytes = vec![0; values.len() / head_size * format.block_bytes()];
                let mut decoded = vec![0.0; values.len()];
                quantize(format, &values, &mut bytes).unwrap();
                dequantize(format, &bytes, &mut decoded).unwrap();
                let square = |x: f32| f64::from(x).powi(2);
                let lost: f64 = values
                    .iter()
                    .zip(&decoded)
                    .map(|(a, b)| square(a - b))
                    .sum();
                let lost = lost / values.iter().map(|&x| square(x)).sum::<f64>();
                let theory = distortion_on_sphere(bits, head_size);
                let of_normal = turbo_distortion(bits).unwrap();
                println!(
                    "{format}: {lost:.4e}, in theory {theory:.4e}, of normal numbers {of_normal:.4e}"
                );
                assert!(
                    (lost / theory - 1.0).abs() < 0.01,
                    "{format}: {lost}, {theory}"
                );
                assert!(
                    (0.95..1.01).contains(&(lost / of_normal)),
                    "{format}: {lost}, {of_normal}"
                );
            }
        }
    }
}
