//! Which launches must wait: decided from the byte ranges that they read and write.

use std::collections::HashSet;

/// A byte range of a storage that a launch touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Identifies the storage.
    pub storage: usize,
    pub start: usize,
    pub end: usize,
    pub written: bool,
    /// It may be read before the launches that this one waits for are through.
    pub early: bool,
}

/// What a launch waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waits {
    /// A barrier comes before it: it waits for the launches before.
    pub barrier: bool,
    /// It must not read anything early: a launch before writes what it might.
    pub early_written: bool,
}

impl Touched {
    /// Whether both touch a common byte and one of them writes it.
    pub fn conflicts(&self, other: &Touched) -> bool {
        self.storage == other.storage
            && (self.written || other.written)
            && self.start.max(other.start) < self.end.min(other.end)
    }
}

/// The ranges touched by the launches since the last barrier, and all storages that launches wrote.
#[derive(Debug, Default)]
pub(crate) struct HazardTracker {
    touched: Vec<Touched>,
    written: HashSet<usize>,
}

impl HazardTracker {
    /// Adds a launch. Returns what it must wait for; where that is the launches before it, what they touched is forgotten.
    pub fn launch(&mut self, ranges: impl Iterator<Item = Touched> + Clone) -> Waits {
        let early_written = ranges
            .clone()
            .any(|range| range.early && self.written.contains(&range.storage));
        let written = ranges.clone().filter(|range| range.written);
        self.written.extend(written.map(|range| range.storage));
        let barrier = ranges
            .clone()
            .any(|new| self.touched.iter().any(|old| old.conflicts(&new)));
        if barrier {
            self.touched.clear();
        }
        ranges.for_each(|range| self.insert(range));
        Waits {
            barrier,
            early_written,
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.touched.clear();
        self.written.clear();
    }

    /// Adds a range, merged with one it overlaps or adjoins: launches over consecutive slices stay one entry.
    fn insert(&mut self, new: Touched) {
        let adjoining = self.touched.iter_mut().rev().find(|old| {
            old.storage == new.storage
                && old.written == new.written
                && new.start <= old.end
                && old.start <= new.end
        });
        match adjoining {
            Some(old) => {
                old.start = old.start.min(new.start);
                old.end = old.end.max(new.end);
            }
            None => self.touched.push(new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(storage: usize, start: usize, end: usize) -> Touched {
        Touched {
            storage,
            start,
            end,
            written: false,
            early: false,
        }
    }

    fn write(storage: usize, start: usize, end: usize) -> Touched {
        Touched {
            written: true,
            ..read(storage, start, end)
        }
    }

    fn launch(tracker: &mut HazardTracker, ranges: &[Touched]) -> bool {
        tracker.launch(ranges.iter().copied()).barrier
    }

    #[test]
    fn what_was_written_is_not_read_early() {
        let early = |storage| Touched {
            early: true,
            ..read(storage, 0, 4)
        };
        let mut tracker = HazardTracker::default();
        let mut early_written = |ranges: &[Touched]| {
            let waits = tracker.launch(ranges.iter().copied());
            waits.early_written
        };
        assert!(!early_written(&[early(1), write(2, 0, 4)]));
        assert!(!early_written(&[read(2, 0, 4), write(3, 0, 4)]));
        // Behind a barrier, too: the launch between may not have waited for the one that writes yet.
        assert!(early_written(&[early(2), write(4, 0, 4)]));
        assert!(!early_written(&[early(1), read(4, 0, 4)]));
    }

    #[test]
    fn readers_overlap() {
        let mut tracker = HazardTracker::default();
        assert!(!launch(&mut tracker, &[read(1, 0, 10), write(2, 0, 10)]));
        assert!(!launch(&mut tracker, &[read(1, 0, 10), write(2, 10, 20)]));
        assert_eq!(tracker.touched, [read(1, 0, 10), write(2, 0, 20)]);
    }

    #[test]
    fn read_after_write_waits() {
        let mut tracker = HazardTracker::default();
        assert!(!launch(&mut tracker, &[write(1, 0, 10)]));
        assert!(launch(&mut tracker, &[read(1, 9, 12)]));
        assert!(!launch(&mut tracker, &[read(1, 0, 9)]));
    }

    #[test]
    fn write_after_read_and_write_waits() {
        let mut tracker = HazardTracker::default();
        assert!(!launch(&mut tracker, &[read(1, 0, 10)]));
        assert!(launch(&mut tracker, &[write(1, 0, 1)]));
        assert!(launch(&mut tracker, &[write(1, 0, 1)]));
    }

    #[test]
    fn slices_do_not_serialise() {
        let mut tracker = HazardTracker::default();
        for i in 0..100 {
            assert!(!launch(&mut tracker, &[write(1, i * 10, i * 10 + 10)]));
        }
        assert_eq!(tracker.touched.len(), 1);
    }

    #[test]
    fn empty_ranges_never_conflict() {
        let mut tracker = HazardTracker::default();
        assert!(!launch(&mut tracker, &[write(1, 0, 10)]));
        assert!(!launch(&mut tracker, &[write(1, 5, 5)]));
    }

    proptest! {
        /// Against the definition: remember every range since the last barrier, one by one.
        #[test]
        fn same_as_the_plain_list(launches in prop::collection::vec(
            prop::collection::vec((0usize..3, 0usize..30, 0usize..8, any::<bool>()), 1..4), 1..40,
        )) {
            let mut tracker = HazardTracker::default();
            let mut plain: Vec<Touched> = Vec::new();
            for ranges in launches {
                let ranges: Vec<Touched> = ranges
                    .into_iter()
                    .map(|(storage, start, len, written)| Touched { storage, start, end: start + len, written, early: false })
                    .collect();
                let expected = ranges.iter().any(|new| plain.iter().any(|old| old.conflicts(new)));
                if expected {
                    plain.clear();
                }
                plain.extend(&ranges);
                prop_assert_eq!(launch(&mut tracker, &ranges), expected);
            }
        }
    }
}
