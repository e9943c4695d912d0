//! Functions of pairs of values.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::Sixteens;
use super::unary::{self, Unary, stored};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::binary::{Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Pass, Tensor};

/// A function of pairs of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `x + y`.
    Add,
    /// `x y`.
    Mul,
    /// `sigmoid(x) y`: see [`Unary::Sigmoid`].
    SigmoidMul,
    /// `silu(x) y`: see [`Unary::Silu`].
    SiluMul,
    /// `gelu(x) y`: see [`Unary::GeluErf`].
    GeluErfMul,
    /// `gelu(x) y`: see [`Unary::GeluTanh`].
    GeluTanhMul,
}

impl Binary {
    /// `FUNCTION` of `binary.metal`.
    fn code(self) -> u32 {
        match self {
            Binary::Add => 0,
            Binary::Mul => 1,
            Binary::SigmoidMul => 2,
            Binary::SiluMul => 3,
            Binary::GeluErfMul => 4,
            Binary::GeluTanhMul => 5,
        }
    }

    /// For the names of cases.
    fn name(self) -> &'static str {
        match self {
            Binary::Add => "add",
            Binary::Mul => "mul",
            Binary::SigmoidMul => "sigmoid_mul",
            Binary::SiluMul => "silu_mul",
            Binary::GeluErfMul => "gelu_erf_mul",
            Binary::GeluTanhMul => "gelu_tanh_mul",
        }
    }
}

/// `out = f(x, y)`, elementwise over F32, F16 or BF16, computed in f32; all of the same format, `x` and `out` of the same rows and
/// columns, `y` too, or one row that serves all. `x` and `y` may have gaps between their rows: `x` and `y` of a gated activation can be
/// the halves of one tensor's rows.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for other formats; [`Error::Argument`](crate::Error::Argument) for other shapes or
/// gaps elsewhere; those of the launch, when `out` shares memory with `x` or `y` among others: see [`binary_assign`].
pub fn binary(pass: &mut Pass, f: Binary, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread(pass, Op("binary"), sixteens, f, x, y, out)
}

/// `x = f(x, y)`: [`binary()`] in place.
///
/// # Errors
/// As for [`binary()`].
pub fn binary_assign(pass: &mut Pass, f: Binary, x: &mut Tensor, y: &Tensor) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread_assign(pass, Op("binary_assign"), sixteens, f, x, y)
}

/// `out = x + y`: [`binary()`] with [`Binary::Add`].
///
/// # Errors
/// As for [`binary()`].
pub fn add(pass: &mut Pass, x: &Tensor, y: &Tensor, out: &mut Tensor) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread(pass, Op("add"), sixteens, Binary::Add, x, y, out)
}

/// `x += y`: [`binary_assign`] with [`Binary::Add`].
///
/// # Errors
/// As for [`binary()`].
pub fn add_assign(pass: &mut Pass, x: &mut Tensor, y: &Tensor) -> Result<()> {
    let sixteens = Sixteens::of(pass.device());
    spread_assign(pass, Op("add_assign"), sixteens, Binary::Add, x, y)
}

fn spread(
    pass: &mut Pass,
    op: Op,
    sixteens: Sixteens,
    f: Binary,
    x: &Tensor,
    y: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let launch = Launch::new(op, sixteens, f, x, y)?;
    by_float_format!(op, "x", x.format(), Kernel in binary::{F32, F16, Bf16} => {
        let kernel = Kernel {
            x: &op.strided("x", x, x.rows(), x.columns())?,
            y: &op.strided("y", y, y.rows(), y.columns())?,
            out: &mut op.matrix("out", out, x.rows(), x.columns())?,
            params: launch.params,
            constants: launch.constants,
        };
        Ok(pass.dispatch(kernel, sixteens.rows(launch.rows, launch.columns))?)
    })
}

fn spread_assign(
    pass: &mut Pass,
    op: Op,
    sixteens: Sixteens,
    f: Binary,
    x: &mut Tensor,
    y: &Tensor,
) -> Result<()> {
    let launch = Launch::new(op, sixteens, f, x, y)?;
    by_float_format!(op, "x", x.format(), Kernel in binary::{AssignF32, AssignF16, AssignBf16} => {
        let kernel = Kernel {
            x: &mut op.strided("x", x, x.rows(), x.columns())?,
            y: &op.strided("y", y, y.rows(), y.columns())?,
            params: launch.params,
            constants: launch.constants,
        };
        Ok(pass.dispatch(kernel, sixteens.rows(launch.rows, launch.columns))?)
    })
}

/// What both kernels take: one long row where each value has its own `y`.
struct Launch {
    rows: usize,
    columns: usize,
    params: Params,
    constants: Constants,
}

impl Launch {
    fn new(op: Op, sixteens: Sixteens, f: Binary, x: &Tensor, y: &Tensor) -> Result<Launch> {
        let one_row = y.rows() == 1 && x.rows() > 1;
        let rows_of_y = if one_row { 1 } else { x.rows() };
        if (y.rows(), y.columns()) != (rows_of_y, x.columns()) {
            let (of_x, of_y) = (x.shape(), y.shape());
            return Err(op.refuse(
                "y",
                format!("has shape {of_y}, must have that of x, {of_x}, or one row of it"),
            ));
        }
        let one_long_row = !one_row && x.is_dense() && y.is_dense();
        let (rows, columns) = if one_long_row {
            (1, x.len())
        } else {
            (x.rows(), x.columns())
        };
        op.size("x", rows)?;
        Ok(Launch {
            rows,
            columns,
            params: Params {
                columns: op.size("x", columns)?,
                x_stride: op.row_stride("x", x)?,
                y_stride: if one_row { 0 } else { op.row_stride("y", y)? },
            },
            constants: Constants {
                function: f.code(),
                interleaved: sixteens.interleaved(),
            },
        })
    }
}

/// Every function, for cases.
const ALL: [Binary; 6] = [
    Binary::Add,
    Binary::Mul,
    Binary::SigmoidMul,
    Binary::SiluMul,
    Binary::GeluErfMul,
    Binary::GeluTanhMul,
];

/// The cases of `binary.metal`: one value, sixteens that end early, several threadgroups, one row of y for all, every function in every
/// format.
pub(crate) fn family() -> Family {
    Family::new("binary", Tolerance::ELEMENTWISE, |cases| {
        for sixteens in Sixteens::ALL {
            for (format, _) in FLOATS {
                for n in [1, 31, 1000, 9001] {
                    let size = Size {
                        rows: 1,
                        columns: n,
                        rows_of_y: 1,
                    };
                    add_cases(cases, sixteens, format, Binary::Add, size, &format!("n{n}"));
                }
                for (rows, columns) in [(3, 1), (5, 40), (70, 17), (2, 4097)] {
                    let size = Size {
                        rows,
                        columns,
                        rows_of_y: 1,
                    };
                    let name = format!("one_row_rows{rows}_columns{columns}");
                    add_cases(cases, sixteens, format, Binary::Mul, size, &name);
                }
                add_bands(cases, sixteens, format);
                for f in ALL {
                    let size = Size {
                        rows: 6,
                        columns: 75,
                        rows_of_y: 6,
                    };
                    add_cases(cases, sixteens, format, f, size, f.name());
                }
            }
        }
    })
    .benches(benches)
}

/// Gates and what they gate as the halves of rows, and a band of a tensor that is changed in place.
fn add_bands(cases: &mut Cases, sixteens: Sixteens, format: Format) {
    let suffix = format.name().to_lowercase();
    let (rows, columns) = (5, 37);
    let halves = move |values: &[f32], half: usize| -> Vec<f32> {
        let rows = values.chunks_exact(2 * columns);
        rows.flat_map(|row| row[half * columns..][..columns].to_vec())
            .collect()
    };
    for f in [Binary::SiluMul, Binary::GeluTanhMul] {
        let name = format!("{}_packed_{}", sixteens.name(), f.name());
        cases.add(format!("binary_{suffix}"), name, move |run| {
            let packed = run.rng().activations(rows * 2 * columns);
            let (packed, values) = run.rounded(format, &packed, [rows, 2 * columns])?;
            let (x, y) = (
                packed.columns_range(0..columns)?,
                packed.columns_range(columns..2 * columns)?,
            );
            let mut out = run.output(format, [rows, columns])?;
            run.pass(|pass| spread(pass, Op("binary"), sixteens, f, &x, &y, &mut out))?;
            run.check(&out, || {
                reference(f, format, &halves(&values, 0), &halves(&values, 1))
            })
        });
    }
    let name = format!("{}_band", sixteens.name());
    cases.add(format!("binary_assign_{suffix}"), name, move |run| {
        let whole = run.rng().activations(rows * 2 * columns);
        let (whole, values) = run.rounded(format, &whole, [rows, 2 * columns])?;
        let y = run.rng().activations(rows * columns);
        let (ys, y) = run.rounded(format, &y, [rows, columns])?;
        let mut x = whole.columns_range(columns..2 * columns)?;
        let f = Binary::Mul;
        run.pass(|pass| spread_assign(pass, Op("binary_assign"), sixteens, f, &mut x, &ys))?;
        run.check(&whole, || {
            let kept = halves(&values, 0);
            let kept = kept.chunks_exact(columns);
            let changed = reference(f, format, &halves(&values, 1), &y);
            let changed = changed.chunks_exact(columns);
            kept.zip(changed)
                .flat_map(|(kept, changed)| {
                    let kept = kept.iter().map(|&kept| Expected::exact(kept));
                    kept.chain(changed.iter().copied()).collect::<Vec<_>>()
                })
                .collect()
        })
    });
}

/// Rows of x and of y, and their columns.
#[derive(Clone, Copy)]
struct Size {
    rows: usize,
    columns: usize,
    rows_of_y: usize,
}

/// Adds a case of each kernel.
fn add_cases(
    cases: &mut Cases,
    sixteens: Sixteens,
    format: Format,
    f: Binary,
    size: Size,
    name: &str,
) {
    let suffix = format.name().to_lowercase();
    let name = format!("{}_{name}", sixteens.name());
    cases.add(format!("binary_{suffix}"), name.clone(), move |run| {
        let (x, y) = operands(run, format, size)?;
        let mut out = run.output(format, [size.rows, size.columns])?;
        run.pass(|pass| spread(pass, Op("binary"), sixteens, f, &x.0, &y.0, &mut out))?;
        run.check(&out, || reference(f, format, &x.1, &y.1))
    });
    cases.add(format!("binary_assign_{suffix}"), name, move |run| {
        let (mut x, y) = operands(run, format, size)?;
        run.pass(|pass| spread_assign(pass, Op("binary_assign"), sixteens, f, &mut x.0, &y.0))?;
        run.check(&x.0, || reference(f, format, &x.1, &y.1))
    });
}

/// A tensor and the values it holds.
type Operand = (Tensor, Vec<f32>);

fn operands(run: &mut Run<'_>, format: Format, size: Size) -> Result<(Operand, Operand)> {
    let mut operand = |rows: usize| {
        let values = run.rng().activations(rows * size.columns);
        run.rounded(format, &values, [rows, size.columns])
    };
    Ok((operand(size.rows)?, operand(size.rows_of_y)?))
}

/// One long row, from a residual stream to memory-bound, and the hidden layers of one token and of a prompt.
fn benches(benches: &mut Benches) {
    for n in [12_288, 1 << 22] {
        let work = Work::new(12 * n, 5 * n);
        let shape = format!("silu_mul_n{n}");
        benches.add("binary_f32", shape, work, move |setup| {
            let (x, y) = (setup.values([n])?, setup.values([n])?);
            let mut out = setup.output(Format::F32, [n])?;
            Ok(Box::new(move |pass| {
                binary(pass, Binary::SiluMul, &x, &y, &mut out)
            }))
        });
    }
    for (format, suffix) in FLOATS {
        let long = 1 << 22;
        let sizes = if format == Format::F32 {
            vec![4096, long]
        } else {
            vec![long]
        };
        for n in sizes {
            let work = Work::new(3 * n * format.block_bytes(), n);
            benches.add(
                format!("binary_{suffix}"),
                format!("n{n}"),
                work,
                move |setup| {
                    let (x, y) = (setup.values_as(format, [n])?, setup.values_as(format, [n])?);
                    let mut out = setup.output(format, [n])?;
                    Ok(Box::new(move |pass| add(pass, &x, &y, &mut out)))
                },
            );
            benches.add(
                format!("binary_assign_{suffix}"),
                format!("n{n}"),
                work,
                move |setup| {
                    let (mut x, y) = (setup.values_as(format, [n])?, setup.values_as(format, [n])?);
                    Ok(Box::new(move |pass| add_assign(pass, &mut x, &y)))
                },
            );
        }
    }
}

fn reference(f: Binary, format: Format, x: &[f32], y: &[f32]) -> Vec<Expected> {
    let gate = |gate: Unary, x: f32, y: f64| {
        let of_x = unary::reference(gate, x);
        Expected::near(of_x.value() * y, of_x.magnitude() * y.abs())
    };
    let pairs = x.iter().zip(y.iter().cycle());
    pairs
        .map(|(&x, &y)| {
            let (wide_x, y) = (f64::from(x), f64::from(y));
            stored(
                format,
                match f {
                    Binary::Add => Expected::near(wide_x + y, wide_x.abs() + y.abs()),
                    Binary::Mul => Expected::near(wide_x * y, (wide_x * y).abs()),
                    Binary::SigmoidMul => gate(Unary::Sigmoid, x, y),
                    Binary::SiluMul => gate(Unary::Silu, x, y),
                    Binary::GeluErfMul => gate(Unary::GeluErf, x, y),
                    Binary::GeluTanhMul => gate(Unary::GeluTanh, x, y),
                },
            )
        })
        .collect()
}
