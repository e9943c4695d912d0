//! Our own kernels keep to the rules of Metal that C++ does not have.

use mettle_msl::{Options, Unit, lint};
use std::path::Path;

#[test]
fn strict_mode_finds_nothing_in_our_kernels() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("metal");
    let options = Options {
        include_dirs: vec![folder.join("include")],
        ..Options::default()
    };
    let mut count = 0;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "metal") {
            let unit = Unit::from_file(&path, &options).unwrap_or_else(|e| panic!("{e}"));
            found.extend(lint(&unit).unwrap());
            count += 1;
        }
    }
    assert!(count >= 11, "only {count} files found");
    let lines: Vec<String> = found
        .iter()
        .map(|d| format!("{d} [{}]", d.rule.unwrap_or("")))
        .collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}
