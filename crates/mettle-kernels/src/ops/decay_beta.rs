//! What gates the state of a gated delta net.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::Sixteens;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::decay_beta::{Constants, Params};
use crate::cases::{Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

const OP: Op = Op("decay_beta");

/// What tells how the state of each value head decays.
#[derive(Clone, Copy, Debug)]
pub struct DecayWeights<'a> {
    /// `dt_bias`, F32 `[heads]`.
    pub bias: &'a Tensor,
    /// `-exp(A_log)`, as GGUF files have it: F32 `[heads]`, below zero.
    pub rate: &'a Tensor,
}

/// `log_decay = rate * softplus(a + bias)` and `beta = sigmoid(b)` for every token and value head, the logarithm of what the state of the head is
/// multiplied by and how much of the error the token corrects: see [`gated_delta_net()`](super::gated_delta_net()). `a` and `b` are F32, F16 or
/// BF16 `[tokens, heads]`, `log_decay` and `beta` F32 of the same shape. `softplus(x) = log(1 + exp(x))` does not overflow.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes or
/// gaps; those of the launch, when a result shares memory with another argument among others.
pub fn decay_beta(
    pass: &mut Pass,
    a: &Tensor,
    b: &Tensor,
    weights: DecayWeights<'_>,
    log_decay: &mut Tensor,
    beta: &mut Tensor,
) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread(pass, sixteens, a, b, weights, log_decay, beta)
}

fn spread(
    pass: &mut Pass,
    sixteens: Sixteens,
    a: &Tensor,
    b: &Tensor,
    weights: DecayWeights<'_>,
    log_decay: &mut Tensor,
    beta: &mut Tensor,
) -> Result<()> {
    let (tokens, heads) = (a.rows(), a.columns());
    OP.size("a", tokens)?;
    let params = Params {
        heads: OP.size("a", heads)?,
    };
    by_float_format!(OP, "a", a.format(), Kernel in decay_beta::{F32, F16, Bf16} => {
        let kernel = Kernel {
            a: &OP.values("a", a)?,
            b: &OP.matrix("b", b, tokens, heads)?,
            bias: &OP.vector("bias", weights.bias, heads)?,
            rate: &OP.vector("rate", weights.rate, heads)?,
            log_decay: &mut OP.matrix("log_decay", log_decay, tokens, heads)?,
            beta: &mut OP.matrix("beta", beta, tokens, heads)?,
            params,
            constants: Constants { interleaved: sixteens.interleaved() },
        };
        Ok(pass.dispatch(kernel, sixteens.rows(tokens, heads))?)
    })
}

/// The cases of `decay_beta.metal`: one head, sixteens that end early, several threadgroups, and numbers whose exponential overflows or
/// vanishes.
pub(crate) fn family() -> Family {
    Family::new("decay_beta", Tolerance::ELEMENTWISE, |cases| {
        for sixteens in Sixteens::ALL {
            for (format, suffix) in FLOATS {
                for (name, [tokens, heads], scale) in [
                    ("heads1", [3, 1], 1.0),
                    ("heads33", [2, 33], 3.0),
                    ("heads600", [5, 600], 3.0),
                    ("large", [2, 48], 400.0),
                ] {
                    let name = format!("{}_{name}", sixteens.name());
                    cases.add(format!("decay_beta_{suffix}"), name, move |run| {
                        check(run, sixteens, format, [tokens, heads], scale)
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
    [tokens, heads]: [usize; 2],
    scale: f32,
) -> Result<()> {
    let mut scaled = |n: usize, scale: f32| -> Vec<f32> {
        run.rng().normal(n).iter().map(|x| scale * x).collect()
    };
    let (a, b) = (scaled(tokens * heads, scale), scaled(tokens * heads, scale));
    let (bias, log_rate) = (scaled(heads, 1.0), scaled(heads, 1.0));
    let rate: Vec<f32> = log_rate.iter().map(|x| -x.exp()).collect();
    let (at, a) = run.rounded(format, &a, [tokens, heads])?;
    let (bt, b) = run.rounded(format, &b, [tokens, heads])?;
    let weights = DecayWeights {
        bias: &run.input(&bias, [heads])?,
        rate: &run.input(&rate, [heads])?,
    };
    let mut log_decay = run.output(Format::F32, [tokens, heads])?;
    let mut beta = run.output(Format::F32, [tokens, heads])?;
    run.pass(|pass| spread(pass, sixteens, &at, &bt, weights, &mut log_decay, &mut beta))?;
    // Where an exponential is subnormal, its steps are those of the smallest normal number.
    let smallest = f64::from(f32::MIN_POSITIVE);
    run.check(&log_decay, || {
        let decay = |(i, &a): (usize, &f32)| {
            let (a, bias) = (f64::from(a), f64::from(bias[i % heads]));
            let softplus = (a + bias).max(0.0) + (-(a + bias).abs()).exp().ln_1p();
            let rate = f64::from(rate[i % heads]);
            // The slope of softplus is a sigmoid.
            let slope = 1.0 / (1.0 + (-a - bias).exp());
            let terms = softplus + slope * (a.abs() + bias.abs());
            let magnitude = rate.abs() * (terms + smallest) + smallest;
            Expected::near(rate * softplus, magnitude)
        };
        a.iter().enumerate().map(decay).collect()
    })?;
    run.check(&beta, || {
        let sigmoid = |&b: &f32| 1.0 / (1.0 + f64::from(-b).exp());
        b.iter()
            .map(|b| Expected::near(sigmoid(b), sigmoid(b) + smallest))
            .collect()
    })
}

/// A prompt of Qwen3.5 9B.
fn benches(benches: &mut Benches) {
    let (tokens, heads) = (512, 32);
    for (format, suffix) in FLOATS {
        let n = tokens * heads;
        let bytes = n * (2 * format.block_bytes() + 8) + 8 * heads;
        let shape = format!("tokens{tokens}_heads{heads}");
        let work = Work::new(bytes, 40 * n);
        benches.add(format!("decay_beta_{suffix}"), shape, work, move |setup| {
            let a = setup.values_as(format, [tokens, heads])?;
            let b = setup.values_as(format, [tokens, heads])?;
            let (bias, rate) = (setup.values([heads])?, setup.values([heads])?);
            let mut log_decay = setup.output(Format::F32, [tokens, heads])?;
            let mut beta = setup.output(Format::F32, [tokens, heads])?;
            Ok(Box::new(move |pass| {
                let weights = DecayWeights {
                    bias: &bias,
                    rate: &rate,
                };
                decay_beta(pass, &a, &b, weights, &mut log_decay, &mut beta)
            }))
        });
    }
}
