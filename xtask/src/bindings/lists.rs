//! The lists of modules: they come from the folders, so that adding a kernel means adding its files.

use super::FormatLists;
use anyhow::{Context, Result, bail};
use mettle_gpu::Format;
use std::path::Path;

/// `bindings/mod.rs`: the families, the formats of weights and of caches, and whether there are `types` of headers.
pub fn bindings(families: &[&str], formats: &FormatLists, types: bool) -> String {
    let modules: String = families
        .iter()
        .map(|family| format!("pub mod {family};\n"))
        .collect();
    let kernels: String = families
        .iter()
        .map(|family| format!("{family}::CATALOGUE,"))
        .collect();
    let types = if types { "mod types;\n" } else { "" };
    let array = |formats: &[Format]| {
        let names = formats.iter().map(|format| format!("Format::{format:?},"));
        let (count, names) = (formats.len(), names.collect::<String>());
        format!("[Format; {count}] = [{names}]")
    };
    let (weights, caches) = (array(&formats.weights), array(&formats.caches));
    format!(
        "//! Launch bindings: for each `.metal` file a module, for each kernel in it a struct whose fields are the kernel's arguments.\n\
         {}\nuse mettle_gpu::Format;\n\n{modules}{types}\n\
         /// The formats of weights that kernels decode: those of `METTLE_FORMATS` in `mettle/formats.h`.\n\
         pub const FORMATS: {weights};\n\n\
         /// The formats of caches that kernels write and read: those of `METTLE_CACHE_FORMATS` in `mettle/kv_rows.h`.\n\
         pub const CACHE_FORMATS: {caches};\n\n/// What the catalogue shows of every family.\n\
         pub(crate) const CATALOGUE: &[&[crate::catalogue::Kernel]] = &[{kernels}];\n",
        super::generated_from("the `.metal` files")
    )
}

/// `ops/mod.rs`: every module of the folder, and the case lists of the families.
pub fn ops(families: &[&str], modules: &[OpModule]) -> String {
    let mut declarations = String::new();
    let mut exports = String::new();
    for OpModule { name, public } in modules {
        if *public {
            declarations.push_str(&format!("pub mod {name};\n"));
            exports.push_str(&format!("pub use {name}::*;\n"));
        } else {
            declarations.push_str(&format!("mod {name};\n"));
        }
    }
    let calls: String = families
        .iter()
        .map(|family| format!("{family}::family(),"))
        .collect();
    format!(
        "//! Operations over tensors: they check shapes, choose the kernel and its grid, and record the launch.\n{}\n{declarations}\n{exports}\n\
         /// The cases of every family, in the order of their names.\npub fn families() -> Vec<crate::cases::Family> {{\nvec![{calls}]\n}}\n",
        super::generated_from("the files of `metal/` and `src/ops/`")
    )
}

/// A file of `src/ops/`.
pub struct OpModule {
    pub name: String,
    /// Whether it has anything to offer outside of the crate.
    pub public: bool,
}

/// The modules of `src/ops/`. Every family must be among them.
pub fn op_modules(ops: &Path, families: &[&str]) -> Result<Vec<OpModule>> {
    let mut modules = Vec::new();
    for entry in std::fs::read_dir(ops).with_context(|| format!("reading {}", ops.display()))? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if path.extension().is_some_and(|ext| ext == "rs") && name != "mod" {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("reading {}", path.display()))?;
            modules.push(OpModule {
                name: name.to_owned(),
                public: text.lines().any(|line| line.starts_with("pub ")),
            });
        }
    }
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    for family in families {
        if !modules.iter().any(|module| module.name == *family) {
            bail!(
                "metal/{family}.metal has no src/ops/{family}.rs: write it with the op, its host reference and `family()`"
            );
        }
    }
    Ok(modules)
}
