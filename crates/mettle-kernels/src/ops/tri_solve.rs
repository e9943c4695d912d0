//! Lower triangular systems of equations with ones on the diagonal.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::Sixteens;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::tri_solve::{Constants, Params};
use crate::cases::{Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

const OP: Op = Op("tri_solve");

/// Solves `L x = b` for each matrix of a batch, `L` being `l` below its diagonal, one on it and zero above: what `l` has there is not read.
/// `l` is F32, F16 or BF16 of `[.., n, n]`, `b` of the same format of `[.., n, columns]`, `x` F32 of the shape of `b`: half a step of a
/// shorter format in one row would grow in those that follow.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes or
/// gaps; those of the launch, when `x` shares memory with another argument among others.
pub fn tri_solve(pass: &mut Pass, l: &Tensor, b: &Tensor, x: &mut Tensor) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread(pass, sixteens, l, b, x)
}

fn spread(
    pass: &mut Pass,
    sixteens: Sixteens,
    l: &Tensor,
    b: &Tensor,
    x: &mut Tensor,
) -> Result<()> {
    let (n, columns, rows) = (l.columns(), b.columns(), b.rows());
    let rank = l.shape().rank();
    if rank < 2 || l.shape()[rank - 2] != n {
        let reason = format!("has shape {}, must be square matrices", l.shape());
        return Err(OP.refuse("l", reason));
    }
    let (of_l, of_b) = (l.shape().dims(), b.shape().dims());
    if of_l.len() != of_b.len() || of_l[..rank - 1] != of_b[..rank - 1] {
        let (l, b) = (l.shape(), b.shape());
        let reason = format!("has shape {b}, must have rows as those of l, {l}");
        return Err(OP.refuse("b", reason));
    }
    OP.size("b", rows)?;
    let params = Params {
        n: OP.size("l", n)?,
        columns: OP.size("b", columns)?,
    };
    let constants = Constants {
        interleaved: sixteens.interleaved(),
    };
    by_float_format!(OP, "l", l.format(), Kernel in tri_solve::{F32, F16, Bf16} => {
        let kernel = Kernel {
            l: &OP.values("l", l)?,
            b: &OP.values("b", b)?,
            x: &mut OP.matrix("x", x, rows, columns)?,
            params,
            constants,
        };
        Ok(pass.dispatch(kernel, sixteens.rows(rows / n, columns))?)
    })
}

/// The cases of `tri_solve.metal`: one equation, one right-hand side, sizes that are no multiples of anything, a chunk, and a batch. What
/// is on the diagonal and above is NaN.
pub(crate) fn family() -> Family {
    Family::new("tri_solve", Tolerance::MATMUL, |cases| {
        for sixteens in Sixteens::ALL {
            for (format, suffix) in FLOATS {
                for [batch, n, columns] in
                    [[1, 1, 1], [3, 5, 1], [2, 17, 33], [2, 64, 128], [1, 9, 600]]
                {
                    let name = format!("{}_batch{batch}_n{n}_columns{columns}", sixteens.name());
                    cases.add(format!("tri_solve_{suffix}"), name, move |run| {
                        check(run, sixteens, format, [batch, n, columns])
                    });
                }
            }
        }
    })
    .benches(benches)
}

fn check(
    run: &mut Run<'_>,
    sixteens: Sixteens,
    format: Format,
    [batch, n, columns]: [usize; 3],
) -> Result<()> {
    let mut l: Vec<f32> = run.rng().normal(batch * n * n);
    for (place, l) in l.iter_mut().enumerate() {
        let (row, column) = (place / n % n, place % n);
        *l = if column < row {
            *l / (n as f32).sqrt()
        } else {
            f32::NAN
        };
    }
    let b = run.rng().normal(batch * n * columns);
    let (ls, l) = run.rounded(format, &l, [batch, n, n])?;
    let (bs, b) = run.rounded(format, &b, [batch, n, columns])?;
    let mut x = run.output(Format::F32, [batch, n, columns])?;
    run.pass(|pass| spread(pass, sixteens, &ls, &bs, &mut x))?;
    run.check(&x, || reference(&l, &b, n, columns))
}

/// The chunks of a prompt.
fn benches(benches: &mut Benches) {
    let (batch, n, columns) = (256, 64, 128);
    let shape = format!("batch{batch}_n{n}_columns{columns}");
    for (format, suffix) in FLOATS {
        let values = batch * n * (n / 2 + columns);
        let bytes = values * format.block_bytes() + 4 * batch * n * columns;
        let work = Work::new(bytes, batch * n * n * columns);
        benches.add(
            format!("tri_solve_{suffix}"),
            shape.clone(),
            work,
            move |setup| {
                let l = setup.values_as(format, [batch, n, n])?;
                let b = setup.values_as(format, [batch, n, columns])?;
                let mut x = setup.output(Format::F32, [batch, n, columns])?;
                Ok(Box::new(move |pass| tri_solve(pass, &l, &b, &mut x)))
            },
        );
    }
}

/// Forward substitution. The terms of a solution are those of the solutions that it consists of.
fn reference(l: &[f32], b: &[f32], n: usize, columns: usize) -> Vec<Expected> {
    let mut all = Vec::with_capacity(b.len());
    for (l, b) in l.chunks_exact(n * n).zip(b.chunks_exact(n * columns)) {
        let mut solved: Vec<Expected> = Vec::with_capacity(b.len());
        for (place, &b) in b.iter().enumerate() {
            let (row, column) = (place / columns, place % columns);
            let (mut value, mut terms) = (f64::from(b), f64::from(b).abs());
            for j in 0..row {
                let (factor, x) = (f64::from(l[row * n + j]), solved[j * columns + column]);
                value -= factor * x.value();
                terms += factor.abs() * x.magnitude();
            }
            solved.push(Expected::near(value, terms));
        }
        all.extend(solved);
    }
    all
}
