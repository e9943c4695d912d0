//! Rust bindings of kernels, from what mettle-msl reads in their `.metal` files.
//!
//! One module a family, one shared module for the structs of headers, and the two lists that would otherwise have to
//! be kept by hand: `bindings/mod.rs` and `ops/mod.rs`.

mod docs;
mod family;
mod formats;
mod lists;
mod names;
mod structs;
mod types;

use anyhow::{Context, Result, bail};
use mettle_gpu::Format;
use mettle_msl::{Options, Struct, Unit};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The second paragraph of every generated file.
fn generated_from(source: &str) -> String {
    format!("//!\n//! Generated from {source} by `cargo run -p xtask -- bindings`: do not edit.\n")
}

/// Generates the bindings of the crate at `kernels_crate`; with `check` only compares.
pub fn run(kernels_crate: &Path, check: bool) -> Result<()> {
    let files = generate(kernels_crate)?;
    let stale = stale(kernels_crate, &files)?;
    if check {
        if stale.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = stale
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        bail!(
            "not current: {}\nrun `cargo run -p xtask -- bindings`",
            list.join(", ")
        );
    }
    for path in stale {
        match files.get(&path) {
            Some(text) => std::fs::write(&path, text),
            None => std::fs::remove_file(&path),
        }
        .with_context(|| format!("writing {}", path.display()))?;
        eprintln!(
            "{} {}",
            if files.contains_key(&path) {
                "wrote"
            } else {
                "removed"
            },
            path.display()
        );
    }
    Ok(())
}

/// Path and text of every generated file.
pub fn generate(kernels_crate: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let units = units(&kernels_crate.join("metal"))?;
    let bindings = kernels_crate.join("src/bindings");
    let families: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    let mut shared: BTreeMap<String, (Struct, Vec<Struct>)> = BTreeMap::new();
    let mut formats = Vec::new();
    let mut files = BTreeMap::new();
    for unit in &units {
        let module = family::emit(unit)?;
        let of_unit = module.formats.into_iter();
        formats.extend(of_unit.map(|of_group| (unit.name.as_str(), of_group)));
        for header_struct in module.shared {
            let known = shared
                .entry(header_struct.name.clone())
                .or_insert_with(|| (header_struct.clone(), unit.structs.clone()));
            if known.0.fields != header_struct.fields {
                bail!(
                    "{}: struct {} differs from that of {}",
                    header_struct.location,
                    header_struct.name,
                    known.0.location
                );
            }
        }
        files.insert(bindings.join(&unit.name).with_extension("rs"), module.text);
    }
    if !shared.is_empty() {
        let mut types = format!(
            "//! Structs of headers that kernels have as arguments.\n{}\n",
            generated_from("`metal/include`")
        );
        for (header_struct, structs) in shared.values() {
            types.push_str(&structs::emit(header_struct, structs)?);
        }
        files.insert(bindings.join("types.rs"), types);
    }
    files.insert(
        bindings.join("mod.rs"),
        lists::bindings(&families, &FormatLists::of(&formats)?, !shared.is_empty()),
    );
    let ops = kernels_crate.join("src/ops");
    files.insert(
        ops.join("mod.rs"),
        lists::ops(&families, &lists::op_modules(&ops, &families)?),
    );
    files
        .into_iter()
        .map(|(path, text)| {
            Ok((
                path.clone(),
                rustfmt(&text).with_context(|| format!("formatting {}", path.display()))?,
            ))
        })
        .collect()
}

/// Generated files whose text differs from what is on disk, and files of families that are gone.
pub fn stale(kernels_crate: &Path, files: &BTreeMap<PathBuf, String>) -> Result<Vec<PathBuf>> {
    let bindings = kernels_crate.join("src/bindings");
    std::fs::create_dir_all(&bindings)?;
    std::fs::create_dir_all(kernels_crate.join("src/ops"))?;
    let mut stale: Vec<PathBuf> = files
        .iter()
        .filter(|(path, text)| std::fs::read_to_string(path).ok().as_ref() != Some(*text))
        .map(|(path, _)| path.clone())
        .collect();
    for entry in std::fs::read_dir(&bindings)? {
        let path = entry?.path();
        if !files.contains_key(&path) {
            stale.push(path);
        }
    }
    Ok(stale)
}

/// The formats that families have kernels for: all that weights come in, and those of caches, which are a few of them.
struct FormatLists {
    weights: Vec<Format>,
    caches: Vec<Format>,
}

impl FormatLists {
    /// Those of families, named by their files: the longest list, those of it that are blocks, or some that caches come in.
    fn of(families: &[(&str, Vec<Format>)]) -> Result<Self> {
        let lists = families.iter().map(|(_, formats)| formats);
        let weights = lists.clone().max_by_key(|formats| formats.len());
        let weights = weights.cloned().unwrap_or_default();
        let of_blocks = |format: &Format| format.block_len() > 1;
        let blocks: Vec<Format> = weights.iter().copied().filter(of_blocks).collect();
        let others = lists.filter(|&formats| *formats != weights && *formats != blocks);
        let caches = others.max_by_key(|formats| formats.len());
        let caches = caches.cloned().unwrap_or_default();
        for (name, formats) in families {
            let known = [&weights, &blocks].contains(&formats)
                || formats.iter().all(|format| caches.contains(format));
            if !known {
                bail!(
                    "metal/{name}.metal has kernels for {formats:?}, others have them for {weights:?} or {caches:?}"
                );
            }
        }
        Ok(FormatLists { weights, caches })
    }
}

/// Every `.metal` file of a folder, by name.
fn units(metal: &Path) -> Result<Vec<Unit>> {
    let options = Options {
        include_dirs: vec![metal.join("include")],
        ..Options::default()
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(metal).with_context(|| format!("reading {}", metal.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "metal") {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .iter()
        .map(|path| Ok(Unit::from_file(path, &options)?))
        .collect()
}

/// Formats Rust text as `cargo fmt` does.
fn rustfmt(text: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("running rustfmt (install it with `rustup component add rustfmt`)")?;
    child
        .stdin
        .take()
        .context("rustfmt has no input")?
        .write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("rustfmt failed on:\n{text}");
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_of_weights_or_of_caches() {
        use Format::{F16, F32, Q4_0, Q8_0};
        let families = [
            ("append", vec![F32, F16]),
            ("dequantize", vec![Q4_0, Q8_0]),
            ("few", vec![F16]),
            ("product", vec![F32, Q4_0, F16, Q8_0]),
        ];
        let lists = FormatLists::of(&families).unwrap();
        assert_eq!((lists.weights.len(), lists.caches.len()), (4, 2));
        let other = [families.to_vec(), vec![("other", vec![Q8_0])]].concat();
        let other = FormatLists::of(&other).err().unwrap().to_string();
        assert!(
            other.contains("metal/other.metal has kernels for [Q8_0]"),
            "{other}"
        );
    }

    #[test]
    fn committed_bindings_are_current() {
        run(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/mettle-kernels"),
            true,
        )
        .unwrap();
    }
}
