//! The source that is embedded for Apple GPUs says the same as the files, without any other file.

use mettle_msl::{Options, Unit};
use std::path::Path;

#[test]
fn flattened_files_mean_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("metal");
    let options = Options {
        include_dirs: vec![folder.join("include")],
        ..Options::default()
    };
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_none_or(|extension| extension != "metal")
        {
            continue;
        }
        files += 1;
        let text = mettle_msl::flatten(&path, &options).unwrap();
        assert!(!text.contains("#include <mettle/"), "{}", path.display());
        assert!(
            !text.contains(env!("CARGO_MANIFEST_DIR")),
            "{} names a folder of the machine that built it",
            path.display()
        );
        let whole = Unit::from_file(&path, &options).unwrap();
        // A name without a folder: nothing can be found beside it.
        let name = path.file_name().unwrap().to_str().unwrap();
        let flat = Unit::from_source(name, &text, &Options::default()).unwrap();
        assert_eq!(describe(&flat), describe(&whole), "{name}");
    }
    assert!(files > 0);
}

/// What a unit is seen to have. Comments are looked up in the files, which a flattened text names without their folders.
fn describe(unit: &Unit) -> Vec<String> {
    let kernels = unit.kernels.iter().map(|kernel| {
        let arguments = kernel.arguments.iter().map(|a| (&a.name, a.index, &a.kind));
        let arguments: Vec<_> = arguments.collect();
        let line = kernel.location.line;
        format!("{} at {line}: {arguments:?}", kernel.name)
    });
    let structs = unit
        .structs
        .iter()
        .map(|s| format!("{}: {} {}", s.name, s.size, s.fields.len()));
    let constants = unit
        .constants
        .iter()
        .map(|c| format!("{} {} {:?}", c.name, c.index, c.scalar));
    let variants = unit
        .variants
        .iter()
        .map(|v| format!("{} {:?}", v.kernel_pattern, v.constants));
    kernels
        .chain(structs)
        .chain(constants)
        .chain(variants)
        .collect()
}
