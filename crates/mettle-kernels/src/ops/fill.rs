//! One value everywhere.

use super::check::{FLOATS, Op, by_float_format};
use super::copy::round;
use super::mapping::Sixteens;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::fill::{Constants, Params};
use crate::cases::{Expected, Family, Tolerance};
use mettle_gpu::{Pass, Tensor};

const OP: Op = Op("fill");

/// `out[r, :] = value` for every row; F32, F16 or BF16, to which the value is rounded. A tensor of two dimensions may have gaps between its
/// rows.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for gaps in more
/// dimensions.
pub fn fill(pass: &mut Pass, value: f32, out: &mut Tensor) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread(pass, sixteens, value, out)
}

fn spread(pass: &mut Pass, sixteens: Sixteens, value: f32, out: &mut Tensor) -> Result<()> {
    let (rows, columns) = if out.is_dense() {
        (1, out.len())
    } else {
        (out.rows(), out.columns())
    };
    OP.size("out", rows)?;
    let params = Params {
        columns: OP.size("out", columns)?,
        stride: OP.row_stride("out", out)?,
        value,
    };
    let constants = Constants {
        interleaved: sixteens.interleaved(),
    };
    by_float_format!(OP, "out", out.format(), Kernel in fill::{F32, F16, Bf16} => {
        let out = &mut OP.strided("out", out, out.rows(), out.columns())?;
        Ok(pass.dispatch(Kernel { out, params, constants }, sixteens.rows(rows, columns))?)
    })
}

/// The cases of `fill.metal`: one value, sixteens that end early, several threadgroups, and a band of a wider tensor.
pub(crate) fn family() -> Family {
    Family::new("fill", Tolerance::EXACT, |cases| {
        for sixteens in Sixteens::ALL {
            for (format, suffix) in FLOATS {
                for (n, value) in [(1, 0.0), (31, 0.1), (9001, f32::NEG_INFINITY)] {
                    let name = format!("{}_n{n}", sixteens.name());
                    cases.add(format!("fill_{suffix}"), name, move |run| {
                        let mut out = run.output(format, [n])?;
                        run.pass(|pass| spread(pass, sixteens, value, &mut out))?;
                        run.check(&out, || vec![Expected::exact(round(value, format)); n])
                    });
                }
                let name = format!("{}_band", sixteens.name());
                cases.add(format!("fill_{suffix}"), name, move |run| {
                    let out = run.output(format, [70, 30])?;
                    let mut band = out.columns_range(4..27)?;
                    run.pass(|pass| spread(pass, sixteens, 7.0, &mut band))?;
                    run.check(&out, || {
                        let columns = (0..70 * 30).map(|i| i % 30);
                        columns
                            .map(|i| match i {
                                4..27 => Expected::exact(7.0),
                                _ => Expected::untouched(),
                            })
                            .collect()
                    })
                });
            }
        }
    })
    .benches(benches)
}

/// A cache.
fn benches(benches: &mut Benches) {
    let n = 1 << 22;
    for (format, suffix) in FLOATS {
        let work = Work::new(n * format.block_bytes(), 0);
        benches.add(
            format!("fill_{suffix}"),
            format!("n{n}"),
            work,
            move |setup| {
                let mut out = setup.output(format, [n])?;
                Ok(Box::new(move |pass| fill(pass, 0.0, &mut out)))
            },
        );
    }
}
