//! The causal convolution in front of linear attention.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::{Sixteens, WIDE};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::ssm_conv::{Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

const OP: Op = Op("ssm_conv");

/// Tokens that the convolution sees at a time: `TAPS` of `ssm_conv.metal`.
const TAPS: usize = 4;

/// Tokens that a thread goes through: it reads as many again as the convolution sees before them.
const STRETCH: usize = 16;

/// `out[t, c] = silu(sum over j < 4 of weight[c, j] * x[t - 3 + j, c])`, a causal convolution along the tokens with a filter for each channel, and
/// what lies before the first token is `state`: the last three tokens that were read before, oldest first, zeros at the beginning of a text.
/// Afterwards it holds the last three of all.
///
/// `x` is F32, F16 or BF16 `[tokens, channels]`, with or without gaps between its rows; `out` is like it without gaps, `state` is
/// `[3, channels]` of the same format, `weight` F32 `[channels, 4]`.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes, filters
/// of another length or gaps elsewhere; those of the launch, when `out` or `state` shares memory with another argument among others.
pub fn ssm_conv(
    pass: &mut Pass,
    x: &Tensor,
    weight: &Tensor,
    state: &mut Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread(pass, sixteens, x, weight, state, out)
}

fn spread(
    pass: &mut Pass,
    sixteens: Sixteens,
    x: &Tensor,
    weight: &Tensor,
    state: &mut Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let (tokens, channels) = (x.rows(), x.columns());
    let params = Params {
        channels: OP.size("x", channels)?,
        tokens: OP.size("x", tokens)?,
        stride: OP.row_stride("x", x)?,
        stretch: STRETCH as u32,
    };
    if i32::try_from(tokens).is_err() {
        let reason = format!("has {tokens} rows, must have at most {}", i32::MAX);
        return Err(OP.refuse("x", reason));
    }
    let weight = &OP.matrix("weight", weight, channels, TAPS)?;
    let constants = Constants {
        interleaved: sixteens.interleaved(),
    };
    let mut step = || {
        by_float_format!(OP, "x", x.format(), Kernel in ssm_conv::{StepF32, StepF16, StepBf16} => {
            let kernel = Kernel {
                x: &OP.strided("x", x, tokens, channels)?,
                weight,
                state: &mut OP.matrix("state", state, TAPS - 1, channels)?,
                out: &mut OP.matrix("out", out, tokens, channels)?,
                params,
                constants,
            };
            Ok(pass.dispatch(kernel, sixteens.rows(1, channels))?)
        })
    };
    if tokens == 1 {
        return step();
    }
    by_float_format!(OP, "x", x.format(), Kernel in ssm_conv::{F32, F16, Bf16} => {
        let kernel = Kernel {
            x: &OP.strided("x", x, tokens, channels)?,
            weight,
            state: &OP.matrix("state", state, TAPS - 1, channels)?,
            out: &mut OP.matrix("out", out, tokens, channels)?,
            params,
            constants,
        };
        Ok(pass.dispatch(kernel, sixteens.rows(tokens.div_ceil(STRETCH), channels))?)
    })?;
    by_float_format!(OP, "x", x.format(), Kernel in ssm_conv::{AppendF32, AppendF16, AppendBf16} => {
        let kernel = Kernel {
            x: &OP.strided("x", x, tokens, channels)?,
            state: &mut OP.matrix("state", state, TAPS - 1, channels)?,
            params,
            constants,
        };
        Ok(pass.dispatch(kernel, sixteens.rows(1, channels))?)
    })
}

/// The cases of `ssm_conv.metal`: one token; fewer than the state has, as many, and more than a stretch; one channel, sixteens that end early,
/// several threadgroups, and a band of a wider tensor.
pub(crate) fn family() -> Family {
    Family::new("ssm_conv", Tolerance::ELEMENTWISE, |cases| {
        for sixteens in Sixteens::ALL {
            for (format, suffix) in FLOATS {
                for [tokens, channels] in [[1, 1], [1, 53], [1, 8192]] {
                    let kernel = format!("ssm_conv_step_{suffix}");
                    add(cases, kernel, sixteens, format, [tokens, channels]);
                }
                for shape in [[2, 5], [3, 40], [33, 600]] {
                    add(cases, format!("ssm_conv_{suffix}"), sixteens, format, shape);
                }
                for shape in [[2, 40], [5, 7]] {
                    let kernel = format!("ssm_conv_append_{suffix}");
                    add(cases, kernel, sixteens, format, shape);
                }
            }
        }
    })
    .benches(benches)
}

fn add(cases: &mut Cases, kernel: String, sixteens: Sixteens, format: Format, shape: [usize; 2]) {
    let name = format!(
        "{}_tokens{}_channels{}",
        sixteens.name(),
        shape[0],
        shape[1]
    );
    cases.add(kernel, name, move |run| check(run, sixteens, format, shape));
}

/// A text in two parts, the second of one token, so that the state of the first is used.
fn check(
    run: &mut Run<'_>,
    sixteens: Sixteens,
    format: Format,
    [tokens, channels]: [usize; 2],
) -> Result<()> {
    // A band of a wider tensor.
    let wide = channels + WIDE + 3;
    let x = run.rng().activations(tokens * wide);
    let weight = run.rng().normal(channels * TAPS);
    let state = run.rng().activations((TAPS - 1) * channels);
    let (xs, x) = run.rounded(format, &x, [tokens, wide])?;
    let band = xs.columns_range(3..3 + channels)?;
    let weights = run.input(&weight, [channels, TAPS])?;
    let (mut states, state) = run.rounded(format, &state, [TAPS - 1, channels])?;
    let mut out = run.output(format, [tokens, channels])?;
    run.pass(|pass| spread(pass, sixteens, &band, &weights, &mut states, &mut out))?;
    // Row `t` of the text; the state is its first three.
    let value = |t: usize, channel: usize| match t.checked_sub(TAPS - 1) {
        None => state[t * channels + channel],
        Some(t) => x[t * wide + 3 + channel],
    };
    run.check(&out, || {
        let places = (0..tokens).flat_map(|t| (0..channels).map(move |channel| (t, channel)));
        let convolved = places.map(|(t, channel)| {
            let terms = (0..TAPS).map(|tap| {
                f64::from(weight[channel * TAPS + tap]) * f64::from(value(t + tap, channel))
            });
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()));
            // The slope of silu is at most 1.1.
            Expected::near(sum / (1.0 + (-sum).exp()), 1.1 * size)
        });
        convolved.collect()
    })?;
    run.check(&states, || {
        let kept = (0..TAPS - 1).flat_map(|t| (0..channels).map(move |channel| (t, channel)));
        kept.map(|(t, channel)| Expected::exact(value(tokens + t, channel)))
            .collect()
    })
}

/// A token and a prompt of Qwen3.5 9B.
fn benches(benches: &mut Benches) {
    let channels = 8192;
    for (format, suffix) in FLOATS {
        for (kernel, tokens) in [
            (format!("ssm_conv_step_{suffix}"), 1),
            (format!("ssm_conv_{suffix}"), 512),
            (format!("ssm_conv_append_{suffix}"), 2),
        ] {
            let values = 2 * tokens * channels + 2 * (TAPS - 1) * channels;
            let bytes = values * format.block_bytes() + 4 * TAPS * channels;
            let shape = format!("tokens{tokens}_channels{channels}");
            let work = Work::new(bytes, (2 * TAPS + 4) * tokens * channels);
            benches.add(kernel, shape, work, move |setup| {
                let x = setup.values_as(format, [tokens, channels])?;
                let weight = setup.values([channels, TAPS])?;
                let mut state = setup.values_as(format, [TAPS - 1, channels])?;
                let mut out = setup.output(format, [tokens, channels])?;
                Ok(Box::new(move |pass| {
                    ssm_conv(pass, &x, &weight, &mut state, &mut out)
                }))
            });
        }
    }
}
