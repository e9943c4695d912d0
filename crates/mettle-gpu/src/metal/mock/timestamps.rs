//! Buffers of timestamps.

use super::{World, autoreleased, lock};
use crate::metal::api::{NO_TIMESTAMP, Timestamps};
use std::sync::{Arc, Mutex};

/// Timestamps that a buffer has at most: of 32 KiB.
const MOST: usize = 4096;

/// `MTLCounterSampleBuffer`
pub(crate) struct TimestampsObject {
    shared: Arc<Shared>,
    /// Whether this is the object, and not what an encoder knows of it.
    owner: bool,
}

struct Shared {
    world: Arc<World>,
    object: u64,
    ticks: Mutex<Vec<u64>>,
}

impl TimestampsObject {
    /// `None`: too many.
    pub(super) fn new(world: &Arc<World>, count: usize) -> Option<Self> {
        (1..=MOST).contains(&count).then(|| TimestampsObject {
            shared: Arc::new(Shared {
                world: world.clone(),
                object: world.new_object(),
                ticks: Mutex::new(vec![NO_TIMESTAMP; count]),
            }),
            owner: true,
        })
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.shared.ticks).len()
    }

    pub(super) fn object(&self) -> u64 {
        self.shared.object
    }

    pub(super) fn clone_handle(&self) -> Self {
        TimestampsObject {
            shared: self.shared.clone(),
            owner: false,
        }
    }

    pub(super) fn record(&self, index: usize, now: u64) {
        lock(&self.shared.ticks)[index] = now;
    }
}

impl Timestamps for TimestampsObject {
    fn resolve(&self, count: usize) -> Option<Vec<u64>> {
        autoreleased();
        let ticks = lock(&self.shared.ticks);
        assert!(
            count <= ticks.len(),
            "{count} timestamps of {}",
            ticks.len()
        );
        Some(ticks[..count].to_vec())
    }
}

impl Drop for TimestampsObject {
    fn drop(&mut self) {
        if self.owner {
            let world = &self.shared.world;
            world.release(self.shared.object, "a buffer of timestamps");
        }
    }
}
