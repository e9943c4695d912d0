//! One launch of `mul_mv.metal`.

use super::spread::{RowsByDigits, Spread, Staged, Staging};
use super::{FEW_COLUMNS, GATE, MAX_COLUMNS, OP, ROWS, SIMD_GROUPS, VECTOR};
use crate::Result;
use crate::bindings::mul_mv::{self, Constants, Params};
use crate::bindings::mul_mv_affine;
use crate::ops::mapping::{affine_constants, rows_per_group};
use mettle_gpu::{Buffer, Format, Grid, Pass, Tensor};

/// One launch of `steps` times so many columns as the parameters say.
pub(super) struct Launch<'a> {
    pub(super) w: &'a Tensor,
    pub(super) second: &'a Tensor,
    pub(super) third: &'a Tensor,
    pub(super) x: &'a Buffer<u8>,
    /// The format of x and of out.
    pub(super) activations: Format,
    pub(super) norm: &'a Buffer<f32>,
    pub(super) ids: &'a Buffer<u32>,
    pub(super) out: Buffer<u8>,
    pub(super) params: Params,
    pub(super) steps: usize,
    pub(super) constants: Constants,
}

impl Launch<'_> {
    pub(super) fn record(self, pass: &mut Pass, spread: Spread) -> Result<()> {
        let Launch {
            w,
            second,
            third,
            x,
            activations,
            norm,
            ids,
            out,
            mut params,
            steps,
            constants,
        } = self;
        let columns = params.columns as usize;
        let all_rows = (params.rows + 2 * params.rows_of_others) as usize;
        // Of threadgroups or threads with so many rows, each of which has those of one matrix.
        let parts = |count: usize| {
            let of_others = params.rows_of_others as usize;
            (params.rows as usize).div_ceil(count) + 2 * of_others.div_ceil(count)
        };
        let (grid, memory) = match spread {
            Spread::RowPerThread => {
                let by_digits =
                    RowsByDigits::of(pass.device(), w, all_rows).filter(|_| columns == 1);
                if let Some(RowsByDigits {
                    rows: of_thread,
                    memory,
                }) = by_digits
                {
                    params.count = of_thread as u32;
                    let grid = Grid::threads_total([steps, parts(of_thread)]);
                    (grid.threads([1, 1]), memory)
                } else {
                    params.count = 1;
                    let threads = rows_per_group(all_rows, w.row_bytes() / 4 * columns);
                    // Metal binds no empty memory.
                    let grid = Grid::threads_total([steps, all_rows]).threads([1, threads]);
                    (grid, VECTOR)
                }
            }
            Spread::RowsPerGroup => {
                // Rows of each of the matrices that are taken together.
                let gates = if constants.fused & GATE == 0 { 1 } else { 2 };
                let together = match columns {
                    ..=FEW_COLUMNS => ROWS / gates,
                    _ => ROWS / 2 / gates,
                };
                let floats = SIMD_GROUPS * (ROWS / 2 * MAX_COLUMNS + 1);
                params.count = together as u32;
                let grid = Grid::groups([steps, parts(together)]);
                (grid.threads(32 * SIMD_GROUPS), floats * size_of::<f32>())
            }
            Spread::Staged => {
                let staged = Staged {
                    rows: params.rows as usize,
                    rows_of_others: params.rows_of_others as usize,
                    columns,
                    steps,
                    gate: constants.fused & GATE != 0,
                };
                let staging = Staging::of(pass.device(), w, staged);
                params.chunks = staging.chunks as u32;
                params.slices = staging.slices as u32;
                params.count = staging.rows as u32;
                let grid = Grid::groups([steps, staging.groups]);
                (grid.threads(32 * staging.simd_groups), staging.memory)
            }
        };
        if let Format::Affine(affine) = w.format() {
            let (bits, group, bf16) = affine_constants(affine);
            let constants = mul_mv_affine::Constants {
                bits,
                group,
                bf16,
                row_per_thread: constants.row_per_thread,
                columns: constants.columns,
                staged: constants.staged,
                fused: constants.fused,
            };
            // For activations of either format.
            macro_rules! dispatch {
                ($kernel:ident) => {{
                    let binding = mul_mv_affine::$kernel {
                        w: &w.bytes().cast()?,
                        second: &second.bytes().cast()?,
                        third: &third.bytes().cast()?,
                        x: &x.cast()?,
                        norm,
                        out: &mut out.cast()?,
                        ids,
                        params: bytemuck::cast(params),
                        memory,
                        constants,
                    };
                    Ok(pass.dispatch(binding, grid)?)
                }};
            }
            return match activations {
                Format::BF16 => dispatch!(Bf16),
                _ => dispatch!(F32),
            };
        }
        if activations == Format::F16 {
            let binding = mul_mv::F16F16 {
                w: &w.bytes().cast()?,
                second: &second.bytes().cast()?,
                third: &third.bytes().cast()?,
                x: &x.cast()?,
                norm,
                out: &mut out.cast()?,
                ids,
                params,
                memory,
                constants,
            };
            return Ok(pass.dispatch(binding, grid)?);
        }
        let kernel = mul_mv::F32Of::of(w.format()).ok_or_else(|| OP.no_kernel_for(w.format()))?;
        let binding = mul_mv::F32 {
            kernel,
            w: w.bytes(),
            second: second.bytes(),
            third: third.bytes(),
            x: &x.cast()?,
            norm,
            out: &mut out.cast()?,
            ids,
            params,
            memory,
            constants,
        };
        Ok(pass.dispatch(binding, grid)?)
    }
}
