//! Artefacts made once: threads that want the same share one run of the compiler, and what a process has made stays at hand.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Bytes of results kept in memory, in case that the disk does not keep them; the oldest go first.
const KEPT: usize = 64 << 20;

/// What threads that make the same entry wait for: one lock an entry while anybody holds it.
pub(super) fn flight(entry: PathBuf) -> Arc<Mutex<()>> {
    static FLIGHTS: Mutex<BTreeMap<PathBuf, Weak<Mutex<()>>>> = Mutex::new(BTreeMap::new());
    let mut flights = FLIGHTS.lock().unwrap_or_else(PoisonError::into_inner);
    flights.retain(|_, flight| flight.strong_count() > 0);
    let slot = flights.entry(entry).or_default();
    slot.upgrade().unwrap_or_else(|| {
        let flight = Arc::new(Mutex::new(()));
        *slot = Arc::downgrade(&flight);
        flight
    })
}

/// Results of this process, by the file that they are kept in: a full or read-only disk, or one that another process clears, must not make the
/// compiler run again.
pub(super) struct Made {
    entries: BTreeMap<PathBuf, Arc<[u8]>>,
    /// By age.
    order: VecDeque<PathBuf>,
    bytes: usize,
}

static MADE: Mutex<Made> = Mutex::new(Made {
    entries: BTreeMap::new(),
    order: VecDeque::new(),
    bytes: 0,
});

impl Made {
    /// Does something with the results of this process.
    pub fn with<T>(act: impl FnOnce(&mut Self) -> T) -> T {
        act(&mut MADE.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn get(&self, entry: &Path) -> Option<Arc<[u8]>> {
        self.entries.get(entry).cloned()
    }

    pub fn keep(&mut self, entry: PathBuf, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.order.push_back(entry.clone());
        if let Some(before) = self.entries.insert(entry, bytes.into()) {
            self.bytes -= before.len();
        }
        while self.bytes > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.drop_entry(&oldest);
        }
    }

    /// Forgets the results that are kept in a folder.
    pub fn forget(&mut self, folder: &Path) {
        let order = std::mem::take(&mut self.order);
        for entry in order {
            if entry.parent() == Some(folder) {
                self.drop_entry(&entry);
            } else {
                self.order.push_back(entry);
            }
        }
    }

    fn drop_entry(&mut self, entry: &Path) {
        if let Some(bytes) = self.entries.remove(entry) {
            self.bytes -= bytes.len();
        }
    }
}
