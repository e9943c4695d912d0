//! Routing of tokens to experts.

use super::check::Op;
use super::mapping::Mapping;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::moe_route::{Constants, F32, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Grid, Pass, Tensor};

const OP: Op = Op("moe_route");

/// How the logits of experts become scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scores {
    /// `exp(logit) / sum of exp(logits)`.
    #[default]
    Softmax,
    /// `1 / (1 + exp(-logit))`.
    Sigmoid,
}

/// A limit on the experts of a token: they come from the best groups only (DeepSeek-AI, "DeepSeek-V3 Technical Report", 2024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertGroups {
    /// Equal groups that the experts are in, side by side.
    pub count: usize,
    /// How many of them a token takes experts from.
    pub kept: usize,
    /// A group is as good as the sum of its best so many scores with their biases: 1 or 2.
    pub best: usize,
}

/// A scale for each expert, f32, that the weights of tokens are multiplied by.
#[derive(Clone, Copy, Debug)]
pub enum ExpertScales<'a> {
    /// After they are divided by their sum.
    Last(&'a Tensor),
    /// Before: the sum is that of scaled weights.
    First(&'a Tensor),
}

/// How experts are chosen, and what weights they get: see [`moe_route()`].
#[derive(Clone, Copy, Debug)]
pub struct Routing<'a> {
    /// Of the logits.
    pub scores: Scores,
    /// f32, a value for each expert, added to its score for the choice but not for the weight.
    pub bias: Option<&'a Tensor>,
    /// No limit without.
    pub groups: Option<ExpertGroups>,
    /// Whether a token's weights are divided by their sum.
    pub renormalise: bool,
    /// Factor of all weights.
    pub scale: f32,
    /// Factors of the weights of experts.
    pub expert_scales: Option<ExpertScales<'a>>,
}

impl Default for Routing<'_> {
    /// The softmax of the best logits.
    fn default() -> Self {
        Routing {
            scores: Scores::Softmax,
            bias: None,
            groups: None,
            renormalise: true,
            scale: 1.0,
            expert_scales: None,
        }
    }
}

/// Chooses experts for each token: `ids[t, :]` are those of the largest scores, or scores and biases, in falling order, the lowest id
/// first among equals; `weights[t, :]` are their scores, divided by their sum where that is wanted, times `scale` and those of the experts. `logits` is f32
/// `[tokens, experts]` for any number of experts, `ids` is u32 and `weights` f32, both `[tokens, slots]`.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes or gaps, more slots than there are experts to choose from,
/// groups that do not divide the experts or are not between one and all, or a scale that is no number; those of the launch, when
/// outputs share memory with another argument among others.
pub fn moe_route(
    pass: &mut Pass,
    logits: &Tensor,
    routing: Routing<'_>,
    ids: &mut Tensor,
    weights: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, logits, routing, ids, weights)
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    logits: &Tensor,
    routing: Routing<'_>,
    ids: &mut Tensor,
    weights: &mut Tensor,
) -> Result<()> {
    let (tokens, experts, slots) = (logits.rows(), logits.columns(), ids.columns());
    let Routing {
        scores,
        bias,
        groups,
        renormalise,
        scale,
        expert_scales,
    } = routing;
    let (scales, scaled) = match expert_scales {
        None => (None, 0),
        Some(ExpertScales::Last(scales)) => (Some(scales), 1),
        Some(ExpertScales::First(scales)) => (Some(scales), 2),
    };
    if !scale.is_finite() {
        return Err(OP.refuse("scale", format!("is {scale}, must be a number")));
    }
    let groups = groups.unwrap_or(ExpertGroups {
        count: 1,
        kept: 1,
        best: 1,
    });
    check_groups(groups, experts)?;
    let eligible = experts / groups.count * groups.kept;
    if slots > eligible {
        let reason = format!("has {slots} columns, there are {eligible} experts to choose from");
        return Err(OP.refuse("ids", reason));
    }
    let logits = &OP.matrix("logits", logits, tokens, experts)?;
    let kernel = F32 {
        logits,
        bias: &match bias {
            Some(bias) => OP.vector("bias", bias, experts)?,
            None => logits.clone(),
        },
        ids: &mut OP.matrix("ids", ids, tokens, slots)?,
        weights: &mut OP.matrix("weights", weights, tokens, slots)?,
        params: Params {
            experts: OP.size("logits", experts)?,
            slots: OP.size("ids", slots)?,
            groups: OP.size("groups", groups.count)?,
            groups_kept: OP.size("groups", groups.kept)?,
            best_of_group: OP.size("groups", groups.best)?,
            renormalise: renormalise.into(),
            scale,
        },
        scales: &match scales {
            Some(scales) => OP.vector("expert_scales", scales, experts)?,
            None => logits.clone(),
        },
        keys: (experts + groups.count) * size_of::<u32>(),
        constants: Constants {
            row_per_thread: mapping.row_per_thread(),
            sigmoid: scores == Scores::Sigmoid,
            biased: bias.is_some(),
            scales: scaled,
        },
    };
    let threads = match mapping {
        Mapping::RowPerThread => 1,
        Mapping::RowPerGroup => 32,
    };
    Ok(pass.dispatch(kernel, Grid::rows(tokens).threads(threads))?)
}

fn check_groups(groups: ExpertGroups, experts: usize) -> Result<()> {
    let ExpertGroups { count, kept, best } = groups;
    if count == 0 || !experts.is_multiple_of(count) {
        let reason = format!("are {count}, which does not divide {experts} experts");
        return Err(OP.refuse("groups", reason));
    }
    if kept == 0 || kept > count {
        let reason = format!("of which {kept} are kept, must be 1 to {count}");
        return Err(OP.refuse("groups", reason));
    }
    if !(1..=2).contains(&best) {
        let reason = format!("have the sum of their best {best}, must be 1 or 2");
        return Err(OP.refuse("groups", reason));
    }
    Ok(())
}

/// The cases of `moe_route.metal`: one expert, numbers of experts below and above a SIMD group and no powers of two, all experts, both
/// scores with and without biases, groups by one and two of their experts, ties, and logits of any size.
pub(crate) fn family() -> Family {
    Family::new("moe_route", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            let plain = Setting::default();
            let mut add = |name: String, shape, setting| {
                add_case(cases, mapping, name, shape, setting);
            };
            // Reductions over halves lost experts whose number is no power of two.
            for experts in [3, 31, 60, 96, 128, 160, 257, 384] {
                let name = format!("regression_of_{experts}_experts");
                add(name, [5, experts, 8.min(experts)], plain);
            }
            add("one".to_owned(), [2, 1, 1], plain);
            add("all".to_owned(), [3, 70, 70], plain);
            add("tokens".to_owned(), [70, 40, 2], plain);
            for sigmoid in [false, true] {
                for (biased, groups) in [
                    (false, None),
                    (true, None),
                    (false, Some([8, 3, 1])),
                    (true, Some([8, 4, 2])),
                    (true, Some([5, 1, 2])),
                    (true, Some([160, 9, 2])),
                ] {
                    let setting = Setting {
                        sigmoid,
                        biased,
                        groups,
                        renormalise: biased,
                        scale: 2.5,
                        ..plain
                    };
                    let score = if sigmoid { "sigmoid" } else { "softmax" };
                    let bias = if biased { "_bias" } else { "" };
                    let groups = groups.map_or(String::new(), |[count, kept, best]| {
                        format!("_{kept}of{count}groups_by{best}")
                    });
                    add(format!("{score}{bias}{groups}"), [6, 160, 8], setting);
                }
            }
            for (scales, name) in [(1, "scaled_last"), (2, "scaled_first")] {
                add(name.to_owned(), [6, 60, 8], Setting { scales, ..plain });
            }
            for logits in [Logits::Ties, Logits::Huge, Logits::Equal] {
                let name = format!("{logits:?}").to_lowercase();
                add(name, [4, 60, 6], Setting { logits, ..plain });
            }
        }
    })
    .benches(benches)
}

/// What logits a case draws.
#[derive(Clone, Copy, Debug, Default)]
enum Logits {
    #[default]
    Normal,
    /// Of three values.
    Ties,
    /// Whose exponentials overflow, and infinitely small ones.
    Huge,
    Equal,
}

#[derive(Clone, Copy)]
struct Setting {
    logits: Logits,
    sigmoid: bool,
    biased: bool,
    /// How many there are and are kept, and by the best so many of which experts.
    groups: Option<[usize; 3]>,
    renormalise: bool,
    scale: f32,
    /// `SCALES` of the kernel.
    scales: u32,
}

impl Default for Setting {
    fn default() -> Self {
        Setting {
            logits: Logits::Normal,
            sigmoid: false,
            biased: false,
            groups: None,
            renormalise: true,
            scale: 1.0,
            scales: 0,
        }
    }
}

/// A case of `[tokens, experts, slots]`.
fn add_case(
    cases: &mut Cases,
    mapping: Mapping,
    name: String,
    [tokens, experts, slots]: [usize; 3],
    setting: Setting,
) {
    let name = format!("{}_{name}", mapping.name());
    cases.add("moe_route_f32", name, move |run: &mut Run<'_>| {
        let normal = run.rng().normal(tokens * experts);
        let logits: Vec<f32> = match setting.logits {
            Logits::Normal => normal.iter().map(|x| 3.0 * x).collect(),
            Logits::Ties => (0..tokens * experts)
                .map(|_| run.rng().below(3) as f32)
                .collect(),
            Logits::Huge => {
                let small = |(i, x): (usize, &f32)| match i % 7 {
                    0 => f32::NEG_INFINITY,
                    _ => 1e4 + 40.0 * x,
                };
                normal.iter().enumerate().map(small).collect()
            }
            Logits::Equal => vec![-0.5; tokens * experts],
        };
        let bias = run.rng().normal(experts);
        let (xs, biases) = (
            run.input(&logits, [tokens, experts])?,
            run.input(&bias, [experts])?,
        );
        let scale: Vec<f32> = (0..experts).map(|i| 0.5 + (i % 7) as f32).collect();
        let scales = run.input(&scale, [experts])?;
        let mut ids = run.output(Format::U32, [tokens, slots])?;
        let mut weights = run.output(Format::F32, [tokens, slots])?;
        let routing = Routing {
            scores: match setting.sigmoid {
                true => Scores::Sigmoid,
                false => Scores::Softmax,
            },
            bias: setting.biased.then_some(&biases),
            groups: setting
                .groups
                .map(|[count, kept, best]| ExpertGroups { count, kept, best }),
            renormalise: setting.renormalise,
            scale: setting.scale,
            expert_scales: match setting.scales {
                0 => None,
                1 => Some(ExpertScales::Last(&scales)),
                _ => Some(ExpertScales::First(&scales)),
            },
        };
        run.pass(|pass| mapped(pass, mapping, &xs, routing, &mut ids, &mut weights))?;
        let chosen = || -> Vec<(usize, f64)> {
            let tokens = logits.chunks_exact(experts);
            tokens
                .flat_map(|logits| reference(logits, [&bias, &scale], slots, setting))
                .collect()
        };
        let expected = |of: fn((usize, f64)) -> Expected| chosen().into_iter().map(of).collect();
        run.check(&ids, || expected(|(id, _)| Expected::exact(id as f64)))?;
        run.check(&weights, || {
            expected(|(_, weight)| Expected::near(weight, weight))
        })
    });
}

/// The experts of a token and their weights.
fn reference(
    logits: &[f32],
    [bias, scales]: [&[f32]; 2],
    slots: usize,
    setting: Setting,
) -> Vec<(usize, f64)> {
    let largest = logits.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x));
    let exp = |x: f32| (f64::from(x) - f64::from(largest)).exp();
    let total: f64 = logits.iter().map(|&x| exp(x)).sum();
    let score = |&x: &f32| match setting.sigmoid {
        true => 1.0 / (1.0 + (-f64::from(x)).exp()),
        false => exp(x) / total,
    };
    let scores: Vec<f64> = logits.iter().map(score).collect();
    let with_bias = |i: usize| match setting.biased {
        true => scores[i] + f64::from(bias[i]),
        false => scores[i],
    };
    // The best first; sorting keeps the order of equals.
    let falling = |count: usize, value: &dyn Fn(usize) -> f64| {
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
        order
    };
    let [count, kept, best] = setting.groups.unwrap_or([1, 1, 1]);
    let of_group = logits.len() / count;
    let of_groups = falling(count, &|group| {
        let members = |i: usize| with_bias(group * of_group + i);
        let order = falling(of_group, &members);
        order.into_iter().take(best).map(members).sum()
    });
    let kept = &of_groups[..kept];
    let choice = |i: usize| match setting.biased {
        true => with_bias(i),
        // Of which no two are equal that are not.
        false => f64::from(logits[i]),
    };
    let chosen: Vec<usize> = falling(logits.len(), &choice)
        .into_iter()
        .filter(|i| kept.contains(&(i / of_group)))
        .take(slots)
        .collect();
    let scaled = |i: usize, when: u32| match setting.scales == when {
        true => f64::from(scales[i]),
        false => 1.0,
    };
    let sum: f64 = chosen.iter().map(|&i| scores[i] * scaled(i, 2)).sum();
    let factor = match setting.renormalise {
        true => f64::from(setting.scale) / sum,
        false => f64::from(setting.scale),
    };
    let weight = |i: usize| (i, scores[i] * factor * scaled(i, 1) * scaled(i, 2));
    chosen.into_iter().map(weight).collect()
}

/// A token and a prompt of a model of 128 experts.
fn benches(benches: &mut Benches) {
    let (experts, slots) = (128, 8);
    for tokens in [1, 512] {
        benches.add(
            "moe_route_f32",
            format!("tokens{tokens}_experts{experts}_slots{slots}"),
            Work::new(4 * tokens * (experts + 2 * slots), tokens * experts * 3),
            move |setup| {
                let logits = setup.values([tokens, experts])?;
                let mut ids = setup.output(Format::U32, [tokens, slots])?;
                let mut weights = setup.output(Format::F32, [tokens, slots])?;
                Ok(Box::new(move |pass| {
                    moe_route(pass, &logits, Routing::default(), &mut ids, &mut weights)
                }))
            },
        );
    }
}
