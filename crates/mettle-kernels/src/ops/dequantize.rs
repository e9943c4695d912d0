//! The launch that makes halves of weights in blocks, for products of many columns.

use super::check::Op;
use super::mapping::{WIDE, affine_constants, label};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::FORMATS;
use crate::bindings::dequantize::{self, Params};
use crate::bindings::dequantize_affine;
use crate::cases::{Cases, Expected, Family, Run, Scales, Tolerance, all_bytes};
use half::f16;
use mettle_gpu::{Buffer, Format, Grid, Pass, Tensor};

/// What cases and bench entries are of.
const OP: Op = Op("mul_mat");

/// Threads of a threadgroup, at most.
const THREADS: usize = 256;

/// `out = w` for an op, each value rounded to half, those beyond 65504 to infinity: `w` is in blocks and dense, `out` has its shape.
pub(super) fn dequantize(pass: &mut Pass, op: Op, w: &Tensor, out: &mut Buffer<f16>) -> Result<()> {
    let params = Params {
        columns: op.size("w", w.columns())?,
    };
    let sixteens = w.columns() / WIDE;
    let threads = sixteens.next_multiple_of(32).min(THREADS);
    let grid = Grid::groups([w.rows(), sixteens.div_ceil(threads)]).threads(threads);
    if let Format::Affine(affine) = w.format() {
        let (bits, group, bf16) = affine_constants(affine);
        let kernel = dequantize_affine::Kernel {
            w: &w.bytes().cast()?,
            out,
            params: bytemuck::cast(params),
            constants: dequantize_affine::Constants { bits, group, bf16 },
        };
        return Ok(pass.dispatch(kernel, grid)?);
    }
    let kernel = dequantize::KernelOf::of(w.format());
    let kernel = dequantize::Kernel {
        kernel: kernel.ok_or_else(|| op.no_kernel_for(w.format()))?,
        w: w.bytes(),
        out,
        params,
    };
    Ok(pass.dispatch(kernel, grid)?)
}

/// The kernel's name, for cases and bench entries.
fn kernel_name(format: Format) -> &'static str {
    match format {
        Format::Affine(_) => "dequantize_affine",
        _ => dequantize::KernelOf::of(format).map_or("none", dequantize::KernelOf::name),
    }
}

/// Formats of blocks that have a kernel each.
fn block_formats() -> impl Iterator<Item = Format> {
    FORMATS.into_iter().filter(|format| format.block_len() > 1)
}

/// The cases of `dequantize.metal`: one block, rows of several, every code and scale, scales of all sizes, and values beyond those of halves.
pub(crate) fn family() -> Family {
    Family::new("dequantize", Tolerance::EXACT, |cases| {
        for format in block_formats() {
            add_all(cases, format);
        }
    })
    .benches(|benches| {
        for format in block_formats() {
            add_bench(benches, format);
        }
    })
}

/// Every case of a format.
pub(super) fn add_all(cases: &mut Cases, format: Format) {
    let block = format.block_len();
    for (rows, columns) in [(1, block), (37, 3 * block)] {
        add(cases, format, &format!("n{rows}_k{columns}"), move |run| {
            run.weights(format, rows, columns)
        });
    }
    for scales in [Scales::Huge, Scales::Subnormal, Scales::Zero] {
        let name = format!("scales_{scales:?}").to_lowercase();
        add(cases, format, &name, move |run| {
            run.weights_of(scales, format, 3, 2 * block)
        });
    }
    add(cases, format, "all_bytes", move |run| {
        run.encoded(format, &all_bytes(format), block)
    });
}

/// A case of weights, and the values that they stand for.
fn add(
    cases: &mut Cases,
    format: Format,
    name: &str,
    weights: impl Fn(&mut Run<'_>) -> Result<(Tensor, Vec<f32>)> + Send + Sync + 'static,
) {
    let name = format!("{}{name}", label(format));
    cases.add(kernel_name(format), name, move |run| {
        let (w, values) = weights(run)?;
        let out = run.output(Format::F16, *w.shape())?;
        run.pass(|pass| dequantize(pass, OP, &w, &mut out.buffer()?))?;
        run.check(&out, || {
            let rounded = |&value: &f32| Expected::exact(f16::from_f32(value).to_f32());
            values.iter().map(rounded).collect()
        })
    });
}

/// Weights of a model's shape.
pub(super) fn add_bench(benches: &mut Benches, format: Format) {
    let (n, k) = (14_336, 4096);
    let weights = n * k / format.block_len() * format.block_bytes();
    let shape = format!("{}n{n}_k{k}", label(format));
    let work = Work::new(weights + 2 * n * k, n * k);
    benches.add(kernel_name(format), shape, work, move |setup| {
        let w = setup.weights(format, n, k)?;
        let out = setup.output(Format::F16, [n, k])?;
        Ok(Box::new(move |pass| {
            dequantize(pass, OP, &w, &mut out.buffer()?)
        }))
    });
}
