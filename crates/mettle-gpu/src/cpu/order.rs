//! The order in which threads and threadgroups run: natural, or drawn from a seed.

use super::simd_group::{LANES, MAX_SIMD_GROUPS};

/// A generator of pseudo-random numbers (SplitMix64, Steele, Lea and Flood 2014).
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not zero.
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// Puts a slice in a random order.
    pub fn shuffle(&mut self, values: &mut [u8]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// A permutation of `0..n` that needs no memory: `index * factor + offset` modulo `n`, the factor coprime to `n`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permutation {
    n: u64,
    factor: u64,
    offset: u64,
}

impl Permutation {
    pub fn new(n: u32, seed: u64) -> Self {
        let n = u64::from(n.max(1));
        let mut random = Random::new(seed);
        let offset = random.below(n);
        let factor = loop {
            let factor = 1 + random.below(n);
            if gcd(factor, n) == 1 {
                break factor;
            }
        };
        Permutation { n, factor, offset }
    }

    pub fn apply(&self, index: u32) -> u32 {
        ((u64::from(index) * self.factor + self.offset) % self.n) as u32
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The order of threads in a threadgroup, as an executor runs them.
pub(super) struct Order {
    pub(super) lanes: [u8; LANES],
    pub(super) simd_groups: [u8; MAX_SIMD_GROUPS],
}

impl Order {
    /// An order of that many threads.
    pub(super) fn new(seed: u64, threads: u32) -> Self {
        let mut random = Random::new(seed);
        let mut order = Order {
            lanes: std::array::from_fn(|lane| lane as u8),
            simd_groups: std::array::from_fn(|group| group as u8),
        };
        random.shuffle(&mut order.lanes);
        random.shuffle(&mut order.simd_groups[..threads.div_ceil(LANES as u32) as usize]);
        order
    }

    /// The thread at a position, of all threads of whole SIMD groups.
    pub(super) fn thread(&self, position: u32) -> u32 {
        let (group, lane) = (position as usize / LANES, position as usize % LANES);
        u32::from(self.simd_groups[group]) * LANES as u32 + u32::from(self.lanes[lane])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn permutations_hit_everything_once(n in 1u32..500, seed: u64) {
            let permutation = Permutation::new(n, seed);
            let mut seen: Vec<u32> = (0..n).map(|index| permutation.apply(index)).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..n).collect::<Vec<_>>());
        }

        #[test]
        fn shuffles_keep_everything(n in 0u8..40, seed: u64) {
            let mut values: Vec<u8> = (0..n).collect();
            Random::new(seed).shuffle(&mut values);
            values.sort_unstable();
            prop_assert_eq!(values, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn seeds_differ() {
        let order = |seed| {
            let mut values: Vec<u8> = (0..32).collect();
            Random::new(seed).shuffle(&mut values);
            values
        };
        assert_ne!(order(1), order(2));
        assert_eq!(order(3), order(3));
    }
}
