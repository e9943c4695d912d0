//! The table of docs/numerics.md.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Measurements;
use super::table::{Allowed, FUNCTIONS};

const HEAD: &str = "# Accuracy of the math functions

The largest error of each function that was found on the CPU device and in the PTX build on a GPU, next to what the Metal Shading Language
Specification (section 8.4, *ULPs and relative error*) allows. Errors are in units in the last place (ULP) of the exact result, as that section
defines them; `rounded` is at most half of one, `exact` none. Where the specification limits the absolute error within an interval, that is
what the table shows there as a power of two, followed by the error in ULP outside of it. Where it gives a formula and no number (fast
functions), nothing is allowed or forbidden; the error is shown: that of fast `tanh` is large in ULP near 0, where the formula cancels, but
below 2^-21. Errors beyond the allowance would be bold; there are none. Fast functions are measured where operands and results are normal
numbers, as they may flush others to zero. A function without a row among the fast ones is the same in every mode.
`divide` is the function, `quotient` and `reciprocal` are the operator; functions with two results have a row for each.

Exact results come from f64 functions of the system's C library. Functions of half and bfloat with one operand are measured for all operands;
so was `rsqrt` of float on the GPU, as the one correctly rounded function that is not a single instruction.
";

/// Writes the table from the measurements in a folder.
pub fn write(results: &Path, path: &Path) -> Result<()> {
    let read = |kind: &str| -> Result<Option<Measurements>> {
        let path = results.join(format!("{kind}.json"));
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(
                serde_json::from_str(&text).with_context(|| path.display().to_string())?,
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    };
    let devices: Vec<Measurements> = [read("cpu")?, read("cuda")?]
        .into_iter()
        .flatten()
        .collect();
    let mut text = HEAD.to_owned();
    for device in &devices {
        let operands = device
            .functions
            .iter()
            .filter(|m| m.set == "precise" && m.name == "exp")
            .map(|m| m.found.operands)
            .max();
        let taken = match (device.exhaustive, operands) {
            (true, _) => "all 2^32 floats for functions of one operand".to_owned(),
            (false, Some(n)) => format!("{n} floats a function, of every exponent"),
            (false, None) => "a sample".to_owned(),
        };
        let _ = writeln!(
            text,
            "\n- {}{}, code for `{}`: {taken}",
            device.device,
            device
                .machine
                .iter()
                .map(|machine| format!(", {machine}"))
                .collect::<String>(),
            device.target
        );
    }
    text.push_str("\nMeasured with `cargo run --release -p xtask -- numerics --device cpu` and `--device cuda` (`--samples` and `--exhaustive` say of how many\noperands), written with `cargo run -p xtask -- numerics`.\n");
    for (set, title) in [
        ("precise", "Precise functions of float"),
        ("fast", "Fast functions of float"),
        ("half", "Functions of half"),
        ("bfloat", "Operations of bfloat"),
    ] {
        let _ = write!(text, "\n## {title}\n\n| function | allowed |");
        for device in &devices {
            let _ = write!(text, " {} |", device.device);
        }
        let _ = writeln!(text, "\n|---|---|{}", "---|".repeat(devices.len()));
        for function in FUNCTIONS {
            let allowed = match set {
                "precise" => Some(function.precise),
                "fast" => function.fast,
                "bfloat" => function.bfloat.then_some(function.precise),
                _ => Some(function.half),
            };
            let Some(allowed) = allowed else { continue };
            let _ = write!(text, "| `{}` | {allowed} |", function.name);
            for device in &devices {
                let _ = write!(text, " {} |", cell(device, set, function.name, allowed));
            }
            text.push('\n');
        }
    }
    fs::write(path, text)?;
    println!("wrote {}", path.display());
    Ok(())
}

fn cell(device: &Measurements, set: &str, name: &str, allowed: Allowed) -> String {
    let Some(found) = device
        .functions
        .iter()
        .find(|m| m.set == set && m.name == name)
        .map(|m| &m.found)
    else {
        return "not measured".to_owned();
    };
    let ulps = match (found.ulps, allowed) {
        (ulps, Allowed::Rounded) if ulps <= 0.5 + 1e-6 => "rounded".to_owned(),
        (0.0, _) => "exact".to_owned(),
        (ulps, _) if ulps >= 1e4 => format!("{ulps:.0e}"),
        (ulps, _) => format!("{ulps:.2}"),
    };
    let text = match found.absolute {
        Some(absolute) if absolute > 0.0 => format!("2^{:.1}, {ulps}", absolute.log2()),
        _ => ulps,
    };
    if found.share > 1.0 {
        format!("**{text}**")
    } else {
        text
    }
}
