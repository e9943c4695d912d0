//! The residency set of a device.

use super::api::{Api, Queue as _, ResidencySet as _};
use std::sync::{Mutex, PoisonError};

/// All memory of a device, made resident together. Changes are collected until the next submission.
pub(super) struct Residency<A: Api> {
    state: Mutex<State<A>>,
}

struct State<A: Api> {
    set: A::ResidencySet,
    changed: bool,
}

impl<A: Api> Residency<A> {
    /// Makes the set take effect for everything that the queue runs.
    pub fn new(set: A::ResidencySet, queue: &A::Queue) -> Self {
        queue.add_residency_set(&set);
        Residency {
            state: Mutex::new(State {
                set,
                changed: false,
            }),
        }
    }

    pub fn add(&self, buffer: &A::Buffer) {
        self.change(|set| set.add_allocation(buffer));
    }

    pub fn remove(&self, buffer: &A::Buffer) {
        self.change(|set| set.remove_allocation(buffer));
    }

    fn change(&self, change: impl FnOnce(&A::ResidencySet)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&state.set);
        state.changed = true;
    }

    /// Lets the changes since the last call take effect.
    pub fn commit(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.changed) {
            state.set.commit();
            state.set.request_residency();
        }
    }
}
