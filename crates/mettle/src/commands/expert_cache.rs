//! The option that leaves experts in their files.

use anyhow::{Context, Result};
use mettle_models::ExpertStats;
use serde::Serialize;

use crate::terminal;

/// How much memory experts may take.
#[derive(clap::Args)]
pub struct ExpertCacheArgs {
    /// Leave the experts of a mixture in its files, and read them when tokens need them into a cache of this size: bytes, or with K, M, G or T
    /// (KiB, MiB, GiB and TiB for powers of 1024). All are loaded when absent.
    #[arg(long, value_name = "SIZE")]
    expert_cache: Option<String>,
}

impl ExpertCacheArgs {
    /// For the options of loading.
    pub fn bytes(&self) -> Result<Option<u64>> {
        let size = |text: &String| {
            size(text)
                .with_context(|| format!("--expert-cache must be a size such as 8G, not {text}"))
        };
        self.expert_cache.as_ref().map(size).transpose()
    }
}

/// What the cache did, for `--json`.
#[derive(Serialize)]
pub struct Report {
    hits: u64,
    misses: u64,
    hit_rate: f64,
    bytes_read: u64,
    read_seconds: f64,
    stall_seconds: f64,
}

impl From<ExpertStats> for Report {
    fn from(stats: ExpertStats) -> Self {
        Report {
            hits: stats.hits,
            misses: stats.misses,
            hit_rate: stats.hit_rate(),
            bytes_read: stats.bytes_read,
            read_seconds: stats.read_time.as_secs_f64(),
            stall_seconds: stats.stall_time.as_secs_f64(),
        }
    }
}

/// What the cache did, for people.
pub fn summary(stats: &ExpertStats) -> String {
    format!(
        "[experts: {:.1} % of {} in the cache, {} read in {:.3} s of threads, {:.3} s waited for]",
        100.0 * stats.hit_rate(),
        stats.hits + stats.misses,
        terminal::bytes(stats.bytes_read),
        stats.read_time.as_secs_f64(),
        stats.stall_time.as_secs_f64(),
    )
}

/// The bytes of `8G`, `1.5 GiB` or `1000`.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: f64 = number.trim().parse().ok()?;
    let unit = unit.to_ascii_uppercase();
    let (base, unit) = match unit.strip_suffix("IB") {
        Some(unit) => (1024.0, unit),
        None => (1000.0, unit.strip_suffix('B').unwrap_or(&unit)),
    };
    let power = ["", "K", "M", "G", "T"]
        .iter()
        .position(|&known| known == unit)?;
    let bytes = number * f64::powi(base, power as i32);
    (bytes >= 0.0 && bytes < u64::MAX as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1000", Some(1000)),
            ("12B", Some(12)),
            ("8G", Some(8_000_000_000)),
            ("1.5 GiB", Some(3 << 29)),
            ("3mb", Some(3_000_000)),
            ("2KiB", Some(2048)),
            ("1T", Some(1_000_000_000_000)),
            ("", None),
            ("G", None),
            ("-1G", None),
            ("1e30", None),
            ("nan", None),
            ("5X", None),
            ("5GG", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
    }
}
