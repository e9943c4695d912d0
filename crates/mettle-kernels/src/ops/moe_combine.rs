//! What the experts of tokens made, put together.

use super::check::{FLOATS, Op, by_float_format};
use super::fusion::Norm;
use super::mapping::Mapping;
use super::moe_sort::SortedExperts;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::moe_combine::{Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Buffer, Format, Pass, Tensor};

const OP: Op = Op("moe_combine");

/// What is put together besides the results of the experts of a token, and how: see [`moe_combine()`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Combine<'a> {
    /// Where the rows of sorted results are; without it those of a token lie side by side.
    pub sorted: Option<&'a SortedExperts>,
    /// What an expert made that all tokens have, of the shape and format of `out`.
    pub shared: Option<&'a Tensor>,
    /// f32 `[tokens]`, whose sigmoid `shared` is multiplied by.
    pub shared_gate: Option<&'a Tensor>,
    /// Normalises the sum; its weight has the format of `out`.
    pub norm: Option<Norm<'a>>,
    /// Adds the sum, or its norm, to what is in `out`.
    pub add: bool,
}

/// `out[t, :] = sum over s of weights[t, s] * y[row of (t, s), :]`, and what stands in `combine` beside. `y` is F32, F16 or BF16
/// `[tokens * slots, columns]`, or has the rows of the sorted pairs; `weights` is f32 `[tokens, slots]`, `out` is `[tokens, columns]` of the
/// format of `y`.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes,
/// gaps, a gate of nothing, or an `eps` that is negative or no number; those of the launch, when `out` shares memory with an input
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
        norm,
        add,
    } = combine;
    if shared_gate.is_some() && shared.is_none() {
        return Err(OP.refuse("shared_gate", "is of what is shared, which there is not"));
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
        shared: match (shared, shared_gate) {
            (None, _) => 0,
            (Some(_), None) => 1,
            (Some(_), Some(_)) => 2,
        },
        norm: norm.is_some(),
    };
    by_float_format!(OP, "y", y.format(), Kernel in moe_combine::{F32, F16, Bf16} => {
        let y = &OP.matrix("y", y, of_y, columns)?;
        let kernel = Kernel {
            y,
            weights,
            rows: &rows,
            shared: &match shared {
                Some(shared) => OP.matrix("shared", shared, tokens, columns)?,
                None => y.clone(),
            },
            gate: &match shared_gate {
                Some(gate) => OP.vector("shared_gate", gate, tokens)?,
                None => weights.clone(),
            },
            norm: &match norm {
                Some(norm) => OP.vector("norm", norm.weight, columns)?,
                None => y.clone(),
            },
            out: &mut OP.values("out", out)?,
            params: Params {
                columns: OP.size("out", columns)?,
                slots: OP.size("weights", slots)?,
                eps: OP.eps(norm.map_or(0.0, |norm| norm.eps))?,
            },
            constants,
        };
        Ok(pass.dispatch(kernel, mapping.rows(tokens, columns))?)
    })
}

/// The cases of `moe_combine.metal`: one slot and several, rows side by side and sorted, with a shared expert, its gate, a norm and what is
/// there before, one value, rows that end within a sixteen, and more sixteens than threads.
pub(crate) fn family() -> Family {
    Family::new("moe_combine", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for (format, _) in FLOATS {
                let mut add = |name: &str, shape, setting| {
                    let name = format!("{}_{name}", mapping.name());
                    add_case(cases, mapping, format, name, shape, setting);
                };
                let plain = Setting::default();
                add("one", [1, 1, 1], plain);
                add("slots", [3, 8, 75], plain);
                add("tokens", [300, 2, 20], plain);
                add("long", [1, 3, 9001], plain);
                for shared in 0..3 {
                    for bits in 0..8 {
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
    format: Format,
    name: String,
    [tokens, slots, columns]: [usize; 3],
    setting: Setting,
) {
    let kernel = format!("moe_combine_{}", format.name().to_lowercase());
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let pairs = tokens * slots;
        // Some rows more, which are nobody's.
        let of_y = if setting.sorted { pairs + 5 } else { pairs };
        let mut draw = |rows: usize| {
            let values = run.rng().activations(rows * columns);
            run.rounded(format, &values, [rows, columns])
        };
        let ((ys, y), (shareds, shared)) = (draw(of_y)?, draw(tokens)?);
        let (norms, norm) = draw(1)?;
        let (befores, before) = draw(tokens)?;
        let mut out = match setting.add {
            true => befores,
            false => run.output(format, [tokens, columns])?,
        };
        let weight = run.rng().normal(pairs);
        let gate: Vec<f32> = run.rng().normal(tokens).iter().map(|x| 20.0 * x).collect();
        let places: Vec<u32> = match setting.sorted {
            true => run.rng().permutation(of_y)[..pairs]
                .iter()
                .map(|&row| row as u32)
                .collect(),
            false => (0..pairs as u32).collect(),
        };
        let weights = run.input(&weight, [tokens, slots])?;
        let gates = run.input(&gate, [tokens])?;
        let sorted = SortedExperts::of_rows(
            run.input(&places, [tokens, slots])?,
            run.input(&vec![0u32; of_y], [of_y])?,
        );
        let combine = Combine {
            sorted: setting.sorted.then_some(&sorted),
            shared: (setting.shared > 0).then_some(&shareds),
            shared_gate: (setting.shared > 1).then_some(&gates),
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
                        0 => 0.0,
                        1 => 1.0,
                        _ => 1.0 / (1.0 + (-f64::from(gate[t])).exp()),
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
                finished(
                    sums,
                    setting.norm.then_some(&norm),
                    setting.add.then(|| &before[t * columns..(t + 1) * columns]),
                )
            };
            (0..tokens).flat_map(token).collect()
        })
    });
}

/// A token's sums, or their norm, with what was there before.
fn finished(sums: Vec<Expected>, norm: Option<&Vec<f32>>, before: Option<&[f32]>) -> Vec<Expected> {
    let squares: f64 = sums.iter().map(|x| x.value() * x.value()).sum();
    let scale = 1.0 / (squares / sums.len() as f64 + f64::from(EPS)).sqrt();
    let finish = |(i, sum): (usize, Expected)| {
        let factor = norm.map_or(1.0, |norm| f64::from(norm[i]) * scale);
        let before = before.map_or(0.0, |before| f64::from(before[i]));
        let magnitude = sum.magnitude() * factor.abs() + before.abs();
        Expected::near(sum.value() * factor + before, magnitude)
    };
    sums.into_iter().enumerate().map(finish).collect()
}

/// A token and a prompt of a model with eight experts a token.
fn benches(benches: &mut Benches) {
    let (slots, columns) = (8, 2048);
    for (format, suffix) in FLOATS {
        for tokens in [1, 512] {
            let n = tokens * columns;
            benches.add(
                format!("moe_combine_{suffix}"),
                format!("tokens{tokens}_slots{slots}_columns{columns}"),
                Work::new((slots + 2) * n * format.block_bytes(), 2 * slots * n),
                move |setup| {
                    let y = setup.values_as(format, [tokens * slots, columns])?;
                    let weights = setup.values([tokens, slots])?;
                    let mut out = setup.output(format, [tokens, columns])?;
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
