//! Matrix products of many columns on CPUs: panels of rows, multiplied by vector registers.

use super::check::Op;
use super::mapping::{affine_constants, label};
use super::mul_mm::cases::reference_of_experts;
use super::mul_mv::{experts_of, reference};
pub(super) use super::pack_columns::STEP;
use super::pack_columns::{pack_columns, packed_len};
use crate::Result;
use crate::bench::{Benches, Work};
use crate::bindings::FORMATS;
use crate::bindings::mul_panel::{self, Params};
use crate::bindings::mul_panel_affine;
use crate::cases::{Cases, Family, Tolerance};
use mettle_gpu::{Buffer, Format, Grid, Pass, Tensor};

const OP: Op = Op("mul_mat");

/// Columns of a thread at most: `COLUMNS_OF_THREAD` of `mul_panel.metal`.
const COLUMNS: usize = 128;

/// Rows of a thread, and values of each that it decodes at a time: `PANEL_ROWS` and `PANEL_DEPTH` of `mettle/panel.h`.
const ROWS: usize = 32;
const DEPTH: usize = 128;

/// `out = x w^T` for f32 `x`: shapes, formats and errors are those of
/// [`mul_mat`](super::mul_mat).
pub(super) fn mul_panel(
    pass: &mut Pass,
    w: &Tensor,
    x: &Buffer<f32>,
    out: &mut Buffer<f32>,
) -> Result<()> {
    let m = x.len() / w.columns();
    launch(pass, w, x, None, m.div_ceil(COLUMNS), out)
}

/// The same where each step of columns is multiplied with one of the matrices of `w`, `[experts, n, k]`: `experts` says which. Where it
/// says none, `out` is not written.
pub(super) fn mul_panel_experts(
    pass: &mut Pass,
    w: &Tensor,
    x: &Buffer<f32>,
    experts: &Buffer<u32>,
    out: &mut Buffer<f32>,
) -> Result<()> {
    launch(pass, w, x, Some(experts), experts.len(), out)
}

/// With so many threads for the columns.
fn launch(
    pass: &mut Pass,
    w: &Tensor,
    x: &Buffer<f32>,
    experts: Option<&Buffer<u32>>,
    threads: usize,
    out: &mut Buffer<f32>,
) -> Result<()> {
    let count = experts.map_or(Ok(1), |_| experts_of(w))?;
    let (n, k) = (w.rows() / count, w.columns());
    let m = x.len() / k;
    let params = Params {
        rows: OP.size("w", n)?,
        k: OP.size("w", k)?,
        columns: OP.size("x", m)?,
        experts: experts.map_or(Ok(0), |_| OP.size("w", count))?,
    };
    let grid = Grid::threads_total([threads, n.div_ceil(ROWS)]).threads([1, 1]);
    let memory = ROWS * DEPTH * size_of::<f32>();
    let packed = &mut pass.scratch(packed_len(m, k))?;
    pack_columns(pass, x, k, packed)?;
    let x = &*packed;
    let experts = match experts {
        Some(experts) => experts.clone(),
        None => x.cast()?,
    };
    if let Format::Affine(affine) = w.format() {
        let (bits, group, bf16) = affine_constants(affine);
        let binding = mul_panel_affine::F32 {
            w: &w.bytes().cast()?,
            x,
            experts: &experts,
            out,
            params: bytemuck::cast(params),
            memory,
            constants: mul_panel_affine::Constants { bits, group, bf16 },
        };
        return Ok(pass.dispatch(binding, grid)?);
    }
    let kernel = mul_panel::F32Of::of(w.format());
    let binding = mul_panel::F32 {
        kernel: kernel.ok_or_else(|| OP.no_kernel_for(w.format()))?,
        w: w.bytes(),
        x,
        experts: &experts,
        out,
        params,
        memory,
    };
    Ok(pass.dispatch(binding, grid)?)
}

/// The kernel's name, for cases and bench entries.
fn kernel_name(format: Format) -> &'static str {
    match format {
        Format::Affine(_) => "mul_panel_affine_f32",
        _ => mul_panel::F32Of::of(format).map_or("none", mul_panel::F32Of::name),
    }
}

/// The cases of `mul_panel.metal`: one row, panels that are not full, several of them, more columns than a thread takes and such as are no whole steps, rows
/// longer than what is decoded at a time, and for dense weights rows that end within a sixteen.
pub(crate) fn family() -> Family {
    Family::new("mul_panel", Tolerance::MATMUL, |cases| {
        for format in FORMATS {
            let block = format.block_len().max(32);
            add(cases, format, (8, 1, block));
            add(cases, format, (5, 70, 5 * block));
            add(cases, format, (139, 33, block));
            add_of_experts(cases, format, (33, block));
            if format.block_len() == 1 {
                add(cases, format, (8, 5, 45));
                add(cases, format, (8, 48, 3));
                add_of_experts(cases, format, (5, 45));
            }
        }
    })
    .benches(benches)
}

/// Weights of small models' shapes with prompts of two lengths.
fn benches(benches: &mut Benches) {
    for format in FORMATS {
        for (m, n, k) in [
            (6, 3072, 1024),
            (16, 3072, 1024),
            (128, 3072, 1024),
            (128, 1024, 3072),
        ] {
            add_bench(benches, format, (m, n, k));
        }
    }
}

/// A product of x `[m, k]` and weights `[n, k]`.
pub(super) fn add_bench(benches: &mut Benches, format: Format, (m, n, k): (usize, usize, usize)) {
    let weights = n * k / format.block_len() * format.block_bytes();
    let work = Work::new(weights + 4 * m * (n + k), 2 * n * k * m);
    let name = format!("{}n{n}_k{k}_m{m}", label(format));
    benches.add(kernel_name(format), name, work, move |setup| {
        let w = setup.weights(format, n, k)?;
        let x = setup.values([m, k])?;
        let out = setup.output(Format::F32, [m, n])?;
        Ok(Box::new(move |pass| {
            let x = OP.matrix("x", &x, m, k)?;
            mul_panel(pass, &w, &x, &mut OP.matrix("out", &out, m, n)?)
        }))
    });
}

/// A case of x `[m, k]` and weights `[n, k]`.
pub(super) fn add(cases: &mut Cases, format: Format, (m, n, k): (usize, usize, usize)) {
    let name = format!("{}m{m}_n{n}_k{k}", label(format));
    cases.add(kernel_name(format), name, move |run| {
        let (w, weights) = run.weights(format, n, k)?;
        let x = run.rng().activations(m * k);
        let xs = run.input(&x, [m, k])?;
        let out = run.output(Format::F32, [m, n])?;
        run.pass(|pass| {
            let xs = OP.matrix("x", &xs, m, k)?;
            let mut out = OP.matrix("out", &out, m, n)?;
            mul_panel(pass, &w, &xs, &mut out)
        })?;
        run.check(&out, || reference(&weights, &x, k))
    });
}

/// Steps of columns with weights `[n, k]` of their own, of which some have none, and neighbours the same.
pub(super) fn add_of_experts(cases: &mut Cases, format: Format, (n, k): (usize, usize)) {
    const EXPERTS: usize = 3;
    const OF_STEPS: [u32; 5] = [0, 2, 2, 1, u32::MAX];
    let name = format!("{}of_experts_n{n}_k{k}", label(format));
    cases.add(kernel_name(format), name, move |run| {
        let m = OF_STEPS.len() * STEP;
        let (w, weights) = run.weights(format, EXPERTS * n, k)?;
        let w = w.reshape([EXPERTS, n, k])?;
        let x = run.rng().activations(m * k);
        let xs = run.input(&x, [m, k])?;
        let experts = run.input(&OF_STEPS, [OF_STEPS.len()])?;
        let out = run.output(Format::F32, [m, n])?;
        run.pass(|pass| {
            let (xs, experts) = (OP.matrix("x", &xs, m, k)?, experts.buffer()?);
            let mut out = OP.matrix("out", &out, m, n)?;
            mul_panel_experts(pass, &w, &xs, &experts, &mut out)
        })?;
        run.check(&out, || {
            reference_of_experts(&weights, &x, [n, k], &OF_STEPS, STEP)
        })
    });
}
