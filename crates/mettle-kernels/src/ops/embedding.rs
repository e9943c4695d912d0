//! Rows of a table, chosen by token ids.

use super::check::Op;
use super::mapping::{WIDE, affine_constants, label, rows_per_group};
use crate::Result;
use crate::bench::{Benches, Work};
pub use crate::bindings::FORMATS;
use crate::bindings::embedding::{self, Params};
use crate::bindings::embedding_affine;
use crate::cases::{Cases, Expected, Family, Run, Scales, Tolerance, all_bytes};
use mettle_gpu::{Device, Format, Grid, Pass, Tensor};

const OP: Op = Op("embedding");

/// `out[t, :] = table[ids[t], :]`, decoded; `table` is `[rows, columns]` in any format that is [decoded](decodes), `ids` u32 of
/// `[tokens]`, `out` f32 of `[tokens, columns]`. An id that the table does not have gives a row of NaN: the host cannot
/// check what a kernel computed. Ids that come from the host are checked by [`token_ids`].
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) for a table of another format;
/// [`Error::Argument`](crate::Error::Argument) for other formats or shapes or gaps.
pub fn embedding(pass: &mut Pass, table: &Tensor, ids: &Tensor, out: &mut Tensor) -> Result<()> {
    embedding_scaled(pass, table, ids, 1.0, out)
}

/// `out[t, :] = scale * table[ids[t], :]`: [`embedding()`] where a model multiplies what it looks up.
///
/// # Errors
/// As for [`embedding()`], and [`Error::Argument`](crate::Error::Argument) for a scale that is no number.
pub fn embedding_scaled(
    pass: &mut Pass,
    table: &Tensor,
    ids: &Tensor,
    scale: f32,
    out: &mut Tensor,
) -> Result<()> {
    if !scale.is_finite() {
        return Err(OP.refuse("scale", format!("is {scale}, must be a number")));
    }
    let (rows, columns, tokens) = (table.rows(), table.columns(), ids.len());
    OP.dense("table", table)?;
    OP.size("ids", tokens)?;
    let params = Params {
        rows: OP.size("table", rows)?,
        columns: OP.size("table", columns)?,
        scale,
    };
    let ids = &OP.values("ids", ids)?;
    let out = &mut OP.matrix("out", out, tokens, columns)?;
    let sixteens = columns.div_ceil(WIDE);
    let grid = Grid::threads_total([sixteens, tokens])
        .threads([sixteens.min(256), rows_per_group(tokens, columns).min(4)]);
    if let Format::Affine(affine) = table.format() {
        let (bits, group, bf16) = affine_constants(affine);
        let kernel = embedding_affine::Kernel {
            table: &table.bytes().cast()?,
            ids,
            out,
            params: bytemuck::cast(params),
            constants: embedding_affine::Constants { bits, group, bf16 },
        };
        return Ok(pass.dispatch(kernel, grid)?);
    }
    let kernel = embedding::KernelOf::of(table.format());
    let kernel = kernel.ok_or_else(|| OP.no_kernel_for(table.format()))?;
    let table = table.bytes();
    pass.dispatch(
        embedding::Kernel {
            kernel,
            table,
            ids,
            out,
            params,
        },
        grid,
    )?;
    Ok(())
}

/// Whether kernels decode weights of a format: one of [`FORMATS`], or any of MLX's affine ones.
pub fn decodes(format: Format) -> bool {
    FORMATS.contains(&format) || matches!(format, Format::Affine(_))
}

/// Token ids from the host, as a tensor for [`embedding()`] of a table with `rows` rows.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) when there are none, or naming the first that the table does not have; memory
/// running out.
pub fn token_ids(device: &Device, ids: &[u32], rows: usize) -> Result<Tensor> {
    const OP: Op = Op("token_ids");
    if ids.is_empty() {
        return Err(OP.refuse("ids", "is empty"));
    }
    if let Some((place, id)) = ids.iter().enumerate().find(|&(_, &id)| id as usize >= rows) {
        return Err(OP.refuse(
            "ids",
            format!("has id {id} at {place}, the table has {rows} rows"),
        ));
    }
    Ok(Tensor::from_slice(device, ids, [ids.len()])?)
}

/// The kernel's name, for cases and bench entries.
fn kernel_name(format: Format) -> &'static str {
    match format {
        Format::Affine(_) => "embedding_affine",
        _ => embedding::KernelOf::of(format).map_or("none", embedding::KernelOf::name),
    }
}

/// The cases of `embedding.metal`: one row and one token, repeated and last ids, columns of several blocks, columns that
/// end within a sixteen where the format allows, and ids that the table does not have.
pub(crate) fn family() -> Family {
    Family::new("embedding", Tolerance::EXACT, |cases| {
        for format in FORMATS {
            let block = format.block_len();
            let mut add = |name, rows, columns, ids| {
                add_case(cases, name, format, [rows, columns], ids);
            };
            add("one", 1, block, vec![0]);
            add("rows", 37, 3 * block, vec![0, 36, 5, 5, 17]);
            if block == 1 {
                add("tail", 9, 77, vec![8, 0, 3]);
                add("wide", 3, 5000, vec![2, 1]);
            }
            add("out_of_range", 7, 2 * block, out_of_range());
            if block > 1 {
                for scales in [Scales::Huge, Scales::Subnormal, Scales::Zero] {
                    add_scales(cases, scales, format, 2 * block);
                }
                add_all_bytes(cases, format);
            }
        }
    })
    .benches(benches)
}

fn benches(benches: &mut Benches) {
    for format in FORMATS {
        add_bench(benches, format);
    }
}

/// The tokens of a prompt, from a table that no cache holds.
pub(super) fn add_bench(benches: &mut Benches, format: Format) {
    let (rows, columns, tokens) = (32_768, 1024, 256);
    let shape = format!("{}tokens{tokens}_columns{columns}", label(format));
    let row = columns / format.block_len() * format.block_bytes();
    let work = Work::new(tokens * (row + 4 * columns), tokens * columns);
    benches.add(kernel_name(format), shape, work, move |setup| {
        let table = setup.weights(format, rows, columns)?;
        let ids: Vec<u32> = (0..tokens).map(|i| (i * 127 % rows) as u32).collect();
        let ids = setup.of(&ids)?;
        let mut out = setup.output(Format::F32, [tokens, columns])?;
        Ok(Box::new(move |pass| {
            embedding(pass, &table, &ids, &mut out)
        }))
    });
}

/// Ids of a table of seven rows, some of which it does not have.
pub(super) fn out_of_range() -> Vec<u32> {
    vec![6, 7, 0, u32::MAX, 1]
}

/// That of Gemma's embeddings of 1152 values.
const SCALE: f32 = 33.941_125;

/// A case with a table of so many rows and columns.
pub(super) fn add_case(
    cases: &mut Cases,
    name: &str,
    format: Format,
    [rows, columns]: [usize; 2],
    ids: Vec<u32>,
) {
    let body = move |run: &mut Run<'_>| {
        let (table, values) = run.weights(format, rows, columns)?;
        let ids_tensor = run.input(&ids, [ids.len()])?;
        let mut out = run.output(Format::F32, [ids.len(), columns])?;
        run.pass(|pass| embedding(pass, &table, &ids_tensor, &mut out))?;
        run.check(&out, || reference(&values, columns, &ids))?;
        // The product is rounded once.
        let mut scaled = run.output(Format::F32, [ids.len(), columns])?;
        run.pass(|pass| embedding_scaled(pass, &table, &ids_tensor, SCALE, &mut scaled))?;
        let values: Vec<f32> = values.iter().map(|value| value * SCALE).collect();
        run.check(&scaled, || reference(&values, columns, &ids))
    };
    let name = format!("{}{name}", label(format));
    cases.add(kernel_name(format), name, body);
}

/// Three rows of blocks whose scales are of some size.
pub(super) fn add_scales(cases: &mut Cases, scales: Scales, format: Format, columns: usize) {
    let name = format!("{}scales_{scales:?}", label(format)).to_lowercase();
    cases.add(kernel_name(format), name, move |run| {
        let (table, values) = run.weights_of(scales, format, 3, columns)?;
        let ids = [1, 2, 0];
        let ids_tensor = run.input(&ids, [3])?;
        let mut out = run.output(Format::F32, [3, columns])?;
        run.pass(|pass| embedding(pass, &table, &ids_tensor, &mut out))?;
        run.check(&out, || reference(&values, columns, &ids))
    });
}

/// Every code and every scale in each place.
pub(super) fn add_all_bytes(cases: &mut Cases, format: Format) {
    let name = format!("{}all_bytes", label(format));
    cases.add(kernel_name(format), name, move |run| {
        let bytes = all_bytes(format);
        let columns = format.block_len();
        let (table, values) = run.encoded(format, &bytes, columns)?;
        let ids: Vec<u32> = (0..256).collect();
        let ids_tensor = run.input(&ids, [ids.len()])?;
        let mut out = run.output(Format::F32, [ids.len(), columns])?;
        run.pass(|pass| embedding(pass, &table, &ids_tensor, &mut out))?;
        run.check(&out, || reference(&values, columns, &ids))
    });
}

fn reference(table: &[f32], columns: usize, ids: &[u32]) -> Vec<Expected> {
    ids.iter()
        .flat_map(|&id| {
            let row = table.chunks_exact(columns).nth(id as usize);
            (0..columns).map(move |i| Expected::exact(row.map_or(f32::NAN, |row| row[i])))
        })
        .collect()
}
