//! Sums whose parts were made apart.

use super::check::Op;
use super::mapping::rows_per_group;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::sum_parts::{F32, Params};
use crate::cases::{Cases, Expected, Family, Tolerance};
use mettle_gpu::{Buffer, Format, Grid, Pass};

const OP: Op = Op("mul_mat");

/// `out[b, i] = sum over p of parts[b, p, i]` with so many parts, always in the same order; `parts` is `[batches, parts, count]`, `out` is
/// `[batches, count]`.
pub(super) fn sum_parts(
    pass: &mut Pass,
    parts: &Buffer<f32>,
    [batches, of_each]: [usize; 2],
    out: &mut Buffer<f32>,
) -> Result<()> {
    let count = out.len() / batches;
    let kernel = F32 {
        parts,
        out,
        params: Params {
            count: OP.size("out", count)?,
            parts: OP.size("out", of_each)?,
        },
    };
    let threads = rows_per_group(count, of_each).next_multiple_of(32);
    let grid = Grid::threads_total([count, batches]).threads([threads.min(256), 1]);
    Ok(pass.dispatch(kernel, grid)?)
}

/// The cases of `sum_parts.metal`: one value and one part, several batches, and more values than a threadgroup has threads.
pub(crate) fn family() -> Family {
    Family::new("sum_parts", Tolerance::ELEMENTWISE, |cases| {
        add(cases, [1, 1, 1]);
        add(cases, [3, 5, 77]);
        add(cases, [2, 16, 4099]);
    })
    .benches(benches)
}

/// Four splits of a product of 16 columns.
fn benches(benches: &mut Benches) {
    let (parts, count) = (4, 16 * 4096);
    let work = Work::new(4 * (parts + 1) * count, (parts - 1) * count);
    let name = format!("parts{parts}_n{count}");
    benches.add("sum_parts_f32", name, work, move |setup| {
        let x = setup.values([parts, count])?;
        let out = setup.output(Format::F32, [count])?;
        Ok(Box::new(move |pass| {
            sum_parts(pass, &x.buffer()?, [1, parts], &mut out.buffer()?)
        }))
    });
}

fn add(cases: &mut Cases, [batches, parts, count]: [usize; 3]) {
    let name = format!("batches{batches}_parts{parts}_n{count}");
    cases.add("sum_parts_f32", name, move |run| {
        let values = run.rng().normal(batches * parts * count);
        let x = run.input(&values, [batches, parts, count])?;
        let out = run.output(Format::F32, [batches, count])?;
        run.pass(|pass| sum_parts(pass, &x.buffer()?, [batches, parts], &mut out.buffer()?))?;
        run.check(&out, || {
            let sum = |i: usize| {
                let first = i / count * parts * count + i % count;
                let terms = || (0..parts).map(|part| f64::from(values[first + part * count]));
                Expected::near(terms().sum(), terms().map(f64::abs).sum())
            };
            (0..batches * count).map(sum).collect()
        })
    });
}
