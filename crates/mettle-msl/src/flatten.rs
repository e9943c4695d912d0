//! One text of a file and everything it includes, for compilers that read no files.
//!
//! Only `#include` is carried out; macros, conditions and comments stay, so that the compiler which reads the text decides about them (Apple's
//! defines other macros than our preprocessor). What is not found in the user's folders, such as `<metal_stdlib>`, stays as it is written.
//! `#line` directives lead messages back to the user's files.

use crate::error::{Error, Result};
use crate::source::edit::Edits;
use crate::token::{Token, TokenKind};
use crate::{Options, lex};
use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Files that may include each other in a row.
const DEEPEST: usize = 100;

/// Bytes of the whole text: a file without an include guard that is included again and again grows quickly.
const LONGEST: usize = 1 << 26;

/// The text of a file with the files that it includes put in their places.
///
/// Files are named in `#line` directives relative to the folder they were found in, so that the text is the same wherever it was made.
///
/// # Errors
/// [`Error::Io`] if a file cannot be read or is not UTF-8, and [`Error::Tool`] if files include each other without end.
pub fn flatten(path: &Path, options: &Options) -> Result<String> {
    let text = read(path)?;
    flatten_source(path, &text, options)
}

/// As [`flatten`], of a text; `name` stands for the file.
///
/// # Errors
/// As [`flatten`].
pub fn flatten_source(name: &Path, text: &str, options: &Options) -> Result<String> {
    let mut flat = Flat {
        main: name,
        options,
        text: String::new(),
        files: HashMap::new(),
        open: Vec::new(),
    };
    for (name, value) in &options.defines {
        let _ = writeln!(flat.text, "#define {name} {value}");
    }
    let shown = flat.shown(name);
    if !flat.text.is_empty() {
        flat.line(1, &shown);
    }
    flat.inline(text, name, &shown, true)?;
    Ok(flat.text)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::Io {
        action: format!("read {}", path.display()),
        source,
    })
}

/// What is known of an included file.
#[derive(Default)]
struct File {
    number: usize,
    /// Its text is there wherever it may be included again.
    done: bool,
}

struct Flat<'a> {
    main: &'a Path,
    options: &'a Options,
    text: String,
    files: HashMap<PathBuf, File>,
    /// The files being put in, outermost first.
    open: Vec<PathBuf>,
}

impl Flat<'_> {
    /// Appends a file. `always`: no condition around it can leave it out.
    fn inline(&mut self, text: &str, path: &Path, shown: &str, always: bool) -> Result<()> {
        // For each open condition, whether a file was put in since it began: a condition that does not hold skips `#line`, too.
        let mut conditions: Vec<bool> = Vec::new();
        let mut done = 0;
        let mut counted = 0;
        let mut next_line = 2;
        for directive in directives(text) {
            let content = &text[directive.span.clone()];
            let end = directive.span.end;
            next_line += text[counted..end].matches('\n').count();
            counted = end;
            let (name, rest) = split(content);
            match name {
                "if" | "ifdef" | "ifndef" => conditions.push(false),
                "else" | "elif" | "elifdef" | "elifndef" | "endif" => {
                    let moved = if name == "endif" {
                        conditions.pop()
                    } else {
                        conditions.last().copied()
                    };
                    if moved == Some(true) {
                        self.copy(&text[done..end])?;
                        done = text.len().min(end + 1);
                        self.text.push('\n');
                        self.line(next_line, shown);
                        if let Some(outer) = conditions.last_mut() {
                            *outer = true;
                        }
                    }
                }
                "pragma" if rest.trim() == "once" => {
                    self.copy(&text[done..directive.span.start])?;
                    done = end;
                }
                "include" | "import" => {
                    let Some(found) = self.find(rest, path) else {
                        continue;
                    };
                    self.copy(&text[done..directive.span.start])?;
                    done = text.len().min(end + 1);
                    self.include(found, name == "import", always && conditions.is_empty())?;
                    self.line(next_line, shown);
                    if let Some(innermost) = conditions.last_mut() {
                        *innermost = true;
                    }
                }
                _ => {}
            }
        }
        self.copy(&text[done..])
    }

    /// Appends an included file, unless it can only be there already.
    fn include(&mut self, path: PathBuf, import: bool, always: bool) -> Result<()> {
        let count = self.files.len();
        let file = self.files.entry(path.clone()).or_insert_with(|| File {
            number: count,
            done: false,
        });
        let number = file.number;
        if file.done {
            return Ok(());
        }
        let text = read(&path)?;
        let once = import || has_pragma_once(&text);
        let guarded = once || has_guard(&text);
        if guarded && self.open.contains(&path) {
            return Ok(());
        }
        if self.open.len() == DEEPEST {
            return Err(self.endless(&path));
        }
        if always && guarded {
            file.done = true;
        }
        let shown = self.shown(&path);
        if once {
            let _ = writeln!(
                self.text,
                "#ifndef METTLE_ONCE_{number}\n#define METTLE_ONCE_{number}"
            );
        }
        self.line(1, &shown);
        self.open.push(path.clone());
        self.inline(&text, &path, &shown, always)?;
        self.open.pop();
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        if once {
            self.text.push_str("#endif\n");
        }
        Ok(())
    }

    fn copy(&mut self, text: &str) -> Result<()> {
        if self.text.len() + text.len() > LONGEST {
            return Err(self.endless(self.open.last().map_or(self.main, |path| path)));
        }
        self.text.push_str(text);
        Ok(())
    }

    fn line(&mut self, line: usize, shown: &str) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        let name = shown.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(self.text, "#line {line} \"{name}\"");
    }

    /// The user's file that an `#include` names, if there is one.
    fn find(&self, rest: &str, from: &Path) -> Option<PathBuf> {
        let rest = rest.trim_start();
        let (name, quoted) = if let Some(rest) = rest.strip_prefix('"') {
            (rest.split_once('"')?.0, true)
        } else {
            (rest.strip_prefix('<')?.split_once('>')?.0, false)
        };
        let beside = [from, self.main]
            .into_iter()
            .filter(|_| quoted)
            .map(|path| path.parent().unwrap_or(Path::new("")));
        let folders = self.options.include_dirs.iter().map(PathBuf::as_path);
        let found = beside
            .chain(folders)
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())?;
        Some(found.canonicalize().unwrap_or(found))
    }

    /// A file's name in messages.
    fn shown(&self, path: &Path) -> String {
        let main = self.main.parent().filter(|p| !p.as_os_str().is_empty());
        let folders = self.options.include_dirs.iter().map(PathBuf::as_path);
        let within = folders.chain(main).find_map(|folder| {
            let folder = folder.canonicalize().ok()?;
            Some(path.strip_prefix(folder).ok()?.to_owned())
        });
        let name = within.or_else(|| path.file_name().map(PathBuf::from));
        name.as_deref().unwrap_or(path).display().to_string()
    }

    fn endless(&self, path: &Path) -> Error {
        Error::Tool {
            tool: "putting included files into one text",
            unit: self.main.display().to_string(),
            message: format!(
                "{} is included again and again; give it `#pragma once`",
                path.display()
            ),
        }
    }
}

/// The text with something else in the place of what makes a line an `#include`; the file's name stays.
pub(crate) fn without_includes(text: &str, instead: &str) -> String {
    let mut edits = Edits::default();
    for directive in directives(text) {
        let content = &text[directive.span.clone()];
        let (name, rest) = split(content);
        if matches!(name, "include" | "import") {
            let file = directive.span.end - rest.trim_start().len();
            edits.replace(directive.span.start..file, instead);
        }
    }
    edits.apply(text).text
}

/// The directives of a text, in order.
fn directives(text: &str) -> impl Iterator<Item = Token> {
    lex::tokens(text)
        .into_iter()
        .filter(|token| token.kind == TokenKind::Directive)
}

/// A directive's name and what follows it.
fn split(directive: &str) -> (&str, &str) {
    let content = directive.trim_start_matches('#').trim_start();
    let end = content
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(content.len());
    content.split_at(end)
}

fn has_pragma_once(text: &str) -> bool {
    directives(text).any(|directive| {
        let (name, rest) = split(&text[directive.span]);
        name == "pragma" && rest.trim() == "once"
    })
}

/// Whether the whole of a text stands between `#ifndef NAME`, `#define NAME` and `#endif`.
fn has_guard(text: &str) -> bool {
    let tokens = lex::tokens(text);
    let at = |index: usize| {
        let token = tokens.get(index)?;
        (token.kind == TokenKind::Directive).then(|| split(&text[token.span.clone()]))
    };
    let (Some(("ifndef", guard)), Some(("define", name))) = (at(0), at(1)) else {
        return false;
    };
    if guard.trim() != name.trim() {
        return false;
    }
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        if token.kind != TokenKind::Directive {
            continue;
        }
        match split(&text[token.span.clone()]).0 {
            "if" | "ifdef" | "ifndef" => depth += 1,
            "else" | "elif" | "elifdef" | "elifndef" if depth == 1 => return false,
            "endif" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1 == tokens.len();
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;

    /// Flattens `main.metal` of a folder with these files; the folder `lib` of it is searched for includes.
    fn flat(files: &[(&str, &str)]) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let options = Options {
            include_dirs: vec![folder.path().join("lib")],
            ..Options::default()
        };
        flatten(&folder.path().join("main.metal"), &options)
    }

    #[test]
    fn includes_stand_in_place_with_their_lines() {
        let text = flat(&[
            (
                "main.metal",
                "#include <metal_stdlib>\n  # include \"a/a.h\" // why\n#include <b.h>\nint m;\n",
            ),
            ("a/a.h", "#include \"c.h\"\nint a;"),
            ("a/c.h", "int c;\n"),
            ("lib/b.h", "// #include \"none.h\"\nint b;\n"),
        ]);
        assert_eq!(
            text.unwrap(),
            "#include <metal_stdlib>\n  \n#line 1 \"a/a.h\"\n#line 1 \"a/c.h\"\nint c;\n#line 2 \"a/a.h\"\nint a;\n\
             #line 3 \"main.metal\"\n#line 1 \"b.h\"\n// #include \"none.h\"\nint b;\n#line 4 \"main.metal\"\nint m;\n"
        );
    }

    #[test]
    fn a_file_comes_once_where_it_asks_for_it() {
        for guard in [
            ("#pragma once\n", ""),
            ("// a\n#ifndef A_H\n#define A_H\n", "#endif // A_H\n"),
        ] {
            let a = format!("{}#include \"b.h\"\nint a;\n{}", guard.0, guard.1);
            let text = flat(&[
                (
                    "main.metal",
                    "#include \"a.h\"\n#include \"a.h\"\n#include \"b.h\"\n",
                ),
                ("a.h", &a),
                ("b.h", "#include \"a.h\"\nint b;\n"),
            ])
            .unwrap();
            assert_eq!(text.matches("int a;").count(), 1, "{text}");
            assert_eq!(text.matches("int b;").count(), 2, "{text}");
        }
    }

    #[test]
    fn a_condition_decides_when_the_text_is_compiled() {
        let text = flat(&[
            (
                "main.metal",
                "#if 0\n#include \"a.h\"\n#else\nint one;\n#endif\n#include \"a.h\"\nkernel void k(device int* x [[buffer(0)]]) { x[0] = a; }\n",
            ),
            ("a.h", "#pragma once\nconstant int a = 3;\n"),
        ])
        .unwrap();
        let unit = Unit::from_source("flat.metal", &text, &Options::default()).unwrap();
        let place = &unit.kernels[0].location;
        assert_eq!((place.file.to_str(), place.line), (Some("main.metal"), 7));
        assert_eq!(unit.source.text.matches("int a = 3").count(), 1);
        let one = unit.source.locate(unit.source.text.find("one").unwrap());
        assert_eq!(one.line, 4);
    }

    #[test]
    fn endless_inclusion_is_an_error() {
        let error = flat(&[
            ("main.metal", "#include \"a.h\"\n"),
            ("a.h", "#include \"a.h\"\n"),
        ])
        .unwrap_err();
        assert!(error.to_string().contains("again and again"), "{error}");
        let twice = "#include \"a.h\"\n#include \"a.h\"\n";
        let error = flat(&[("main.metal", twice), ("a.h", twice)]).unwrap_err();
        assert!(error.to_string().contains("again and again"), "{error}");
    }
}
