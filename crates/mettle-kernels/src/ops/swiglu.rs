//! The gated activation of feed-forward layers.

use super::check::Op;
use super::mapping::WIDE;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::swiglu;
use crate::cases::{Expected, Family, Tolerance};
use mettle_gpu::{Format, Grid, Pass, Tensor};

const OP: Op = Op("swiglu");

/// Threads of a threadgroup, each of which does sixteen elements.
const THREADS: usize = 256;

/// `out = silu(gate) * up` with `silu(x) = x / (1 + exp(-x))`, elementwise over f32 of the same shape.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes or gaps; those of the launch, when `out`
/// shares memory with an input among others.
pub fn swiglu(pass: &mut Pass, gate: &Tensor, up: &Tensor, out: &mut Tensor) -> Result<()> {
    let (rows, columns) = (gate.rows(), gate.columns());
    let kernel = swiglu::F32 {
        gate: &OP.values("gate", gate)?,
        up: &OP.matrix("up", up, rows, columns)?,
        out: &mut OP.matrix("out", out, rows, columns)?,
        params: swiglu::Params {
            count: OP.size("gate", gate.len())?,
        },
    };
    Ok(pass.dispatch(
        kernel,
        Grid::elements(gate.len().div_ceil(WIDE)).threads(THREADS),
    )?)
}

/// The cases of `swiglu.metal`.
pub(crate) fn family() -> Family {
    Family::new("swiglu", Tolerance::ELEMENTWISE, |cases| {
        for n in [1, 16, 31, 1000, 3 * 4097] {
            cases.add("swiglu_f32", format!("n{n}"), move |run| {
                let (gate, up) = (run.rng().activations(n), run.rng().activations(n));
                let (gates, ups) = (run.input(&gate, [n])?, run.input(&up, [n])?);
                let mut out = run.output(Format::F32, [n])?;
                run.pass(|pass| swiglu(pass, &gates, &ups, &mut out))?;
                run.check(&out, || reference(&gate, &up))
            });
        }
        // Where exp(-x) overflows the result is zero; where it vanishes the gate goes through; at zero nothing does.
        cases.add("swiglu_f32", "extremes", |run| {
            let gate = [
                -1e4, -200.0, -104.0, -88.8, -87.0, -1e-30, 0.0, 1e-30, 17.0, 100.0, 3e38,
            ];
            let up = [1.0; 11];
            let (gates, ups) = (run.input(&gate, [11])?, run.input(&up, [11])?);
            let mut out = run.output(Format::F32, [11])?;
            run.pass(|pass| swiglu(pass, &gates, &ups, &mut out))?;
            run.check(&out, || reference(&gate, &up))
        });
    })
    .benches(benches)
}

/// The hidden layer of one token and of a prompt.
fn benches(benches: &mut Benches) {
    for n in [12_288, 1 << 22] {
        benches.add(
            "swiglu_f32",
            format!("n{n}"),
            Work::new(12 * n, 5 * n),
            move |setup| {
                let (gate, up) = (setup.values([n])?, setup.values([n])?);
                let mut out = setup.output(Format::F32, [n])?;
                Ok(Box::new(move |pass| swiglu(pass, &gate, &up, &mut out)))
            },
        );
    }
}

fn reference(gate: &[f32], up: &[f32]) -> Vec<Expected> {
    gate.iter()
        .zip(up)
        .map(|(&x, &up)| {
            let (x, up) = (f64::from(x), f64::from(up));
            let value = x / (1.0 + (-x).exp()) * up;
            // Where the exponential is subnormal, its steps are those of the smallest normal number.
            Expected::near(
                value,
                value.abs() + (x * up).abs() * f64::from(f32::MIN_POSITIVE),
            )
        })
        .collect()
}
