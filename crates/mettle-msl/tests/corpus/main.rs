//! Small sources that Metal's compiler refuses (`must_fail/`) and accepts (`must_pass/`), each for a rule of the Metal Shading Language
//! Specification, version 3.2, and for our own limits.
//!
//! The first line of each says `// MSL <section> <section title>: <the rule>`. The second line of one that must fail says
//! `// expect: <rule of the lint, or part of the message> @<line>`.

mod sections;

use mettle_msl::{CheckOptions, Diagnostic, Error, Options, Unit, check, lint};
use sections::SECTIONS;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

/// Snippets that there are at least of each kind.
const LEAST: usize = 80;

fn snippets(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(folder);
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

/// Runs `test` on all snippets of a folder and fails with what it says about them.
fn for_all(folder: &str, test: impl Fn(&Path, &str) -> Result<(), String> + Sync) {
    let paths = snippets(folder);
    let queue = Mutex::new(paths.iter());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(path) = next else { break };
                    let text = std::fs::read_to_string(path).unwrap();
                    if let Err(reason) = test(path, &text) {
                        let name = path.file_name().unwrap().display();
                        failures.lock().unwrap().push(format!("{name}: {reason}"));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(
        paths.len() >= LEAST,
        "{folder} has {} snippets, not {LEAST}",
        paths.len()
    );
}

/// What is said about a source: by the parser, then by the compiler and, unless that is `enough`, by the lint.
fn diagnostics(
    path: &Path,
    enough: impl Fn(&[Diagnostic]) -> bool,
) -> Result<Vec<Diagnostic>, String> {
    let unit = match Unit::from_file(path, &Options::default()) {
        Ok(unit) => unit,
        Err(Error::Compile { diagnostics }) => return Ok(diagnostics),
        Err(error) => return Err(format!("{error}")),
    };
    let mut found = check(&unit, &CheckOptions::default()).map_err(|e| e.to_string())?;
    if !enough(&found) {
        found.extend(lint(&unit).map_err(|e| e.to_string())?);
    }
    Ok(found)
}

fn list(diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<String> = diagnostics
        .iter()
        .map(|d| format!("{d} [{}]", d.rule.unwrap_or("compiler")))
        .collect();
    lines.join("\n")
}

#[test]
fn what_metal_refuses_is_refused() {
    for_all("must_fail", |path, text| {
        let second = text.lines().nth(1).unwrap_or("");
        let (what, line) = second
            .strip_prefix("// expect: ")
            .and_then(|rest| rest.rsplit_once(" @"))
            .ok_or("the second line does not say what to expect")?;
        let line: u32 = line.parse().map_err(|_| "the line is no number")?;
        let named = |d: &&Diagnostic| d.rule == Some(what) || d.message.contains(what);
        let says = |found: &[Diagnostic]| found.iter().filter(named).any(Diagnostic::is_error);
        let found = diagnostics(path, says)?;
        if !says(&found) {
            return Err(format!("no error is or says {what:?}:\n{}", list(&found)));
        }
        // What is wrong in a template of the library is said there; a note leads to the user's line.
        let is_rule = found.iter().any(|d| d.rule == Some(what));
        let placed = |d: &Diagnostic| {
            d.location.line == line
                && d.location.file.file_name() == path.file_name()
                && (!is_rule || d.rule == Some(what))
        };
        if !found.iter().any(placed) {
            return Err(format!("it is not said at line {line}:\n{}", list(&found)));
        }
        Ok(())
    });
}

#[test]
fn what_metal_accepts_is_accepted() {
    for_all("must_pass", |path, _| {
        let found = diagnostics(path, |_| false)?;
        if found.is_empty() {
            Ok(())
        } else {
            Err(list(&found))
        }
    });
}

#[test]
fn every_snippet_names_its_section() {
    let mut rules = HashSet::new();
    for path in snippets("must_fail")
        .into_iter()
        .chain(snippets("must_pass"))
    {
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or("");
        let (section, rule) = first
            .strip_prefix("// MSL ")
            .and_then(|rest| rest.split_once(": "))
            .unwrap_or_else(|| panic!("{}: no section in {first:?}", path.display()));
        assert!(
            SECTIONS.contains(&section),
            "{}: there is no section {section:?}",
            path.display()
        );
        assert!(!rule.is_empty(), "{}: no rule", path.display());
        rules.insert(section.to_owned());
    }
    println!("{} sections", rules.len());
}
