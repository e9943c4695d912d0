//! Sources that Apple's compiler refuses and ours must refuse too. Each file in `must_fail/` marks the line of its error, and names a
//! part of the message: `// ERROR: part of the message`.

use super::source;
use crate::{host, options};
use mettle_msl::{Error, Severity, Unit, compile};

/// What is wrong with the answer to one file, if anything.
fn check(path: &std::path::Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).unwrap();
    let marked = text.lines().enumerate().find_map(|(i, line)| {
        let (_, message) = line.split_once("// ERROR: ")?;
        Some((i as u32 + 1, message))
    });
    let (line, message) = marked.ok_or("no line is marked")?;
    // There is no kernel: the functions alone must be refused.
    let result =
        Unit::from_file(path, &options()).and_then(|unit| compile(&unit, host(), None, &[]));
    let diagnostics = match result {
        Err(Error::Compile { diagnostics }) => diagnostics,
        Err(other) => return Err(format!("another error: {other}")),
        Ok(_) => return Err("it compiles".to_owned()),
    };
    // An error inside a template of the library is followed by a note at the user's line.
    let named = diagnostics.iter().any(|d| d.message.contains(message));
    let placed = diagnostics
        .iter()
        .any(|d| d.location.line == line && d.location.file.file_name() == path.file_name());
    let all = || {
        diagnostics
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    if !diagnostics.iter().any(|d| d.severity == Severity::Error) || !named {
        return Err(format!("no error says {message:?}:\n{}", all()));
    }
    if !placed {
        return Err(format!("nothing points to line {line}:\n{}", all()));
    }
    Ok(())
}

#[test]
fn what_metal_refuses_is_refused() {
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(source("must_fail")).unwrap() {
        let path = entry.unwrap().path();
        count += 1;
        if let Err(reason) = check(&path) {
            failures.push(format!("{}: {reason}", path.file_name().unwrap().display()));
        }
    }
    assert!(count >= 30, "only {count} files found");
    failures.sort();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
