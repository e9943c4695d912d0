//! PTX of kernels that may begin while the launches before them are still running: "programmatic dependent launch", which GPUs have from
//! compute capability 9.0 on.

use crate::abi::ptx_entry;

/// The PTX version and the target that have the instructions.
const VERSION: &str = ".version 7.8";
const TARGET: &str = ".target sm_90";

/// Waits until the launches before are through and their writes can be read. The next launch begins when the last threadgroup of this one
/// ends: earlier, it would find some of the GPU's room taken and the rest unevenly divided, which costs more than it gains.
const WAIT: &str = "\tgriddepcontrol.wait;\n";

/// The text of a PTX artefact for compute capability 9.0 and later, whose kernels begin ahead: each waits at its start for the launches before.
/// Launches that the driver was not told to overlap do as before.
pub fn begin_ahead(text: &str) -> String {
    let prefix = format!(".entry {}", ptx_entry(""));
    let mut result = String::with_capacity(text.len() + text.len() / 16);
    let mut in_head = false;
    for line in text.split_inclusive('\n') {
        if line.starts_with(".version 7.") && *line.trim_end() < *VERSION {
            result.extend([VERSION, "\n"]);
        } else if line.starts_with(".target sm_8") {
            result.extend([TARGET, "\n"]);
        } else {
            result.push_str(line);
        }
        in_head |= line.contains(&prefix);
        if in_head && line.trim_end() == "{" {
            result.push_str(WAIT);
            in_head = false;
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
    fn later_versions_stay() {
        let text = ".version 8.0\n.target sm_90\n";
        assert_eq!(begin_ahead(text), text);
    }
}
