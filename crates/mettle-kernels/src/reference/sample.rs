//! Sampling by sorting, in f64.

use crate::ops::Sampling;

/// What a device may draw.
#[derive(Debug)]
pub(crate) struct Choice {
    /// The token.
    pub token: u32,
    /// All tokens that a rounding error of [`CLOSE`] could lead to, the token included.
    pub close: Vec<u32>,
}

/// The relative error that f32 sums over a large vocabulary may have.
const CLOSE: f64 = 1e-5;

/// What [`crate::ops::sample`] draws from some logits, at any position.
pub(crate) struct Sampler<'a> {
    logits: &'a [f32],
    sampling: &'a Sampling,
    /// The tokens that the filters leave: when they compare exactly, and with shares that are [`CLOSE`] lower and higher.
    kept: [Vec<u32>; 3],
}

impl<'a> Sampler<'a> {
    pub fn new(logits: &'a [f32], sampling: &'a Sampling) -> Sampler<'a> {
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        order.retain(|&id| logits[id as usize] > f32::NEG_INFINITY);
        // The two zeros are equal. A stable sort leaves equals in the order of their ids.
        order.sort_by(|&a, &b| {
            logits[b as usize]
                .partial_cmp(&logits[a as usize])
                .expect("NaN is gone")
        });
        let kept =
            [1.0, 1.0 - CLOSE, 1.0 + CLOSE].map(|slack| filter(logits, sampling, &order, slack));
        Sampler {
            logits,
            sampling,
            kept,
        }
    }

    /// The token at `position` of a text.
    pub fn choose(&self, position: u64) -> Choice {
        let random = f64::from(philox(self.sampling.seed, position) >> 8) / f64::from(1 << 24);
        let token = self.draw(&self.kept[0], random);
        let mut close = vec![token];
        for kept in &self.kept {
            close.extend(
                [random - CLOSE, random, random + CLOSE].map(|random| self.draw(kept, random)),
            );
        }
        Choice { token, close }
    }

    /// The token that the random number leads to, among those in `kept`, best first.
    fn draw(&self, kept: &[u32], random: f64) -> u32 {
        let logit = |id: u32| f64::from(self.logits[id as usize]);
        let nothing = self.logits.len() as u32;
        let Some(&best) = kept.first() else {
            return nothing;
        };
        if self.sampling.temperature == 0.0 {
            return best;
        }
        if logit(best) == f64::INFINITY {
            return nothing;
        }
        let weight =
            |id: u32| ((logit(id) - logit(best)) / f64::from(self.sampling.temperature)).exp();
        let mut ids = kept.to_vec();
        ids.sort_unstable();
        let target = random * ids.iter().map(|&id| weight(id)).sum::<f64>();
        let mut sum = 0.0;
        let found = ids.iter().position(|&id| {
            sum += weight(id);
            sum > target
        });
        ids[found.unwrap_or(ids.len() - 1)]
    }
}

/// The tokens that the filters leave, best first. `slack` is a factor of the shares that they compare with.
fn filter(logits: &[f32], sampling: &Sampling, order: &[u32], slack: f64) -> Vec<u32> {
    let mut kept = order.to_vec();
    let Some(best) = kept.first().map(|&id| f64::from(logits[id as usize])) else {
        return kept;
    };
    if best == f64::INFINITY {
        return kept;
    }
    let relative = |id: u32| f64::from(logits[id as usize]) - best;
    if sampling.top_k != 0 {
        kept.truncate(sampling.top_k as usize);
    }
    if sampling.top_p < 1.0 {
        let total: f64 = kept.iter().map(|&id| relative(id).exp()).sum();
        let target = slack * f64::from(sampling.top_p) * total;
        let mut sum = 0.0;
        let enough = kept.iter().position(|&id| {
            sum += relative(id).exp();
            sum >= target
        });
        kept.truncate(enough.map_or(kept.len(), |last| last + 1));
    }
    let least = (slack * f64::from(sampling.min_p)).min(1.0).ln();
    kept.retain(|&id| relative(id) >= least);
    kept
}

/// The first word of Philox4x32-10 (Salmon et al., 2011) for the key `seed` and the counter `(counter, 0)`.
fn philox(seed: u64, counter: u64) -> u32 {
    let mut key = [seed as u32, (seed >> 32) as u32];
    let mut state = [counter as u32, (counter >> 32) as u32, 0, 0];
    for _ in 0..10 {
        let first = u64::from(state[0]) * 0xD251_1F53;
        let second = u64::from(state[2]) * 0xCD9E_8D57;
        state = [
            (second >> 32) as u32 ^ state[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ state[3] ^ key[1],
            first as u32,
        ];
        key = [
            key[0].wrapping_add(0x9E37_79B9),
            key[1].wrapping_add(0xBB67_AE85),
        ];
    }
    state[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first word of the generator's published test vector for a key and counter of zeros.
    #[test]
    fn philox_gives_the_published_vector() {
        assert_eq!(philox(0, 0), 0x6627_E8D5);
    }

    /// Over many positions the tokens come as often as their probabilities say (chi-squared, 4 degrees of freedom: below
    /// 18.5 in 999 of 1000 experiments; this one is fixed by its seed).
    #[test]
    fn draws_follow_the_probabilities() {
        let logits = [0.0f32, 1.0, -1.0, 0.5, 2.0];
        let sampling = Sampling {
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            temperature: 1.25,
            seed: 42,
        };
        let sampler = Sampler::new(&logits, &sampling);
        const DRAWS: u64 = 20_000;
        let mut counts = [0.0f64; 5];
        for position in 0..DRAWS {
            counts[sampler.choose(position).token as usize] += 1.0;
        }
        let weights = logits.map(|x| (f64::from(x) / 1.25).exp());
        let total: f64 = weights.iter().sum();
        let chi: f64 = weights
            .iter()
            .zip(counts)
            .map(|(weight, n)| {
                let expected = DRAWS as f64 * weight / total;
                (n - expected).powi(2) / expected
            })
            .sum();
        assert!(chi < 18.5, "chi-squared {chi}, counts {counts:?}");
    }
}
