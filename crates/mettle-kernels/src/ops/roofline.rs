//! Kernels that show what a device can do at most.

use super::check::Op;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::roofline;
use crate::cases::{Expected, Family, Tolerance};
use mettle_gpu::{Format, Grid, Pass, Tensor};

/// Threads of a threadgroup.
const THREADS: usize = 256;

/// Values that a thread of `roofline_copy` copies.
const COPIED: usize = 4;

/// Values that a thread of `roofline_read` reads.
const READ: usize = 16 * 4;

/// Values that a thread of `roofline_fma` writes: eight sums of sixteen.
const SUMS: usize = 8 * 16;

/// Operations of one step of one thread of `roofline_fma`: a product and a sum for each value.
const OPERATIONS: usize = 2 * SUMS;

/// `to = from`, f32 of the same number of values, a multiple of 4.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or lengths, or gaps; those of the launch.
pub fn roofline_copy(pass: &mut Pass, from: &Tensor, to: &mut Tensor) -> Result<()> {
    const OP: Op = Op("roofline_copy");
    let len = from.len();
    if !len.is_multiple_of(COPIED) {
        return Err(OP.refuse(
            "from",
            format!("has {len} values, must have a multiple of {COPIED}"),
        ));
    }
    let kernel = roofline::CopyF32 {
        from: &OP.values::<f32>("from", from)?.cast()?,
        to: &mut OP.vector::<f32>("to", to, len)?.cast()?,
    };
    Ok(pass.dispatch(kernel, Grid::elements(len / COPIED).threads(THREADS))?)
}

/// `sums[i]` becomes the sum of every `threads`-th group of four values of `from` from group i on, for as many threads as
/// `sums` has values; `from` is f32 of 64 values for each.
///
/// # Errors
/// As for [`roofline_copy`].
pub fn roofline_read(pass: &mut Pass, from: &Tensor, sums: &mut Tensor) -> Result<()> {
    const OP: Op = Op("roofline_read");
    let len = from.len();
    if !len.is_multiple_of(READ) {
        return Err(OP.refuse(
            "from",
            format!("has {len} values, must have a multiple of {READ}"),
        ));
    }
    let threads = len / READ;
    let kernel = roofline::ReadF32 {
        from: &OP.values::<f32>("from", from)?.cast()?,
        sums: &mut OP.vector("sums", sums, threads)?,
    };
    Ok(pass.dispatch(kernel, Grid::elements(threads).threads(THREADS))?)
}

/// Does `steps` multiply-add steps on every value of `out`, f32 of a multiple of 128 values; the number of operations.
///
/// Value i becomes s, which starts as `i / 16 mod 8` and becomes `s * 0.5 + 1` in each step.
///
/// # Errors
/// As for [`roofline_copy`].
pub fn roofline_fma(pass: &mut Pass, steps: u32, out: &mut Tensor) -> Result<u64> {
    const OP: Op = Op("roofline_fma");
    let len = out.len();
    if !len.is_multiple_of(SUMS) {
        return Err(OP.refuse(
            "out",
            format!("has {len} values, must have a multiple of {SUMS}"),
        ));
    }
    let threads = len / SUMS;
    let kernel = roofline::FmaF32 {
        out: &mut OP.values("out", out)?,
        params: roofline::Params {
            steps,
            factor: 0.5,
            addend: 1.0,
        },
    };
    pass.dispatch(kernel, Grid::elements(threads).threads(THREADS))?;
    Ok(threads as u64 * u64::from(steps) * OPERATIONS as u64)
}

/// The cases of `roofline.metal`.
pub(crate) fn family() -> Family {
    Family::new("roofline", Tolerance::ELEMENTWISE, |cases| {
        for n in [4, 1000, 100_000] {
            cases.add("roofline_copy_f32", format!("n{n}"), move |run| {
                let values = run.rng().activations(n);
                let from = run.input(&values, [n])?;
                let mut to = run.output(Format::F32, [n])?;
                run.pass(|pass| roofline_copy(pass, &from, &mut to))?;
                run.check(&to, || values.iter().map(|&v| Expected::exact(v)).collect())
            });
        }
        for threads in [1, 31, 1000] {
            cases.add(
                "roofline_read_f32",
                format!("threads{threads}"),
                move |run| {
                    let values = run.rng().activations(threads * READ);
                    let from = run.input(&values, [threads * READ])?;
                    let mut sums = run.output(Format::F32, [threads])?;
                    run.pass(|pass| roofline_read(pass, &from, &mut sums))?;
                    run.check(&sums, || {
                        (0..threads).map(|i| read_by(&values, i, threads)).collect()
                    })
                },
            );
        }
        for (threads, steps) in [(1, 0), (3, 5), (300, 40)] {
            let name = format!("threads{threads}_steps{steps}");
            cases.add("roofline_fma_f32", name, move |run| {
                let mut out = run.output(Format::F32, [threads * SUMS])?;
                run.pass(|pass| roofline_fma(pass, steps, &mut out).map(drop))?;
                run.check(&out, || {
                    (0..threads * SUMS).map(|i| reference(i, steps)).collect()
                })
            });
        }
    })
    .benches(benches)
}

/// The limits themselves.
fn benches(benches: &mut Benches) {
    let n = 1 << 25;
    benches.add(
        "roofline_copy_f32",
        format!("n{n}"),
        Work::new(8 * n, 0),
        move |setup| {
            let from = setup.values([n])?;
            let mut to = setup.output(Format::F32, [n])?;
            Ok(Box::new(move |pass| roofline_copy(pass, &from, &mut to)))
        },
    );
    benches.add(
        "roofline_read_f32",
        format!("n{n}"),
        Work::new(4 * n + 4 * n / READ, n),
        move |setup| {
            let from = setup.values([n])?;
            let mut sums = setup.output(Format::F32, [n / READ])?;
            Ok(Box::new(move |pass| roofline_read(pass, &from, &mut sums)))
        },
    );
    let (n, steps) = (1 << 20, 256);
    let work = Work::new(4 * n, 2 * n * steps);
    benches.add(
        "roofline_fma_f32",
        format!("n{n}_steps{steps}"),
        work,
        move |setup| {
            let mut out = setup.output(Format::F32, [n])?;
            Ok(Box::new(move |pass| {
                roofline_fma(pass, steps as u32, &mut out).map(drop)
            }))
        },
    );
}

fn read_by(values: &[f32], thread: usize, threads: usize) -> Expected {
    let read = || {
        let vectors = values.chunks_exact(4).skip(thread).step_by(threads);
        vectors.flatten().map(|&v| f64::from(v))
    };
    Expected::near(read().sum(), read().map(f64::abs).sum())
}

fn reference(i: usize, steps: u32) -> Expected {
    let start = (i / 16 % 8) as f64;
    let value = (0..steps).fold(start, |s, _| s * 0.5 + 1.0);
    Expected::near(value, value.abs().max(2.0))
}
