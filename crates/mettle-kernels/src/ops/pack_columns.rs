//! The launch that puts columns side by side for [`mul_panel`](super::mul_panel::mul_panel).

use super::check::Op;
use super::mapping::{WIDE, rows_per_group};
use crate::Result;
use crate::bench::Work;
use crate::bindings::pack_columns::{F32, Params};
use crate::cases::{Expected, Family, Tolerance};
use mettle_gpu::{Buffer, Format, Grid, Pass};

const OP: Op = Op("mul_mat");

/// Columns that lie side by side: `STEP` of `mettle/panel.h`.
pub(super) const STEP: usize = 8;

/// The values that columns of `k` take side by side.
pub(super) fn packed_len(columns: usize, k: usize) -> usize {
    columns.next_multiple_of(STEP) * k
}

/// Records the launch: x is `[columns, k]`, `out` is `[ceil(columns / STEP), k, STEP]`.
pub(super) fn pack_columns(
    pass: &mut Pass,
    x: &Buffer<f32>,
    k: usize,
    out: &mut Buffer<f32>,
) -> Result<()> {
    let columns = x.len() / k;
    let kernel = F32 {
        x,
        out,
        params: Params {
            columns: OP.size("x", columns)?,
            k: OP.size("x", k)?,
        },
    };
    let (sixteens, steps) = (k.div_ceil(WIDE), columns.div_ceil(STEP));
    let of_group = rows_per_group(sixteens, WIDE * STEP);
    Ok(pass.dispatch(
        kernel,
        Grid::threads_total([sixteens, steps]).threads([of_group, 1]),
    )?)
}

/// The cases of `pack_columns.metal`: columns that fill no step, and values that fill no sixteen.
pub(crate) fn family() -> Family {
    Family::new("pack_columns", Tolerance::EXACT, |cases| {
        for (columns, k) in [(1, 1), (8, 16), (5, 45), (19, 100)] {
            cases.add(
                "pack_columns_f32",
                format!("columns{columns}_k{k}"),
                move |run| {
                    let x = run.rng().activations(columns * k);
                    let xs = run.input(&x, [columns, k])?;
                    let out = run.output(Format::F32, [packed_len(columns, k)])?;
                    run.pass(|pass| pack_columns(pass, &xs.buffer()?, k, &mut out.buffer()?))?;
                    run.check(&out, || {
                        let place = |at: usize| {
                            let (step, i, c) = (at / (k * STEP), at / STEP % k, at % STEP);
                            let column = (step * STEP + c).min(columns - 1);
                            Expected::exact(x[column * k + i])
                        };
                        (0..packed_len(columns, k)).map(place).collect()
                    })
                },
            );
        }
    })
    .benches(|benches| {
        let (columns, k) = (128, 1024);
        let work = Work::new(8 * columns * k, columns * k);
        benches.add(
            "pack_columns_f32",
            format!("columns{columns}_k{k}"),
            work,
            move |setup| {
                let x = setup.values([columns, k])?;
                let out = setup.output(Format::F32, [packed_len(columns, k)])?;
                Ok(Box::new(move |pass| {
                    pack_columns(pass, &x.buffer()?, k, &mut out.buffer()?)
                }))
            },
        );
    })
}
