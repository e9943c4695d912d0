//! What the experts of tokens made, put together.

use super::check::{FLOATS, Op};
use super::fusion::Norm;
use super::mapping::Mapping;
use super::moe_sort::SortedExperts;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::moe_combine::{Bf16, Bf16F32, Constants, F16, F32, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Buffer, Format, Pass, Tensor};

const OP: Op = Op("moe_combine");

/// What is put together besides the results of the experts of a token, and how: see [`moe_combine()`]. Norms have weights of the format of
/// `out`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Combine<'a> {
    /// Where the rows of sorted results are; without it those of a token lie side by side.
    pub sorted: Option<&'a SortedExperts>,
    /// What an expert made that all tokens have, of the shape and format of `out`.
    pub shared: Option<&'a Tensor>,
    /// f32 `[tokens]`, whose sigmoid `shared` is multiplied by.
    pub shared_gate: Option<&'a Tensor>,
    /// Normalises `shared` on its own; it is then no part of the sum that `norm` normalises, but added to that.
    pub shared_norm: Option<Norm<'a>>,
    /// Normalises the sum.
    pub norm: Option<Norm<'a>>,
    /// Adds the sum, or its norm, to what is in `out`.
    pub add: bool,
}

/// `out[t, :] = sum over s of weights[t, s] * y[row of (t, s), :]`, and what stands in `combine` beside. `y` is F32, F16 or BF16
/// `[tokens * slots, columns]`, or has the rows of the sorted pairs; `weights` is f32 `[tokens, slots]`, `out` is `[tokens, columns]` of the
/// format of `y`, or F32 for a `y` of BF16.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes,
/// gaps, a gate or a norm of nothing, both of them, or an `eps` that is negative or no number; those of the launch, when `out` shares memory with an input
/// among others.
pub fn moe_combine(
    pass: &mut Pass,
    y: &Tensor,
    weights: &Tensor,
    combine: Combine<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, y, weights, combine, out)
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    y: &Tensor,
    weights: &Tensor,
    combine: Combine<'_>,
    out: &mut Tensor,
) -> Result<()> {
    let (tokens, columns, slots) = (out.rows(), out.columns(), weights.columns());
    let Combine {
        sorted,
        shared,
        shared_gate,
        shared_norm,
        norm,
        add,
    } = combine;
    for (argument, is_there) in [
        ("shared_gate", shared_gate.is_some()),
        ("shared_norm", shared_norm.is_some()),
    ] {
        if is_there && shared.is_none() {
            return Err(OP.refuse(argument, "is of what is shared, which there is not"));
        }
    }
    if shared_gate.is_some() && shared_norm.is_some() {
        return Err(OP.refuse("shared_norm", "is of what has a gate; there is one of both"));
    }
    let pairs = tokens.saturating_mul(slots);
    OP.size("weights", pairs)?;
    let weights: &Buffer<f32> = &OP.matrix("weights", weights, tokens, slots)?;
    let rows = match sorted {
        Some(sorted) => OP.vector("sorted", sorted.rows(), pairs)?,
        None => weights.cast()?,
    };
    let of_y = sorted.map_or(pairs, |sorted| sorted.tokens().len());
    let constants = Constants {
        row_per_thread: mapping.row_per_thread(),
        sorted: sorted.is_some(),
        add,
        shared: match (shared, shared_gate, shared_norm) {
            (None, ..) => 0,
            (Some(_), None, None) => 1,
            (Some(_), Some(_), _) => 2,
            (Some(_), None, Some(_)) => 3,
        },
        norm: norm.is_some(),
    };
    let params = Params {
        columns: OP.size("out", columns)?,
        slots: OP.size("weights", slots)?,
        eps: OP.eps(norm.map_or(0.0, |norm| norm.eps))?,
        shared_eps: OP.eps(shared_norm.map_or(0.0, |norm| norm.eps))?,
    };
    let gate = &match shared_gate {
        Some(gate) => OP.vector("shared_gate", gate, tokens)?,
        None => weights.clone(),
    };
    macro_rules! dispatch {
        ($kernel:ident) => {{
            let y = &OP.matrix("y", y, of_y, columns)?;
            let weight = |argument, norm: Option<Norm<'_>>| match norm {
                Some(norm) => OP.vector(argument, norm.weight, columns),
                // Not read.
                None => Ok(weights.cast()?),
            };
            let kernel = $kernel {
                y,
                weights,
                rows: &rows,
                shared: &match shared {
                    Some(shared) => OP.matrix("shared", shared, tokens, columns)?,
                    None => weights.cast()?,
                },
                gate,
                norm: &weight("norm", norm)?,
                shared_norm: &weight("shared_norm", shared_norm)?,
                out: &mut OP.values("out", out)?,
                params,
                constants,
            };
            Ok(pass.dispatch(kernel, mapping.rows(tokens, columns))?)
        }};
    }
    match (y.format(), out.format()) {
        (Format::F32, _) => dispatch!(F32),
        (Format::F16, _) => dispatch!(F16),
        (Format::BF16, Format::F32) => dispatch!(Bf16F32),
        (Format::BF16, _) => dispatch!(Bf16),
        (format, _) => Err(OP.no_kernel_over("y", format)),
    }
}

/// The cases of `moe_combine.metal`: one slot and several, rows side by side and sorted, with a shared expert, its gate, a norm and what is
/// there before, one value, rows that end within a sixteen, and more sixteens than threads.
pub(crate) fn family() -> Family {
    Family::new("moe_combine", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            let mixed = (Format::BF16, Format::F32);
            for formats in FLOATS
                .map(|(format, _)| (format, format))
                .into_iter()
                .chain([mixed])
            {
                let mut add = |name: &str, shape, setting| {
                    let name = format!("{}_{name}", mapping.name());
                    add_case(cases, mapping, formats, name, shape, setting);
                };
                let plain = Setting::default();
                add("one", [1, 1, 1], plain);
                add("slots", [3, 8, 75], plain);
                add("tokens", [300, 2, 20], plain);
                add("long", [1, 3, 9001], plain);
                for shared in 0..4 {
                    for bits in 0..8 {
                        // What formats have in common is not proven for each of them.
                        if formats == mixed && bits % 2 == 1 {
                            continue;
                        }
                        let [sorted, norm, added] = [1, 2, 4].map(|bit| bits & bit != 0);
                        let setting = Setting {
                            shared,
                            sorted,
                            norm,
                            add: added,
                        };
                        let mut name = format!("shared{shared}");
                        for (part, said) in [(sorted, "_sorted"), (norm, "_norm"), (added, "_add")]
                        {
                            name.push_str(if part { said } else { "" });
                        }
                        add(&name, [3, 4, 75], setting);
                    }
                }
            }
        }
    })
    .benches(benches)
}

const EPS: f32 = 1e-6;
const SHARED_EPS: f32 = 1e-5;

#[derive(Clone, Copy, Default)]
struct Setting {
    /// `SHARED` of the kernel.
    shared: usize,
    sorted: bool,
    norm: bool,
    add: bool,
}

/// A case of `[tokens, slots, columns]`.
fn add_case(
    cases: &mut Cases,
    mapping: Mapping,
    (of_y, format): (Format, Format),
    name: String,
    [tokens, slots, columns]: [usize; 3],
    setting: Setting,
) {
    let kernel = kernel_name(of_y, format);
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let pairs = tokens * slots;
        // Some rows more, which are nobody's.
        let rows_of_y = if setting.sorted { pairs + 5 } else { pairs };
        let mut draw = |format: Format, rows: usize| {
            let values = run.rng().activations(rows * columns);
            run.rounded(format, &values, [rows, columns])
        };
        let ((ys, y), (shareds, shared)) = (draw(of_y, rows_of_y)?, draw(format, tokens)?);
        let (norms, norm) = draw(format, 1)?;
        let (befores, before) = draw(format, tokens)?;
        let (shared_norms, shared_norm) = draw(format, 1)?;
        let mut out = match setting.add {
            true => befores,
            false => run.output(format, [tokens, columns])?,
        };
        let weight = run.rng().normal(pairs);
        let gate: Vec<f32> = run.rng().normal(tokens).iter().map(|x| 20.0 * x).collect();
        let places: Vec<u32> = match setting.sorted {
            true => run.rng().permutation(rows_of_y)[..pairs]
                .iter()
                .map(|&row| row as u32)
                .collect(),
            false => (0..pairs as u32).collect(),
        };
        let weights = run.input(&weight, [tokens, slots])?;
        let gates = run.input(&gate, [tokens])?;
        let sorted = SortedExperts::of_rows(
            run.input(&places, [tokens, slots])?,
            run.input(&vec![0u32; rows_of_y], [rows_of_y])?,
        );
        let combine = Combine {
            sorted: setting.sorted.then_some(&sorted),
            shared: (setting.shared > 0).then_some(&shareds),
            shared_gate: (setting.shared == 2).then_some(&gates),
            shared_norm: (setting.shared == 3).then_some(Norm {
                weight: &shared_norms,
                eps: SHARED_EPS,
            }),
            norm: setting.norm.then_some(Norm {
                weight: &norms,
                eps: EPS,
            }),
            add: setting.add,
        };
        run.pass(|pass| mapped(pass, mapping, &ys, &weights, combine, &mut out))?;
        run.check(&out, || {
            let token = |t: usize| {
                let value = |i: usize| {
                    let factor = match setting.shared {
                        1 => 1.0,
                        2 => 1.0 / (1.0 + (-f64::from(gate[t])).exp()),
                        _ => 0.0,
                    };
                    let of_slot = |s: usize| {
                        let row = places[t * slots + s] as usize;
                        f64::from(weight[t * slots + s]) * f64::from(y[row * columns + i])
                    };
                    let terms = (0..slots).map(of_slot);
                    let terms = terms.chain([factor * f64::from(shared[t * columns + i])]);
                    let terms: Vec<f64> = terms.collect();
                    Expected::near(
                        terms.iter().sum(),
                        terms.iter().map(|term| term.abs()).sum(),
                    )
                };
                let sums: Vec<Expected> = (0..columns).map(value).collect();
                let row = t * columns..(t + 1) * columns;
                let mut beside = vec![0.0; columns];
                if setting.shared == 3 {
                    let shared = &shared[row.clone()];
                    let exact = |&x: &f32| Expected::near(x.into(), f64::from(x).abs());
                    let scale =
                        norm_scale(&shared.iter().map(exact).collect::<Vec<_>>(), SHARED_EPS);
                    for (i, to) in beside.iter_mut().enumerate() {
                        *to += f64::from(shared[i]) * scale * f64::from(shared_norm[i]);
                    }
                }
                let sums = match setting.norm {
                    true => {
                        let scale = norm_scale(&sums, EPS);
                        let times = |(sum, &by): (&Expected, &f32)| {
                            let by = f64::from(by) * scale;
                            Expected::near(sum.value() * by, sum.magnitude() * by.abs())
                        };
                        sums.iter().zip(&norm).map(times).collect()
                    }
                    false => sums,
                };
                let before = match setting.add {
                    true => &before[row],
                    false => &vec![0.0; columns],
                };
                let finish = |(i, sum): (usize, Expected)| {
                    let (beside, before) = (beside[i], f64::from(before[i]));
                    let magnitude = sum.magnitude() + beside.abs() + before.abs();
                    Expected::near(sum.value() + beside + before, magnitude)
                };
                sums.into_iter().enumerate().map(finish).collect::<Vec<_>>()
            };
            (0..tokens).flat_map(token).collect()
        })
    });
}

/// `1 / sqrt(mean of squares + eps)`.
fn norm_scale(row: &[Expected], eps: f32) -> f64 {
    let squares: f64 = row.iter().map(|x| x.value() * x.value()).sum();
    1.0 / (squares / row.len() as f64 + f64::from(eps)).sqrt()
}

/// The kernel for results of one format that go to another.
fn kernel_name(from: Format, to: Format) -> String {
    let to = if from == to {
        String::new()
    } else {
        format!("_{to}")
    };
    format!("moe_combine_{from}{to}").to_lowercase()
}

/// A token and a prompt of a model with eight experts a token.
fn benches(benches: &mut Benches) {
    let (slots, columns) = (8, 2048);
    let mixed = (Format::BF16, Format::F32);
    for (from, to) in FLOATS
        .map(|(format, _)| (format, format))
        .into_iter()
        .chain([mixed])
    {
        for tokens in [1, 512] {
            let n = tokens * columns;
            benches.add(
                kernel_name(from, to),
                format!("tokens{tokens}_slots{slots}_columns{columns}"),
                Work::new(
                    (slots * from.block_bytes() + 2 * to.block_bytes()) * n,
                    2 * slots * n,
                ),
                move |setup| {
                    let y = setup.values_as(from, [tokens * slots, columns])?;
                    let weights = setup.values([tokens, slots])?;
                    let mut out = setup.output(to, [tokens, columns])?;
                    let combine = Combine {
                        add: true,
                        ..Combine::default()
                    };
                    Ok(Box::new(move |pass| {
                        moe_combine(pass, &y, &weights, combine, &mut out)
                    }))
                },
            );
        }
    }
}
