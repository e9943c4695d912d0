//! Writes the Rust text that embeds the artefacts.

use crate::Result;
use crate::jobs::Job;
use mettle_msl::Unit;
use std::fmt::Write;
use std::path::Path;

/// Writes `embedded.rs` and the artefacts it includes: for each unit a static `EmbeddedUnit` in capitals, and `UNITS`.
pub fn write(out: &Path, units: &[Unit], jobs: &[Job<'_>], artefacts: &[Vec<u8>]) -> Result<()> {
    let mut text = String::new();
    for unit in units {
        let (name, constant) = (&unit.name, unit.name.to_ascii_uppercase());
        write!(
            text,
            "pub(crate) static {constant}: EmbeddedUnit = EmbeddedUnit {{ name: {name:?}, artefacts: &["
        )?;
        let of_unit = jobs
            .iter()
            .zip(artefacts)
            .filter(|(job, _)| job.unit.name == unit.name);
        for (number, (job, bytes)) in of_unit.enumerate() {
            let file = format!("{name}-{number}.artefact");
            write_if_changed(&out.join(&file), bytes)?;
            let constants = match job.constants() {
                Some(constants) => {
                    let bits: Vec<_> = constants
                        .iter()
                        .map(|(index, value)| (*index, value.bits()))
                        .collect();
                    format!("Some(&{bits:?})")
                }
                None => "None".to_owned(),
            };
            write!(
                text,
                "EmbeddedArtefact {{ target: {:?}, constants: {constants}, bytes: include_bytes!({file:?}) }},",
                job.target.name()
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
