//! When not to share work: on a machine with more to do than cores, the system interrupts a helper in the middle of a chunk for some
//! milliseconds, and the submitting thread waits for it at the end of a phase of microseconds. If that happens so often that sharing loses
//! more time than it saves, it is faster alone.

use std::time::Duration;

/// A wait longer than this, beyond the time of a chunk, means that a helper was interrupted.
const INTERRUPTED: Duration = Duration::from_micros(50);

/// A phase that takes longer than this is shared anyway, in nanoseconds: it lasts as long as an interruption.
const LONG_PHASE: u64 = 2_000_000;

/// What sharing may have saved at most, in nanoseconds: so much is lost before it ends, some interruptions in a row.
const MOST_SAVED: u64 = 8_000_000;

/// Phases run alone after sharing has lost more than it had saved, at first and at most.
const FIRST_PENALTY: u32 = 64;
const LAST_PENALTY: u32 = 8192;

/// Decides for each phase that could be shared.
pub(super) struct Patience {
    /// Phases still to be run alone.
    alone: u32,
    /// How many the next time that sharing does not pay.
    penalty: u32,
    /// Nanoseconds that sharing has saved of late, less those that it has lost.
    saved: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            alone: 0,
            penalty: FIRST_PENALTY,
            saved: MOST_SAVED,
        }
    }
}

impl Patience {
    /// Whether to share a phase of this expected time, in nanoseconds.
    pub fn shares(&mut self, time: u64) -> bool {
        let shares = self.would_share(time);
        if !shares {
            self.alone -= 1;
        }
        shares
    }

    /// What `shares` would say if it were asked now.
    pub fn would_share(&self, time: u64) -> bool {
        self.alone == 0 || time >= LONG_PHASE
    }

    /// A phase that one thread was expected to take `time` nanoseconds for is over, after so many workers have shared it. The submitting thread
    /// waited so long for its last chunks, which were expected to take at most `chunk` nanoseconds each.
    pub fn waited(&mut self, waited: Duration, time: u64, chunk: u64, workers: u64) {
        self.saved = MOST_SAVED.min(self.saved + (time - time / workers.max(1)).min(MOST_SAVED));
        if self.saved == MOST_SAVED {
            self.penalty = FIRST_PENALTY;
        }
        if waited <= INTERRUPTED + Duration::from_nanos(chunk.saturating_mul(2)) {
            return;
        }
        let lost = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        match self.saved.checked_sub(lost) {
            Some(left) => self.saved = left,
            // The next try may lose one interruption.
            None => {
                self.saved = 0;
                self.alone = self.penalty;
                self.penalty = (self.penalty * 2).min(LAST_PENALTY);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERRUPTION: Duration = Duration::from_millis(3);

    /// Phases of 10 us that are run alone now.
    fn alone(patience: &mut Patience) -> u32 {
        (0..100_000)
            .take_while(|_| !patience.shares(10_000))
            .count() as u32
    }

    #[test]
    fn sharing_ends_when_it_loses_more_than_it_saves() {
        let mut patience = Patience::default();
        patience.waited(Duration::from_micros(10), 10_000, 2000, 2);
        assert_eq!(alone(&mut patience), 0);
        // Three of them are more than it may have saved.
        patience.waited(INTERRUPTION, 10_000, 2000, 2);
        patience.waited(INTERRUPTION, 10_000, 2000, 2);
        assert_eq!(alone(&mut patience), 0);
        patience.waited(INTERRUPTION, 10_000, 2000, 2);
        assert!(patience.shares(LONG_PHASE));
        assert_eq!(alone(&mut patience), FIRST_PENALTY);
        // Then one is.
        patience.waited(INTERRUPTION, 10_000, 2000, 2);
        assert_eq!(alone(&mut patience), 2 * FIRST_PENALTY);
        for _ in 0..20 {
            patience.waited(INTERRUPTION, 10_000, 2000, 2);
            alone(&mut patience);
        }
        patience.waited(INTERRUPTION, 10_000, 2000, 2);
        assert_eq!(alone(&mut patience), LAST_PENALTY);
    }

    #[test]
    fn sharing_goes_on_while_it_saves_more() {
        let mut patience = Patience::default();
        for _ in 0..1000 {
            // 100 phases of 100 us save 5 ms, an interruption loses 3 of them.
            for _ in 0..100 {
                patience.waited(Duration::ZERO, 100_000, 20_000, 2);
            }
            patience.waited(INTERRUPTION, 100_000, 20_000, 2);
            assert_eq!(alone(&mut patience), 0);
        }
    }

    #[test]
    fn long_chunks_may_take_long() {
        let mut patience = Patience::default();
        for _ in 0..10 {
            patience.waited(INTERRUPTION, 4_000_000, 2_000_000, 2);
        }
        assert_eq!(alone(&mut patience), 0);
    }
}
