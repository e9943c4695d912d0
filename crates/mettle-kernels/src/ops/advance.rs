//! The next positions.

use super::check::Op;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::advance::I32;
use crate::cases::{Expected, Family, Tolerance};
use mettle_gpu::{Format, Grid, Pass, Tensor};

const OP: Op = Op("advance");

/// Threads of a threadgroup, at most.
const THREADS: usize = 256;

/// `positions += 1`; i32, of any shape without gaps. The pass over a token says so where the next one stands, and that can be submitted while
/// this one runs. Behind the largest number comes the smallest.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or gaps.
pub fn advance(pass: &mut Pass, positions: &mut Tensor) -> Result<()> {
    let mut positions = OP.values::<i32>("positions", positions)?;
    let threads = positions.len().clamp(1, THREADS);
    let grid = Grid::elements(positions.len()).threads(threads);
    Ok(pass.dispatch(
        I32 {
            positions: &mut positions,
        },
        grid,
    )?)
}

/// The cases of `advance.metal`: one position, numbers at the ends of their range, and more than a threadgroup.
pub(crate) fn family() -> Family {
    Family::new("advance", Tolerance::EXACT, |cases| {
        let lists: [(&str, Vec<i32>); 3] = [
            ("one", vec![41]),
            ("ends", vec![i32::MIN, -1, 0, i32::MAX - 1, i32::MAX]),
            ("many", (0..3001).map(|i| 7 * i - 5000).collect()),
        ];
        for (name, list) in lists {
            cases.add("advance_i32", name, move |run| {
                let mut positions = run.input(&list, [list.len()])?;
                run.pass(|pass| advance(pass, &mut positions))?;
                run.check(&positions, || {
                    let next = list.iter().map(|position| position.wrapping_add(1));
                    next.map(|next| Expected::exact(f64::from(next))).collect()
                })
            });
        }
    })
    .benches(benches)
}

/// The position of a step.
fn benches(benches: &mut Benches) {
    let work = Work::new(2 * size_of::<i32>(), 1);
    benches.add("advance_i32", "n1", work, move |setup| {
        let mut positions = setup.output(Format::I32, [1])?;
        Ok(Box::new(move |pass| advance(pass, &mut positions)))
    });
}
