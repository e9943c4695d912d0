//! Timing launches: with caches warm, with caches cold, and in a step.

use super::setup::Handed;
use super::step::Steps;
use super::{Bench, Launch};
use crate::Result;
use crate::ops::{roofline_copy, roofline_read};
use mettle_gpu::{Device, Pass, Tensor};
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// Values that a thread of `roofline_read` reads.
const READ: usize = 64;

/// Bytes of each of the two buffers that are read to put everything else out of the caches: more than any cache of today's devices.
const FLUSHED: usize = 256 << 20;

/// Launches of a measurement, at least.
const MIN_LAUNCHES: usize = 5;

/// Launches of a measurement, at most: more would tell nothing new.
const MAX_LAUNCHES: usize = 2000;

/// Seconds of the launches of a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Launches.
    pub launches: usize,
    /// A tenth of them were quicker.
    pub low: f64,
    /// Half of them were quicker.
    pub median: f64,
    /// A tenth of them took longer.
    pub high: f64,
}

impl Spread {
    /// From the seconds of each launch, of which there is at least one.
    fn of(mut seconds: Vec<f64>) -> Spread {
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| seconds[((seconds.len() - 1) as f64 * share).round() as usize];
        Spread {
            launches: seconds.len(),
            low: at(0.1),
            median: at(0.5),
            high: at(0.9),
        }
    }
}

/// What an entry takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// One launch after the other, on the same data.
    pub warm: Spread,
    /// Everything put out of the caches before each launch.
    pub cold: Spread,
    /// What a further repetition adds to a pass of many that wait for each other, each with weights and caches of its own, which are in no
    /// cache; `None` where repetitions would not wait, where there is only one launch's memory, or where a launch takes longer than a measurement should. What a repetition shares with the
    /// others, the activations, is where the one before it left it. A time of the host where the device does not tell its own.
    pub in_step: Option<Spread>,
}

/// Measures entries on a device.
pub struct Meter<'a> {
    device: &'a Device,
    /// How long each of the measurements of an entry may take, beyond the fewest launches.
    time: Duration,
    memory: RefCell<Memory>,
}

/// What a meter copies and reads.
struct Memory {
    /// `FLUSHED` bytes in rows of `READ` values.
    first: Tensor,
    second: Tensor,
    /// A sum for each row.
    sums: Tensor,
}

impl<'a> Meter<'a> {
    /// `time` is how long a measurement should take; it takes five launches at least.
    ///
    /// # Errors
    /// Memory running out.
    pub fn new(device: &'a Device, time: Duration) -> Result<Meter<'a>> {
        let rows = FLUSHED / size_of::<f32>() / READ;
        // Pages that nobody has written may all be one page of zeros.
        let ones = vec![1.0f32; rows * READ];
        let memory = Memory {
            first: Tensor::from_slice(device, &ones, [rows, READ])?,
            second: Tensor::from_slice(device, &ones, [rows, READ])?,
            sums: Tensor::zeros::<f32>(device, [rows])?,
        };
        Ok(Meter {
            device,
            time,
            memory: RefCell::new(memory),
        })
    }

    /// Measures an entry.
    ///
    /// # Errors
    /// Memory running out, and failures of the launches.
    pub fn measure(&self, bench: &Bench) -> Result<Measured> {
        let mut handed = Handed::default();
        let (launch, own_bytes) = bench.prepare(self.device, &mut handed)?;
        let mut launches = vec![launch];
        let mut measured = self.measure_launch(&mut launches[0])?;
        // As many as take the time of a measurement together.
        let most = (self.time.as_secs_f64() / measured.warm.median) as usize;
        if most == 0 {
            return Ok(measured);
        }
        for _ in 1..Steps::copies(own_bytes, FLUSHED) {
            launches.push(bench.prepare(self.device, &mut handed)?.0);
        }
        measured.in_step = self.in_step(&mut launches, most)?;
        Ok(measured)
    }

    /// Measures a launch as one of many in a pass, of `most` at most.
    fn in_step(&self, launches: &mut [Launch], most: usize) -> Result<Option<Spread>> {
        let mut steps = Steps::new(self.device, launches, most);
        if !steps.wait_for_each_other()? {
            return Ok(None);
        }
        // Devices may make a graph of a pass when it comes the second time.
        for _ in 0..2 {
            steps.seconds()?;
        }
        self.repeat(&mut || steps.seconds()).map(Some)
    }

    /// Measures what `launch` records into a pass, with its memory alone.
    ///
    /// # Errors
    /// Failures of the launches.
    pub fn measure_launch(
        &self,
        mut launch: impl FnMut(&mut Pass) -> Result<()>,
    ) -> Result<Measured> {
        let mut once = || self.timed(&mut launch);
        // Code is loaded and pages are mapped in the first.
        once()?;
        let warm = self.repeat(&mut once)?;
        let cold = self.repeat(&mut || {
            self.flush()?;
            once()
        })?;
        Ok(Measured {
            warm,
            cold,
            in_step: None,
        })
    }

    fn repeat(&self, once: &mut dyn FnMut() -> Result<f64>) -> Result<Spread> {
        let started = Instant::now();
        let mut seconds = Vec::new();
        while seconds.len() < MIN_LAUNCHES
            || (started.elapsed() < self.time && seconds.len() < MAX_LAUNCHES)
        {
            seconds.push(once()?);
        }
        Ok(Spread::of(seconds))
    }

    /// The device under test.
    pub fn device(&self) -> &Device {
        self.device
    }

    /// Copies more memory than caches hold; bytes moved and seconds.
    pub(super) fn copy(&self) -> Result<(u64, f64)> {
        let mut memory = self.memory.borrow_mut();
        let Memory { first, second, .. } = &mut *memory;
        let seconds = self.timed(|pass| roofline_copy(pass, first, second))?;
        Ok((2 * FLUSHED as u64, seconds))
    }

    /// Seconds that a plain read of `bytes` takes with cold caches, the median of as many as a measurement has: what a
    /// kernel can reach that has nothing else to do. More than the meter's buffers hold is read at their rate.
    ///
    /// # Errors
    /// Memory running out, and failures of the launches.
    pub fn read(&self, bytes: u64) -> Result<f64> {
        const ROW: usize = READ * size_of::<f32>();
        let rows = (bytes as usize).clamp(ROW, FLUSHED).div_ceil(ROW);
        let from = self.memory.borrow().second.rows_range(0..rows)?;
        let mut sums = Tensor::zeros::<f32>(self.device, [rows])?;
        let spread = self.repeat(&mut || {
            self.flush()?;
            self.timed(|pass| roofline_read(pass, &from, &mut sums))
        })?;
        Ok(spread.median * (bytes as f64 / (rows * ROW) as f64).max(1.0))
    }

    /// Puts all else out of the caches by reading: lines that are still to be written back would be counted against who
    /// comes next.
    fn flush(&self) -> Result<()> {
        let mut memory = self.memory.borrow_mut();
        let Memory { first, sums, .. } = &mut *memory;
        self.timed(|pass| roofline_read(pass, first, sums))?;
        Ok(())
    }

    /// Seconds of a pass.
    fn timed(&self, launch: impl FnOnce(&mut Pass) -> Result<()>) -> Result<f64> {
        let mut pass = self.device.pass();
        pass.profile(true);
        launch(&mut pass)?;
        let time = pass.submit()?.wait_profile()?.total_nanoseconds();
        Ok(time as f64 * 1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn a_spread_is_of_sorted_times() {
        let spread = Spread::of((0..=10).rev().map(f64::from).collect());
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 5.0, 9.0));
        assert_eq!(Spread::of(vec![2.0]).median, 2.0);
    }
}
