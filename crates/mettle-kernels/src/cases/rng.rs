//! Test data from a seed: the same numbers on every machine and in every order of execution.

/// A SplitMix64 stream (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): a counter and a
/// finaliser, so streams of different cases never depend on how much another case drew.
#[derive(Clone, Debug)]
pub struct Rng {
    counter: u64,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Rng {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Rng {
        Rng {
            counter: mix(seed.wrapping_add(GOLDEN)),
        }
    }

    /// The stream of `seed` that belongs to `labels`, so that a case draws the same data whether or not others run.
    pub fn labelled(seed: u64, labels: &[&str]) -> Rng {
        let state = labels
            .iter()
            .flat_map(|label| label.bytes().chain([0]))
            .fold(seed, |state, byte| {
                mix(state.wrapping_add(GOLDEN) ^ u64::from(byte))
            });
        Rng::new(state)
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(GOLDEN);
        mix(self.counter)
    }

    /// A uniform integer below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// A uniform number in `low..high`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.bits() >> 40) as f32 / (1u32 << 24) as f32)
    }

    /// `n` uniform bytes.
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.bits() as u8).collect()
    }

    /// `n` numbers of the standard normal distribution (Box and Muller).
    pub fn normal(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.one_normal() as f32).collect()
    }

    /// `n` numbers as a transformer's activations have them: normal, one in 64 of them 16 times as large.
    pub fn activations(&mut self, n: usize) -> Vec<f32> {
        (0..n)
            .map(|_| {
                let scale = if self.below(64) == 0 { 16.0 } else { 1.0 };
                (scale * self.one_normal()) as f32
            })
            .collect()
    }

    /// A random order of `0..n`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }

    fn one_normal(&mut self) -> f64 {
        let unit = (1u64 << 53) as f64;
        // In (0, 1], so that its logarithm is finite.
        let radius = ((self.bits() >> 11) + 1) as f64 / unit;
        let angle = (self.bits() >> 11) as f64 / unit;
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let first = |seed, labels: &[&str]| Rng::labelled(seed, labels).bits();
        assert_eq!(first(1, &["add_f32", "n1"]), first(1, &["add_f32", "n1"]));
        assert_ne!(first(1, &["add_f32", "n1"]), first(2, &["add_f32", "n1"]));
        assert_ne!(first(1, &["add_f32", "n1"]), first(1, &["add_f32n", "1"]));
        assert_ne!(Rng::new(0).bits(), Rng::new(1).bits());
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let values = Rng::new(7).normal(100_000);
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / 1e5;
        let square = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 1e5;
        assert!(
            mean.abs() < 0.02 && (square - 1.0).abs() < 0.02,
            "mean {mean}, mean square {square}"
        );
    }

    #[test]
    fn bounded_draws_stay_in_bounds() {
        let mut rng = Rng::new(3);
        assert!((0..1000).all(|_| rng.below(7) < 7));
        assert!(
            (0..1000)
                .map(|_| rng.uniform(-2.0, 3.0))
                .all(|x| (-2.0..3.0).contains(&x))
        );
        let mut order = rng.permutation(50);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..50));
    }
}
