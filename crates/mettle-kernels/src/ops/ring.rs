//! Key-value caches that are rings: of a text of any length they keep what a window shows.
//!
//! In a ring of `[rows, kv_heads, head_size]` the token at a position is row `position % rows`, in the place of an earlier one.
//! [`kv_append_ring`](super::kv_append_ring) writes and [`attention_ring`](super::attention_ring) reads it. Tokens of a launch are all appended before the
//! first of them attends: so a ring has room for its window and all of them.

use super::check::Op;
use crate::Result;

/// The rows of a ring for queries that see `window` keys, their own included, of which up to `tokens` come at a time: what the first of them
/// sees, and the others.
pub fn ring_rows(window: usize, tokens: usize) -> usize {
    window.saturating_add(tokens.max(1)) - 1
}

/// What kernels are given about a ring of `capacity` rows, or without a `window` about a cache that is none.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for a window of 0, and where `tokens` would take the place of keys that the first of them sees.
pub(super) fn check(op: Op, capacity: usize, window: Option<u32>, tokens: usize) -> Result<u32> {
    let Some(window) = window else {
        return Ok(0);
    };
    if window == 0 {
        return Err(op.refuse("window", "is 0, must hold the query's own key at least"));
    }
    let needed = ring_rows(window as usize, tokens);
    if capacity < needed {
        return Err(op.refuse(
            "cache_k",
            format!("is a ring of {capacity} rows, must have {needed} for a window of {window} keys and {tokens} tokens at a time"),
        ));
    }
    op.size("cache_k", capacity)
}

/// The row of each token in a ring of `capacity` rows, for cases; -1 for one without.
pub(super) fn rows_of(positions: &[i32], capacity: usize) -> Vec<i32> {
    let row = |&position: &i32| match position {
        0.. => (i64::from(position) % capacity as i64) as i32,
        _ => -1,
    };
    positions.iter().map(row).collect()
}
