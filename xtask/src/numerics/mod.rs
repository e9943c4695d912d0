//! How far the math functions are from the exact results, and what the Metal Shading Language Specification allows.
//!
//! The exact results are those of f64 functions of the system's C library, whose own errors are below a millionth of a float's ULP.

mod measure;
mod number;
mod report;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use half::{bf16, f16};
use mettle_gpu::{Device, Library};
use mettle_msl::{Options, PtxLevel, Target, Unit};
use serde::{Deserialize, Serialize};

use measure::{Found, Operands};
use table::FUNCTIONS;

/// Options of `xtask numerics`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Where the functions run: cpu, cuda or cuda:1. Without it the table is written from what was measured before.
    #[arg(long)]
    device: Option<String>,
    /// Operands for each function of float with two or three operands, and, unless --exhaustive, with one. All numbers are taken for half and
    /// bfloat with one operand.
    #[arg(long, default_value_t = 1 << 21)]
    samples: u64,
    /// Takes all 2^32 floats for functions of one operand: minutes on a large machine.
    #[arg(long)]
    exhaustive: bool,
    /// Only functions whose name contains this.
    #[arg(long, default_value = "")]
    function: String,
    /// Where the kernels' code is kept, to be carried to a machine without a compiler.
    #[arg(long, value_name = "DIR")]
    artefacts: Option<PathBuf>,
    /// Only compiles the kernels for this target (ptx-sm80, ...) into --artefacts.
    #[arg(long, value_name = "TARGET", requires = "artefacts")]
    compile: Option<String>,
    /// What else to say of the machine in the table, such as the version of its driver.
    #[arg(long, value_name = "TEXT")]
    machine: Option<String>,
    /// Where the measurements are kept.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// What was measured on a device.
#[derive(Serialize, Deserialize)]
struct Measurements {
    device: String,
    machine: Option<String>,
    target: String,
    /// All 2^32 floats were taken for functions of one operand.
    exhaustive: bool,
    functions: Vec<Measurement>,
}

#[derive(Serialize, Deserialize)]
struct Measurement {
    set: String,
    name: String,
    #[serde(flatten)]
    found: Found,
}

/// Measures, or writes the table.
pub fn run(workspace: &Path, arguments: &Arguments) -> Result<()> {
    let results = arguments
        .results
        .clone()
        .unwrap_or_else(|| workspace.join("docs/numerics"));
    if let Some(target) = &arguments.compile {
        let target =
            Target::from_name(target).with_context(|| format!("there is no target {target}"))?;
        code(target, arguments.artefacts.as_deref())?;
        return Ok(());
    }
    let Some(device) = &arguments.device else {
        return report::write(&results, &workspace.join("docs/numerics.md"));
    };
    let device = Device::open(device.parse()?)?;
    let measured = measure(&device, arguments)?;
    fs::create_dir_all(&results)?;
    let outside: Vec<String> = measured
        .functions
        .iter()
        .filter(|measurement| measurement.found.share > 1.0)
        .map(|m| {
            format!(
                "{} {}: {:.3} ULP at {:?}, {:.2} of what is allowed",
                m.set, m.name, m.found.ulps, m.found.at, m.found.share
            )
        })
        .collect();
    if arguments.function.is_empty() {
        let path = results.join(format!("{}.json", device.kind()));
        fs::write(&path, serde_json::to_string_pretty(&measured)? + "\n")?;
        println!("wrote {}", path.display());
    }
    ensure!(
        outside.is_empty(),
        "outside of what the specification allows:\n{}",
        outside.join("\n")
    );
    Ok(())
}

fn measure(device: &Device, arguments: &Arguments) -> Result<Measurements> {
    let target = device
        .targets()
        .iter()
        .find_map(|name| match Target::from_name(name) {
            // What is embedded in the kernels' crate is for the first level.
            Some(Target::Ptx(_)) => Some(Target::Ptx(PtxLevel::Sm80)),
            target => target,
        });
    let target = target.context("the device has no target")?;
    let library = library(device, target, arguments.artefacts.as_deref())?;
    let operands = Operands {
        samples: arguments.samples,
        exhaustive: arguments.exhaustive,
    };
    let mut functions = Vec::new();
    for function in FUNCTIONS
        .iter()
        .filter(|function| function.name.contains(&arguments.function))
    {
        let mut sets = vec![("precise", function.precise), ("half", function.half)];
        if let Some(fast) = function.fast {
            sets.insert(1, ("fast", fast));
        }
        if function.bfloat {
            sets.push(("bfloat", function.precise));
        }
        for (set, allowed) in sets {
            let found = match set {
                "half" => {
                    measure::function::<f16>(device, &library, set, function, allowed, operands)?
                }
                "bfloat" => {
                    measure::function::<bf16>(device, &library, set, function, allowed, operands)?
                }
                _ => measure::function::<f32>(device, &library, set, function, allowed, operands)?,
            };
            println!(
                "{set:8} {:10} {:10.4} ULP  allowed: {allowed}  {:.3} of it",
                function.name, found.ulps, found.share
            );
            functions.push(Measurement {
                set: set.to_owned(),
                name: function.name.to_owned(),
                found,
            });
        }
    }
    Ok(Measurements {
        device: device.name().to_owned(),
        machine: arguments.machine.clone(),
        target: target.name().to_owned(),
        exhaustive: arguments.exhaustive,
        functions,
    })
}

fn library(device: &Device, target: Target, artefacts: Option<&Path>) -> Result<Library> {
    let code = code(target, artefacts)?;
    Ok(device.library_from("functions", vec![(target.name().to_owned(), None, code)]))
}

/// The kernels' code: what is kept in the folder, else compiled, and then kept there.
fn code(target: Target, artefacts: Option<&Path>) -> Result<Vec<u8>> {
    let path = artefacts.map(|folder| folder.join(format!("functions.{target}")));
    if let Some(bytes) = path.as_ref().and_then(|path| fs::read(path).ok()) {
        return Ok(bytes);
    }
    let unit = Unit::from_source(
        "functions.metal",
        include_str!("functions.metal"),
        &Options::default(),
    )?;
    let bytes = mettle_msl::compile(&unit, target, None, &[])?.to_bytes();
    if let Some(path) = path {
        fs::write(path, &bytes)?;
    }
    Ok(bytes)
}
