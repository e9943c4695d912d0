//! The cases and bench entries of RMS norms.

use super::{
    Gate, NormWeight, Order, mapped, mapped_assign, mapped_dual, mapped_gated, mapped_sum_squares,
    rms_norm, rms_norm_assign, rms_norm_dual, rms_norm_gated, sum_squares,
};
use crate::bench::{Benches, Work};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use crate::ops::check::FLOATS;
use crate::ops::mapping::Mapping;
use mettle_gpu::{Format, Tensor};

/// The cases of `rms_norm.metal`: one value, less than a sixteen, a head, rows that end within a sixteen, more sixteens
/// than threads, and rows longer than any fixed scratch.
pub(crate) fn family() -> Family {
    const SHAPES: [[usize; 2]; 8] = [
        [1, 1],
        [3, 7],
        [48, 128],
        [2, 80],
        [5, 257],
        [1, 1024],
        [300, 48],
        [1, 14337],
    ];
    Family::new("rms_norm", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            add_two_formats(cases, mapping);
            for (format, _) in FLOATS {
                let some = if format == Format::F32 {
                    &SHAPES[..]
                } else {
                    &SHAPES[3..5]
                };
                for &shape in some {
                    let name = format!("rows{}_columns{}", shape[0], shape[1]);
                    add_case(cases, mapping, format, Kind::Times, shape, &name, |_| ());
                }
                for (kind, name) in [(Kind::None, "unweighted"), (Kind::OnePlus, "one_plus")] {
                    add_case(cases, mapping, format, kind, [4, 77], name, |_| ());
                }
                // Mean squares far below eps, where it decides, and rows of nothing but zeros.
                add_case(cases, mapping, format, Kind::Times, [2, 64], "small", |x| {
                    x.iter_mut().for_each(|x| *x *= 1e-5);
                    x[64..].fill(0.0);
                });
                add_placed(cases, mapping, format);
            }
        }
    })
    .benches(benches)
}

/// Kinds of weights, for cases.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) enum Kind {
    None,
    Times,
    OnePlus,
}

impl Kind {
    pub fn with(self, weight: &Tensor) -> NormWeight<'_> {
        match self {
            Kind::None => NormWeight::None,
            Kind::Times => NormWeight::Times(weight),
            Kind::OnePlus => NormWeight::TimesOnePlus(weight),
        }
    }

    /// What a normalised value is multiplied by, and the sizes of its terms.
    pub fn factor(self, weight: f32) -> (f64, f64) {
        let weight = f64::from(weight);
        match self {
            Kind::None => (1.0, 1.0),
            Kind::Times => (weight, weight.abs()),
            Kind::OnePlus => (1.0 + weight, 1.0 + weight.abs()),
        }
    }
}

const EPS: f32 = 1e-6;

/// A case of each kernel with these values of x.
fn add_case(
    cases: &mut Cases,
    mapping: Mapping,
    format: Format,
    kind: Kind,
    shape: [usize; 2],
    name: &str,
    change: fn(&mut [f32]),
) {
    let [rows, columns] = shape;
    let suffix = format.name().to_lowercase();
    let name = format!("{}_{name}", mapping.name());
    let draw = move |run: &mut Run<'_>| {
        let mut x = run.rng().activations(rows * columns);
        change(&mut x);
        let weight = run.rng().normal(columns);
        Ok::<_, crate::Error>((
            run.rounded(format, &x, shape)?,
            run.rounded(format, &weight, [columns])?,
        ))
    };
    cases.add(format!("rms_norm_{suffix}"), name.clone(), move |run| {
        let ((xs, x), (weights, weight)) = draw(run)?;
        let mut out = run.output(format, shape)?;
        let by = kind.with(&weights);
        run.pass(|pass| mapped(pass, mapping, &xs, by, EPS, Order::Same, &mut out))?;
        run.check(&out, || weighted(&x, kind, &weight, EPS))
    });
    cases.add(
        format!("rms_norm_assign_{suffix}"),
        name.clone(),
        move |run| {
            let ((mut xs, x), (weights, weight)) = draw(run)?;
            run.pass(|pass| mapped_assign(pass, mapping, &mut xs, kind.with(&weights), EPS))?;
            run.check(&xs, || weighted(&x, kind, &weight, EPS))
        },
    );
    cases.add(
        format!("rms_norm_gated_{suffix}"),
        name.clone(),
        move |run| {
            let ((xs, x), (weights, weight)) = draw(run)?;
            let z = run.rng().activations(x.len());
            let (zs, z) = run.rounded(format, &z, shape)?;
            let mut out = run.output(format, shape)?;
            let by = kind.with(&weights);
            let gate = (&zs, Gate::Silu);
            run.pass(|pass| mapped_gated(pass, mapping, &xs, by, EPS, gate, &mut out))?;
            run.check(&out, || {
                let gate = |(normed, &z): (Expected, &f32)| {
                    let gate = f64::from(z) / (1.0 + f64::from(-z).exp());
                    Expected::near(normed.value() * gate, normed.magnitude() * gate.abs())
                };
                let normed = weighted(&x, kind, &weight, EPS);
                normed.into_iter().zip(&z).map(gate).collect()
            })
        },
    );
    let kernel = format!("rms_norm_gated_{suffix}");
    cases.add(kernel, format!("{name}_mul"), move |run| {
        let ((xs, x), (weights, weight)) = draw(run)?;
        let y = run.rng().activations(x.len());
        let (ys, y) = run.rounded(format, &y, shape)?;
        let mut out = run.output(format, shape)?;
        let by = kind.with(&weights);
        let gate = (&ys, Gate::Plain);
        run.pass(|pass| mapped_gated(pass, mapping, &xs, by, EPS, gate, &mut out))?;
        run.check(&out, || {
            let times = |(normed, &y): (Expected, &f32)| {
                let y = f64::from(y);
                Expected::near(normed.value() * y, normed.magnitude() * y.abs())
            };
            let normed = weighted(&x, kind, &weight, EPS);
            normed.into_iter().zip(&y).map(times).collect()
        })
    });
    if kind == Kind::Times {
        let kernel = format!("rms_norm_sum_squares_{suffix}");
        cases.add(kernel, name, move |run| {
            let ((xs, x), _) = draw(run)?;
            let mut out = run.output(Format::F32, [rows])?;
            run.pass(|pass| mapped_sum_squares(pass, mapping, &xs, &mut out))?;
            run.check(&out, || {
                let rows = x.chunks_exact(columns).map(squares);
                rows.map(|sum| Expected::near(sum, sum)).collect()
            })
        });
    }
}

/// Weights of another format than the rows, and results of two.
fn add_two_formats(cases: &mut Cases, mapping: Mapping) {
    for (kind, name) in [
        (Kind::None, "unweighted"),
        (Kind::Times, "times"),
        (Kind::OnePlus, "one_plus"),
    ] {
        let name = format!("{}_{name}", mapping.name());
        if kind != Kind::None {
            cases.add("rms_norm_f32_bf16", name.clone(), move |run| {
                let x = run.rng().activations(5 * 257);
                let xs = run.input(&x, [5, 257])?;
                let weight = run.rng().normal(257);
                let (weights, weight) = run.rounded(Format::BF16, &weight, [257])?;
                let mut out = run.output(Format::F32, [5, 257])?;
                let by = kind.with(&weights);
                run.pass(|pass| mapped(pass, mapping, &xs, by, EPS, Order::Same, &mut out))?;
                run.check(&out, || weighted(&x, kind, &weight, EPS))
            });
        }
        for (order, suffix) in [(Order::Same, ""), (Order::Permuted, "_permuted")] {
            let heads_first = order == Order::Permuted;
            let name = format!("{name}{suffix}");
            cases.add("rms_norm_dual_f32_bf16", name, move |run| {
                let [tokens, heads, size] = [5, 3, 71];
                let x = run.rng().activations(tokens * heads * size);
                let xs = run.input(&x, [tokens, heads, size])?;
                let weight = run.rng().normal(size);
                let weights = run.input(&weight, [size])?;
                let mut out = run.output(Format::F32, [tokens, heads, size])?;
                let shape = match heads_first {
                    true => [heads, tokens, size],
                    false => [tokens, heads, size],
                };
                let mut rounded = run.output(Format::BF16, shape)?;
                let by = kind.with(&weights);
                run.pass(|pass| {
                    let rounded = (&mut rounded, order);
                    mapped_dual(pass, mapping, &xs, by, EPS, &mut out, rounded)
                })?;
                let normed = || weighted(&x, kind, &weight, EPS);
                run.check(&out, normed)?;
                run.check(&rounded, || {
                    let normed = normed();
                    let row = |row: usize| match heads_first {
                        true => row % tokens * heads + row / tokens,
                        false => row,
                    };
                    let rows = (0..tokens * heads).map(row);
                    rows.flat_map(|row| normed[row * size..][..size].to_vec())
                        .collect()
                })
            });
        }
    }
}

/// Rows that go to a band of a wider tensor, of two and of three dimensions, and heads that come before tokens.
fn add_placed(cases: &mut Cases, mapping: Mapping, format: Format) {
    let kernel = format!("rms_norm_{}", format.name().to_lowercase());
    let mut add = |name: &str, whole: [usize; 3], order: Order| {
        let name = format!("{}_{name}", mapping.name());
        cases.add(kernel.clone(), name, move |run| {
            let [a, b, wide] = whole;
            let columns = wide - 7;
            let shape = if order == Order::Permuted {
                [b, a, columns]
            } else {
                [a, b, columns]
            };
            let x = run.rng().activations(a * b * columns);
            let (xs, x) = run.rounded(format, &x, shape)?;
            let weight = run.rng().normal(columns);
            let (weights, weight) = run.rounded(format, &weight, [columns])?;
            let out = run.output(format, whole)?;
            let mut band = out.columns_range(5..5 + columns)?;
            let by = NormWeight::Times(&weights);
            run.pass(|pass| mapped(pass, mapping, &xs, by, EPS, order, &mut band))?;
            run.check(&out, || {
                let normed = reference(&x, &weight, EPS);
                let mut expected = vec![Expected::untouched(); a * b * wide];
                for row in 0..a * b {
                    let from = match order {
                        Order::Same => row,
                        Order::Permuted => row % b * a + row / b,
                    };
                    expected[row * wide + 5..][..columns]
                        .copy_from_slice(&normed[from * columns..][..columns]);
                }
                expected
            })
        });
    };
    add("band", [1, 9, 47], Order::Same);
    add("bands_of_heads", [3, 4, 40], Order::Same);
    add("permuted", [3, 5, 71], Order::Permuted);
}

/// One token and a prompt, and the heads of one token in place.
fn benches(benches: &mut Benches) {
    for (format, suffix) in FLOATS {
        let bytes = format.block_bytes();
        let (heads, head_size) = (32, 128);
        let n = heads * head_size;
        benches.add(
            format!("rms_norm_assign_{suffix}"),
            format!("rows{heads}_columns{head_size}"),
            Work::new((2 * n + head_size) * bytes, 4 * n),
            move |setup| {
                let mut x = setup.values_as(format, [heads, head_size])?;
                let weight = setup.values_as(format, [head_size])?;
                Ok(Box::new(move |pass| {
                    rms_norm_assign(pass, &mut x, &weight, EPS)
                }))
            },
        );
        let columns = 4096;
        for rows in [1, 512] {
            if format == Format::F32 {
                add_benches_of_two_formats(benches, rows, columns);
            }
            let n = rows * columns;
            let shape = format!("rows{rows}_columns{columns}");
            let work = Work::new((2 * n + columns) * bytes, 4 * n);
            let of_rows = [rows, columns];
            benches.add(
                format!("rms_norm_{suffix}"),
                shape.clone(),
                work,
                move |setup| {
                    let x = setup.values_as(format, of_rows)?;
                    let weight = setup.values_as(format, [columns])?;
                    let mut out = setup.output(format, of_rows)?;
                    Ok(Box::new(move |pass| {
                        rms_norm(pass, &x, &weight, EPS, &mut out)
                    }))
                },
            );
            let work = Work::new((3 * n + columns) * bytes, 9 * n);
            let kernel = format!("rms_norm_gated_{suffix}");
            benches.add(kernel, shape.clone(), work, move |setup| {
                let x = setup.values_as(format, of_rows)?;
                let z = setup.values_as(format, of_rows)?;
                let weight = setup.values_as(format, [columns])?;
                let mut out = setup.output(format, of_rows)?;
                Ok(Box::new(move |pass| {
                    rms_norm_gated(pass, &x, &weight, EPS, &z, &mut out)
                }))
            });
            let work = Work::new(n * bytes + 4 * rows, 2 * n);
            let kernel = format!("rms_norm_sum_squares_{suffix}");
            benches.add(kernel, shape, work, move |setup| {
                let x = setup.values_as(format, of_rows)?;
                let mut out = setup.output(Format::F32, [rows])?;
                Ok(Box::new(move |pass| sum_squares(pass, &x, &mut out)))
            });
        }
    }
}

/// Those with weights of another format, and with results of two.
fn add_benches_of_two_formats(benches: &mut Benches, rows: usize, columns: usize) {
    let n = rows * columns;
    let (name, of_rows) = (format!("rows{rows}_columns{columns}"), [rows, columns]);
    let work = Work::new(8 * n + 2 * columns, 4 * n);
    benches.add("rms_norm_f32_bf16", name.clone(), work, move |setup| {
        let x = setup.values(of_rows)?;
        let weight = setup.values_as(Format::BF16, [columns])?;
        let mut out = setup.output(Format::F32, of_rows)?;
        Ok(Box::new(move |pass| {
            rms_norm(pass, &x, &weight, EPS, &mut out)
        }))
    });
    let work = Work::new(10 * n + 4 * columns, 4 * n);
    benches.add("rms_norm_dual_f32_bf16", name, work, move |setup| {
        let x = setup.values(of_rows)?;
        let weight = setup.values([columns])?;
        let mut out = setup.output(Format::F32, of_rows)?;
        let mut rounded = setup.output(Format::BF16, of_rows)?;
        Ok(Box::new(move |pass| {
            rms_norm_dual(pass, &x, &weight, EPS, &mut out, &mut rounded)
        }))
    });
}

fn squares(row: &[f32]) -> f64 {
    row.iter().map(|&x| f64::from(x).powi(2)).sum()
}

/// Rows of as many values as there are weights, normalised and weighted.
pub(in crate::ops) fn reference(x: &[f32], weight: &[f32], eps: f32) -> Vec<Expected> {
    weighted(x, Kind::Times, weight, eps)
}

pub(in crate::ops) fn weighted(x: &[f32], kind: Kind, weight: &[f32], eps: f32) -> Vec<Expected> {
    x.chunks_exact(weight.len())
        .flat_map(|row| {
            let mean = squares(row) / row.len() as f64;
            let scale = 1.0 / (mean + f64::from(eps)).sqrt();
            row.iter().zip(weight).map(move |(&x, &weight)| {
                let (factor, terms) = kind.factor(weight);
                let normed = f64::from(x) * scale;
                Expected::near(normed * factor, normed.abs() * terms)
            })
        })
        .collect()
}
