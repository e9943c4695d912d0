//! Residual streams and the norms of them.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::Mapping;
use super::rms_norm::NormWeight;
use super::rms_norm::cases::Kind;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::residual_norm::{Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

const OP: Op = Op("residual_norm");

/// Normalised outputs, at most.
const OUTPUTS: usize = 3;

/// What is added to a residual stream, and how the sum is normalised: see [`residual_norm()`].
#[derive(Clone, Copy, Debug)]
pub struct ResidualNorm<'a> {
    /// The norm of what is added, if there is one ("sandwich norms").
    pub first: Option<NormWeight<'a>>,
    /// Added to the mean squares of all norms.
    pub eps: f32,
    /// The sum is multiplied by it.
    pub scale: f32,
    /// The normalised outputs are multiplied by it, besides their weights.
    pub out_scale: f32,
}

/// Adds `y` to a residual stream and normalises the sum: `stream = (stream + y) scale`, where with `first` it is `rms_norm(y)` that is
/// added, then `out = rms_norm(stream) out_scale` for each pair `(weight, out)` of up to three. All are F32, F16 or BF16 and of the same rows and
/// columns; weights are all of one kind. Without `y` there are only the scale and the norms. Sums are rounded to the stream's format where they are stored, not on their way to the norms.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats, more outputs, or weights of several kinds;
/// [`Error::Argument`](crate::Error::Argument) for other shapes, gaps, an `eps` that is negative or no number, or a scale that is no
/// number; those of the launch, when what is written shares memory with another argument among others.
pub fn residual_norm(
    pass: &mut Pass,
    stream: &mut Tensor,
    y: Option<&Tensor>,
    norm: ResidualNorm<'_>,
    outputs: &mut [(NormWeight<'_>, &mut Tensor)],
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, stream, y, norm, outputs)
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    stream: &mut Tensor,
    y: Option<&Tensor>,
    norm: ResidualNorm<'_>,
    outputs: &mut [(NormWeight<'_>, &mut Tensor)],
) -> Result<()> {
    let (rows, columns) = (stream.rows(), stream.columns());
    OP.size("stream", rows)?;
    for (argument, scale) in [("scale", norm.scale), ("out_scale", norm.out_scale)] {
        if !scale.is_finite() {
            return Err(OP.refuse(argument, format!("is {scale}, must be a number")));
        }
    }
    let params = Params {
        columns: OP.size("stream", columns)?,
        eps: OP.eps(norm.eps)?,
        scale: norm.scale,
        out_scale: norm.out_scale,
    };
    let constants = Constants {
        row_per_thread: mapping.row_per_thread(),
        added: match (&y, norm.first) {
            (None, None) => 0,
            (Some(_), None) => 1,
            (Some(_), Some(_)) => 2,
            (None, Some(_)) => return Err(OP.refuse("first", "is a norm of y, which there is not")),
        },
        outputs: outputs.len() as u32,
        weight: kind_of_all(&norm, outputs)?,
    };
    let [mut first, mut second, mut third] = [None, None, None];
    let places = [&mut first, &mut second, &mut third];
    for (place, output) in places.into_iter().zip(outputs) {
        *place = Some((output.0, &mut *output.1));
    }
    by_float_format!(OP, "stream", stream.format(), Kernel in residual_norm::{F32, F16, Bf16} => {
        // What is not used still has to be bound, and what is written must not share memory.
        let unused = pass.scratch((OUTPUTS + 1) * SPACING)?;
        let y = match y {
            Some(y) => OP.matrix("y", y, rows, columns)?,
            None => unused.slice(OUTPUTS * SPACING..OUTPUTS * SPACING + 1)?,
        };
        let weight = |argument, weight: Option<NormWeight<'_>>| {
            let weight = weight.unwrap_or(NormWeight::None);
            weight.values(OP, argument, columns, || Ok(y.clone()))
        };
        let weights = [&first, &second, &third].map(|output| output.as_ref().map(|output| output.0));
        let out = |place: usize, output: Option<(NormWeight<'_>, &mut Tensor)>| match output {
            Some((_, out)) => OP.matrix("out", out, rows, columns),
            None => Ok(unused.slice(place * SPACING..place * SPACING + 1)?),
        };
        let kernel = Kernel {
            stream: &mut OP.values("stream", stream)?,
            y: &y,
            y_weight: &weight("first", norm.first)?,
            weight_0: &weight("weight", weights[0])?,
            weight_1: &weight("weight", weights[1])?,
            weight_2: &weight("weight", weights[2])?,
            out_0: &mut out(0, first)?,
            out_1: &mut out(1, second)?,
            out_2: &mut out(2, third)?,
            params,
            constants,
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

/// Values between unused outputs, so that each is aligned.
const SPACING: usize = 64;

/// `WEIGHT` of the kernel.
fn kind_of_all(norm: &ResidualNorm<'_>, outputs: &[(NormWeight<'_>, &mut Tensor)]) -> Result<u32> {
    if outputs.len() > OUTPUTS {
        let reason = format!("{} outputs; there are at most {OUTPUTS}", outputs.len());
        return Err(crate::Error::Unsupported { op: OP.0, reason });
    }
    let of_outputs = outputs.iter().map(|(weight, _)| weight.kind());
    let mut kinds = norm
        .first
        .iter()
        .map(|weight| weight.kind())
        .chain(of_outputs);
    let first = kinds.next().unwrap_or(NormWeight::None.kind());
    if kinds.any(|kind| kind != first) {
        let reason = "weights of several kinds; all are of one".to_owned();
        return Err(crate::Error::Unsupported { op: OP.0, reason });
    }
    Ok(first)
}

/// The cases of `residual_norm.metal`: none to three outputs with something added, its norm, or nothing, every kind of weight, one value, rows that
/// end within a sixteen, and more sixteens than threads.
pub(crate) fn family() -> Family {
    Family::new("residual_norm", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for (format, _) in FLOATS {
                let mut add = |name: &str, shape, added, outputs, kind| {
                    let name = format!("{}_{name}", mapping.name());
                    let setting = Setting {
                        shape,
                        added,
                        outputs,
                        kind,
                    };
                    add_case(cases, mapping, format, setting, name);
                };
                for outputs in 0..=OUTPUTS {
                    add(
                        &format!("sum_outputs{outputs}"),
                        [3, 75],
                        Added::Y,
                        outputs,
                        Kind::Times,
                    );
                    add(
                        &format!("norm_outputs{outputs}"),
                        [3, 75],
                        Added::Norm,
                        outputs,
                        Kind::Times,
                    );
                }
                for outputs in 1..=OUTPUTS {
                    let name = format!("outputs{outputs}");
                    add(&name, [3, 75], Added::Nothing, outputs, Kind::Times);
                }
                add("unweighted", [2, 64], Added::Norm, 1, Kind::None);
                add("unweighted_sum", [2, 64], Added::Norm, 0, Kind::None);
                add("one_plus", [2, 64], Added::Norm, 2, Kind::OnePlus);
                add("one", [2, 1], Added::Norm, 1, Kind::Times);
                add("rows", [300, 20], Added::Y, 1, Kind::Times);
                add("long", [1, 9001], Added::Norm, 1, Kind::Times);
            }
        }
    })
    .benches(benches)
}

const EPS: f32 = 1e-6;
const SCALE: f32 = 0.75;
const OUT_SCALE: f32 = 1.25;

/// What a case adds to the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Added {
    Nothing,
    Y,
    Norm,
}

/// What a case computes.
#[derive(Clone, Copy)]
struct Setting {
    shape: [usize; 2],
    added: Added,
    outputs: usize,
    kind: Kind,
}

fn add_case(cases: &mut Cases, mapping: Mapping, format: Format, setting: Setting, name: String) {
    let kernel = format!("residual_norm_{}", format.name().to_lowercase());
    let Setting {
        shape,
        added,
        outputs,
        kind,
    } = setting;
    let [rows, columns] = shape;
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let mut draw = |rows: usize| {
            let values = run.rng().activations(rows * columns);
            run.rounded(format, &values, [rows, columns])
        };
        let ((mut streams, stream), (ys, y)) = (draw(rows)?, draw(rows)?);
        let (first_weights, first_weight) = draw(1)?;
        let weights = (0..outputs).map(|_| draw(1)).collect::<Result<Vec<_>>>()?;
        let mut outs = (0..outputs)
            .map(|_| run.output(format, shape))
            .collect::<Result<Vec<_>>>()?;
        let norm = ResidualNorm {
            first: (added == Added::Norm).then(|| kind.with(&first_weights)),
            eps: EPS,
            scale: SCALE,
            out_scale: OUT_SCALE,
        };
        run.pass(|pass| {
            let pairs = weights.iter().zip(&mut outs);
            let mut pairs: Vec<_> = pairs.map(|((w, _), out)| (kind.with(w), out)).collect();
            let ys = (added != Added::Nothing).then_some(&ys);
            mapped(pass, mapping, &mut streams, ys, norm, &mut pairs)
        })?;
        let sums = || sums(&stream, &y, added, (kind, &first_weight));
        run.check(&streams, sums)?;
        for (out, (_, weight)) in outs.iter().zip(&weights) {
            run.check(out, || {
                let by = f64::from(OUT_SCALE);
                let scaled = |x: &Expected| Expected::near(x.value() * by, x.magnitude() * by);
                normed(&sums(), kind, weight).iter().map(scaled).collect()
            })?;
        }
        Ok(())
    });
}

/// One token and a prompt: a sum with one norm, and Gemma's norm, sum and norm.
fn benches(benches: &mut Benches) {
    let columns = 4096;
    for (format, suffix) in FLOATS {
        for (rows, first) in [(1, false), (512, false), (512, true)] {
            let n = rows * columns;
            let name = if first { "_norm_first" } else { "" };
            benches.add(
                format!("residual_norm_{suffix}"),
                format!("rows{rows}_columns{columns}{name}"),
                Work::new((4 * n + columns) * format.block_bytes(), 5 * n),
                move |setup| {
                    let mut stream = setup.values_as(format, [rows, columns])?;
                    let y = setup.values_as(format, [rows, columns])?;
                    let weight = setup.values_as(format, [columns])?;
                    let mut out = setup.output(format, [rows, columns])?;
                    Ok(Box::new(move |pass| {
                        let weight = NormWeight::Times(&weight);
                        let norm = ResidualNorm {
                            first: first.then_some(weight),
                            eps: EPS,
                            scale: 0.5,
                            out_scale: 1.0,
                        };
                        residual_norm(pass, &mut stream, Some(&y), norm, &mut [(weight, &mut out)])
                    }))
                },
            );
        }
    }
}

/// The new stream.
fn sums(stream: &[f32], y: &[f32], added: Added, norm: (Kind, &[f32])) -> Vec<Expected> {
    let exact = |y: f32| Expected::near(y.into(), f64::from(y).abs());
    let y: Vec<_> = match added {
        Added::Nothing => vec![exact(0.0); y.len()],
        _ => y.iter().copied().map(exact).collect(),
    };
    let added = match added {
        Added::Norm => normed(&y, norm.0, norm.1),
        _ => y,
    };
    stream
        .iter()
        .zip(added)
        .map(|(&stream, added)| {
            let (stream, scale) = (f64::from(stream), f64::from(SCALE));
            let terms = stream.abs() + added.magnitude();
            Expected::near((stream + added.value()) * scale, terms * scale)
        })
        .collect()
}

/// The norms of rows of as many values as there are weights.
fn normed(rows: &[Expected], kind: Kind, weight: &[f32]) -> Vec<Expected> {
    rows.chunks_exact(weight.len())
        .flat_map(|row| {
            let squares: f64 = row.iter().map(|x| x.value() * x.value()).sum();
            let scale = 1.0 / (squares / row.len() as f64 + f64::from(EPS)).sqrt();
            row.iter().zip(weight).map(move |(x, &weight)| {
                let (factor, terms) = kind.factor(weight);
                Expected::near(x.value() * scale * factor, x.magnitude() * scale * terms)
            })
        })
        .collect()
}
