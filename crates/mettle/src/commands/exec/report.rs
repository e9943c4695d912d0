//! What `mettle exec` prints.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::dtype::Dtype;
use super::spec::OutSpec;

/// What became of the run.
#[derive(Serialize)]
pub struct Report {
    pub file: String,
    pub kernel: String,
    pub device: String,
    pub grid: [usize; 3],
    pub threadgroup: [usize; 3],
    pub out: Vec<Out>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
}

/// A buffer after the launch.
#[derive(Serialize)]
pub struct Out {
    index: u32,
    name: String,
    #[serde(rename = "type")]
    dtype: String,
    len: usize,
    /// The first elements, as text.
    head: Vec<String>,
    /// Of the finite elements; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    finite: Option<Finite>,
    nan: usize,
    infinite: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

#[derive(Serialize)]
struct Finite {
    min: f64,
    max: f64,
    mean: f64,
    rms: f64,
}

/// The time of the launch, over its repetitions.
#[derive(Serialize)]
pub struct Timing {
    pub launches: usize,
    pub min_seconds: f64,
    pub median_seconds: f64,
    /// Bytes of all buffers that the kernel takes.
    pub bytes: usize,
    /// At the median, each buffer counted once.
    pub gigabytes_per_second: f64,
}

impl Timing {
    /// From the seconds of each launch, of which there is at least one.
    pub fn new(mut seconds: Vec<f64>, bytes: usize) -> Self {
        seconds.sort_by(f64::total_cmp);
        let median = seconds.get(seconds.len() / 2).copied().unwrap_or(0.0);
        Self {
            launches: seconds.len(),
            min_seconds: seconds.first().copied().unwrap_or(0.0),
            median_seconds: median,
            bytes,
            gigabytes_per_second: bytes as f64 / median.max(1e-12) / 1e9,
        }
    }
}

impl Out {
    /// Summarises elements.
    pub fn new(spec: &OutSpec, name: &str, bytes: &[u8], head: usize) -> Self {
        let dtype = spec.dtype;
        let (mut nan, mut infinite, mut count) = (0, 0, 0usize);
        let (mut min, mut max, mut sum, mut squares) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0);
        for element in bytes.chunks_exact(dtype.size()) {
            let value = dtype.decode(element);
            if value.is_nan() {
                nan += 1;
            } else if value.is_infinite() {
                infinite += 1;
            } else {
                count += 1;
                min = min.min(value);
                max = max.max(value);
                sum += value;
                squares += value * value;
            }
        }
        let total = count as f64;
        Self {
            index: spec.index,
            name: name.to_owned(),
            dtype: dtype.to_string(),
            len: spec.len,
            head: shown(dtype, bytes, head),
            finite: (count > 0).then(|| Finite {
                min,
                max,
                mean: sum / total,
                rms: (squares / total).sqrt(),
            }),
            nan,
            infinite,
            file: spec
                .file
                .as_deref()
                .map(|file: &Path| file.display().to_string()),
        }
    }
}

fn shown(dtype: Dtype, bytes: &[u8], head: usize) -> Vec<String> {
    let elements = bytes.chunks_exact(dtype.size()).take(head);
    elements.map(|element| dtype.show(element)).collect()
}

impl Report {
    /// For people.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        for buffer in &self.out {
            writeln!(
                out,
                "buffer({}){}{}: {} x {}",
                buffer.index,
                if buffer.name.is_empty() { "" } else { " " },
                buffer.name,
                buffer.len,
                buffer.dtype
            )?;
            let more = if buffer.head.len() < buffer.len {
                " ..."
            } else {
                ""
            };
            writeln!(out, "  {}{more}", buffer.head.join(" "))?;
            if let Some(Finite {
                min,
                max,
                mean,
                rms,
            }) = buffer.finite
            {
                write!(
                    out,
                    "  min {min:.6}, max {max:.6}, mean {mean:.6}, rms {rms:.6}"
                )?;
            } else {
                write!(out, "  no finite value")?;
            }
            writeln!(out, ", {} NaN, {} infinite", buffer.nan, buffer.infinite)?;
            if let Some(file) = &buffer.file {
                writeln!(out, "  saved to {file}")?;
            }
        }
        let size = |[x, y, z]: [usize; 3]| format!("{x}x{y}x{z}");
        write!(
            out,
            "{} on {}: {} threads in threadgroups of {}",
            self.kernel,
            self.device,
            size(self.grid),
            size(self.threadgroup)
        )?;
        match &self.timing {
            None => writeln!(out)?,
            Some(t) => writeln!(
                out,
                "; {} launches, {:.2} us at best, median {:.2} us, {:.2} GB/s over {} bytes of buffers",
                t.launches,
                t.min_seconds * 1e6,
                t.median_seconds * 1e6,
                t.gigabytes_per_second,
                t.bytes
            )?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_leave_out_what_is_not_finite() {
        let values = [1.0f32, -3.0, f32::NAN, f32::INFINITY];
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let spec = super::super::spec::out("0=f32:4").unwrap();
        let out = Out::new(&spec, "x", &bytes, 2);
        assert_eq!((out.nan, out.infinite, out.head.len()), (1, 1, 2));
        let finite = out.finite.unwrap();
        assert_eq!((finite.min, finite.max, finite.mean), (-3.0, 1.0, -1.0));
        let timing = Timing::new(vec![3e-6, 1e-6, 2e-6], 2000);
        assert_eq!((timing.min_seconds, timing.median_seconds), (1e-6, 2e-6));
        assert!((timing.gigabytes_per_second - 1.0).abs() < 1e-9);
    }
}
