//! Attention by its definition, in f64.

use crate::cases::Expected;
use crate::ops::Attention;

/// Whether a token at position `p` sees key `j`.
pub(crate) fn visible(p: i32, j: usize, window: Option<u32>) -> bool {
    let distance = i64::from(p) - j as i64;
    distance >= 0 && window.is_none_or(|window| distance < i64::from(window))
}

/// The output of [`crate::ops::attention`] for every token, head and element; `sinks` are those of `options`, one a head. What `mask` has is added to
/// scores, one row for all heads of a token or one for each token of each head.
#[expect(
    clippy::too_many_arguments,
    reason = "everything that attention depends on"
)]
pub(crate) fn attention(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    positions: &[i32],
    [heads, kv_heads, head_size]: [usize; 3],
    options: &Attention<'_>,
    sinks: Option<&[f32]>,
    mask: Option<&[f32]>,
) -> Vec<Expected> {
    let columns = kv_heads * head_size;
    let capacity = k.len() / columns;
    let tokens = positions.len();
    let mask_step = match mask {
        Some(mask) if mask.len() > tokens * capacity => tokens,
        _ => 0,
    };
    let mut expected = Vec::with_capacity(q.len());
    for (row, q) in q.chunks_exact(head_size).enumerate() {
        let (token, head) = (row / heads, row % heads);
        let position = positions[token];
        if position < 0 || position as usize >= capacity {
            expected.extend(std::iter::repeat_n(Expected::exact(f64::NAN), head_size));
            continue;
        }
        let offset = head / (heads / kv_heads) * head_size;
        let entry =
            |cache: &'_ [f32], j: usize, i: usize| f64::from(cache[j * columns + offset + i]);
        let keys: Vec<usize> = (0..capacity)
            .filter(|&j| visible(position, j, options.window))
            .collect();
        let scores: Vec<f64> = keys
            .iter()
            .map(|&j| {
                let product: f64 = (0..head_size)
                    .map(|i| f64::from(q[i]) * entry(k, j, i))
                    .sum();
                let score = f64::from(options.scale) * product;
                let capped = match options.softcap.map(f64::from) {
                    Some(cap) => cap * (score / cap).tanh(),
                    None => score,
                };
                let row = (head * mask_step + token) * capacity;
                match mask.map(|mask| f64::from(mask[row + j])) {
                    // Even of an infinite score.
                    Some(f64::NEG_INFINITY) => f64::NEG_INFINITY,
                    Some(added) => capped + added,
                    None => capped,
                }
            })
            .collect();
        let sink = sinks.map_or(f64::NEG_INFINITY, |sinks| f64::from(sinks[head]));
        let highest = scores.iter().copied().fold(sink, f64::max);
        if mask.is_some() && highest == f64::NEG_INFINITY {
            expected.extend(std::iter::repeat_n(Expected::exact(0.0), head_size));
            continue;
        }
        let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
        let total = weights.iter().sum::<f64>() + (sink - highest).exp();
        expected.extend((0..head_size).map(|i| {
            let terms = || {
                keys.iter()
                    .zip(&weights)
                    .map(|(&j, weight)| weight / total * entry(v, j, i))
            };
            Expected::near(terms().sum(), terms().map(f64::abs).sum())
        }));
    }
    expected
}
