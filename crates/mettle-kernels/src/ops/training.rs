//! Gradients of weights and of embeddings, and the steps of an optimiser.

use super::check::Op;
use super::mapping::Sixteens;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::training::{AdamF32, Constants, OuterF32, Params, ScatterAddF32};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

/// `dw[i, j] += sum over t of x[t, i] * y[t, j]`, the outer product of two vectors, or the sum of those of many: the gradient of weights
/// `[rows, columns]` from that of what they made, `x`, and what they were given, `y`. `x` is f32 `[tokens, rows]`, `y` is f32
/// `[tokens, columns]`, `dw` is f32 `[rows, columns]`.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes or gaps; those of the launch, when `dw` shares memory with an
/// input among others.
pub fn outer_add(pass: &mut Pass, x: &Tensor, y: &Tensor, dw: &mut Tensor) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread_outer(pass, sixteens, x, y, dw)
}

/// `dtable[ids[t]] += dy[t]` for all tokens t, the gradient of [`embedding()`](super::embedding()): the same bits whatever the order of
/// threads, and however often an id comes. `dy` is f32 `[tokens, columns]`, `ids` u32 `[tokens]`, `dtable` f32 `[rows, columns]`. Tokens
/// whose id is no row are left out.
///
/// # Errors
/// As for [`outer_add`].
pub fn scatter_add(pass: &mut Pass, dy: &Tensor, ids: &Tensor, dtable: &mut Tensor) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread_scatter(pass, sixteens, dy, ids, dtable)
}

/// The settings of a step of Adam: see [`adam_step`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// The learning rate.
    pub rate: f32,
    /// How much of the mean of the gradients is kept, from 0 to below 1.
    pub beta1: f32,
    /// How much of the mean of their squares is kept.
    pub beta2: f32,
    /// Added to the root of that mean, above zero.
    pub eps: f32,
    /// Weight decay, independent of the gradients (AdamW); 0 for none.
    pub decay: f32,
}

impl Default for Adam {
    /// The values of the paper.
    fn default() -> Self {
        Adam {
            rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            decay: 0.0,
        }
    }
}

/// The step number `step`, from 1 on, of Adam: changes weights `w` and the means of gradients `m` and of their squares `v`, which begin with
/// zeros, by the gradients `g`. All are f32, of as many values.
///
/// # Errors
/// As for [`outer_add`], and [`Error::Argument`](crate::Error::Argument) for settings out of range or a step of 0.
pub fn adam_step(
    pass: &mut Pass,
    adam: Adam,
    step: u32,
    w: &mut Tensor,
    [m, v]: [&mut Tensor; 2],
    g: &Tensor,
) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread_adam(pass, sixteens, (adam, step), [w, m, v], g)
}

fn spread_outer(
    pass: &mut Pass,
    sixteens: Sixteens,
    x: &Tensor,
    y: &Tensor,
    dw: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("outer_add");
    let (tokens, rows, columns) = (x.rows(), x.columns(), y.columns());
    let kernel = OuterF32 {
        x: &OP.values("x", x)?,
        y: &OP.matrix("y", y, tokens, columns)?,
        dw: &mut OP.matrix("dw", dw, rows, columns)?,
        params: Params {
            columns: OP.size("y", columns)?,
            rows: OP.size("x", rows)?,
            tokens: OP.size("x", tokens)?,
            ..NO_STEP
        },
        constants: constants(sixteens),
    };
    Ok(pass.dispatch(kernel, sixteens.rows(rows, columns))?)
}

fn spread_scatter(
    pass: &mut Pass,
    sixteens: Sixteens,
    dy: &Tensor,
    ids: &Tensor,
    dtable: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("scatter_add");
    let (tokens, rows, columns) = (dy.rows(), dtable.rows(), dtable.columns());
    let kernel = ScatterAddF32 {
        dy: &OP.matrix("dy", dy, tokens, columns)?,
        ids: &OP.vector("ids", ids, tokens)?,
        dtable: &mut OP.values("dtable", dtable)?,
        params: Params {
            columns: OP.size("dtable", columns)?,
            rows: OP.size("dtable", rows)?,
            tokens: OP.size("dy", tokens)?,
            ..NO_STEP
        },
        constants: constants(sixteens),
    };
    Ok(pass.dispatch(kernel, sixteens.rows(tokens, columns))?)
}

fn spread_adam(
    pass: &mut Pass,
    sixteens: Sixteens,
    (adam, step): (Adam, u32),
    [w, m, v]: [&mut Tensor; 3],
    g: &Tensor,
) -> Result<()> {
    const OP: Op = Op("adam_step");
    for (argument, value, is_right) in [
        ("rate", adam.rate, adam.rate.is_finite()),
        ("beta1", adam.beta1, (0.0..1.0).contains(&adam.beta1)),
        ("beta2", adam.beta2, (0.0..1.0).contains(&adam.beta2)),
        ("eps", adam.eps, adam.eps > 0.0 && adam.eps.is_finite()),
        ("decay", adam.decay, adam.decay.is_finite()),
    ] {
        if !is_right {
            return Err(OP.refuse(argument, format!("is {value}, which is out of its range")));
        }
    }
    if step == 0 {
        return Err(OP.refuse("step", "is 0; the first one is 1"));
    }
    let n = w.len();
    let [correction1, correction2] = corrections(adam, step);
    let kernel = AdamF32 {
        w: &mut OP.values("w", w)?,
        m: &mut OP.vector("m", m, n)?,
        v: &mut OP.vector("v", v, n)?,
        g: &OP.vector("g", g, n)?,
        params: Params {
            columns: OP.size("w", n)?,
            rate: adam.rate,
            beta1: adam.beta1,
            beta2: adam.beta2,
            correction1,
            correction2,
            eps: adam.eps,
            decay: adam.decay,
            ..NO_STEP
        },
        constants: constants(sixteens),
    };
    Ok(pass.dispatch(kernel, sixteens.rows(1, n))?)
}

/// What means that began with zeros are multiplied by.
fn corrections(adam: Adam, step: u32) -> [f32; 2] {
    [adam.beta1, adam.beta2].map(|beta| {
        let kept = f64::from(beta).powf(f64::from(step));
        (1.0 / (1.0 - kept)) as f32
    })
}

/// Parameters that a kernel does not read.
const NO_STEP: Params = Params {
    columns: 0,
    rows: 0,
    tokens: 0,
    rate: 0.0,
    beta1: 0.0,
    beta2: 0.0,
    correction1: 0.0,
    correction2: 0.0,
    eps: 0.0,
    decay: 0.0,
};

fn constants(sixteens: Sixteens) -> Constants {
    Constants {
        interleaved: sixteens.interleaved(),
    }
}

/// The cases of `training.metal`: one token and many, columns that end within a sixteen, ids that all differ, that are all the same, and that
/// are no rows, and steps of Adam early and late, with and without decay.
pub(crate) fn family() -> Family {
    Family::new("training", Tolerance::ELEMENTWISE, |cases| {
        for sixteens in Sixteens::ALL {
            for shape in [[1, 1, 1], [1, 40, 75], [9, 3, 530]] {
                add_outer(cases, sixteens, shape);
            }
            for (name, ids) in IDS {
                for columns in [1, 75, 530] {
                    add_scatter(
                        cases,
                        sixteens,
                        &format!("{name}_columns{columns}"),
                        ids,
                        columns,
                    );
                }
            }
            for (step, decay) in [(1, 0.0), (1, 0.1), (1000, 0.01)] {
                add_adam(cases, sixteens, step, decay);
            }
        }
    })
    .benches(benches)
}

/// `[tokens, rows, columns]`.
fn add_outer(cases: &mut Cases, sixteens: Sixteens, [tokens, rows, columns]: [usize; 3]) {
    let name = format!(
        "{}_tokens{tokens}_rows{rows}_columns{columns}",
        sixteens.name()
    );
    cases.add("training_outer_f32", name, move |run: &mut Run<'_>| {
        let (x, y) = (
            run.rng().normal(tokens * rows),
            run.rng().normal(tokens * columns),
        );
        let before = run.rng().normal(rows * columns);
        let (xs, ys) = (
            run.input(&x, [tokens, rows])?,
            run.input(&y, [tokens, columns])?,
        );
        let mut dws = run.input(&before, [rows, columns])?;
        run.pass(|pass| spread_outer(pass, sixteens, &xs, &ys, &mut dws))?;
        run.check(&dws, || {
            let sum = |at: usize| {
                let (i, j) = (at / columns, at % columns);
                let term = |t| f64::from(x[t * rows + i]) * f64::from(y[t * columns + j]);
                let before = f64::from(before[at]);
                let sizes: f64 = (0..tokens).map(|t| term(t).abs()).sum();
                Expected::near(
                    before + (0..tokens).map(term).sum::<f64>(),
                    before.abs() + sizes,
                )
            };
            (0..rows * columns).map(sum).collect()
        })
    });
}

/// What tokens of cases have chosen.
const IDS: [(&str, &[u32]); 4] = [
    ("one", &[0]),
    ("different", &[3, 0, 6, 1]),
    ("same", &[5, 5, 5, 5, 5]),
    ("some", &[2, 0, 2, u32::MAX, 6, 7, 0, 2]),
];

/// Rows of the table of cases.
const TABLE: usize = 7;

fn add_scatter(
    cases: &mut Cases,
    sixteens: Sixteens,
    name: &str,
    ids: &'static [u32],
    columns: usize,
) {
    let name = format!("{}_{name}", sixteens.name());
    cases.add(
        "training_scatter_add_f32",
        name,
        move |run: &mut Run<'_>| {
            let dy = run.rng().normal(ids.len() * columns);
            let before = run.rng().normal(TABLE * columns);
            let dys = run.input(&dy, [ids.len(), columns])?;
            let places = run.input(ids, [ids.len()])?;
            let mut dtable = run.input(&before, [TABLE, columns])?;
            run.pass(|pass| spread_scatter(pass, sixteens, &dys, &places, &mut dtable))?;
            run.check(&dtable, || {
                let sum = |at: usize| {
                    let (row, column) = (at / columns, at % columns);
                    let tokens = ids
                        .iter()
                        .enumerate()
                        .filter(|&(_, &id)| id as usize == row);
                    let terms = tokens.map(|(t, _)| f64::from(dy[t * columns + column]));
                    let terms: Vec<f64> = terms.chain([f64::from(before[at])]).collect();
                    let sizes = terms.iter().map(|term| term.abs()).sum();
                    Expected::near(terms.iter().sum(), sizes)
                };
                (0..TABLE * columns).map(sum).collect()
            })
        },
    );
}

fn add_adam(cases: &mut Cases, sixteens: Sixteens, step: u32, decay: f32) {
    let name = format!("{}_step{step}_decay{decay}", sixteens.name());
    cases.add("training_adam_f32", name, move |run: &mut Run<'_>| {
        let n = 700;
        let adam = Adam {
            decay,
            ..Adam::default()
        };
        let (w, g) = (run.rng().normal(n), run.rng().normal(n));
        let m: Vec<f32> = run.rng().normal(n).iter().map(|m| 0.1 * m).collect();
        let v: Vec<f32> = run.rng().normal(n).iter().map(|v| 0.01 * v * v).collect();
        let (mut ws, gs) = (run.input(&w, [n])?, run.input(&g, [n])?);
        let (mut ms, mut vs) = (run.input(&m, [n])?, run.input(&v, [n])?);
        run.pass(|pass| {
            let changed = [&mut ws, &mut ms, &mut vs];
            spread_adam(pass, sixteens, (adam, step), changed, &gs)
        })?;
        let (b1, b2) = (f64::from(adam.beta1), f64::from(adam.beta2));
        let mean = |i: usize| {
            let (kept, new) = (b1 * f64::from(m[i]), (1.0 - b1) * f64::from(g[i]));
            (kept + new, kept.abs() + new.abs())
        };
        let squares = |i: usize| b2 * f64::from(v[i]) + (1.0 - b2) * f64::from(g[i]).powi(2);
        run.check(&ms, || {
            let near = |i| Expected::near(mean(i).0, mean(i).1);
            (0..n).map(near).collect()
        })?;
        run.check(&vs, || {
            (0..n)
                .map(|i| Expected::near(squares(i), squares(i)))
                .collect()
        })?;
        run.check(&ws, || {
            let [c1, c2] = corrections(adam, step).map(f64::from);
            let weight = |i: usize| {
                let size = (c2 * squares(i)).sqrt() + f64::from(adam.eps);
                let (mean, sizes) = mean(i);
                let (w, rate) = (f64::from(w[i]), f64::from(adam.rate));
                let decay = f64::from(adam.decay) * w;
                let step = rate * (c1 * mean / size + decay);
                Expected::near(w - step, w.abs() + rate * (c1 * sizes / size + decay.abs()))
            };
            (0..n).map(weight).collect()
        })
    });
}

/// The weights of a layer, and a batch of 512 tokens.
fn benches(benches: &mut Benches) {
    let (tokens, rows, columns) = (512, 1024, 1024);
    let name = format!("tokens{tokens}_rows{rows}_columns{columns}");
    let work = Work::new(
        4 * (tokens * (rows + columns) + 2 * rows * columns),
        2 * tokens * rows * columns,
    );
    benches.add("training_outer_f32", name, work, move |setup| {
        let (x, y) = (
            setup.values([tokens, rows])?,
            setup.values([tokens, columns])?,
        );
        let mut dw = setup.values([rows, columns])?;
        Ok(Box::new(move |pass| outer_add(pass, &x, &y, &mut dw)))
    });
    let n = tokens * columns;
    let work = Work::new(12 * n, n);
    let name = format!("tokens{tokens}_columns{columns}");
    benches.add("training_scatter_add_f32", name, work, move |setup| {
        let dy = setup.values([tokens, columns])?;
        let ids: Vec<u32> = (0..tokens as u32).map(|t| t * 37 % 4096).collect();
        let ids = setup.of(&ids)?;
        let mut dtable = setup.output(Format::F32, [4096, columns])?;
        Ok(Box::new(move |pass| {
            scatter_add(pass, &dy, &ids, &mut dtable)
        }))
    });
    let n = 1 << 22;
    let work = Work::new(28 * n, 14 * n);
    benches.add("training_adam_f32", format!("n{n}"), work, move |setup| {
        let (mut w, g) = (setup.values([n])?, setup.values([n])?);
        let mut m = setup.values([n])?;
        let mut v = setup.values([n])?;
        Ok(Box::new(move |pass| {
            adam_step(pass, Adam::default(), 1, &mut w, [&mut m, &mut v], &g)
        }))
    });
}
