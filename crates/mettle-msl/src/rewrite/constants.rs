//! Function constants.
//!
//! With given values they are `constexpr`, so that the compiler drops what they rule out. Without, they are variables that the loader
//! sets through `mettle_constants`; constants computed from them are recomputed by `mettle_derive_constants`.

use crate::Target;
use crate::parse::{Declaration, defined_query};
use crate::reflect::ConstantValue;
use crate::source::edit::Edits;
use crate::token::Tokens;
use crate::unit::Unit;
use std::fmt::Write as _;

/// Exported, and not to be replaced by a symbol of the same name elsewhere in the process.
pub(super) const EXPORT: &str = "extern \"C\" __attribute__((visibility(\"protected\")))";

/// Rewrites declarations of constants and questions whether they are defined.
pub(super) fn rewrite(
    t: &Tokens<'_>,
    unit: &Unit,
    values: Option<&[(u32, ConstantValue)]>,
    edits: &mut Edits,
) {
    for declaration in &unit.places.constants {
        let name = t.str(declaration.name);
        let range = t.start(declaration.tokens.start)..t.end(declaration.tokens.end - 1);
        match (declaration.constant, values) {
            (Some(index), Some(values)) => {
                let constant = &unit.constants[index];
                let scalar = constant.scalar;
                let value = values.iter().find(|(i, _)| *i == constant.index);
                let value = value.map_or_else(
                    || format!("{}()", scalar.msl_name()),
                    |(_, v)| v.cpp(scalar),
                );
                edits.replace(
                    range,
                    format!("static constexpr {} {name} = {value};", scalar.msl_name()),
                );
            }
            (Some(index), None) => {
                let ty = unit.constants[index].scalar.msl_name();
                edits.replace(
                    range,
                    format!(
                        "static METTLE_LOADED bool mettle_defined_{name}; {}",
                        variable(ty, name)
                    ),
                );
            }
            // `const T X = ...;` of `constexpr` values is right as it stands.
            (None, Some(_)) => {}
            (None, None) => derived(t, declaration, edits),
        }
    }
    for i in 0..t.len() {
        let Some(name) = defined_query(t, i).map(|n| t.str(n)) else {
            continue;
        };
        let Some(constant) = unit.constants.iter().find(|c| c.name == name) else {
            continue;
        };
        let with = match values {
            Some(values) => values
                .iter()
                .any(|(index, _)| *index == constant.index)
                .to_string(),
            None => format!("mettle_defined_{name}"),
        };
        edits.replace(t.start(i)..t.end(i + 3), with);
    }
}

/// A variable, and the constant's own name as a read-only view of it.
fn variable(ty: &str, name: &str) -> String {
    format!(
        "static METTLE_LOADED {ty} mettle_value_{name}; static METTLE_LOADED {ty} const& {name} = mettle_value_{name};"
    )
}

/// `constant T X = e;` becomes a variable and a function that computes it; `e` stays in its place.
fn derived(t: &Tokens<'_>, declaration: &Declaration, edits: &mut Edits) {
    let name = t.str(declaration.name);
    let mut ty = String::new();
    let mut i = declaration.tokens.start;
    while i < declaration.name {
        if !t.is_attribute(i) && !matches!(t.str(i), "constant" | "const" | "constexpr" | "static")
        {
            ty.push_str(t.str(i));
            ty.push(' ');
        }
        i = if t.is_attribute(i) { t.skip(i) } else { i + 1 };
    }
    let equals = declaration.name + 1;
    let with = format!(
        "{} static {ty} mettle_compute_{name}() {{ return",
        variable(ty.trim_end(), name)
    );
    edits.replace(t.start(declaration.tokens.start)..t.end(equals), with);
    let semicolon = declaration.tokens.end - 1;
    edits.replace(t.start(semicolon)..t.end(semicolon), "; }");
}

/// The table through which a loader sets the constants of a generic artefact, and the function that recomputes what depends on them.
pub(super) fn table(unit: &Unit, target: Target) -> String {
    let (variable, function) = match target {
        Target::Cpu(_) => (EXPORT, EXPORT),
        Target::Ptx(_) => (
            "extern \"C\" __attribute__((device))",
            "extern \"C\" __attribute__((global))",
        ),
    };
    let mut text = format!("\n{variable} const mettle::Constant mettle_constants[] = {{");
    let mut derive = String::new();
    for declaration in &unit.places.constants {
        let (prefix, name) = (&declaration.prefix, &declaration.plain);
        match declaration.constant {
            Some(index) => {
                let constant = &unit.constants[index];
                let _ = write!(
                    text,
                    "{{{}, {}, &{prefix}mettle_value_{name}, &{prefix}mettle_defined_{name}}}, ",
                    constant.index,
                    constant.scalar.size()
                );
            }
            None => {
                let _ = write!(
                    derive,
                    " {prefix}mettle_value_{name} = {prefix}mettle_compute_{name}();"
                );
            }
        }
    }
    text.push_str("{0, 0, nullptr, nullptr}};\n");
    if !derive.is_empty() {
        let _ = writeln!(
            text,
            "{function} void mettle_derive_constants() {{{derive} }}"
        );
    }
    text
}
