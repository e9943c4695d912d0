//! Positions in the user's files and messages about them.

use std::fmt;
use std::path::PathBuf;

/// A place in a source file as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file, as named on the way in (or by `#include`).
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1. Inside a macro's expansion: the column of the macro's use.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// How serious a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The unit cannot be used.
    Error,
    /// Suspicious, but usable.
    Warning,
    /// Belongs to the error or warning before it.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One message about a place in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub location: Location,
    /// How serious.
    pub severity: Severity,
    /// The rule of the lint that found it, in kebab case (`address-space`); `None` for messages of the compiler.
    pub rule: Option<&'static str>,
    /// What, in one line.
    pub message: String,
    /// The text of that line as the user wrote it, without its newline; empty when the file cannot be read.
    pub source_line: String,
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: severity: message`, then the line and a caret below the column.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.location, self.severity, self.message)?;
        if self.source_line.is_empty() {
            return Ok(());
        }
        let before = (self.location.column as usize).saturating_sub(1);
        // Tabs are kept so that the caret stands below its column at any tab width.
        let margin: String = self
            .source_line
            .char_indices()
            .take_while(|(i, _)| *i < before)
            .map(|(_, c)| if c == '\t' { '\t' } else { ' ' })
            .collect();
        write!(f, "\n  {}\n  {margin}^", self.source_line)
    }
}

/// A line of a compiler's output that reports a position: `file:line:column: severity: message`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CompilerMessage<'a> {
    pub file: &'a str,
    pub line: u32,
    pub column: u32,
    pub severity: Severity,
    pub message: &'a str,
}

/// The messages with positions in clang's standard error; other lines (source excerpts, totals) are left out.
pub(crate) fn parse(output: &str) -> impl Iterator<Item = CompilerMessage<'_>> {
    output.lines().filter_map(parse_line)
}

fn parse_line(line: &str) -> Option<CompilerMessage<'_>> {
    const MARKS: [(&str, Severity); 4] = [
        (": fatal error: ", Severity::Error),
        (": error: ", Severity::Error),
        (": warning: ", Severity::Warning),
        (": note: ", Severity::Note),
    ];
    let (at, mark, severity) = MARKS
        .iter()
        .filter_map(|(mark, severity)| Some((line.find(mark)?, *mark, *severity)))
        .min_by_key(|(at, ..)| *at)?;
    let message = &line[at + mark.len()..];
    // From the right, since a file name may contain colons.
    let (rest, column) = line[..at].rsplit_once(':')?;
    let (file, number) = rest.rsplit_once(':')?;
    Some(CompilerMessage {
        file,
        line: number.parse().ok()?,
        column: column.parse().ok()?,
        severity,
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clang_lines_are_taken_apart() {
        let output = "a:b.cpp:3:14: error: no member named 'x': error: y\n  float z = a.x;\n1 error generated.\n";
        let messages: Vec<_> = parse(output).collect();
        assert_eq!(
            messages,
            [CompilerMessage {
                file: "a:b.cpp",
                line: 3,
                column: 14,
                severity: Severity::Error,
                message: "no member named 'x': error: y"
            }]
        );
    }

    #[test]
    fn the_caret_stands_below_its_column() {
        let diagnostic = Diagnostic {
            location: Location {
                file: "k.metal".into(),
                line: 2,
                column: 5,
            },
            severity: Severity::Error,
            rule: None,
            message: "what".into(),
            source_line: "\tπ x".into(),
        };
        assert_eq!(
            diagnostic.to_string(),
            "k.metal:2:5: error: what\n  \tπ x\n  \t  ^"
        );
    }
}
