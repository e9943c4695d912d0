//! The bytes of a tensor in another format, a piece at a time.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use mettle_gpu::Format;
use mettle_kernels::formats::{self, LARGEST};
use mettle_models::gguf::{Tensor, Writer};
use rayon::prelude::*;

/// Values of a piece: what is held in memory is a few times this, whatever the model's size.
const PIECE: usize = 1 << 22;
/// Values that a thread decodes and encodes at a time, so that they stay in its cache.
const STRIP: usize = 1 << 16;

/// Writes `tensor` in `format`, on the threads of the current pool. Its bytes as they are, where that is its format.
///
/// `progress` gets the bytes of the input that are done since it was called last.
pub fn write<W: Write>(
    tensor: &Tensor,
    format: Format,
    writer: &mut Writer<W>,
    stop: &AtomicBool,
    progress: impl Fn(u64),
) -> Result<()> {
    let columns = tensor.shape.last().copied().unwrap_or(1);
    let row = Row {
        columns,
        from: tensor.format,
        to: format,
        bytes: tensor.format.row_bytes(columns)?,
        new_bytes: format.row_bytes(columns)?,
    };
    let rows_at_once = (PIECE / columns).max(1);
    let mut new = Vec::new();
    for (i, old) in tensor.bytes().chunks(rows_at_once * row.bytes).enumerate() {
        if stop.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        match row.from == row.to {
            true => writer.write(old)?,
            false => {
                new.resize(old.len() / row.bytes * row.new_bytes, 0);
                row.convert(old, &mut new, i * rows_at_once)
                    .with_context(|| format!("tensor {}", tensor.name))?;
                writer.write(&new)?;
            }
        }
        progress(old.len() as u64);
    }
    Ok(())
}

/// A row of a tensor, before and after.
struct Row {
    columns: usize,
    from: Format,
    to: Format,
    bytes: usize,
    new_bytes: usize,
}

impl Row {
    /// Converts whole rows, of which the first is row `first` of the tensor.
    fn convert(&self, old: &[u8], new: &mut [u8], first: usize) -> Result<()> {
        let rows = (STRIP / self.columns).max(1);
        let strips = old.par_chunks(rows * self.bytes);
        strips
            .zip(new.par_chunks_mut(rows * self.new_bytes))
            .enumerate()
            .try_for_each_init(Vec::new, |values, (strip, (old, new))| {
                values.resize(old.len() / self.bytes * self.columns, 0.0);
                formats::dequantize(self.from, old, values)?;
                self.check(values, first + strip * rows)?;
                formats::quantize(self.to, values, new)?;
                Ok(())
            })
    }

    /// Refuses what the new format cannot hold, with its place: a model with such weights is damaged.
    fn check(&self, values: &[f32], first: usize) -> Result<()> {
        let largest = match self.to {
            Format::F32 | Format::BF16 => f32::MAX,
            _ => LARGEST,
        };
        let held = |x: &f32| x.abs() <= largest;
        if let Some(at) = values.iter().position(|x| !held(x)) {
            bail!(
                "row {}, column {} is {}, which {} cannot hold",
                first + at / self.columns,
                at % self.columns,
                values[at],
                self.to
            );
        }
        Ok(())
    }
}
