//! PTX of kernels that may begin while the launches before them are still running: "programmatic dependent launch", which GPUs have from
//! compute capability 9.0 on.

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

/// The text of a PTX artefact for compute capability 9.0 and later, whose kernels begin ahead: each waits for the launches before.
/// Launches that the driver was not told to overlap do as before.
pub fn begin_ahead(text: &str) -> String {
    let prefix = format!(".entry {}", ptx_entry(""));
    let mut result = String::with_capacity(text.len() + text.len() / 16);
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        if line.starts_with(".version 7.") && *line.trim_end() < *VERSION {
            result.extend([VERSION, "\n"]);
        } else if line.starts_with(".target sm_8") {
            result.extend([TARGET, "\n"]);
        } else {
            result.push_str(line);
        }
        if line.contains(&prefix) {
            let mut kernel = String::new();
            let _ = lines.by_ref().any(|line| {
                kernel.push_str(line);
                line.trim_end() == "}"
            });
            let begun = match kernel.contains(WAIT[0]) {
                true => kernel.replace(WAIT[0], WAIT[1]),
                false => kernel.replacen("\n{\n", &format!("\n{{\n\t{}\n", WAIT[1]), 1),
            };
            result.push_str(&begun.replace(LET_BEGIN[0], LET_BEGIN[1]));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

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
