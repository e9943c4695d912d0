//! Runs a function on a device and compares it with the exact results.

use std::ops::Range;
use std::thread;

use anyhow::{Context, Result};
use mettle_gpu::{ConstantSet, Device, Grid, Library};
use serde::{Deserialize, Serialize};

use super::number::{Number, distance, next_after};
use super::table::{Allowed, Exact, Function};

/// Operands of a launch.
const CHUNK: usize = 1 << 22;

/// The worst that was found of a function.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Found {
    /// The largest error in ULP where the specification counts in them, and the operands there.
    pub ulps: f64,
    pub at: Vec<f64>,
    /// The largest absolute error where the specification limits that, if it does.
    pub absolute: Option<f64>,
    /// The largest share of what is allowed: at most 1 is inside.
    pub share: f64,
    /// Operands that it was computed for.
    pub operands: u64,
}

impl Found {
    fn merge(&mut self, other: Found) {
        if other.ulps > self.ulps {
            self.ulps = other.ulps;
            self.at = other.at;
        }
        self.absolute = match (self.absolute, other.absolute) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        self.share = self.share.max(other.share);
        self.operands += other.operands;
    }
}

/// Numbers whose neighbourhood functions get wrong.
const BOUNDARIES: [f64; 24] = [
    0.0,
    0.25,
    0.5,
    std::f64::consts::FRAC_1_SQRT_2,
    1.0,
    std::f64::consts::SQRT_2,
    1.5,
    2.0,
    2.5,
    3.0,
    4.0,
    8.0,
    10.0,
    16.0,
    64.0,
    88.72283,
    103.97208,
    128.0,
    149.0,
    1024.0,
    8388608.0,
    16777216.0,
    std::f64::consts::FRAC_PI_4,
    std::f64::consts::PI,
];

/// A generator of numbers: splitmix64 by index, so that any part can be drawn by itself.
fn random(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Operand `n` of argument `place`: first the neighbours of the boundaries and special numbers, then every exponent in turn with random
/// fractions; every other pair has exponents near 0, where two operands meet.
fn operand<T: Number>(n: u64, place: u64) -> T {
    const NEAR: u64 = 64;
    let special = [0u32, 1, (1 << T::FRACTION) - 1, 1 << T::FRACTION, u32::MAX];
    let boundaries = BOUNDARIES.len() as u64 * NEAR * 2;
    // Arguments of one function take different ways through the same numbers.
    let n = if place == 0 {
        n
    } else {
        random(n ^ (place << 40)) % (1 << 32)
    };
    if n < boundaries {
        let boundary = BOUNDARIES[(n / NEAR / 2) as usize];
        let bits = T::near(boundary)
            .bits32()
            .wrapping_add((n / 2 % NEAR) as u32)
            .wrapping_sub(NEAR as u32 / 2);
        return T::from_bits32(bits ^ ((n as u32 & 1) << (T::BITS - 1)));
    }
    let n = n - boundaries;
    if n < 10 {
        let bits = match n / 2 {
            4 => ((1 << (T::BITS - 1 - T::FRACTION as u32)) - 1) << T::FRACTION,
            i => special[i as usize],
        };
        return T::from_bits32(bits ^ ((n as u32 & 1) << (T::BITS - 1)));
    }
    let drawn = random(n ^ (place << 56));
    let exponents = 1u64 << (T::BITS - 1 - T::FRACTION as u32);
    let middle = exponents / 2 - 1;
    let exponent = match drawn >> 62 {
        // A sixteen around 0 for every other operand.
        0 | 1 => middle - 8 + n % 16,
        _ => n % exponents,
    };
    let fraction = drawn as u32 & ((1 << T::FRACTION) - 1);
    let sign = (drawn >> 40) as u32 & 1;
    T::from_bits32(sign << (T::BITS - 1) | (exponent as u32) << T::FRACTION | fraction)
}

/// How the operands of a function are chosen.
#[derive(Clone, Copy)]
pub struct Operands {
    /// So many, drawn.
    pub samples: u64,
    /// All, where there is one operand of float.
    pub exhaustive: bool,
}

/// Measures one function of one set (`precise`, `fast`, `half` or `bfloat`).
pub fn function<T: Number>(
    device: &Device,
    library: &Library,
    set: &str,
    function: &Function,
    allowed: Allowed,
    operands: Operands,
) -> Result<Found> {
    let kernel = format!("{set}_{}", function.name);
    let pipeline = library.pipeline(&kernel, &ConstantSet::EMPTY)?;
    let arity = function.exact.operands();
    let all = arity == 1 && (T::BITS == 16 || operands.exhaustive);
    let count = if all {
        1u64 << T::BITS
    } else {
        operands.samples
    };
    let domain = if set == "fast" {
        function.fast_domain
    } else {
        function.domain
    };
    let draw = |n: u64, place: usize| match all {
        true => T::from_bits32(n as u32),
        false => operand(n, place as u64),
    };
    let mut found = Found::default();
    let mut start = 0;
    while start < count {
        let len = (count - start).min(CHUNK as u64) as usize;
        let columns: Vec<Vec<T>> = (0..arity)
            .map(|place| (0..len).map(|i| draw(start + i as u64, place)).collect())
            .collect();
        let inputs = columns
            .iter()
            .map(|column| device.upload(column))
            .collect::<Result<Vec<_>, _>>()?;
        let out = device.buffer::<T>(len)?;
        let mut pass = device.pass();
        pass.dispatch_pipeline(&pipeline, Grid::elements(len).threads(256), |arguments| {
            for (place, input) in inputs.iter().enumerate() {
                arguments.read(place as u32, ["x", "y", "z"][place], input);
            }
            arguments.write(3, "out", &out);
        })?;
        pass.submit()?.wait().with_context(|| kernel.clone())?;
        let results = out.read()?;
        let compare = |part: Range<usize>| {
            let mut found = Found::default();
            for i in part {
                let x: Vec<f64> = columns.iter().map(|column| column[i].wide()).collect();
                if domain(x[0], x.get(1).copied().unwrap_or(0.0)) {
                    one(&mut found, function.exact, allowed, &x, results[i]);
                }
            }
            found
        };
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let part = len.div_ceil(workers);
        let parts: Vec<Found> = thread::scope(|scope| {
            let run = |worker: usize| {
                let compare = &compare;
                scope.spawn(move || {
                    compare((worker * part).min(len)..((worker + 1) * part).min(len))
                })
            };
            let running: Vec<_> = (0..workers).map(run).collect();
            running
                .into_iter()
                .map(|part| {
                    part.join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        });
        parts.into_iter().for_each(|part| found.merge(part));
        start += len as u64;
    }
    Ok(found)
}

/// Adds one result.
fn one<T: Number>(found: &mut Found, exact: Exact, allowed: Allowed, x: &[f64], y: T) {
    let exact = match exact {
        Exact::One(f) => f(x[0]),
        Exact::Two(f) => f(x[0], x[1]),
        Exact::Three(f) => f(x[0], x[1], x[2]),
        Exact::NextAfter => next_after::<T>(x[0], x[1]),
    };
    found.operands += 1;
    let ulps = distance(y, exact);
    let absolute = (y.wide() - exact).abs();
    found.share = found.share.max(allowed.share(x[0], ulps, absolute));
    if let Allowed::Within { low, high, .. } = allowed
        && (low..=high).contains(&x[0])
    {
        found.absolute = Some(found.absolute.unwrap_or(0.0).max(absolute));
        return;
    }
    if ulps > found.ulps {
        found.ulps = ulps;
        found.at = x.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn operands_cover_every_exponent() {
        let bits: Vec<u32> = (0..1 << 16)
            .map(|n| operand::<f32>(n, 0).to_bits())
            .collect();
        let exponents: HashSet<u32> = bits.iter().map(|bits| bits >> 23).collect();
        assert_eq!(exponents.len(), 512);
        for special in [
            0.0f32,
            -0.0,
            1.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MIN_POSITIVE,
        ] {
            assert!(bits.contains(&special.to_bits()), "{special}");
        }
    }
}
