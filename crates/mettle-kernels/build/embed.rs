//! Writes the Rust text that embeds the artefacts.

use crate::Result;
use crate::jobs;
use mettle_msl::Unit;
use std::fmt::Write;
use std::path::Path;

/// An artefact to embed.
pub struct Embedded {
    /// The unit's name.
    pub unit: String,
    pub target: String,
    /// Index and bits of the function constants compiled in.
    pub constants: Option<Vec<(u32, u64)>>,
    pub bytes: Vec<u8>,
}

/// Writes `embedded.rs` and the artefacts it includes: for each unit a static `EmbeddedUnit` in capitals, and `UNITS`.
pub fn write(out: &Path, units: &[Unit], artefacts: &[Embedded]) -> Result<()> {
    let mut text = String::new();
    for unit in units {
        let (name, constant) = (&unit.name, unit.name.to_ascii_uppercase());
        write!(
            text,
            "pub(crate) static {constant}: EmbeddedUnit = EmbeddedUnit {{ name: {name:?}, artefacts: &["
        )?;
        let of_unit = artefacts
            .iter()
            .filter(|artefact| artefact.unit == unit.name);
        for (number, artefact) in of_unit.enumerate() {
            let file = format!("{name}-{number}.artefact");
            write_if_changed(&out.join(&file), &artefact.bytes)?;
            let constants = match &artefact.constants {
                Some(bits) => format!("Some(&{bits:?})"),
                None => "None".to_owned(),
            };
            write!(
                text,
                "EmbeddedArtefact {{ target: {:?}, constants: {constants}, bytes: include_bytes!({file:?}) }},",
                artefact.target
            )?;
        }
        text.push_str("], variants: &[");
        for (class, variant) in jobs::pipelines(unit) {
            let bits = variant
                .constants
                .iter()
                .map(|(i, value)| (*i, value.bits()));
            let bits: Vec<(u32, u64)> = bits.collect();
            let class = match class {
                Some(class) => format!("Some(TargetClass::{class:?})"),
                None => "None".to_owned(),
            };
            write!(
                text,
                "EmbeddedVariant {{ class: {class}, constants: &{bits:?}, kernels: &{:?} }},",
                variant.kernels
            )?;
        }
        text.push_str("] };\n");
    }
    text.push_str("pub(crate) static UNITS: &[&EmbeddedUnit] = &[");
    for unit in units {
        write!(text, "&{}, ", unit.name.to_ascii_uppercase())?;
    }
    text.push_str("];\n");
    Ok(write_if_changed(&out.join("embedded.rs"), text.as_bytes())?)
}

/// Leaves equal files alone, so that the crate is only compiled again when an artefact changed.
fn write_if_changed(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    std::fs::write(path, bytes)
}
