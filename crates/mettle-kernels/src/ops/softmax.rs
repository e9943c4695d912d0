//! Softmax over rows.

use super::check::{FLOATS, Op, by_float_format};
use super::mapping::Mapping;
use crate::bench::{Benches, Work};
use crate::bindings::softmax::{Constants, Params};
use crate::cases::{Cases, Expected, Family, Run, Tolerance};
use crate::{Error, Result};
use mettle_gpu::{Buffer, Format, Pass, Tensor};

/// `out[r, :] = softmax(x[r, :])` for every row, of any length; F32, F16 or BF16, both of the same format, rows and columns. Entries of minus
/// infinity get zero; a row of nothing else gets NaN.
///
/// # Errors
/// [`Error::Unsupported`] for other formats; [`Error::Argument`] for other shapes or gaps; those of the launch, when `out`
/// shares memory with `x` among others.
pub fn softmax(pass: &mut Pass, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    mapped(pass, Op("softmax"), mapping, x, 1.0, None, out)
}

/// `out[r, :] = softmax(scale * x[r, :] + mask[r % n, :])` for every row, `n` being the rows of the mask: those of attention scores
/// `[heads, queries, keys]`, where all heads have the same mask of `[queries, keys]`. A mask of F32, F16 or BF16 is added; one of U8 is zero
/// where entries do not count. Otherwise this is [`softmax()`].
///
/// # Errors
/// As for [`softmax()`], and [`Error::Argument`] for a mask whose rows those of `x` are not a multiple of, or a scale that is not above zero.
pub fn scale_mask_softmax(
    pass: &mut Pass,
    x: &Tensor,
    scale: f32,
    mask: &Tensor,
    out: &mut Tensor,
) -> Result<()> {
    let mapping = Mapping::of(pass.device());
    let op = Op("scale_mask_softmax");
    mapped(pass, op, mapping, x, scale, Some(mask), out)
}

fn mapped(
    pass: &mut Pass,
    op: Op,
    mapping: Mapping,
    x: &Tensor,
    scale: f32,
    mask: Option<&Tensor>,
    out: &mut Tensor,
) -> Result<()> {
    let (rows, columns) = (x.rows(), x.columns());
    op.size("x", rows)?;
    if !(scale > 0.0 && scale.is_finite()) {
        return Err(op.refuse("scale", format!("is {scale}, must be above zero")));
    }
    let mask_rows = mask.map_or(1, Tensor::rows);
    if mask_rows == 0 || !rows.is_multiple_of(mask_rows) {
        let reason = format!("has {mask_rows} rows, must have a divisor of the {rows} of x");
        return Err(op.refuse("mask", reason));
    }
    let params = Params {
        columns: op.size("x", columns)?,
        mask_rows: op.size("mask", mask_rows)?,
        scale,
    };
    let constants = Constants {
        row_per_thread: mapping.row_per_thread(),
        mask: mask.map_or(Ok(0), |mask| kind_of_mask(op, mask))?,
    };
    let of_mask = match mask {
        Some(mask) => Some(mask_values(op, mask, mask_rows, columns)?),
        None => None,
    };
    by_float_format!(op, "x", x.format(), Kernel in softmax::{F32, F16, Bf16} => {
        let values = op.values("x", x)?;
        let kernel = Kernel {
            mask: &match of_mask {
                Some(mask) => mask,
                // Not read.
                None => values.cast()?,
            },
            x: &values,
            out: &mut op.matrix("out", out, rows, columns)?,
            params,
            constants,
        };
        Ok(pass.dispatch(kernel, mapping.rows(rows, columns))?)
    })
}

/// `MASK` of the kernels, of the values of `mettle/mask.h`.
pub(super) fn kind_of_mask(op: Op, mask: &Tensor) -> Result<u32> {
    match mask.format() {
        Format::F32 => Ok(1),
        Format::F16 => Ok(2),
        Format::BF16 => Ok(3),
        Format::U8 => Ok(4),
        format => Err(Error::Unsupported {
            op: op.0,
            reason: format!("a mask of {format}; there are F32, F16, BF16 and U8"),
        }),
    }
}

/// The bytes of a mask of `rows` x `columns` without gaps.
pub(super) fn mask_values(
    op: Op,
    mask: &Tensor,
    rows: usize,
    columns: usize,
) -> Result<Buffer<u8>> {
    if (mask.rows(), mask.columns()) != (rows, columns) {
        let shape = mask.shape();
        let reason = format!("has shape {shape}, must have {rows} rows of {columns}");
        return Err(op.refuse("mask", reason));
    }
    op.dense("mask", mask)?;
    Ok(mask.bytes().clone())
}

/// The cases of `softmax.metal`: one value, less than a sixteen, rows that end within a sixteen, rows longer than any
/// fixed scratch, masked entries, values whose exponentials overflow, and masks of every kind.
pub(crate) fn family() -> Family {
    Family::new("softmax", Tolerance::ELEMENTWISE, |cases| {
        for mapping in Mapping::ALL {
            for (format, _) in FLOATS {
                let shapes: &[[usize; 2]] = match format {
                    Format::F32 => &[[1, 1], [3, 7], [4, 32], [9, 100], [1, 4097], [2, 20000]],
                    _ => &[[1, 1], [9, 100], [1, 1030]],
                };
                for &[rows, columns] in shapes {
                    let name = format!("rows{rows}_columns{columns}");
                    add_case(cases, mapping, format, [rows, columns], &name, None, |_| ());
                }
                add_case(cases, mapping, format, [3, 50], "masked", None, |x| {
                    for (i, x) in x.iter_mut().enumerate() {
                        *x = if i % 3 == 0 {
                            f32::NEG_INFINITY
                        } else {
                            1000.0 + *x
                        };
                    }
                    x[100..].fill(f32::NEG_INFINITY);
                });
            }
            for mask in [Format::F32, Format::F16, Format::BF16, Format::U8] {
                let name = format!("mask_{mask}").to_lowercase();
                let shape = [6, 75];
                let format = Format::F32;
                add_case(cases, mapping, format, shape, &name, Some(mask), |_| ());
            }
            let mask = Some(Format::BF16);
            let shape = [4, 600];
            add_case(
                cases,
                mapping,
                Format::BF16,
                shape,
                "mask_bf16",
                mask,
                |_| (),
            );
        }
    })
    .benches(benches)
}

/// Every row has a mask in common with the one two behind it.
const MASK_ROWS: usize = 2;
const SCALE: f32 = 0.3;

fn add_case(
    cases: &mut Cases,
    mapping: Mapping,
    format: Format,
    [rows, columns]: [usize; 2],
    name: &str,
    mask: Option<Format>,
    change: fn(&mut [f32]),
) {
    let kernel = format!("softmax_{}", format.name().to_lowercase());
    let name = format!("{}_{name}", mapping.name());
    cases.add(kernel, name, move |run: &mut Run<'_>| {
        let mut x = run.rng().normal(rows * columns);
        change(&mut x);
        let (xs, x) = run.rounded(format, &x, [rows, columns])?;
        let mut out = run.output(format, [rows, columns])?;
        let (masks, values) = match mask {
            None => (None, vec![0.0; MASK_ROWS * columns]),
            Some(mask) => {
                let (masks, values) = random_mask(run, mask, [MASK_ROWS, columns])?;
                (Some(masks), values)
            }
        };
        let scale = if mask.is_some() { SCALE } else { 1.0 };
        let op = Op("softmax");
        run.pass(|pass| mapped(pass, op, mapping, &xs, scale, masks.as_ref(), &mut out))?;
        run.check(&out, || reference(&x, scale, &values, columns))
    });
}

/// A mask of a format, of which about a quarter does not count, and what it adds to scores.
pub(super) fn random_mask(
    run: &mut Run<'_>,
    format: Format,
    [rows, columns]: [usize; 2],
) -> Result<(Tensor, Vec<f32>)> {
    let mut values = run.rng().normal(rows * columns);
    for (i, value) in values.iter_mut().enumerate() {
        // Never a whole row.
        if *value > 0.7 && i % columns != columns / 2 {
            *value = f32::NEG_INFINITY;
        }
    }
    if format != Format::U8 {
        return run.rounded(format, &values, [rows, columns]);
    }
    let bytes: Vec<u8> = values.iter().map(|v| u8::from(v.is_finite())).collect();
    let added = |&byte: &u8| if byte == 0 { f32::NEG_INFINITY } else { 0.0 };
    let added = bytes.iter().map(added).collect();
    Ok((run.input(&bytes, [rows, columns])?, added))
}

/// Rows of attention scores, with and without a mask, and one of logits.
fn benches(benches: &mut Benches) {
    for (format, suffix) in FLOATS {
        for (rows, columns) in [(512, 4096), (1, 151_936)] {
            let n = rows * columns;
            benches.add(
                format!("softmax_{suffix}"),
                format!("rows{rows}_columns{columns}"),
                Work::new(2 * n * format.block_bytes(), 5 * n),
                move |setup| {
                    let x = setup.values_as(format, [rows, columns])?;
                    let mut out = setup.output(format, [rows, columns])?;
                    Ok(Box::new(move |pass| softmax(pass, &x, &mut out)))
                },
            );
        }
    }
    let (heads, queries, keys) = (8, 64, 4096);
    let n = heads * queries * keys;
    benches.add(
        "softmax_f32",
        format!("heads{heads}_queries{queries}_keys{keys}_mask"),
        Work::new(8 * n + 2 * queries * keys, 7 * n),
        move |setup| {
            let x = setup.values([heads, queries, keys])?;
            let mask = setup.values_as(Format::BF16, [queries, keys])?;
            let mut out = setup.output(Format::F32, [heads, queries, keys])?;
            Ok(Box::new(move |pass| {
                scale_mask_softmax(pass, &x, SCALE, &mask, &mut out)
            }))
        },
    );
}

fn reference(x: &[f32], scale: f32, mask: &[f32], columns: usize) -> Vec<Expected> {
    let masks = mask.chunks_exact(columns).cycle();
    x.chunks_exact(columns)
        .zip(masks)
        .flat_map(|(row, mask)| {
            let score =
                |(&x, &mask): (&f32, &f32)| f64::from(scale) * f64::from(x) + f64::from(mask);
            let scores: Vec<f64> = row.iter().zip(mask).map(score).collect();
            let highest = scores.iter().fold(f64::NEG_INFINITY, |m, &s| m.max(s));
            let total: f64 = scores.iter().map(|s| (s - highest).exp()).sum();
            scores.into_iter().map(move |score| {
                let value = (score - highest).exp() / total;
                Expected::near(value, value)
            })
        })
        .collect()
}
