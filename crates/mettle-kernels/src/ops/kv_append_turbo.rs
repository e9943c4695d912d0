//! Cases and bench entries of caches in the blocks of TurboQuant. [`kv_append`](super::kv_append()) takes them as others.

use super::hadamard::HEAD_SIZES;
use super::kv_append::{add_bench, check, check_ring, kernel_name};
use crate::cases::{Family, Run, Tolerance};
use mettle_gpu::{Format, Turbo};

/// The formats for heads of each size, with the size.
pub(super) fn formats_of_heads() -> impl Iterator<Item = (Format, usize)> {
    let formats = Turbo::BITS.into_iter().flat_map(|bits| {
        HEAD_SIZES.map(|head_size| (Turbo::new(bits, head_size).map(Format::Turbo), head_size))
    });
    formats.filter_map(|(format, head_size)| Some((format?, head_size)))
}

/// The cases of `kv_append_turbo.metal`: every format, with heads of zeros and of tiny, large and equal values, a run of tokens, positions
/// outside the cache, and a ring.
pub(crate) fn family() -> Family {
    Family::new("kv_append_turbo", Tolerance::EXACT, |cases| {
        for (format, head_size) in formats_of_heads() {
            let name = format!("{}_head{head_size}", format.name().to_lowercase());
            cases.add(kernel_name(format), name, move |run: &mut Run<'_>| {
                let positions = [4, -1, 5, 2, 3, i32::MAX, i32::MIN];
                let heads = 3;
                let mut values = || run.rng().activations(positions.len() * heads * head_size);
                let (mut k, v) = (values(), values());
                let change: [fn(f32) -> f32; 5] =
                    [|_| 0.0, |_| -0.0, |x| 1e-12 * x, |x| 1e2 * x, |_| 1.75];
                for (head, change) in k.chunks_exact_mut(head_size).zip(change) {
                    head.iter_mut().for_each(|x| *x = change(*x));
                }
                check(run, format, [5, heads, head_size], &positions, [&k, &v])
            });
            let name = format!("{}_head{head_size}_ring", format.name().to_lowercase());
            cases.add(kernel_name(format), name, move |run: &mut Run<'_>| {
                let mut values = || run.rng().activations(4 * head_size);
                let (k, v) = (values(), values());
                let positions = [25, 26, 27, -1];
                check_ring(run, format, [9, 1, head_size], &positions, 6, [&k, &v])
            });
        }
    })
    .benches(|benches| {
        if let Some(turbo) = Turbo::new(4, 128) {
            add_bench(benches, Format::Turbo(turbo));
        }
    })
}
