//! Root-mean-square normalisation.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::Mapping;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::rms_norm::{Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Buffer, Format, Pass, Scalar, Tensor};

/// What normalised values are multiplied by; a tensor has as many values as a row, in the format of what is normalised.
#[derive(Clone, Copy, Debug)]
pub enum NormWeight<'a> {
    /// Nothing.
    None,
    /// The weight of their column.
    Times(&'a Tensor),
    /// One more than that, as Gemma's files have it in `safetensors`.
    TimesOnePlus(&'a Tensor),
}

impl<'a> From<&'a Tensor> for NormWeight<'a> {
    fn from(weight: &'a Tensor) -> Self {
        NormWeight::Times(weight)
    }
}

impl NormWeight<'_> {
    /// `WEIGHT` of the kernels, of the values of `mettle/norm.h`.
    pub(super) fn kind(self) -> u32 {
        match self {
            NormWeight::None => 0,
            NormWeight::Times(_) => 1,
            NormWeight::TimesOnePlus(_) => 2,
        }
    }

    /// The weights of rows of `columns`, or what is bound in their place.
    pub(super) fn values<T: Scalar>(
        self,
        op: Op,
        argument: &'static str,
        columns: usize,
        unused: impl FnOnce() -> Result<Buffer<T>>,
    ) -> Result<Buffer<T>> {
        match self {
            NormWeight::None => unused(),
            NormWeight::Times(weight) | NormWeight::TimesOnePlus(weight) => {
                op.vector(argument, weight, columns)
            }
        }
    }
}

/// `out[r, :] = x[r, :] * weight / sqrt(mean(x[r, :]^2) + eps)` for every row; all F32, F16 or BF16, `x` and `out` of the same rows
/// and columns. `out` may have gaps between its rows.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes,
/// gaps elsewhere, or an `eps` that is negative or no number; those of the launch, when `out` shares memory with an input among others:
/// see [`rms_norm_assign`].
pub fn rms_norm<'a>(
    pass: &mut Pass,
    x: &Tensor,
    weight: impl Into<NormWeight<'a>>,
    eps: f32,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, weight.into(), eps, Order::Same, out)
}

/// [`rms_norm()`] of `x` of `[tokens, heads, head_size]` into `out` of `[heads, tokens, head_size]`, with or without gaps.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn rms_norm_permuted<'a>(
    pass: &mut Pass,
    x: &Tensor,
    weight: impl Into<NormWeight<'a>>,
    eps: f32,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, mapping, x, weight.into(), eps, Order::Permuted, out)
}

/// [`rms_norm()`] in place. For the norm of each head, `x` is `[tokens, heads, head_size]`.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn rms_norm_assign<'a>(
    pass: &mut Pass,
    x: &mut Tensor,
    weight: impl Into<NormWeight<'a>>,
    eps: f32,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_assign(pass, mapping, x, weight.into(), eps)
}

/// `out = silu(z) * rms_norm(x)`, the norm behind linear attention; `z` is as `x`, and `out` may have gaps between its rows.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn rms_norm_gated<'a>(
    pass: &mut Pass,
    x: &Tensor,
    weight: impl Into<NormWeight<'a>>,
    eps: f32,
    z: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_gated(pass, mapping, x, weight.into(), eps, z, out)
}

/// `out[r] = sum(x[r, :]^2)` for every row: `x` F32, F16 or BF16, `out` F32 of as many values as `x` has rows.
///
/// # Errors
/// As for [`rms_norm()`].
pub fn sum_squares(pass: &mut Pass, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped_sum_squares(pass, mapping, x, out)
}

/// Where rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Same,
    /// Row `(i, j)` to row `(j, i)`.
    Permuted,
}

fn mapped(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    weight: NormWeight<'_>,
    eps: f32,
    order: Order,
    out: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("rms_norm");
    let params = Params {
        eps: OP.eps(eps)?,
        ..placed(OP, x, order, out)?
    };
    let (rows, columns) = (x.rows(), x.columns());
    by_float_format!(OP, "x", x.format(), Kernel in rms_norm::{F32, F16, Bf16} => {
        let values = OP.values("x", x)?;
        let kernel = Kernel {
            weight: &weight.values(OP, "weight", columns, || Ok(values.clone()))?,
            x: &values,
            out: &mut OP.strided("out", out, rows, columns)?,
            params,
            constants: constants(mapping, weight),
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

fn mapped_assign(
    pass: &mut Pass,
    mapping: Mapping,
    x: &mut Tensor,
    weight: NormWeight<'_>,
    eps: f32,
) -> Result<()> {
    const OP: Op = Op("rms_norm_assign");
    let params = Params {
        eps: OP.eps(eps)?,
        ..params(OP, x)?
    };
    let (rows, columns) = (x.rows(), x.columns());
    by_float_format!(OP, "x", x.format(), Kernel in rms_norm::{AssignF32, AssignF16, AssignBf16} => {
        let kernel = Kernel {
            x: &mut OP.values("x", x)?,
            weight: &weight.values(OP, "weight", columns, || Ok(pass.scratch(1)?))?,
            params,
            constants: constants(mapping, weight),
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

fn mapped_gated(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    weight: NormWeight<'_>,
    eps: f32,
    z: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("rms_norm_gated");
    let params = Params {
        eps: OP.eps(eps)?,
        ..placed(OP, x, Order::Same, out)?
    };
    let (rows, columns) = (x.rows(), x.columns());
    by_float_format!(OP, "x", x.format(), Kernel in rms_norm::{GatedF32, GatedF16, GatedBf16} => {
        let values = OP.values("x", x)?;
        let kernel = Kernel {
            weight: &weight.values(OP, "weight", columns, || Ok(values.clone()))?,
            x: &values,
            z: &OP.matrix("z", z, rows, columns)?,
            out: &mut OP.strided("out", out, rows, columns)?,
            params,
            constants: constants(mapping, weight),
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

fn mapped_sum_squares(
    pass: &mut Pass,
    mapping: Mapping,
    x: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    const OP: Op = Op("sum_squares");
    let params = params(OP, x)?;
    let (rows, columns) = (x.rows(), x.columns());
    by_float_format!(OP, "x", x.format(), Kernel in rms_norm::{SumSquaresF32, SumSquaresF16, SumSquaresBf16} => {
        let kernel = Kernel {
            x: &OP.values("x", x)?,
            out: &mut OP.vector("out", out, rows)?,
            params,
            // Nothing is weighted; the constants are those of code that is there anyway.
            constants: Constants { row_per_thread: mapping.row_per_thread(), weight: 1 },
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

/// The parameters for rows one behind the other, but for eps.
fn params(op: Op, x: &Tensor) -> Result<Params> {
    op.size("x", x.rows())?;
    let columns = op.size("x", x.columns())?;
    Ok(Params {
        columns,
        eps: 0.0,
        inner: 1,
        outer_stride: columns,
        inner_stride: 0,
    })
}

/// The parameters for rows that go to `out`, but for eps.
fn placed(op: Op, x: &Tensor, order: Order, out: &Tensor) -> Result<Params> {
    let dense = params(op, x)?;
    let stride = |dimension| {
        let values = out.stride_bytes(dimension) / out.format().block_bytes();
        op.size("out", values)
    };
    let (from, to) = (x.shape().dims(), out.shape().dims());
    match (order, to) {
        (Order::Permuted, &[heads, tokens, size]) if *from == [tokens, heads, size] => Ok(Params {
            inner: op.size("x", heads)?,
            outer_stride: stride(1)?,
            inner_stride: stride(0)?,
            ..dense
        }),
        (Order::Permuted, _) => {
            let (x, out) = (x.shape(), out.shape());
            let reason = format!("has shape {out}, must have that of x, {x}, with heads first");
            Err(op.refuse("out", reason))
        }
        (Order::Same, _) if out.is_dense() => Ok(dense),
        (Order::Same, &[_, _]) => Ok(Params {
            outer_stride: stride(0)?,
            ..dense
        }),
        (Order::Same, &[_, inner, _]) => Ok(Params {
            inner: op.size("out", inner)?,
            outer_stride: stride(0)?,
            inner_stride: stride(1)?,
            ..dense
        }),
        (Order::Same, _) => Err(op.refuse("out", "has gaps in more than three dimensions")),
    }
}

fn constants(mapping: Mapping, weight: NormWeight<'_>) -> Constants {
    Constants {
        row_per_thread: mapping.row_per_thread(),
        weight: weight.kind(),
    }
}

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
pub(super) enum Kind {
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
            run.pass(|pass| mapped_gated(pass, mapping, &xs, by, EPS, &zs, &mut out))?;
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

fn squares(row: &[f32]) -> f64 {
    row.iter().map(|&x| f64::from(x).powi(2)).sum()
}

/// Rows of as many values as there are weights, normalised and weighted.
pub(super) fn reference(x: &[f32], weight: &[f32], eps: f32) -> Vec<Expected> {
    weighted(x, Kind::Times, weight, eps)
}

fn weighted(x: &[f32], kind: Kind, weight: &[f32], eps: f32) -> Vec<Expected> {
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
