//! What `mettle doctor` found, as text and JSON.

use std::io::Write;

use anyhow::Result;
use mettle_gpu::{Device, DeviceKind};
use mettle_msl::CacheStats;
use serde::Serialize;

use super::embedded::{self, Set};
use crate::commands::verify::Code;
use crate::terminal;

#[derive(Serialize)]
pub struct Report {
    pub version: &'static str,
    pub system: String,
    /// What `--device auto` takes; absent where nothing can be used.
    pub chosen: Option<Chosen>,
    pub devices: Vec<DeviceRow>,
    pub toolchains: Vec<Toolchain>,
    pub embedded: Vec<Set>,
    pub cache: CacheState,
    /// What should work and does not; empty when all is well.
    pub problems: Vec<String>,
}

#[derive(Serialize)]
pub struct Chosen {
    pub kind: String,
    pub why: String,
}

#[derive(Serialize)]
pub struct DeviceRow {
    kind: String,
    #[serde(flatten)]
    state: DeviceState,
}

#[derive(Serialize)]
#[serde(untagged)]
enum DeviceState {
    Present {
        name: String,
        memory_total: u64,
        memory_available: u64,
        max_threads_per_threadgroup: u32,
        max_threadgroup_memory: usize,
        /// Targets of the code it takes, best first.
        targets: Vec<&'static str>,
        self_check: SelfCheck,
    },
    Absent {
        reason: String,
    },
}

/// What became of a handful of cases on a device.
#[derive(Serialize, Default)]
pub struct SelfCheck {
    pub passed: usize,
    pub failures: Vec<String>,
    pub seconds: f64,
    pub code: Code,
}

/// A compiler for kernels.
#[derive(Serialize)]
pub struct Toolchain {
    name: &'static str,
    /// Which, and its version.
    found: Option<String>,
    /// Why it cannot be used.
    reason: Option<String>,
}

impl Toolchain {
    pub fn new(name: &'static str, found: Result<String, String>) -> Self {
        let (found, reason) = match found {
            Ok(found) => (Some(found), None),
            Err(reason) => (None, Some(reason)),
        };
        Toolchain {
            name,
            found,
            reason,
        }
    }
}

#[derive(Serialize, Default)]
pub struct CacheState {
    folder: Option<String>,
    entries: usize,
    bytes: u64,
    capacity: u64,
    /// Why nothing can be kept.
    reason: Option<String>,
}

impl CacheState {
    pub fn of(stats: CacheStats, writable: mettle_msl::Result<()>) -> Self {
        CacheState {
            folder: stats.folder.map(|folder| folder.display().to_string()),
            entries: stats.entries,
            bytes: stats.bytes,
            capacity: stats.capacity,
            reason: writable
                .err()
                .map(|error| format!("{:#}", anyhow::Error::from(error))),
        }
    }

    pub fn missing(reason: String) -> Self {
        CacheState {
            reason: Some(reason),
            ..CacheState::default()
        }
    }
}

/// Why a kind of device cannot be used.
pub fn reason(kind: DeviceKind, error: &mettle_gpu::Error) -> String {
    let text = match error {
        mettle_gpu::Error::NoDevice { reasons } => reasons.clone(),
        other => other.to_string(),
    };
    let named = text.strip_prefix(&kind.to_string());
    let rest = named.and_then(|rest| rest.split_once(": "));
    rest.map_or(text.clone(), |(_, rest)| rest.to_owned())
}

impl DeviceRow {
    pub fn present(device: &Device, self_check: SelfCheck) -> Self {
        let (memory, limits) = (device.memory(), device.limits());
        DeviceRow {
            kind: device.kind().to_string(),
            state: DeviceState::Present {
                name: device.name().to_owned(),
                memory_total: memory.total,
                memory_available: memory.available,
                max_threads_per_threadgroup: limits.max_threads_per_threadgroup,
                max_threadgroup_memory: limits.max_threadgroup_memory,
                targets: device.targets().to_vec(),
                self_check,
            },
        }
    }

    pub fn absent(kind: DeviceKind, error: &mettle_gpu::Error) -> Self {
        DeviceRow {
            kind: kind.to_string(),
            state: DeviceState::Absent {
                reason: reason(kind, error),
            },
        }
    }

    /// What is wrong with a device that is there.
    pub fn problem(&self) -> Option<String> {
        let DeviceState::Present { self_check, .. } = &self.state else {
            return None;
        };
        let failed = self_check.failures.len();
        (failed > 0 || self_check.passed == 0).then(|| {
            let all = failed + self_check.passed;
            format!("{failed} of {all} cases fail on {}", self.kind)
        })
    }

    fn text(&self, out: &mut impl Write) -> Result<()> {
        let kind = &self.kind;
        let (name, total, available, targets, check) = match &self.state {
            DeviceState::Absent { reason } => {
                return Ok(writeln!(out, "  {kind}: none: {reason}")?);
            }
            DeviceState::Present {
                name,
                memory_total,
                memory_available,
                targets,
                self_check,
                ..
            } => (name, *memory_total, *memory_available, targets, self_check),
        };
        writeln!(
            out,
            "  {kind}: {name}, {} of {} available, takes {}",
            terminal::bytes(available),
            terminal::bytes(total),
            targets.join(", ")
        )?;
        writeln!(
            out,
            "    self-check: {} passed, {} failed in {:.2} s; code: {}",
            check.passed,
            check.failures.len(),
            check.seconds,
            check.code
        )?;
        for failure in &check.failures {
            writeln!(out, "      FAILED {failure}")?;
        }
        Ok(())
    }
}

impl Report {
    pub fn json(&self, out: &mut impl Write) -> Result<()> {
        Ok(writeln!(out, "{}", serde_json::to_string_pretty(self)?)?)
    }

    pub fn text(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "mettle {} on {}", self.version, self.system)?;
        match &self.chosen {
            Some(Chosen { kind, why }) => writeln!(out, "\nchosen: {kind}; {why}")?,
            None => writeln!(out, "\nchosen: none")?,
        }
        writeln!(out, "\ndevices")?;
        for device in &self.devices {
            device.text(out)?;
        }
        writeln!(out, "\ncompilers for what is not embedded")?;
        for toolchain in &self.toolchains {
            let text = toolchain.found.as_ref().or(toolchain.reason.as_ref());
            let text = text.map_or("", String::as_str);
            writeln!(out, "  {}: {text}", toolchain.name)?;
        }
        writeln!(out, "\nembedded kernels")?;
        for set in &self.embedded {
            writeln!(
                out,
                "  {}: {} kernels in {} artefacts, {}",
                set.target,
                set.kernels,
                set.artefacts,
                terminal::bytes(set.bytes as u64)
            )?;
        }
        if let Some(note) = embedded::for_apple(&self.embedded) {
            writeln!(out, "  {note}")?;
        }
        let cache = &self.cache;
        writeln!(out, "\ncache")?;
        if let Some(folder) = &cache.folder {
            writeln!(
                out,
                "  {folder}: {} entries, {} of {}",
                cache.entries,
                terminal::bytes(cache.bytes),
                terminal::bytes(cache.capacity)
            )?;
        }
        if let Some(reason) = &cache.reason {
            writeln!(out, "  nothing can be kept: {reason}")?;
        }
        match self.problems.is_empty() {
            true => writeln!(out, "\nno problems")?,
            false => writeln!(out, "\nproblems")?,
        }
        for problem in &self.problems {
            writeln!(out, "  {problem}")?;
        }
        Ok(())
    }
}
