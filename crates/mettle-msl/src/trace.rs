//! From addresses of instructions to lines of the source.

use crate::Artefact;
use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection};

/// What the compiler calls the text that it is given.
const COMPILED_TEXT: &str = "<stdin>";

impl Artefact {
    /// The site (as [`Artefact::locate`] takes) that an instruction of the code comes from: the innermost line of the user's among the inlined
    /// calls that led to it. `None` if the code carries no lines; see [`Instrumentation`](crate::Instrumentation).
    ///
    /// `address` is an address in the shared object.
    pub fn site_of_instruction(&self, address: u64) -> Option<u64> {
        let file = object::File::parse(self.code.as_slice()).ok()?;
        let section = |id: SectionId| {
            let data = file
                .section_by_name(id.name())
                .and_then(|section| section.data().ok());
            Ok::<_, std::convert::Infallible>(EndianSlice::new(data.unwrap_or(&[]), LittleEndian))
        };
        let Ok(dwarf) = Dwarf::load(section);
        let context = Context::from_dwarf(dwarf).ok()?;
        let mut frames = context.find_frames(address).skip_all_loads().ok()?;
        while let Ok(Some(frame)) = frames.next() {
            let Some(location) = frame.location else {
                continue;
            };
            if let (Some(file), Some(line)) = (location.file, location.line)
                && file.ends_with(COMPILED_TEXT)
                && self.locate(u64::from(line) << 12).is_some()
            {
                let column = u64::from(location.column.unwrap_or(0)).min(4095);
                return Some(u64::from(line) << 12 | column);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::{Instrumentation, Options, Target, Unit, compile};
    use object::{Object, ObjectSection, SectionKind};

    const TEXT: &str = "\
#include <metal_stdlib>
using namespace metal;
static float scaled(float x)
{
    return x * exp(x);
}
kernel void f(device float* x [[buffer(0)]], uint i [[thread_position_in_grid]])
{
    if (i == 7) return;
    x[i] = scaled(x[i]);
    x[i] += simd_sum(x[i]);
}
";

    #[test]
    fn instructions_come_from_lines() {
        let Some(target) = Target::host_cpu() else {
            println!("skipped: nothing compiles for this processor");
            return;
        };
        let mut unit = Unit::from_source("u.metal", TEXT, &Options::default()).unwrap();
        let plain = compile(&unit, target, None, &[]).unwrap();
        for instrumentation in [Instrumentation::Lines, Instrumentation::Full] {
            unit.instrument(instrumentation);
            let artefact = compile(&unit, target, None, &[]).unwrap();
            let file = object::File::parse(artefact.code.as_slice()).unwrap();
            let text = file
                .sections()
                .find(|s| s.kind() == SectionKind::Text)
                .unwrap();
            let mut lines = std::collections::BTreeSet::new();
            for address in text.address()..text.address() + text.size() {
                if let Some(site) = artefact.site_of_instruction(address) {
                    let (name, line) = artefact.locate(site).unwrap();
                    assert_eq!(name, "u.metal");
                    lines.insert(line);
                }
                assert_eq!(plain.site_of_instruction(address), None);
            }
            assert!(
                [5, 9, 10, 11].iter().all(|line| lines.contains(line)),
                "{lines:?}"
            );
        }
    }
}
