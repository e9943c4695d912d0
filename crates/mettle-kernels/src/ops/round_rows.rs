//! Activations made ready for products of 16-bit numbers.

use super::check::Op;
use super::mul_mm::Memory;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::round_rows::{Bf16, F16, F16F16, Params};
use crate::cases::{Cases, Expected, Family, Tolerance};
use half::{bf16, f16};
use mettle_gpu::{Buffer, Format, Grid, Pass, Tensor};

const OP: Op = Op("round_rows");

/// Values that rows are padded to a multiple of: `DEPTH` of `mul_mm.metal`.
const COLUMN_STEP: usize = 32;

/// Values that a thread reads and writes together: `FOUR` of `round_rows.metal`.
const FOUR: usize = 4;

/// Values of a row for each thread of the threadgroup that makes it: `FOUR * KEPT` of `round_rows.metal`.
const VALUES_OF_THREAD: usize = 16;

/// Threads of a threadgroup, at most.
const MOST_THREADS: usize = 512;

/// What activations are rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// One half, of rows that are scaled by powers of two: 11 bits, whatever the range of the row.
    Half,
    /// The sum of two bfloats: 17 bits with the range of f32.
    TwoBfloats,
}

impl Operand {
    pub(super) fn planes(self) -> usize {
        match self {
            Operand::Half => 1,
            Operand::TwoBfloats => 2,
        }
    }
}

/// Rows rounded by [`round_rows`].
pub(super) struct Rounded {
    /// The bits of halves or bfloats: `[planes, rows, stride]`.
    pub values: Buffer<u16>,
    /// What each row's values are to be multiplied with: `[rows]`.
    pub scale: Buffer<f32>,
    /// Values from one row to the next.
    pub stride: usize,
    /// Rows, those of zeros included.
    pub rows: usize,
}

impl Rounded {
    /// Rows and values from one to the next of rounded `[m, k]`.
    fn shape([m, k]: [usize; 2], row_step: usize) -> [usize; 2] {
        [
            m.next_multiple_of(row_step),
            k.next_multiple_of(COLUMN_STEP),
        ]
    }

    /// Bytes of values and of scales.
    pub fn bytes(operand: Operand, shape: [usize; 2], row_step: usize) -> [usize; 2] {
        let [rows, stride] = Rounded::shape(shape, row_step);
        [
            operand.planes() * rows * stride * size_of::<u16>(),
            rows * size_of::<f32>(),
        ]
    }
}

/// Rounds the f32 `x`, `[m, k]`, or for [`Operand::Half`] that of F16, with or without gaps between its rows. What it returns has a multiple of `row_step` rows and of [`COLUMN_STEP`] columns, with zeros
/// beyond `x`, and takes [`Rounded::bytes`] of the memory.
pub(super) fn round_rows(
    pass: &mut Pass,
    operand: Operand,
    x: &Tensor,
    row_step: usize,
    memory: &mut Memory,
) -> Result<Rounded> {
    let [rows, stride] = Rounded::shape([x.rows(), x.columns()], row_step);
    let rounded = Rounded {
        values: memory.take(pass, operand.planes() * rows * stride)?,
        scale: memory.take(pass, rows)?,
        stride,
        rows,
    };
    round(pass, operand, x, rounded)
}

fn round(pass: &mut Pass, operand: Operand, x: &Tensor, rounded: Rounded) -> Result<Rounded> {
    let (m, k) = (x.rows(), x.columns());
    let Rounded {
        values,
        mut scale,
        stride,
        rows,
    } = rounded;
    let step = OP.row_stride("x", x)?;
    let fours = FOUR * x.format().block_bytes();
    let params = Params {
        rows: OP.size("x", m)?,
        padded: OP.size("x", rows)?,
        columns: OP.size("x", k)?,
        stride: OP.size("x", stride)?,
        step,
        aligned: ((step as usize).is_multiple_of(FOUR) && x.bytes().alignment() >= fours).into(),
    };
    let threads = stride.div_ceil(VALUES_OF_THREAD).next_multiple_of(32);
    let grid = Grid::rows(rows).threads(threads.min(MOST_THREADS));
    match (operand, x.format()) {
        (Operand::Half, Format::F16) => {
            let kernel = F16F16 {
                x: &OP.strided("x", x, m, k)?,
                out: &mut values.cast::<f16>()?,
                scale: &mut scale,
                params,
            };
            pass.dispatch(kernel, grid)?;
        }
        (Operand::Half, _) => {
            let kernel = F16 {
                x: &OP.strided("x", x, m, k)?,
                out: &mut values.cast::<f16>()?,
                scale: &mut scale,
                params,
            };
            pass.dispatch(kernel, grid)?;
        }
        (Operand::TwoBfloats, _) => {
            let kernel = Bf16 {
                x: &OP.strided("x", x, m, k)?,
                out: &mut values.cast::<bf16>()?,
                scale: &mut scale,
                params,
            };
            pass.dispatch(kernel, grid)?;
        }
    }
    Ok(Rounded {
        values,
        scale,
        stride,
        rows,
    })
}

/// The cases of `round_rows.metal`: rows of one value, of whole and broken steps, more than a threadgroup's threads keep, and
/// values from subnormal numbers to infinity.
pub(crate) fn family() -> Family {
    Family::new("round_rows", Tolerance::EXACT, |cases| {
        for (m, k) in [(1, 1), (3, 45), (64, 32), (5, 1037), (1, 8228)] {
            add(cases, Operand::Half, Format::F32, m, k);
            add(cases, Operand::Half, Format::F16, m, k);
            add(cases, Operand::TwoBfloats, Format::F32, m, k);
        }
    })
    .benches(benches)
}

/// A prompt at the width of a model of eight thousand million weights.
fn benches(benches: &mut Benches) {
    let (m, k) = (512, 4096);
    for (operand, format) in [
        (Operand::Half, Format::F32),
        (Operand::Half, Format::F16),
        (Operand::TwoBfloats, Format::F32),
    ] {
        let bytes = format.block_bytes() + 2 * operand.planes();
        let work = Work::new(m * k * bytes, m * k);
        let kernel = kernel_name(operand, format);
        benches.add(kernel, format!("m{m}_k{k}"), work, move |setup| {
            let x = setup.values_as(format, [m, k])?;
            Ok(Box::new(move |pass| {
                round_rows(pass, operand, &x, 64, &mut Memory::Buffers).map(|_| ())
            }))
        });
    }
}

/// The kernel for `x` of a format.
fn kernel_name(operand: Operand, format: Format) -> &'static str {
    match (operand, format) {
        (Operand::Half, Format::F16) => "round_rows_f16_f16",
        (Operand::Half, _) => "round_rows_f16",
        (Operand::TwoBfloats, _) => "round_rows_bf16",
    }
}

fn add(cases: &mut Cases, operand: Operand, given: Format, m: usize, k: usize) {
    let kernel = kernel_name(operand, given);
    cases.add(kernel, format!("m{m}_k{k}"), move |run| {
        let mut values = run.rng().activations(m * k);
        // Rows of all sizes that floats have; in the last one, values that are none.
        for (row, values) in values.chunks_exact_mut(k).enumerate() {
            let scale = match given {
                // Subnormal halves and large ones.
                Format::F16 => [1.0, 1e3, 1e-6, 1e-7, 1e2][row % 5],
                _ => [1.0, 1e6, 1e-6, 1e-42, 1e36][row % 5],
            };
            values.iter_mut().for_each(|value| *value *= scale);
        }
        if m > 4 {
            values[(m - 1) * k] = f32::INFINITY;
            values[m * k - 1] = f32::NAN;
        }
        let (x, values) = run.rounded(given, &values, [m, k])?;
        let mut rounded = None;
        run.pass(|pass| {
            rounded = Some(round_rows(pass, operand, &x, 4, &mut Memory::Buffers)?);
            Ok(())
        })?;
        let Some(rounded) = rounded else {
            return Ok(());
        };
        let rows = rounded.rows;
        let expected = expected(operand, &values, k, rounded.stride, rows);
        let format = match operand {
            Operand::Half => Format::F16,
            Operand::TwoBfloats => Format::BF16,
        };
        let shape = [operand.planes() * rows, rounded.stride];
        let out = Tensor::from_buffer(rounded.values.cast::<u8>()?, format, shape)?;
        run.check(&out, || expected.0)?;
        let scale = Tensor::from_buffer(rounded.scale.cast::<u8>()?, Format::F32, [rows])?;
        run.check(&scale, || expected.1)
    });
}

/// The values and the scales that rounding gives, in f64: every step is exact or one rounding.
fn expected(
    operand: Operand,
    x: &[f32],
    k: usize,
    stride: usize,
    rows: usize,
) -> (Vec<Expected>, Vec<Expected>) {
    let plane = rows * stride;
    let mut values = vec![Expected::exact(0.0); operand.planes() * plane];
    let mut scales = vec![1.0; rows];
    for (r, scale) in scales.iter_mut().enumerate() {
        let x = x.chunks_exact(k).nth(r).unwrap_or(&[]);
        if operand == Operand::Half {
            let largest = x
                .iter()
                .fold(0.0f32, |largest, value| largest.max(value.abs()));
            let finite = x.iter().all(|value| value.is_finite());
            // At least the smallest normal number.
            *scale = if finite {
                (f64::from(largest).log2().floor() - 14.0)
                    .max(-126.0)
                    .exp2()
            } else {
                1.0
            };
        }
        for (i, &value) in x.iter().enumerate() {
            let at = r * stride + i;
            match operand {
                Operand::Half => {
                    let scaled = f16::from_f64(f64::from(value) / *scale);
                    values[at] = Expected::exact(scaled.to_f64());
                }
                Operand::TwoBfloats => {
                    let large = bf16::from_f32(value);
                    let rest = if large.is_infinite() {
                        0.0
                    } else {
                        value - large.to_f32()
                    };
                    values[at] = Expected::exact(large.to_f64());
                    values[plane + at] = Expected::exact(bf16::from_f32(rest).to_f64());
                }
            }
        }
    }
    let scales = scales.into_iter().map(Expected::exact).collect();
    (values, scales)
}
