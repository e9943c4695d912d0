//! One launch of the kernels of `attention.metal`.

use super::OP;
use crate::Result;
use crate::bindings::attention::{self, Constants, Params};
use crate::bindings::{attention_16bit, attention_turbo};
use crate::ops::mapping::turbo_constants;
use crate::ops::pages::PageArguments;
use mettle_gpu::{Buffer, Format, Grid, Pass, Tensor};

/// What the kernels of `attention.metal` are given, but for queries and results.
pub(super) struct Launch<'a> {
    pub(super) grid: Grid,
    pub(super) params: Params,
    pub(super) constants: Constants,
    /// Of the caches.
    pub(super) format: Format,
    pub(super) k: &'a Buffer<u8>,
    pub(super) v: &'a Buffer<u8>,
    pub(super) positions: &'a Buffer<i32>,
    pub(super) sinks: &'a Buffer<f32>,
    pub(super) mask: &'a Buffer<u8>,
    pub(super) pages: &'a PageArguments,
}

impl Launch<'_> {
    pub(super) fn of_f32(
        self,
        pass: &mut Pass,
        q: &Buffer<f32>,
        out: &mut Buffer<f32>,
    ) -> Result<()> {
        let Launch {
            grid,
            params,
            constants,
            format,
            k,
            v,
            positions,
            sinks,
            mask,
            pages,
        } = self;
        if let Format::Turbo(turbo) = format {
            let (turbo_bits, turbo_values) = turbo_constants(turbo);
            let kernel = attention_turbo::Kernel {
                q,
                k: &k.cast()?,
                v: &v.cast()?,
                positions,
                out,
                params: bytemuck::cast(params),
                sinks,
                mask,
                tables: &pages.tables,
                sequence_of: &pages.sequence_of,
                constants: attention_turbo::Constants {
                    turbo_bits,
                    turbo_values,
                    paged: constants.paged,
                    row_per_thread: constants.row_per_thread,
                    head_size: constants.head_size,
                    softcap: constants.softcap,
                    sinks: constants.sinks,
                    mask: constants.mask,
                },
            };
            return Ok(pass.dispatch(kernel, grid)?);
        }
        let kernel = attention::KernelOf::of(format);
        let kernel = attention::Kernel {
            kernel: kernel.ok_or_else(|| OP.no_kernel_for_cache(format))?,
            q,
            k,
            v,
            positions,
            out,
            params,
            sinks,
            mask,
            tables: &pages.tables,
            sequence_of: &pages.sequence_of,
            constants,
        };
        Ok(pass.dispatch(kernel, grid)?)
    }

    /// Queries, caches and results of one format of sixteen bits.
    pub(super) fn of_16bit(
        self,
        pass: &mut Pass,
        q: &Tensor,
        out: &mut Tensor,
        results: usize,
    ) -> Result<()> {
        let Constants {
            paged,
            row_per_thread,
            head_size,
            softcap,
            sinks,
            mask,
        } = self.constants;
        let constants = attention_16bit::Constants {
            paged,
            row_per_thread,
            head_size,
            softcap,
            sinks,
            mask,
        };
        macro_rules! dispatch {
            ($kernel:ident) => {{
                let kernel = attention_16bit::$kernel {
                    q: &OP.values("q", q)?,
                    k: &self.k.cast()?,
                    v: &self.v.cast()?,
                    positions: self.positions,
                    out: &mut OP.vector("out", out, results)?,
                    params: bytemuck::cast(self.params),
                    sinks: self.sinks,
                    mask: self.mask,
                    tables: &self.pages.tables,
                    sequence_of: &self.pages.sequence_of,
                    constants,
                };
                Ok(pass.dispatch(kernel, self.grid)?)
            }};
        }
        match self.format {
            Format::F16 => dispatch!(F16),
            _ => dispatch!(Bf16),
        }
    }
}
