//! Cases and bench entries of `mul_mv.metal`.

use super::more_cases::{Also, add_bench_of_16bit, add_fused_columns, add_of_16bit};
use super::spread::{Spread, has_whole_numbers};
use super::{Beside, MAX_COLUMNS, Way, by, mul_mat, mul_mat_batched, mul_mv};
use crate::bench::{Benches, Work};
use crate::bindings::FORMATS;
use crate::bindings::mul_mv::F32Of;
use crate::cases::{Cases, Expected, Family, Run, Scales, Tolerance};
use crate::ops::check::Op;
use crate::ops::experts::mul_mat_id;
use crate::ops::fusion::Norm;
use crate::ops::mapping::label;
use mettle_gpu::Format;

/// The kernel's name, for cases and bench entries.
pub(super) fn kernel_name(format: Format) -> &'static str {
    match format {
        Format::Affine(_) => "mul_mv_affine_f32",
        _ => F32Of::of(format).map_or("none", F32Of::name),
    }
}

/// The cases of `mul_mv.metal`: one row, one block, rows that do not fill threadgroups, every number of columns, more
/// columns than a launch takes, several threadgroups, long rows, and for dense weights rows that end within a sixteen.
pub(crate) fn family() -> Family {
    Family::new("mul_mv", Tolerance::MATMUL, |cases| {
        let every = Spread::ALL
            .into_iter()
            .flat_map(|spread| FORMATS.map(|format| (spread, format)));
        for (spread, format) in every {
            let dense = format.block_len() == 1;
            if spread == Spread::Staged && !has_whole_numbers(format) {
                continue;
            }
            // Rows of whole vectors, which alone are staged.
            let block = match spread {
                Spread::Staged => format.block_len().max(32) * 8,
                _ => format.block_len().max(32),
            };
            // Of one thread's row up to four in a step; of others a power of two.
            let columns: &[usize] = match spread {
                Spread::RowPerThread => &[1, 2, 3, 4],
                _ => &[1, 2, 3, 4, 7, MAX_COLUMNS],
            };
            for &m in columns {
                add(cases, spread, format, 7, 3 * block, m);
            }
            add(cases, spread, format, 1, block, 1);
            add(cases, spread, format, 5, block, 19);
            add(cases, spread, format, 130, 512, 1);
            add(cases, spread, format, 3, 16 * 1024, 2);
            add(cases, spread, format, 6, 10 * 1024 + 512, 1);
            add_sizes_of_values(cases, spread, format, 2 * block);
            add_forms(cases, spread, format, block);
            for bits in (1..7).filter(|_| dense) {
                add_fused(cases, spread, format, [3, 1037], bits);
            }
            if dense {
                add(cases, spread, format, 3, 1, 1);
                add(cases, spread, format, 6, 45, 3);
                add(cases, spread, format, 2, 1037, 4);
            }
        }
        for format in [Format::F16, Format::Q4_0, Format::Q6_K] {
            add_batched(cases, format, [3, 2, 5, 256]);
        }
        for spread in [Spread::RowPerThread, Spread::RowsPerGroup] {
            for (n, k, m) in [(7, 96, 1), (5, 64, 11), (6, 45, 3), (3, 1, 1), (2, 1037, 4)] {
                add_of_16bit(cases, spread, [Format::F16; 2], [n, k, m]);
            }
            for beside in [Also::Add, Also::Gate] {
                for format in [Format::F32, Format::Q1_0] {
                    add_fused_columns(cases, spread, format, [5, 256, 7], beside);
                }
            }
        }
    })
    .benches(benches)
}

/// Batches of x `[m, k]`, whose rows have gaps between them, with weights `[n, k]` each, and all of them with the first.
fn add_batched(cases: &mut Cases, format: Format, [batches, m, n, k]: [usize; 4]) {
    const GAP: usize = 3;
    let name = format!("batches{batches}_m{m}_n{n}_k{k}");
    cases.add(kernel_name(format), name, move |run: &mut Run<'_>| {
        let (w, weights) = run.weights(format, batches * n, k)?;
        let first = w.rows_range(0..n)?;
        let w = w.reshape([batches, n, k])?;
        let x = run.rng().activations(batches * m * k);
        let with_gaps: Vec<f32> = x
            .chunks_exact(k)
            .flat_map(|row| [row, &[f32::NAN; GAP]].concat())
            .collect();
        let gaps = run.input(&with_gaps, [batches * m, k + GAP])?;
        let gaps = gaps.columns_range(0..k)?;
        let dense = run.input(&x, [batches, m, k])?;
        let mut out = run.output(Format::F32, [batches, m, n])?;
        let mut shared = run.output(Format::F32, [batches * m, n])?;
        run.pass(|pass| {
            mul_mat_batched(pass, &w, &dense, &mut out)?;
            by(pass, Op("mul_mat"), Way::Few, 1, &first, &gaps, &mut shared)
        })?;
        run.check(&shared, || reference(&weights[..n * k], &x, k))?;
        run.check(&out, || {
            let of_batches = weights.chunks_exact(n * k).zip(x.chunks_exact(m * k));
            of_batches.flat_map(|(w, x)| reference(w, x, k)).collect()
        })
    });
}

/// Activations and scales of weights of very different sizes.
pub(in crate::ops) fn add_sizes_of_values(
    cases: &mut Cases,
    spread: Spread,
    format: Format,
    k: usize,
) {
    add_extremes(cases, spread, format, k);
    let of_blocks = [Scales::Huge, Scales::Subnormal, Scales::Zero];
    for scales in of_blocks.into_iter().filter(|_| format.block_len() > 1) {
        let name = format!("{}{}_scales_{scales:?}", label(format), spread.name()).to_lowercase();
        add_product(cases, spread, format, scales, [9, k, 1], name, |_| {});
    }
}

/// Everything that is done beside products, with rows of two blocks and of one.
pub(in crate::ops) fn add_forms(cases: &mut Cases, spread: Spread, format: Format, block: usize) {
    for bits in 1..8 {
        add_fused(cases, spread, format, [41, 2 * block], bits);
    }
    for gate in [false, true] {
        add_of_experts(cases, spread, format, [5, 2 * block], gate);
    }
    for norm in [false, true] {
        if !norm || spread != Spread::RowPerThread {
            add_three(cases, spread, format, [41, 19, 2 * block], norm);
            add_three(cases, spread, format, [1, 3, block], norm);
        }
    }
}

/// Weights of model shapes, one column as in decoding, four and eight columns; in the commonest formats also an output layer.
fn benches(benches: &mut Benches) {
    const OUTPUT: [Format; 5] = [
        Format::F16,
        Format::Q4_0,
        Format::Q8_0,
        Format::Q4_K,
        Format::Q6_K,
    ];
    for format in FORMATS {
        let mut shapes = vec![
            (4096, 4096, 1),
            (14_336, 4096, 1),
            (4096, 14_336, 1),
            (4096, 4096, 4),
            (4096, 4096, 8),
        ];
        if OUTPUT.contains(&format) {
            shapes.push((128_256, 4096, 1));
        }
        for shape in shapes {
            add_bench(benches, format, shape);
        }
    }
    add_bench_of_16bit(benches, [Format::F16; 2]);
    // The experts of a token, of a model of 128.
    let (experts, slots, n, k) = (128, 8, 768, 2048);
    for format in [Format::Q8_0, Format::Q4_K] {
        let weights = slots * n * k / format.block_len() * format.block_bytes();
        let work = Work::new(weights + 4 * slots * (n + k), 2 * n * k * slots);
        let name = format!("n{n}_k{k}_{slots}of{experts}experts");
        benches.add(kernel_name(format), name, work, move |setup| {
            let w = setup.weights(format, experts * n, k)?;
            let w = w.reshape([experts, n, k])?;
            let ids: Vec<u32> = (0..slots)
                .map(|slot| (slot * 37 % experts) as u32)
                .collect();
            let (x, ids) = (setup.values([1, k])?, setup.of(&ids)?);
            let mut out = setup.output(Format::F32, [slots, n])?;
            Ok(Box::new(move |pass| {
                mul_mat_id(pass, &w, &x, &ids, &mut out)
            }))
        });
    }
}

pub(in crate::ops) fn add(
    cases: &mut Cases,
    spread: Spread,
    format: Format,
    n: usize,
    k: usize,
    m: usize,
) {
    let name = format!("{}{}_n{n}_k{k}_m{m}", label(format), spread.name());
    add_product(
        cases,
        spread,
        format,
        Scales::Typical,
        [n, k, m],
        name,
        |_| {},
    );
}

/// A product with weights `[n, k]` and so many columns.
pub(in crate::ops) fn add_bench(
    benches: &mut Benches,
    format: Format,
    (n, k, m): (usize, usize, usize),
) {
    let weights = n * k / format.block_len() * format.block_bytes();
    let work = Work::new(weights + 4 * m * (n + k), 2 * n * k * m);
    let name = format!("{}n{n}_k{k}_m{m}", label(format));
    benches.add(kernel_name(format), name, work, move |setup| {
        let w = setup.weights(format, n, k)?;
        let x = setup.values([m, k])?;
        let mut out = setup.output(Format::F32, [m, n])?;
        Ok(Box::new(move |pass| mul_mat(pass, &w, &x, &mut out)))
    });
}

/// Activations of very different sizes: each has its own effect on the bits that others leave.
fn add_extremes(cases: &mut Cases, spread: Spread, format: Format, k: usize) {
    let mut add = |name: &str, change: fn(&mut [f32])| {
        for m in [1, 2] {
            let name = format!("{}{}_{name}_k{k}_m{m}", label(format), spread.name());
            let scales = Scales::Typical;
            add_product(cases, spread, format, scales, [9, k, m], name, change);
        }
    };
    add("tiny", |x| x.iter_mut().for_each(|x| *x *= 1e-27));
    add("huge", |x| x.iter_mut().for_each(|x| *x *= 1e30));
    add("zeros", |x| x.fill(0.0));
    add("equal", |x| x.fill(0.1));
    add("hot", |x| x[21] = 3000.0);
}

/// A product with weights whose scales are of some size and activations that were changed.
fn add_product(
    cases: &mut Cases,
    spread: Spread,
    format: Format,
    scales: Scales,
    [n, k, m]: [usize; 3],
    name: String,
    change: fn(&mut [f32]),
) {
    let kernel = kernel_name(format);
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let (w, weights) = run.weights_of(scales, format, n, k)?;
        let mut x = run.rng().activations(m * k);
        x.chunks_exact_mut(k).for_each(change);
        let xs = run.input(&x, [m, k])?;
        let mut out = run.output(Format::F32, [m, n])?;
        run.pass(|pass| mul_mv(pass, spread, &w, &xs, Beside::default(), &mut out))?;
        run.check(&out, || reference(&weights, &x, k))
    });
}

/// One column with what the bits of `FUSED` say, where the spread has it.
fn add_fused(cases: &mut Cases, spread: Spread, format: Format, [n, k]: [usize; 2], bits: u32) {
    let [norm, add, gate] = [1, 2, 4].map(|bit| bits & bit != 0);
    if norm && spread == Spread::RowPerThread {
        return;
    }
    let kernel = kernel_name(format);
    let mut name = format!("{}{}_n{n}_k{k}", label(format), spread.name());
    for (part, said) in [(norm, "_norm"), (add, "_add"), (gate, "_gate")] {
        name.push_str(if part { said } else { "" });
    }
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let (w, weights) = run.weights(format, n, k)?;
        let (gated, gated_weights) = run.weights(format, n, k)?;
        let (x, scale) = (run.rng().activations(k), run.rng().activations(k));
        let (xs, scales) = (run.input(&x, [1, k])?, run.input(&scale, [k])?);
        let before = run.rng().activations(n);
        let mut out = match add {
            true => run.input(&before, [1, n])?,
            false => run.output(Format::F32, [1, n])?,
        };
        let beside = Beside {
            norm: norm.then_some(Norm {
                weight: &scales,
                eps: EPS,
            }),
            gated: gate.then_some(&gated),
            add,
            ..Beside::default()
        };
        run.pass(|pass| mul_mv(pass, spread, &w, &xs, beside, &mut out))?;
        run.check(&out, || {
            let x = normed(&x, norm.then_some(&scale));
            let product = |w: &[f32]| product(w, &x);
            let row = |row: usize| {
                let range = row * k..(row + 1) * k;
                let (mut value, mut magnitude) = product(&weights[range.clone()]);
                if gate {
                    (value, magnitude) = swiglu((value, magnitude), product(&gated_weights[range]));
                }
                if add {
                    value += f64::from(before[row]);
                    magnitude += f64::from(before[row].abs());
                }
                Expected::near(value, magnitude)
            };
            (0..n).map(row).collect()
        })
    });
}

/// Three matrices of one format, with as many rows as said, one column.
fn add_three(
    cases: &mut Cases,
    spread: Spread,
    format: Format,
    [n, of_others, k]: [usize; 3],
    norm: bool,
) {
    let kernel = kernel_name(format);
    let name = format!(
        "{}{}_three_n{n}_{of_others}_k{k}{}",
        label(format),
        spread.name(),
        if norm { "_norm" } else { "" }
    );
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let (w, mut weights) = run.weights(format, n, k)?;
        let (second, more) = run.weights(format, of_others, k)?;
        weights.extend(more);
        let (third, more) = run.weights(format, of_others, k)?;
        weights.extend(more);
        let (x, scale) = (run.rng().activations(k), run.rng().activations(k));
        let (xs, scales) = (run.input(&x, [1, k])?, run.input(&scale, [k])?);
        let mut out = run.output(Format::F32, [1, n + 2 * of_others])?;
        let beside = Beside {
            norm: norm.then_some(Norm {
                weight: &scales,
                eps: EPS,
            }),
            others: Some([&second, &third]),
            ..Beside::default()
        };
        run.pass(|pass| mul_mv(pass, spread, &w, &xs, beside, &mut out))?;
        run.check(&out, || {
            let x = normed(&x, norm.then_some(&scale));
            let expected = |w| {
                let (value, magnitude) = product(w, &x);
                Expected::near(value, magnitude)
            };
            weights.chunks_exact(k).map(expected).collect()
        })
    });
}

/// Columns with matrices of their own, which share rows of x; with gates, too, and norms where there are any.
fn add_of_experts(
    cases: &mut Cases,
    spread: Spread,
    format: Format,
    [n, k]: [usize; 2],
    gate: bool,
) {
    const EXPERTS: usize = 3;
    // The last one is none.
    const IDS: [u32; 4] = [1, 0, 1, u32::MAX];
    let kernel = kernel_name(format);
    let gates = if gate { "_gate" } else { "" };
    let name = format!(
        "{}{}_of_experts_n{n}_k{k}{gates}",
        label(format),
        spread.name()
    );
    let norm = gate && spread != Spread::RowPerThread;
    let tokens = if gate { 2 } else { IDS.len() };
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let (w, weights) = run.weights(format, EXPERTS * n, k)?;
        let (gated, gated_weights) = run.weights(format, EXPERTS * n, k)?;
        let [w, gated] = [w, gated].map(|w| w.reshape([EXPERTS, n, k]));
        let (w, gated) = (w?, gated?);
        let (x, scale) = (run.rng().activations(tokens * k), run.rng().activations(k));
        let (xs, scales) = (run.input(&x, [tokens, k])?, run.input(&scale, [k])?);
        let ids = run.input(&IDS, [IDS.len()])?;
        let mut out = run.output(Format::F32, [IDS.len(), n])?;
        let beside = Beside {
            norm: norm.then_some(Norm {
                weight: &scales,
                eps: EPS,
            }),
            gated: gate.then_some(&gated),
            ids: Some(&ids),
            ..Beside::default()
        };
        run.pass(|pass| mul_mv(pass, spread, &w, &xs, beside, &mut out))?;
        run.check(&out, || {
            let value = |i: usize| {
                let (column, row) = (i / n, i % n);
                let token = column / (IDS.len() / tokens);
                let x = normed(&x[token * k..(token + 1) * k], norm.then_some(&scale));
                let expert = (IDS[column] as usize).min(EXPERTS - 1);
                let range = (expert * n + row) * k..(expert * n + row + 1) * k;
                let of_w = product(&weights[range.clone()], &x);
                let (value, magnitude) = match gate {
                    true => swiglu(of_w, product(&gated_weights[range], &x)),
                    false => of_w,
                };
                Expected::near(value, magnitude)
            };
            (0..IDS.len() * n).map(value).collect()
        })
    });
}

/// Of the norms of the cases.
const EPS: f32 = 1e-6;

/// The RMS norm of x with these weights; x itself without.
fn normed(x: &[f32], norm: Option<&Vec<f32>>) -> Vec<f64> {
    let squares: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let scale = 1.0 / (squares / x.len() as f64 + f64::from(EPS)).sqrt();
    let weight = |i: usize| norm.map_or(1.0, |norm| f64::from(norm[i]) * scale);
    (0..x.len()).map(|i| f64::from(x[i]) * weight(i)).collect()
}

/// A product and the sum of the absolute values of its terms.
fn product(w: &[f32], x: &[f64]) -> (f64, f64) {
    let terms = || w.iter().zip(x).map(|(&w, x)| f64::from(w) * x);
    (terms().sum(), terms().map(f64::abs).sum())
}

/// silu of the first times the second, each with the sum of the absolute values of its terms, and as much of the result.
pub(in crate::ops) fn swiglu(
    (value, magnitude): (f64, f64),
    (gated, of_gated): (f64, f64),
) -> (f64, f64) {
    let silu = value / (1.0 + (-value).exp());
    // The slope of silu is at most 1.1.
    let of_result = 1.1 * magnitude * gated.abs() + silu.abs() * of_gated;
    (silu * gated, of_result)
}

pub(in crate::ops) fn reference(weights: &[f32], x: &[f32], k: usize) -> Vec<Expected> {
    let product = |w: &[f32], x: &[f32]| {
        let terms = || w.iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x));
        Expected::near(terms().sum(), terms().map(f64::abs).sum())
    };
    x.chunks_exact(k)
        .flat_map(|x| weights.chunks_exact(k).map(move |w| product(w, x)))
        .collect()
}
