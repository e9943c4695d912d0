//! What `mettle check` prints.

use std::collections::HashMap;
use std::fmt;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use mettle_msl::{Diagnostic, Severity};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};
use serde::Serialize;

use super::Checked;
use crate::commands::reflection;

/// Messages about one error that are shown; the rest of its notes are counted.
const SHOWN_NOTES: usize = 4;

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
    let mut sources = Sources::default();
    let handler = handler();
    for file in checked {
        if let Some(unit) = file.unit.as_ref().filter(|_| reflect) {
            reflection::print(unit, out)?;
        }
        if let Some(failure) = &file.failure {
            writeln!(out, "{}: error: {failure}\n", file.path.display())?;
        }
        let mut rest = &file.diagnostics[..];
        while let Some((first, after)) = rest.split_first() {
            let notes = after.iter().take_while(|d| d.severity == Severity::Note);
            let (notes, after) = after.split_at(notes.count());
            let mut text = String::new();
            handler.render_report(&mut text, &Message::new(first, notes, &mut sources))?;
            // The handler begins with a blank line and ends with none.
            writeln!(out, "{}\n", text.trim_matches('\n'))?;
            rest = after;
        }
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

fn handler() -> GraphicalReportHandler {
    let plain = !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    let theme = if plain {
        GraphicalTheme::unicode_nocolor()
    } else {
        GraphicalTheme::unicode()
    };
    GraphicalReportHandler::new_themed(theme).with_width(120)
}

/// Texts of the files that messages are about.
#[derive(Default)]
struct Sources(HashMap<PathBuf, Option<String>>);

impl Sources {
    fn text(&mut self, path: &Path) -> Option<&str> {
        self.0
            .entry(path.to_owned())
            .or_insert_with(|| std::fs::read_to_string(path).ok())
            .as_deref()
    }
}

/// One error or warning with its notes, as the handler takes it.
struct Message {
    text: String,
    code: Option<&'static str>,
    severity: Severity,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
    related: Vec<Message>,
}

impl Message {
    fn new(diagnostic: &Diagnostic, notes: &[Diagnostic], sources: &mut Sources) -> Self {
        let location = &diagnostic.location;
        let mut text = diagnostic.message.clone();
        let mut labels = Vec::new();
        let source = sources.text(&location.file).map(|source| {
            let (at, length) = span(source, location.line, location.column);
            labels.push(LabeledSpan::new_primary_with_span(
                Some("here".into()),
                (at, length),
            ));
            NamedSource::new(location.file.to_string_lossy(), source.to_owned())
        });
        if source.is_none() {
            text = format!("{location}: {text}");
        }
        // A note at the same place is a reason, one elsewhere another place to look at.
        let (reasons, places): (Vec<_>, Vec<_>) =
            notes.iter().partition(|note| note.location == *location);
        let mut help: Vec<String> = reasons.iter().map(|note| note.message.clone()).collect();
        let related = places.iter().take(SHOWN_NOTES);
        let related: Vec<Self> = related.map(|note| Self::new(note, &[], sources)).collect();
        if places.len() > SHOWN_NOTES {
            let more = places.len() - SHOWN_NOTES;
            help.push(format!("{more} more notes are in the output of --json"));
        }
        Self {
            text,
            code: diagnostic.rule,
            severity: diagnostic.severity,
            source,
            labels,
            help: (!help.is_empty()).then(|| help.join("\n")),
            related,
        }
    }
}

/// Offset and length of the word at a line and column, both from 1, the column in bytes.
fn span(text: &str, line: u32, column: u32) -> (usize, usize) {
    let lines = text.split_inclusive('\n');
    let start: usize = lines
        .take(line.saturating_sub(1) as usize)
        .map(str::len)
        .sum();
    let end = text[start..].find('\n').map_or(text.len(), |n| start + n);
    let at = text.floor_char_boundary((start + column.saturating_sub(1) as usize).min(end));
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let length = text[at..end].find(|c| !word(c)).unwrap_or(end - at);
    let one = text[at..end].chars().next().map_or(0, char::len_utf8);
    (at, length.max(one))
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Message {}

impl miette::Diagnostic for Message {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code
            .map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(self.source.as_ref()?)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(
            self.related.iter().map(|m| m as &dyn miette::Diagnostic),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_cover_words() {
        let text = "float x;\n  é = yy + 1;\n";
        assert_eq!(&text[9 + 2..][..2], "é");
        let of = |line, column| {
            let (at, length) = span(text, line, column);
            &text[at..at + length]
        };
        assert_eq!(of(1, 1), "float");
        assert_eq!(of(1, 8), ";");
        assert_eq!(of(2, 3), "é");
        assert_eq!(of(2, 8), "yy");
        assert_eq!(of(2, 99), "");
        assert_eq!(of(99, 1), "");
    }
}
