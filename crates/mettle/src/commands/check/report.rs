//! What `mettle check` prints.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use mettle_msl::{Diagnostic, Severity};
use serde::Serialize;

use super::Checked;
use crate::commands::{diagnostics, reflection};

#[derive(Serialize)]
struct Document<'a> {
    files: Vec<FileRow<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct FileRow<'a> {
    file: &'a Path,
    passed: bool,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    diagnostics: Vec<DiagnosticRow<'a>>,
    kernels: Vec<reflection::KernelRow<'a>>,
    constants: Vec<reflection::ConstantRow<'a>>,
}

#[derive(Serialize)]
struct DiagnosticRow<'a> {
    file: &'a Path,
    line: u32,
    column: u32,
    severity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    message: &'a str,
    source_line: &'a str,
}

#[derive(Serialize)]
struct Summary {
    files: usize,
    failed: usize,
    kernels: usize,
    errors: usize,
    warnings: usize,
    seconds: f64,
}

fn summary(checked: &[Checked], elapsed: Duration) -> Summary {
    let count = |severity| {
        let all = checked.iter().flat_map(|file| &file.diagnostics);
        all.filter(|d| d.severity == severity).count()
    };
    let failures = checked.iter().filter(|file| file.failure.is_some()).count();
    Summary {
        files: checked.len(),
        failed: checked.iter().filter(|file| !file.passed()).count(),
        kernels: checked
            .iter()
            .filter_map(|file| file.unit.as_ref())
            .map(|unit| unit.kernels.len())
            .sum(),
        errors: count(Severity::Error) + failures,
        warnings: count(Severity::Warning),
        seconds: elapsed.as_secs_f64(),
    }
}

/// One JSON document.
pub fn json(checked: &[Checked], elapsed: Duration, out: &mut impl Write) -> Result<()> {
    let files = checked.iter().map(|file| FileRow {
        file: &file.path,
        passed: file.passed(),
        seconds: file.elapsed.as_secs_f64(),
        failure: file.failure.as_deref(),
        diagnostics: file.diagnostics.iter().map(row).collect(),
        kernels: file.unit.as_ref().map_or(Vec::new(), reflection::kernels),
        constants: file.unit.as_ref().map_or(Vec::new(), reflection::constants),
    });
    let document = Document {
        files: files.collect(),
        summary: summary(checked, elapsed),
    };
    Ok(writeln!(
        out,
        "{}",
        serde_json::to_string_pretty(&document)?
    )?)
}

fn row(diagnostic: &Diagnostic) -> DiagnosticRow<'_> {
    DiagnosticRow {
        file: &diagnostic.location.file,
        line: diagnostic.location.line,
        column: diagnostic.location.column,
        severity: diagnostic.severity.to_string(),
        rule: diagnostic.rule,
        message: &diagnostic.message,
        source_line: &diagnostic.source_line,
    }
}

/// For people: every message with its source line, then one line that sums up.
pub fn text(
    checked: &[Checked],
    reflect: bool,
    elapsed: Duration,
    out: &mut impl Write,
) -> Result<()> {
    for file in checked {
        if let Some(unit) = file.unit.as_ref().filter(|_| reflect) {
            reflection::print(unit, out)?;
        }
        if let Some(failure) = &file.failure {
            writeln!(out, "{}: error: {failure}\n", file.path.display())?;
        }
        write!(
            out,
            "{}",
            diagnostics::draw(&file.diagnostics, &std::io::stdout())?
        )?;
    }
    let sum = summary(checked, elapsed);
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    write!(
        out,
        "{}, {}: ",
        plural(sum.files, "file"),
        plural(sum.kernels, "kernel")
    )?;
    match sum.failed {
        0 => write!(out, "no errors")?,
        failed => write!(
            out,
            "{} in {}",
            plural(sum.errors, "error"),
            plural(failed, "file")
        )?,
    }
    if sum.warnings > 0 {
        write!(out, ", {}", plural(sum.warnings, "warning"))?;
    }
    writeln!(out, " ({:.2} s)", sum.seconds)?;
    Ok(())
}
