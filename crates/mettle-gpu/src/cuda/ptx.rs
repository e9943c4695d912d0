//! The text of an artefact, taken apart by kernel: the driver compiles what it is given, and a program launches few of the kernels of an
//! artefact, which has one for each format.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::{CStr, CString};

use mettle_msl::{abi, begin_ahead};

/// PTX with kernels that can be taken out of it one by one.
pub(super) struct Ptx {
    /// What all kernels need: declarations, constants, functions, and entries that are no kernels.
    shared: CString,
    /// The text of each kernel by the name of its entry, with what it needs.
    kernels: HashMap<String, CString>,
}

impl Ptx {
    /// Takes PTX apart, as LLVM writes it: an entry begins with a line of `.entry` and ends with the next line that is a brace. If `ahead`,
    /// kernels may [begin before the launches before them are through](begin_ahead).
    ///
    /// # Errors
    /// Why it is no such text.
    pub fn new(text: &[u8], ahead: bool) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not text")?;
        let text = match ahead {
            true => Cow::Owned(begin_ahead(text)),
            false => Cow::Borrowed(text),
        };
        let prefix = abi::ptx_entry("");
        let mut shared = String::new();
        let mut kernels: HashMap<String, String> = HashMap::new();
        let mut lines = text.split_inclusive('\n');
        while let Some(line) = lines.next() {
            let name = entry(line).filter(|name| name.starts_with(&prefix));
            let Some(name) = name else {
                shared.push_str(line);
                continue;
            };
            let mut kernel = line.to_owned();
            let ended = lines.by_ref().any(|line| {
                kernel.push_str(line);
                line.trim_end() == "}"
            });
            if !ended {
                return Err(format!("its entry {name} has no end"));
            }
            kernels.insert(name.to_owned(), kernel);
        }
        let text = |text: String| CString::new(text).map_err(|_| "its text holds a NUL");
        let with_shared = |(name, kernel): (String, String)| -> Result<_, String> {
            Ok((name, text(shared.clone() + &kernel)?))
        };
        Ok(Self {
            kernels: kernels
                .into_iter()
                .map(with_shared)
                .collect::<Result<_, _>>()?,
            shared: text(shared)?,
        })
    }

    /// What is there besides kernels.
    pub fn shared(&self) -> &CStr {
        &self.shared
    }

    /// One kernel with what it needs, if there is one of this name.
    pub fn kernel(&self, entry: &str) -> Option<&CStr> {
        self.kernels.get(entry).map(CString::as_c_str)
    }
}

/// The name of the entry that begins in a line.
fn entry(line: &str) -> Option<&str> {
    let rest = line
        .trim_start()
        .trim_start_matches(".visible ")
        .strip_prefix(".entry ")?;
    rest.split(['(', ' ', '\t', '\r', '\n']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "//\n.version 7.0\n.target sm_80\n.global .b32 table;\n\t// .globl\tmettle_kernel__a\n.visible .entry mettle_kernel__a(\n\
        \t.param .u64 p\n)\n.maxntid 32, 1, 1\n{\n\t{\n\tret;\n\t}\n}\n.visible .entry mettle_derive_constants()\n{\n\tret;\n}\n\
        .visible .entry mettle_kernel__a_b()\n{\n\tret;\n}\n";

    #[test]
    fn kernels_come_one_by_one() {
        let ptx = Ptx::new(TEXT.as_bytes(), false).unwrap();
        let shared = ptx.shared().to_str().unwrap();
        assert!(
            shared.contains("table") && shared.contains("mettle_derive_constants()\n{\n\tret;\n}")
        );
        assert!(!shared.contains(".entry mettle_kernel__"));
        let kernel = ptx.kernel("mettle_kernel__a").unwrap();
        let kernel = kernel.to_str().unwrap();
        assert!(kernel.ends_with(".param .u64 p\n)\n.maxntid 32, 1, 1\n{\n\t{\n\tret;\n\t}\n}\n"));
        assert!(kernel.starts_with(shared) && !kernel.contains("a_b()"));
        assert!(ptx.kernel("mettle_kernel__a_b").is_some());
        assert!(ptx.kernel("mettle_derive_constants").is_none());
    }

    #[test]
    fn kernels_that_begin_ahead_wait() {
        let ptx = Ptx::new(TEXT.as_bytes(), true).unwrap();
        assert!(ptx.shared().to_str().unwrap().contains(".target sm_90\n"));
        let kernel = ptx.kernel("mettle_kernel__a").unwrap();
        let kernel = kernel.to_str().unwrap();
        assert_eq!(kernel.matches("griddepcontrol.wait;").count(), 1);
    }

    #[test]
    fn damaged_text_is_refused() {
        let cut = &TEXT.as_bytes()[..TEXT.len() - 3];
        for (text, reason) in [
            (&b"\xff"[..], "it is not text"),
            (b"a\0", "its text holds a NUL"),
            (cut, "its entry mettle_kernel__a_b has no end"),
        ] {
            assert_eq!(Ptx::new(text, false).err().unwrap(), reason);
        }
    }
}
