//! Elementwise addition.

use super::check::Op;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::add;
use crate::cases::{Expected, Family, Tolerance};
use mettle_gpu::{Format, Grid, Pass, Tensor};

/// Threads of a threadgroup of the elementwise kernels.
const THREADS: usize = 1024;

/// `out = a + b`, elementwise over f32 of the same shape.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) when a tensor is not f32, has another number of rows or columns than
/// `a`, or has gaps; those of the launch, when `out` shares memory with `a` or `b` among others: see [`add_assign`].
pub fn add(pass: &mut Pass, a: &Tensor, b: &Tensor, out: &mut Tensor) -> Result<()> {
    const OP: Op = Op("add");
    let (rows, columns) = (a.rows(), a.columns());
    OP.size("a", a.len())?;
    let kernel = add::F32 {
        a: &OP.values("a", a)?,
        b: &OP.matrix("b", b, rows, columns)?,
        out: &mut OP.matrix("out", out, rows, columns)?,
    };
    Ok(pass.dispatch(kernel, Grid::elements(a.len()).threads(THREADS))?)
}

/// `x += y`, elementwise over f32 of the same shape.
///
/// # Errors
/// As for [`add()`].
pub fn add_assign(pass: &mut Pass, x: &mut Tensor, y: &Tensor) -> Result<()> {
    const OP: Op = Op("add_assign");
    let (rows, columns) = (x.rows(), x.columns());
    OP.size("x", x.len())?;
    let kernel = add::AssignF32 {
        x: &mut OP.values("x", x)?,
        y: &OP.matrix("y", y, rows, columns)?,
    };
    Ok(pass.dispatch(kernel, Grid::elements(x.len()).threads(THREADS))?)
}

/// The cases of `add.metal`.
pub(crate) fn family() -> Family {
    Family::new("add", Tolerance::ELEMENTWISE, |cases| {
        for n in [1, 31, 1000, 4099] {
            cases.add("add_f32", format!("n{n}"), move |run| {
                let (a, b) = (run.rng().activations(n), run.rng().activations(n));
                let (x, y) = (run.input(&a, [n])?, run.input(&b, [n])?);
                let mut out = run.output(Format::F32, [n])?;
                run.pass(|pass| add(pass, &x, &y, &mut out))?;
                run.check(&out, || reference(&a, &b))
            });
            cases.add("add_assign_f32", format!("n{n}"), move |run| {
                let (a, b) = (run.rng().activations(n), run.rng().activations(n));
                let (mut x, y) = (run.input(&a, [n])?, run.input(&b, [n])?);
                run.pass(|pass| add_assign(pass, &mut x, &y))?;
                run.check(&x, || reference(&a, &b))
            });
        }
    })
    .benches(benches)
}

/// One long row, from a residual stream to memory-bound.
fn benches(benches: &mut Benches) {
    for n in [4096, 1 << 22] {
        benches.add(
            "add_f32",
            format!("n{n}"),
            Work::new(12 * n, n),
            move |setup| {
                let (a, b) = (setup.values([n])?, setup.values([n])?);
                let mut out = setup.output(Format::F32, [n])?;
                Ok(Box::new(move |pass| add(pass, &a, &b, &mut out)))
            },
        );
        benches.add(
            "add_assign_f32",
            format!("n{n}"),
            Work::new(12 * n, n),
            move |setup| {
                let (mut x, y) = (setup.values([n])?, setup.values([n])?);
                Ok(Box::new(move |pass| add_assign(pass, &mut x, &y)))
            },
        );
    }
}

fn reference(a: &[f32], b: &[f32]) -> Vec<Expected> {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| {
            let (a, b) = (f64::from(a), f64::from(b));
            Expected::near(a + b, a.abs() + b.abs())
        })
        .collect()
}
