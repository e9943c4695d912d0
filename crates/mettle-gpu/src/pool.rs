//! Free device memory kept for reuse, by size class.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::backend::RawBuffer;

/// The granularity of allocations, in bytes.
const GRANULE: usize = 4096;

/// What the buffer pool of a device has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Bytes in buffers that are alive, size classes rounded up.
    pub live_bytes: u64,
    /// The largest `live_bytes` so far.
    pub peak_bytes: u64,
    /// Bytes kept for reuse.
    pub pooled_bytes: u64,
    /// Allocations served from the pool.
    pub hits: u64,
    /// Allocations that the device had to serve.
    pub misses: u64,
}

/// The bytes allocated for a buffer of `bytes` bytes: at most an eighth more, in whole granules.
pub(crate) fn size_class(bytes: usize) -> usize {
    let bytes = bytes.max(1);
    let step = (bytes.next_power_of_two() / 16).max(GRANULE);
    bytes.div_ceil(step).saturating_mul(step)
}

/// The free lists. It never talks to a device: callers allocate on a miss and free what it hands back.
#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<State>,
    /// Bytes it keeps at most.
    capacity: u64,
}

#[derive(Debug, Default)]
struct State {
    free: HashMap<usize, Vec<RawBuffer>>,
    stats: PoolStats,
}

impl Pool {
    pub fn new(capacity: u64) -> Self {
        Pool {
            state: Mutex::default(),
            capacity,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A free buffer of exactly this class.
    pub fn take(&self, class: usize) -> Option<RawBuffer> {
        let mut state = self.state();
        let buffer = state.free.get_mut(&class).and_then(Vec::pop)?;
        state.stats.hits += 1;
        state.stats.pooled_bytes -= buffer.bytes as u64;
        state.account(buffer.bytes);
        Some(buffer)
    }

    /// Counts a buffer that the device has allocated.
    pub fn allocated(&self, bytes: usize) {
        let mut state = self.state();
        state.stats.misses += 1;
        state.account(bytes);
    }

    /// Counts a buffer that is freed instead of kept.
    pub fn freed(&self, bytes: usize) {
        self.state().stats.live_bytes -= bytes as u64;
    }

    /// Keeps a buffer whose owner is gone, or hands it back to be freed.
    pub fn give(&self, buffer: RawBuffer) -> Option<RawBuffer> {
        let mut state = self.state();
        let bytes = buffer.bytes as u64;
        state.stats.live_bytes -= bytes;
        if state.stats.pooled_bytes + bytes > self.capacity {
            return Some(buffer);
        }
        state.stats.pooled_bytes += bytes;
        let reused = RawBuffer {
            zeroed: false,
            ..buffer
        };
        state.free.entry(buffer.bytes).or_default().push(reused);
        None
    }

    /// Empties the pool; the caller frees what it gets.
    pub fn drain(&self) -> Vec<RawBuffer> {
        let mut state = self.state();
        state.stats.pooled_bytes = 0;
        state.free.drain().flat_map(|(_, list)| list).collect()
    }

    pub fn stats(&self) -> PoolStats {
        self.state().stats
    }
}

impl State {
    fn account(&mut self, bytes: usize) {
        self.stats.live_bytes += bytes as u64;
        self.stats.peak_bytes = self.stats.peak_bytes.max(self.stats.live_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buffer(bytes: usize) -> RawBuffer {
        RawBuffer {
            handle: 0,
            bytes,
            alignment: 4096,
            zeroed: true,
        }
    }

    proptest! {
        #[test]
        fn classes_waste_at_most_an_eighth(bytes in 0usize..1 << 40) {
            let class = size_class(bytes);
            prop_assert!(class >= bytes.max(1));
            prop_assert_eq!(class % GRANULE, 0);
            prop_assert!(class - bytes <= (bytes / 8).max(GRANULE));
            prop_assert_eq!(size_class(class), class);
        }
    }

    #[test]
    fn reuse_is_counted() {
        let pool = Pool::new(1 << 20);
        assert!(pool.take(8192).is_none());
        pool.allocated(8192);
        assert!(pool.give(buffer(8192)).is_none());
        assert!(pool.take(4096).is_none());
        let again = pool.take(8192).unwrap();
        assert!(!again.zeroed);
        let expected = PoolStats {
            live_bytes: 8192,
            peak_bytes: 8192,
            pooled_bytes: 0,
            hits: 1,
            misses: 1,
        };
        assert_eq!(pool.stats(), expected);
    }

    #[test]
    fn capacity_is_respected() {
        let pool = Pool::new(10_000);
        for _ in 0..3 {
            pool.allocated(4096);
        }
        assert!(pool.give(buffer(4096)).is_none());
        assert!(pool.give(buffer(4096)).is_none());
        assert!(pool.give(buffer(4096)).is_some());
        assert_eq!(pool.drain().len(), 2);
        assert_eq!(pool.stats().pooled_bytes, 0);
        assert_eq!(pool.stats().live_bytes, 0);
    }
}
