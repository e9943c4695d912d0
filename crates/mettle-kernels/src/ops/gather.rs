//! Rows chosen by index.

use super::check::Op;
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::gather::{self, Params};
use crate::cases::{Expected, Family, Run, Tolerance};
use mettle_gpu::{Format, Grid, Pass, Tensor};

const OP: Op = Op("gather");

/// `out[t, :] = x[ids[t], :]`, as stored: `x` is `[rows, columns]` of any format, `ids` u32 `[n]`, `out` `[n, columns]` of the format of
/// `x`. An id that `x` does not have gives bytes of ones, a row of NaN in formats of floating-point numbers: the host cannot check what a
/// kernel computed. See [`embedding()`](super::embedding()) for rows decoded to f32.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for another format of `out`, other shapes, or gaps; those of the launch, when `out` shares
/// memory with an input among others.
pub fn gather(pass: &mut Pass, x: &Tensor, ids: &Tensor, out: &mut Tensor) -> Result<()> {
    let (rows, columns, n) = (x.rows(), x.columns(), ids.len());
    OP.dense("x", x)?;
    OP.dense("out", out)?;
    OP.size("ids", n)?;
    if out.format() != x.format() {
        let (of_out, of_x) = (out.format(), x.format());
        let reason = format!("has format {of_out}, must have that of x, {of_x}");
        return Err(OP.refuse("out", reason));
    }
    if (out.rows(), out.columns()) != (n, columns) {
        let reason = format!("has shape {}, must have {n} rows of {columns}", out.shape());
        return Err(OP.refuse("out", reason));
    }
    let ids = &OP.values("ids", ids)?;
    let aligned = x.bytes().alignment().min(out.bytes().alignment());
    let word = [16, 4, 2, 1]
        .into_iter()
        .find(|&size| aligned >= size && x.row_bytes().is_multiple_of(size))
        .unwrap_or(1);
    let words = x.row_bytes() / word;
    let params = Params {
        rows: OP.size("x", rows)?,
        words: OP.size("x", words)?,
    };
    let grid = Grid::threads_total([words, n]).threads([words.min(256), 1]);
    macro_rules! dispatch {
        ($kernel:ident) => {{
            let kernel = gather::$kernel {
                x: &x.bytes().cast()?,
                ids,
                out: &mut out.bytes().cast()?,
                params,
            };
            pass.dispatch(kernel, grid)?;
        }};
    }
    match word {
        16 => dispatch!(U32x4),
        4 => dispatch!(U32),
        2 => dispatch!(U16),
        _ => dispatch!(U8),
    }
    Ok(())
}

/// The cases of `gather.metal`: words of each size, one row, repeated rows, rows longer than a threadgroup, and ids that there are not.
pub(crate) fn family() -> Family {
    Family::new("gather", Tolerance::EXACT, |cases| {
        for (kernel, format, columns) in [
            ("gather_u32", Format::F32, 7),
            ("gather_u32", Format::F16, 602),
            ("gather_u32x4", Format::F32, 8),
            ("gather_u32x4", Format::F16, 600),
            ("gather_u16", Format::F16, 77),
            ("gather_u16", Format::Q8_0, 32),
            ("gather_u8", Format::U8, 301),
        ] {
            let mut add = |name: &str, rows: usize, ids: &'static [u32]| {
                let name = format!("{name}_{}_columns{columns}", format.name().to_lowercase());
                cases.add(kernel, name, move |run| {
                    check(run, format, rows, columns, ids)
                });
            };
            add("one", 1, &[0]);
            add("rows", 37, &[0, 36, 5, 5, 17]);
            add("out_of_range", 7, &[6, 7, 0, u32::MAX]);
        }
    })
    .benches(benches)
}

fn check(
    run: &mut Run<'_>,
    format: Format,
    rows: usize,
    columns: usize,
    ids: &[u32],
) -> Result<()> {
    // Rows of a quantised format are compared by the bytes that they consist of.
    let row_bytes = format.row_bytes(columns)?;
    let bytes = run.rng().bytes(rows * row_bytes);
    let bytes: Vec<u8> = bytes.into_iter().map(|byte| byte & 0x3f).collect();
    let xs = run.input(&bytes, [rows, row_bytes])?;
    let xs = Tensor::from_buffer(xs.bytes().clone(), format, [rows, columns])?;
    let out = run.output(Format::U8, [ids.len(), row_bytes])?;
    let mut of_format = Tensor::from_buffer(out.bytes().clone(), format, [ids.len(), columns])?;
    let indices = run.input(ids, [ids.len()])?;
    run.pass(|pass| gather(pass, &xs, &indices, &mut of_format))?;
    run.check(&out, || {
        ids.iter()
            .flat_map(|&id| {
                let row = bytes.chunks_exact(row_bytes).nth(id as usize);
                (0..row_bytes).map(move |i| Expected::exact(row.map_or(0xff, |row| row[i])))
            })
            .collect()
    })
}

/// The rows of a prompt's tokens.
fn benches(benches: &mut Benches) {
    let (rows, columns, n) = (32_768_usize, 1024, 256);
    for (kernel, format, columns) in [
        ("gather_u32x4", Format::F32, columns),
        ("gather_u32", Format::F32, columns + 1),
        ("gather_u16", Format::F16, columns + 1),
        ("gather_u8", Format::U8, columns + 1),
    ] {
        let work = Work::new(2 * n * columns * format.block_bytes(), 0);
        benches.add(
            kernel,
            format!("n{n}_columns{columns}"),
            work,
            move |setup| {
                let x = setup.output(format, [rows, columns])?;
                let ids: Vec<u32> = (0..n).map(|i| (i * 127 % rows) as u32).collect();
                let ids = setup.of(&ids)?;
                let mut out = setup.output(format, [n, columns])?;
                Ok(Box::new(move |pass| gather(pass, &x, &ids, &mut out)))
            },
        );
    }
}
