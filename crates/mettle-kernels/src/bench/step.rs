//! What a launch costs inside a step: in a pass of many that wait for each other, which devices may run as a graph.

use super::Launch;
use crate::Result;
use mettle_gpu::{Device, Pass};
use std::time::{Duration, Instant};

/// Repetitions in a pass, at least where they are quick, and at most. A longer pass has twice as many.
const MIN_REPEATS: usize = 8;
const MAX_REPEATS: usize = 64;

/// Seconds that no launch is quicker than, where the host's clock says that the longer pass was.
const SHORTEST: f64 = 1e-9;

/// Passes of many repetitions.
pub(super) struct Steps<'a> {
    device: &'a Device,
    /// Repetitions with memory of their own.
    launches: &'a mut [Launch],
    /// Repetitions in the shorter pass.
    repeats: usize,
}

/// How long a pass took.
struct Time {
    host: Duration,
    /// By the device's clock, where it tells.
    gpu: Option<Duration>,
}

impl<'a> Steps<'a> {
    /// Of each launch in turn, but of `most` in all.
    pub fn new(device: &'a Device, launches: &'a mut [Launch], most: usize) -> Steps<'a> {
        let repeats = launches.len().max(MIN_REPEATS).min(most);
        Steps {
            device,
            launches,
            repeats,
        }
    }

    /// How many repetitions with `own_bytes` of their own each put what they read out of caches of up to `caches` bytes before it is read
    /// again: one if each alone is larger or has nothing of its own, and not more than a pass should have.
    pub fn copies(own_bytes: usize, caches: usize) -> usize {
        match own_bytes {
            0 => 1,
            own => caches.div_ceil(own).min(MAX_REPEATS),
        }
    }

    /// Whether each repetition waits for the one before it.
    pub fn wait_for_each_other(&mut self) -> Result<bool> {
        Ok(self.pass(MIN_REPEATS)?.barriers() >= MIN_REPEATS - 1)
    }

    /// Seconds that a repetition adds to a pass: the difference between two passes, which begin and end alike.
    pub fn seconds(&mut self) -> Result<f64> {
        let few = self.timed(self.repeats)?;
        let many = self.timed(2 * self.repeats)?;
        // Times of two clocks cannot be subtracted.
        let (few, many) = match (few.gpu, many.gpu) {
            (Some(few), Some(many)) => (few, many),
            _ => (few.host, many.host),
        };
        let added = many.as_secs_f64() - few.as_secs_f64();
        Ok((added / self.repeats as f64).max(SHORTEST))
    }

    fn pass(&mut self, repeats: usize) -> Result<Pass> {
        let mut pass = self.device.pass();
        let count = self.launches.len();
        for i in 0..repeats {
            (self.launches[i % count])(&mut pass)?;
        }
        Ok(pass)
    }

    fn timed(&mut self, repeats: usize) -> Result<Time> {
        let pass = self.pass(repeats)?;
        let started = Instant::now();
        let profile = pass.submit()?.wait_profile()?;
        Ok(Time {
            host: started.elapsed(),
            gpu: profile.gpu_time().map(|time| time.elapsed()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_exceed_caches_and_stay_few() {
        assert_eq!(Steps::copies(0, 100), 1);
        assert_eq!(Steps::copies(30, 100), 4);
        assert_eq!(Steps::copies(1000, 100), 1);
        assert_eq!(Steps::copies(1, 1000), MAX_REPEATS);
    }
}
