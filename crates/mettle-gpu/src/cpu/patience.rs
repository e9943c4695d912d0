//! When not to share work: on a machine with more to do than cores, the system interrupts a helper in the middle of a chunk for some
//! milliseconds, and the submitting thread waits for it at the end of a phase of microseconds. Then it is faster alone.

use std::time::Duration;

/// A wait longer than this, beyond the time of a chunk, means that a helper was interrupted.
const INTERRUPTED: Duration = Duration::from_micros(50);

/// A phase that takes longer than this is shared anyway, in nanoseconds: it lasts as long as an interruption.
const LONG_PHASE: u64 = 2_000_000;

/// Phases run alone after the first interruption, and at most.
const FIRST_PENALTY: u32 = 64;
const LAST_PENALTY: u32 = 8192;

/// Shared phases without an interruption after which the next penalty is halved.
const GOOD_PHASES: u32 = 256;

/// Decides for each phase that could be shared.
#[derive(Default)]
pub(super) struct Patience {
    /// Phases still to be run alone.
    alone: u32,
    /// How many after the last interruption.
    penalty: u32,
    /// Shared phases since then.
    good: u32,
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

    /// A shared phase is over: the submitting thread waited so long for its last chunks, which were expected to take at most `chunk`
    /// nanoseconds each.
    pub fn waited(&mut self, waited: Duration, chunk: u64) {
        if waited > INTERRUPTED + Duration::from_nanos(chunk.saturating_mul(2)) {
            self.penalty = (self.penalty * 2).clamp(FIRST_PENALTY, LAST_PENALTY);
            self.alone = self.penalty;
            self.good = 0;
            return;
        }
        self.good += 1;
        if self.good == GOOD_PHASES {
            self.penalty /= 2;
            self.good = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interruptions_make_it_work_alone_for_a_while() {
        let mut patience = Patience::default();
        patience.waited(Duration::from_micros(10), 2000);
        assert!(patience.shares(10_000));
        patience.waited(Duration::from_millis(3), 2000);
        assert!(patience.shares(LONG_PHASE));
        let alone = (0..100_000)
            .take_while(|_| !patience.shares(10_000))
            .count();
        assert_eq!(alone, FIRST_PENALTY as usize);
        patience.waited(Duration::from_millis(3), 2000);
        let alone = (0..100_000)
            .take_while(|_| !patience.shares(10_000))
            .count();
        assert_eq!(alone, 2 * FIRST_PENALTY as usize);
        for _ in 0..2 * GOOD_PHASES {
            patience.waited(Duration::ZERO, 2000);
        }
        patience.waited(Duration::from_millis(3), 2000);
        let alone = (0..100_000)
            .take_while(|_| !patience.shares(10_000))
            .count();
        assert_eq!(alone, FIRST_PENALTY as usize);
    }

    #[test]
    fn long_chunks_may_take_long() {
        let mut patience = Patience::default();
        patience.waited(Duration::from_millis(3), 2_000_000);
        assert!(patience.shares(10_000));
    }
}
