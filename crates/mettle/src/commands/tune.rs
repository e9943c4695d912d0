//! `mettle bench --tune` and `--explain`: by which numbers products choose their kernels, and which they choose.

use std::io::Write;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use comfy_table::{Table, presets};
use mettle_gpu::{Device, DeviceKind, Format};
use mettle_kernels::bench::Meter;
use mettle_kernels::ops::{Choice, SHARED_COLUMNS, Tried, Tuned, Tuning, tune};

use crate::terminal;

/// Weights of a format, and with how many columns they are multiplied.
#[derive(Clone, Copy)]
pub(super) struct Product {
    format: Format,
    /// `[m, n, k]`.
    shape: [usize; 3],
}

impl FromStr for Product {
    type Err = anyhow::Error;

    /// Reads `FORMAT:MxNxK`.
    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let (format, shape) = text.split_once(':')?;
            let sizes: Option<Vec<usize>> = shape.split('x').map(|n| n.parse().ok()).collect();
            let shape: [usize; 3] = sizes?.try_into().ok()?;
            let whole = |format: &Format| shape[2].is_multiple_of(format.block_len());
            let format = format.parse().ok().filter(whole)?;
            let positive = shape.iter().all(|&n| n > 0);
            positive.then_some(Product { format, shape })
        };
        read().ok_or_else(|| {
            anyhow!("{text:?} is no product: wanted FORMAT:MxNxK with whole blocks of K, such as q4_0:16x4096x4096")
        })
    }
}

/// Says which kernel multiplies, and why.
pub(super) fn explain(device: &Device, products: &[Product]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for Product { format, shape } in products {
        let [m, n, k] = *shape;
        let choice = Choice::of(device, *format, [1, m, n, k]);
        writeln!(out, "{format} {m} x {n} x {k}: {choice}")?;
    }
    Ok(())
}

/// Measures the lines of the table for a device, and prints them as the table has them.
pub(super) fn measure(device: &Device, meter: &Meter<'_>) -> Result<()> {
    const FORMATS: [Format; 7] = [
        Format::F32,
        Format::F16,
        Format::Q4_0,
        Format::Q5_1,
        Format::Q8_0,
        Format::Q4_K,
        Format::Q6_K,
    ];
    let shape = match device.kind() {
        DeviceKind::Cpu => [3072, 1024],
        _ => [4096, 4096],
    };
    let progress = terminal::progress(FORMATS.len() as u64, "measuring");
    let mut tuned = Vec::new();
    for format in FORMATS {
        tuned.push((format, tune(meter, format, shape)?));
        progress.inc(1);
    }
    progress.finish_and_clear();
    let mut out = std::io::stdout().lock();
    for (
        format,
        Tuned {
            tuning,
            columns,
            pieces,
            shares,
            halves,
        },
    ) in &tuned
    {
        let [n, k] = shape;
        writeln!(out, "{format}, {n} x {k}, microseconds with cold caches")?;
        let of_columns = columns.iter().map(tried);
        print(&["columns", "mul_mv", "one pass"], of_columns, &mut out)?;
        if !pieces.is_empty() {
            let header = ["threadgroups", "small pieces", "large pieces"];
            print(&header, pieces.iter().map(tried), &mut out)?;
        }
        if !shares.is_empty() {
            let header = ["threadgroups a unit", &format!("{SHARED_COLUMNS} columns")];
            let rows = shares
                .iter()
                .map(|&(share, seconds)| vec![share.to_string(), microseconds(seconds)]);
            print(&header, rows, &mut out)?;
        }
        if !halves.is_empty() {
            let header = ["columns", "blocks", "halves of them"];
            print(&header, halves.iter().map(tried), &mut out)?;
        }
        writeln!(out, "{}\n", line(tuning))?;
    }
    Ok(())
}

/// The cells of a row.
fn tried(&Tried { number, low, high }: &Tried) -> Vec<String> {
    vec![number.to_string(), microseconds(low), microseconds(high)]
}

fn microseconds(seconds: f64) -> String {
    format!("{:.1}", seconds * 1e6)
}

fn print(
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    out: &mut impl Write,
) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(header);
    table.add_rows(rows);
    writeln!(out, "{table}")?;
    Ok(())
}

/// As `crates/mettle-kernels/src/ops/mul_mv/tuning.rs` has it.
fn line(tuning: &Tuning) -> String {
    let Tuning {
        capability,
        kind,
        many,
        large,
        share,
        halves,
    } = tuning;
    let many = match *many {
        usize::MAX => "usize::MAX".to_owned(),
        many => many.to_string(),
    };
    let halves = halves.map_or(String::new(), |halves| format!(".with_halves({halves})"));
    format!(
        "Tuning::new(Capability::{capability:?}, Kind::{kind:?}, {many}, {large:?}, {share}){halves},"
    )
}
