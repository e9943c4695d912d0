//! The text of PTX artefacts, taken apart by kernel, and kernels that may begin while the launches before them are still running:
//! "programmatic dependent launch", which GPUs have from compute capability 9.0 on.

use crate::abi::ptx_entry;

/// The PTX version and the target that have the instructions.
const VERSION: &str = ".version 7.8";
const TARGET: &str = ".target sm_90";

/// Waits until the launches before are through and their writes can be read: where a kernel says so with a comment (`mettle/launches.h`), or
/// else at its start. The next launch begins when the last threadgroup of this one ends, or where the kernel lets it: its threadgroups take
/// the room that those of this one leave, so a kernel should only do so whose threadgroups are divided evenly at any time.
const WAIT: [&str; 2] = [
    "// mettle: wait for the launches before",
    "griddepcontrol.wait;",
];
const LET_BEGIN: [&str; 2] = [
    "// mettle: let the next launch begin",
    "griddepcontrol.launch_dependents;",
];

/// A kernel of a PTX artefact, or what lies between two: declarations, constants, functions, and entries that are no kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The name of its entry, where it is a kernel.
    pub entry: Option<&'a str>,
    /// Whole lines.
    pub text: &'a str,
}

/// Takes PTX apart, as LLVM writes it: an entry begins with a line of `.entry` and ends with the next line that is a brace. Together the parts are the
/// whole text.
///
/// # Errors
/// Why it is no such text.
pub fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let prefix = ptx_entry("");
    let mut parts = Vec::new();
    let mut rest = text;
    let mut between = 0;
    while let Some(line) = rest[between..].split_inclusive('\n').next() {
        let name = entry(line).filter(|name| name.starts_with(&prefix));
        let Some(name) = name else {
            between += line.len();
            continue;
        };
        let (before, kernel) = rest.split_at(between);
        let mut length = 0;
        let ended = kernel.split_inclusive('\n').any(|line| {
            length += line.len();
            line.trim_end() == "}"
        });
        if !ended {
            return Err(format!("its entry {name} has no end"));
        }
        let (kernel, after) = kernel.split_at(length);
        parts.push(Part {
            entry: None,
            text: before,
        });
        parts.push(Part {
            entry: Some(name),
            text: kernel,
        });
        (rest, between) = (after, 0);
    }
    parts.push(Part {
        entry: None,
        text: rest,
    });
    Ok(parts)
}

/// The name of the entry that begins in a line.
fn entry(line: &str) -> Option<&str> {
    let rest = line
        .trim_start()
        .trim_start_matches(".visible ")
        .strip_prefix(".entry ")?;
    rest.split(['(', ' ', '\t', '\r', '\n']).next()
}

impl Part<'_> {
    /// Its text for compute capability 9.0 and later, where kernels begin ahead: each waits for the launches before. Launches that the driver
    /// was not told to overlap do as before.
    pub fn begin_ahead(&self) -> String {
        if self.entry.is_some() {
            let begun = match self.text.contains(WAIT[0]) {
                true => self.text.replace(WAIT[0], WAIT[1]),
                false => self
                    .text
                    .replacen("\n{\n", &format!("\n{{\n\t{}\n", WAIT[1]), 1),
            };
            return begun.replace(LET_BEGIN[0], LET_BEGIN[1]);
        }
        let line = |line: &str| -> String {
            if line.starts_with(".version 7.") && *line.trim_end() < *VERSION {
                format!("{VERSION}\n")
            } else if line.starts_with(".target sm_8") {
                format!("{TARGET}\n")
            } else {
                line.to_owned()
            }
        };
        self.text.split_inclusive('\n').map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin_ahead(text: &str) -> String {
        let parts = parts(text).unwrap();
        parts.iter().map(Part::begin_ahead).collect()
    }

    const TEXT: &str = "//\n.version 7.0\n.target sm_80\n.func f()\n{\n\tret;\n}\n\t// .globl\tmettle_kernel__a\n.visible .entry mettle_kernel__a(\n\
        \t.param .u64 p\n)\n{\n\t{\n\tret;\n\t}\n}\n.visible .entry mettle_derive_constants()\n{\n\tret;\n}\n\
        .visible .entry mettle_kernel__a_b()\n{\n\tret;\n}\n";

    #[test]
    fn parts_are_the_whole() {
        let parts = parts(TEXT).unwrap();
        let entries: Vec<_> = parts.iter().filter_map(|part| part.entry).collect();
        assert_eq!(entries, ["mettle_kernel__a", "mettle_kernel__a_b"]);
        assert_eq!(parts.iter().map(|part| part.text).collect::<String>(), TEXT);
        assert!(parts[1].text.ends_with("\n)\n{\n\t{\n\tret;\n\t}\n}\n"));
        assert!(parts[2].text.contains("mettle_derive_constants()"));
    }

    #[test]
    fn an_entry_without_an_end_is_said() {
        let cut = &TEXT[..TEXT.len() - 3];
        let reason = parts(cut).err().unwrap();
        assert_eq!(reason, "its entry mettle_kernel__a_b has no end");
    }

    #[test]
    fn kernels_wait_at_their_start() {
        let text = ".version 7.0\n.target sm_80\n.func f()\n{\n\tret;\n}\n.visible .entry mettle_kernel__a(\n\t.param .u64 p\n)\n{\n\t{\n\tret;\n\t}\n}\n\
            .visible .entry mettle_derive_constants()\n{\n\tret;\n}\n";
        assert_eq!(
            begin_ahead(text),
            ".version 7.8\n.target sm_90\n.func f()\n{\n\tret;\n}\n.visible .entry mettle_kernel__a(\n\t.param .u64 p\n)\n{\n\
            \tgriddepcontrol.wait;\n\t{\n\tret;\n\t}\n}\n\
            .visible .entry mettle_derive_constants()\n{\n\tret;\n}\n"
        );
    }

    #[test]
    fn kernels_that_say_where_wait_there() {
        let text = ".visible .entry mettle_kernel__a()\n{\n\t// mettle: let the next launch begin\n\tld;\n\
            \t// mettle: wait for the launches before\n\tret;\n}\n";
        assert_eq!(
            begin_ahead(text),
            ".visible .entry mettle_kernel__a()\n{\n\tgriddepcontrol.launch_dependents;\n\tld;\n\tgriddepcontrol.wait;\n\tret;\n}\n"
        );
    }

    #[test]
    fn later_versions_stay() {
        let text = ".version 8.0\n.target sm_90\n";
        assert_eq!(begin_ahead(text), text);
    }
}
