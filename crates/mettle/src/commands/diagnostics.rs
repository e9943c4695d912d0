//! Messages about places in sources, drawn for people.

use std::collections::HashMap;
use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use mettle_msl::{Diagnostic, Severity};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

/// Notes about other places that are drawn with an error; the rest are counted.
const SHOWN_NOTES: usize = 4;

/// Draws errors and warnings, each with its notes; coloured where `terminal` is one.
pub fn draw(diagnostics: &[Diagnostic], terminal: &impl IsTerminal) -> Result<String, fmt::Error> {
    let mut sources = Sources::default();
    let handler = handler(terminal);
    let mut drawn = String::new();
    let mut rest = diagnostics;
    while let Some((first, after)) = rest.split_first() {
        let notes = after.iter().take_while(|d| d.severity == Severity::Note);
        let (notes, after) = after.split_at(notes.count());
        let mut text = String::new();
        handler.render_report(&mut text, &Message::new(first, notes, &mut sources))?;
        // The handler begins with a blank line and ends with none.
        drawn.push_str(text.trim_matches('\n'));
        drawn.push_str("\n\n");
        rest = after;
    }
    Ok(drawn)
}

fn handler(terminal: &impl IsTerminal) -> GraphicalReportHandler {
    let plain = !terminal.is_terminal() || std::env::var_os("NO_COLOR").is_some();
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
