//! What a device can do at most, measured on it: the roofline model of Williams, Waterman and Patterson (2009).

use super::{Meter, Work};
use crate::Result;
use crate::ops::{roofline_copy, roofline_fma};
use mettle_gpu::{DeviceKind, Tensor};
use std::time::Instant;

/// Measurements of each figure; the best counts, since a limit is looked for.
const REPEATS: usize = 7;

/// Values that the multiply-add measurement works on, and its steps. A GPU needs more threads than a CPU to show what it can do.
const VALUES: usize = 1 << 20;
const VALUES_OF_GPU: usize = 1 << 25;
const STEPS: u32 = 256;

/// Launches in one pass, to tell the cost of a launch.
const LAUNCHES: usize = 256;

/// What a device can do at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roofline {
    /// Bytes a second that a plain copy of large buffers reads and writes together.
    pub bytes_per_second: f64,
    /// f32 operations a second of independent multiply-adds.
    pub operations_per_second: f64,
    /// Seconds that a small launch adds to a pass, recording included.
    pub launch_seconds: f64,
    /// Seconds of a pass with one small launch, from recording until the host knows that it is done.
    pub pass_seconds: f64,
}

impl Roofline {
    /// Measures a device.
    ///
    /// # Errors
    /// Memory running out, and failures of the launches.
    pub fn measure(meter: &Meter<'_>) -> Result<Roofline> {
        let mut copy = 0.0f64;
        for _ in 0..REPEATS {
            let (bytes, seconds) = meter.copy()?;
            copy = copy.max(bytes as f64 / seconds);
        }
        let device = meter.device();
        let values = match device.kind() {
            DeviceKind::Cpu => VALUES,
            _ => VALUES_OF_GPU,
        };
        let mut out = Tensor::zeros::<f32>(device, [values])?;
        let mut rate = 0.0f64;
        for _ in 0..REPEATS {
            let mut pass = device.pass();
            pass.profile(true);
            let operations = roofline_fma(&mut pass, STEPS, &mut out)?;
            let time = pass.submit()?.wait_profile()?.total_nanoseconds();
            rate = rate.max(operations as f64 / (time as f64 * 1e-9));
        }
        let from = Tensor::zeros::<f32>(device, [4])?;
        let mut to = Tensor::zeros::<f32>(device, [4])?;
        let mut pass_of = |launches: usize| -> Result<f64> {
            let mut best = f64::INFINITY;
            for _ in 0..REPEATS {
                let started = Instant::now();
                let mut pass = device.pass();
                for _ in 0..launches {
                    roofline_copy(&mut pass, &from, &mut to)?;
                }
                pass.submit()?.wait()?;
                best = best.min(started.elapsed().as_secs_f64());
            }
            Ok(best)
        };
        let one = pass_of(1)?;
        let many = pass_of(1 + LAUNCHES)?;
        Ok(Roofline {
            bytes_per_second: copy,
            operations_per_second: rate,
            launch_seconds: (many - one).max(0.0) / LAUNCHES as f64,
            pass_seconds: one,
        })
    }

    /// Seconds that the work takes at least, by what bounds it: memory or arithmetic.
    pub fn seconds(&self, work: Work) -> f64 {
        let memory = work.bytes as f64 / self.bytes_per_second;
        let arithmetic = work.operations as f64 / self.operations_per_second;
        memory.max(arithmetic)
    }
}
