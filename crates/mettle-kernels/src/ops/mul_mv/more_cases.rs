//! Cases and bench entries of activations of sixteen bits, and of what is done beside products of several columns.

use super::cases::{kernel_name, reference, swiglu};
use super::spread::Spread;
use super::{Beside, mul_mat, mul_mv};
use crate::bench::{Benches, Work};
use crate::cases::{Cases, Expected, Run};
use crate::ops::mapping::label;
use mettle_gpu::Format;

/// One column of weights and activations of these formats.
pub(in crate::ops) fn add_bench_of_16bit(benches: &mut Benches, formats: [Format; 2]) {
    let (n, k) = (4096, 4096);
    let [format, activations] = formats;
    let weights = n * k / format.block_len() * format.block_bytes();
    let work = Work::new(weights + activations.block_bytes() * (n + k), 2 * n * k);
    let name = format!("{}n{n}_k{k}_m1", label(format));
    benches.add(kernel_of_16bit(format), name, work, move |setup| {
        let w = setup.weights(format, n, k)?;
        let x = setup.values_as(activations, [1, k])?;
        let mut out = setup.output(activations, [1, n])?;
        Ok(Box::new(move |pass| mul_mat(pass, &w, &x, &mut out)))
    });
}

/// The kernel for activations of sixteen bits with weights of a format.
fn kernel_of_16bit(format: Format) -> &'static str {
    match format {
        Format::Affine(_) => "mul_mv_affine_bf16",
        _ => "mul_mv_f16_f16",
    }
}

/// A product of weights and activations of these formats; results have that of activations.
pub(in crate::ops) fn add_of_16bit(
    cases: &mut Cases,
    spread: Spread,
    [format, activations]: [Format; 2],
    [n, k, m]: [usize; 3],
) {
    let name = format!("{}{}_n{n}_k{k}_m{m}", label(format), spread.name());
    cases.add(kernel_of_16bit(format), name, move |run: &mut Run<'_>| {
        let (w, weights) = run.weights(format, n, k)?;
        let x = run.rng().activations(m * k);
        let (xs, x) = run.rounded(activations, &x, [m, k])?;
        let mut out = run.output(activations, [m, n])?;
        run.pass(|pass| mul_mv(pass, spread, &w, &xs, Beside::default(), &mut out))?;
        run.check(&out, || reference(&weights, &x, k))
    });
}

/// The same where each column has a matrix of its own, all columns the same row of x.
pub(in crate::ops) fn add_experts_of_16bit(
    cases: &mut Cases,
    spread: Spread,
    [format, activations]: [Format; 2],
    [n, k]: [usize; 2],
) {
    // The last one is none.
    const IDS: [u32; 4] = [1, 0, 1, u32::MAX];
    const EXPERTS: usize = 3;
    let name = format!("{}{}_of_experts_n{n}_k{k}", label(format), spread.name());
    cases.add(kernel_of_16bit(format), name, move |run: &mut Run<'_>| {
        let (w, weights) = run.weights(format, EXPERTS * n, k)?;
        let w = w.reshape([EXPERTS, n, k])?;
        let x = run.rng().activations(k);
        let (xs, x) = run.rounded(activations, &x, [1, k])?;
        let ids = run.input(&IDS, [IDS.len()])?;
        let mut out = run.output(activations, [IDS.len(), n])?;
        let beside = Beside {
            ids: Some(&ids),
            ..Beside::default()
        };
        run.pass(|pass| mul_mv(pass, spread, &w, &xs, beside, &mut out))?;
        run.check(&out, || {
            let of_expert = |&id: &u32| {
                let expert = (id as usize).min(EXPERTS - 1);
                reference(&weights[expert * n * k..][..n * k], &x, k)
            };
            IDS.iter().flat_map(of_expert).collect()
        })
    });
}

/// What is done beside products of several columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Also {
    Add,
    Gate,
}

/// Several columns, and what is done beside.
pub(super) fn add_fused_columns(
    cases: &mut Cases,
    spread: Spread,
    format: Format,
    [n, k, m]: [usize; 3],
    also: Also,
) {
    let name = format!("{}_n{n}_k{k}_m{m}_{also:?}", spread.name()).to_lowercase();
    cases.add(kernel_name(format), name, move |run: &mut Run<'_>| {
        let (w, weights) = run.weights(format, n, k)?;
        let (gated, gated_weights) = run.weights(format, n, k)?;
        let (x, before) = (run.rng().activations(m * k), run.rng().activations(m * n));
        let xs = run.input(&x, [m, k])?;
        let mut out = run.input(&before, [m, n])?;
        let beside = Beside {
            add: also == Also::Add,
            gated: (also == Also::Gate).then_some(&gated),
            ..Beside::default()
        };
        run.pass(|pass| mul_mv(pass, spread, &w, &xs, beside, &mut out))?;
        run.check(&out, || {
            let products = reference(&weights, &x, k);
            let gated = reference(&gated_weights, &x, k);
            let others = gated.iter().zip(&before);
            let expected = |(product, (gated, &before)): (&Expected, (&Expected, &f32))| {
                let of = |x: &Expected| (x.value(), x.magnitude());
                let (value, magnitude) = match also {
                    Also::Gate => swiglu(of(product), of(gated)),
                    Also::Add => {
                        let before = f64::from(before);
                        (product.value() + before, product.magnitude() + before.abs())
                    }
                };
                Expected::near(value, magnitude)
            };
            products.iter().zip(others).map(expected).collect()
        })
    });
}
