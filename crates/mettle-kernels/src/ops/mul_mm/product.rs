//! One launch of `mul_mm.metal`.

use super::{Extent, Size, VECTOR, WORD};
use crate::Result;
use crate::bindings::mul_mm::{self, Constants, F16F16, Params};
use crate::bindings::mul_mm_affine;
use crate::ops::check::Op;
use crate::ops::mapping::affine_constants;
use crate::ops::round_rows::Rounded;
use half::f16;
use mettle_gpu::{Buffer, Device, Format, Grid, Pass, Tensor};

/// The launch of a product whose factors are ready.
pub(super) struct Product<'a> {
    pub op: Op,
    pub size: Size,
    pub w: &'a Tensor,
    /// The weights that a gate meets; `w` where there is none.
    pub second: &'a Tensor,
    pub x: &'a Rounded,
    /// `FUSED` of `mul_mm.metal`.
    pub fused: u32,
}

impl Product<'_> {
    /// The parameters but for steps, and the bytes of threadgroup memory.
    fn params(&self, device: &Device, extent: &Extent<'_>) -> Result<(Params, usize)> {
        let Product {
            op,
            size,
            w,
            second,
            x,
            ..
        } = *self;
        let vector = match w.format().block_len() {
            1 => VECTOR,
            _ => WORD,
        };
        let alignment = w.bytes().alignment().min(second.bytes().alignment());
        let aligned = w.row_bytes().is_multiple_of(vector) && alignment >= vector;
        let (stages, memory) = size.stages(device, w.format());
        let params = Params {
            rows: op.size("x", extent.m)?,
            padded: op.size("x", x.rows)?,
            columns: op.size("w", extent.n)?,
            k: op.size("w", extent.k)?,
            stride: op.size("w", x.stride)?,
            aligned: aligned.into(),
            experts: extent.experts(op)?,
            depth: op.size("w", extent.depth)?,
            splits: op.size("w", extent.splits)?,
            stages: stages as u32,
        };
        Ok((params, memory))
    }

    fn constants(&self) -> Constants {
        Constants {
            large: self.size == Size::Large,
            fused: self.fused,
        }
    }

    fn grid(&self, extent: &Extent<'_>) -> Grid {
        let (rows, columns) = self.size.results();
        extent.grid([rows, columns])
    }

    /// Of weights and results in F16.
    pub fn record_f16(
        self,
        pass: &mut Pass,
        extent: &Extent<'_>,
        out: &mut Buffer<f16>,
    ) -> Result<()> {
        let (params, tiles) = self.params(pass.device(), extent)?;
        let binding = F16F16 {
            w: &self.w.bytes().cast()?,
            x: &self.x.values,
            scale: &self.x.scale,
            experts: &extent.ids(self.op, &self.x.scale)?,
            out,
            params,
            second: &self.second.bytes().cast()?,
            tiles,
            constants: self.constants(),
        };
        Ok(pass.dispatch(binding, self.grid(extent))?)
    }

    /// With results in f32.
    pub fn record(self, pass: &mut Pass, extent: &Extent<'_>, out: &mut Buffer<f32>) -> Result<()> {
        let (params, tiles) = self.params(pass.device(), extent)?;
        let (w, second, grid) = (self.w, self.second, self.grid(extent));
        let experts = extent.ids(self.op, &self.x.scale)?;
        if let Format::Affine(affine) = w.format() {
            let (bits, group, bf16) = affine_constants(affine);
            let Constants { large, fused } = self.constants();
            let binding = mul_mm_affine::F32 {
                w: &w.bytes().cast()?,
                x: &self.x.values,
                scale: &self.x.scale,
                experts: &experts,
                out,
                params: bytemuck::cast(params),
                second: &second.bytes().cast()?,
                tiles,
                constants: mul_mm_affine::Constants {
                    bits,
                    group,
                    bf16,
                    large,
                    fused,
                },
            };
            return Ok(pass.dispatch(binding, grid)?);
        }
        let kernel = mul_mm::F32Of::of(w.format());
        let binding = mul_mm::F32 {
            kernel: kernel.ok_or_else(|| self.op.no_kernel_for(w.format()))?,
            w: w.bytes(),
            x: &self.x.values,
            scale: &self.x.scale,
            experts: &experts,
            out,
            params,
            second: second.bytes(),
            tiles,
            constants: self.constants(),
        };
        Ok(pass.dispatch(binding, grid)?)
    }
}
