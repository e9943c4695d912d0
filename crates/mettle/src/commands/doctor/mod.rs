//! `mettle doctor`: what this machine has, what would be chosen and why, and whether it works.

mod embedded;
mod report;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use mettle_gpu::{Device, DeviceKind, DeviceOptions};
use mettle_kernels::cases;
use mettle_msl::{Cache, Clang, metal};

use self::report::{CacheState, Chosen, DeviceRow, Report, SelfCheck, Toolchain};

/// Options of `mettle doctor`.
#[derive(clap::Args)]
pub struct Args {
    /// Machine-readable output: one JSON document.
    #[arg(long)]
    json: bool,
}

/// Kernels that the self-check runs: plain ones, collectives, barriers, a quantised format, function constants.
const CHECKED: [&str; 6] = [
    "binary_f32",
    "rms_norm_f32",
    "softmax_f32",
    "mul_mv_q4_0_f32",
    "attention_f16",
    "argmax_f32",
];

/// Cases of each of these kernels.
const CASES: usize = 4;

/// Runs the command; the exit code is 1 when something that should work does not.
pub fn run(args: Args) -> Result<ExitCode> {
    let survey = Device::survey(&DeviceOptions::default());
    let chosen = chosen(&survey);
    let devices: Vec<DeviceRow> = survey
        .iter()
        .map(|(kind, device)| match device {
            Ok(device) => DeviceRow::present(device, self_check(device)),
            Err(error) => DeviceRow::absent(*kind, error),
        })
        .collect();
    let embedded = embedded::sets();
    let mut problems = Vec::new();
    if chosen.is_none() {
        problems.push("no device can be used".to_owned());
    }
    problems.extend(devices.iter().filter_map(DeviceRow::problem));
    problems.extend(embedded::problem(&embedded));
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        chosen,
        devices,
        toolchains: toolchains(),
        embedded,
        cache: cache(),
        problems,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        report.json(&mut out)?;
    } else {
        report.text(&mut out)?;
    }
    Ok(match report.problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What `auto` takes: the first that opens.
fn chosen(survey: &[(DeviceKind, mettle_gpu::Result<Device>)]) -> Option<Chosen> {
    let at = survey.iter().position(|(_, device)| device.is_ok())?;
    let refused = survey[..at].iter().filter_map(|(kind, device)| {
        let error = device.as_ref().err()?;
        Some(format!("{kind}: {}", report::reason(*kind, error)))
    });
    let refused: Vec<String> = refused.collect();
    Some(Chosen {
        kind: survey[at].0.to_string(),
        why: match refused.is_empty() {
            true => "it is the best kind there is".to_owned(),
            false => format!("better kinds cannot be used: {}", refused.join("; ")),
        },
    })
}

/// Runs a handful of cases.
fn self_check(device: &Device) -> SelfCheck {
    let started = Instant::now();
    let mut check = SelfCheck::default();
    for kernel in CHECKED {
        for case in cases::select(kernel, "*", 1).iter().take(CASES) {
            match case.run(device, 0) {
                Ok(outcome) if outcome.passed => check.passed += 1,
                Ok(_) => check.failures.push(format!("{case:?}: wrong results")),
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    check.failures.push(format!("{case:?}: {error:#}"));
                }
            }
        }
    }
    check.seconds = started.elapsed().as_secs_f64();
    check.code = device.into();
    check
}

/// The compilers for kernels that are not embedded.
fn toolchains() -> Vec<Toolchain> {
    let clang = match Clang::find() {
        Ok(clang) => {
            let linker = match &clang.linker {
                Some(_) => "with lld",
                None => "without lld, so linking takes longer",
            };
            Ok(format!(
                "{}: {}, {linker}",
                clang.path.display(),
                clang.version
            ))
        }
        Err(error) => Err(format!("{:#}", anyhow::Error::from(error))),
    };
    vec![
        Toolchain::new("clang", clang),
        Toolchain::new("xcrun metal", metal::compiler().clone()),
    ]
}

fn cache() -> CacheState {
    let Some(cache) = Cache::of_user() else {
        return CacheState::missing(
            "there is no folder for it: set METTLE_CACHE, XDG_CACHE_HOME or HOME to one that can be written"
                .to_owned(),
        );
    };
    match cache.stats() {
        Ok(stats) => CacheState::of(stats, cache.check_writable()),
        Err(error) => CacheState::missing(format!("{:#}", anyhow::Error::from(error))),
    }
}
