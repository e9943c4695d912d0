//! From the text a compiler sees back to the text the user wrote.
//!
//! The way of a unit is: the user's files -> preprocessed text (one [`Source`]) -> rewritten text. A position goes back in two steps:
//! [`edit::Map`] from rewritten to preprocessed text, and [`Source::locate`] from preprocessed text to a file, line and column.

mod align;
pub(crate) mod edit;

use crate::diagnostic::{Diagnostic, Location, Severity};
use align::Columns;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A file that took part in preprocessing.
#[derive(Debug)]
struct File {
    path: PathBuf,
    /// Empty when it could not be read back.
    text: String,
    /// Offset of the start of each line.
    starts: Vec<usize>,
}

impl File {
    fn new(path: PathBuf, text: String) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(i, _)| i + 1))
            .collect();
        Self { path, text, starts }
    }

    /// Text of a line (from 1) without its end.
    fn line(&self, line: u32) -> &str {
        let Some(&start) = (line as usize)
            .checked_sub(1)
            .and_then(|i| self.starts.get(i))
        else {
            return "";
        };
        self.text[start..].lines().next().unwrap_or("")
    }
}

/// Where a line of the preprocessed text comes from.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Offset of its start in the preprocessed text.
    start: usize,
    /// Index of the file.
    file: usize,
    /// Line in the file, from 1.
    line: u32,
}

/// The preprocessed text of a unit, without line markers, and where each line comes from.
#[derive(Debug)]
pub(crate) struct Source {
    pub text: String,
    files: Vec<File>,
    lines: Vec<Line>,
    /// Columns of the lines looked at, by their start: a macro may expand to a line with hundreds of kernels.
    columns: Mutex<HashMap<usize, Columns>>,
}

impl Source {
    /// Takes apart the output of `clang -E`. `main` is the name given to standard input, and `main_text` what was read there;
    /// every other file is read back from disk.
    pub fn from_preprocessor(output: &str, main: &Path, main_text: &str) -> Self {
        let mut source = Self {
            text: String::with_capacity(output.len()),
            files: Vec::new(),
            lines: Vec::new(),
            columns: Mutex::default(),
        };
        let mut file = source.file("<stdin>", main, main_text);
        let mut line = 1;
        for text in output.split_inclusive('\n') {
            if let Some((number, name)) = marker(text) {
                file = source.file(&name, main, main_text);
                line = number;
                continue;
            }
            source.lines.push(Line {
                start: source.text.len(),
                file,
                line,
            });
            source.text.push_str(text);
            line += 1;
        }
        source
    }

    /// A text whose lines are those of this one, with `#line` wherever they do not follow each other. Empty ones are left out; `rewrite` says what is to
    /// stand in the place of a line, if not itself.
    pub fn with_lines(&self, text: &str, rewrite: impl Fn(&str) -> Option<String>) -> String {
        let mut written = String::new();
        let mut next = (0, 0);
        for (content, origin) in text.lines().zip(&self.lines) {
            if content.trim().is_empty() {
                continue;
            }
            if let Some(instead) = rewrite(content) {
                // Of no interest to messages.
                written.push_str(&instead);
                written.push('\n');
                continue;
            }
            if next != (origin.file, origin.line) {
                let name = self.files[origin.file].path.display().to_string();
                let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                let _ = writeln!(written, "#line {} \"{name}\"", origin.line);
            }
            written.push_str(content);
            written.push('\n');
            next = (origin.file, origin.line + 1);
        }
        written
    }

    fn file(&mut self, name: &str, main: &Path, main_text: &str) -> usize {
        let path = if name == "<stdin>" {
            main
        } else {
            Path::new(name)
        };
        if let Some(found) = self.files.iter().position(|f| f.path == path) {
            return found;
        }
        let text = if path == main {
            main_text.to_owned()
        } else if name.starts_with('<') {
            String::new()
        } else {
            // Only for columns and excerpts, so that a file which is gone costs nothing else.
            std::fs::read_to_string(path).unwrap_or_default()
        };
        self.files.push(File::new(path.to_owned(), text));
        self.files.len() - 1
    }

    /// The user's place of a byte of the preprocessed text.
    pub fn locate(&self, offset: usize) -> Location {
        let Some(origin) = self.origin(offset) else {
            let file = self
                .files
                .first()
                .map_or_else(PathBuf::new, |f| f.path.clone());
            return Location {
                file,
                line: 1,
                column: 1,
            };
        };
        let file = &self.files[origin.file];
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        let columns = columns.entry(origin.start).or_insert_with(|| {
            let text = self.text[origin.start..].lines().next().unwrap_or("");
            Columns::new(text, file.line(origin.line))
        });
        let column = columns.written(offset - origin.start) as u32 + 1;
        Location {
            file: file.path.clone(),
            line: origin.line,
            column,
        }
    }

    /// File name without its folder, and line, of a byte of the preprocessed text.
    pub fn line(&self, offset: usize) -> (Cow<'_, str>, u32) {
        match self.origin(offset) {
            Some(origin) => (
                self.files[origin.file]
                    .path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy(),
                origin.line,
            ),
            None => (Cow::Borrowed(""), 1),
        }
    }

    fn origin(&self, offset: usize) -> Option<&Line> {
        let index = self
            .lines
            .partition_point(|l| l.start <= offset)
            .saturating_sub(1);
        self.lines.get(index)
    }

    /// A message about a place, with the line it stands on.
    pub fn diagnostic(
        &self,
        location: Location,
        severity: Severity,
        message: impl Into<String>,
    ) -> Diagnostic {
        let source_line = self
            .files
            .iter()
            .find(|f| f.path == location.file)
            .map_or("", |f| f.line(location.line));
        Diagnostic {
            source_line: source_line.to_owned(),
            location,
            severity,
            rule: None,
            message: message.into(),
        }
    }

    /// An error about a byte of the preprocessed text.
    pub fn error(&self, offset: usize, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(self.locate(offset), Severity::Error, message)
    }

    /// The comment that ends on the line above the line of `location`, without its marks. An empty line in between detaches it.
    pub fn docs(&self, location: &Location) -> String {
        let Some(file) = self.files.iter().find(|f| f.path == location.file) else {
            return String::new();
        };
        let mut lines = Vec::new();
        let mut block = false;
        for number in (1..location.line).rev() {
            let text = file.line(number).trim();
            let part = if block || text.ends_with("*/") {
                let inner = text.trim_end_matches("*/");
                block = !inner.contains("/*");
                inner
                    .split_once("/*")
                    .map_or(inner, |(_, comment)| comment)
                    .trim_start_matches('*')
            } else if let Some(comment) = text.strip_prefix("//") {
                comment.trim_start_matches(['/', '!'])
            } else {
                break;
            };
            lines.push(part.trim());
        }
        lines.reverse();
        lines.join("\n").trim().to_owned()
    }

    /// The comment behind the code on the line where `offset` of the preprocessed text stands, without its marks.
    pub fn line_docs(&self, offset: usize) -> String {
        let location = self.locate(offset.saturating_sub(1));
        let line = self
            .files
            .iter()
            .find(|f| f.path == location.file)
            .map_or("", |f| f.line(location.line));
        let rest = line.get(location.column as usize..).unwrap_or("");
        match (rest.split_once("//"), rest.split_once("/*")) {
            (Some((_, comment)), _) => comment
                .trim_start_matches(['/', '<', '!'])
                .trim()
                .to_owned(),
            (None, Some((_, comment))) => {
                comment.trim_end().trim_end_matches("*/").trim().to_owned()
            }
            (None, None) => String::new(),
        }
    }

    /// Whether a file was included.
    pub fn includes(&self, path: &Path) -> bool {
        self.files.iter().any(|f| f.path == path)
    }

    /// The user's files that were read; none of those below `system`.
    pub fn dependencies(&self, system: &Path) -> Vec<PathBuf> {
        // `<built-in>` and `<command line>` are no files.
        let real =
            |path: &Path| !path.to_string_lossy().starts_with('<') && !path.starts_with(system);
        self.files
            .iter()
            .map(|f| &f.path)
            .filter(|p| real(p))
            .cloned()
            .collect()
    }
}

/// Reads a line marker `# 12 "name" flags`.
fn marker(line: &str) -> Option<(u32, String)> {
    let (number, rest) = line.strip_prefix("# ")?.split_once(' ')?;
    let number = number.parse().ok()?;
    let quoted = rest.strip_prefix('"')?;
    let mut name = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((number, name)),
            '\\' => name.push(characters.next()?),
            c => name.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "#define TWICE(x) ((x) + (x))\n// Doubles.\n// Twice.\nint  f(int a) {\n    return /* ! */ TWICE(a) * b;\n}\n";

    fn source() -> Source {
        let output = "# 1 \"<stdin>\"\n# 1 \"<built-in>\" 1\n# 1 \"<stdin>\" 2\n\n# 4 \"<stdin>\"\nint f(int a) {\n    return ((a) + (a)) * b;\n}\n";
        Source::from_preprocessor(output, Path::new("u.metal"), USER)
    }

    fn at(source: &Source, needle: &str) -> (u32, u32) {
        let location = source.locate(source.text.find(needle).unwrap());
        assert_eq!(location.file, Path::new("u.metal"));
        (location.line, location.column)
    }

    #[test]
    fn columns_survive_blanks_comments_and_macros() {
        let source = source();
        assert_eq!(at(&source, "f("), (4, 6));
        assert_eq!(at(&source, "return"), (5, 5));
        assert_eq!(at(&source, "(("), (5, 20), "the macro's use");
        assert_eq!(at(&source, "+"), (5, 20));
        assert_eq!(at(&source, "a) +"), (5, 26), "the macro's argument");
        assert_eq!(at(&source, "b;"), (5, 31));
    }

    #[test]
    fn docs_are_the_comment_above() {
        let source = source();
        let location = source.locate(source.text.find("int f").unwrap());
        assert_eq!(source.docs(&location), "Doubles.\nTwice.");
        let block = Source::from_preprocessor(
            "# 5 \"<stdin>\"\nint x;\n",
            Path::new("u"),
            "a;\n/**\n * One.\n */\nint x;\n",
        );
        assert_eq!(block.docs(&block.locate(0)), "One.");
    }

    #[test]
    fn markers_unescape_names() {
        assert_eq!(
            marker("# 3 \"a\\\"b\\\\c\" 1 3\n"),
            Some((3, "a\"b\\c".into()))
        );
        assert_eq!(marker("#pragma unroll\n"), None);
        assert_eq!(marker("# 3 \"a"), None);
    }
}
