//! The GPU's clock.

use std::time::Instant;

/// What a GPU's clock said when the host's said something.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    host: Instant,
    gpu: u64,
}

impl Clock {
    /// The GPU's clock shows this now.
    pub fn start(gpu: u64) -> Self {
        Clock {
            host: Instant::now(),
            gpu,
        }
    }

    /// The nanoseconds of a tick, when the GPU's clock shows this now: measured since the start, because Metal does not tell the unit.
    pub fn nanoseconds_per_tick(&self, gpu: u64) -> f64 {
        let ticks = gpu.saturating_sub(self.gpu);
        if ticks == 0 {
            return 1.0;
        }
        self.host.elapsed().as_nanos() as f64 / ticks as f64
    }
}
